package address

import (
	"slices"
	"unicode/utf8"
)

// SuggestDomain returns the address that was probably meant, if the domain of a valid
// address is one edit away from a known domain or a mail provider, and is itself
// neither. An edit inserts, deletes or replaces one character, or swaps two
// neighbours. Domains that are known to exist, such as outlook.at, are no mistakes.
// Otherwise SuggestDomain returns "".
//
// If several domains are one edit away, the most frequent is suggested, and of those
// the first in the alphabet. Known domains come before mail providers.
func SuggestDomain(a Address, known []*Domains) string {
	if a == (Address{}) {
		return ""
	}
	local, domain := split(a.text)
	if isReal(domain) {
		return ""
	}
	length := utf8.RuneCountInString(domain)
	var hashes []uint64
	var neighbors []knownDomain
	for _, domains := range append(slices.Clip(known), providerDomains) {
		if !domains.hasLengthNear(length) {
			continue
		}
		if hashes == nil {
			hashes = deletionHashes(domain)
		}
		for candidate := range domains.withAnyHash(hashes) {
			if candidate.name == domain {
				return ""
			}
			if isNeighbor(domain, candidate.name) {
				neighbors = append(neighbors, candidate)
			}
		}
	}
	slices.SortFunc(neighbors, byFrequency)
	for _, neighbor := range neighbors {
		// With the longer domain the address can be too long.
		if meant, problem := check(local + "@" + neighbor.name); problem == nil {
			return meant.String()
		}
	}
	return ""
}

// isNeighbor reports whether a domain was probably meant to be a known one.
func isNeighbor(domain, known string) bool {
	if slices.Contains(providers, known) {
		return isSlip(domain, known)
	}
	return isOneEdit(domain, known)
}

// isOneEdit reports whether two texts are one edit apart. Without what they have in
// common at both ends, only the edit is left of them.
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
