// Package batch keeps nested lists from asking the database once a row: what
// is asked about one thing of a group is asked about the whole group at once,
// and remembered for the others.
//
// A group lives as long as what was read with it, which is one request.
package batch

import (
	"errors"
	"sync"
)

// Group is a number of things that were read together, by their keys. Its
// methods may be called concurrently.
type Group[K comparable] struct {
	keys []K

	mu      sync.Mutex
	answers map[any]*answer
}

type answer struct {
	once  sync.Once
	value any // map[K]V
	err   error
}

// NewGroup makes a group of keys.
func NewGroup[K comparable](keys ...K) *Group[K] { return &Group[K]{keys: keys} }

// errPanicked is what the others get when the first to ask panicked.
var errPanicked = errors.New("batch: the question was not answered")

// Load answers a question about the thing of a key. The first to ask a question
// has it asked about every key of the group; question must be comparable and
// tell apart everything that ask depends on.
func Load[K comparable, V any](g *Group[K], key K, question any, ask func(keys []K) (map[K]V, error)) (V, error) {
	g.mu.Lock()
	if g.answers == nil {
		g.answers = map[any]*answer{}
	}
	a := g.answers[question]
	if a == nil {
		a = &answer{}
		g.answers[question] = a
	}
	g.mu.Unlock()

	a.once.Do(func() {
		a.err = errPanicked
		a.value, a.err = ask(g.keys)
	})
	values, _ := a.value.(map[K]V)
	return values[key], a.err
}
