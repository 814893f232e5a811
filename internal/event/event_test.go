package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// world is a space with an administrator, who watches its Master instance.
type world struct {
	t             *testing.T
	db            *postgres.DB
	administrator access.Actor
	master        globalid.ID
	feed          *Feed
}

func newWorld(t *testing.T) world {
	t.Helper()
	return newWorldOn(t, schematest.New(t))
}

func newWorldOn(t *testing.T, db *postgres.DB) world {
	t.Helper()
	w := world{t, db, access.Actor{ID: globalid.New(globalid.User)}, globalid.New(globalid.Instance), nil}
	space := globalid.New(globalid.Space).UUID
	if err := w.db.InTx(t.Context(), func(tx *postgres.Tx) error {
		for _, s := range []struct {
			query string
			args  []any
		}{
			{`insert into account (id, email, email_key, name) values ($1, 'ada@uni.example', 'ada@uni.example', 'Ada'), (gen_random_uuid(), 'ed@uni.example', 'ed@uni.example', 'Ed')`, []any{w.administrator.ID.UUID}},
			{`insert into organization (id, name) values ($1::uuid, 'O')`, []any{space}},
			{`insert into space (id, organization_id, name) values ($1::uuid, $1::uuid, 'S')`, []any{space}},
			{`insert into instance (id, space_id, name, kind) values ($2, $1, 'Master', 'MASTER'), (gen_random_uuid(), $1, 'Distributed', 'DISTRIBUTED')`, []any{space, w.master.UUID}},
			{`insert into space_administrator (space_id, account_id) select $1::uuid, id from account`, []any{space}},
		} {
			if _, err := tx.Exec(t.Context(), s.query, s.args...); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.feed = NewFeed(w.db, slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)), nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.feed.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func (w world) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// insert inserts an event with some subjects.
func (w world) insert(change string, subjects int) {
	w.t.Helper()
	w.exec(`insert into event (topic, place_id, change, subjects) select 'T', $1, $2, array_agg(gen_random_uuid()) from generate_series(1, $3::int)`, w.master.UUID, change, subjects)
}

func (w world) watch() *Watch {
	w.t.Helper()
	watch, err := w.feed.Watch(w.t.Context(), w.administrator, w.master, access.InvitationChanged, "T")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(watch.Close)
	return watch
}

// patience is how long anything may take that a test waits for, on a busy machine.
const patience = 2 * time.Minute

func next(t *testing.T, w *Watch) []*Update {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	updates, err := w.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return updates
}

func TestWatchReceivesOnlyLaterEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 8 {
		w.insert(fmt.Sprint("before ", n), 1)
		watch := w.watch()
		w.insert(fmt.Sprint("after ", n), 1)
		if got := next(t, watch)[0]; got.Change != fmt.Sprint("after ", n) || got.Subject == uuid.Nil || got.At.IsZero() {
			t.Errorf("%+v", got)
		}
		watch.Close()
	}
}

// Every watch gets each event once, and those of one writer in their order, in
// whatever order the transactions commit.
func TestEachEventIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watches := []*Watch{w.watch(), w.watch()}
	const writers, each = 8, 50
	var writing sync.WaitGroup
	for n := range writers {
		writing.Go(func() {
			for i := range each {
				if err := w.db.InTx(context.Background(), func(tx *postgres.Tx) error {
					_, err := tx.Exec(context.Background(), `insert into event (topic, place_id, change, subjects) select topic, place, $2, array[gen_random_uuid()] from (values ('T', $1::uuid), ('other', $1), ('T', gen_random_uuid())) e (topic, place)`,
						w.master.UUID, fmt.Sprint(n, " ", i))
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	for _, watch := range watches {
		received := map[string]int{}
		last := map[int]int{}
		for len(received) < writers*each {
			for _, e := range next(t, watch) {
				received[e.Change]++
				var n, i int
				fmt.Sscan(e.Change, &n, &i)
				if i < last[n] {
					t.Errorf("%s came after %d", e.Change, last[n])
				}
				last[n] = i
			}
		}
		for change, times := range received {
			if times != 1 {
				t.Errorf("%s came %d times", change, times)
			}
		}
	}
}

func TestExpiredEventsAreDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var from, to []time.Time
	w.feed.expired = func(_ context.Context, _ postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error) {
		mu.Lock()
		defer mu.Unlock()
		from, to = append(from, after), append(to, upTo)
		return []Event{{Topic: "T", Place: places[0].UUID, Change: "EXPIRED", Subjects: []uuid.UUID{{}}}}, nil
	}
	watch := w.watch()
	for range 3 {
		if got := next(t, watch)[0].Change; got != "EXPIRED" {
			t.Errorf("%s", got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(from); i++ {
		if !from[i].Equal(to[i-1]) || !from[i].Before(to[i]) {
			t.Errorf("read %v to %v, after %v", from[i], to[i], to[i-1])
		}
	}
}

// A watch that does not keep up ends, rather than fill the memory.
func TestSlowWatchLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, quick := w.watch(), w.watch()
	const each = 9_000
	for range 3 {
		w.insert("MANY", each)
		for received := 0; received < each; {
			received += len(next(t, quick))
		}
	}
	// The feed gives events to one watch after the other.
	if err := w.feed.exclusively(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	_, err := slow.Next(t.Context())
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if slow.size > 0 {
		t.Errorf("%d updates wait", slow.size)
	}
}

func TestNextReturnsPortions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := w.watch()
	w.insert("MANY", 235)
	for _, want := range []int{100, 100, 35} {
		updates := next(t, watch)
		if len(updates) != want || updates[0].Change != "MANY" {
			t.Errorf("%d at once, the first is %s", len(updates), updates[0].Change)
		}
	}
	if watch.size != 0 {
		t.Errorf("%d updates wait", watch.size)
	}
}

// After a long time without the database, events may have been deleted unread: the
// watches that there were have lagged, and new ones have not.
func TestWatchLagsWhenEventsAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := w.watch()
	if err := w.feed.exclusively(t.Context(), func(context.Context) error {
		w.feed.read.moment = w.feed.read.moment.Add(-51 * time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err := watch.Next(t.Context())
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.Unavailable {
		t.Errorf("%v", err)
	}
	later := w.watch()
	w.insert("LATER", 1)
	if got := next(t, later)[0].Change; got != "LATER" {
		t.Errorf("a later watch got %s", got)
	}
}

func TestWatchesAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range maxOfActor {
		w.watch()
	}
	_, err := w.feed.Watch(t.Context(), w.administrator, w.master, access.InvitationChanged, "T")
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.RateLimited {
		t.Errorf("%v", err)
	}
	w.feed.mu.Lock()
	for len(w.feed.watches) < maxWatches {
		w.feed.watches[&Watch{}] = struct{}{}
	}
	w.feed.mu.Unlock()
	_, err = w.feed.Watch(t.Context(), access.Actor{ID: globalid.New(globalid.User)}, w.master, access.InvitationChanged, "T")
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.RateLimited {
		t.Errorf("%v", err)
	}
}

// A watch that waits for the database delays nobody who leaves, and gives up after
// a while.
func TestWatchGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := w.watch()
	if err := w.db.InTx(t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `lock table event`); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := w.feed.Watch(ctx, w.administrator, w.master, access.InvitationChanged, "T"); !postgres.IsUnavailable(err) {
			t.Errorf("%v", err)
		}
		watch.Close()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestPanicEndsOnlyOneRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	reads := 0
	feed := NewFeed(w.db, slog.New(slog.NewJSONHandler(&log, nil)), func(context.Context, postgres.Querier, []globalid.ID, time.Time, time.Time) ([]Event, error) {
		if reads++; reads == 2 {
			stop()
		}
		panic("broken")
	})
	feed.watches[&Watch{place: w.master, ended: make(chan struct{})}] = struct{}{}
	feed.Run(ctx)
	if n := strings.Count(log.String(), `"panic":"broken"`); n != 2 {
		t.Errorf("%d panics: %s", n, log.String())
	}
}

func TestWithoutWatchesNothingIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := w.watch()
	watch.Close()
	w.exec(`alter table event rename to elsewhere`)
	if err := w.feed.poll(t.Context(), true); err != nil {
		t.Error(err)
	}
}

func TestWatchEndsWithTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 8 {
		watch := w.watch()
		if err := w.db.InTx(t.Context(), func(tx *postgres.Tx) error {
			_, err := tx.Exec(t.Context(), `delete from space_administrator where account_id = $1`, w.administrator.ID.UUID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.insert(fmt.Sprint("secret ", n), 1)
		if got := next(t, watch); len(got) > 0 {
			t.Fatalf("they got %v", got)
		}
		w.exec(`insert into space_administrator (space_id, account_id) select id, $1 from space`, w.administrator.ID.UUID)
	}
}

func TestDeleteOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into event (topic, place_id, change, subjects, at) select 'T', gen_random_uuid(), 'OLD', '{}', clock_timestamp() - interval '61 minutes' from generate_series(1, 1200)`)
	w.insert("YOUNG", 1)
	for _, want := range []int64{1000, 200, 0} {
		if n, err := DeleteOld(t.Context(), w.db); n != want || err != nil {
			t.Errorf("%d deleted, want %d, %v", n, want, err)
		}
	}
}

// The subjects of a portion are read once, for all watches, and again where that failed.
func TestSubjectsAreReadOnce(t *testing.T) {
	t.Parallel()
	known, unknown := uuid.New(), uuid.New()
	updates := portionsOf([]Event{{Change: "CREATED", Subjects: []uuid.UUID{known, unknown}}, {Change: "ENDED", Subjects: []uuid.UUID{known}}})[0]
	broken := errors.New("broken")
	if _, _, err := Read(t.Context(), updates[0], globalid.Request, func(context.Context, []globalid.ID) (map[globalid.ID]string, error) { return nil, broken }); err != broken {
		t.Errorf("%v", err)
	}
	var reads atomic.Int64
	read := func(_ context.Context, ids []globalid.ID) (map[globalid.ID]string, error) {
		reads.Add(1)
		if len(ids) != 3 || ids[1] != (globalid.ID{Kind: globalid.Request, UUID: unknown}) {
			t.Errorf("asked for %v", ids)
		}
		return map[globalid.ID]string{ids[0]: "subject"}, nil
	}
	var watches sync.WaitGroup
	for range 20 {
		watches.Go(func() {
			for i, want := range []string{"subject", "", "subject"} {
				got, found, err := Read(t.Context(), updates[i], globalid.Request, read)
				if got != want || found != (want != "") || err != nil {
					t.Errorf("%d: %q, %t, %v", i, got, found, err)
				}
			}
		})
	}
	watches.Wait()
	if reads.Load() != 1 {
		t.Errorf("read %d times", reads.Load())
	}
}

// An update is encoded once for each key, unless the result is for one watch only.
func TestUpdatesAreEncodedOnce(t *testing.T) {
	t.Parallel()
	update := portionsOf([]Event{{Subjects: []uuid.UUID{uuid.New()}}})[0][0]
	encoded := func(key, text string, shared bool) string {
		t.Helper()
		got, err := update.Encoded(t.Context(), key, func() ([]byte, bool) { return []byte(text), shared })
		if err != nil {
			t.Error(err)
		}
		return string(got)
	}
	for _, c := range []struct {
		key, text string
		shared    bool
		want      string
	}{{"a", "an error", false, "an error"}, {"a", "first", true, "first"}, {"a", "second", true, "first"}, {"b", "other", true, "other"}} {
		if got := encoded(c.key, c.text, c.shared); got != c.want {
			t.Errorf("%s: %s, want %s", c.key, got, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := update.Encoded(t.Context(), "c", func() ([]byte, bool) {
		_, err := update.Encoded(ctx, "c", nil)
		if err != context.Canceled {
			t.Errorf("while another one encodes: %v", err)
		}
		return nil, true
	}); err != nil {
		t.Error(err)
	}
}
