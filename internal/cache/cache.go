// Package cache keeps what was used last, in so much memory and no more.
package cache

import (
	"container/list"
	"context"
	"sync"
)

// Cache keeps values by keys, and forgets those that were not used for the
// longest time.
type Cache[V any] struct {
	most   int
	weight func(key string, value V) int

	mu     sync.Mutex
	weighs int
	order  *list.List // of *entry[V], the last used first
	places map[string]*list.Element
}

type entry[V any] struct {
	key    string
	value  V
	weighs int
}

// New makes a cache that holds most octets, as weight estimates them. What has
// more than a hundredth of that is not kept.
func New[V any](most int, weight func(key string, value V) int) *Cache[V] {
	return &Cache[V]{most: most, weight: weight, order: list.New(), places: map[string]*list.Element{}}
}

// Get gives the value of a key.
func (c *Cache[V]) Get(_ context.Context, key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, ok := c.places[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(place)
	return place.Value.(*entry[V]).value, true
}

// Add keeps the value of a key.
func (c *Cache[V]) Add(_ context.Context, key string, value V) {
	weighs := c.weight(key, value)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.places[key] != nil || weighs > c.most/100 {
		return
	}
	c.places[key] = c.order.PushFront(&entry[V]{key, value, weighs})
	for c.weighs += weighs; c.weighs > c.most; {
		last := c.order.Remove(c.order.Back()).(*entry[V])
		delete(c.places, last.key)
		c.weighs -= last.weighs
	}
}
