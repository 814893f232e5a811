package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// Settings are what an operator decides, in the environment or by flags; a flag
// wins. They are grouped by subject, and every group validates itself.
//
// The tags of a setting are its documentation: env (its name), default, help (its
// meaning) and, for a number or a duration, the bounds min and max (both allowed)
// and the unit that they count. --help prints them all.
type Settings struct {
	HTTPSettings
	DatabaseSettings
	DevelopmentSettings
	TokenSettings
	MailSettings
	GraphQLSettings
	LimitSettings
	RetentionSettings
	PrivacySettings
	TelemetrySettings
}

// DefaultSettings returns the settings of a gateway whose operator decides
// nothing. It does not read the environment.
func DefaultSettings() Settings {
	var c struct{ Settings }
	withoutEnvironment := kong.PostBuild(func(k *kong.Kong) error {
		for _, flag := range k.Model.Flags {
			flag.Tag.Envs = nil
		}
		return nil
	})
	if _, err := kong.Must(&c, variables(), withoutEnvironment).Parse(nil); err != nil {
		panic(err) // the defaults are part of the program
	}
	return c.Settings
}

// variables are the defaults that depend on the machine.
func variables() kong.Vars { return kong.Vars{"data_dir": defaultDataDir()} }

// HTTPSettings are where the gateway listens, and for how long.
type HTTPSettings struct {
	Addr           string        `env:"DATAHUB_ADDR" default:"127.0.0.1:8080" help:"The address to listen on, as HOST:PORT. Port 0: any free port."`
	PublicURL      string        `env:"DATAHUB_PUBLIC_URL" placeholder:"URL" help:"The URL that people open; links in mails begin with it. Required outside development. Unset in development: the address that the gateway listens on."`
	AllowedOrigins string        `env:"DATAHUB_ALLOWED_ORIGINS" placeholder:"ORIGINS" help:"The origins of other pages that may send requests, separated by commas: https://app.example. Pages of the gateway's own origin always may."`
	TrustedProxies string        `env:"DATAHUB_TRUSTED_PROXIES" placeholder:"NETWORKS" help:"The networks of the proxies before the gateway, separated by commas: 10.0.0.0/8. Requests from them come from the client that their header X-Forwarded-For names, or else Forwarded. Unset: the other end of each connection is the client."`
	MaxBodyBytes   int64         `env:"DATAHUB_MAX_BODY_BYTES" default:"1048576" min:"1024" max:"67108864" unit:"bytes" help:"Maximum size of a request's body."`
	RequestTimeout time.Duration `env:"DATAHUB_REQUEST_TIMEOUT" default:"30s" min:"1s" max:"10m" help:"Maximum time of a request."`
	StopNotice     time.Duration `env:"DATAHUB_STOP_NOTICE" default:"0s" min:"0s" max:"5m" help:"How long, at a stop, /readyz fails before new connections are refused. Set it to the time that load balancers take to notice. A stop takes at most 30 seconds more."`
}

// DatabaseSettings are about PostgreSQL.
type DatabaseSettings struct {
	DatabaseURL         string        `env:"DATABASE_URL" placeholder:"URL" help:"The PostgreSQL database. Unset: a private one in the data folder, for development."`
	DatabaseRole        string        `env:"DATAHUB_DATABASE_ROLE" placeholder:"ROLE" help:"The role that gateways connect as: migrate grants it what they need, and nothing else. migrate itself connects as the owner of the tables."`
	HashKey             string        `env:"DATAHUB_HASH_KEY" placeholder:"SECRET" help:"A secret of 32 bytes or more that is mixed into the hashes by which addresses are counted and recognised, so that a dump of the database does not reveal them. The same for all gateways. A new one resets what is counted, forgets who wants no mail, and hides the addresses of existing course links, which still work. Unset: the key in the database alone."`
	DatabaseConnections int           `env:"DATAHUB_DATABASE_CONNECTIONS" default:"20" min:"2" max:"1000" unit:"connections" help:"Maximum number of connections to the database."`
	StatementTimeout    time.Duration `env:"DATAHUB_STATEMENT_TIMEOUT" default:"10s" min:"100ms" max:"10m" help:"Maximum time of a database statement."`
	LockTimeout         time.Duration `env:"DATAHUB_LOCK_TIMEOUT" default:"2s" min:"100ms" max:"10m" help:"How long a request waits for what another one is changing in the database, such as a place, before it is answered with UNAVAILABLE. Commands wait for longer."`
}

// DevelopmentSettings are for developers: of the gateway, and of its clients.
type DevelopmentSettings struct {
	Development bool   `env:"DATAHUB_DEVELOPMENT" help:"Development: tokens signed by a key of the gateway's own, mailbox, playground. Always on where DATABASE_URL is unset."`
	DataDir     string `env:"DATAHUB_DATA_DIR" default:"${data_dir}" help:"Development: the folder of the signing key, the mailbox and the private database."`
}

