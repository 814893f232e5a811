// Package event publishes changes in a place to the people who watch it, whichever
// gateway makes the change.
//
// Triggers of the database record every change in the table event, in the
// transaction that makes it. While somebody watches, a gateway reads four times a
// second what was committed since its last read. Unlike PostgreSQL's NOTIFY, this
// makes no commit wait for another one, and loses nothing while the database is
// away.
package event

import (
	"context"
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
	roleChecks = time.Second            // between two checks of the watchers' roles
	callTime   = 5 * time.Second        // of a read, including the wait for its turn
	backlog    = 20_000                 // subjects that wait for one watch
	portion    = 100                    // subjects that Next returns at once
	maxOfActor = 100                    // watches of one person
	maxWatches = 10_000                 // watches of this gateway

	// kept is how long an event is certain to exist. DeleteOld deletes it after an
	// hour.
	kept = 50 * time.Minute
)

// Event is a change of some subjects in a place.
type Event struct {
	Topic    string
	Place    uuid.UUID
	Change   string
	Subjects []uuid.UUID
	At       time.Time
}

// Publish converts events to what a subscriber gets: for each change of each
// subject that read finds, the result of convert. The subjects' ids are of kind.
func Publish[S, T any](events []Event, kind globalid.Kind, read func([]globalid.ID) (map[globalid.ID]S, error), convert func(S, Event) T) (published []T, err error) {
	var ids []globalid.ID
	for _, e := range events {
		for _, id := range e.Subjects {
			ids = append(ids, globalid.ID{Kind: kind, UUID: id})
		}
	}
	found, err := read(ids)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		for _, id := range e.Subjects {
			if subject, ok := found[globalid.ID{Kind: kind, UUID: id}]; ok {
				published = append(published, convert(subject, e))
			}
		}
	}
	return published, nil
}

// Feed delivers events to its watches. It is safe for concurrent use.
type Feed struct {
	db      *postgres.DB
	log     *slog.Logger
	expired ExpiredFunc

	reading  chan struct{} // a semaphore of one: guards snapshot and moment
	snapshot string        // everything visible in it has been delivered
	moment   time.Time     // everything that expired up to it has been delivered

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

// Watch is one person's subscription to a place.
type Watch struct {
	feed  *Feed
	actor access.Actor
	place globalid.ID
	rule  access.Rule
	topic string

	mu      sync.Mutex
	waiting []Event
	size    int           // of waiting, in subjects
	cut     bool          // the actor may no longer watch
	lagged  bool          // it missed events
	bell    chan struct{} // signals Next
	ended   chan struct{} // closed when cut
}

// Watch subscribes the actor to every change on a topic in a place from now on, for
// as long as a rule allows it. The caller has checked the rule. It fails with
// RATE_LIMITED where the actor, or all people together, have too many watches.
func (f *Feed) Watch(ctx context.Context, actor access.Actor, place globalid.ID, rule access.Rule, topic string) (*Watch, error) {
	return f.begin(ctx, &Watch{actor: actor, place: place, rule: rule, topic: topic})
}

// WatchOwn subscribes the actor to every change on a topic that concerns their own
// account. It fails as Watch does.
func (f *Feed) WatchOwn(ctx context.Context, actor access.Actor, topic string) (*Watch, error) {
	return f.begin(ctx, &Watch{actor: actor, place: actor.ID, topic: topic})
}

func (f *Feed) begin(ctx context.Context, w *Watch) (*Watch, error) {
	w.feed, w.bell, w.ended = f, make(chan struct{}, 1), make(chan struct{})
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

// Close ends the subscription.
func (w *Watch) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	delete(w.feed.watches, w)
}

// Ended is closed where the actor may not watch any more.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Next waits for events and returns them, at most 100 subjects at once. It returns
// none where the actor may not watch any more. It fails when the context ends, or
// with UNAVAILABLE where the caller does not keep up.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	for {
		w.mu.Lock()
		events, cut, lagged := w.take(), w.cut, w.lagged
		w.mu.Unlock()
		switch {
		case lagged:
			return nil, &fault.Fault{
				Code:    fault.Unavailable,
				Message: "There were more changes than could be delivered. You may have missed some.",
				Remedy:  "Subscribe again, and then query the current state.",
			}
		case cut || len(events) > 0:
			return events, nil
		}
		select {
		case <-w.bell:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take removes and returns a portion of the waiting events.
func (w *Watch) take() (events []Event) {
	for room := portion; room > 0 && len(w.waiting) > 0; {
		e := w.waiting[0]
		if len(e.Subjects) > room {
			w.waiting[0].Subjects, e.Subjects = e.Subjects[room:], e.Subjects[:room]
		} else {
			w.waiting = w.waiting[1:]
		}
		w.size -= len(e.Subjects)
		room -= max(1, len(e.Subjects))
		events = append(events, e)
	}
	return events
}

func (w *Watch) offer(events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		if e.Topic == w.topic && e.Place == w.place.UUID {
			w.waiting = append(w.waiting, e)
			w.size += len(e.Subjects)
		}
	}
	if w.size > backlog {
		w.waiting, w.size, w.lagged = nil, 0, true
	}
	w.ring()
}

// markLagged records that the watch has missed events.
func (w *Watch) markLagged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.lagged = nil, 0, true
	w.ring()
}

