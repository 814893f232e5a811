package mail

import (
	"context"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// Send sends messages over one connection, or over several if the server is slow
// with one of them. It calls report with the index and the outcome of a message as
// soon as the outcome is known: nil, or an error. ErrRefused means that another
// attempt is in vain. It does not report messages that it had no time for. Send
// returns when ctx ends, whatever the server does. It may call report concurrently.
func (s *Sender) Send(ctx context.Context, messages []Message, report func(i int, err error)) {
	b := &batch{sender: s, messages: messages, report: report, progress: make(chan struct{}, 2*len(messages))}
	for i := range messages {
		b.waiting = append(b.waiting, i)
	}
	ended := make(chan struct{}, maxConnections)
	start := func(first bool) {
		go func() {
			defer func() { ended <- struct{}{} }()
			b.deliver(ctx, first)
		}()
	}
	start(true)
	stalled := time.NewTicker(s.stallTime)
	defer stalled.Stop()
	reached := false // whether the server has answered at all
	for running := 1; running > 0; {
		select {
		case <-ended:
			running--
		case <-b.progress:
			reached = true
			stalled.Reset(s.stallTime)
		case <-stalled.C:
			if reached && running < maxConnections && b.hasWaiting() {
				running++
				start(false)
			}
		}
	}
}

// batch is messages that several connections send together.
type batch struct {
	sender   *Sender
	messages []Message
	report   func(i int, err error)
	progress chan struct{} // a connection was opened, or the server has answered about a message

	mu      sync.Mutex
	waiting []int // indexes of messages
}

// next takes a message from the waiting ones; false if there is none.
func (b *batch) next() (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return 0, false
	}
	i := b.waiting[0]
	b.waiting = b.waiting[1:]
	return i, true
}

// putBack returns a message that was not attempted to the waiting ones.
func (b *batch) putBack(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, i)
}

func (b *batch) hasWaiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

// deliver sends waiting messages until there are none or ctx ends.
//
// If it cannot connect, no message can be sent, and the first connection reports
// that for all of them; a further connection leaves them to the first. After a step
// that timed out deliver sends no more messages, so that a slow server does not hold
// up this batch for minutes: the rest is not reported, and attempted later.
func (b *batch) deliver(ctx context.Context, first bool) {
	var c *connection
	i := 0
	defer func() {
		if p := recover(); p != nil {
			b.report(i, recovery.Of(p))
		}
		c.close()
	}()
	for ctx.Err() == nil {
		var ok bool
		if i, ok = b.next(); !ok {
			return
		}
		if c == nil {
			var err error
			if c, err = b.sender.dial(ctx); err != nil {
				if !first {
					b.putBack(i)
					return
				}
				for ; ok; i, ok = b.next() {
					b.report(i, err)
				}
				return
			}
			b.progress <- struct{}{}
		}
		reusable, err := b.sender.send(ctx, c, b.messages[i])
		b.report(i, err)
		if c.conn.timedOut {
			return
		}
		if !reusable {
			c.close()
			c = nil
		}
		b.progress <- struct{}{}
	}
}
