package app

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"alphacruncher.com/datahub-gateway/web"
)

const immutable = "public, max-age=31536000, immutable"

var script = strings.Repeat("let x = 1;\n", 1000)

var built = fstest.MapFS{
	"index.html":              {Data: []byte("<title>the page</title>")},
	"playground/index.html":   {Data: []byte("<title>the playground</title>")},
	"icon.svg":                {Data: []byte("<svg/>")},
	"assets/index-Ab1.js":     {Data: []byte(script)},
	"assets/index-Cd2.css":    {Data: []byte("body {}")},
	"assets/Inter-Ef3.woff2":  {Data: []byte("wOF2")},
	"assets/strange-Gh4.else": {Data: []byte("?")},
}

// site serves a page with the settings of a gateway.
type site struct {
	t   *testing.T
	mux *http.ServeMux
}

func newSite(t *testing.T, files fstest.MapFS, s Settings) site {
	t.Helper()
	p, err := readPage(files)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	(&api{settings: &s}).handlePage(mux, p)
	return site{t, mux}
}

// development returns the settings of a gateway in development.
func development() Settings {
	return Settings{DevelopmentSettings: DevelopmentSettings{Development: true}, TokenSettings: TokenSettings{JWTIssuer: "datahub-development"}}
}

// ask sends a request with headers, given as names and values.
func (s site) ask(method, path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	s.mux.ServeHTTP(recorder, r)
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return recorder.Result(), string(body)
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, built, development())
	const html, gone = "text/html; charset=utf-8", "There is no such file."
	for _, c := range []struct {
		path                 string
		status               int
		contentType, caching string
		says                 string
	}{
		{"/app/", 200, html, "no-cache", "the page"},
		{"/app/index.html", 200, html, "no-cache", "the page"},
		{"/app/invitation", 200, html, "no-cache", "the page"},
		{"/app/invitation.", 200, html, "no-cache", "the page"},
		{"/app/invitation)", 200, html, "no-cache", "the page"},
		{"/app/invitation.%3E", 200, html, "no-cache", "the page"},
		{"/app/invitation%23token", 200, html, "no-cache", "the page"},
		{"/app/request", 200, html, "no-cache", "the page"},
		{"/app/restore?x=1.5", 200, html, "no-cache", "the page"},
		{"/app/spaces/space_01a2/instances", 200, html, "no-cache", "the page"},
		{"/app/playground/", 200, html, "no-cache", "the page"},
		{"/app/playground/index.html", 404, "text/plain; charset=utf-8", "", gone},
		{"/app/icon.svg", 200, "image/svg+xml", "no-cache", "<svg/>"},
		{"/app/assets/index-Ab1.js", 200, "text/javascript; charset=utf-8", immutable, script},
		{"/app/assets/index-Cd2.css", 200, "text/css; charset=utf-8", immutable, "body {}"},
		{"/app/assets/Inter-Ef3.woff2", 200, "font/woff2", immutable, "wOF2"},
		{"/app/assets/strange-Gh4.else", 200, "application/octet-stream", immutable, "?"},
		{"/app/assets/index-Zz9.js", 404, "text/plain; charset=utf-8", "", gone},
		{"/app/robots.txt", 404, "text/plain; charset=utf-8", "", gone},
		{"/app/%2e%2e/%2e%2e/etc/passwd", 200, html, "no-cache", "the page"},
		{"/app/..%2f..%2fgo.mod", 404, "text/plain; charset=utf-8", "", gone},
		{"/app/..%5c..%5cgo.mod", 404, "text/plain; charset=utf-8", "", gone},
		{"/", 200, html, "no-cache", "the playground"},
	} {
		response, body := s.ask("GET", c.path)
		header := response.Header
		if response.StatusCode != c.status || header.Get("Content-Type") != c.contentType || header.Get("Cache-Control") != c.caching || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s %q: %.100s", c.path, response.StatusCode, header.Get("Content-Type"), header.Get("Cache-Control"), body)
		}
		if got := header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; script-src 'self'; ") {
			t.Errorf("%s: policy %q", c.path, got)
		}
		if c.status != 200 {
			continue
		}
		// A client with the same ETag gets no body, and HEAD has the headers of
		// GET.
		if response, body := s.ask("GET", c.path, "If-None-Match", header.Get("ETag")); response.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s, of %s: %d %.100s", c.path, header.Get("ETag"), response.StatusCode, body)
		}
		if response, body := s.ask("HEAD", c.path); body != "" || !maps.EqualFunc(response.Header, header, slices.Equal) {
			t.Errorf("%s: its head is %v, and %v of GET", c.path, response.Header, header)
		}
	}
}

func TestPageIsReadOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, built, development())
	for _, path := range []string{"/app/", "/app/invitation", "/app/assets/index-Ab1.js", "/app/configuration.json", "/"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if response, _ := s.ask(method, path); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, allowed %s", method, path, response.StatusCode, response.Header.Get("Allow"))
			}
		}
	}
	for path, to := range map[string]string{"/app?x=1": "/app/?x=1", "/app/../go.mod": "/go.mod"} {
		if response, _ := s.ask("GET", path); response.StatusCode/100 != 3 || response.Header.Get("Location") != to {
			t.Errorf("%s: %d to %s", path, response.StatusCode, response.Header.Get("Location"))
		}
	}
}

func TestPageIsCompressed(t *testing.T) {
	t.Parallel()
	s := newSite(t, built, development())
	const path = "/app/assets/index-Ab1.js"
	for accepts, compressed := range map[string]bool{
		"gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "deflate, gzip;q=1.0, *;q=0.5": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.0": false, "x-gzip-else": false, "identity": false,
	} {
		response, body := s.ask("GET", path, "Accept-Encoding", accepts)
		if response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: varies with %q", accepts, response.Header.Get("Vary"))
		}
		if got := response.Header.Get("Content-Encoding") == "gzip"; got != compressed {
			t.Errorf("%s: compressed %v", accepts, got)
			continue
		}
		if compressed {
			if len(body) > len(script)/10 {
				t.Errorf("%d octets of %d", len(body), len(script))
			}
			reader, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(reader)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if body != script {
			t.Errorf("%s: %.100q", accepts, body)
		}
		// The compressed file has an ETag of its own.
		tag := response.Header.Get("ETag")
		if again, _ := s.ask("GET", path, "Accept-Encoding", "gzip", "If-None-Match", tag); (again.StatusCode == http.StatusNotModified) != compressed {
			t.Errorf("%s, of %s: %d", accepts, tag, again.StatusCode)
		}
	}
	if response, body := s.ask("GET", path, "Range", "bytes=4-8"); response.StatusCode != http.StatusPartialContent || body != "x = 1" {
		t.Errorf("a range: %d %q", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/app/assets/Inter-Ef3.woff2", "Accept-Encoding", "gzip"); response.Header.Get("Content-Encoding") != "" || body != "wOF2" {
		t.Errorf("a font: %v %q", response.Header, body)
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		settings Settings
		connect  string
	}{
		"development":          {development(), "'self'"},
		"an identity provider": {Settings{TokenSettings: TokenSettings{OIDCClientID: "page", JWTIssuer: "https://login.example:8443/realms/datahub?a=b"}}, "'self' https://login.example:8443"},
		"no sign-in":           {Settings{TokenSettings: TokenSettings{JWTIssuer: "https://login.example"}}, "'self'"},
	} {
		response, _ := newSite(t, built, c.settings).ask("GET", "/app/")
		want := "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src " +
			c.connect + "; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
		if got := response.Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestMissingPageExplainsHowToBuildIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, fstest.MapFS{".gitignore": {Data: []byte("*")}}, development())
	for path, c := range map[string]struct {
		status int
		says   string
	}{
		"/app/":                 {404, "npm run build --prefix web"},
		"/app/restore":          {404, "npm run build --prefix web"},
		"/app/invitation":       {200, "acceptInvitation"},
		"/app/join":             {200, "joinByLink"},
		"/app/request":          {200, "approveRequest"},
		"/app/assets/index.js":  {404, "There is no such file."},
		"/":                     {200, "DataHub gateway"},
		"/playground/index.css": {404, ""},
	} {
		if response, body := s.ask("GET", path); response.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %.100s", path, response.StatusCode, body)
		}
	}
}

func TestPlaygroundIsOff(t *testing.T) {
	t.Parallel()
	off := development()
	off.Playground = new(bool)
	for what, s := range map[string]Settings{"production": {}, "development": off} {
		for _, files := range []fstest.MapFS{built, {}} {
			if response, body := newSite(t, files, s).ask("GET", "/"); response.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d %.100s", what, response.StatusCode, body)
			}
		}
	}
}

// The embedded page can be read, whether it was built or not.
func TestBuiltPageIsServedUnderApp(t *testing.T) {
	t.Parallel()
	p, err := readPage(web.Built())
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range p {
		content, err := io.ReadAll(f.open())
		if err != nil {
			t.Error(err)
		}
		if name == indexFile && !bytes.Contains(content, []byte("/app/"+assetsFolder)) {
			t.Errorf("the page is not made for /app/: %s", content)
		}
	}
}
