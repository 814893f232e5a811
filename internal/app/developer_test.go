package app

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDeveloperIsRecognized(t *testing.T) {
	t.Parallel()
	const loopback, elsewhere = "127.0.0.1:40000", "192.0.2.7:40000"
	for _, c := range []struct {
		listening, public string
		from, host        string
		is                bool
	}{
		{"127.0.0.1:8080", "", loopback, "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "", loopback, "localhost:8080", true},
		{"127.0.0.1:8080", "", loopback, "LocalHost", true},
		{"127.0.0.1:8080", "", loopback, "127.8.8.8", true},
		{"[::1]:8080", "", "[::1]:40000", "[::1]:8080", true},
		{":8080", "", "[::ffff:127.0.0.1]:40000", "localhost:8080", true},
		{"192.0.2.1:8080", "", "192.0.2.1:40000", "192.0.2.1:8080", true}, // the gateway's own address
		{"box.example:8080", "", "192.0.2.1:40000", "box.example:8080", true},
		{"127.0.0.1:8080", "", loopback, "evil.example:8080", false},
		{"127.0.0.1:8080", "", loopback, "localhost.evil.example", false},
		{"127.0.0.1:8080", "", loopback, "127.0.0.1.evil.example", false},
		{"127.0.0.1:8080", "", loopback, "notlocalhost", false},
		{"127.0.0.1:8080", "", loopback, "", false},
		{":8080", "", loopback, "", false},
		{":8080", "", loopback, ":8080", false},
		{":8080", "", loopback, "0.0.0.0:8080", false},
		{":8080", "", loopback, "box.example:8080", false},
		// A client on another machine can claim any host.
		{":8080", "", elsewhere, "localhost:8080", false},
		{":8080", "", elsewhere, "127.0.0.1:8080", false},
		{"192.0.2.1:8080", "", elsewhere, "192.0.2.1:8080", false},
		{":8080", "", "@", "localhost:8080", false},
		// The operator of a public demonstration sets its URL.
		{":8080", "https://demo.example/gateway", elsewhere, "demo.example", true},
		{":8080", "https://Demo.example:8443", elsewhere, "demo.EXAMPLE:8443", true},
		{":8080", "https://demo.example", elsewhere, "evil.example", false},
		{":8080", "https://demo.example", elsewhere, "demo.example.evil.example", false},
		{":8080", "https://demo.example", elsewhere, "localhost", false},
		{":8080", "https://demo.example", loopback, "localhost", true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/app/configuration.json", nil)
		r.Host, r.RemoteAddr = c.host, c.from
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 8080}))
		s := Settings{HTTPSettings: HTTPSettings{Addr: c.listening, PublicURL: c.public}}
		if got := s.forDeveloper(r); got != c.is {
			t.Errorf("a gateway at %s, public %q, asked from %s as %q: %v", c.listening, c.public, c.from, c.host, got)
		}
	}
}
