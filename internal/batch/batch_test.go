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

func TestAskOnceAQuestion(t *testing.T) {
	g := NewGroup(keys...)
	questions := []any{"name", page{1}, page{2}, page{3}, 1, int64(1)}
	asked := make([]atomic.Int64, len(questions))
	begin := make(chan struct{})
	var done sync.WaitGroup
	for _, key := range keys {
		for q, question := range questions {
			for range 4 {
				done.Go(func() {
					<-begin
					got, err := Load(g, key, question, func(of []int) (map[int]string, error) {
						asked[q].Add(1)
						if !slices.Equal(of, keys) {
							t.Errorf("asked about %v", of)
						}
						answers := map[int]string{}
						for _, key := range of {
							answers[key] = strconv.Itoa(q) + " of " + strconv.Itoa(key)
						}
						return answers, nil
					})
					if want := strconv.Itoa(q) + " of " + strconv.Itoa(key); got != want || err != nil {
						t.Errorf("%q, %v; want %q", got, err, want)
					}
				})
			}
		}
	}
	close(begin)
	done.Wait()
	for q := range asked {
		if n := asked[q].Load(); n != 1 {
			t.Errorf("%v was asked %d times", questions[q], n)
		}
	}
}

func TestErrorIsForAll(t *testing.T) {
	g := NewGroup(keys...)
	failure := errors.New("on purpose")
	var asked atomic.Int64
	var done sync.WaitGroup
	for _, key := range keys {
		done.Go(func() {
			got, err := Load(g, key, "question", func([]int) (map[int]string, error) {
				asked.Add(1)
				return map[int]string{1: "half an answer"}, failure
			})
			if !errors.Is(err, failure) {
				t.Errorf("%d: %q, %v", key, got, err)
			}
		})
	}
	done.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	if got, err := Load(g, 1, "another", func([]int) (map[int]string, error) { return map[int]string{1: "a"}, nil }); got != "a" || err != nil {
		t.Errorf("another question: %q, %v", got, err)
	}
}

// A question may be asked while another one is answered.
func TestNestedQuestions(t *testing.T) {
	g := NewGroup(1)
	got, err := Load(g, 1, "outer", func([]int) (map[int]string, error) {
		inner, err := Load(g, 1, "inner", func([]int) (map[int]string, error) { return map[int]string{1: "in"}, nil })
		return map[int]string{1: inner + "out"}, err
	})
	if got != "inout" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A key without an answer gets none, rather than another key's.
func TestNoAnswer(t *testing.T) {
	g := NewGroup(1, 2)
	ask := func([]int) (map[int][]string, error) { return map[int][]string{1: {"a"}}, nil }
	if got, err := Load(g, 2, "question", ask); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// An answer that panics is none: those who waited for it are told.
func TestPanic(t *testing.T) {
	g := NewGroup(1, 2)
	ask := func([]int) (map[int]string, error) { panic("on purpose") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = Load(g, 1, "question", ask)
	}()
	defer func() { _ = recover() }()
	if got, err := Load(g, 2, "question", ask); err == nil {
		t.Errorf("after a panic: %q without an error", got)
	}
}
