package app

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientIsTheLastAddressThatIsNoProxy(t *testing.T) {
	t.Parallel()
	const trusted = "10.0.0.0/8, 192.0.2.1, 2001:db8:1::/48, ::ffff:172.16.0.0/108"
	for _, c := range []struct {
		proxies, remote string
		forwardedFor    []string
		forwarded       []string
		want            string
	}{
		// Without a proxy the client's own headers mean nothing.
		{"", "198.51.100.7:1234", nil, nil, "198.51.100.7"},
		{"", "198.51.100.7:1234", []string{"203.0.113.9"}, []string{"for=203.0.113.9"}, "198.51.100.7"},
		{trusted, "198.51.100.7:1234", []string{"203.0.113.9"}, []string{"for=203.0.113.9"}, "198.51.100.7"},
		{trusted, "[::ffff:198.51.100.7]:1234", nil, nil, "198.51.100.7"},
		{trusted, "[fe80::1%eth0]:1234", nil, nil, "fe80::1"},
		{trusted, "@", []string{"203.0.113.9"}, nil, "invalid IP"},
		// Behind one proxy, behind two.
		{trusted, "10.1.2.3:1234", []string{"203.0.113.9"}, nil, "203.0.113.9"},
		{trusted, "192.0.2.1:1234", []string{"203.0.113.9, 10.9.9.9"}, nil, "203.0.113.9"},
		{trusted, "[2001:db8:1::5]:1234", []string{" 203.0.113.9 ,10.9.9.9", "172.16.3.4"}, nil, "203.0.113.9"},
		{trusted, "[::ffff:10.1.2.3]:1234", []string{"::ffff:203.0.113.9"}, nil, "203.0.113.9"},
		// What the client wrote itself stands before.
		{trusted, "10.1.2.3:1234", []string{"192.0.2.1, 10.0.0.1, 203.0.113.9"}, nil, "203.0.113.9"},
		{trusted, "10.1.2.3:1234", []string{"127.0.0.1", "203.0.113.9"}, nil, "203.0.113.9"},
		{trusted, "10.1.2.3:1234", []string{"nonsense,,;, 203.0.113.9"}, nil, "203.0.113.9"},
		// Ports and brackets.
		{trusted, "10.1.2.3:1234", []string{"203.0.113.9:40000"}, nil, "203.0.113.9"},
		{trusted, "10.1.2.3:1234", []string{"[2001:db8:2::9]:40000"}, nil, "2001:db8:2::9"},
		{trusted, "10.1.2.3:1234", []string{"[2001:db8:2::9]"}, nil, "2001:db8:2::9"},
		{trusted, "10.1.2.3:1234", []string{"2001:db8:2::9"}, nil, "2001:db8:2::9"},
		// The last proxy that is known, where it says nothing of use.
		{trusted, "10.1.2.3:1234", nil, nil, "10.1.2.3"},
		{trusted, "10.1.2.3:1234", []string{""}, nil, "10.1.2.3"},
		{trusted, "10.1.2.3:1234", []string{"unknown"}, nil, "10.1.2.3"},
		{trusted, "10.1.2.3:1234", []string{"203.0.113.9, unknown, 10.4.4.4"}, nil, "10.4.4.4"},
		{trusted, "10.1.2.3:1234", []string{"10.5.5.5, 10.4.4.4"}, nil, "10.5.5.5"},
		// Forwarded.
		{trusted, "10.1.2.3:1234", nil, []string{"for=203.0.113.9"}, "203.0.113.9"},
		{trusted, "10.1.2.3:1234", nil, []string{`for=1.2.3.4, proto=https;For="[2001:db8:2::9]:4711";by=10.1.1.1`}, "2001:db8:2::9"},
		{trusted, "10.1.2.3:1234", nil, []string{`for=203.0.113.9;proto=http`, `for="10.9.9.9:80"`}, "203.0.113.9"},
		{trusted, "10.1.2.3:1234", nil, []string{`for=203.0.113.9, for=_hidden`}, "10.1.2.3"},
		{trusted, "10.1.2.3:1234", nil, []string{`proto=https`}, "10.1.2.3"},
		// X-Forwarded-For decides where there are both.
		{trusted, "10.1.2.3:1234", []string{"203.0.113.9"}, []string{"for=1.2.3.4"}, "203.0.113.9"},
	} {
		trusts, err := parseProxies(c.proxies)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/graphql", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"], r.Header["Forwarded"] = c.forwardedFor, c.forwarded
		if got := trusts.clientOf(r).String(); got != c.want {
			t.Errorf("%s, %q, %q: %s, want %s", c.remote, c.forwardedFor, c.forwarded, got, c.want)
		}
	}
}

func TestProxiesAreNetworks(t *testing.T) {
	t.Parallel()
	for list, ok := range map[string]bool{
		"": true, " , ": true, "10.0.0.1": true, "10.0.0.0/8,fd00::/8": true, "::1": true, "::ffff:10.0.0.0/104": true,
		"proxy.example": false, "10.0.0.0/33": false, "10.0.0.0-10.0.0.9": false, "fe80::1%eth0": false, "10.0.0.1:80": false, "::ffff:0.0.0.0/90": false,
	} {
		if _, err := parseProxies(list); (err == nil) != ok {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestNetworkOfIPv6IsOneClient(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{
		"203.0.113.9":               "203.0.113.9",
		"2001:db8:2:3:4:5:6:7":      "2001:db8:2:3::",
		"2001:db8:2:3:ffff:ffff::1": "2001:db8:2:3::",
		"2001:db8:2:4::":            "2001:db8:2:4::",
	} {
		if got := networkOf(netip.MustParseAddr(client)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
	if got := networkOf(netip.Addr{}); got.IsValid() {
		t.Errorf("%s", got)
	}
}
