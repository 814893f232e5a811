// Package batch loads data about many objects with one query. The first object
// of a group that needs data loads it for all of the group, so that a list of
// objects does not cause a query for each of them.
//
// A group lives as long as the objects that were read together: for one request.
package batch

import (
	"errors"
	"sync"
)

// Group holds the keys of objects that were read together, and the results of
// the queries about them. It is safe for concurrent use.
type Group[K comparable] struct {
	keys []K

	mu      sync.Mutex
	results map[any]*result
}

type result struct {
	once   sync.Once
	values any // map[K]V
	err    error
}

// NewGroup returns a group of keys.
func NewGroup[K comparable](keys ...K) *Group[K] { return &Group[K]{keys: keys} }

// errPanicked is the error of a query whose first call panicked, for the others.
var errPanicked = errors.New("batch: the query panicked")

// Load returns the value of a key in the result of a query, or the zero value
// where the result has none. The first call with a query runs it for all keys of
// the group; other calls wait for that, and share the result and the error.
//
// The value query identifies what run does. It must be comparable, and different
// for everything that run depends on apart from the keys.
func Load[K comparable, V any](g *Group[K], key K, query any, run func(keys []K) (map[K]V, error)) (V, error) {
	g.mu.Lock()
	if g.results == nil {
		g.results = map[any]*result{}
	}
	r := g.results[query]
	if r == nil {
		r = &result{}
		g.results[query] = r
	}
	g.mu.Unlock()

	r.once.Do(func() {
		r.err = errPanicked
		r.values, r.err = run(g.keys)
	})
	values, _ := r.values.(map[K]V)
	return values[key], r.err
}
