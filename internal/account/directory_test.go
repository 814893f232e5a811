package account

import (
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

// Accounts in use are read again without any request.
func TestAccountsInUseAreReadAgain(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	d := NewDirectory(db)
	ctx, statements := postgres.WithStatementCount(t.Context())
	actor := func(id Identity) access.Actor {
		t.Helper()
		actor, err := d.Actor(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return actor
	}
	ada, ben, pat := identity(t, "s1", "ada@uni.example", "Ada"), identity(t, "s2", "ben@uni.example", "Ben"), identity(t, "s3", "pat@uni.example", "Pat")
	eve := identity(t, "s5", "eve@uni.example", "Eve")
	began := time.Now() // no account is read before
	for _, id := range []*Identity{&ada, &ben, &pat, &eve} {
		id.IssuedAt = issued(10)
		actor(*id)
	}

	// Through another gateway: somebody else proves Ada's address, Ben gets another name,
	// and Pat is gone.
	later := identity(t, "s4", "ada@uni.example", "Other")
	later.IssuedAt = issued(11)
	see(t, db, later)
	renamed := ben
	renamed.Name, renamed.IssuedAt = "Benjamin", issued(11)
	see(t, db, renamed)
	if _, err := db.Exec(t.Context(), `delete from account where subject = 's3'`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `update account set name = 'Changed' where subject = 's5'`); err != nil {
		t.Fatal(err)
	}

	statements.Store(0)
	soon := time.Now()
	if err := d.refresh(ctx, began.Add(refreshAfter/2)); err != nil || statements.Load() != 0 {
		t.Errorf("too soon: %d statements, %v", statements.Load(), err)
	}
	if err := d.refresh(ctx, soon.Add(idleTime+time.Minute)); err != nil || statements.Load() != 0 {
		t.Errorf("not in use: %d statements, %v", statements.Load(), err)
	}
	if err := d.refresh(ctx, soon.Add(refreshAfter+time.Second)); err != nil || statements.Load() != 1 {
		t.Errorf("%d statements, %v", statements.Load(), err)
	}
	statements.Store(0)
	if got := actor(ada); !got.FormerHolder {
		t.Errorf("%+v is the holder", got)
	}
	if got := actor(ben); got.Name != "Benjamin" {
		t.Errorf("%+v", got)
	}
	if statements.Load() != 0 {
		t.Errorf("%d statements for known accounts", statements.Load())
	}
	if actor(pat); statements.Load() == 0 {
		t.Error("the account that is gone is remembered")
	}
	statements.Store(0)
	if got := actor(eve); got.Name != "Eve" || statements.Load() == 0 {
		t.Errorf("%+v: the token says something new about the account, and that is not stored", got)
	}
}
