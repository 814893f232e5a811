package batch

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

var keys = []int{1, 2, 3, 4, 5, 6, 7, 8}

type page struct{ first int }

func TestQueryRunsOnceForAllKeys(t *testing.T) {
	t.Parallel()
	g := NewGroup(keys...)
	queries := []any{"name", page{1}, page{2}, page{3}, 1, int64(1)}
	runs := make([]atomic.Int64, len(queries))
	start := make(chan struct{})
	var calls sync.WaitGroup
	for _, key := range keys {
		for i, query := range queries {
			for range 4 {
				calls.Go(func() {
					<-start
					got, err := Load(g, key, query, func(given []int) (map[int]string, error) {
						runs[i].Add(1)
						if !slices.Equal(given, keys) {
							t.Errorf("the query ran for %v", given)
						}
						values := map[int]string{}
						for _, key := range given {
							values[key] = strconv.Itoa(i) + " of " + strconv.Itoa(key)
						}
						return values, nil
					})
					if want := strconv.Itoa(i) + " of " + strconv.Itoa(key); got != want || err != nil {
						t.Errorf("%q, %v; want %q", got, err, want)
					}
				})
			}
		}
	}
	close(start)
	calls.Wait()
	for i := range runs {
		if n := runs[i].Load(); n != 1 {
			t.Errorf("%v ran %d times", queries[i], n)
		}
	}
}

func TestErrorIsReturnedForEveryKey(t *testing.T) {
	t.Parallel()
	g := NewGroup(keys...)
	failure := errors.New("on purpose")
	var runs atomic.Int64
	var calls sync.WaitGroup
	for _, key := range keys {
		calls.Go(func() {
			got, err := Load(g, key, "query", func([]int) (map[int]string, error) {
				runs.Add(1)
				return map[int]string{1: "half a result"}, failure
			})
			if !errors.Is(err, failure) {
				t.Errorf("%d: %q, %v", key, got, err)
			}
		})
	}
	calls.Wait()
	if runs.Load() != 1 {
		t.Errorf("the query ran %d times", runs.Load())
	}
	if got, err := Load(g, 1, "another", func([]int) (map[int]string, error) { return map[int]string{1: "a"}, nil }); got != "a" || err != nil {
		t.Errorf("another query: %q, %v", got, err)
	}
}

func TestQueryCanLoadAnother(t *testing.T) {
	t.Parallel()
	g := NewGroup(1)
	got, err := Load(g, 1, "outer", func([]int) (map[int]string, error) {
		inner, err := Load(g, 1, "inner", func([]int) (map[int]string, error) { return map[int]string{1: "in"}, nil })
		return map[int]string{1: inner + "out"}, err
	})
	if got != "inout" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestKeyWithoutAValueHasTheZeroValue(t *testing.T) {
	t.Parallel()
	g := NewGroup(1, 2)
	run := func([]int) (map[int][]string, error) { return map[int][]string{1: {"a"}}, nil }
	if got, err := Load(g, 2, "query", run); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPanicIsAnErrorForOtherCalls(t *testing.T) {
	t.Parallel()
	g := NewGroup(1, 2)
	run := func([]int) (map[int]string, error) { panic("on purpose") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = Load(g, 1, "query", run)
	}()
	if got, err := Load(g, 2, "query", run); !errors.Is(err, errPanicked) {
		t.Errorf("after a panic: %q, %v", got, err)
	}
}
