package app_test

import (
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take that a test waits for, on a busy
// machine. It decides only when a test that fails does so.
const patience = 2 * time.Minute

// notifier wakes those who wait for something to happen. The zero value is ready
// for use.
type notifier struct {
	mu    sync.Mutex
	fired chan struct{} // closed at the next notification; nil while nobody waits
}

// notify wakes all who wait.
func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fired != nil {
		close(n.fired)
		n.fired = nil
	}
}

// next returns a channel that is closed at the next notification.
func (n *notifier) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fired == nil {
		n.fired = make(chan struct{})
	}
	return n.fired
}

// await waits for a condition, which it evaluates again at each notification.
func (n *notifier) await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		fired := n.next() // before the condition is asked, so that nothing is missed
		if condition() {
			return
		}
		select {
		case <-fired:
		case <-end.C:
			t.Fatalf("it did not come to %s", what)
		}
	}
}
