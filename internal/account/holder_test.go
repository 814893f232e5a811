package account

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// issued is when tokens of a minute of a test were issued.
func issued(minute int) time.Time {
	return time.Date(2026, 11, 1, 12, minute, 0, 0, time.UTC)
}

// holders returns who holds which address, as text.
func holders(t testing.TB, db *postgres.DB) (list []string) {
	t.Helper()
	if err := db.Select(t.Context(), &list, `
		select h.email_key || ' ' || coalesce(a.subject, '-') from address_holder h join account a on a.id = h.account_id order by 1`); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAnAddressBelongsToTheAccountThatProvedItLast(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for i, step := range []struct {
		subject, email string
		minute         int // 0: the token does not say when it was issued
		holds          bool
		holders        string
	}{
		{"s1", "ada@uni.example", 10, true, "[ada@uni.example s1]"},
		{"s1", "ada@uni.example", 10, true, "[ada@uni.example s1]"},
		// Another subject proves it within the same second, and later.
		{"s2", "Ada@uni.example", 10, true, "[ada@uni.example s2]"},
		{"s1", "ada@uni.example", 10, false, "[ada@uni.example s2]"},
		{"s3", "ada@uni.example", 12, true, "[ada@uni.example s3]"},
		// An older token proves nothing, of a new subject neither.
		{"s1", "ada@uni.example", 11, false, "[ada@uni.example s3]"},
		{"s4", "ada@uni.example", 11, false, "[ada@uni.example s3]"},
		// A newer token of a former holder does.
		{"s1", "ada@uni.example", 13, true, "[ada@uni.example s1]"},
		{"s3", "ada@uni.example", 12, false, "[ada@uni.example s1]"},
		// Who has another address now does not hold the old one any more. The next who
		// proves it does, but not by a token from before the last proof.
		{"s1", "countess@uni.example", 14, true, "[countess@uni.example s1]"},
		{"s1", "ada@uni.example", 13, true, "[countess@uni.example s1]"}, // an old token changes nothing
		{"s3", "ada@uni.example", 12, false, "[countess@uni.example s1]"},
		{"s7", "ada@uni.example", 12, false, "[countess@uni.example s1]"},
		{"s8", "eve@uni.example", 11, true, "[countess@uni.example s1 eve@uni.example s8]"},
		{"s8", "ada@uni.example", 12, false, "[countess@uni.example s1]"},
		{"s3", "ada@uni.example", 14, true, "[ada@uni.example s3 countess@uni.example s1]"},
		// Tokens without a time prove an address once.
		{"s5", "ada@uni.example", 0, true, "[ada@uni.example s5 countess@uni.example s1]"},
		{"s5", "ada@uni.example", 0, true, "[ada@uni.example s5 countess@uni.example s1]"},
		{"s6", "ada@uni.example", 0, true, "[ada@uni.example s6 countess@uni.example s1]"},
		{"s5", "ada@uni.example", 0, false, "[ada@uni.example s6 countess@uni.example s1]"},
		{"s5", "countess@uni.example", 0, true, "[ada@uni.example s6 countess@uni.example s5]"},
	} {
		id := identity(t, step.subject, step.email, "")
		if step.minute > 0 {
			id.IssuedAt = issued(step.minute)
		}
		actor := see(t, db, id)
		if actor.FormerHolder == step.holds || (actor.EmailKey != "") != step.holds {
			t.Errorf("step %d: %+v, want a holder: %t", i, actor, step.holds)
		}
		if got := fmt.Sprint(holders(t, db)); got != step.holders {
			t.Errorf("step %d: %s, want %s", i, got, step.holders)
		}
	}
}

// Nothing is written while nothing changes, also for a former holder, and a known token is
// not looked up.
func TestKnownTokensWriteNothing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	first, second := identity(t, "s1", "ada@uni.example", "Ada"), identity(t, "s2", "ada@uni.example", "Ada")
	first.IssuedAt, second.IssuedAt = issued(10), issued(11)
	see(t, db, first)
	see(t, db, second)
	var before, after string
	const versions = `select string_agg(xmin::text, ' ' order by id) || (select string_agg(xmin::text, ' ') from address_holder) from account`
	if err := db.Get(t.Context(), &before, versions); err != nil {
		t.Fatal(err)
	}
	for _, id := range []Identity{first, second} {
		ctx, statements := postgres.WithStatementCount(t.Context())
		d := NewDirectory(db)
		for range 3 {
			if _, err := d.Actor(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if n := statements.Load(); n != 1 {
			t.Errorf("%s: %d statements", id.Subject, n)
		}
	}
	if err := db.Get(t.Context(), &after, versions); err != nil || before != after {
		t.Errorf("rows were written: %s, before %s, %v", after, before, err)
	}
}

func TestProvisionFindsTheHolder(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	first := see(t, db, identity(t, "s1", "ada@uni.example", ""))
	second := see(t, db, identity(t, "s2", "ada@uni.example", ""))
	if got := provision(t, db, "ADA@uni.example"); got != second.ID.UUID {
		t.Errorf("%v, want %v; the former holder is %v", got, second.ID, first.ID)
	}
	// Nobody holds it: it waits for the next who proves it.
	see(t, db, identity(t, "s2", "ada@else.example", ""))
	made := provision(t, db, "ada@uni.example")
	if made == first.ID.UUID || made == second.ID.UUID || made != provision(t, db, "ada@uni.example") {
		t.Errorf("%v, the others are %v and %v", made, first.ID, second.ID)
	}
	if third := see(t, db, identity(t, "s3", "ada@uni.example", "")); third.ID.UUID != made || third.FormerHolder {
		t.Errorf("%+v, want %v", third, made)
	}
}

// A provisioned account holds its address, but does not prove it.
func TestProvisionDoesNotHideTheLastProof(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	proves := func(subject, email string, minute int) access.Actor {
		id := identity(t, subject, email, "")
		id.IssuedAt = issued(minute)
		return see(t, db, id)
	}
	proves("s1", "ada@uni.example", 10)
	proves("s2", "ada@uni.example", 12)
	proves("s2", "else@uni.example", 13)
	provision(t, db, "ada@uni.example")
	if got := proves("s1", "ada@uni.example", 11); !got.FormerHolder {
		t.Errorf("an old token has taken the address: %v", holders(t, db))
	}
	if got := proves("s1", "ada@uni.example", 14); got.FormerHolder {
		t.Errorf("a new token has not taken the address: %v", holders(t, db))
	}
}

// A proof is forgotten when no token of before it can be valid any more.
func TestDeleteOldProofs(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	last := time.Now().Add(-ProofRetention)
	for n, at := range []time.Time{last.Add(time.Minute), last.Add(-time.Minute), time.Now()} {
		id := identity(t, fmt.Sprint("s", n), fmt.Sprintf("a%d@uni.example", n), "")
		id.IssuedAt = at
		see(t, db, id)
		id.Email, id.IssuedAt = parse(t, fmt.Sprintf("b%d@uni.example", n)), at.Add(time.Second)
		see(t, db, id)
	}
	proofs := func() (n int) {
		t.Helper()
		if err := db.Get(t.Context(), &n, `select count(*) from address_proof`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := proofs(); n != 2 { // a proof that is old already is not kept
		t.Errorf("%d proofs", n)
	}
	if _, err := db.Exec(t.Context(), `update address_proof set proved_at = proved_at - interval '2 minutes'`); err != nil {
		t.Fatal(err)
	}
	if deleted, err := DeleteOldProofs(t.Context(), db); deleted != 1 || err != nil || proofs() != 1 {
		t.Errorf("%d were deleted, %v", deleted, err)
	}
}

// Gateways of before write neither address_holder nor the time of a proof.
func TestHoldersBesideOlderGateways(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	see(t, db, identity(t, "s1", "strasse@uni.example", ""))
	write := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(want string) {
		t.Helper()
		if got := fmt.Sprint(holders(t, db)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	write(db.Exec(t.Context(), `insert into account (id, subject, email, email_key, name) values ($1, 's2', 'ada@uni.example', 'ada@uni.example', 'N')`, uuid.New()))
	want("[ada@uni.example s2 strasse@uni.example s1]")
	write(db.Exec(t.Context(), `update account set email = 'bob@uni.example', email_key = 'bob@uni.example' where subject = 's2'`))
	want("[bob@uni.example s2 strasse@uni.example s1]")
	// Their key of another mailbox.
	write(db.Exec(t.Context(), `insert into account (id, subject, email, email_key, name) values ($1, 's3', 'straße@uni.example', 'strasse@uni.example', 'N')`, uuid.New()))
	want("[bob@uni.example s2 strasse@uni.example s1]")
	id := identity(t, "s3", "straße@uni.example", "")
	id.IssuedAt = time.Now().Add(time.Minute)
	if actor := see(t, db, id); actor.EmailKey != "straße@uni.example" {
		t.Errorf("%+v", actor)
	}
	want("[bob@uni.example s2 strasse@uni.example s1 straße@uni.example s3]")
}

// However many subjects prove one address at once, and exchange it, there is one
// holder, and nobody fails.
func TestRacingProofsLeaveOneHolder(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	emails := []string{"a@uni.example", "b@uni.example"}
	for n := range racetest.Trials {
		first := fmt.Sprintf("a%d", n/3) // every third time they are new
		last := issued(0).Add(time.Duration(n+1) * time.Minute)
		ids := []Identity{
			identity(t, first, emails[n%2], ""), identity(t, fmt.Sprintf("b%d", n/3), emails[rand.IntN(2)], ""),
			identity(t, fmt.Sprintf("c%d", n/3), emails[n%2], ""),
		}
		actors := make([]access.Actor, len(ids))
		var proofs sync.WaitGroup
		for i := range ids {
			ids[i].IssuedAt = last
			proofs.Go(func() {
				var err error
				if actors[i], err = NewDirectory(db).Actor(t.Context(), ids[i]); err != nil {
					t.Error(err)
				}
			})
		}
		proofs.Wait()
		var held []struct {
			Key string    `db:"email_key"`
			ID  uuid.UUID `db:"account_id"`
		}
		if err := db.Select(t.Context(), &held, `select email_key, account_id from address_holder`); err != nil {
			t.Fatal(err)
		}
		for _, h := range held {
			if h.Key == emails[n%2] && h.ID != actors[0].ID.UUID && h.ID != actors[1].ID.UUID && h.ID != actors[2].ID.UUID {
				t.Fatalf("trial %d: %s is held by none of those who proved it", n, h.Key)
			}
		}
		if len(held) == 0 || len(held) > 2 || t.Failed() {
			t.Fatalf("trial %d: %v", n, held)
		}
	}
}
