package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// People's data is not in logs, metrics and traces, whatever fails. Operators'
// secrets are not in answers.
func TestSecretsDoNotLeak(t *testing.T) {
	t.Parallel()
	s, traces := apptest.NewMailServer(t), newReceiver(t)
	w := newWorld(t, measured, traces.use, func(settings *app.Settings) {
		settings.DatabaseURL += " password=canary-of-the-database"
		settings.SMTPURL = "smtp://postman:canary-of-the-mail-server@" + s.Addr // which offers no TLS: none is sent
	})
	operators := map[string]string{"the database's password": "canary-of-the-database", "the mail server's": "canary-of-the-mail-server"}
	people := map[string]string{
		"an address":                "zoe@new.example",
		"a pasted name":             "Zoe Canary",
		"an address that is wrong":  "canary@.new.example",
		"the address of who asks":   "ada@uni.example",
		"a message":                 "canary of the message",
		"a literal of the document": "canary-of-the-document",
		"a variable":                "canary-of-the-variables",
		"a forged line":             "canary-of-a-line",
		"a parameter of a page":     "canary-of-the-page",
		"a header":                  "canary-of-a-header",
	}

	ada := w.as("ada")
	people["a token"] = ada.Token
	invite := func() answer {
		return ada.invite("Group 1", "VIEWER", []string{"Zoe Canary <zoe@new.example>"}, "message", "canary of the message", "idempotencyKey", "canary-of-the-variables")
	}
	invite().OK()
	w.Eventually("a try", func() bool { return w.outbox()[0].LastError != nil })
	invited := w.Text(`select secret from outbox`)
	people["an invitation's token"] = invited

	var answers []answer
	ask := func(p person, query string, variables map[string]any) {
		answers = append(answers, p.Ask(query, variables))
	}
	// The token of an invitation, in every place of a request.
	guest := ada
	guest.Token = ""
	for _, p := range []person{ada, guest} {
		ask(p, `query($t: String!) { invitation(token: $t) { email } }`, map[string]any{"t": invited})
		ask(p, `{ invitation(token: "`+invited+`") { email } }`, nil)
		ask(p, `mutation($t: String!) { acceptInvitation(input: {token: $t}) { instance { id } } }`, map[string]any{"t": invited})
		ask(p, `mutation { acceptInvitation(input: {token: "`+invited+`"}) { instance { id } } }`, nil)
		answers = append(answers, p.Get(`{ invitation(token: "`+invited+`") { nothing } }`))
	}
	// Requests that fail in every way.
	ada.invite("Group 1", "VIEWER", []string{"canary@.new.example", "zoe@new.example"})
	ada.invite("canary-of-the-variables_x", "VIEWER", []string{"zoe@new.example"})
	ask(ada, `{ instance(id: "canary-of-the-document") { name } space(id: 5) { name } `, nil)
	ask(ada, `{ instance(id: "canary-of-the-document", and: "canary-of-the-document") { name } }`, nil)
	ask(ada, `query($input: InviteUsersInput!) { checkEmails(emails: ["canary-of-the-document"]) { input } }`, map[string]any{"input": map[string]any{"canary-of-the-variables": invited}})
	for _, token := range []string{"canary-of-a-header", ada.Token[:len(ada.Token)-3] + "AAA", "e30.e30.",
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"canary-of-a-header"}`)) + ".e30.e30", strings.Repeat(ada.Token, 9)} {
		p := ada
		p.Token = token
		ask(p, `{ viewer { id } }`, nil)
	}
	// Input that tries to forge log lines.
	forged := "x\n{\"msg\":\"request\",\"requestId\":\"canary-of-a-line\"}\r\n\x1b[2J\u2028"
	body, err := json.Marshal(map[string]any{"query": "query Fine { viewer { id } }", "operationName": forged})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("CANARY-OF-A-LINE", w.Gateway.URL()+"/graphql/canary-of-a-line%0Amsg?token="+invited, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", "canary-of-a-header")
	r.Header.Set("traceparent", "canary-of-a-header")
	r.Header.Set("baggage", "canary=canary-of-a-header")
	for _, change := range []func(){
		func() {},
		func() { r.Method, r.URL.Path, r.URL.RawPath = http.MethodPost, "/graphql", "" },
		func() { r.Header.Set("Content-Type", "application/json") },
		func() { r.Header.Set("Authorization", "Bearer "+ada.Token) },
		func() {
			r.Method, r.URL.Path, r.URL.RawQuery = http.MethodGet, "/app/invitation", "t=canary-of-the-page"
		},
	} {
		change()
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		response, err := w.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	// The database refuses values, and quotes them.
	w.Exec(`create function refuse() returns trigger language plpgsql as $$ begin
		raise exception 'it cannot be: %', new using errcode = 'invalid_parameter_value'; end $$`)
	w.Exec(`create trigger refuse before insert on invitation for each row execute function refuse()`)
	answers = append(answers, ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "kim@new.example"}, "message", "canary of the message"))
	answers[len(answers)-1].Refused("INTERNAL_SERVER_ERROR")
	w.Exec(`alter table account rename column email to elsewhere`)
	ask(w.as("zoe@new.example"), `{ viewer { id } }`, nil)
	if got := w.Log.Lines("request failed"); len(got) < 2 {
		t.Fatalf("nothing has failed: %v", got)
	}
	w.Await("a line about the mail server", func() bool { return len(w.Log.Lines("mail server cannot be reached")) > 0 })
	traces.received.Await(t, "the traces", func() bool { return len(traces.named("", "mutation")) >= 3 })

	for what, secret := range operators {
		for _, a := range answers {
			if strings.Contains(a.Body, secret) {
				t.Errorf("%s is in an answer: %s", what, a.Body)
			}
		}
	}
	for _, a := range answers {
		for _, internal := range []string{"pq:", "select ", "elsewhere", "it cannot be", "127.0.0.1", ".go", ada.Token} {
			if strings.Contains(a.Body, internal) {
				t.Errorf("%q is in an answer: %s", internal, a.Body)
			}
		}
	}
	traces.mu.Lock()
	defer traces.mu.Unlock()
	seen := map[string]string{"the log": w.Log.Text(), "the metrics": fmt.Sprint(w.scrape()), "the traces": traces.raw.String()}
	for where, text := range seen {
		if len(text) < 1000 {
			t.Errorf("%s are empty: %s", where, text)
		}
		for _, secrets := range []map[string]string{operators, people} {
			for what, secret := range secrets {
				if n := strings.Index(strings.ToLower(text), strings.ToLower(secret)); n >= 0 {
					t.Errorf("%s is in %s: %.300q", what, where, text[max(0, n-150):])
				}
			}
		}
	}
	for line := range strings.Lines(seen["the log"]) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x1b\u2028") {
			t.Errorf("%v: %q", err, line)
		}
	}
}
