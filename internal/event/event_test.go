package event

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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
	w := world{t, schematest.New(t), access.Actor{ID: globalid.New(globalid.User)}, globalid.New(globalid.Instance), nil}
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

// happen writes down an event of some subjects.
func (w world) happen(change string, subjects int) {
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

func next(t *testing.T, w *Watch) []Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, err := w.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// A watch begins with what happens after it, and not a moment before.
func TestAWatchBeginsAtItsBeginning(t *testing.T) {
	w := newWorld(t)
	for n := range 8 {
		w.happen(fmt.Sprint("before ", n), 1)
		watch := w.watch()
		w.happen(fmt.Sprint("after ", n), 1)
		if got := next(t, watch)[0]; got.Change != fmt.Sprint("after ", n) || got.Place != w.master.UUID || len(got.Subjects) != 1 || got.At.IsZero() {
			t.Errorf("%+v", got)
		}
		watch.Close()
	}
}

// Each is told of each event once, in the order of their happening, however the
// transactions that brought them were committed.
func TestEachEventOnce(t *testing.T) {
	w := newWorld(t)
	watches := []*Watch{w.watch(), w.watch()}
	const writers, each = 8, 50
	var writing sync.WaitGroup
	for n := range writers {
		writing.Go(func() {
			for i := range each {
				if err := w.db.InTx(context.Background(), func(tx *postgres.Tx) error {
					_, err := tx.Exec(context.Background(), `insert into event (topic, place_id, change, subjects) values ('T', $1, $2, '{}'), ('other', $1, $2, '{}'), ('T', gen_random_uuid(), $2, '{}')`,
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
		told := map[string]int{}
		last := map[int]int{}
		for len(told) < writers*each {
			for _, e := range next(t, watch) {
				told[e.Change]++
				var n, i int
				fmt.Sscan(e.Change, &n, &i)
				if i < last[n] {
					t.Errorf("%s was told after %d", e.Change, last[n])
				}
				last[n] = i
			}
		}
		for change, times := range told {
			if times != 1 {
				t.Errorf("%s was told %d times", change, times)
			}
		}
	}
}

func TestWhatLapses(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var from, to []time.Time
	w.feed.expired = func(_ context.Context, _ postgres.Querier, places []globalid.ID, after, upTo time.Time) ([]Event, error) {
		mu.Lock()
		defer mu.Unlock()
		from, to = append(from, after), append(to, upTo)
		return []Event{{Topic: "T", Place: places[0].UUID, Change: "LAPSED", Subjects: []uuid.UUID{{}}}}, nil
	}
	watch := w.watch()
	for range 3 {
		if got := next(t, watch)[0].Change; got != "LAPSED" {
			t.Errorf("%s", got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(from); i++ {
		if !from[i].Equal(to[i-1]) || !from[i].Before(to[i]) {
			t.Errorf("asked about %v to %v, after %v", from[i], to[i], to[i-1])
		}
	}
}

// A watch that does not keep up ends, rather than fill the memory.
func TestASlowWatcher(t *testing.T) {
	w := newWorld(t)
	slow, quick := w.watch(), w.watch()
	told := 0
	for range 3 {
		w.happen("MANY", 9_000)
		for _, e := range next(t, quick) {
			told += len(e.Subjects)
		}
	}
	for told < 27_000 {
		for _, e := range next(t, quick) {
			told += len(e.Subjects)
		}
	}
	_, err := slow.Next(t.Context())
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if slow.size > 0 {
		t.Errorf("%d wait", slow.size)
	}
}

// However much there is, it is handed out in portions.
func TestPortions(t *testing.T) {
	w := newWorld(t)
	watch := w.watch()
	w.happen("MANY", 230)
	w.happen("FEW", 5)
	var got []string
	for told := 0; told < 235; {
		portion := 0
		for _, e := range next(t, watch) {
			got = append(got, fmt.Sprint(e.Change, " ", len(e.Subjects)))
			portion += len(e.Subjects)
		}
		if portion > 100 {
			t.Errorf("%d at once", portion)
		}
		told += portion
	}
	if want := []string{"MANY 100", "MANY 100", "MANY 30", "FEW 5"}; !slices.Equal(got, want) {
		t.Errorf("told %v", got)
	}
	if watch.size != 0 {
		t.Errorf("%d wait", watch.size)
	}
}

// Events that nobody asked for in time are gone: who waited for them is told so.
func TestALongAbsenceOfTheDatabase(t *testing.T) {
	w := newWorld(t)
	watch := w.watch()
	if err := w.feed.exclusively(t.Context(), func(context.Context) error {
		w.feed.moment = w.feed.moment.Add(-51 * time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err := watch.Next(t.Context())
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.Unavailable {
		t.Errorf("%v", err)
	}
	later := w.watch()
	w.happen("LATER", 1)
	if got := next(t, later)[0].Change; got != "LATER" {
		t.Errorf("who came later was told %s", got)
	}
}

// Nobody watches more than the gateway can bear.
func TestTooManyWatches(t *testing.T) {
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
func TestTheDatabaseDoesNotAnswer(t *testing.T) {
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

// A panic is a round that failed, and no more.
func TestAPanicEndsARound(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	rounds := 0
	feed := NewFeed(w.db, slog.New(slog.NewJSONHandler(&log, nil)), func(context.Context, postgres.Querier, []globalid.ID, time.Time, time.Time) ([]Event, error) {
		if rounds++; rounds == 2 {
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

// A gateway in which nobody watches asks the database nothing.
func TestNobodyWatches(t *testing.T) {
	w := newWorld(t)
	watch := w.watch()
	watch.Close()
	w.exec(`alter table event rename to elsewhere`)
	if err := w.feed.round(t.Context(), true); err != nil {
		t.Error(err)
	}
}

func TestWhoLosesTheRoleHearsNothingOfWhatComesAfter(t *testing.T) {
	w := newWorld(t)
	for n := range 8 {
		watch := w.watch()
		if err := w.db.InTx(t.Context(), func(tx *postgres.Tx) error {
			_, err := tx.Exec(t.Context(), `delete from space_administrator where account_id = $1`, w.administrator.ID.UUID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		w.happen(fmt.Sprint("secret ", n), 1)
		if got := next(t, watch); len(got) > 0 {
			t.Fatalf("she was told %v", got)
		}
		w.exec(`insert into space_administrator (space_id, account_id) select id, $1 from space`, w.administrator.ID.UUID)
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t)
	w.exec(`insert into event (topic, place_id, change, subjects, at) select 'T', gen_random_uuid(), 'OLD', '{}', clock_timestamp() - interval '61 minutes' from generate_series(1, 1200)`)
	w.happen("YOUNG", 1)
	for _, want := range []int64{1000, 200, 0} {
		if n, err := DeleteOld(t.Context(), w.db); n != want || err != nil {
			t.Errorf("%d forgotten, want %d, %v", n, want, err)
		}
	}
}
