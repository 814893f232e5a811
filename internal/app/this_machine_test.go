package app

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestRequestsFromThisMachine(t *testing.T) {
	t.Parallel()
	for remote, c := range map[string]struct {
		client         string // of a trusted proxy
		loopback, from bool
	}{
		"127.0.0.1:1":          {"", true, true},
		"127.0.0.1:2":          {"127.0.0.1", true, true},
		"127.0.0.1:3":          {"192.0.2.1", false, false},
		"127.9.9.9:1":          {"", true, true},
		"[::1]:1":              {"::1", true, true},
		"[::ffff:127.0.0.1]:1": {"", true, true},
		"192.0.2.7:1":          {"", false, true}, // the address that was asked
		"192.0.2.8:1":          {"", false, false},
		"192.0.2.8:2":          {"127.0.0.1", false, false}, // loopback of the proxy's machine
		"[2001:db8::1]:1":      {"", false, false},
		"@":                    {"", false, false},
	} {
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 8080})
		if c.client != "" {
			ctx = withClient(ctx, netip.MustParseAddr(c.client))
		}
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/mailbox", nil)
		r.RemoteAddr = remote
		if got := fromLoopback(r); got != c.loopback {
			t.Errorf("%s for %s: from loopback %t", remote, c.client, got)
		}
		if got := fromThisMachine(r); got != c.from {
			t.Errorf("%s for %s: from this machine %t", remote, c.client, got)
		}
	}
}
