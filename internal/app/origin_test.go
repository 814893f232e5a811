package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

const appOrigin = "https://app.example"

func TestOnlyAllowedOriginsMayAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin + ", http://localhost:5173" })
	own := w.Gateway.URL()
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
			r := w.as("ada").Request(`{ viewer { name } }`, nil)
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
			a := w.as("ada").Send(r)
			if may := a.Status == http.StatusOK; may != c.may {
				t.Errorf("%s, %s: %d %s", c.what, method, a.Status, a.Body)
			}
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != c.allowed || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s, %s: allowed %q", c.what, method, got)
			}
			if c.origin != "" && !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s, %s: there is no Vary header for caches: %v", c.what, method, a.Header)
			}
			if !c.may && (a.Status != http.StatusForbidden || a.Codes()[0] != "BAD_REQUEST" || strings.Contains(a.Body, "evil")) {
				t.Errorf("%s, %s: %d %s", c.what, method, a.Status, a.Body)
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

// A browser asks before it sends a token to another origin.
func TestPreflights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.AllowedOrigins = appOrigin })
	for _, c := range []struct{ origin, headers, allowed string }{
		{appOrigin, "authorization,content-type", appOrigin},
		{"https://evil.example", "authorization,content-type", ""},
		{appOrigin, "apollographql-client-name,apollographql-client-version,authorization,content-type", appOrigin},
		{appOrigin, "apollo-require-preflight,x-apollo-operation-id,x-apollo-operation-name,x-apollo-operation-type", appOrigin},
		{appOrigin, "baggage,content-type,sentry-trace", appOrigin},
		{appOrigin, "baggage,traceparent,tracestate", appOrigin},
		{appOrigin, "cookie", ""},
	} {
		r, _ := http.NewRequest(http.MethodOptions, w.Gateway.URL()+"/graphql", nil)
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", c.headers)
		response, err := w.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != c.allowed || response.StatusCode != http.StatusNoContent {
			t.Errorf("%s, %s: %d %v", c.origin, c.headers, response.StatusCode, response.Header)
		}
	}
}

// A client reads a refusal as it reads a GraphQL response: Apollo Client hands on
// the code of an error only in the media type that it prefers.
func TestRefusalsBeforeGraphQLHaveItsForm(t *testing.T) {
	t.Parallel()
	down := jwkstest.New(t)
	down.Answer(jwkstest.Down)
	w := newWorld(t, trusting(down), func(s *app.Settings) { s.AllowedOrigins = appOrigin })
	unknown := jwkstest.NewKey(t, "key", jwt.SigningMethodES256).Sign(t, claims())
	for what, c := range map[string]struct {
		token, origin string
		status        int
		code          string
		retryAfter    string
	}{
		"a token that is not valid":     {"a.b.c", appOrigin, http.StatusUnauthorized, "UNAUTHENTICATED", ""},
		"an origin that is not allowed": {"", "https://evil.example", http.StatusForbidden, "BAD_REQUEST", ""},
		"a provider that is down":       {unknown, appOrigin, http.StatusServiceUnavailable, "UNAVAILABLE", "5"},
	} {
		for accept, mediaType := range map[string]string{
			"application/graphql-response+json,application/json;q=0.9": "application/graphql-response+json; charset=utf-8",
			"application/json": "application/json; charset=utf-8",
		} {
			p := w.with(c.token)
			r := p.Request(`{ viewer { id } }`, nil)
			r.Header.Set("Accept", accept)
			r.Header.Set("Origin", c.origin)
			a := p.Send(r)
			if a.Status != c.status || a.Header.Get("Content-Type") != mediaType || strings.Join(a.Codes(), " ") != c.code || a.Header.Get("Retry-After") != c.retryAfter {
				t.Errorf("%s, %s: %d %v %s", what, accept, a.Status, a.Header, a.Body)
			}
			if exposed := strings.ToLower(a.Header.Get("Access-Control-Expose-Headers")); c.origin == appOrigin && (!strings.Contains(exposed, "retry-after") || !strings.Contains(exposed, "date")) {
				t.Errorf("%s: exposed %q", what, exposed)
			}
		}
	}
}
