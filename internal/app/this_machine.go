package app

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// onlyThisMachine answers with 403 what does not come from this machine, or is for a
// host name that is not one of this machine's own: what is in development is for the
// developer. A page whose name resolves to this machine (DNS rebinding) sends that name.
func onlyThisMachine(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !namesThisMachine(hostOf(r)) || !fromLoopback(r) {
			plain(w, http.StatusForbidden, "This is shown only on the machine where the gateway runs. Open it there, under http://localhost:PORT, or from another machine through a tunnel: ssh -L PORT:localhost:PORT MACHINE.")
			return
		}
		next(w, r)
	})
}

// hostOf returns the host that a request is for, in lower case and without a port.
func hostOf(r *http.Request) string { return strings.ToLower((&url.URL{Host: r.Host}).Hostname()) }

// namesThisMachine reports whether a host is this machine, wherever it is looked up.
func namesThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// fromLoopback reports whether both ends of the connection are this machine's loopback
// interface and, where the other end is a trusted proxy, its client's address is too.
func fromLoopback(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() {
		return false
	}
	client := clientIn(r.Context())
	return !client.IsValid() || client.IsLoopback()
}

// fromThisMachine reports whether a request comes from this machine, through any of its
// addresses.
func fromThisMachine(r *http.Request) bool {
	if fromLoopback(r) {
		return true
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return err == nil && ok && !remote.Addr().Unmap().IsLoopback() && remote.Addr().Unmap() == local.AddrPort().Addr().Unmap()
}
