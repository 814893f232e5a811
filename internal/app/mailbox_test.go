package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// get requests a route with headers, given as names and values.
func (w *world) get(path string, header ...string) (status int, head http.Header, body string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.Gateway.URL()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Host = r.Header.Get("Host")
	response, err := w.HTTP.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// Mails have the links by which invitations are accepted.
func TestMailboxStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, behindProxy)
	_, port, _ := strings.Cut(strings.TrimPrefix(w.Gateway.URL(), "http://"), ":")
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitMails(1)
	for _, c := range []struct {
		what   string
		header []string
		gets   bool
	}{
		{"its address", nil, true},
		{"its name", []string{"Host", "localhost:" + port}, true},
		{"its name in capitals", []string{"Host", "LOCALHOST:" + port}, true},
		{"its name without a port", []string{"Host", "localhost"}, true},
		{"another port, which leads here", []string{"Host", "127.0.0.1:5173"}, true},
		{"its address of IPv6", []string{"Host", "[::1]:" + port}, true},
		{"through a proxy of its own", []string{"X-Forwarded-For", "127.0.0.1"}, true},
		{"through a proxy, from elsewhere", []string{"X-Forwarded-For", "192.0.2.1"}, false},
		{"through a proxy, from elsewhere, with a lie", []string{"X-Forwarded-For", "127.0.0.1, 192.0.2.1"}, false},
		{"a name that was made to lead here", []string{"Host", "evil.example:" + port}, false},
		{"such a name from its own page", []string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port, "Sec-Fetch-Site", "same-origin"}, false},
		{"such a name that looks right", []string{"Host", "localhost.evil.example"}, false},
		{"an address that looks right", []string{"Host", "127.0.0.1.evil.example"}, false},
		{"an address of another machine", []string{"Host", "192.0.2.1:" + port}, false},
		{"every address", []string{"Host", "0.0.0.0:" + port}, false},
	} {
		for _, path := range []string{"/mailbox", "/mailbox.json"} {
			status, head, body := w.get(path, c.header...)
			if gets := status == http.StatusOK; gets != c.gets || gets != strings.Contains(body, "zoe@new.example") {
				t.Errorf("%s: %s: %d %.200s", c.what, path, status, body)
			}
			if !c.gets && (status != http.StatusForbidden || !strings.Contains(body, "http://localhost:PORT") || head.Get("Content-Type") != "text/plain; charset=utf-8") {
				t.Errorf("%s: %s: %d %v %s", c.what, path, status, head, body)
			}
			if head.Get("Cache-Control") != "no-store" || head.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %s: %v", c.what, path, head)
			}
		}
	}
}

// The public URL's host may be open to everybody, so it is none of this machine's names.
func TestMailboxIsNotUnderThePublicURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.PublicURL = "https://datahub.example" })
	if status, _, body := w.get("/mailbox.json", "Host", "datahub.example"); status != http.StatusForbidden {
		t.Errorf("%d %s", status, body)
	}
}
