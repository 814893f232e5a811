package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
)

// setting returns an error that names the setting at fault.
func setting(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// Validate returns the first setting that cannot be used, as an error of one line
// that names it. kong calls it after it has read the command line. Without a
// database it turns development on.
func (s *Settings) Validate() error {
	if s.DatabaseURL == "" {
		s.Development = true
	}
	for _, validate := range []func() error{
		s.checkBounds,
		s.HTTPSettings.validate,
		s.DatabaseSettings.validate,
		s.DevelopmentSettings.validate,
		s.TokenSettings.validate,
		s.MailSettings.validate,
		s.TelemetrySettings.validate,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	return nil
}

// checkBounds checks every setting that has the tags min and max.
func (s *Settings) checkBounds() error {
	settings := reflect.ValueOf(s).Elem()
	for _, field := range reflect.VisibleFields(settings.Type()) {
		low, bounded := field.Tag.Lookup("min")
		if !bounded {
			continue
		}
		high := field.Tag.Get("max")
		value := settings.FieldByIndex(field.Index)
		if n := value.Int(); n < parseBound(low) || n > parseBound(high) {
			return setting(field.Tag.Get("env"), fmt.Errorf("%v is not between %s and %s", value, low, high))
		}
	}
	return nil
}

// parseBound returns the number or the duration (in nanoseconds) of a tag.
func parseBound(text string) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	var d Days
	if err := d.UnmarshalText([]byte(text)); err != nil {
		panic(err) // the tags are part of the program
	}
	return int64(d)
}

func (s *HTTPSettings) validate() error {
	if !isHostPort(s.Addr) {
		return setting("DATAHUB_ADDR", errHostPort)
	}
	if _, err := parseOrigins(s.AllowedOrigins); err != nil {
		return setting("DATAHUB_ALLOWED_ORIGINS", err)
	}
	if _, err := parseProxies(s.TrustedProxies); err != nil {
		return setting("DATAHUB_TRUSTED_PROXIES", err)
	}
	_, err := s.publicURL()
	return err
}

// hostProfile converts hosts to A-labels (RFC 5891 section 5, UTS #46 without its
// transitional forms).
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// publicURL returns the public URL, with its host as the DNS, mail servers and browsers
// write it: in lower case, with A-labels (RFC 5890), without a dot at the end. It is nil
// where there is none.
func (s *HTTPSettings) publicURL() (*url.URL, error) {
	if s.PublicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(s.PublicURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, setting("DATAHUB_PUBLIC_URL", errors.New("expected https://HOST or https://HOST/PATH"))
	}
	// A dot at the end says that the name is complete. Certificates and origins have none.
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		host, err = hostProfile.ToASCII(host)
		host = strings.TrimSuffix(host, ".") // it may have been another character
	}
	if err != nil || !isHost(host) {
		return nil, setting("DATAHUB_PUBLIC_URL", errors.New("its host is neither a valid domain nor an IP address"))
	}
	u.Host = host
	if strings.Contains(host, ":") { // IPv6
		u.Host = "[" + host + "]"
	}
	if port != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	return u, nil
}

// hostPattern matches domains and IPv4 addresses that browsers open: labels of 1 to 63
// letters, digits, hyphens and underscores.
var hostPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// isHost reports whether a host is a domain in ASCII or an IP address.
func isHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || len(host) <= 253 && hostPattern.MatchString(host)
}

func (s *DatabaseSettings) validate() error {
	if s.HashKey != "" && len(s.HashKey) < keyedhash.MinSecret {
		return setting("DATAHUB_HASH_KEY", fmt.Errorf("it is shorter than %d bytes", keyedhash.MinSecret))
	}
	return nil
}

func (s *DevelopmentSettings) validate() error {
	if s.DataDir == "" {
		return setting("DATAHUB_DATA_DIR", errEmpty)
	}
	return nil
}

func (s *TokenSettings) validate() error {
	// An empty issuer or audience would switch its check off.
	switch {
	case s.JWTIssuer == "":
		return setting("DATAHUB_JWT_ISSUER", errEmpty)
	case s.JWTAudience == "":
		return setting("DATAHUB_JWT_AUDIENCE", errEmpty)
	case s.JWTEmailClaim == "":
		return setting("DATAHUB_JWT_EMAIL_CLAIM", errEmpty)
	case s.JWKSURL != "" && !isTrustworthy(s.JWKSURL):
		return setting("DATAHUB_JWKS_URL", errors.New("expected https://HOST/PATH, or http:// of this machine"))
	case s.OIDCClientID == "":
		return nil
	case s.JWKSURL == "":
		return setting("DATAHUB_OIDC_CLIENT_ID", errors.New("people sign in at the identity provider, but DATAHUB_JWKS_URL does not name its keys"))
	case !isTrustworthy(s.JWTIssuer):
		return setting("DATAHUB_JWT_ISSUER", errors.New("people sign in to the page there: expected https://HOST/PATH, or http:// of this machine"))
	}
	return nil
}

func (s *MailSettings) validate() error {
	if _, err := s.sender(); err != nil {
		return err
	}
	if _, err := url.Parse(s.SMTPURL); err != nil {
		return setting("DATAHUB_SMTP_URL", errNotURL)
	}
	return nil
}

func (s *TelemetrySettings) validate() error {
	if s.MetricsAddr != "" && !isHostPort(s.MetricsAddr) {
		return setting("DATAHUB_METRICS_ADDR", errHostPort)
	}
	for _, endpoint := range []struct{ name, value string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", s.TelemetryEndpoint},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", s.TracesEndpoint},
	} {
		if endpoint.value == "" {
			continue
		}
		if err := telemetry.CheckEndpoint(endpoint.value); err != nil {
			return setting(endpoint.name, err)
		}
	}
	return telemetry.CheckSampler(s.TracesSampler, s.TracesSamplerArg) // it names the setting
}

var (
	errEmpty    = errors.New("it is empty")
	errHostPort = errors.New("expected HOST:PORT")
	// errNotURL replaces the error of url.Parse, which quotes the URL and with it
	// its password.
	errNotURL = errors.New("it is not a URL")
)

func isHostPort(text string) bool {
	_, _, err := net.SplitHostPort(text)
	return err == nil
}

// isTrustworthy reports whether nobody else can answer for a URL's host: it is
// fetched by https, or from this machine.
func isTrustworthy(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// Days is a duration that may also be written in days: 30d.
type Days time.Duration

// UnmarshalText reads days from 0d to 36500d, or what time.ParseDuration reads.
func (d *Days) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return errDays
		}
		*d = Days(n) * Days(24*time.Hour)
		return nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return errDays
	}
	*d = Days(duration)
	return nil
}

var errDays = errors.New("expected a time such as 30d or 720h")

// String returns the duration as time.Duration writes it.
func (d Days) String() string { return time.Duration(d).String() }
