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

// everySetting returns the fields of all settings, group after group.
func everySetting() (all []reflect.StructField) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		if !field.Anonymous {
			all = append(all, field)
		}
	}
	return all
}

// environment sets variables, and unsets all others of the gateway: a developer's
// own must not decide a test.
func environment(t *testing.T, variable ...string) {
	t.Helper()
	for _, field := range everySetting() {
		name := field.Tag.Get("env")
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

// outcome is the exit code of a command line, and what it printed.
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

// failed checks that the command ended with a code, and printed the reason in one
// line that contains some words.
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

func TestWrongSettingStopsTheStartWithOneLine(t *testing.T) {
	for name, values := range map[string][]string{
		"DATAHUB_ADDR":        {"", "localhost", "::1:8080"},
		"DATAHUB_DEVELOPMENT": {"", "perhaps"},
		"DATAHUB_DATA_DIR":    {""},
		"DATAHUB_PUBLIC_URL": {"datahub.example", "ftp://datahub.example", "https://", "https://me:sesame@datahub.example",
			"https://a..example", "https://*.example", "https://.example", "https://-a.example", "https://a-.example", "https://a,b.example", "https://a!.example",
			"https://" + strings.Repeat("a", 64) + ".example", "https://" + strings.Repeat("a.", 124) + "example", "https://[v1.x]",
			"https://datahub.example/?a=b", "https://datahub.example/#here", "https://data hub.example", "https://:443", "https://bücher\u200b-.example", "https://ü..example", "https://.", "https://。"},
		"DATAHUB_ALLOWED_ORIGINS": {"*", "app.example", "https://", "https://app.example/", "https://APP.example", "https://app.example/x",
			"ftp://app.example", "https://a.example https://b.example", "null", "https://a.example,b.example"},
		"DATAHUB_JWT_ISSUER":         {""},
		"DATAHUB_JWT_AUDIENCE":       {""},
		"DATAHUB_JWT_EMAIL_CLAIM":    {""},
		"DATAHUB_JWT_EMAIL_VERIFIED": {"", "perhaps"},
		"DATAHUB_JWKS_URL": {"login.example", "http://login.example/keys", "https:///keys", "https://login.example/#keys",
			"https://me:sesame@login.example/keys", "file:///etc/keys", "http://localhost.login.example/keys", "http://10.0.0.1/keys", "https://login.example/%zz"},
		"DATAHUB_OIDC_CLIENT_ID": {"page"}, // without keys
		"DATAHUB_HASH_KEY":       {"sesame", strings.Repeat("x", 31)},
		"DATAHUB_MAIL_FROM": {"datahub", "a@b.example, c@d.example", "no-reply@bücher-.example", "no-reply@203.0.113.7", "no-reply@[203.0.113.7]", "no-reply@hub_1.example",
			"no-reply@hub.example\r\nBcc: eve@evil.example", "Hub\n <no-reply@hub.example>", "=?utf-8?q?Hub=0D=0ABcc:_eve@evil.example?= <no-reply@hub.example>",
			"\"data hub\"@hub.example", "jürgen@hub.example", "no-reply@hub..example", "no-reply@-hub"},
		"DATAHUB_SMTP_URL":                   {"smtp://me:ses ame@mail.example", "smtp://me:sesame@mail.example:port"},
		"DATAHUB_TRUSTED_PROXIES":            {"proxy.example", "10.0.0.0/33", "10.0.0.0/8;10.9.9.9"},
		"DATAHUB_METRICS_ADDR":               {"9090", "::1:9090"},
		"OTEL_EXPORTER_OTLP_ENDPOINT":        {"collector:4318", "grpc://collector:4317", "https://me:sesame@collector.example"},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": {"https:///v1/traces", "https://collector.example/?key=sesame"},
		"OTEL_TRACES_SAMPLER":                {"xray", "parentbased_"},
		"OTEL_TRACES_SAMPLER_ARG":            {"2", "NaN", "some"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				environment(t, name+"="+value)
				got := command(t, "schema")
				got.failed(t, exitUsage, name)
				if strings.Contains(got.err, "sesame") {
					t.Errorf("a password is printed: %s", got.err)
				}
			})
		}
	}
}