// TokenSettings are about the identity provider.
type TokenSettings struct {
	JWKSURL          string `name:"jwks-url" env:"DATAHUB_JWKS_URL" placeholder:"URL" help:"The identity provider's public keys (JWKS): an https URL, or an http URL of this machine. Required outside development. Unset in development: only tokens of the gateway's own key are accepted."`
	JWTIssuer        string `env:"DATAHUB_JWT_ISSUER" default:"datahub-development" help:"The issuer (iss) of the identity provider's tokens."`
	JWTAudience      string `env:"DATAHUB_JWT_AUDIENCE" default:"datahub-gateway" help:"The audience (aud) of tokens."`
	JWTEmailClaim    string `env:"DATAHUB_JWT_EMAIL_CLAIM" default:"email" help:"The claim of tokens that holds the person's e-mail address. People must not be able to write another person's address into it: email_verified counts for it too."`
	JWTEmailVerified bool   `env:"DATAHUB_JWT_EMAIL_VERIFIED" help:"The identity provider verifies the addresses of all accounts, so that tokens need no email_verified. Tokens with email_verified: false are refused still. Default: off."`
	OIDCClientID     string `name:"oidc-client-id" env:"DATAHUB_OIDC_CLIENT_ID" placeholder:"ID" help:"The page's client id at the identity provider, whose URL is DATAHUB_JWT_ISSUER. The client is public and uses the authorization code flow with PKCE. Unset: people cannot sign in to the page; in development they sign in as people of the demo world."`
}

// MailSettings are about sending mail.
type MailSettings struct {
	SMTPURL           string        `name:"smtp-url" env:"DATAHUB_SMTP_URL" placeholder:"URL" help:"The mail server: smtp://host:port or smtps://user:password@host:port. Required outside development. Unset in development: the mailbox."`
	MailFrom          string        `env:"DATAHUB_MAIL_FROM" placeholder:"ADDRESS" help:"The sender of mails: an address, or a name and an address in angle brackets. Unset: no-reply at the public URL's host. Required outside development where that host is an IP address, this machine, a name without a dot or a name of the local network (.local)."`
	SMTPTimeout       time.Duration `name:"smtp-timeout" env:"DATAHUB_SMTP_TIMEOUT" default:"1m" min:"1s" max:"10m" help:"How long the mail server may take for each step before it has a mail. A mail that it has not taken is attempted again."`
	SMTPAcceptTimeout time.Duration `name:"smtp-accept-timeout" env:"DATAHUB_SMTP_ACCEPT_TIMEOUT" default:"10m" min:"10s" max:"1h" help:"How long the mail server may take to accept a mail that it has. A mail that it has not confirmed is perhaps delivered, and sent again hours later: do not set it to less than the server needs."`
}

// GraphQLSettings are about operations: which ones run, and how large they may be.
type GraphQLSettings struct {
	Operations       string `env:"DATAHUB_OPERATIONS" placeholder:"FILE" help:"The only operations that run: a persisted query manifest (Apollo), or a map of ids to texts (Relay's compiler). Unset: any operation runs."`
	Introspection    *bool  `env:"DATAHUB_INTROSPECTION" help:"Introspection, and hints at similar names in errors. Default: on in development, otherwise off."`
	Playground       *bool  `env:"DATAHUB_PLAYGROUND" help:"The playground at /. Default: on in development, otherwise off."`
	MaxQueryTokens   int    `env:"DATAHUB_MAX_QUERY_TOKENS" default:"2000" min:"10" max:"100000" unit:"tokens" help:"Maximum length of a GraphQL document."`
	MaxDepth         int    `env:"DATAHUB_MAX_DEPTH" default:"15" min:"1" max:"100" unit:"levels" help:"Maximum depth of a GraphQL document."`
	MaxAliases       int    `env:"DATAHUB_MAX_ALIASES" default:"50" min:"0" max:"100000" unit:"aliases" help:"Maximum number of aliases in a GraphQL document."`
	MaxSelections    int    `env:"DATAHUB_MAX_SELECTIONS" default:"2000" min:"1" max:"100000" unit:"selections" help:"Maximum number of selections in a GraphQL document. Those of a fragment count each time that it is spread."`
	MaxCost          int    `env:"DATAHUB_MAX_COST" default:"100000" min:"1" max:"1000000000" unit:"fields" help:"Maximum cost of an operation: the fields that its answer can have, lists included, and its arguments. 100,000 take a quarter of a second of the processor at most."`
	MaxPageSize      int    `env:"DATAHUB_MAX_PAGE_SIZE" default:"100" min:"1" max:"1000" unit:"rows" help:"Maximum page of a connection."`
	MaxEmails        int    `env:"DATAHUB_MAX_EMAILS" default:"1000" min:"1" max:"10000" unit:"entries" help:"Maximum number of addresses, of invitations, or of entries of a roster, in a request. More than 4,000 need a higher DATAHUB_MAX_COST."`
	MaxMessageLength int    `env:"DATAHUB_MAX_MESSAGE_LENGTH" default:"2000" min:"0" max:"2000" unit:"characters" help:"Maximum length of an invitation's message."`
	MaxParallel      int    `env:"DATAHUB_MAX_PARALLEL_OPERATIONS" default:"20" min:"1" max:"100000" unit:"operations" help:"Maximum number of queries and mutations that one gateway runs for a person at once."`
	MaxOperations    int    `env:"DATAHUB_MAX_OPERATIONS" default:"50" min:"1" max:"10000" unit:"operations" help:"Maximum number of operations that run over one WebSocket at once."`
}

