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
	b := &batch{sender: s, messages: messages, report: report, current: map[int]bool{}, begun: time.Now(), progress: make(chan struct{}, 2*len(messages))}
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
			case !reached:
			case !b.hasAdmitted():
				b.reportSlow()
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
	waiting []int        // indexes of messages
	current map[int]bool // the messages that are being sent
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
	b.current[i] = true
	return i, true
}

// putBack returns a message that was not attempted to the waiting ones.
func (b *batch) putBack(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.current, i)
	b.waiting = append(b.waiting, i)
}

// ended reports the outcome of a message.
func (b *batch) ended(i int, err error) {
	b.mu.Lock()
	delete(b.current, i)
	b.mu.Unlock()
	b.report(i, err)
}

// hasAdmitted reports whether a message waits that may be sent. It leaves those that may
// not to a later time.
func (b *batch) hasAdmitted() bool {
	b.mu.Lock()
	var admitted, busy []int
	for _, i := range b.waiting {
		if b.sender.slow.admits(b.messages[i].To.Domain()) {
			admitted = append(admitted, i)
		} else {
			busy = append(busy, i)
		}
	}
	b.waiting = admitted
	b.mu.Unlock()
	for _, i := range busy {
		b.report(i, ErrBusy)
	}
	return len(admitted) > 0
}

// reportSlow says that all messages without an outcome wait for the server.
func (b *batch) reportSlow() {
	b.mu.Lock()
	var slow []int
	for i := range b.current {
		slow = append(slow, i)
	}
	b.mu.Unlock()
	for _, i := range slow {
		b.report(i, ErrSlow)
	}
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
			b.ended(i, ErrBusy)
			continue
		}
		if c == nil {
			var err error
			if c, err = b.sender.connect(ctx); err != nil {
				finished(false, false)
				if !first {
					b.putBack(i)
					return
				}
				for ; ok; i, ok = b.next() {
					b.ended(i, err)
				}
				return
			}
			b.progress <- struct{}{}
		}
		err := b.sender.send(ctx, c, b.messages[i])
		finished(err == nil, c.conn.timedOut)
		if errors.Is(err, errStale) {
			b.putBack(i)
			c.close()
			c = nil
			continue
		}
		b.ended(i, err)
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

// slowMessages counts the messages that are being sent, by the domain of their
// recipients. It keeps those of a slow domain from taking all connections.
type slowMessages struct {
	mu       sync.Mutex
	byDomain map[string]*domain
	all      int // slow messages
}

// domain is what is known about the recipients of a domain.
type domain struct {
	sending int
	slow    int       // of those
	most    int       // how many may be sent while one is slow; it grows with each slow one that is accepted
	paused  time.Time // until then none is begun, because the server took too long
}

// admits reports whether a message to a domain may be begun.
func (s *slowMessages) admits(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitsLocked(name)
}

func (s *slowMessages) admitsLocked(name string) bool {
	d := s.byDomain[name]
	return s.all < maxSlow && (d == nil || (d.slow == 0 || d.sending < d.most) && time.Now().After(d.paused))
}

// begin admits a message unless many are slow, or the domain is paused. It counts as slow
// after a time, until finished is called.
func (s *slowMessages) begin(name string, after time.Duration) (finished func(accepted, timedOut bool), admitted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.admitsLocked(name) {
		return nil, false
	}
	if s.byDomain == nil {
		s.byDomain = map[string]*domain{}
	}
	d := s.byDomain[name]
	if d == nil {
		d = &domain{most: firstSlowByDomain}
		s.byDomain[name] = d
	}
	d.sending++
	slow, over := false, false
	timer := time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !over {
			slow = true
			d.slow++
			s.all++
		}
	})
	return func(accepted, timedOut bool) {
		timer.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
		d.sending--
		if slow {
			d.slow--
			s.all--
			if accepted {
				d.most = min(d.most+1, maxSlowByDomain)
			}
		}
		if timedOut {
			d.paused, d.most = time.Now().Add(domainPause), firstSlowByDomain
			time.AfterFunc(domainPause, func() { s.forget(name, d) })
		}
		s.forgetLocked(name, d)
	}, true
}

func (s *slowMessages) forget(name string, d *domain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(name, d)
}

func (s *slowMessages) forgetLocked(name string, d *domain) {
	if d.sending == 0 && !time.Now().Before(d.paused) && s.byDomain[name] == d {
		delete(s.byDomain, name)
	}
}
