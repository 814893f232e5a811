package cache_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/cache"
)

func length(key, value string) int { return len(key) + len(value) }

func TestTheLastUsedStay(t *testing.T) {
	ctx := t.Context()
	c := cache.New(300, length)
	for i := range 100 {
		c.Add(ctx, fmt.Sprintf("%02d", i), "x")
	}
	if _, ok := c.Get(ctx, "00"); !ok {
		t.Fatal("what fits was forgotten")
	}
	c.Add(ctx, "100", "")
	for key, want := range map[string]bool{"00": true, "01": false, "02": true, "100": true} {
		if _, ok := c.Get(ctx, key); ok != want {
			t.Errorf("%s is there: %t", key, ok)
		}
	}
	c.Add(ctx, "long", strings.Repeat("x", 10))
	if _, ok := c.Get(ctx, "long"); ok {
		t.Error("what is long is kept")
	}
	c.Add(ctx, "02", "y")
	if got, _ := c.Get(ctx, "02"); got != "x" {
		t.Errorf("%q", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	c := cache.New(1000, length)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 1000 {
				key := fmt.Sprint(n % (50 + i))
				c.Add(t.Context(), key, key)
				if got, ok := c.Get(t.Context(), key); ok && got != key {
					t.Errorf("%s: %s", key, got)
				}
			}
		})
	}
	all.Wait()
}
