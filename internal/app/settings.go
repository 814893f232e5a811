package app

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
)

// Settings are what an operator decides, by flags or in the environment.
type Settings struct {
	Addr           string `env:"DATAHUB_ADDR" default:"127.0.0.1:8080" help:"Where to listen."`
	DatabaseURL    string `env:"DATABASE_URL" placeholder:"URL" help:"The PostgreSQL database. Unset: a private one in the data folder, for development."`
	DatabaseRole   string `env:"DATAHUB_DATABASE_ROLE" placeholder:"ROLE" help:"The role of the gateway, to which migrate grants what it needs, and nothing else. migrate itself connects as the owner of the tables."`
	Development    bool   `env:"DATAHUB_DEVELOPMENT" help:"Development: tokens of an own key, mailbox, playground. On where DATABASE_URL is unset."`
	DataDir        string `env:"DATAHUB_DATA_DIR" default:"${data_dir}" help:"Development: the folder of the signing key, the mailbox and the private database."`
	AllowedOrigins string `env:"DATAHUB_ALLOWED_ORIGINS" placeholder:"ORIGINS" help:"The origins whose pages may ask here, with commas between them: https://app.example. Pages of the gateway's own origin always may."`
	PublicURL      string `env:"DATAHUB_PUBLIC_URL" placeholder:"URL" help:"What the links in mails begin with. Development: where the gateway listens."`

	SMTPURL  string `name:"smtp-url" env:"DATAHUB_SMTP_URL" placeholder:"URL" help:"The mail server: smtp://host:port or smtps://user:password@host:port. Unset in development: the mailbox."`
	MailFrom string `env:"DATAHUB_MAIL_FROM" placeholder:"ADDRESS" help:"The sender of mails; by default no-reply at the public URL's host."`

	JWKSURL     string `name:"jwks-url" env:"DATAHUB_JWKS_URL" placeholder:"URL" help:"The public keys (JWKS) of the identity provider, by https; by http from this machine alone. Unset in development: tokens of the own key alone."`
	JWTIssuer   string `env:"DATAHUB_JWT_ISSUER" default:"datahub-development" help:"The issuer (iss) of the identity provider's tokens."`
	JWTAudience string `env:"DATAHUB_JWT_AUDIENCE" default:"datahub-gateway" help:"The audience (aud) of tokens."`

	OIDCClientID string `name:"oidc-client-id" env:"DATAHUB_OIDC_CLIENT_ID" placeholder:"ID" help:"The page at the identity provider, whose address is its issuer: a public client, for the authorization code flow with PKCE. Unset: people cannot sign in to the page but, in development, as those of the demo world."`

	Operations    string `env:"DATAHUB_OPERATIONS" placeholder:"FILE" help:"The operations that clients may carry out, and no others: a persisted query manifest of Apollo's, or a map of ids and texts as Relay's compiler writes it. Unset: any."`
	Introspection *bool  `env:"DATAHUB_INTROSPECTION" help:"Introspection, and hints at similar names in errors. On in development, else off."`
	Playground    *bool  `env:"DATAHUB_PLAYGROUND" help:"The playground at /. On in development, else off."`

	MetricsAddr       string `env:"DATAHUB_METRICS_ADDR" placeholder:"HOST:PORT" help:"Where to serve metrics for Prometheus, at /metrics: an address that is not public. Unset: nowhere."`
	TelemetryEndpoint string `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"The OpenTelemetry receiver (OTLP over HTTP) that traces are sent to, at URL/v1/traces. Unset: none are."`
	TracesEndpoint    string `name:"otlp-traces-endpoint" env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" placeholder:"URL" help:"The whole URL that traces are sent to, where it is another one."`
	TracesSampler     string `env:"OTEL_TRACES_SAMPLER" default:"parentbased_always_on" help:"Which traces are sent, 100 a second at most: as the caller says, else all; parentbased_always_off: else none; parentbased_traceidratio: else a share."`
	TracesSamplerArg  string `env:"OTEL_TRACES_SAMPLER_ARG" placeholder:"SHARE" help:"The share of traceidratio, from 0 to 1."`

	InvitationTTL Days `env:"DATAHUB_INVITATION_TTL" default:"30d" help:"How long an invitation can be accepted."`
	RequestTTL    Days `env:"DATAHUB_REQUEST_TTL" default:"14d" help:"How long a request can be answered."`
	PurgeGrace    Days `env:"DATAHUB_PURGE_GRACE" default:"7d" help:"How long a deleted instance is kept when its 24 hours are over."`

	MaxBodyBytes          int64         `env:"DATAHUB_MAX_BODY_BYTES" default:"1048576" help:"Octets of a request's body."`
	MaxQueryTokens        int           `env:"DATAHUB_MAX_QUERY_TOKENS" default:"2000" help:"Tokens of a GraphQL document."`
	MaxDepth              int           `env:"DATAHUB_MAX_DEPTH" default:"15" help:"Levels of a GraphQL document."`
	MaxAliases            int           `env:"DATAHUB_MAX_ALIASES" default:"50" help:"Aliases of a GraphQL document."`
	MaxSelections         int           `env:"DATAHUB_MAX_SELECTIONS" default:"2000" help:"Selections of a GraphQL document; those of a fragment count again in everything that it is spread in."`
	MaxCost               int           `env:"DATAHUB_MAX_COST" default:"100000" help:"Fields that an operation's answer can hold, lists included."`
	MaxPageSize           int           `env:"DATAHUB_MAX_PAGE_SIZE" default:"100" help:"Rows of a connection's page."`
	MaxEmails             int           `env:"DATAHUB_MAX_EMAILS" default:"1000" help:"Addresses, or invitations, in a request."`
	MaxMessageLength      int           `env:"DATAHUB_MAX_MESSAGE_LENGTH" default:"2000" help:"Characters of an invitation's message, 2000 at most."`
	MaxInvitations        int           `env:"DATAHUB_MAX_INVITATIONS_PER_PERSON" default:"5000" help:"Addresses that a person invites in an hour."`
	MaxSpaceInvitations   int           `env:"DATAHUB_MAX_INVITATIONS_PER_SPACE" default:"10000" help:"Addresses that are invited in a space in an hour."`
	MaxAddressInvitations int           `env:"DATAHUB_MAX_INVITATIONS_PER_ADDRESS" default:"20" help:"Mails with invitations to one address in an hour, whoever causes them."`
	MaxDomainInvitations  int           `env:"DATAHUB_MAX_INVITATIONS_PER_DOMAIN" default:"10000" help:"Mails with invitations that an organization causes in an hour to one domain, subdomains included."`
	MaxUnknownTokens      int           `env:"DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON" default:"20" help:"Tokens that lead to no invitation, given by a person in an hour."`
	MaxRequests           int           `env:"DATAHUB_MAX_REQUESTS_PER_PERSON" default:"20" help:"Requests that a person makes in an hour. Each brings everybody who can answer it one mail."`
	MaxSpaceRequests      int           `env:"DATAHUB_MAX_REQUESTS_PER_SPACE" default:"100" help:"Requests that are made in a space in an hour."`
	MaxParallel           int           `env:"DATAHUB_MAX_PARALLEL_OPERATIONS" default:"20" help:"Queries and mutations that are carried out for a person at once, by one gateway."`
	MaxOperations         int           `env:"DATAHUB_MAX_OPERATIONS" default:"50" help:"Operations at once over one WebSocket."`
	RequestTimeout        time.Duration `env:"DATAHUB_REQUEST_TIMEOUT" default:"30s" help:"The time of one request."`
	StopNotice            time.Duration `env:"DATAHUB_STOP_NOTICE" default:"0s" help:"How long, at a stop, /readyz says so before new connections are refused: as long as load balancers take to notice. A stop takes 30 seconds more at most."`
	StatementTimeout      time.Duration `env:"DATAHUB_STATEMENT_TIMEOUT" default:"10s" help:"The time of one database statement."`
	DatabaseConnections   int           `env:"DATAHUB_DATABASE_CONNECTIONS" default:"20" help:"Connections to the database."`
}

