package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/testworld"
	"alphacruncher.com/datahub-gateway/internal/token"
	"github.com/jmoiron/sqlx"
)

// Every test has a database with the demo world of its own, and talks to
// gateways on it as clients do.
func TestMain(m *testing.M) {
	beProgram()
	flag.Parse()
	if !given("test.parallel") {
		// Tests wait for databases, mails and deadlines more than they compute.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	// Tracers read it from the environment, which tests in parallel share.
	if err := os.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20"); err != nil { // milliseconds
		panic(err)
	}
	testworld.Main(m)
}

// given reports whether a flag is on the command line.
func given(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

var issuer = token.Issuer{Name: "datahub-development", Audience: "datahub-gateway"}

// world is a database with the demo world, and a gateway on it.
type world struct {
	*testworld.World
	t       testing.TB
	dsn     string
	db      *sqlx.DB
	dir     string
	key     *token.Key
	client  *http.Client
	gateway *app.Gateway
	log     *logged
	changed notifier // notified of each line that one of the world's gateways logs
}

func newWorld(t testing.TB, change ...func(*app.Settings)) *world {
	t.Helper()
	of := testworld.New(t)
	db, err := sqlx.Open("postgres", of.DSN)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxIdleConns(25) // as many as ask at once
	t.Cleanup(func() { db.Close() })
	transport := &http.Transport{MaxIdleConnsPerHost: 50, ResponseHeaderTimeout: patience} // as many as ask at once
	t.Cleanup(transport.CloseIdleConnections)
	w := &world{World: of, t: t, dsn: of.DSN, db: db, dir: t.TempDir(), client: &http.Client{Transport: transport}}
	if w.key, err = token.OpenKey(w.dir, issuer); err != nil {
		t.Fatal(err)
	}
	w.gateway, w.log = w.start(change...)
	return w
}

// settings are those of a gateway on the world's database.
func (w *world) settings(change ...func(*app.Settings)) app.Settings {
	w.t.Helper()
	s := app.DefaultSettings()
	s.Addr = "127.0.0.1:0"
	s.DatabaseURL, s.DatabaseConnections = w.GatewayDSN(), 30
	s.Development, s.DataDir = true, w.dir
	s.JWTIssuer, s.JWTAudience = issuer.Name, issuer.Audience
	s.MaxParallel = 100
	for _, c := range change {
		c(&s)
	}
	if err := s.Validate(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// start starts another gateway on the world's database.
func (w *world) start(change ...func(*app.Settings)) (*app.Gateway, *logged) {
	w.t.Helper()
	log := &logged{written: &w.changed}
	g, err := app.Start(context.Background(), w.settings(change...), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		w.client.CloseIdleConnections()
		if err := g.Stop(); err != nil {
			w.t.Error(err)
		}
		if panicked := log.lines("panic"); len(panicked) > 0 {
			w.t.Errorf("the gateway panicked: %v", panicked)
		}
		for _, line := range log.lines("housekeeping") {
			if line["error"] != nil && !log.away {
				w.t.Errorf("%v", line)
			}
		}
	})
	return g, log
}

// logged keeps what a gateway logs.
type logged struct {
	written *notifier
	away    bool // the database was: housekeeping may have failed

	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.written.notify()
	return l.text.Write(p)
}

// all is all of it.
func (l *logged) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines are the log's lines of a message.
func (l *logged) lines(message string) (lines []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil && fields["msg"] == message {
			lines = append(lines, fields)
		}
	}
	return lines
}

// person is somebody of the demo world, in front of a gateway.
type person struct {
	world *world
	url   string
	token string
}

// as is a person of the demo world, by the beginning of her address, or of any
// address.
func (w *world) as(who string) person {
	w.t.Helper()
	if !strings.Contains(who, "@") {
		who += "@uni.example"
	}
	email, problem := address.Parse(who)
	if problem != nil {
		w.t.Fatal(problem)
	}
	signed, err := w.key.Sign(email, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return person{w, w.gateway.URL(), signed}
}

// answer is a GraphQL response.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
	Data   map[string]any `json:"data"`
	Errors []graphqlError `json:"errors"`
}

type graphqlError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

func (e graphqlError) code() string { s, _ := e.Extensions["code"].(string); return s }

// ask sends an operation with variables.
func (p person) ask(query string, variables map[string]any) answer {
	p.world.t.Helper()
	return p.send(p.request(query, variables))
}

func (p person) request(query string, variables map[string]any) *http.Request {
	p.world.t.Helper()
	return p.post(map[string]any{"query": query, "variables": variables})
}

func (p person) post(fields map[string]any) *http.Request {
	p.world.t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		p.world.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, p.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		p.world.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func (p person) send(r *http.Request) answer {
	p.world.t.Helper()
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	response, err := p.world.client.Do(r)
	if err != nil {
		p.world.t.Error(err)
		return answer{t: p.world.t}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.world.t.Error(err)
	}
	a := answer{t: p.world.t, status: response.StatusCode, header: response.Header, body: string(text)}
	if err := json.Unmarshal(text, &a); err != nil {
		p.world.t.Errorf("the answer is no JSON: %v\n%s", err, text)
	}
	return a
}

// codes are the codes of the answer's errors.
func (a answer) codes() []string {
	codes := []string{}
	for _, e := range a.Errors {
		codes = append(codes, e.code())
	}
	return codes
}

// ok fails the test where the answer has errors.
func (a answer) ok() answer {
	a.t.Helper()
	if len(a.Errors) > 0 || a.status != http.StatusOK {
		a.t.Fatalf("status %d, errors: %s", a.status, a.body)
	}
	return a
}

// refused fails the test unless the answer is one error with a code.
func (a answer) refused(code string) graphqlError {
	a.t.Helper()
	if len(a.Errors) != 1 || a.Errors[0].code() != code {
		a.t.Fatalf("want one error %s, got: %s", code, a.body)
	}
	return a.Errors[0]
}

// at follows a path of names and indexes into the data.
func (a answer) at(path ...any) any {
	a.t.Helper()
	var v any = a.Data
	for _, step := range path {
		switch s := step.(type) {
		case string:
			object, ok := v.(map[string]any)
			if !ok {
				a.t.Fatalf("there is no %v in %s", path, a.body)
			}
			v = object[s]
		case int:
			list, ok := v.([]any)
			if !ok || s >= len(list) {
				a.t.Fatalf("there is no %v in %s", path, a.body)
			}
			v = list[s]
		}
	}
	return v
}

// every collects a field of every element of a list.
func (a answer) every(field string, path ...any) []string {
	a.t.Helper()
	list, _ := a.at(path...).([]any)
	values := make([]string, len(list))
	for i := range list {
		values[i] = fmt.Sprint(a.at(append(slices.Clone(path), i, field)...))
	}
	return values
}

// instance is the id of an instance of Econometrics 2026.
func (w *world) instance(name string) string {
	w.t.Helper()
	return w.id("instance", `select i.id from instance i join space s on s.id = i.space_id where s.name = 'Econometrics 2026' and i.name = $1`, name)
}

func (w *world) space(name string) string {
	w.t.Helper()
	return w.id("space", `select id from space where name = $1`, name)
}

func (w *world) id(kind, query string, args ...any) string {
	w.t.Helper()
	return kind + "_" + strings.ReplaceAll(w.text(query, args...), "-", "")
}

// text is the one value that a query gives.
func (w *world) text(query string, args ...any) (value string) {
	w.t.Helper()
	if err := w.db.Get(&value, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return value
}

func (w *world) number(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Get(&n, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// appoint makes somebody a further administrator of Econometrics 2026.
func (w *world) appoint(name string) {
	w.t.Helper()
	w.exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.name = $1`, name)
}

// dismiss makes somebody an administrator of Econometrics 2026 no more; Rita is
// one in her stead.
func (w *world) dismiss(name string) {
	w.t.Helper()
	w.appoint("Rita")
	w.exec(`delete from space_administrator using account a where account_id = a.id and a.name = $1`, name)
}

// mails waits until the mailbox has n mails and no further one is on its way,
// and returns them, newest first.
func (w *world) mails(n int) []mailbox.Mail {
	w.t.Helper()
	var mails []mailbox.Mail
	w.await(fmt.Sprintf("%d mails", n), func() bool {
		if w.number(`select count(*) from outbox where state = 'QUEUED'`) > 0 {
			return false
		}
		mails = w.allMails()
		return len(mails) >= n
	})
	if len(mails) != n {
		w.t.Fatalf("%d mails, want %d", len(mails), n)
	}
	return mails
}

// settled waits until no mail is left to be sent.
func (w *world) settled() {
	w.t.Helper()
	w.await("the end of all mails", func() bool { return w.number(`select count(*) from outbox where state in ('QUEUED', 'HELD')`) == 0 })
}

// allMails are the mails in the mailbox, newest first.
func (w *world) allMails() (mails []mailbox.Mail) {
	w.t.Helper()
	response, err := w.client.Get(w.gateway.URL() + "/mailbox.json")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&mails); err != nil {
		w.t.Fatal(err)
	}
	return mails
}

// await waits for a condition that the world's gateways bring about and log: it
// is asked again after each line of the log. A mail's line comes after what it
// says is stored.
func (w *world) await(what string, condition func() bool) {
	w.t.Helper()
	w.changed.await(w.t, what, condition)
}

// longestPause is how long eventually leaves between two questions.
const longestPause = 100 * time.Millisecond

// eventually waits for a condition that nothing announces, like the database's
// sessions that wait for a lock.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	end, pause := time.Now().Add(patience), time.Millisecond
	for !condition() {
		if time.Now().After(end) {
			w.t.Fatalf("it did not come to %s", what)
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}

const inviteUsers = `
	mutation Invite($input: InviteUsersInput!) {
		inviteUsers(input: $input) {
			instance { id name state }
			results { index email outcome role previousRole invitation { id email role status expiresAt } }
		}
	}`

// invite invites addresses to an instance of Econometrics 2026.
func (p person) invite(instance, role string, emails []string, more ...any) answer {
	p.world.t.Helper()
	return p.ask(inviteUsers, map[string]any{"input": p.input(instance, append([]any{"role", role, "emails", emails}, more...)...)})
}

func (p person) delete(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: DeleteInstanceInput!) { deleteInstance(input: $input) { deleted instance { name state deletedAt restorableUntil deletedBy { name } } } }`,
		map[string]any{"input": p.input(instance, more...)})
}

func (p person) restore(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: RestoreInstanceInput!) { restoreInstance(input: $input) { restored instance { name state deletedAt } } }`,
		map[string]any{"input": p.input(instance, more...)})
}

func (p person) leave(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: LeaveInstanceInput!) { leaveInstance(input: $input) { left } }`, map[string]any{"input": p.input(instance, more...)})
}

// input is an input object of an instance, by name or id, and further fields.
func (p person) input(instance string, fields ...any) map[string]any {
	p.world.t.Helper()
	if !strings.Contains(instance, "_") {
		instance = p.world.instance(instance)
	}
	input := map[string]any{"instanceId": instance}
	for i := 0; i < len(fields); i += 2 {
		input[fields[i].(string)] = fields[i+1]
	}
	return input
}

// get sends an operation by GET.
func (p person) get(query string) answer {
	p.world.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.url+"/graphql?query="+url.QueryEscape(query), nil)
	if err != nil {
		p.world.t.Fatal(err)
	}
	return p.send(r)
}

// readKey is the secret of the world's development key.
func readKey(t testing.TB, w *world) []byte {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(w.dir, "signing-key"))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
