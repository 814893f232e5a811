package request_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// run delivers events until the test ends.
func (w world) run() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Events.Run(ctx) })
	w.t.Cleanup(func() { stop(); running.Wait() })
}

func (w world) watch(who string) *request.Subscription {
	w.t.Helper()
	s, err := w.Requests.Watch(w.t.Context(), w.User(who))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

// receive returns the next n events of a subscription.
func receive(t *testing.T, s *request.Subscription, n int) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for len(lines) < n {
		updates, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", lines, err)
		}
		for _, u := range updates {
			e, err := s.Read(ctx, u)
			if err != nil {
				t.Fatal(err)
			}
			if e == nil {
				continue
			}
			if e.At.IsZero() {
				t.Errorf("%s has no time", e.Change)
			}
			lines = append(lines, fmt.Sprint(e.Change, " ", e.Request.RequestedBy.Name, " ", e.Request.Kind))
		}
	}
	return lines
}

// Everybody receives the changes of the requests that they made or can answer, in
// order, and no others.
func TestWatchReceivesOwnAndAnswerableRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	w.run()
	ada, ed, vic, other := w.watch("ada"), w.watch("ed"), w.watch("vic"), w.watch("max")

	w.decline("ada", w.request("vic", request.Role))
	w.withdraw("mia", w.request("mia", request.Restore))
	w.request("max", request.Invitations)

	for name, test := range map[string]struct {
		s    *request.Subscription
		want []string
	}{
		"Ada": {ada, []string{"CREATED Vic ROLE", "DECLINED Vic ROLE", "CREATED Mia RESTORE", "WITHDRAWN Mia RESTORE", "CREATED Max INVITATIONS"}},
		"Ed":  {ed, []string{"CREATED Mia RESTORE", "WITHDRAWN Mia RESTORE"}},
		"Vic": {vic, []string{"CREATED Vic ROLE", "DECLINED Vic ROLE"}},
		"Max": {other, []string{"CREATED Max INVITATIONS"}},
	} {
		if diff := cmp.Diff(test.want, receive(t, test.s, len(test.want))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	select {
	case <-vic.Ended():
		t.Error("a subscription to one's own requests has ended")
	default:
	}
}

// An event is not delivered to those who can no longer answer the request when it
// arrives.
func TestWatchLeavesOutWhatOneMayNotSeeAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	w.run()
	eva := w.watch("eva")
	w.request("vic", request.Role)
	w.Revoke(w.User("eva"), w.Space(testworld.Econometrics))
	w.request("eva", request.Invitations)
	if diff := cmp.Diff([]string{"CREATED Eva INVITATIONS"}, receive(t, eva, 1)); diff != "" {
		t.Error(diff)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	s := w.watch("vic")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if events, err := s.Next(ctx); err == nil {
		t.Errorf("%v", events)
	}
}
