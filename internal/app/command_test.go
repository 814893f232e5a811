package app

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
	"alphacruncher.com/datahub-gateway/internal/testworld"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

var empties atomic.Int64

// newEmptyDatabase makes a database without tables.
func newEmptyDatabase(t *testing.T) (dsn string, db *sql.DB) {
	t.Helper()
	other := postgrestest.New(t)
	admin := connect(t, other)
	name := fmt.Sprintf("empty_%d", empties.Add(1))
	execute(t, admin, `create database `+name)
	t.Cleanup(func() { execute(t, admin, `drop database `+name+` with (force)`) })
	dsn = other + " dbname=" + name
	return dsn, connect(t, dsn)
}

func connect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestMigrateCommand(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn)
	if got := command(t, "migrate").succeeded(t); strings.HasPrefix(got.out, "0 ") || strings.Count(got.out, "\n") != 1 {
		t.Errorf("%q", got.out)
	}
	if n := number(t, db, `select count(*) from account`); n != 0 {
		t.Errorf("the migration has made %d accounts", n)
	}
	if got := command(t, "migrate").succeeded(t); !strings.HasPrefix(got.out, "0 migrations") {
		t.Errorf("once more: %q", got.out)
	}
}

// Only migrate works on a schema that this program does not know.
func TestCommandsRefuseAnUnknownSchema(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn, "DATAHUB_DEVELOPMENT=true")
	commands := []string{"", "serve", "seed", "create-organization --name=U --manager=mia@uni.example", "create-space --organization=U --name=E --administrator=ada@uni.example",
		"export-account ada@uni.example", "erase-account ada@uni.example"}
	for _, line := range commands {
		command(t, strings.Fields(line)...).failed(t, 1, "run datahub-gateway migrate")
	}
	if n := number(t, db, `select count(*) from pg_class where relnamespace = 'public'::regnamespace`); n != 0 {
		t.Errorf("%d tables and indexes were made", n)
	}
	command(t, "migrate").succeeded(t)
	execute(t, db, `insert into goose_db_version (version_id, is_applied) values (1000, true)`)
	execute(t, db, `update schema_requirement set oldest_gateway = 1000`)
	for _, line := range commands {
		command(t, strings.Fields(line)...).failed(t, 1, "install a newer gateway")
	}
}

func TestSeedCommand(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn, "DATAHUB_DEVELOPMENT=true")
	command(t, "migrate").succeeded(t)
	state := func() string {
		return fmt.Sprint(number(t, db, `select count(*) from account`), number(t, db, `select count(*) from space`),
			number(t, db, `select count(*) from instance`), number(t, db, `select count(*) from instance_member`),
			number(t, db, `select count(*) from space_administrator`), number(t, db, `select count(*) from demo_world`))
	}
	for range 2 {
		command(t, "seed").succeeded(t)
		if got, want := state(), fmt.Sprint(len(demo.People), 3, 9, 5, 3, 1); got != want {
			t.Errorf("there are %s, want %s", got, want)
		}
	}
}

func TestCreateOrganizationCommand(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn)
	command(t, "migrate").succeeded(t)
	args := []string{"create-organization", "--name", "University of Example", "--manager", "Mia <mia@uni.example>"}
	first := command(t, args...).succeeded(t)
	if !regexp.MustCompile(`^The organization University of Example is made \(organization_[0-9a-f]{32}\); mia@uni\.example is a manager\.\n$`).MatchString(first.out) {
		t.Errorf("%q", first.out)
	}
	if again := command(t, args...).succeeded(t); again.out != strings.NewReplacer("is made", "was there already", "is a manager", "was a manager already").Replace(first.out) {
		t.Errorf("%q, at first %q", again.out, first.out)
	}
	for query, want := range map[string]int{
		`select count(*) from organization`:                               1,
		`select count(*) from organization_member where role = 'MANAGER'`: 1,
		`select count(*) from account where email = 'mia@uni.example'`:    1,
		`select count(*) from audit_log where action = 'ROLE_GRANTED'`:    1,
		`select count(*) from space`:                                      0,
	} {
		if n := number(t, db, query); n != want {
			t.Errorf("%s returns %d, want %d", query, n, want)
		}
	}
	command(t, "create-organization", "--name", "U", "--manager", "mia").failed(t, 1, "--manager")
	command(t, "create-organization", "--name", "", "--manager", "mia@uni.example").failed(t, 1, "name")
}