// Days is a duration that may be written in days: 30d.
type Days time.Duration

// UnmarshalText reads 30d or whatever time.ParseDuration does.
func (d *Days) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return errors.New("expected a time such as 30d or 720h")
		}
		*d = Days(n) * Days(24*time.Hour)
		return nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("expected a time such as 30d or 720h")
	}
	*d = Days(duration)
	return nil
}

// setting names a setting in an error.
func setting(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// Validate implements kong's check after parsing: the first setting that
// cannot be used stops the start.
func (s *Settings) Validate() error {
	if s.DatabaseURL == "" {
		s.Development = true
	}
	for _, number := range []struct {
		name             string
		value, low, high int64
	}{
		{"DATAHUB_MAX_BODY_BYTES", s.MaxBodyBytes, 1024, 64 << 20},
		{"DATAHUB_MAX_QUERY_TOKENS", int64(s.MaxQueryTokens), 10, 100_000},
		{"DATAHUB_MAX_DEPTH", int64(s.MaxDepth), 1, 100},
		{"DATAHUB_MAX_ALIASES", int64(s.MaxAliases), 0, 100_000},
		{"DATAHUB_MAX_SELECTIONS", int64(s.MaxSelections), 1, 100_000},
		{"DATAHUB_MAX_COST", int64(s.MaxCost), 1, 1_000_000_000},
		{"DATAHUB_MAX_PAGE_SIZE", int64(s.MaxPageSize), 1, 1000},
		{"DATAHUB_MAX_EMAILS", int64(s.MaxEmails), 1, 10_000},
		{"DATAHUB_MAX_MESSAGE_LENGTH", int64(s.MaxMessageLength), 0, 2000},
		{"DATAHUB_MAX_INVITATIONS_PER_PERSON", int64(s.MaxInvitations), 1, 1_000_000_000},
		{"DATAHUB_MAX_INVITATIONS_PER_SPACE", int64(s.MaxSpaceInvitations), 1, 1_000_000_000},
		{"DATAHUB_MAX_INVITATIONS_PER_ADDRESS", int64(s.MaxAddressInvitations), 1, 1_000_000_000},
		{"DATAHUB_MAX_INVITATIONS_PER_DOMAIN", int64(s.MaxDomainInvitations), 1, 1_000_000_000},
		{"DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON", int64(s.MaxUnknownTokens), 1, 1_000_000_000},
		{"DATAHUB_MAX_REQUESTS_PER_PERSON", int64(s.MaxRequests), 1, 1_000_000_000},
		{"DATAHUB_MAX_REQUESTS_PER_SPACE", int64(s.MaxSpaceRequests), 1, 1_000_000_000},
		{"DATAHUB_MAX_PARALLEL_OPERATIONS", int64(s.MaxParallel), 1, 100_000},
		{"DATAHUB_MAX_OPERATIONS", int64(s.MaxOperations), 1, 10_000},
		{"DATAHUB_DATABASE_CONNECTIONS", int64(s.DatabaseConnections), 2, 1000},
	} {
		if number.value < number.low || number.value > number.high {
			return setting(number.name, fmt.Errorf("%d is not between %d and %d", number.value, number.low, number.high))
		}
	}
	for _, time := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"DATAHUB_INVITATION_TTL", time.Duration(s.InvitationTTL), time.Second, 3650 * 24 * time.Hour},
		{"DATAHUB_REQUEST_TTL", time.Duration(s.RequestTTL), time.Second, 3650 * 24 * time.Hour},
		{"DATAHUB_PURGE_GRACE", time.Duration(s.PurgeGrace), 0, 3650 * 24 * time.Hour},
		{"DATAHUB_REQUEST_TIMEOUT", s.RequestTimeout, time.Second, 10 * time.Minute},
		{"DATAHUB_STOP_NOTICE", s.StopNotice, 0, 5 * time.Minute},
		{"DATAHUB_STATEMENT_TIMEOUT", s.StatementTimeout, 100 * time.Millisecond, 10 * time.Minute},
	} {
		if time.value < time.low || time.value > time.high {
			return setting(time.name, fmt.Errorf("%v is not between %v and %v", time.value, time.low, time.high))
		}
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return setting("DATAHUB_ADDR", errors.New("expected HOST:PORT"))
	}
	for _, required := range []struct{ name, value string }{
		{"DATAHUB_DATA_DIR", s.DataDir},
		// Where nothing is expected, nothing is checked.
		{"DATAHUB_JWT_ISSUER", s.JWTIssuer},
		{"DATAHUB_JWT_AUDIENCE", s.JWTAudience},
	} {
		if required.value == "" {
			return setting(required.name, errors.New("it is empty"))
		}
	}
	if _, err := parseOrigins(s.AllowedOrigins); err != nil {
		return setting("DATAHUB_ALLOWED_ORIGINS", err)
	}
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return setting("DATAHUB_PUBLIC_URL", errors.New("expected https://HOST or https://HOST/PATH"))
		}
	}
	if s.MailFrom != "" {
		if _, err := mail.ParseAddress(s.MailFrom); err != nil {
			return setting("DATAHUB_MAIL_FROM", errors.New("it is no e-mail address"))
		}
	}
	if _, _, err := net.SplitHostPort(s.MetricsAddr); s.MetricsAddr != "" && err != nil {
		return setting("DATAHUB_METRICS_ADDR", errors.New("expected HOST:PORT"))
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
	if err := telemetry.CheckSampler(s.TracesSampler, s.TracesSamplerArg); err != nil {
		return err
	}
	if s.SMTPURL != "" {
		if _, err := url.Parse(s.SMTPURL); err != nil {
			// The error would quote the URL, and with it the password.
			return setting("DATAHUB_SMTP_URL", errors.New("it is no URL"))
		}
	}
	if s.JWKSURL != "" && !trustworthy(s.JWKSURL) {
		return setting("DATAHUB_JWKS_URL", errors.New("expected https://HOST/PATH, or http:// of this machine"))
	}
	if s.OIDCClientID != "" {
		if s.JWKSURL == "" {
			return setting("DATAHUB_OIDC_CLIENT_ID", errors.New("people sign in at the identity provider, and DATAHUB_JWKS_URL does not say whose keys are good"))
		}
		if !trustworthy(s.JWTIssuer) {
			return setting("DATAHUB_JWT_ISSUER", errors.New("people sign in to the page there: expected https://HOST/PATH, or http:// of this machine"))
		}
	}
	return nil
}

