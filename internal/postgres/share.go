package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// shares are parts of a pool that belong to somebody or to something: a person whose
// requests come at once, or a space whose rows are locked. What waits for a lock holds a
// connection, so that without them one locked row could take all connections.
type shares struct {
	size int // of each, in connections

	mu   sync.Mutex
	open map[any]*share // those that are in use or waited for
}

type share struct {
	slots chan struct{}
	users int
}

func newShares(size int) *shares { return &shares{size: size, open: map[any]*share{}} }

// of returns a share until leave is called.
func (s *shares) of(key any) (slots chan struct{}, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.open[key]
	if found == nil {
		found = &share{slots: make(chan struct{}, s.size)}
		s.open[key] = found
	}
	found.users++
	return found.slots, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if found.users--; found.users == 0 {
			delete(s.open, key)
		}
	}
}

type shareKey struct{}

// WithShare returns a context for the requests of one person, or of anybody else who
// may have many at once. Its calls take at most a quarter of the pool: the others wait
// for each other, for up to the statement timeout.
func WithShare(ctx context.Context, of any) context.Context {
	return context.WithValue(ctx, shareKey{}, of)
}

// shareFullError reports that a transaction cannot go on, because others have taken the
// shares that it needs.
type shareFullError struct{ places []uuid.UUID }

func (*shareFullError) Error() string { return "postgres: others have taken the share of the pool" }

// heldShares are the places whose shares a transaction has taken.
type heldShares struct {
	places []uuid.UUID
	free   []func()
}

func (h *heldShares) add(place uuid.UUID, free func()) {
	h.places = append(h.places, place)
	h.free = append(h.free, free)
}

func (h *heldShares) release() {
	for _, free := range slices.Backward(h.free) {
		free()
	}
	h.places, h.free = nil, nil
}

// TakeShares makes the transaction one of those that use the places, until its end. At
// most a quarter of the pool does for each place. Call it before the statement that locks
// the places, and return its error: where there is no room, the transaction ends, waits
// without a connection for up to the statement timeout, and runs again.
func (tx *Tx) TakeShares(places ...uuid.UUID) error { return tx.db.takeShares(tx.held, places) }

func (db *DB) takeShares(held *heldShares, places []uuid.UUID) error {
	for _, place := range places {
		if slices.Contains(held.places, place) {
			continue
		}
		slots, leave := db.shares.of(place)
		select {
		case slots <- struct{}{}:
			held.add(place, func() { <-slots; leave() })
		default:
			leave()
			return &shareFullError{places}
		}
	}
	return nil
}

// withShares calls run, and calls it again where it found a share full, when there is
// room. It waits for the places in the order of their ids, as all do, so that no two
// transactions wait for each other in a circle.
func (db *DB) withShares(ctx context.Context, run func(*heldShares) error) error {
	held := &heldShares{}
	defer func() { held.release() }()
	for began := time.Now(); ; {
		err := run(held)
		var full *shareFullError
		if !errors.As(err, &full) {
			return err
		}
		places := slices.Concat(held.places, full.places)
		slices.SortFunc(places, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		held.release()
		for _, place := range slices.Compact(places) {
			slots, leave := db.shares.of(place)
			if err := db.take(ctx, slots, db.queueTime-time.Since(began)); err != nil {
				leave()
				return err
			}
			held.add(place, func() { <-slots; leave() })
		}
	}
}
