package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jmoiron/sqlx"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

func TestGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const graphqlJSON, legacy = "application/graphql-response+json", "application/json"
	for _, c := range []struct {
		what, method, accept, contentType, body string
		status                                  int
		answered, code                          string
		data                                    bool
	}{
		{"a query", "POST", graphqlJSON, legacy, `{"query":"{__typename}"}`, 200, graphqlJSON, "", true},
		{"no Accept", "POST", "", legacy, `{"query":"{__typename}"}`, 200, legacy, "", true},
		{"any Accept", "POST", "*/*", legacy, `{"query":"{__typename}"}`, 200, legacy, "", true},
		{"Apollo Client's Accept", "POST", graphqlJSON + "," + legacy + ";q=0.9", legacy, `{"query":"{__typename}"}`, 200, graphqlJSON, "", true},
		{"a browser's Accept", "POST", "text/html,application/xhtml+xml,*/*;q=0.8", legacy, `{"query":"{__typename}"}`, 200, legacy, "", true},
		{"nothing acceptable", "POST", "text/html", legacy, `{"query":"{__typename}"}`, 406, legacy, "BAD_REQUEST", false},
		{"a charset", "POST", graphqlJSON, "application/json; charset=UTF-8", `{"query":"{__typename}"}`, 200, graphqlJSON, "", true},
		{"another charset", "POST", graphqlJSON, "application/json; charset=latin1", `{"query":"{__typename}"}`, 415, graphqlJSON, "BAD_REQUEST", false},
		{"a form", "POST", graphqlJSON, "application/x-www-form-urlencoded", `query={__typename}`, 415, graphqlJSON, "BAD_REQUEST", false},
		{"no content type", "POST", graphqlJSON, "", `{"query":"{__typename}"}`, 415, graphqlJSON, "BAD_REQUEST", false},
		{"no JSON", "POST", graphqlJSON, legacy, `{"query":"{__typename}"`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"no JSON, legacy", "POST", legacy, legacy, `secret`, 400, legacy, "BAD_REQUEST", false},
		{"something after it", "POST", graphqlJSON, legacy, `{"query":"{__typename}"} {}`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"an array", "POST", graphqlJSON, legacy, `[{"query":"{__typename}"}]`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"no query", "POST", graphqlJSON, legacy, `{}`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"a query that is a number", "POST", graphqlJSON, legacy, `{"query":5}`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"variables that are a list", "POST", graphqlJSON, legacy, `{"query":"{__typename}","variables":[]}`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"extensions that are a string", "POST", graphqlJSON, legacy, `{"query":"{__typename}","extensions":"x"}`, 400, graphqlJSON, "BAD_REQUEST", false},
		{"nulls", "POST", graphqlJSON, legacy, `{"query":"{__typename}","variables":null,"operationName":null,"extensions":null}`, 200, graphqlJSON, "", true},
		{"a document that cannot be parsed", "POST", graphqlJSON, legacy, `{"query":"{"}`, 400, graphqlJSON, "GRAPHQL_PARSE_FAILED", false},
		{"a document that cannot be parsed, legacy", "POST", legacy, legacy, `{"query":"{"}`, 200, legacy, "GRAPHQL_PARSE_FAILED", false},
		{"an unknown field", "POST", graphqlJSON, legacy, `{"query":"{nothing}"}`, 400, graphqlJSON, "GRAPHQL_VALIDATION_FAILED", false},
		{"an unknown field, legacy", "POST", legacy, legacy, `{"query":"{nothing}"}`, 200, legacy, "GRAPHQL_VALIDATION_FAILED", false},
		{"an unknown operation", "POST", graphqlJSON, legacy, `{"query":"query A {__typename}","operationName":"B"}`, 400, graphqlJSON, "GRAPHQL_VALIDATION_FAILED", false},
		{"@defer", "POST", graphqlJSON, legacy, `{"query":"{ viewer { ... @defer { id } } }"}`, 400, graphqlJSON, "GRAPHQL_VALIDATION_FAILED", false},
		{"too many tokens", "POST", graphqlJSON, legacy, `{"query":"{` + strings.Repeat(" a:__typename", 1000) + `}"}`, 400, graphqlJSON, "QUERY_TOO_COMPLEX", false},
		{"a body too large", "POST", graphqlJSON, legacy, `{"query":"{__typename}","variables":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, graphqlJSON, "BAD_REQUEST", false},
		{"another method", "PUT", graphqlJSON, legacy, `{"query":"{__typename}"}`, 405, graphqlJSON, "BAD_REQUEST", false},
	} {
		r, err := http.NewRequest(c.method, w.Gateway.URL()+"/graphql", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		a := w.as("ada").Send(r)
		var raw map[string]any
		if err := json.Unmarshal([]byte(a.Body), &raw); err != nil {
			t.Fatal(err)
		}
		_, data := raw["data"]
		code := strings.Join(a.Codes(), " ")
		if a.Status != c.status || a.Header.Get("Content-Type") != c.answered+"; charset=utf-8" || code != c.code || data != c.data {
			t.Errorf("%s: %d %s %s", c.what, a.Status, a.Header.Get("Content-Type"), a.Body)
		}
		if strings.Contains(a.Body, "secret") || len(a.Body) > 1000 {
			t.Errorf("%s: the request comes back: %.200s", c.what, a.Body)
		}
	}
}

func TestBodyOfUnknownLengthIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := http.NewRequest(http.MethodPost, w.Gateway.URL()+"/graphql",
		io.MultiReader(strings.NewReader(`{"query":"{__typename}","variables":{"x":"`), strings.NewReader(strings.Repeat("x", 2<<20))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if a := w.as("ada").Send(r); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}

	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = writer.Write([]byte(`{"query":"{__typename}"}`))
	writer.Close()
	r, _ = http.NewRequest(http.MethodPost, w.Gateway.URL()+"/graphql", &compressed)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	if a := w.as("ada").Send(r); a.Status != http.StatusUnsupportedMediaType {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}

func TestQueriesByGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	if got := ada.Get(`{ viewer { name } }`).OK().At("viewer", "name"); got != "Ada" {
		t.Errorf("viewer %v", got)
	}
	a := ada.Get(`mutation { deleteInstance(input: {instanceId: "` + w.instance("Group 1") + `"}) { deleted } }`)
	if a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
		t.Errorf("a mutation by GET: %d %s", a.Status, a.Body)
	}
	if got := w.Text(`select deleted_at is null from instance where name = 'Group 1'`); got != "true" {
		t.Error("a mutation by GET was carried out")
	}
	if a := ada.Get(``); a.Status != http.StatusBadRequest {
		t.Errorf("no query: %d", a.Status)
	}
}

func TestOnlyPublicFieldsNeedNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := w.as("ada")
	nobody.Token = ""
	for query, allowed := range map[string]bool{
		`{ __typename }`:                                                    true,
		`{ __schema { queryType { name } } }`:                               true,
		`{ __type(name: "User") { name } }`:                                 true,
		`{ ...F } fragment F on Query { __typename }`:                       true,
		`{ viewer { id } }`:                                                 false,
		`{ __typename viewer { id } }`:                                      false,
		`{ __typename viewer @skip(if: true) { id } }`:                      false,
		`{ ... on Query { viewer { id } } }`:                                false,
		`{ ...F } fragment F on Query { viewer { id } }`:                    false,
		`{ checkEmails(emails: ["a@b.example"]) { valid } }`:                false,
		`mutation { __typename }`:                                           true,
		`mutation { deleteInstance(input: {instanceId: "x"}) { deleted } }`: false,
	} {
		a := nobody.Ask(query, nil)
		if allowed {
			a.OK()
			continue
		}
		if e := a.Refused("UNAUTHENTICATED"); a.Status != http.StatusUnauthorized || e.Extensions["requestId"] == "" {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}

func TestDevelopmentTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := readKey(t, w)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": apptest.Issuer.Name, "aud": []string{apptest.Issuer.Audience}, "sub": "x", "exp": time.Now().Add(time.Hour).Unix(),
			"email": "new@new.example", "email_verified": true}
	}
	with := func(name string, value any) jwt.MapClaims { c := good(); c[name] = value; return c }
	without := func(name string) jwt.MapClaims { c := good(); delete(c, name); return c }
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		signed, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	hs256 := func(claims jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, secret, claims) }

	for what, token := range map[string]string{
		"garbage":                 "garbage",
		"nothing":                 " ",
		"no algorithm":            sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()),
		"another algorithm":       sign(jwt.SigningMethodHS512, secret, good()),
		"another key":             sign(jwt.SigningMethodHS256, []byte("another key that is long enough!"), good()),
		"another issuer":          hs256(with("iss", "x")),
		"no issuer":               hs256(without("iss")),
		"another audience":        hs256(with("aud", "x")),
		"no audience":             hs256(without("aud")),
		"expired":                 hs256(with("exp", time.Now().Add(-time.Hour).Unix())),
		"no expiry":               hs256(without("exp")),
		"not yet":                 hs256(with("nbf", time.Now().Add(time.Hour).Unix())),
		"no subject":              hs256(without("sub")),
		"a long subject":          hs256(with("sub", strings.Repeat("s", 256))),
		"a subject with NUL":      hs256(with("sub", "a\x00")),
		"no address":              hs256(without("email")),
		"an invalid address":      hs256(with("email", "x")),
		"an unverified address":   hs256(with("email_verified", false)),
		"nothing about verifying": hs256(without("email_verified")),
		"verified by word":        hs256(with("email_verified", "true")),
		"too long":                hs256(with("x", strings.Repeat("x", 10_000))),
		"the good one, cut":       hs256(good())[:100],
	} {
		p := w.as("ada")
		p.Token = token
		if a := p.Ask(`{ viewer { id } }`, nil); a.Status != http.StatusUnauthorized || strings.Join(a.Codes(), " ") != "UNAUTHENTICATED" {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	if n := w.Number(`select count(*) from account where subject is not null`); n != 0 {
		t.Errorf("%d accounts were made or claimed", n)
	}

	// Parallel first requests of an unknown subject make one account.
	p := w.as("ada")
	p.Token = hs256(with("name", "  Grace\tHopper\u202e علی\u200cرضا\u200c "))
	var asks []func()
	for range 20 {
		asks = append(asks, func() {
			if got := p.Ask(`{ viewer { name email } }`, nil).OK().At("viewer", "name"); got != "Grace Hopper علی\u200cرضا" {
				t.Errorf("viewer %q", got)
			}
		})
	}
	racetest.Together(asks...)
	if n := w.Number(`select count(*) from account where subject = 'x'`); n != 1 {
		t.Errorf("%d accounts", n)
	}
	// Another subject with the same address gets another account.
	p.Token = hs256(with("sub", "y"))
	p.Ask(`{ viewer { name } }`, nil).OK()
	if n := w.Number(`select count(*) from account where email = 'new@new.example'`); n != 2 {
		t.Errorf("%d accounts", n)
	}
	// A known subject's new address replaces the old one.
	p.Token = hs256(with("email", "newer@new.example"))
	if got := p.Ask(`{ viewer { email name } }`, nil).OK().At("viewer"); got.(map[string]any)["email"] != "newer@new.example" || got.(map[string]any)["name"] != "Grace Hopper علی\u200cرضا" {
		t.Errorf("viewer %v", got)
	}
}

func TestOtherRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.awaitReady(w.Gateway)
	for path, says := range map[string]string{
		"/":               "DataHub gateway",
		"/healthz":        "ok",
		"/schema.graphql": "type Mutation",
		"/mailbox":        "No mail yet",
		"/mailbox.json":   "[]",
	} {
		response, err := w.HTTP.Get(w.Gateway.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), says) {
			t.Errorf("%s: %d %.100s", path, response.StatusCode, body)
		}
	}
	response, err := w.HTTP.Get(w.Gateway.URL() + "/nothing")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("/nothing: %d", response.StatusCode)
	}
}