// LimitSettings are how much may happen in an hour, or in a minute.
type LimitSettings struct {
	MaxClientRequests             int `env:"DATAHUB_MAX_REQUESTS_PER_CLIENT" default:"1200" min:"1" max:"1000000000" unit:"requests a minute" help:"Maximum number of requests to /graphql without an account from one network address (of IPv6: from one /64 network). Each root field counts, and so does each 16 KiB of a body."`
	MaxInvitations                int `env:"DATAHUB_MAX_INVITATIONS_PER_PERSON" default:"5000" min:"1" max:"1000000000" unit:"addresses an hour" help:"Maximum number of addresses that a person invites."`
	MaxSpaceInvitations           int `env:"DATAHUB_MAX_INVITATIONS_PER_SPACE" default:"10000" min:"1" max:"1000000000" unit:"addresses an hour" help:"Maximum number of addresses that are invited in a space."`
	MaxAddressInvitations         int `env:"DATAHUB_MAX_INVITATIONS_PER_ADDRESS" default:"20" min:"1" max:"1000000000" unit:"mails an hour" help:"Maximum number of mails with invitations of one organization to one mailbox. What follows a plus sign in an address makes no other mailbox, and where a provider ignores dots, they do not either."`
	MaxDomainInvitations          int `env:"DATAHUB_MAX_INVITATIONS_PER_DOMAIN" default:"10000" min:"1" max:"1000000000" unit:"mails an hour" help:"Maximum number of mails with invitations that an organization causes to one domain, its subdomains included."`
	MaxUnknownTokens              int `env:"DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON" default:"20" min:"1" max:"1000000000" unit:"tokens an hour" help:"Maximum number of tokens without an invitation that a person may try."`
	MaxLinkJoins                  int `env:"DATAHUB_MAX_JOINS_PER_LINK" default:"2000" min:"1" max:"1000000000" unit:"addresses an hour" help:"Maximum number of addresses that are given at one course link, also those of members."`
	MaxClientJoins                int `env:"DATAHUB_MAX_JOINS_PER_CLIENT" default:"60" min:"1" max:"1000000000" unit:"addresses an hour" help:"Maximum number of addresses, also of such that are not valid, that an account gives at one course link or, without an account, that are given from one network address (of IPv6: from one /64 network). From a network address it is half of the link's uses, where that is more: people in one hall can have one address."`
	MaxAddressJoins               int `env:"DATAHUB_MAX_JOINS_PER_ADDRESS" default:"5" min:"1" max:"1000000000" unit:"times an hour" help:"Maximum number of times that one address can cause a mail at one course link. More are answered alike, and send nothing."`
	MaxRequests                   int `env:"DATAHUB_MAX_REQUESTS_PER_PERSON" default:"20" min:"1" max:"1000000000" unit:"requests an hour" help:"Maximum number of requests that a person makes. Each sends one mail to everybody who can answer it."`
	MaxSpaceRequests              int `env:"DATAHUB_MAX_REQUESTS_PER_SPACE" default:"100" min:"1" max:"1000000000" unit:"requests an hour" help:"Maximum number of requests that are made in a space."`
	MaxOrganizationRequests       int `env:"DATAHUB_MAX_REQUESTS_PER_ORGANIZATION" default:"1000" min:"1" max:"1000000000" unit:"requests an hour" help:"Maximum number of requests for roles in an organization itself."`
	MaxPersonOrganizationRequests int `env:"DATAHUB_MAX_REQUESTS_PER_PERSON_IN_ORGANIZATION" default:"5" min:"1" max:"1000000000" unit:"requests an hour" help:"Maximum number of requests that a person makes for roles in one organization itself. Each sends one mail to every manager."`
}

