package address

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Domains is a set of known domains with their frequencies, in which domains that are
// one edit away from another are found quickly. It never changes, and may be used
// concurrently.
type Domains struct {
	known []knownDomain
	// hashes are sorted. Each has in its upper half the hash of a domain, whole or
	// without one of its characters, and in its lower half the domain's index in
	// known. Two domains that are one edit apart share at least one hash.
	hashes []uint64
	// lengths are those of the domains in characters: most long domains are compared
	// with none.
	lengths [maxAddress + 1]bool
}

type knownDomain struct {
	name      string // as of [Address.Domain]
	frequency int
}

// NewDomains returns the domains of a map from domains to their frequencies. It
// ignores invalid domains.
func NewDomains(frequencies map[string]int) *Domains {
	d := &Domains{}
	for given, frequency := range frequencies {
		if name := readableDomain(given); name != "" && len(name) <= maxAddress {
			d.known = append(d.known, knownDomain{name, frequency})
			d.lengths[utf8.RuneCountInString(name)] = true
		}
	}
	for i, known := range d.known {
		for _, hash := range deletionHashes(known.name) {
			d.hashes = append(d.hashes, hash|uint64(i))
		}
	}
	slices.Sort(d.hashes)
	d.hashes = slices.Clip(slices.Compact(d.hashes))
	return d
}

// hasLengthNear reports whether a domain can be one edit away from one with a length.
func (d *Domains) hasLengthNear(length int) bool {
	return slices.Contains(d.lengths[max(length-1, 0):min(length+2, len(d.lengths))], true)
}

// withAnyHash returns the domains that have one of the hashes: all that are one edit
// away, and few others. A domain can come several times.
func (d *Domains) withAnyHash(hashes []uint64) iter.Seq[knownDomain] {
	return func(yield func(knownDomain) bool) {
		for _, hash := range hashes {
			at, _ := slices.BinarySearch(d.hashes, hash)
			for _, h := range d.hashes[at:] {
				if h>>32 != hash>>32 {
					break
				}
				if !yield(d.known[uint32(h)]) {
					return
				}
			}
		}
	}
}

// byFrequency orders the most frequent domain first, and equally frequent ones by
// name.
func byFrequency(a, b knownDomain) int {
	return cmp.Or(cmp.Compare(b.frequency, a.frequency), cmp.Compare(a.name, b.name))
}

// deletionHashes returns the hash of a domain, and the hashes of the domain without
// one of its characters.
func deletionHashes(domain string) []uint64 {
	hashes := make([]uint64, 1, 1+len(domain))
	hashes[0] = hash(domain, "")
	for at, r := range domain {
		hashes = append(hashes, hash(domain[:at], domain[at+utf8.RuneLen(r):]))
	}
	return hashes
}

var seed = maphash.MakeSeed()

// hash returns the hash of two texts in a row, in the upper half.
func hash(before, after string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(before)
	_, _ = h.WriteString(after)
	return h.Sum64() << 32
}

// readableDomain returns a domain in the form of [Address.Domain], or "" if it is
// invalid. A domain in lower-case ASCII is not checked, to be fast: it is checked as
// part of the address that is suggested.
func readableDomain(given string) string {
	if isLowerASCII(given) {
		return given
	}
	typed, problem := normalize(given)
	if problem != nil {
		return ""
	}
	domain, problem := parseDomain(typed)
	if problem != nil {
		return ""
	}
	return domain.text
}

// isLowerASCII reports whether a domain consists of the characters of a host name in
// lower case and has no A-label.
func isLowerASCII(domain string) bool {
	for i := range len(domain) {
		c := domain[i]
		if c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return !strings.Contains(domain, "--")
}
