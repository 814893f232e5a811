package app

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks whose addresses are those of proxies before the gateway.
type proxies []netip.Prefix

var errProxies = errors.New("expected networks such as 10.0.0.0/8 or addresses, separated by commas")

// parseProxies reads networks (CIDR, RFC 4632) and addresses that are separated by
// commas.
func parseProxies(list string) (proxies, error) {
	var parsed proxies
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			ip, err := netip.ParseAddr(text)
			if err != nil || ip.Zone() != "" {
				return nil, errProxies
			}
			network = netip.PrefixFrom(ip, ip.BitLen())
		}
		if network.Addr().Is4In6() {
			if network.Bits() < 96 {
				return nil, errProxies
			}
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		parsed = append(parsed, network.Masked())
	}
	return parsed, nil
}

// trusts reports whether an address is one of a proxy.
func (p proxies) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(ip) })
}

// clientOf returns the address of the client that sent a request; the zero address
// where it is not known. That is the other end of the connection or, where this is a
// proxy, the last address in X-Forwarded-For that is not: each proxy appends the
// address from which it got the request, and what stands before the first of these is
// the client's own text. Where there is no X-Forwarded-For, Forwarded (RFC 7239,
// section 5.2) says the same.
func (p proxies) clientOf(r *http.Request) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := plainAddress(remote.Addr())
	if !p.trusts(client) {
		return client
	}
	lines, read := r.Header.Values("X-Forwarded-For"), parseNode
	if len(lines) == 0 {
		lines, read = r.Header.Values("Forwarded"), parseForwarded
	}
	for rest, more := strings.Join(lines, ","), true; more; {
		last := rest
		if i := strings.LastIndexByte(rest, ','); i >= 0 {
			rest, last = rest[:i], rest[i+1:]
		} else {
			more = false
		}
		ip, ok := read(last)
		if !ok { // a proxy that hides the address, or no list at all
			break
		}
		if client = ip; !p.trusts(ip) {
			break
		}
	}
	return client
}

// parseForwarded reads the address of the parameter "for" of one element of Forwarded.
func parseForwarded(element string) (netip.Addr, bool) {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(name), "for") {
			return parseNode(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return netip.Addr{}, false
}

// parseNode reads an address that may have a port, and brackets if it is one of IPv6.
func parseNode(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plainAddress(withPort.Addr()), true
	}
	if inside, bracketed := strings.CutPrefix(text, "["); bracketed {
		text = strings.TrimSuffix(inside, "]")
	}
	ip, err := netip.ParseAddr(text)
	return plainAddress(ip), err == nil
}

// plainAddress returns an address without a zone, and one of IPv4 that is mapped to
// IPv6 as it is.
func plainAddress(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// networkOf returns what counts as one client: an address of IPv4, and of IPv6 the /64
// network, which one customer of a provider has at least (RFC 6177).
func networkOf(client netip.Addr) netip.Addr {
	if !client.Is6() {
		return client
	}
	network, _ := client.Prefix(64) // an address of IPv6 has as many bits
	return network.Addr()
}

type clientKey struct{}

func withClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// clientIn returns the address of the client that sent the request of a context.
func clientIn(ctx context.Context) netip.Addr {
	client, _ := ctx.Value(clientKey{}).(netip.Addr)
	return client
}
