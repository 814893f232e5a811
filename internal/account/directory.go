package account

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/text"
)

const (
	cacheSize = 10_000 // identities

	// validity is how long an account is remembered without being read again; roles
	// are not remembered: every request reads them. Accounts in use are read again
	// before that, so that no request waits for it.
	validity     = time.Minute
	refreshAfter = 20 * time.Second
	idleTime     = 10 * time.Minute // after which an account is not in use any more

	watchInterval = time.Second
	refreshBatch  = 1000 // identities in a statement
)

// Directory finds accounts. It is safe for concurrent use.
type Directory struct {
	db    *postgres.DB
	known *otter.Cache[Identity, *sighting]
	// merged is the number of merged accounts when it was read last; see Watch.
	merged atomic.Int64
}

// sighting is what the directory knows about the account of an identity.
type sighting struct {
	actor  access.Actor
	at     time.Time     // when the account was read
	merged int64         // Directory.merged, before the account was read
	used   *atomic.Int64 // nanoseconds of the Unix time of the last request
}

// NewDirectory returns a directory of the accounts in a database.
func NewDirectory(db *postgres.DB) *Directory {
	return &Directory{db: db, known: cache.BySize[Identity, *sighting](cacheSize)}
}

// Watch keeps what the directory remembers fresh: it reads the accounts in use again,
// and makes the directory forget what it knows within a second when accounts are
// merged. It returns when the context ends.
func (d *Directory) Watch(ctx context.Context) {
	ctx = postgres.WithBackgroundPriority(ctx)
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		// Where the database does not answer, what is known gets old by itself.
		if d.readMerged(ctx) == nil {
			_ = d.refresh(ctx, time.Now())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// readMerged counts the merged accounts. They never become fewer.
func (d *Directory) readMerged(ctx context.Context) error {
	var n int64
	err := d.db.Get(ctx, &n, `select count(*) from account where merged_into is not null`)
	if err == nil {
		d.merged.Store(n)
	}
	return err
}

// refresh reads the accounts that are in use and were read some time ago. It forgets
// those that are gone, or about which their identity says something new.
func (d *Directory) refresh(ctx context.Context, now time.Time) error {
	merged := d.merged.Load()
	var due []Identity
	for id, s := range d.known.All() {
		inUse := now.Sub(time.Unix(0, s.used.Load())) < idleTime
		if inUse && now.Sub(s.at) >= refreshAfter {
			due = append(due, id)
		}
		if len(due) == refreshBatch {
			break
		}
	}
	if len(due) == 0 {
		return nil
	}
	rows, err := d.findMany(ctx, due)
	if err != nil {
		return err
	}
	accounts := make([]*row, len(due))
	for i := range rows {
		accounts[rows[i].Position] = &rows[i]
	}
	for i, id := range due {
		d.known.ComputeIfPresent(id, func(s *sighting) (*sighting, otter.ComputeOp) {
			switch {
			case s.at.After(now): // a request has read it meanwhile
				return s, otter.CancelOp
			case accounts[i] == nil || accounts[i].differs(id):
				return nil, otter.InvalidateOp
			}
			return &sighting{accounts[i].actor(), now, merged, s.used}, otter.WriteOp
		})
	}
	return nil
}

// Actor returns the person of an identity. It creates their account when it sees
// them for the first time; an account that was provisioned for their address
// becomes theirs. A new address, name or language replaces the old one, at once
// or within a minute.
//
// Each address belongs to the account that proved it last: the account becomes the
// holder of the address (table address_holder) unless another one has proved it by a
// token that was issued later. A token proves the address once. So an older token of
// a former holder does not take the address back, and neither does one without a
// time of issue; a new token does. The time of the last proof outlives the holder (table
// address_proof).
//
// An account that proves an address takes over what waits for it in an account that
// nobody has claimed.
func (d *Directory) Actor(ctx context.Context, id Identity) (access.Actor, error) {
	id.Name = text.CleanName(id.Name)
	// The language is no part of the key: browsers may send another one each time.
	same := id
	same.Locale = ""
	merged := d.merged.Load()
	now := time.Now()
	if s, ok := d.known.GetIfPresent(same); ok && now.Sub(s.at) < validity && s.merged == merged {
		s.used.Store(now.UnixNano())
		return s.actor, nil
	}
	id.Locale = languages(id.Locale)
	row, err := d.signIn(ctx, id)
	if err != nil {
		return access.Actor{}, err
	}
	used := new(atomic.Int64)
	used.Store(now.UnixNano())
	actor := row.actor()
	d.known.Set(same, &sighting{actor, time.Now(), merged, used})
	return actor, nil
}
