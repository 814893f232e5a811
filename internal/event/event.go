// Package event tells those who watch a place what changes there, whichever
// gateway it is that makes the change.
//
// The database's triggers write down every change (see the table event), in the
// transaction that makes it. A gateway asks for what was committed since it
// asked last, several times a second while somebody watches: unlike
// notifications of PostgreSQL's, this makes no commit wait for another one, and
// nothing is lost while the database is away.
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
	interval   = 250 * time.Millisecond // between two questions to the database
	roleChecks = time.Second            // between two checks of the watchers' roles
	callTime   = 5 * time.Second        // of a question, with the waiting for its turn
	backlog    = 20_000                 // subjects that wait for one watcher
	portion    = 100                    // subjects that a watcher is given at once
	maxOfActor = 100                    // places that somebody watches at once
	maxWatches = 10_000                 // at once

	// kept is how long an event is surely there to be told. DeleteOld removes it
	// later.
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

// Publish makes of events what a watcher of their subjects, which have ids of a
// kind, is told: something of each change of each subject that read finds.
func Publish[S, T any](events []Event, kind globalid.Kind, read func([]globalid.ID) (map[globalid.ID]S, error), tell func(S, Event) T) (told []T, err error) {
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
				told = append(told, tell(subject, e))
			}
		}
	}
	return told, nil
}

// Feed tells its watchers what changes. It may be used concurrently.
type Feed struct {
	db     *postgres.DB
	log    *slog.Logger
	lapsed ExpiredFunc

	telling  chan struct{} // one place, for who asks the database; guards what follows
	snapshot string        // everything that it shows has been told
	moment   time.Time     // everything that lapsed up to it has been told

	mu      sync.Mutex
	watches map[*Watch]struct{}
}

// ExpiredFunc gives what has changed in some places by the course of time alone,
// after one moment and up to another.
type ExpiredFunc func(ctx context.Context, q postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error)

// NewFeed makes a feed of what is committed and of what lapses (nil: nothing
// does).
func NewFeed(db *postgres.DB, log *slog.Logger, lapsed ExpiredFunc) *Feed {
	return &Feed{db: db, log: log, lapsed: lapsed, telling: make(chan struct{}, 1), watches: map[*Watch]struct{}{}}
}

// Watch is somebody's watching a place.
type Watch struct {
	feed  *Feed
	actor access.Actor
	place globalid.ID
	rule  access.Rule
	topic string

	mu      sync.Mutex
	waiting []Event
	size    int           // of waiting, in subjects
	cut     bool          // nothing more is told
	slow    bool          // because of the backlog
	bell    chan struct{} // rung where there is something to see
	ended   chan struct{} // closed when cut
}

// Watch begins to tell of every change on a topic in a place that is made from
// now on, for as long as a rule lets the actor watch it. The caller has decided
// that it does. It fails with RATE_LIMITED where the actor, or everybody
// together, watches too much.
func (f *Feed) Watch(ctx context.Context, actor access.Actor, place globalid.ID, rule access.Rule, topic string) (*Watch, error) {
	return f.begin(ctx, &Watch{actor: actor, place: place, rule: rule, topic: topic})
}

// WatchOwn begins to tell of every change on a topic of what concerns the actor
// herself, whose place is her account.
func (f *Feed) WatchOwn(ctx context.Context, actor access.Actor, topic string) (*Watch, error) {
	return f.begin(ctx, &Watch{actor: actor, place: actor.ID, topic: topic})
}

func (f *Feed) begin(ctx context.Context, w *Watch) (*Watch, error) {
	w.feed, w.bell, w.ended = f, make(chan struct{}, 1), make(chan struct{})
	err := f.ask(ctx, func(ctx context.Context) error {
		// What happened before is told to those who watched before.
		if err := f.tell(ctx); err != nil {
			return err
		}
		return f.add(w)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// ask has one ask the database at a time, for callTime at most.
func (f *Feed) ask(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	select {
	case f.telling <- struct{}{}:
		defer func() { <-f.telling }()
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
			Message: fmt.Sprintf("You watch %d places at once already.", own),
			Remedy:  "End some of your subscriptions first.",
		}
	case len(f.watches) >= maxWatches:
		return &fault.Fault{
			Code:    fault.RateLimited,
			Reason:  fault.SubscriptionsByGateway,
			Message: "Too many people watch at the moment.",
			Remedy:  "Wait a few minutes and subscribe again.",
		}
	}
	f.watches[w] = struct{}{}
	return nil
}

// Close ends the watching.
func (w *Watch) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	delete(w.feed.watches, w)
}

// Ended is closed where the actor may not watch any more.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Next waits for something to tell, of 100 subjects at most. It gives nothing
// where the actor may not watch any more, and fails when the context ends, or
// with UNAVAILABLE where she does not keep up.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	for {
		w.mu.Lock()
		events, cut, slow := w.take(), w.cut, w.slow
		w.mu.Unlock()
		switch {
		case slow:
			return nil, &fault.Fault{
				Code:    fault.Unavailable,
				Message: "More has changed than could be told. You may have missed something.",
				Remedy:  "Subscribe again, and then ask for the present state.",
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

// take takes a portion of what waits.
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
		w.waiting, w.size, w.slow = nil, 0, true
	}
	w.ring()
}

// overtake says that she has missed something.
func (w *Watch) markLagged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.slow = nil, 0, true
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
	if len(w.waiting) == 0 && !w.cut && !w.slow {
		return
	}
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Run tells the watchers until the context ends.
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
	return f.ask(ctx, func(ctx context.Context) error {
		if check {
			if err := f.dropUnauthorized(ctx); err != nil {
				return err
			}
		}
		return f.tell(ctx)
	})
}

// tell asks what is new, and tells it to whoever may still know.
func (f *Feed) tell(ctx context.Context) error {
	places := f.places()
	events, snapshot, moment, err := readSince(ctx, f.db, places, f.snapshot)
	if err != nil {
		return err
	}
	if f.lapsed != nil && len(places) > 0 {
		lapsed, err := f.lapsed(ctx, f.db, places, f.moment, moment)
		if err != nil {
			return err
		}
		events = append(events, lapsed...)
	}
	if moment.Sub(f.moment) > kept {
		for _, w := range f.watching() {
			w.markLagged()
		}
	}
	if len(events) > 0 {
		// After the events were read: whoever has lost her role before one of
		// them happened is not told of it.
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

// Watching is how many watch now.
func (f *Feed) Watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches)
}

// watching are those who watch now.
func (f *Feed) watching() []*Watch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.watches))
}

// places are those that are watched, each once.
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

// cutOff ends the watching of those who may not any more.
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

// news reads what was committed in some places since a snapshot ("": nothing is
// news), in the order of its happening, and the snapshot and the moment of this
// question.
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
	// A transaction's events come with its commit; their order among each other
	// says nothing about when that is. A snapshot knows what has been committed.
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

// DeleteOld removes events that are older than an hour, 1,000 at most, and gives
// their number.
func DeleteOld(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from event where id in (
			select id from event where at <= statement_timestamp() - interval '1 hour' order by at limit 1000)`)
}
