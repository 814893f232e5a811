package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

// configuration requests the page's configuration, with headers given as names
// and values.
func (w *world) configuration(header ...string) (status int, head http.Header, body string) {
	w.t.Helper()
	return w.get("/app/configuration.json", header...)
}

type demonstrator struct{ Name, Email, Description, Token string }

func (w *world) people() (people []demonstrator) {
	w.t.Helper()
	status, head, body := w.configuration()
	var c struct {
		SignIn struct {
			Kind   string
			People *[]demonstrator
		}
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil || status != http.StatusOK || c.SignIn.Kind != "development" || c.SignIn.People == nil {
		w.t.Fatalf("%d %s", status, body)
	}
	if head.Get("Cache-Control") != "no-store" || head.Get("Content-Type") != "application/json" {
		w.t.Errorf("%v", head)
	}
	return *c.SignIn.People
}

func TestPageListsDemoPeopleWithTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got []demo.Person
	for _, p := range w.people() {
		got = append(got, demo.Person{Email: p.Email, Description: p.Description})
		viewer := w.with(p.Token).Ask(`{ viewer { name email } }`, nil).OK()
		if viewer.At("viewer", "email") != p.Email || viewer.At("viewer", "name") != p.Name {
			t.Errorf("the token of %s, %s, is that of %s", p.Name, p.Email, viewer.Body)
		}
	}
	if diff := cmp.Diff(demo.People, got); diff != "" {
		t.Error(diff)
	}
	// Without the demo world nobody is listed.
	w.Exec(`delete from demo_world`)
	if people := w.people(); len(people) != 0 {
		t.Errorf("%v", people)
	}
}

func TestDevelopmentTokensStayOnThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin })
	own := w.Gateway.URL()
	_, port, _ := strings.Cut(strings.TrimPrefix(own, "http://"), ":")
	for _, c := range []struct {
		what   string
		header []string
		gets   bool
	}{
		{"no browser", nil, true},
		{"the page", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"the page in an old browser", []string{"Origin", own}, true},
		{"an address that was typed", []string{"Sec-Fetch-Site", "none"}, true},
		{"by another name of this machine", []string{"Host", "localhost:" + port, "Sec-Fetch-Site", "same-origin"}, true},
		{"through a port that leads here", []string{"Host", "localhost:5173", "Origin", "http://localhost:5173", "Sec-Fetch-Site", "same-origin"}, true},
		{"a page elsewhere", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"a page elsewhere in an old browser", []string{"Origin", "https://evil.example"}, false},
		{"a page that may ask the API", []string{"Sec-Fetch-Site", "cross-site", "Origin", appOrigin}, false},
		{"a page of another server of this machine", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:3000"}, false},
		{"a link or a script elsewhere", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a name that was made to lead here", []string{"Host", "evil.example:" + port, "Sec-Fetch-Site", "same-origin"}, false},
		{"such a name in an old browser", []string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port}, false},
		{"such a name that looks right", []string{"Host", "localhost.evil.example"}, false},
	} {
		status, head, body := w.configuration(c.header...)
		if gets := status == http.StatusOK; gets != c.gets || gets != strings.Contains(body, "eyJ") {
			t.Errorf("%s: %d %.200s", c.what, status, body)
		}
		if !c.gets && (status != http.StatusForbidden || !strings.Contains(body, `"code":"BAD_REQUEST"`) || !strings.Contains(body, `"remedy"`)) {
			t.Errorf("%s: %d %s", c.what, status, body)
		}
		if head.Get("Access-Control-Allow-Origin") != "" || head.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.what, head)
		}
	}
}

func TestPageSignsInAtTheProvider(t *testing.T) {
	t.Parallel()
	provider := jwkstest.New(t, jwkstest.NewKey(t, methods[0].Alg(), methods[0]))
	// The setting decides in development, too.
	for what, change := range map[string]func(*app.Settings){
		"development": func(*app.Settings) {},
		"production":  produce,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, trusting(provider), change, func(s *app.Settings) { s.OIDCClientID = "page" })
			// The answer has no secret, so any host name may read it.
			for _, header := range [][]string{nil, {"Host", "datahub.example", "Sec-Fetch-Site", "cross-site"}} {
				status, head, body := w.configuration(header...)
				const want = `{"signIn":{"kind":"oidc","issuer":"https://login.example","clientId":"page","resource":"datahub-gateway","scope":"openid email profile"}}`
				if status != http.StatusOK || strings.TrimSpace(body) != want || head.Get("Cache-Control") != "no-store" {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
}

// produce turns development off and sets what production requires.
func produce(s *app.Settings) {
	s.Development, s.SMTPURL, s.PublicURL = false, "smtp://127.0.0.1:1", "http://localhost"
}

func TestProductionPageHasNoTokens(t *testing.T) {
	t.Parallel()
	provider := jwkstest.New(t, jwkstest.NewKey(t, methods[0].Alg(), methods[0]))
	on := true
	w := newWorld(t, trusting(provider), produce, func(s *app.Settings) { s.Playground, s.Introspection = &on, &on })
	for _, header := range [][]string{nil, {"Host", "localhost", "Sec-Fetch-Site", "same-origin"}} {
		if status, _, body := w.configuration(header...); status != http.StatusOK || strings.TrimSpace(body) != `{"signIn":{"kind":"none"}}` {
			t.Errorf("%d %s", status, body)
		}
	}
}