// bounds are the smallest and the largest value of every setting that has them,
// and values beyond.
var bounds = []struct{ name, min, max, below, above string }{
	{"DATAHUB_MAX_BODY_BYTES", "1024", "67108864", "1023", "67108865"},
	{"DATAHUB_REQUEST_TIMEOUT", "1s", "10m", "999ms", "11m"},
	{"DATAHUB_STOP_NOTICE", "0s", "5m", "-1s", "301s"},
	{"DATAHUB_SMTP_TIMEOUT", "1s", "10m", "999ms", "601s"},
	{"DATAHUB_SMTP_ACCEPT_TIMEOUT", "10s", "1h", "9s", "3601s"},
	{"DATAHUB_DATABASE_CONNECTIONS", "2", "1000", "1", "1001"},
	{"DATAHUB_STATEMENT_TIMEOUT", "100ms", "10m", "99ms", "601s"},
	{"DATAHUB_LOCK_TIMEOUT", "100ms", "10m", "99ms", "601s"},
	{"DATAHUB_MAX_QUERY_TOKENS", "10", "100000", "9", "100001"},
	{"DATAHUB_MAX_DEPTH", "1", "100", "0", "101"},
	{"DATAHUB_MAX_ALIASES", "0", "100000", "-1", "100001"},
	{"DATAHUB_MAX_SELECTIONS", "1", "100000", "0", "100001"},
	{"DATAHUB_MAX_COST", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_PAGE_SIZE", "1", "1000", "0", "1001"},
	{"DATAHUB_MAX_EMAILS", "1", "10000", "0", "10001"},
	{"DATAHUB_MAX_MESSAGE_LENGTH", "0", "2000", "-1", "2001"},
	{"DATAHUB_MAX_PARALLEL_OPERATIONS", "1", "100000", "0", "100001"},
	{"DATAHUB_MAX_OPERATIONS", "1", "10000", "0", "10001"},
	{"DATAHUB_MAX_INVITATIONS_PER_PERSON", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_INVITATIONS_PER_SPACE", "1", "1000000000", "-1", "1000000001"},
	{"DATAHUB_MAX_INVITATIONS_PER_ADDRESS", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_INVITATIONS_PER_DOMAIN", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_JOINS_PER_LINK", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_JOINS_PER_CLIENT", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_JOINS_PER_ADDRESS", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_REQUESTS_PER_PERSON", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_REQUESTS_PER_CLIENT", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_REQUESTS_PER_SPACE", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_REQUESTS_PER_ORGANIZATION", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_MAX_REQUESTS_PER_PERSON_IN_ORGANIZATION", "1", "1000000000", "0", "1000000001"},
	{"DATAHUB_INVITATION_TTL", "1s", "3650d", "999ms", "3651d"},
	{"DATAHUB_REQUEST_TTL", "1s", "3650d", "0d", "87600h1s"},
	{"DATAHUB_PURGE_GRACE", "0d", "3650d", "-1s", "3651d"},
	{"DATAHUB_INVITATION_RETENTION", "2d", "3650d", "47h59m", "3651d"},
	{"DATAHUB_REQUEST_RETENTION", "2d", "3650d", "1d", "3651d"},
	{"DATAHUB_FORMER_MEMBER_RETENTION", "1d", "3650d", "0d", "3651d"},
	{"DATAHUB_MAIL_RETENTION", "2d", "3650d", "0d", "3651d"},
	{"DATAHUB_AUDIT_RETENTION", "30d", "36500d", "29d", "876000h1s"},
}

func TestBoundsOfSettings(t *testing.T) {
	described := map[string]bool{}
	for _, b := range bounds {
		described[b.name] = true
		t.Run(b.name, func(t *testing.T) {
			for _, value := range []string{b.min, b.max} {
				environment(t, b.name+"="+value)
				command(t, "schema").succeeded(t)
			}
			for _, value := range []string{b.below, b.above} {
				environment(t, b.name+"="+value)
				command(t, "schema").failed(t, exitUsage, b.name+": ", "is not between "+b.min+" and "+b.max)
			}
			for _, value := range []string{"", "many", "1 MiB", "30 d", "99999999999999999999"} {
				environment(t, b.name+"="+value)
				command(t, "schema").failed(t, exitUsage, b.name)
			}
		})
	}
	for _, field := range everySetting() {
		if name := field.Tag.Get("env"); field.Tag.Get("min") != "" && !described[name] {
			t.Errorf("the bounds of %s are not tested", name)
		}
	}
}

func TestTimesNeedAUnitAndCountsAreWhole(t *testing.T) {
	for _, wrong := range []string{
		"DATAHUB_REQUEST_TIMEOUT=30", "DATAHUB_STATEMENT_TIMEOUT=ten", "DATAHUB_STOP_NOTICE=5", "DATAHUB_INVITATION_TTL=30", "DATAHUB_REQUEST_TTL=14",
		"DATAHUB_PURGE_GRACE=7", "DATAHUB_PURGE_GRACE=-1d", "DATAHUB_INVITATION_TTL=-213474d", "DATAHUB_MAX_EMAILS=1.5", "DATAHUB_MAX_BODY_BYTES=1MiB",
	} {
		name, _, _ := strings.Cut(wrong, "=")
		environment(t, wrong)
		command(t, "schema").failed(t, exitUsage, name)
	}
}

func TestUsableSettings(t *testing.T) {
	for _, right := range [][]string{
		{},
		{"DATAHUB_ADDR=:8080", "DATAHUB_PUBLIC_URL=http://localhost:8080", "DATAHUB_MAIL_FROM=DataHub <no-reply@datahub.example>"},
		{"DATAHUB_ADDR=[::1]:8080", "DATAHUB_PUBLIC_URL=https://datahub.example/gateway/", "DATAHUB_DEVELOPMENT=yes"},
		{"DATAHUB_ALLOWED_ORIGINS=https://app.example, http://localhost:5173,"},
		{"DATAHUB_METRICS_ADDR=:9090", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://collector.example/v1/traces", "OTEL_TRACES_SAMPLER=always_off"},
		{"DATAHUB_JWKS_URL=https://login.example/keys?tenant=1"},
		{"DATAHUB_HASH_KEY=" + strings.Repeat("x", 32)},
		{"DATAHUB_JWKS_URL=http://localhost/keys"},
		{"DATAHUB_JWKS_URL=http://127.0.0.1:8000"},
		{"DATAHUB_JWKS_URL=http://[::1]/keys"},
		{"DATAHUB_OIDC_CLIENT_ID=page", "DATAHUB_JWKS_URL=http://localhost/keys", "DATAHUB_JWT_ISSUER=http://localhost"},
		{"DATAHUB_OIDC_CLIENT_ID=page", "DATAHUB_JWKS_URL=https://login.example/keys", "DATAHUB_JWT_ISSUER=https://login.example/realms/datahub/"},
	} {
		t.Run(strings.Join(right, " "), func(t *testing.T) {
			environment(t, right...)
			command(t, "schema").succeeded(t)
		})
	}
}

func TestIssuerOfAPageIsAnAddress(t *testing.T) {
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
		"create-organization":                    {"--name", "--manager"},
		"create-organization --name=U":           {"--manager"},
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
	for _, line := range []string{"migrate", "seed", "create-organization --name=U --manager=mia@uni.example", "create-space --organization=U --name=E --administrator=ada@uni.example",
		"export-account ada@uni.example", "erase-account ada@uni.example"} {
		command(t, strings.Fields(line)...).failed(t, 1, "DATABASE_URL: it must name the database")
	}
}

// everyCommand lists the commands that connect to the database.
var everyCommand = []string{"serve", "migrate", "seed", "create-organization --name=U --manager=mia@uni.example", "create-space --organization=U --name=E --administrator=ada@uni.example",
	"export-account ada@uni.example", "erase-account ada@uni.example"}

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
		"a sender": {[]string{"DATAHUB_SMTP_URL=smtp://mail.example", "DATAHUB_PUBLIC_URL=https://203.0.113.7", "DATAHUB_JWKS_URL=https://login.example/keys"},
			[]string{"DATAHUB_MAIL_FROM"}},
		"keys alone": {[]string{"DATAHUB_JWKS_URL=https://login.example/keys"},
			[]string{"DATAHUB_SMTP_URL", "DATAHUB_PUBLIC_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, append(test.set, "DATABASE_URL="+postgrestest.New(t))...)
			for _, args := range [][]string{nil, {"serve"}} {
				got := command(t, args...)
				got.failed(t, 1, test.missing...)
				for _, set := range test.set {
					// Why a sender is required is said with the public URL.
					if name, _, _ := strings.Cut(set, "="); strings.Contains(got.err, name) && !strings.Contains(got.err, "DATAHUB_MAIL_FROM") {
						t.Errorf("%q names %s, which is set", got.err, name)
					}
				}
			}
		})
	}
}

func TestProductionNeedsASenderThatMailServersAccept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		public, from string
		accepted     bool
	}{
		{"https://datahub.example", "", true},
		{"https://bücher.example", "", true},
		{"https://203.0.113.7", "DataHub <no-reply@datahub.example>", true},
		{"http://localhost:8080", "no-reply@bücher.example", true},
		{"https://hub.local", "no-reply@hub.local", true},
		{"https://203.0.113.7", "", false},
		{"https://203.0.113.7.", "", false},
		{"https://２０３.0.113.7", "", false},
		{"https://3405803783", "", false},
		{"https://0xcb.0.0x7107", "", false},
		{"https://[2001:db8::1]", "", false},
		{"https://[2001:db8::1]:8443/hub", "", false},
		{"http://localhost:8080", "", false},
		{"http://LOCALHOST.", "", false},
		{"http://hub.localhost", "", false},
		{"http://localhost.localdomain", "", false},
		{"https://datahub", "", false},
		{"https://bücher", "", false},
		{"https://hub.local", "", false},
		{"https://hub.invalid", "", false},
		{"https://data_hub.example", "", false},
		{"https://hub.example1", "", true},
		{"https://hub.1", "", false},
		{"https://datahub.example", "no-reply@localhost", false},
		{"https://datahub.example", "no-reply@hub.localhost", false},
		{"https://datahub.example", "no-reply@datahub", false},
	} {
		s := DefaultSettings()
		s.Development = false
		s.SMTPURL, s.JWKSURL, s.PublicURL, s.MailFrom = "smtp://mail.example", "https://login.example/keys", c.public, c.from
		err := s.checkServing()
		if c.accepted != (err == nil) || err != nil && (!strings.HasPrefix(err.Error(), "DATAHUB_MAIL_FROM: ") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s, %s: %v", c.public, c.from, err)
		}
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

func TestEverySettingIsDocumented(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, field := range everySetting() {
		name, help := field.Tag.Get("env"), field.Tag.Get("help")
		if name == "" || named[name] {
			t.Errorf("%s: its environment variable %q is empty, or another setting has it", field.Name, name)
		}
		named[name] = true
		if !strings.HasSuffix(help, ".") {
			t.Errorf("%s: its meaning %q is not a sentence", name, help)
		}
		_, defaulted := field.Tag.Lookup("default")
		_, low := field.Tag.Lookup("min")
		_, high := field.Tag.Lookup("max")
		switch field.Type.Kind() {
		case reflect.Int, reflect.Int64:
			if !low || !high || !defaulted {
				t.Errorf("%s has no bounds, or no default", name)
			}
			_, counted := field.Tag.Lookup("unit")
			if isTime := field.Type == reflect.TypeFor[Days]() || field.Type == reflect.TypeFor[time.Duration](); isTime == counted {
				t.Errorf("%s: a number has a unit, and a time contains its own", name)
			}
		case reflect.String:
			if !defaulted && field.Tag.Get("placeholder") == "" {
				t.Errorf("%s has neither a default nor a placeholder", name)
			}
		}
	}
}

func TestHelpListsEverySettingWithUnitAndDefault(t *testing.T) {
	environment(t)
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}} {
		got := command(t, args...).succeeded(t)
		help := strings.Join(strings.Fields(got.out), " ")
		for _, field := range everySetting() {
			name := field.Tag.Get("env")
			before, _, found := strings.Cut(help, "($"+name+").")
			if !found {
				t.Errorf("%v does not list %q", args, name)
				continue
			}
			flag := before[strings.LastIndex(before, " --"):]
			value := strings.ReplaceAll(field.Tag.Get("default"), "${data_dir}", defaultDataDir())
			if value != "" && !strings.Contains(strings.ReplaceAll(flag, `"`, ""), "="+value+" ") {
				t.Errorf("%v does not print the default of %s, %s: %s", args, name, value, flag)
			}
			if low, bounded := field.Tag.Lookup("min"); bounded {
				want := strings.TrimSpace(low + " to " + field.Tag.Get("max") + " " + field.Tag.Get("unit"))
				if !strings.HasSuffix(flag, " "+want+" ") {
					t.Errorf("%v does not print the bounds and the unit of %s, %q: %s", args, name, want, flag)
				}
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

// printed collects what a running command prints.
type printed struct {
	wrote chan struct{} // has an element when something was printed; nil: nobody waits

	mu  sync.Mutex
	all bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	defer func() {
		select {
		case p.wrote <- struct{}{}:
		default:
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.Write(b)
}

// patience is how long anything may take that a test waits for, on a busy machine.
const patience = 2 * time.Minute

// await waits until a text was printed.
func (p *printed) await(t *testing.T, text string) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !strings.Contains(p.String(), text) {
		select {
		case <-p.wrote:
		case <-end.C:
			t.Fatalf("%q was not printed: %s", text, p)
		}
	}
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}
