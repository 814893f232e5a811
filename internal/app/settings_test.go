package app

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// variables are the environment variables of all settings, with their
// defaults.
func variables() map[string]string {
	all := map[string]string{}
	for field := range reflect.TypeFor[Settings]().Fields() {
		all[field.Tag.Get("env")] = field.Tag.Get("default")
	}
	return all
}

// environment sets the variables given, and unsets all others of the gateway:
// a developer's own must not decide about a test.
func environment(t *testing.T, variable ...string) {
	t.Helper()
	for name := range variables() {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DATAHUB_DATA_DIR", t.TempDir())
	t.Setenv("DATAHUB_ADDR", "127.0.0.1:0")
	for _, v := range variable {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// outcome is what a command line came to.
type outcome struct {
	code     int
	out, err string
}

func command(t *testing.T, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	code := Main(t.Context(), args, &out, &err)
	return outcome{code, out.String(), err.String()}
}

// failed checks that the command has ended with a code, and has said why in
// one line that has some words.
func (o outcome) failed(t *testing.T, code int, words ...string) {
	t.Helper()
	if o.code != code || o.out != "" {
		t.Errorf("exit code %d, want %d; printed %.200q; said %q", o.code, code, o.out, o.err)
	}
	line, rest, _ := strings.Cut(o.err, "\n")
	if rest != "" || !strings.HasPrefix(line, "datahub-gateway: ") {
		t.Errorf("not one line: %q", o.err)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("%q does not say %s", line, word)
		}
	}
}

func (o outcome) succeeded(t *testing.T) outcome {
	t.Helper()
	if o.code != 0 || o.err != "" {
		t.Fatalf("exit code %d, said %q", o.code, o.err)
	}
	return o
}

func TestWrongSettings(t *testing.T) {
	for _, wrong := range []string{
		"DATAHUB_ADDR=", "DATAHUB_ADDR=localhost", "DATAHUB_ADDR=::1:8080",
		"DATAHUB_DEVELOPMENT=", "DATAHUB_DEVELOPMENT=perhaps",
		"DATAHUB_DATA_DIR=", "DATAHUB_JWT_ISSUER=", "DATAHUB_JWT_AUDIENCE=",
		"DATAHUB_PUBLIC_URL=datahub.example", "DATAHUB_PUBLIC_URL=ftp://datahub.example", "DATAHUB_PUBLIC_URL=https://",
		"DATAHUB_PUBLIC_URL=https://me:sesame@datahub.example", "DATAHUB_PUBLIC_URL=https://datahub.example/?a=b",
		"DATAHUB_PUBLIC_URL=https://datahub.example/#here", "DATAHUB_PUBLIC_URL=https://data hub.example",
		"DATAHUB_METRICS_ADDR=9090", "DATAHUB_METRICS_ADDR=::1:9090",
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT=grpc://collector:4317", "OTEL_EXPORTER_OTLP_ENDPOINT=https://me:sesame@collector.example",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https:///v1/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://collector.example/?key=sesame",
		"OTEL_TRACES_SAMPLER=xray", "OTEL_TRACES_SAMPLER=parentbased_", "OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG=NaN", "OTEL_TRACES_SAMPLER_ARG=some",
		"DATAHUB_JWKS_URL=login.example", "DATAHUB_JWKS_URL=http://login.example/keys", "DATAHUB_JWKS_URL=https:///keys", "DATAHUB_JWKS_URL=https://login.example/#keys",
		"DATAHUB_JWKS_URL=https://me:sesame@login.example/keys", "DATAHUB_JWKS_URL=file:///etc/keys", "DATAHUB_JWKS_URL=http://localhost.login.example/keys",
		"DATAHUB_JWKS_URL=http://10.0.0.1/keys", "DATAHUB_JWKS_URL=https://login.example/%zz",
		"DATAHUB_OIDC_CLIENT_ID=page",
		"DATAHUB_MAIL_FROM=datahub", "DATAHUB_MAIL_FROM=a@b.example, c@d.example",
		"DATAHUB_SMTP_URL=smtp://me:ses ame@mail.example", "DATAHUB_SMTP_URL=smtp://me:sesame@mail.example:port",
		"DATAHUB_INVITATION_TTL=", "DATAHUB_INVITATION_TTL=30", "DATAHUB_INVITATION_TTL=0d", "DATAHUB_INVITATION_TTL=-1d", "DATAHUB_INVITATION_TTL=-213474d",
		"DATAHUB_ALLOWED_ORIGINS=*", "DATAHUB_ALLOWED_ORIGINS=app.example", "DATAHUB_ALLOWED_ORIGINS=https://", "DATAHUB_ALLOWED_ORIGINS=https://app.example/",
		"DATAHUB_ALLOWED_ORIGINS=https://APP.example", "DATAHUB_ALLOWED_ORIGINS=https://app.example/x", "DATAHUB_ALLOWED_ORIGINS=ftp://app.example",
		"DATAHUB_ALLOWED_ORIGINS=https://a.example https://b.example", "DATAHUB_ALLOWED_ORIGINS=null", "DATAHUB_ALLOWED_ORIGINS=https://a.example,b.example",
		"DATAHUB_REQUEST_TTL=", "DATAHUB_REQUEST_TTL=14", "DATAHUB_REQUEST_TTL=0d", "DATAHUB_REQUEST_TTL=3651d",
		"DATAHUB_MAX_INVITATIONS_PER_PERSON=0", "DATAHUB_MAX_INVITATIONS_PER_SPACE=-1", "DATAHUB_MAX_INVITATIONS_PER_ADDRESS=0", "DATAHUB_MAX_INVITATIONS_PER_ADDRESS=many", "DATAHUB_MAX_INVITATIONS_PER_DOMAIN=0", "DATAHUB_MAX_INVITATIONS_PER_DOMAIN=1000000001",
		"DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON=0", "DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON=-1", "DATAHUB_MAX_REQUESTS_PER_PERSON=0", "DATAHUB_MAX_REQUESTS_PER_SPACE=1000000001",
		"DATAHUB_PURGE_GRACE=", "DATAHUB_PURGE_GRACE=7", "DATAHUB_PURGE_GRACE=-1d", "DATAHUB_PURGE_GRACE=-1s", "DATAHUB_PURGE_GRACE=3651d",
		"DATAHUB_MAX_OPERATIONS=0", "DATAHUB_MAX_OPERATIONS=10001",
		"DATAHUB_INVITATION_TTL=soon", "DATAHUB_INVITATION_TTL=3651d", "DATAHUB_INVITATION_TTL=999ms",
		"DATAHUB_MAX_BODY_BYTES=", "DATAHUB_MAX_BODY_BYTES=1 MiB", "DATAHUB_MAX_BODY_BYTES=1023", "DATAHUB_MAX_BODY_BYTES=67108865",
		"DATAHUB_MAX_QUERY_TOKENS=9", "DATAHUB_MAX_QUERY_TOKENS=100001",
		"DATAHUB_MAX_DEPTH=0", "DATAHUB_MAX_DEPTH=101", "DATAHUB_MAX_ALIASES=-1", "DATAHUB_MAX_ALIASES=100001",
		"DATAHUB_MAX_SELECTIONS=0", "DATAHUB_MAX_SELECTIONS=100001", "DATAHUB_MAX_COST=0", "DATAHUB_MAX_COST=1000000001",
		"DATAHUB_MAX_PAGE_SIZE=0", "DATAHUB_MAX_PAGE_SIZE=1001", "DATAHUB_MAX_PAGE_SIZE=-1",
		"DATAHUB_MAX_EMAILS=0", "DATAHUB_MAX_EMAILS=10001", "DATAHUB_MAX_EMAILS=99999999999999999999", "DATAHUB_MAX_EMAILS=1.5",
		"DATAHUB_MAX_MESSAGE_LENGTH=-1", "DATAHUB_MAX_MESSAGE_LENGTH=2001",
		"DATAHUB_STOP_NOTICE=-1s", "DATAHUB_STOP_NOTICE=5", "DATAHUB_STOP_NOTICE=6m", "DATAHUB_REQUEST_TIMEOUT=30", "DATAHUB_REQUEST_TIMEOUT=999ms", "DATAHUB_REQUEST_TIMEOUT=11m", "DATAHUB_REQUEST_TIMEOUT=-30s",
		"DATAHUB_STATEMENT_TIMEOUT=99ms", "DATAHUB_STATEMENT_TIMEOUT=11m", "DATAHUB_STATEMENT_TIMEOUT=ten",
		"DATAHUB_DATABASE_CONNECTIONS=1", "DATAHUB_DATABASE_CONNECTIONS=1001", "DATAHUB_DATABASE_CONNECTIONS=many",
	} {
		t.Run(wrong, func(t *testing.T) {
			environment(t, wrong)
			name, _, _ := strings.Cut(wrong, "=")
			got := command(t, "schema")
			got.failed(t, 2, name)
			if strings.Contains(got.err, "sesame") {
				t.Errorf("a password is printed: %s", got.err)
			}
		})
	}
}

func TestSettingsAtTheirLimits(t *testing.T) {
	for _, right := range [][]string{
		{},
		{"DATAHUB_ADDR=:8080", "DATAHUB_PUBLIC_URL=http://localhost:8080", "DATAHUB_MAIL_FROM=DataHub <no-reply@datahub.example>"},
		{"DATAHUB_ALLOWED_ORIGINS=https://app.example, http://localhost:5173,", "DATAHUB_REQUEST_TTL=1s", "DATAHUB_MAX_INVITATIONS_PER_PERSON=1", "DATAHUB_MAX_INVITATIONS_PER_ADDRESS=1", "DATAHUB_MAX_INVITATIONS_PER_DOMAIN=1000000000", "DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON=1", "DATAHUB_MAX_REQUESTS_PER_SPACE=1000000000"},
		{"DATAHUB_METRICS_ADDR=:9090", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://collector.example/v1/traces", "OTEL_TRACES_SAMPLER=always_off"},
		{"DATAHUB_JWKS_URL=https://login.example/keys?tenant=1"}, {"DATAHUB_JWKS_URL=http://localhost/keys"}, {"DATAHUB_JWKS_URL=http://127.0.0.1:8000"}, {"DATAHUB_JWKS_URL=http://[::1]/keys"},
		{"DATAHUB_OIDC_CLIENT_ID=page", "DATAHUB_JWKS_URL=http://localhost/keys", "DATAHUB_JWT_ISSUER=http://localhost"},
		{"DATAHUB_OIDC_CLIENT_ID=page", "DATAHUB_JWKS_URL=https://login.example/keys", "DATAHUB_JWT_ISSUER=https://login.example/realms/datahub/"},
		{"DATAHUB_ADDR=[::1]:8080", "DATAHUB_PUBLIC_URL=https://datahub.example/gateway/", "DATAHUB_DEVELOPMENT=yes"},
		{"DATAHUB_INVITATION_TTL=1s", "DATAHUB_PURGE_GRACE=0d", "DATAHUB_MAX_OPERATIONS=1", "DATAHUB_MAX_BODY_BYTES=1024", "DATAHUB_MAX_QUERY_TOKENS=10", "DATAHUB_MAX_DEPTH=1", "DATAHUB_MAX_ALIASES=0", "DATAHUB_MAX_SELECTIONS=1", "DATAHUB_MAX_COST=1", "DATAHUB_MAX_PAGE_SIZE=1", "DATAHUB_MAX_EMAILS=1",
			"DATAHUB_MAX_MESSAGE_LENGTH=0", "DATAHUB_REQUEST_TIMEOUT=1s", "DATAHUB_STATEMENT_TIMEOUT=100ms", "DATAHUB_DATABASE_CONNECTIONS=2"},
		{"DATAHUB_INVITATION_TTL=3650d", "DATAHUB_PURGE_GRACE=3650d", "DATAHUB_MAX_OPERATIONS=10000", "DATAHUB_MAX_BODY_BYTES=67108864", "DATAHUB_MAX_QUERY_TOKENS=100000", "DATAHUB_MAX_DEPTH=100", "DATAHUB_MAX_ALIASES=100000", "DATAHUB_MAX_SELECTIONS=100000", "DATAHUB_MAX_COST=1000000000", "DATAHUB_MAX_PAGE_SIZE=1000", "DATAHUB_MAX_EMAILS=10000",
			"DATAHUB_MAX_MESSAGE_LENGTH=2000", "DATAHUB_REQUEST_TIMEOUT=10m", "DATAHUB_STATEMENT_TIMEOUT=10m", "DATAHUB_DATABASE_CONNECTIONS=1000"},
	} {
		t.Run(strings.Join(right, " "), func(t *testing.T) {
			environment(t, right...)
			command(t, "schema").succeeded(t)
		})
	}
}

// Where people sign in, the issuer is an address.
func TestWrongIssuerOfAPage(t *testing.T) {
	for _, issuer := range []string{"datahub-development", "login.example", "http://login.example", "https://", "https://login.example/#here", "ftp://login.example"} {
		environment(t, "DATAHUB_OIDC_CLIENT_ID=page", "DATAHUB_JWKS_URL=https://login.example/keys", "DATAHUB_JWT_ISSUER="+issuer)
		command(t, "schema").failed(t, 2, "DATAHUB_JWT_ISSUER", "expected https://HOST/PATH")
	}
}

func TestWrongCommandLines(t *testing.T) {
	environment(t)
	for line, words := range map[string][]string{
		"dance":                                  {"dance"},
		"token":                                  {"email"},
		"token a@b.ch c@d":                       {"c@d"},
		"schema --loudly":                        {"--loudly"},
		"--max-emails=many":                      {"--max-emails"},
		"create-space":                           {"--organization", "--name", "--administrator"},
		"create-space --organization=U --name=E": {"--administrator"},
		"create-space --organization= --name=E --administrator=a@b": {"DATABASE_URL"},
	} {
		code := 2
		if words[0] == "DATABASE_URL" {
			code = 1 // it was understood
		}
		t.Run(line, func(t *testing.T) { command(t, strings.Fields(line)...).failed(t, code, words...) })
	}
}

func TestFlagsGoBeforeTheEnvironment(t *testing.T) {
	environment(t, "DATAHUB_MAX_EMAILS=7")
	command(t, "schema", "--max-emails=0").failed(t, 2, "DATAHUB_MAX_EMAILS", "0 is not between")
	environment(t, "DATAHUB_MAX_EMAILS=0")
	command(t, "schema", "--max-emails=7").succeeded(t)
}

func TestCommandsNeedDatabase(t *testing.T) {
	environment(t)
	for _, line := range []string{"migrate", "seed", "create-space --organization=U --name=E --administrator=ada@uni.example"} {
		command(t, strings.Fields(line)...).failed(t, 1, "DATABASE_URL: it must name the database")
	}
}

// everyCommand is each command that reaches for the database.
var everyCommand = []string{"serve", "migrate", "seed", "create-space --organization=U --name=E --administrator=ada@uni.example"}

func TestDatabasePasswordIsNotPrinted(t *testing.T) {
	const password = "open-sesame"
	for _, dsn := range []string{
		"postgres://me:" + password + "@localhost:port/db",
		"postgres://me:" + password + "%zz@localhost/db",
		"postgres://me:" + password + "/@localhost/db",
		"postgres://me:" + password + "@127.0.0.1:1/db?sslmode=disable",
		"postgres://me:" + password + "@localhost/db?sslmode=perhaps",
		"mysql://me:" + password + "@localhost/db",
		"host=localhost password=" + password + " port=many",
		password,
	} {
		t.Run(dsn, func(t *testing.T) {
			environment(t, "DATABASE_URL="+dsn, "DATAHUB_DEVELOPMENT=true")
			for _, line := range everyCommand {
				got := command(t, strings.Fields(line)...)
				got.failed(t, 1, "DATABASE_URL")
				if strings.Contains(got.err, password) {
					t.Errorf("%s: %s", line, got.err)
				}
			}
		})
	}
}

func TestMailPasswordIsNotPrinted(t *testing.T) {
	const password = "open-sesame"
	dsn := postgrestest.New(t)
	for _, url := range []string{
		"http://me:" + password + "@mail.example",
		"smtp://:" + password + "@mail.example",
		"smtp://me:" + password + "@",
		"smtp://me:" + password + "@mail.example/path",
		"smtp://me:" + password + "@mail.example?tls=no",
		"//me:" + password + "@mail.example",
		password,
	} {
		t.Run(url, func(t *testing.T) {
			environment(t, "DATABASE_URL="+dsn, "DATAHUB_DEVELOPMENT=true", "DATAHUB_SMTP_URL="+url)
			got := command(t)
			if got.code == 0 {
				t.Errorf("it was accepted")
			}
			got.failed(t, got.code, "DATAHUB_SMTP_URL")
			if strings.Contains(got.err, password) {
				t.Error(got.err)
			}
		})
	}
}

func TestProductionNeedsSettings(t *testing.T) {
	for name, test := range map[string]struct{ set, missing []string }{
		"nothing": {nil, []string{"DATAHUB_SMTP_URL", "DATAHUB_PUBLIC_URL", "DATAHUB_JWKS_URL"}},
		"a mail server": {[]string{"DATAHUB_SMTP_URL=smtp://mail.example"},
			[]string{"DATAHUB_PUBLIC_URL", "DATAHUB_JWKS_URL"}},
		"a public URL": {[]string{"DATAHUB_PUBLIC_URL=https://datahub.example"},
			[]string{"DATAHUB_SMTP_URL", "DATAHUB_JWKS_URL"}},
		"all but keys": {[]string{"DATAHUB_SMTP_URL=smtp://mail.example", "DATAHUB_PUBLIC_URL=https://datahub.example"},
			[]string{"DATAHUB_JWKS_URL"}},
		"keys alone": {[]string{"DATAHUB_JWKS_URL=https://login.example/keys"},
			[]string{"DATAHUB_SMTP_URL", "DATAHUB_PUBLIC_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, append(test.set, "DATABASE_URL="+postgrestest.New(t))...)
			for _, args := range [][]string{nil, {"serve"}} {
				got := command(t, args...)
				got.failed(t, 1, test.missing...)
				for _, set := range test.set {
					if name, _, _ := strings.Cut(set, "="); strings.Contains(got.err, name) {
						t.Errorf("%q names %s, which is set", got.err, name)
					}
				}
			}
		})
	}
}

func TestDevelopmentOnly(t *testing.T) {
	environment(t, "DATABASE_URL="+postgrestest.New(t))
	for _, development := range []string{"", "false"} {
		if development != "" {
			t.Setenv("DATAHUB_DEVELOPMENT", development)
		}
		for _, args := range [][]string{{"token", "ada@uni.example"}, {"seed"}} {
			command(t, args...).failed(t, 1, "DATAHUB_DEVELOPMENT")
		}
	}
	made, err := os.ReadDir(os.Getenv("DATAHUB_DATA_DIR"))
	if err != nil || len(made) > 0 {
		t.Errorf("a refused command has made %v, %v", made, err)
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	environment(t)
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}} {
		got := command(t, args...).succeeded(t)
		help := strings.Join(strings.Fields(got.out), " ")
		for name, standard := range variables() {
			before, _, found := strings.Cut(help, "($"+name+")")
			if name == "" || !found {
				t.Errorf("%v does not list %q", args, name)
				continue
			}
			if name == "DATAHUB_DATA_DIR" {
				standard = defaultDataDir()
			}
			flag := before[strings.LastIndex(before, " --"):]
			if standard != "" && !strings.Contains(strings.ReplaceAll(flag, `"`, ""), "="+standard+" ") {
				t.Errorf("%v does not say that %s is %s by default: %s", args, name, standard, flag)
			}
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d":    30 * day,
		"0d":     0,
		"1d":     day,
		"36500d": 36500 * day,
		"720h":   30 * day,
		"90m":    90 * time.Minute,
		"1h30m":  90 * time.Minute,
	} {
		var got Days
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%s: %v, %v; want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "30 d", "30D", "1.5d", "30dd", "1d12h", "d30", "36501d", "99999999999999999999d", "0x1ed", "soon", "∞", "-1d", "-213474d"} {
		got := Days(7)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 7 {
			t.Errorf("%q: %v, %v", text, time.Duration(got), err)
		}
	}
}

// printed is what a command that runs prints.
type printed struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}
