// Package jwks keeps the public keys that an identity provider publishes (JSON
// Web Key Sets, RFC 7517). A provider that is down, slow or wrong delays a request
// by one second at most, and clients cannot make the gateway ask it more often.
//
// It reads keys with MicahParks/jwkset, but does not use the fetching of jwkset or
// keyfunc: that delays the start and requests, cannot be waited for, takes answers
// of any size, and drops a whole set because of one key.
package jwks

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

var (
	// ErrUnavailable reports that no keys have been fetched yet.
	ErrUnavailable = errors.New("jwks: no keys have been fetched yet")
	// ErrUnknown reports that the provider does not publish the key.
	ErrUnknown = errors.New("jwks: the key is not known")
)

// pace is how often the provider is asked, and how long it is waited for.
type pace struct {
	interval time.Duration // a withdrawn key is accepted for this long
	retry    time.Duration // after a failure; then twice as long, up to interval
	demand   time.Duration // the least time between two fetches for unknown keys
	patience time.Duration // how long the search for an unknown key waits for a fetch
}

// Set is the keys of a provider. It keeps the last keys while the provider does
// not answer.
type Set struct {
	url    string
	client *http.Client
	log    *slog.Logger
	pace   pace
	demand *rate.Limiter
	asked  chan struct{}

	mu       sync.Mutex
	keys     map[id]crypto.PublicKey // nil until the first fetch
	fetching bool                    // or about to
	fetched  chan struct{}           // closed when the fetch has ended
}

// id names a key: keys of several algorithms may have one kid (RFC 7517, section
// 4.5).
type id struct{ kid, alg string }

// New returns the set of the keys at a URL. Run fetches them.
func New(url string, log *slog.Logger) *Set {
	return newSet(url, log, pace{interval: time.Minute, retry: time.Second, demand: 10 * time.Second, patience: time.Second})
}

func newSet(url string, log *slog.Logger, p pace) *Set {
	return &Set{
		url:      url,
		client:   newClient(),
		log:      log,
		pace:     p,
		demand:   rate.NewLimiter(rate.Every(p.demand), 1),
		asked:    make(chan struct{}, 1),
		fetching: true,
		fetched:  make(chan struct{}),
	}
}

// Run keeps the keys fresh until ctx ends.
func (s *Set) Run(ctx context.Context) {
	retry := s.pace.retry
	for {
		wait := s.pace.interval
		err := s.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("the identity provider's keys cannot be fetched", "error", err.Error())
			wait, retry = retry, min(2*retry, s.pace.interval)
		default:
			retry = s.pace.retry
		}
		select {
		case <-time.After(wait):
		case <-s.asked:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Set) refresh(ctx context.Context) error {
	s.mu.Lock()
	s.fetching = true
	s.mu.Unlock()

	keys, ignored, err := s.fetch(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching = false
	close(s.fetched)
	s.fetched = make(chan struct{})
	if err != nil {
		return err
	}
	if s.keys == nil || !maps.EqualFunc(s.keys, keys, func(_, _ crypto.PublicKey) bool { return true }) {
		s.log.Info("the identity provider's keys", "keys", len(keys), "ignored", ignored)
	}
	s.keys = keys
	return nil
}

// Key returns the key of a kid and an algorithm. For an unknown key it asks for a
// fetch, at most every ten seconds, and waits for it for one second at most. It
// fails with ErrUnknown or ErrUnavailable.
func (s *Set) Key(ctx context.Context, kid, alg string) (crypto.PublicKey, error) {
	key, err := s.known(id{kid, alg})
	if err == nil {
		return key, nil
	}
	fetched := s.ask()
	if fetched == nil {
		return nil, err
	}
	select {
	case <-fetched:
	case <-time.After(s.pace.patience):
	case <-ctx.Done():
	}
	return s.known(id{kid, alg})
}

func (s *Set) known(which id) (crypto.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		return nil, ErrUnavailable
	}
	key, known := s.keys[which]
	if !known {
		return nil, ErrUnknown
	}
	return key, nil
}

// ask asks for a fetch, and returns the channel that is closed after it; nil where
// it is too early to ask again.
func (s *Set) ask() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fetching {
		if !s.demand.Allow() {
			return nil
		}
		s.fetching = true
		select {
		case s.asked <- struct{}{}:
		default: // it was asked already
		}
	}
	return s.fetched
}
