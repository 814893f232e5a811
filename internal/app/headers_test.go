package app_test

import (
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// No cache keeps what is about people, refusals included: they name addresses and
// contacts.
func TestAnswersAboutPeopleAreNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin })
	ada, nobody := w.as("ada"), w.with("")
	request := func(p person, fields map[string]any, header ...string) *http.Request {
		r := p.Post(fields)
		if p.Token != "" {
			r.Header.Set("Authorization", "Bearer "+p.Token)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	get := func(path string, header ...string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, w.Gateway.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		r.Host = r.Header.Get("Host")
		return r
	}
	viewer := map[string]any{"query": "{ viewer { email } }"}
	for what, c := range map[string]struct {
		request *http.Request
		status  int
		caching string
	}{
		"an answer":                {request(ada, viewer), 200, "no-store"},
		"an answer to GET":         {get("/graphql?query=%7B__typename%7D"), 200, "no-store"},
		"events":                   {request(ada, viewer, "Accept", "text/event-stream"), 200, "no-store"},
		"an error":                 {request(ada, map[string]any{"query": "{ nothing }"}), 400, "no-store"},
		"a parse error":            {request(ada, map[string]any{"query": "{"}), 400, "no-store"},
		"a body without a query":   {request(ada, map[string]any{}), 400, "no-store"},
		"no token":                 {request(nobody, viewer), 401, "no-store"},
		"a wrong token":            {request(w.with("x"), viewer), 401, "no-store"},
		"a page elsewhere":         {request(ada, viewer, "Origin", "https://evil.example"), 403, "no-store"},
		"no query":                 {get("/graphql"), 400, "no-store"},
		"another media type":       {request(ada, viewer, "Accept", "image/png"), 406, "no-store"},
		"another body":             {request(ada, viewer, "Content-Type", "text/plain"), 415, "no-store"},
		"a handshake":              {get("/graphql", "Connection", "Upgrade", "Upgrade", "websocket"), 400, "no-store"},
		"the mailbox":              {get("/mailbox"), 200, "no-store"},
		"the mailbox for programs": {get("/mailbox.json"), 200, "no-store"},
		"the mailbox elsewhere":    {get("/mailbox.json", "Host", "evil.example"), 403, "no-store"},
		"tokens":                   {get("/app/configuration.json"), 200, "no-store"},
		"tokens elsewhere":         {get("/app/configuration.json", "Host", "evil.example"), 403, "no-store"},
		"the schema":               {get("/schema.graphql"), 200, ""},
	} {
		r := c.request
		if what != "an answer to GET" && r.Header.Get("Accept") == "" {
			r.Header.Set("Accept", "application/graphql-response+json")
		}
		response, err := w.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status || response.Header.Get("Cache-Control") != c.caching {
			t.Errorf("%s: %d, Cache-Control %q", what, response.StatusCode, response.Header.Get("Cache-Control"))
		}
	}
}

// Every answer keeps other origins' windows away from its page, and turns off what no
// page of the gateway uses.
func TestAnswersHaveSecureHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/app/", "/app/invitation", "/app/configuration.json", "/graphql", "/mailbox", "/mailbox.json", "/schema.graphql", "/healthz", "/nothing"} {
		_, head, _ := w.get(path)
		for name, want := range map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin",
			"X-Content-Type-Options":     "nosniff",
			"X-Frame-Options":            "DENY",
			"Referrer-Policy":            "no-referrer",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %s %q", path, name, got)
			}
		}
		for _, off := range []string{"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()", "display-capture=()"} {
			if !strings.Contains(head.Get("Permissions-Policy"), off) {
				t.Errorf("%s: Permissions-Policy %q lacks %s", path, head.Get("Permissions-Policy"), off)
			}
		}
	}
}