// While the database cannot be reached, errors are retryable. Afterwards the
// gateway works again by itself.
func TestGatewayRecoversFromADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	// Behind a pooler, statements wait for a server that cannot be reached.
	w := newWorld(t, func(s *app.Settings) { s.DatabaseConnections, s.StatementTimeout = 2, 5*time.Second })
	w.Log.DatabaseWasAway = true
	ada := w.as("ada")
	ada.Ask(`{ viewer { id } }`, nil).OK()
	name := w.Text(`select current_database()`)
	server, err := sqlx.Open("postgres", strings.Replace(w.DSN, name, "postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.MustExec(`alter database ` + name + ` with allow_connections false`)
	kill := func() {
		server.MustExec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'test_gateway'`, name)
	}
	kill()
	var refused graphqlError
	w.Await("a refusal", func() bool {
		a := ada.invite("instance_01a20794ffffffffffffffffffffffff", "VIEWER", []string{"zoe@new.example"})
		kill()
		if len(a.Errors) != 1 || a.Errors[0].Code() != "UNAVAILABLE" {
			return false
		}
		refused = a.Errors[0]
		return true
	})
	if refused.Extensions["retryable"] != true || refused.Extensions["support"] != "support@alphacruncher.com" || refused.Extensions["requestId"] == "" {
		t.Errorf("extensions %v", refused.Extensions)
	}
	if strings.Contains(refused.Message, "pq") || strings.Contains(refused.Message, "connection") {
		t.Errorf("message %q", refused.Message)
	}
	status := func(path string) int {
		response, err := w.HTTP.Get(w.Gateway.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if live, ready := status("/healthz"), status("/readyz"); live != 200 || ready != 503 {
		t.Errorf("healthz %d, readyz %d", live, ready)
	}
	server.MustExec(`alter database ` + name + ` with allow_connections true`)
	w.Eventually("readiness", func() bool { return status("/readyz") == 200 })
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitMails(1)
}

// Requests that find no connection fail after two seconds instead of piling up: here those
// of six people, of whom each waits for a table.
func TestFullPoolRefusesWithUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.DatabaseConnections = 2 })
	const spaces = `{ viewer { spaces { nodes { name } } } }`
	var people []person
	for _, who := range []string{"ada", "mia", "vic", "ed", "rita", "sam"} {
		people = append(people, w.as(who))
		w.as(who).Ask(spaces, nil).OK()
	}
	release := w.holdLocks(`lock table space in access exclusive mode`)
	answers := make([]answer, len(people))
	var asks []func()
	for i, p := range people {
		asks = append(asks, func() { answers[i] = p.Ask(spaces, nil) })
	}
	go func() {
		w.Await("refusals", func() bool { return len(w.Log.Lines("request failed")) >= 4 })
		release()
	}()
	racetest.Together(asks...)
	refused := 0
	for _, a := range answers {
		if strings.Join(a.Codes(), " ") == "UNAVAILABLE" {
			refused++
		} else {
			a.OK()
		}
	}
	if refused < 4 || refused == len(answers) {
		t.Errorf("%d of %d refused", refused, len(answers))
	}
}
