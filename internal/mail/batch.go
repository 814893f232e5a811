package mail

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// Send sends messages over one connection, or over several if the server is slow
// with one of them. It calls report with the index and the outcome of a message as
// soon as the outcome is known: nil, or an error (see ErrRefused and its neighbours).
// It does not report messages that it had no time for. Send returns when ctx ends,
// whatever the server does. It may call report concurrently.
func (s *Sender) Send(ctx context.Context, messages []Message, report func(i int, err error)) {
	b := &batch{sender: s, messages: messages, report: report, begun: time.Now(), progress: make(chan struct{}, 2*len(messages))}
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
			switch {
			case !reached || !b.hasWaiting():
			case running < maxConnections:
				running++
				start(false)
			default:
				b.release()
			}
		}
	}
}

// batch is messages that several connections send together.
type batch struct {
	sender   *Sender
	messages []Message
	report   func(i int, err error)
	begun    time.Time
	progress chan struct{} // a connection was opened, or the server has answered about a message

	mu      sync.Mutex
	waiting []int // indexes of messages
}

// next takes a message from the waiting ones; false if there is none, or no time to
// begin with it.
func (b *batch) next() (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 || time.Since(b.begun) > startTime {
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

// release leaves the waiting messages to others: every connection of this batch waits
// for the server, perhaps for minutes.
func (b *batch) release() {
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, i := range waiting {
		b.report(i, ErrNotSent)
	}
}

// deliver sends waiting messages until there are none or ctx ends.
//
// If it cannot connect, no message can be sent, and the first connection reports
// ErrUnreachable for all of them; a further connection leaves them to the first. After a step
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
		finished, admitted := b.sender.slow.begin(b.messages[i].To.Domain(), b.sender.stallTime)
		if !admitted {
			b.report(i, ErrBusy)
			continue
		}
		if c == nil {
			var err error
			if c, err = b.sender.connect(ctx); err != nil {
				finished()
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
		err := b.sender.send(ctx, c, b.messages[i])
		finished()
		if errors.Is(err, errStale) {
			b.putBack(i)
			c.close()
			c = nil
			continue
		}
		b.report(i, err)
		if c.conn.timedOut {
			c.broken = true
			return
		}
		if c.broken {
			c.close()
			c = nil
		}
		b.progress <- struct{}{}
	}
}

// connect connects to the mail server. Its error says what that means for messages.
func (s *Sender) connect(ctx context.Context) (*connection, error) {
	if _, err := s.reach.state(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	began := time.Now()
	c, err := s.dial(ctx)
	var said *Refusal
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	case errors.As(err, &said) && said.reply.Code < 500 && s.connections.Load() > 0:
		// The server is there, and accepts no further connection.
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	s.lost(err, began)
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// slowMessages counts the messages that have been waiting for the mail server, by the
// domain of their recipients. It keeps those of a slow domain from taking all
// connections.
type slowMessages struct {
	mu       sync.Mutex
	byDomain map[string]int
	all      int
}

// begin admits a message unless many are slow. It counts as slow after a time, until
// finished is called.
func (s *slowMessages) begin(domain string, after time.Duration) (finished func(), admitted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDomain[domain] >= maxSlowByDomain || s.all >= maxSlow {
		return nil, false
	}
	slow, over := false, false
	timer := time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !over {
			slow = true
			s.add(domain, 1)
		}
	})
	return func() {
		timer.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if over = true; slow {
			s.add(domain, -1)
		}
	}, true
}

func (s *slowMessages) add(domain string, n int) {
	if s.byDomain == nil {
		s.byDomain = map[string]int{}
	}
	s.all += n
	if s.byDomain[domain] += n; s.byDomain[domain] == 0 {
		delete(s.byDomain, domain)
	}
}
