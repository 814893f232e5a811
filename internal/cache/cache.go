// Package cache makes the gateway's in-memory caches. They are bounded, and
// admit an entry to a full cache only if it is used more often than the one
// that it would displace, so that a burst of new keys does not empty them.
//
// Entries have no expiry here, although otter offers it: for that it runs a
// goroutine for each cache. Values whose age matters carry their time.
package cache

import "github.com/maypok86/otter/v2"

// BySize returns a cache of a number of entries.
func BySize[K comparable, V any](entries int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{MaximumSize: entries, Executor: callersGoroutine})
}

// ByWeight returns a cache of entries that have a weight together, in the unit
// of weigh. An entry that alone is heavier is not kept.
func ByWeight[K comparable, V any](total int, weigh func(K, V) int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{
		MaximumWeight: uint64(total),
		Weigher:       func(key K, value V) uint32 { return uint32(weigh(key, value)) },
		Executor:      callersGoroutine,
	})
}

// callersGoroutine runs otter's maintenance in the call that makes it due: some
// microseconds after some tens of operations. Otter would start a goroutine for
// it, and the bound would hold only some time after the call.
func callersGoroutine(maintain func()) { maintain() }
