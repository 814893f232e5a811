package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

func client(text string) netip.Addr { return netip.MustParseAddr(text) }

// limited fails the test unless an error is a RATE_LIMITED of a limit.
func limited(t *testing.T, err error, reason string, retryAfter time.Duration) {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) || f.Code != fault.RateLimited || f.Reason != reason || f.RetryAfter != retryAfter {
		t.Errorf("want %s with %v: %+v", reason, retryAfter, f)
	}
}

func TestAllowanceGrowsWithTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newAnonymousLimit(60, 20)
		hall, other := client("203.0.113.9"), client("203.0.113.10")
		charge := func(from netip.Addr, n int) {
			t.Helper()
			if f := l.charge(from, n); f != nil {
				t.Errorf("%d from %v: %v", n, from, f)
			}
		}
		charge(hall, 50)
		charge(hall, 10)
		limited(t, l.charge(hall, 1), fault.OperationsByClient, time.Second)
		limited(t, l.charge(hall, 30), fault.OperationsByClient, 30*time.Second)
		charge(other, 60)
		time.Sleep(30 * time.Second)
		limited(t, l.charge(hall, 31), fault.OperationsByClient, time.Second)
		charge(hall, 30)
		time.Sleep(time.Hour)
		charge(hall, 60) // not more than a minute's
		limited(t, l.charge(hall, 1), fault.OperationsByClient, time.Second)
		time.Sleep(time.Minute)
		charge(hall, 1000) // more than ever fits counts as all
		limited(t, l.charge(hall, 1), fault.OperationsByClient, time.Second)
	})
}

// A network of IPv6 is one client, however many addresses it has.
func TestManyAddressesAreFewClients(t *testing.T) {
	t.Parallel()
	l := newAnonymousLimit(60, 20)
	for i := range 60 {
		if f := l.charge(client(fmt.Sprintf("2001:db8:1:2::%x", i)), 1); f != nil {
			t.Fatal(f)
		}
	}
	if l.charge(client("2001:db8:1:2:ffff::1"), 1) == nil {
		t.Error("another address of the same network has an allowance of its own")
	}
	if f := l.charge(client("2001:db8:1:3::1"), 1); f != nil {
		t.Error(f)
	}
}

// wantEmpty fails the test unless nobody waits, and some places are free.
func wantEmpty(t *testing.T, p *places, free int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free != free || p.waiting != 0 || len(p.lines) != 0 || p.turns.Len() != 0 {
		t.Errorf("%d free, want %d; %d wait in %d lines, of which %d take turns", p.free, free, p.waiting, len(p.lines), p.turns.Len())
	}
}

func TestClientsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1)
		leave, err := p.take(t.Context(), client("203.0.113.1"))
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var requests sync.WaitGroup
		for _, from := range []string{"203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.2"} {
			requests.Go(func() {
				leave, err := p.take(t.Context(), client(from))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, from[len(from)-1:])
				mu.Unlock()
				leave()
				leave()
			})
			synctest.Wait()
		}
		leave()
		requests.Wait()
		if want := []string{"1", "2", "3", "1", "2", "1"}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
		time.Sleep(time.Minute)
		wantEmpty(t, p, 1)
	})
}

// A request that took long leaves its place empty for a while.
func TestPlacesRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1)
		for _, c := range []struct{ works, rests time.Duration }{{time.Millisecond, 3 * time.Millisecond}, {time.Hour, 100 * time.Millisecond}, {0, 0}} {
			leave, err := p.take(t.Context(), netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(c.works)
			leave()
			began := time.Now()
			leave, err = p.take(t.Context(), netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			if rested := time.Since(began); rested != c.rests {
				t.Errorf("after %v of work it rested %v, want %v", c.works, rested, c.rests)
			}
			leave()
			time.Sleep(time.Minute)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1)
		leave, err := p.take(t.Context(), client("203.0.113.1"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var requests sync.WaitGroup
		for i := range maxWaiting {
			requests.Go(func() {
				if _, err := p.take(ctx, client(fmt.Sprintf("203.0.113.%d", 1+i/maxLine))); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err = p.take(t.Context(), client("203.0.113.9"))
		limited(t, err, fault.OperationsWithoutAccount, 2*time.Second)
		cancel()
		requests.Wait()
		wantEmpty(t, p, 0)

		began := time.Now()
		_, err = p.take(t.Context(), client("203.0.113.9"))
		limited(t, err, fault.OperationsWithoutAccount, 2*time.Second)
		if waited := time.Since(began); waited != maxWait {
			t.Errorf("it waited %v", waited)
		}
		leave()
		if leave, err = p.take(t.Context(), client("203.0.113.9")); err != nil {
			t.Error(err)
		} else {
			leave()
		}
		time.Sleep(time.Minute)
	})
}

// A place that becomes free at the moment when a request gives up is not lost.
func TestNoPlaceIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		var requests sync.WaitGroup
		for i := range 200 {
			requests.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
				defer cancel()
				leave, err := p.take(ctx, client(fmt.Sprintf("203.0.113.%d", i%5)))
				if err != nil {
					return
				}
				time.Sleep(time.Millisecond / 4)
				leave()
			})
		}
		requests.Wait()
		time.Sleep(time.Minute)
		wantEmpty(t, p, 2)
	})
}

func TestRefusalsAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newAnonymousLimit(60, 20)
		held := func(ctx context.Context, stopping <-chan struct{}) time.Duration {
			began := time.Now()
			l.hold(ctx, stopping)
			return time.Since(began)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		stopping := make(chan struct{})
		close(stopping)
		if a, b, c := held(t.Context(), nil), held(gone, nil), held(t.Context(), stopping); a != time.Second || b != 0 || c != 0 {
			t.Errorf("%v, %v for a client that has gone, %v while the gateway stops", a, b, c)
		}
		var refusals sync.WaitGroup
		for range maxHeld {
			refusals.Go(func() { l.hold(t.Context(), nil) })
		}
		synctest.Wait()
		if l.hold(t.Context(), nil) {
			t.Error("more are held back than may be")
		}
		refusals.Wait()
	})
}
