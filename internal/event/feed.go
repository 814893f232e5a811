package event

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	interval   = 250 * time.Millisecond // between two reads of the database
	roleChecks = time.Second            // between two checks of the actors' roles
	callTime   = 5 * time.Second        // of a read, including the wait for its turn
	maxOfActor = 100                    // watches of one person
	maxWatches = 10_000                 // watches of this gateway

	// kept is how long an event is certain to be stored. DeleteOld deletes it after an
	// hour.
	kept = 50 * time.Minute
)

// Feed delivers events to its watches. It is safe for concurrent use.
type Feed struct {
	db      *postgres.DB
	log     *slog.Logger
	expired ExpiredFunc

	reading chan struct{} // a semaphore of one: guards read
	read    position      // everything up to it has been delivered

	mu      sync.Mutex
	watches map[*Watch]struct{}
}

// ExpiredFunc returns the events in some places that no transaction causes, because
// only time passed: those after one moment and up to another.
type ExpiredFunc func(ctx context.Context, q postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error)

// NewFeed returns a feed of what is committed and of what expires. expired may be
// nil.
func NewFeed(db *postgres.DB, log *slog.Logger, expired ExpiredFunc) *Feed {
	return &Feed{db: db, log: log, expired: expired, reading: make(chan struct{}, 1), watches: map[*Watch]struct{}{}}
}

// Watch subscribes the actor to every change on a topic in a place from now on, for
// as long as a rule allows it. The caller has checked the rule. It fails with
// RATE_LIMITED where the actor, or all people together, have too many watches.
func (f *Feed) Watch(ctx context.Context, actor access.Actor, place globalid.ID, rule access.Rule, topic string) (*Watch, error) {
	return f.subscribe(ctx, &Watch{actor: actor, place: place, rule: rule, topic: topic})
}

// WatchOwn subscribes the actor to every change on a topic that concerns their own
// account. It fails as Watch does.
func (f *Feed) WatchOwn(ctx context.Context, actor access.Actor, topic string) (*Watch, error) {
	return f.subscribe(ctx, &Watch{actor: actor, place: actor.ID, topic: topic})
}

func (f *Feed) subscribe(ctx context.Context, w *Watch) (*Watch, error) {
	w.feed, w.ready, w.ended = f, make(chan struct{}, 1), make(chan struct{})
	err := f.exclusively(ctx, func(ctx context.Context) error {
		// Deliver earlier events first: this watch must not get them.
		if err := f.deliver(ctx); err != nil {
			return err
		}
		return f.add(w)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// exclusively calls do, one call at a time, for callTime at most.
func (f *Feed) exclusively(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	select {
	case f.reading <- struct{}{}:
		defer func() { <-f.reading }()
		return do(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add adds a watch, within the limits.
func (f *Feed) add(w *Watch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := 0
	for other := range f.watches {
		if other.actor.ID == w.actor.ID {
			own++
		}
	}
	switch {
	case own >= maxOfActor:
		return &fault.Fault{
			Code:    fault.RateLimited,
			Reason:  fault.SubscriptionsByPerson,
			Message: fmt.Sprintf("You have %d subscriptions, which is the maximum.", own),
			Remedy:  "End some of your subscriptions first.",
		}
	case len(f.watches) >= maxWatches:
		return &fault.Fault{
			Code:    fault.RateLimited,
			Reason:  fault.SubscriptionsByGateway,
			Message: "There are too many subscriptions at the moment.",
			Remedy:  "Wait a few minutes and subscribe again.",
		}
	}
	f.watches[w] = struct{}{}
	return nil
}

// Run delivers events until the context ends.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	checked := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		check := time.Since(checked) >= roleChecks
		recovery.Do(ctx, f.log, "events", func() {
			if err := f.poll(ctx, check); err != nil && ctx.Err() == nil {
				f.log.Error("events", "error", postgres.LogSafe(err))
			}
		})
		if check {
			checked = time.Now()
		}
	}
}

// poll delivers what is new. It also drops watches whose actors have lost their roles:
// always before it delivers events and, with check, where there are none.
func (f *Feed) poll(ctx context.Context, check bool) error {
	if len(f.allWatches()) == 0 {
		return nil
	}
	return f.exclusively(ctx, func(ctx context.Context) error {
		if check {
			if err := f.dropUnauthorized(ctx); err != nil {
				return err
			}
		}
		return f.deliver(ctx)
	})
}

// deliver reads the new events, and delivers them to the watches whose actors may
// still watch. Watches may have missed events where the database was away for too long,
// or has another history: it was restored, or a standby without the last transactions
// took over.
func (f *Feed) deliver(ctx context.Context) error {
	places := f.places()
	events, now, err := readSince(ctx, f.db, places, f.read)
	if err != nil {
		return err
	}
	newHistory := now.history != f.read.history
	if newHistory {
		if err := deleteForeign(ctx, f.db); err != nil {
			return err
		}
	}
	if newHistory || now.moment.Sub(f.read.moment) > kept {
		for _, w := range f.allWatches() {
			w.markLagged()
		}
	} else if f.expired != nil && len(places) > 0 {
		expired, err := f.expired(ctx, f.db, places, f.read.moment, now.moment)
		if err != nil {
			return err
		}
		events = append(events, expired...)
	}
	if len(events) > 0 {
		// Check the roles after the events were read: a person who lost their role
		// before an event must not get it.
		if err := f.dropUnauthorized(ctx); err != nil {
			return err
		}
		for _, w := range f.allWatches() {
			w.enqueue(events)
		}
	}
	f.read = now
	return nil
}

// Watching returns the number of watches.
func (f *Feed) Watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches)
}

// allWatches returns the watches.
func (f *Feed) allWatches() []*Watch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.watches))
}

// places returns the watched places, each once.
func (f *Feed) places() (places []globalid.ID) {
	seen := map[globalid.ID]bool{}
	for _, w := range f.allWatches() {
		if !seen[w.place] {
			seen[w.place] = true
			places = append(places, w.place)
		}
	}
	return places
}

// dropUnauthorized ends the watches whose actors may no longer watch.
func (f *Feed) dropUnauthorized(ctx context.Context) error {
	watches := slices.DeleteFunc(f.allWatches(), func(w *Watch) bool { return w.place == w.actor.ID })
	checks := make([]access.Check, len(watches))
	for i, w := range watches {
		checks[i] = access.Check{Actor: w.actor.ID, Instance: w.place, Rule: w.rule}
	}
	allowed, err := access.CheckMany(ctx, f.db, checks)
	if err != nil {
		return err
	}
	for i, w := range watches {
		if !allowed[i] {
			w.drop()
			w.Close()
		}
	}
	return nil
}
