// Package cache makes the gateway's in-memory caches. They are bounded, and
// admit an entry to a full cache only if it is used more often than the one
// that it would displace, so that a burst of new keys does not empty them.
//
// Entries have no expiry here, although otter offers it: for that it runs a
// goroutine for each cache. Values whose age matters carry their time.
package cache

import (
	"math"

	"github.com/maypok86/otter/v2"
)

// BySize returns a cache of a number of entries.
func BySize[K comparable, V any](entries int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{MaximumSize: entries, Executor: callersGoroutine})
}

// ByWeight returns a cache of entries with a total weight, in the unit of weigh.
// It does not keep an entry that weighs more than a hundredth of the total: a few
// heavy entries must not displace everybody's.
func ByWeight[K comparable, V any](total int, weigh func(K, V) int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{
		MaximumWeight: uint64(total),
		Weigher: func(key K, value V) uint32 {
			weight := weigh(key, value)
			if weight > total/100 {
				return math.MaxUint32 // otter keeps no entry heavier than MaximumWeight
			}
			return uint32(weight)
		},
		Executor: callersGoroutine,
	})
}

// callersGoroutine runs otter's maintenance in the call that makes it due: some
// microseconds after some tens of operations. Otter would start a goroutine for
// it, and the bound would hold only some time after the call.
func callersGoroutine(maintain func()) { maintain() }