// trustworthy reports whether what is fetched from a URL comes from who it
// names: by https, or from this machine.
func trustworthy(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// introspection reports whether clients may ask for the schema.
func (s *Settings) introspection() bool { return s.chosen(s.Introspection) }

// playground reports whether there is a playground.
func (s *Settings) playground() bool { return s.chosen(s.Playground) }

// chosen is what an operator has chosen, or what development is for.
func (s *Settings) chosen(choice *bool) bool {
	if choice == nil {
		return s.Development
	}
	return *choice
}

func (s *Settings) limits() complexity.Limits {
	return complexity.Limits{Depth: s.MaxDepth, Aliases: s.MaxAliases, Selections: s.MaxSelections, Cost: s.MaxCost}
}

// servable decides whether the gateway can serve with these settings.
func (s *Settings) servable() error {
	if s.Development {
		return nil
	}
	var missing []string
	for _, required := range []struct{ name, value string }{
		{"DATAHUB_JWKS_URL", s.JWKSURL},
		{"DATAHUB_SMTP_URL", s.SMTPURL},
		{"DATAHUB_PUBLIC_URL", s.PublicURL},
	} {
		if required.value == "" {
			missing = append(missing, required.name)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%s: needed outside development (DATAHUB_DEVELOPMENT=true turns development on)", strings.Join(missing, ", "))
}

// developing fails where a command is for development alone.
func (s *Settings) developing() error {
	if s.Development {
		return nil
	}
	return errors.New("DATAHUB_DEVELOPMENT: this command is for development only; set it to true where that is meant")
}

// database fails where a command needs a database that is not named.
func (s *Settings) database() error {
	if s.DatabaseURL == "" {
		return errors.New("DATABASE_URL: it must name the database that this command works on")
	}
	return nil
}

// defaultDataDir is a folder that PostgreSQL's own user can reach too, where
// the gateway runs as root.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/datahub-gateway"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "datahub-gateway")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("datahub-gateway-%d", os.Getuid()))
	}
	return filepath.Join(home, ".local", "share", "datahub-gateway")
}

// makeDataDir makes the data folder. Others can pass through it, since
// PostgreSQL's user must; what is in it is closed to them.
func (s *Settings) makeDataDir() error {
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		return setting("DATAHUB_DATA_DIR", err)
	}
	s.DataDir = dir
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return setting("DATAHUB_DATA_DIR", err)
	}
	return nil
}
