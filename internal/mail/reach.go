package mail

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// defaultProbeInterval is how often, on average, a sender looks whether a mail server
	// that it could not reach is back.
	defaultProbeInterval = 3 * time.Second
	// refusedProbes is how many times longer the interval is where the server refuses the
	// gateway for good, as with a wrong password: many servers ban who tries that often.
	refusedProbes = 5
)

// reach is what a sender knows about the way to the mail server. A connection that
// cannot be opened concerns no mail: all of them wait until a probe opens one.
type reach struct {
	probing chan struct{} // holds a token while somebody probes

	mu     sync.Mutex
	err    error         // why the server cannot be reached; nil: as far as is known, it can
	back   chan struct{} // closed when it can be reached again; nil: see err
	backAt time.Time
	lostAt time.Time
}

// state returns why the server cannot be reached (nil: it can), and a channel that is
// closed when it can.
func (r *reach) state() (back <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.back, r.err
}

// Reachable reports whether the mail server could be reached last time.
func (s *Sender) Reachable() bool {
	_, err := s.reach.state()
	return err == nil
}

// Await waits while the mail server cannot be reached, until ctx ends. One of those who
// wait probes it.
func (s *Sender) Await(ctx context.Context) {
	for ctx.Err() == nil {
		back, err := s.reach.state()
		if err == nil {
			return
		}
		select {
		case s.reach.probing <- struct{}{}:
			s.probe(ctx, err)
		case <-back:
		case <-ctx.Done():
		}
	}
}

// probe connects to the server after a pause.
func (s *Sender) probe(ctx context.Context, err error) {
	defer func() { <-s.reach.probing }()
	interval := s.probeInterval
	if said := (*Refusal)(nil); errors.As(err, &said) && said.reply.Code >= 500 {
		interval *= refusedProbes
	}
	select {
	case <-time.After(interval/2 + rand.N(interval)): // so that gateways do not act in step
	case <-ctx.Done():
		return
	}
	c, err := s.dial(ctx)
	if err != nil {
		return
	}
	s.found()
	c.close()
}

// lost notes that a connection could not be opened, in a try that began at a time. It
// logs the first one only.
func (s *Sender) lost(err error, began time.Time) {
	s.reach.mu.Lock()
	defer s.reach.mu.Unlock()
	if s.reach.err != nil || began.Before(s.reach.backAt) {
		return
	}
	s.reach.err, s.reach.back, s.reach.lostAt = err, make(chan struct{}), time.Now()
	var attrs []any
	if said := (*Refusal)(nil); errors.As(err, &said) {
		attrs = append(attrs, "code", said.reply.Code) // the text may quote the user
	} else if failed := (*failure)(nil); errors.As(err, &failed) {
		attrs = append(attrs, "problem", failed.problem, "error", err.Error())
	}
	s.log().Warn("mail server cannot be reached", attrs...)
}

// found notes that a connection could be opened.
func (s *Sender) found() {
	s.reach.mu.Lock()
	defer s.reach.mu.Unlock()
	if s.reach.err == nil {
		return
	}
	s.reach.err, s.reach.backAt = nil, time.Now()
	close(s.reach.back)
	s.log().Info("mail server can be reached again", "seconds", time.Since(s.reach.lostAt).Seconds())
}

func (s *Sender) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