func (w *Watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.cut = nil, 0, true
	close(w.ended)
	w.ring()
}

func (w *Watch) ring() {
	if len(w.waiting) == 0 && !w.cut && !w.lagged {
		return
	}
	select {
	case w.bell <- struct{}{}:
	default:
	}
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
			if err := f.round(ctx, check); err != nil && ctx.Err() == nil {
				f.log.Error("events", "error", postgres.LogSafe(err))
			}
		})
		if check {
			checked = time.Now()
		}
	}
}

func (f *Feed) round(ctx context.Context, check bool) error {
	if len(f.watching()) == 0 {
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
// still watch.
func (f *Feed) deliver(ctx context.Context) error {
	places := f.places()
	events, snapshot, moment, err := readSince(ctx, f.db, places, f.snapshot)
	if err != nil {
		return err
	}
	if f.expired != nil && len(places) > 0 {
		expired, err := f.expired(ctx, f.db, places, f.moment, moment)
		if err != nil {
			return err
		}
		events = append(events, expired...)
	}
	if moment.Sub(f.moment) > kept {
		for _, w := range f.watching() {
			w.markLagged()
		}
	}
	if len(events) > 0 {
		// Check the roles after the events were read: a person who lost their role
		// before an event must not get it.
		if err := f.dropUnauthorized(ctx); err != nil {
			return err
		}
		for _, w := range f.watching() {
			w.offer(events)
		}
	}
	f.snapshot, f.moment = snapshot, moment
	return nil
}

// Watching returns the number of watches.
func (f *Feed) Watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches)
}

// watching returns the watches.
func (f *Feed) watching() []*Watch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.watches))
}

// places returns the watched places, each once.
func (f *Feed) places() (places []globalid.ID) {
	seen := map[globalid.ID]bool{}
	for _, w := range f.watching() {
		if !seen[w.place] {
			seen[w.place] = true
			places = append(places, w.place)
		}
	}
	return places
}

// dropUnauthorized ends the watches whose actors may no longer watch.
func (f *Feed) dropUnauthorized(ctx context.Context) error {
	watches := slices.DeleteFunc(f.watching(), func(w *Watch) bool { return w.place == w.actor.ID })
	asked := make([]access.Check, len(watches))
	for i, w := range watches {
		asked[i] = access.Check{Actor: w.actor.ID, Instance: w.place, Rule: w.rule}
	}
	may, err := access.CheckMany(ctx, f.db, asked)
	if err != nil {
		return err
	}
	for i, w := range watches {
		if !may[i] {
			w.end()
			w.Close()
		}
	}
	return nil
}

// readSince reads the events in some places that were committed since a snapshot
// ("": none), in their order, and returns the snapshot and the moment of this read.
func readSince(ctx context.Context, q postgres.Querier, places []globalid.ID, since string) (events []Event, snapshot string, moment time.Time, err error) {
	var rows []struct {
		Snapshot string         `db:"snapshot"`
		Moment   time.Time      `db:"moment"`
		Topic    *string        `db:"topic"`
		PlaceID  uuid.NullUUID  `db:"place_id"`
		Change   *string        `db:"change"`
		At       *time.Time     `db:"at"`
		Subjects postgres.UUIDs `db:"subjects"`
	}
	// Events become visible when their transaction commits, not in the order of
	// their ids. A snapshot knows which transactions have been committed.
	err = q.Select(ctx, &rows, `
		select p.snapshot::text, p.moment, e.topic, e.place_id, e.change, e.at, e.subjects
		from (select pg_current_snapshot() as snapshot, clock_timestamp() as moment, nullif($2, '')::pg_snapshot as since) p
		left join event e on e.place_id = any ($1::uuid[])
			and e.xid >= pg_snapshot_xmin(p.since) and not pg_visible_in_snapshot(e.xid, p.since)
		order by e.id`, postgres.IDs(places), since)
	if err != nil {
		return nil, "", time.Time{}, err
	}
	for _, r := range rows {
		snapshot, moment = r.Snapshot, r.Moment
		if r.Topic == nil {
			continue
		}
		events = append(events, Event{Topic: *r.Topic, Place: r.PlaceID.UUID, Change: *r.Change, Subjects: r.Subjects, At: *r.At})
	}
	return events, snapshot, moment, nil
}

// DeleteOld deletes events that are older than an hour, 1,000 at most, and returns
// their number.
func DeleteOld(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from event where id in (
			select id from event where at <= statement_timestamp() - interval '1 hour' order by at limit 1000)`)
}