func TestCreateSpaceCommand(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	// The command is for installations, too, where development is off.
	environment(t, "DATABASE_URL="+dsn)
	command(t, "migrate").succeeded(t)
	args := []string{"create-space", "--organization", "University of Example", "--name", "Finance", "--administrator", "Ada <ada@uni.example>"}
	first := command(t, args...).succeeded(t)
	id := regexp.MustCompile(`\(space_[0-9a-f]{32}\)`).FindString(first.out)
	if id == "" || !strings.Contains(first.out, "is made") || strings.Count(first.out, "\n") != 1 {
		t.Errorf("%q", first.out)
	}
	again := command(t, args...).succeeded(t)
	if !strings.Contains(again.out, id) || !strings.Contains(again.out, "was there already") {
		t.Errorf("%q, at first %q", again.out, first.out)
	}
	for query, want := range map[string]int{
		`select count(*) from organization`:                                   1,
		`select count(*) from space`:                                          1,
		`select count(*) from instance where kind <> 'WORKING'`:               2,
		`select count(*) from account where email = 'ada@uni.example'`:        1,
		`select count(*) from space_administrator`:                            1,
		`select count(*) from demo_world`:                                     0,
		`select count(*) from instance where kind = 'WORKING'`:                0,
		`select count(*) from account where email is distinct from email_key`: 0,
	} {
		if n := number(t, db, query); n != want {
			t.Errorf("%s returns %d, want %d", query, n, want)
		}
	}
	for name, test := range map[string]struct{ organization, space, administrator, word string }{
		"no address":      {"U", "E", "ada", "--administrator"},
		"no organization": {"", "E", "ada@uni.example", "organization"},
		"no name":         {"U", "\n", "ada@uni.example", "name"},
	} {
		t.Run(name, func(t *testing.T) {
			command(t, "create-space", "--organization", test.organization, "--name", test.space, "--administrator", test.administrator).failed(t, 1, test.word)
		})
	}
	if n := number(t, db, `select count(*) from organization`); n != 1 {
		t.Errorf("a refused command has made an organization: %d", n)
	}
}

func TestTokenCommand(t *testing.T) {
	environment(t)
	for _, email := range []string{"ada@uni.example", "nobody@nowhere.example", "Ada <ADA@uni.example>", "élodie@bücher.example"} {
		got := command(t, "token", email).succeeded(t)
		signed, rest, _ := strings.Cut(got.out, "\n")
		if rest != "" {
			t.Errorf("%s: %q", email, got.out)
		}
		key, err := token.OpenKey(os.Getenv("DATAHUB_DATA_DIR"), token.Issuer{Name: "datahub-development", Audience: "datahub-gateway"})
		if err != nil {
			t.Fatal(err)
		}
		want, _ := address.Parse(email)
		if id, _, err := (token.Verifier{Development: key}).Verify(t.Context(), signed); err != nil || id.Email != want {
			t.Errorf("%s: %+v, %v", email, id, err)
		}
	}
	for _, email := range []string{"ada", "", "ada@uni..example", "ada@uni.example\nBcc: eve@uni.example"} {
		command(t, "token", email).failed(t, 1)
	}
}

func TestUnusableDataFolderNamesTheSetting(t *testing.T) {
	environment(t)
	t.Setenv("DATAHUB_DATA_DIR", "/dev/null/data")
	command(t, "token", "ada@uni.example").failed(t, 1, "DATAHUB_DATA_DIR")
}

// serve runs the gateway until the end of the test, and returns its address.
func serve(t *testing.T) (url string, out, err *printed) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, err = &printed{wrote: make(chan struct{}, 1)}, &printed{wrote: make(chan struct{}, 1)}
	code := make(chan int, 1)
	go func() { code <- Main(ctx, nil, out, err) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if got := <-code; got != 0 {
			t.Errorf("exit code %d: %s", got, err)
		}
	})
	for {
		if match := regexp.MustCompile(`listens on (\S+)\n`).FindStringSubmatch(out.String()); match != nil {
			return match[1], out, err
		}
		select {
		case <-out.wrote:
		case ended := <-code:
			code <- ended
			t.Fatalf("the gateway does not listen: %s", err)
		}
	}
}