// RetentionSettings are how long things are kept.
type RetentionSettings struct {
	InvitationTTL Days `env:"DATAHUB_INVITATION_TTL" default:"30d" min:"1s" max:"3650d" help:"How long an invitation can be accepted."`
	RequestTTL    Days `env:"DATAHUB_REQUEST_TTL" default:"14d" min:"1s" max:"3650d" help:"How long a request can be answered."`
	PurgeGrace    Days `env:"DATAHUB_PURGE_GRACE" default:"7d" min:"0d" max:"3650d" help:"How long a deleted instance or space is kept after the 24 hours in which it can be restored."`
}

// TelemetrySettings are where metrics and traces go.
type TelemetrySettings struct {
	MetricsAddr       string `env:"DATAHUB_METRICS_ADDR" placeholder:"HOST:PORT" help:"The address that serves metrics for Prometheus, at /metrics. It must not be public. Unset: no metrics."`
	TelemetryEndpoint string `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"The OpenTelemetry receiver (OTLP over HTTP). Traces are sent to URL/v1/traces. Unset: no traces."`
	TracesEndpoint    string `name:"otlp-traces-endpoint" env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" placeholder:"URL" help:"The complete URL for traces, if it is not the receiver's URL/v1/traces."`
	TracesSampler     string `env:"OTEL_TRACES_SAMPLER" default:"parentbased_always_on" help:"Which traces are sent, at most 100 a second. The caller decides; without a caller's decision, parentbased_always_on sends all, parentbased_always_off none, and parentbased_traceidratio a share."`
	TracesSamplerArg  string `env:"OTEL_TRACES_SAMPLER_ARG" placeholder:"SHARE" help:"The share of traceidratio, from 0 to 1."`
}

// introspection reports whether clients may query the schema.
func (s *Settings) introspection() bool { return s.unlessSet(s.Introspection) }

// playground reports whether the gateway serves the playground.
func (s *Settings) playground() bool { return s.unlessSet(s.Playground) }

// unlessSet returns an operator's choice; without one, whether development is on.
func (s *Settings) unlessSet(choice *bool) bool {
	if choice == nil {
		return s.Development
	}
	return *choice
}

// documentLimits returns the limits of a GraphQL document.
func (s *GraphQLSettings) documentLimits() complexity.Limits {
	return complexity.Limits{Depth: s.MaxDepth, Aliases: s.MaxAliases, Selections: s.MaxSelections, Cost: s.MaxCost, Fields: resolvers.Costs}
}

// checkServing returns an error that names the settings that serving outside
// development lacks.
func (s *Settings) checkServing() error {
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
		return s.checkSender()
	}
	return fmt.Errorf("%s: required outside development (DATAHUB_DEVELOPMENT=true turns development on)", strings.Join(missing, ", "))
}

// checkSender returns an error where neither an operator nor the public URL names a
// sender of mails that mail servers accept.
func (s *Settings) checkSender() error {
	public, err := s.publicURL()
	if err != nil {
		return err
	}
	from, err := s.sender()
	_, domain, _ := strings.Cut(from.Email, "@")
	switch {
	case err != nil:
		return err
	case domain == "" && mailDomain(public) == "":
		return fmt.Errorf("DATAHUB_MAIL_FROM: required outside development where the host of DATAHUB_PUBLIC_URL is no domain that mails can be from: %q", public.Hostname())
	case domain != "" && (!strings.Contains(domain, ".") || topLevel(domain) == "localhost"):
		return setting("DATAHUB_MAIL_FROM", fmt.Errorf("outside development mails cannot be from this machine, nor from a name without a dot: %q", from.Email))
	}
	return nil
}

// checkDevelopment returns an error outside development, for commands that are
// for development only.
func (s *DevelopmentSettings) checkDevelopment() error {
	if s.Development {
		return nil
	}
	return errors.New("DATAHUB_DEVELOPMENT: this command is for development only; to run it, set DATAHUB_DEVELOPMENT=true")
}

// checkDatabase returns an error where no database is named, for commands that
// work on one.
func (s *DatabaseSettings) checkDatabase() error {
	if s.DatabaseURL == "" {
		return errors.New("DATABASE_URL: it must name the database that this command works on")
	}
	return nil
}

// defaultDataDir returns the default of DATAHUB_DATA_DIR. For root it is outside
// root's home, because PostgreSQL runs as another user, who must reach it.
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

// makeDataDir creates the data folder, and makes DataDir an absolute path. Other
// users can pass through the folder, because PostgreSQL's user must; they cannot
// read what is in it.
func (s *DevelopmentSettings) makeDataDir() error {
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
