package app_test

import (
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"github.com/coder/websocket"
)

const appOrigin = "https://app.example"

func TestWhosePagesMayAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin + ", http://localhost:5173" })
	own := w.gateway.URL()
	for _, c := range []struct {
		what, origin, site string
		may                bool
		allowed            string // Access-Control-Allow-Origin
	}{
		{"no browser", "", "", true, ""},
		{"a page of the gateway", own, "same-origin", true, ""},
		{"a page of the gateway in an old browser", own, "", true, ""},
		{"an address that was typed", "", "none", true, ""},
		{"a page that may", appOrigin, "cross-site", true, appOrigin},
		{"a page that may in an old browser", appOrigin, "", true, appOrigin},
		{"another one that may", "http://localhost:5173", "same-site", true, "http://localhost:5173"},
		{"a page that may not", "https://evil.example", "cross-site", false, ""},
		{"one that may not, in an old browser", "https://evil.example", "", false, ""},
		{"another scheme", "http://app.example", "cross-site", false, ""},
		{"another port", appOrigin + ":8443", "cross-site", false, ""},
		{"a subdomain", "https://x.app.example", "same-site", false, ""},
		{"a domain that ends alike", "https://evilapp.example", "cross-site", false, ""},
		{"a domain that begins alike", appOrigin + ".evil.example", "cross-site", false, ""},
		{"upper case", "https://APP.example", "cross-site", false, ""},
		{"no origin to speak of", "null", "cross-site", false, ""},
		{"a link or an image elsewhere", "", "cross-site", false, ""},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := w.as("ada").request(`{ viewer { name } }`, nil)
			if method == http.MethodGet {
				r, _ = http.NewRequest(method, own+"/graphql?query=%7B__typename%7D", nil)
			}
			r.Header.Set("Origin", c.origin)
			if c.origin == "" {
				r.Header.Del("Origin")
			}
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			a := w.as("ada").send(r)
			if may := a.status == http.StatusOK; may != c.may {
				t.Errorf("%s, %s: %d %s", c.what, method, a.status, a.body)
			}
			if got := a.header.Get("Access-Control-Allow-Origin"); got != c.allowed || a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s, %s: allowed %q", c.what, method, got)
			}
			if c.origin != "" && !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s, %s: caches are not told that it varies: %v", c.what, method, a.header)
			}
			if !c.may && (a.status != http.StatusForbidden || a.codes()[0] != "BAD_REQUEST" || strings.Contains(a.body, "evil")) {
				t.Errorf("%s, %s: %d %s", c.what, method, a.status, a.body)
			}
		}
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		if c.site != "" {
			header.Set("Sec-Fetch-Site", c.site)
		}
		conn, _, err := websocket.Dial(t.Context(), strings.Replace(own, "http", "ws", 1)+"/graphql",
			&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header})
		if (err == nil) != c.may {
			t.Errorf("%s, WebSocket: %v", c.what, err)
		}
		if err == nil {
			conn.CloseNow()
		}
	}
}

// A browser asks before it sends a token elsewhere.
func TestPreflights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin })
	for origin, allowed := range map[string]string{appOrigin: appOrigin, "https://evil.example": ""} {
		r, _ := http.NewRequest(http.MethodOptions, w.gateway.URL()+"/graphql", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		response, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != allowed || response.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %d %v", origin, response.StatusCode, response.Header)
		}
	}
}
