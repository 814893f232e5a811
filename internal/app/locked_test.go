package app_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// Forty requests wait for the rows of two people. Everybody else is answered, the gateway
// stays ready, and the forty are answered when the rows are free.
func TestLockedRowsLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	const each, others, atOnce = 20, 92, 10
	w := newWorld(t, func(s *app.Settings) { s.DatabaseConnections = 20 })
	w.grantAdministrator("Mia")
	w.awaitReady(w.Gateway)
	release := w.holdLocks(`select from space_administrator where account_id in (select id from account where name in ('Ada', 'Mia')) for update`)
	var waiting sync.WaitGroup
	for range each {
		for _, who := range []person{w.as("ada"), w.as("mia")} {
			waiting.Go(func() { who.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK() })
		}
	}
	w.Eventually("requests that wait", func() bool {
		return w.Number(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) >= 5
	})
	// All forty have begun when each has read the person's roles: that takes a connection,
	// which those that wait leave to others.
	var answered sync.WaitGroup
	// Not more ask at once than there are connections left, because those that wait for
	// one are refused after two seconds, which a busy machine may need for the others.
	turns := make(chan struct{}, atOnce)
	refused := make(chan string, others)
	for n := range others {
		who := w.as([]string{"vic", "ed", "rita", "sam"}[n%4])
		answered.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if a := who.Ask(ownName, nil); len(a.Errors) > 0 {
				refused <- a.Body
			}
		})
	}
	answered.Wait()
	close(refused)
	if len(refused) > 0 {
		t.Errorf("%d of %d requests of others were refused, such as %s", len(refused), others, <-refused)
	}
	w.awaitReady(w.Gateway)
	waits := w.Number(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	t.Logf("%d connections wait for a lock, %d of %d requests of others were refused", waits, len(refused), others)
	if waits > 5 {
		t.Errorf("%d connections wait for one space", waits)
	}
	release()
	waiting.Wait()
}

// Who changes a place that somebody else is changing is told so soon, and may try again.
func TestLockOfAPlaceIsWaitedForBriefly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.LockTimeout = time.Second })
	ada := w.as("ada")
	release := w.holdLocks(holdGroups)
	for range 2 {
		a := ada.delete("Group 1", "idempotencyKey", "k")
		a.Refused("UNAVAILABLE")
		if e := a.Errors[0]; !strings.Contains(e.Message, "Somebody else is changing the same place") || !strings.Contains(e.Message, "Nothing was done") ||
			e.Extensions["retryable"] != true {
			t.Errorf("%s", a.Body)
		}
	}
	release()
	ada.delete("Group 1", "idempotencyKey", "k").OK()
}
