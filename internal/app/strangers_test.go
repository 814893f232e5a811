package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

const lookUp = `query($token: String!) { invitation(token: $token) { email } }`

// from returns a request of a client behind the world's proxy.
func (p person) from(client, query string, variables map[string]any) answer {
	p.world.t.Helper()
	r := p.Request(query, variables)
	r.Header.Set("X-Forwarded-For", client)
	r.Header.Set("Accept", "application/graphql-response+json")
	return p.Send(r)
}

// exhausted fails the test unless an answer refuses a client that has used its
// allowance.
func exhausted(t *testing.T, a answer) {
	t.Helper()
	e := a.Refused("RATE_LIMITED")
	after, _ := e.Extensions["retryAfter"].(float64)
	if a.Status != http.StatusTooManyRequests || e.Reason() != "OPERATIONS_BY_CLIENT" || after < 1 || a.Header.Get("Retry-After") != fmt.Sprint(after) ||
		e.Extensions["retryable"] != true || e.Extensions["remedy"] == nil || !strings.Contains(e.Message, "10 requests") {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
}

func behindProxy(s *app.Settings) { s.TrustedProxies, s.MaxClientRequests = "127.0.0.0/8", 10 }

func TestRequestsWithoutAccountCountForTheirClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, behindProxy)
	w.Gateway.StopAllowances()
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	token := map[string]any{"token": w.AwaitToken("zoe@new.example")}
	nobody, bad := w.with(""), w.with("not.a.token")
	for name, c := range map[string]struct {
		clients [2]string // of one share
		use     func(client string)
	}{
		"look-ups": {[2]string{"203.0.113.1", "203.0.113.1"}, func(client string) {
			for range 10 {
				if got := nobody.from(client, lookUp, token).OK().At("invitation", "email"); got != "zoe@new.example" {
					t.Errorf("%v", got)
				}
			}
		}},
		"look-ups of one request": {[2]string{"203.0.113.2", "203.0.113.2"}, func(client string) {
			query := "{"
			for i := range 10 {
				query += fmt.Sprintf(` a%d: invitation(token: "nothing") { email }`, i)
			}
			nobody.from(client, query+"}", nil).OK()
		}},
		"bad tokens": {[2]string{"203.0.113.3", "203.0.113.3"}, func(client string) {
			for range 10 {
				if a := bad.from(client, lookUp, token); a.Status != http.StatusUnauthorized {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			}
		}},
		"what needs an account": {[2]string{"203.0.113.4", "203.0.113.4"}, func(client string) {
			for range 10 {
				nobody.from(client, ownName, nil).Refused("UNAUTHENTICATED")
			}
		}},
		"no GraphQL": {[2]string{"203.0.113.5", "203.0.113.5"}, func(client string) {
			for range 10 {
				nobody.from(client, "{", nil).Refused("GRAPHQL_PARSE_FAILED")
			}
		}},
		"long bodies": {[2]string{"203.0.113.6", "203.0.113.6"}, func(client string) {
			nobody.from(client, lookUp, map[string]any{"token": strings.Repeat("x", 160<<10)}).OK()
		}},
		"addresses of one network": {[2]string{"2001:db8:1:2::1", "[2001:db8:1:2:ffff::1]:443"}, func(client string) {
			for range 10 {
				nobody.from(client, lookUp, token).OK()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.use(c.clients[0])
			exhausted(t, nobody.from(c.clients[1], lookUp, token))
			exhausted(t, bad.from(c.clients[1], lookUp, token))
			exhausted(t, nobody.from("198.51.100.200, "+c.clients[1], ownName, nil)) // what the client wrote itself
			// People with an account are not affected, wherever they are.
			if got := w.as("ada").from(c.clients[1], ownName, nil).OK().At("viewer", "name"); got != "Ada" {
				t.Errorf("%v", got)
			}
		})
	}
}

// A look-up beyond the allowance within one request is refused, and uses nothing.
func TestRootFieldsCountForTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, behindProxy)
	w.Gateway.StopAllowances()
	nobody := w.with("")
	exhausted(t, nobody.from("203.0.113.1", `{ `+strings.Repeat(`...F `, 3)+`} fragment F on Query { a: __typename b: __typename c: __typename d: invitation(token: "x") { email } }`, nil))
	for range 9 {
		nobody.from("203.0.113.1", lookUp, map[string]any{"token": "nothing"}).OK()
	}
	exhausted(t, nobody.from("203.0.113.1", lookUp, map[string]any{"token": "nothing"}))
}

// Headers of a client that is no proxy mean nothing.
func TestClientsCannotChooseTheirAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxClientRequests = 10 })
	w.Gateway.StopAllowances()
	nobody := w.with("")
	for i := range 10 {
		nobody.from(fmt.Sprintf("203.0.113.%d", i), lookUp, map[string]any{"token": "nothing"}).OK()
	}
	exhausted(t, nobody.from("203.0.113.100", lookUp, map[string]any{"token": "nothing"}))
	s := w.as("ada").connect() // by a token in connection_init
	s.subscribe("1", ownName, nil)
	if got := fmt.Sprint(s.outcome("1")); !strings.Contains(got, "Ada") {
		t.Errorf("%s", got)
	}
}

// A lecture hall behind one address opens its links within a minute: 300 students, each
// with a look-up as they arrive, one after a reload and one after they signed in.
func TestLectureHallIsLetIn(t *testing.T) {
	t.Parallel()
	const atOnce = 50
	// A tenth of the connections are places for requests without an account: one for each
	// at once, so that none waits for a place for longer than it may on a busy machine.
	w := newWorld(t, func(s *app.Settings) { s.TrustedProxies, s.DatabaseConnections = "127.0.0.0/8", 10*atOnce })
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	token := map[string]any{"token": w.AwaitToken("zoe@new.example")}
	nobody := w.with("")
	var students []func()
	for range 300 {
		students = append(students, func() {
			for range 3 {
				nobody.from("203.0.113.1", lookUp, token).OK()
			}
		})
	}
	for hall := range slices.Chunk(students, atOnce) {
		racetest.Together(hall...)
	}
}

func TestLogHasTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.TrustedProxies = "127.0.0.0/8" })
	a := w.as("ada").from("203.0.113.9, 127.0.0.3", ownName, nil).OK()
	line := w.logged("it", func(line map[string]any) bool { return line["requestId"] == a.Header.Get("X-Request-Id") })
	if line["client"] != "203.0.113.9" {
		t.Errorf("%v", line)
	}
	s := w.as("ada").connect()
	s.subscribe("1", "query OverASocket { viewer { name } }", nil)
	s.outcome("1")
	line = w.logged("it", func(line map[string]any) bool { return line["operation"] == "OverASocket" })
	if line["client"] != "127.0.0.1" {
		t.Errorf("%v", line)
	}
}
