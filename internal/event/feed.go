package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

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
	own     map[globalid.ID]int // the number of watches of each person
	joining []*joining
	join    chan struct{} // wakes Run where watches are joining
}

// joining is a watch that waits for its place in the feed.
type joining struct {
	watch *Watch
	done  chan error // receives the result; has room for it
	left  bool       // nobody waits for the result
}

// errPanicked is the error of watches that were joining when a read panicked.
var errPanicked = errors.New("event: the read panicked")

// ExpiredFunc returns the events in some places that no transaction causes, because
// only time passed: those after one moment and up to another.
type ExpiredFunc func(ctx context.Context, q postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error)

// NewFeed returns a feed of what is committed and of what expires. expired may be
// nil.
func NewFeed(db *postgres.DB, log *slog.Logger, expired ExpiredFunc) *Feed {
	return &Feed{db: db, log: log, expired: expired, reading: make(chan struct{}, 1), watches: map[*Watch]struct{}{}, own: map[globalid.ID]int{}, join: make(chan struct{}, 1)}
}

// Watch subscribes the actor to every change on a topic in a place from now on, for
// as long as a rule allows it. The caller has checked the rule. Run has to be running. It fails with
// RATE_LIMITED where the actor, or all people together, have too many watches.
func (f *Feed) Watch(ctx context.Context, actor access.Actor, place globalid.ID, rule access.Rule, topic string) (*Watch, error) {
	return f.subscribe(ctx, &Watch{actor: actor, place: place, rule: rule, topic: topic})
}

// WatchOwn subscribes the actor to every change on a topic that concerns their own
// account. It fails as Watch does.
func (f *Feed) WatchOwn(ctx context.Context, actor access.Actor, topic string) (*Watch, error) {
	return f.subscribe(ctx, &Watch{actor: actor, place: actor.ID, topic: topic})
}

// subscribe waits until Run has read the events from before this watch, which must not
// get them. Run does so once for all who wait.
func (f *Feed) subscribe(ctx context.Context, w *Watch) (*Watch, error) {
	w.feed, w.ready, w.ended = f, make(chan struct{}, 1), make(chan struct{})
	j := &joining{watch: w, done: make(chan error, 1)}
	f.mu.Lock()
	f.joining = append(f.joining, j)
	f.mu.Unlock()
	select {
	case f.join <- struct{}{}:
	default: // Run has yet to take the previous one
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	select {
	case err := <-j.done:
		if err != nil {
			return nil, err
		}
		return w, nil
	case <-ctx.Done():
		f.leave(j)
		return nil, ctx.Err()
	}
}

// leave ends the joining of a watch, which may have been added in the same moment.
func (f *Feed) leave(j *joining) {
	f.mu.Lock()
	j.left = true
	f.joining = slices.DeleteFunc(f.joining, func(other *joining) bool { return other == j })
	f.mu.Unlock()
	f.remove(j.watch)
}

// admit adds the watches that are joining.
func (f *Feed) admit(ctx context.Context) error {
	return f.exclusively(ctx, func(ctx context.Context) error {
		f.mu.Lock()
		all := f.joining
		f.joining = nil
		f.mu.Unlock()
		if len(all) == 0 {
			return nil
		}
		err := errPanicked
		defer func() {
			for _, j := range all {
				if err == nil {
					j.done <- f.add(j)
				} else {
					j.done <- err
				}
			}
		}()
		err = f.deliver(ctx)
		return err
	})
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
func (f *Feed) add(j *joining) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := j.watch
	switch own := f.own[w.actor.ID]; {
	case j.left:
		return nil
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
	f.own[w.actor.ID]++
	return nil
}

// remove removes a watch, if it is there.
func (f *Feed) remove(w *Watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.watches[w]; !there {
		return
	}
	delete(f.watches, w)
	if f.own[w.actor.ID]--; f.own[w.actor.ID] <= 0 {
		delete(f.own, w.actor.ID)
	}
}

// Run delivers events until the context ends.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	checked := time.Now()
	for {
		select {
		case <-f.join:
			f.try(ctx, func() error { return f.admit(ctx) })
		case <-tick.C:
			check := time.Since(checked) >= roleChecks
			f.try(ctx, func() error { return f.poll(ctx, check) })
			if check {
				checked = time.Now()
			}
		case <-ctx.Done():
			return
		}
	}
}

// try logs what goes wrong in a read.
func (f *Feed) try(ctx context.Context, read func() error) {
	recovery.Do(ctx, f.log, "events", func() {
		if err := read(); err != nil && ctx.Err() == nil {
			f.log.Error("events", "error", postgres.LogSafe(err))
		}
	})
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
		f.distribute(events)
	}
	f.read = now
	return nil
}

// distribute gives the events to the watches that they are for.
func (f *Feed) distribute(events []Event) {
	type subject struct {
		topic string
		place uuid.UUID
	}
	byPlace := map[subject][]Event{}
	for _, e := range events {
		about := subject{e.Topic, e.Place}
		byPlace[about] = append(byPlace[about], e)
	}
	portions := map[subject][][]*Update{}
	for about, events := range byPlace {
		portions[about] = portionsOf(events)
	}
	for _, w := range f.allWatches() {
		if some := portions[subject{w.topic, w.place.UUID}]; len(some) > 0 {
			w.enqueue(some)
		}
	}
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
