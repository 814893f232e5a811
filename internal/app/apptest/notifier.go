package apptest

import (
	"sync"
	"testing"
	"time"
)

// Patience is how long anything may take that a test waits for, on a busy
// machine. It decides only how long a test takes that fails.
const Patience = 2 * time.Minute

// Notifier wakes those who wait for something to happen. The zero value is ready
// for use.
type Notifier struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next notification; nil while nobody waits
}

// Notify wakes all who wait.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

func (n *Notifier) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

// Await waits for a condition, which it evaluates again at each notification.
func (n *Notifier) Await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	end := time.NewTimer(Patience)
	defer end.Stop()
	for {
		notified := n.wait() // before the evaluation, so that nothing is missed
		if condition() {
			return
		}
		select {
		case <-notified:
		case <-end.C:
			t.Fatalf("in %v it did not come to %s", Patience, what)
		}
	}
}