// get returns the status of a page.
func get(t *testing.T, url string) (status int) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestServePrintsNoPasswords(t *testing.T) {
	const password = "open-sesame"
	dsn := postgrestest.New(t)
	environment(t, "DATABASE_URL="+dsn+" password="+password, "DATAHUB_DEVELOPMENT=true", "DATAHUB_SMTP_URL=smtp://me:"+password+"@127.0.0.1:1")
	_, out, err := serve(t)
	if text := out.String() + err.String(); strings.Contains(text, password) {
		t.Error(text)
	}
}

// An operator who has left development on beside a database learns what is open, in one
// line.
func TestServeWarnsOfDevelopmentBesideADatabase(t *testing.T) {
	environment(t, "DATABASE_URL="+postgrestest.New(t), "DATAHUB_DEVELOPMENT=true", "DATAHUB_INTROSPECTION=false")
	_, _, err := serve(t)
	if text := err.String(); strings.Count(text, `"level":"WARN"`) != 1 {
		t.Fatal(text)
	}
	for line := range strings.Lines(err.String()) {
		if !strings.Contains(line, `"level":"WARN"`) {
			continue
		}
		for _, words := range []string{"DATAHUB_DEVELOPMENT is on beside DATABASE_URL", "the key in DATAHUB_DATA_DIR", "the demo people", "the playground", "the mailbox", "Unset DATAHUB_DEVELOPMENT"} {
			if !strings.Contains(line, words) {
				t.Errorf("it does not say %q: %s", words, line)
			}
		}
		if strings.Contains(line, "introspection") {
			t.Errorf("introspection is off: %s", line)
		}
	}
}

