package cache_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/maypok86/otter/v2"
	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func octets(key, value string) int { return len(key) + len(value) }

// fill puts so many entries of ten octets into a cache.
func fill(c *otter.Cache[string, string], entries int) {
	for i := range entries {
		c.Set(fmt.Sprintf("%05d", i), "value")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	bySize := cache.BySize[string, string](100)
	fill(bySize, 10_000)
	if n := len(entries(bySize)); n == 0 || n > 100 {
		t.Errorf("%d entries of 100", n)
	}
	byWeight := cache.ByWeight(1000, octets)
	fill(byWeight, 10_000)
	weight := 0
	for key, value := range entries(byWeight) {
		weight += octets(key, value)
	}
	if weight == 0 || weight > 1000 {
		t.Errorf("%d octets of 1,000", weight)
	}
}

func TestEntryHeavierThanAHundredthIsNotKept(t *testing.T) {
	t.Parallel()
	c := cache.ByWeight(1000, octets)
	c.Set("long", strings.Repeat("x", 7))
	c.Set("short", "x")
	if _, kept := c.GetIfPresent("long"); kept {
		t.Error("it is kept")
	}
	if _, kept := c.GetIfPresent("short"); !kept {
		t.Error("another entry was displaced")
	}
}

// A client that sends many different documents must not slow down all others.
func TestEntryInUseSurvivesABurst(t *testing.T) {
	t.Parallel()
	c := cache.ByWeight(1000, octets)
	fill(c, 100)
	c.Set("used", "value")
	for range 20 {
		c.GetIfPresent("used")
	}
	fill(c, 500)
	if _, kept := c.GetIfPresent("used"); !kept {
		t.Error("it was displaced")
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	c := cache.ByWeight(1000, octets)
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			for n := range 1000 {
				key := fmt.Sprint(n % (50 + i))
				c.Set(key, key)
				if got, ok := c.GetIfPresent(key); ok && got != key {
					t.Errorf("%s: %s", key, got)
				}
			}
		})
	}
	users.Wait()
}

func entries(c *otter.Cache[string, string]) map[string]string {
	all := map[string]string{}
	for key, value := range c.All() {
		all[key] = value
	}
	return all
}
