package address

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// providers are the mail providers that people mistype most, the commonest of
// a name first. Names of two letters are left out: too many real domains are
// one edit away from them.
var providers = []string{
	"gmail.com", "googlemail.com",
	"outlook.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it",
	"hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.ch", "hotmail.it", "hotmail.es", "hotmail.be", "hotmail.nl", "hotmail.se",
	"live.com", "live.de", "live.fr", "live.co.uk", "live.nl", "live.be", "live.it",
	"msn.com",
	"yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.be", "yahoo.ca", "yahoo.co.in", "yahoo.co.jp", "yahoo.com.br",
	"ymail.com", "rocketmail.com",
	"icloud.com", "mac.com",
	"aol.com", "mail.com", "email.com", "zoho.com", "fastmail.com",
	"proton.me", "protonmail.com", "protonmail.ch", "tutanota.com",
	"gmx.net", "gmx.de", "gmx.ch", "gmx.at", "gmx.com",
	"web.de", "t-online.de", "freenet.de", "arcor.de", "posteo.de", "mailbox.org",
	"bluewin.ch", "sunrise.ch", "hispeed.ch",
	"orange.fr", "wanadoo.fr", "free.fr", "sfr.fr", "laposte.net",
	"yandex.ru", "mail.ru", "163.com", "126.com",
}

// wellKnown are the providers. Any domain that somebody was seen to have takes
// precedence over them.
var wellKnown = func() *Domains {
	frequencies := make(map[string]int, len(providers))
	for k, provider := range providers {
		frequencies[provider] = -1 - k
	}
	return NewDomains(frequencies)
}()

// Mistyped gives the address that was probably meant where the domain of a
// valid one is one edit (a character inserted, deleted, replaced, or swapped
// with its neighbour) away from one of the given domains or from a well-known
// provider, and is itself neither. It gives "" otherwise. Of several the most
// frequent was meant, and of these the first in the alphabet; the given domains
// take precedence.
func Mistyped(a Address, given []*Domains) string {
	if a == (Address{}) {
		return ""
	}
	local, domain := cut(a.text)
	hashes := hashesOf(domain)
	var near []knownDomain
	for _, domains := range append(slices.Clip(given), wellKnown) {
		for known := range domains.around(hashes) {
			if known.name == domain {
				return ""
			}
			if isOneEdit(domain, known.name) {
				near = append(near, known)
			}
		}
	}
	slices.SortFunc(near, byPrecedence)
	for _, known := range near {
		if meant := valid(local + "@" + known.name); meant != "" {
			return meant
		}
	}
	return ""
}

// readable gives a domain in the form of [Address.Domain], or "" where it is
// not valid. One that is plainly in that form stays unjudged: it is near to few
// addresses, and judged with those that it would correct.
func readable(given string) string {
	if isPlainLower(given) {
		return given
	}
	typed, problem := canonical(given)
	if problem != nil {
		return ""
	}
	domain, problem := readDomain(typed)
	if problem != nil {
		return ""
	}
	return domain.text
}

// isPlainLower tells whether a domain is in lower-case ASCII, and beyond doubt
// no A-label.
func isPlainLower(domain string) bool {
	for i := range len(domain) {
		c := domain[i]
		if c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return !strings.Contains(domain, "--")
}

// valid gives the readable form of an address, or "" where it is none: one
// character more may be one too many.
func valid(address string) string {
	a, problem := judge(address)
	if problem != nil {
		return ""
	}
	return a.String()
}

// withTopLevel completes the bare name of a provider.
func withTopLevel(s string) string {
	return withDomain(s, func(domain, provider string) bool {
		name, _, _ := strings.Cut(provider, ".")
		return domain == name
	})
}

// withProvider corrects one edit in a provider's name.
func withProvider(s string) string { return withDomain(s, isOneEdit) }

// withDomain replaces the domain of an address by the first provider that
// matches it.
func withDomain(s string, matches func(domain, provider string) bool) string {
	local, domain, found := cutLast(s, "@")
	if !found {
		return s
	}
	domain = strings.ToLower(domain)
	for _, provider := range providers {
		if matches(domain, provider) {
			return local + "@" + provider
		}
	}
	return s
}

// isOneEdit tells whether two texts are one insertion, deletion, replacement or
// swap of neighbours apart: once what they share on both ends is taken off,
// that edit is all that is left.
func isOneEdit(a, b string) bool {
	a, b = withoutCommonEnds(a, b)
	if max(len(a), len(b)) > 2*utf8.UTFMax {
		return false
	}
	switch m, n := utf8.RuneCountInString(a), utf8.RuneCountInString(b); {
	case m+n == 1, m == 1 && n == 1:
		return true
	case m == 2 && n == 2:
		return isSwap(a, b)
	default:
		return false
	}
}

func isSwap(a, b string) bool {
	first, size := utf8.DecodeRuneInString(a)
	return a[size:]+string(first) == b
}

func withoutCommonEnds(a, b string) (string, string) {
	for a != "" && b != "" {
		r, size := utf8.DecodeRuneInString(a)
		if s, _ := utf8.DecodeRuneInString(b); r != s {
			break
		}
		a, b = a[size:], b[size:]
	}
	for a != "" && b != "" {
		r, size := utf8.DecodeLastRuneInString(a)
		if s, _ := utf8.DecodeLastRuneInString(b); r != s {
			break
		}
		a, b = a[:len(a)-size], b[:len(b)-size]
	}
	return a, b
}
