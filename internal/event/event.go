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
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

const (
	interval   = 250 * time.Millisecond // between two questions to the database
	roleChecks = time.Second            // between two checks of the watchers' roles
	callTime   = 5 * time.Second        // of a question
	backlog    = 20_000                 // subjects that wait for one watcher
)

// Event is a change of some subjects in a place.
type Event struct {
	Topic    string
	Place    uuid.UUID
	Change   string
	Subjects []uuid.UUID
	At       time.Time
}

// Feed tells its watchers what changes. It may be used concurrently.
type Feed struct {
	DB  *postgres.DB
	Log *slog.Logger
	// Lapsed gives what has changed in some places by the course of time alone,
	// after one moment and up to another; nil: nothing does.
	Lapsed func(ctx context.Context, q postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error)

	mu       sync.Mutex
	watches  map[*Watch]struct{}
	snapshot string    // everything that it shows has been told
	moment   time.Time // everything that lapsed up to it has been told
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
}

// Watch begins to tell of every change on a topic in a place that is made from
// now on, for as long as a rule lets the actor watch it. The caller has decided
// that it does.
func (f *Feed) Watch(ctx context.Context, actor access.Actor, place globalid.ID, rule access.Rule, topic string) (*Watch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// What happened before is told to those who watched before.
	if err := f.tell(ctx); err != nil {
		return nil, err
	}
	w := &Watch{feed: f, actor: actor, place: place, rule: rule, topic: topic, bell: make(chan struct{}, 1)}
	if f.watches == nil {
		f.watches = map[*Watch]struct{}{}
	}
	f.watches[w] = struct{}{}
	return w, nil
}

// Close ends the watching.
func (w *Watch) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	delete(w.feed.watches, w)
}

// Next waits for something to tell. It gives nothing where the actor may not
// watch any more, and fails when the context ends, or with UNAVAILABLE where
// she does not keep up.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	for {
		w.mu.Lock()
		events, cut, slow := w.waiting, w.cut, w.slow
		w.waiting, w.size = nil, 0
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

func (w *Watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.cut = nil, 0, true
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
		if err := f.round(ctx, check); err != nil && ctx.Err() == nil {
			f.Log.Error("events", "error", err.Error())
		}
		if check {
			checked = time.Now()
		}
	}
}

func (f *Feed) round(ctx context.Context, check bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.watches) == 0 {
		return nil
	}
	if check {
		if err := f.cutOff(ctx); err != nil {
			return err
		}
	}
	return f.tell(ctx)
}

// tell asks what is new, and tells it to whoever may still know.
func (f *Feed) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	places := f.places()
	events, snapshot, moment, err := news(ctx, f.DB, places, f.snapshot)
	if err != nil {
		return err
	}
	if f.Lapsed != nil && len(places) > 0 {
		lapsed, err := f.Lapsed(ctx, f.DB, places, f.moment, moment)
		if err != nil {
			return err
		}
		events = append(events, lapsed...)
	}
	if len(events) > 0 {
		// After the events were read: whoever has lost her role before one of
		// them happened is not told of it.
		if err := f.cutOff(ctx); err != nil {
			return err
		}
		for w := range f.watches {
			w.offer(events)
		}
	}
	f.snapshot, f.moment = snapshot, moment
	return nil
}

// places are those that are watched, each once.
func (f *Feed) places() (places []globalid.ID) {
	seen := map[globalid.ID]bool{}
	for w := range f.watches {
		if !seen[w.place] {
			seen[w.place] = true
			places = append(places, w.place)
		}
	}
	return places
}

// cutOff ends the watching of those who may not any more.
func (f *Feed) cutOff(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	watches := make([]*Watch, 0, len(f.watches))
	asked := make([]access.Question, 0, len(f.watches))
	for w := range f.watches {
		watches = append(watches, w)
		asked = append(asked, access.Question{Actor: w.actor.ID, Instance: w.place, Rule: w.rule})
	}
	may, err := access.May(ctx, f.DB, asked)
	if err != nil {
		return err
	}
	for k, w := range watches {
		if !may[k] {
			w.end()
			delete(f.watches, w)
		}
	}
	return nil
}

// news reads what was committed in some places since a snapshot ("": nothing is
// news), in the order of its happening, and the snapshot and the moment of this
// question.
func news(ctx context.Context, q postgres.Querier, places []globalid.ID, since string) (events []Event, snapshot string, moment time.Time, err error) {
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
		order by e.id`, globalid.Array(places), since)
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

// Forget removes events that are older than an hour, 1,000 at most, and gives
// their number.
func Forget(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from event where id in (
			select id from event where at <= statement_timestamp() - interval '1 hour' order by at limit 1000)`)
}