// The settings that production requires are sufficient, and nothing of
// development is served.
func TestProductionServes(t *testing.T) {
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	provider := jwkstest.New(t, key)
	environment(t, "DATABASE_URL="+postgrestest.New(t), "DATAHUB_JWKS_URL="+provider.URL, "DATAHUB_JWT_ISSUER=https://login.example",
		"DATAHUB_SMTP_URL=smtp://127.0.0.1:1", "DATAHUB_PUBLIC_URL=https://datahub.example")
	url, out, log := serve(t)
	if strings.Contains(log.String(), `"level":"WARN"`) {
		t.Error(log)
	}
	// At first, a busy machine may have no keys and be too slow for /readyz.
	log.await(t, "the identity provider's keys")
	for end := time.Now().Add(patience); get(t, url+"/readyz") != http.StatusOK; {
		if time.Now().After(end) {
			t.Fatal("it is not ready")
		}
	}
	for path, want := range map[string]int{"/": 404, "/mailbox": 404, "/mailbox.json": 404, "/healthz": 200, "/schema.graphql": 200} {
		if status := get(t, url+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	ask := func(token, query string) (status int, body string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+"/graphql", strings.NewReader(`{"query": "`+query+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	claims := jwt.MapClaims{"iss": "https://login.example", "aud": "datahub-gateway", "sub": "1", "exp": time.Now().Add(time.Hour).Unix(),
		"email": "new@new.example", "email_verified": true}
	if status, body := ask(key.Sign(t, claims), "{ viewer { email } }"); status != 200 || !strings.Contains(body, "new@new.example") {
		t.Errorf("the provider's token: %d %s", status, body)
	}
	if status, body := ask("", "{ __schema { queryType { name } } }"); status == 200 && strings.Contains(body, `"queryType"`) {
		t.Errorf("the schema without a token: %d %s", status, body)
	}
	development, err := token.OpenKey(t.TempDir(), token.Issuer{Name: "https://login.example", Audience: "datahub-gateway"})
	if err != nil {
		t.Fatal(err)
	}
	ada, _ := address.Parse("ada@uni.example")
	signed, err := development.Sign(ada, "")
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(signed, "{ viewer { email } }"); status != http.StatusUnauthorized {
		t.Errorf("a development key's token: %d", status)
	}
	for _, word := range []string{"Token", "Playground", "Mailbox"} {
		if strings.Contains(out.String(), word) {
			t.Errorf("it prints %s", out)
		}
	}
	if made, err := os.ReadDir(os.Getenv("DATAHUB_DATA_DIR")); err != nil || len(made) > 0 {
		t.Errorf("it has made %v, %v", made, err)
	}
}

func TestSchemaCommand(t *testing.T) {
	environment(t, "DATABASE_URL="+postgrestest.New(t), "DATAHUB_DEVELOPMENT=true")
	text := command(t, "schema").succeeded(t).out
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"inviteUsers", "deleteInstance", "restoreInstance"} {
		if f := schema.Mutation.Fields.ForName(field); f == nil || f.Description == "" || f.Directives.ForName("role") == nil {
			t.Errorf("%s is missing, or not described, or open to anybody: %+v", field, f)
		}
	}

	url, _, _ := serve(t)
	response, err := http.Get(url + "/schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	served, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || string(served) != text {
		t.Errorf("status %d, %v, the same: %t", response.StatusCode, err, string(served) == text)
	}
}

// migrate grants the gateway's role, which the operator names, its privileges.
func TestMigrateGrantsTheGatewaysRole(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn, "DATAHUB_DATABASE_ROLE=nobody_there")
	command(t, "migrate").failed(t, 1, "nobody_there")
	execute(t, db, `create role migrated_gateway login`)
	t.Cleanup(func() { execute(t, db, `drop owned by migrated_gateway`); execute(t, db, `drop role migrated_gateway`) })
	t.Setenv("DATAHUB_DATABASE_ROLE", "migrated_gateway")
	command(t, "migrate").succeeded(t)
	if n := number(t, db, `select count(*) from information_schema.role_table_grants where grantee = 'migrated_gateway' and table_name = 'audit_log' and privilege_type not in ('SELECT', 'INSERT')`); n != 0 {
		t.Errorf("it may do %d more things with the trail", n)
	}
	// The role can make the first space, and serve.
	t.Setenv("DATABASE_URL", dsn+" user=migrated_gateway")
	command(t, "create-space", "--organization", "University", "--name", "Econometrics", "--administrator", "ada@uni.example").succeeded(t)
	command(t, "create-space", "--organization", "University", "--name", "Econometrics", "--administrator", "ada@uni.example").succeeded(t)
	if n := number(t, db, `select count(*) from space`); n != 1 {
		t.Errorf("%d spaces", n)
	}
}

// migrate completes the migration of the names of instances, and says what it found.
func TestMigrateNamesTheInstancesThatItRenames(t *testing.T) {
	w := testworld.New(t)
	w.Exec(`update instance set name_key = null`)
	w.Exec(`insert into instance (id, space_id, name, kind) select gen_random_uuid(), space_id, 'GROUP 1', 'WORKING' from instance where name = 'Group 1'`)
	environment(t, "DATABASE_URL="+w.DSN)
	id := globalid.ID{Kind: globalid.Instance, UUID: uuid.MustParse(w.Text(`select id from instance where name = 'GROUP 1'`))}
	want := fmt.Sprintf("0 migrations applied; the schema is up to date.\n"+
		"The instance \"GROUP 1\" of the space \"Econometrics 2026\" is called \"GROUP 1 (2)\" now, because an older instance of the space has the name (%s).\n", id)
	if got := command(t, "migrate").succeeded(t); got.out != want {
		t.Errorf("%q, want %q", got.out, want)
	}
	if got := command(t, "migrate").succeeded(t); got.out != "0 migrations applied; the schema is up to date.\n" {
		t.Errorf("the second time: %q", got.out)
	}
}

// The administrator is the present holder of the address, and not an account that had
// it before.
func TestCreateSpaceCommandFindsThePresentHolder(t *testing.T) {
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn)
	command(t, "migrate").succeeded(t)
	for _, subject := range []string{"former", "present"} {
		execute(t, db, `insert into account (id, subject, email, email_key, name) values (gen_random_uuid(), '`+subject+`', 'chair@uni.example', 'chair@uni.example', 'Chair')`)
	}
	command(t, "create-space", "--organization", "U", "--name", "E", "--administrator", "Chair@uni.example").succeeded(t)
	if n := number(t, db, `select count(*) from space_administrator sa join account a on a.id = sa.account_id where a.subject = 'present'`); n != 1 || number(t, db, `select count(*) from space_administrator`) != 1 {
		t.Errorf("%d administrators are the present holder", n)
	}
}
