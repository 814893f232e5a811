package address

import (
	"cmp"
	"hash/maphash"
	"iter"
	"slices"
	"unicode/utf8"
)

// Domains are domains that addresses are known to have. They never change, and
// may be used concurrently.
type Domains struct {
	known []knownDomain
	// hashes are those of each domain and of what one character less leaves of
	// it, in order: the hash in the upper half, the domain's place in known in
	// the lower. Two domains one edit apart have one of them in common, so that
	// the near ones are found without a look at the others.
	hashes []uint64
}

type knownDomain struct {
	name      string // as of [Address.Domain]
	frequency int
}

// NewDomains makes domains of how often each is seen. Any that is not a valid
// domain is ignored.
func NewDomains(frequencies map[string]int) *Domains {
	d := &Domains{}
	for given, frequency := range frequencies {
		if name := readable(given); name != "" {
			d.known = append(d.known, knownDomain{name, frequency})
		}
	}
	for place, k := range d.known {
		for _, hash := range hashesOf(k.name) {
			d.hashes = append(d.hashes, hash|uint64(place))
		}
	}
	slices.Sort(d.hashes)
	d.hashes = slices.Clip(slices.Compact(d.hashes))
	return d
}

// around goes through the domains that have one of some hashes: all that are
// one edit away, and few others.
func (d *Domains) around(hashes []uint64) iter.Seq[knownDomain] {
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

// byPrecedence puts the most frequent domain first.
func byPrecedence(a, b knownDomain) int {
	return cmp.Or(cmp.Compare(b.frequency, a.frequency), cmp.Compare(a.name, b.name))
}

// hashesOf gives the hashes of a domain, which comes first, and of what one
// character less leaves of it.
func hashesOf(domain string) []uint64 {
	hashes := make([]uint64, 1, 1+len(domain))
	hashes[0] = hash(domain, "")
	for at, r := range domain {
		hashes = append(hashes, hash(domain[:at], domain[at+utf8.RuneLen(r):]))
	}
	return hashes
}

var seed = maphash.MakeSeed()

// hash is that of two texts as one, in the upper half.
func hash(before, after string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(before)
	_, _ = h.WriteString(after)
	return h.Sum64() << 32
}
