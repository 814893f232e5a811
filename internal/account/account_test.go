package account

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	email, problem := address.Parse(text)
	if problem != nil {
		t.Fatal(problem)
	}
	return email
}

func identity(t testing.TB, subject, email, name string) Identity {
	t.Helper()
	return Identity{Subject: subject, Email: parse(t, email), Name: name}
}

// see asks a directory that has seen nobody yet, as after a start.
func see(t testing.TB, db *postgres.DB, id Identity) access.Actor {
	t.Helper()
	actor, err := NewDirectory(db).Actor(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return actor
}

func provision(t testing.TB, db *postgres.DB, email string) (id uuid.UUID) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx *postgres.Tx) (err error) {
		id, err = Provision(t.Context(), tx, parse(t, email), "Provisioned")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func accounts(t testing.TB, db *postgres.DB) (list []string) {
	t.Helper()
	if err := db.Select(t.Context(), &list, `
		select concat_ws(' ', coalesce(subject, '-'), email, email_key, name) from account order by created_at, id`); err != nil {
		t.Fatal(err)
	}
	return list
}

func wantAccounts(t testing.TB, db *postgres.DB, want ...string) {
	t.Helper()
	if got := accounts(t, db); !slices.Equal(got, want) {
		t.Errorf("the accounts are %q, want %q", got, want)
	}
}

func TestFirstSight(t *testing.T) {
	db := schematest.New(t)
	first := see(t, db, identity(t, "s1", "Ada@uni.example", "Ada Lovelace"))
	if first.Name != "Ada Lovelace" || first.Email != "Ada@uni.example" {
		t.Errorf("%+v", first)
	}
	wantAccounts(t, db, "s1 Ada@uni.example ada@uni.example Ada Lovelace")
	if again := see(t, db, identity(t, "s1", "Ada@uni.example", "Ada Lovelace")); again != first {
		t.Errorf("%+v, at first %+v", again, first)
	}
	if nameless := see(t, db, identity(t, "s1", "Ada@uni.example", " \x00")); nameless != first {
		t.Errorf("without a name %+v, at first %+v", nameless, first)
	}
	changed := see(t, db, identity(t, "s1", "ada@else.example", "Countess"))
	if changed.ID != first.ID || changed.Name != "Countess" || changed.Email != "ada@else.example" {
		t.Errorf("changed: %+v, at first %+v", changed, first)
	}
	wantAccounts(t, db, "s1 ada@else.example ada@else.example Countess")

	if other := see(t, db, identity(t, "s2", "ada@else.example", "")); other.ID == first.ID || other.Name != "Ada" {
		t.Errorf("another person of the same address: %+v", other)
	}
	wantAccounts(t, db, "s1 ada@else.example ada@else.example Countess", "s2 ada@else.example ada@else.example Ada")
}

// A directory notices changes in a known person's next token.
func TestDirectoryRemembers(t *testing.T) {
	db := schematest.New(t)
	d := NewDirectory(db)
	ctx, statements := postgres.WithStatementCount(t.Context())
	for range 3 {
		if _, err := d.Actor(ctx, identity(t, "s1", "ada@uni.example", "Ada")); err != nil {
			t.Fatal(err)
		}
	}
	if n := statements.Load(); n > 3 {
		t.Errorf("%d statements for one person", n)
	}
	if actor, err := d.Actor(ctx, identity(t, "s1", "ada@uni.example", "Countess")); actor.Name != "Countess" || err != nil {
		t.Errorf("%+v, %v", actor, err)
	}
}

func TestParallelFirstSight(t *testing.T) {
	for name, provisioned := range map[string]bool{"a new account": false, "a provisioned account": true} {
		t.Run(name, func(t *testing.T) {
			db := schematest.New(t)
			var made uuid.UUID
			if provisioned {
				made = provision(t, db, "ada@uni.example")
			}
			id := identity(t, "s1", "ada@uni.example", "Ada")
			actors := make([]access.Actor, 20)
			var requests sync.WaitGroup
			for i := range actors {
				requests.Go(func() {
					var err error
					if actors[i], err = NewDirectory(db).Actor(t.Context(), id); err != nil {
						t.Error(err)
					}
				})
			}
			requests.Wait()
			for _, a := range actors {
				if a != actors[0] || provisioned && a.ID.UUID != made {
					t.Errorf("%+v beside %+v", a, actors[0])
				}
			}
			wantAccounts(t, db, "s1 ada@uni.example ada@uni.example Ada")
		})
	}
}

func TestOneOfTwoClaims(t *testing.T) {
	db := schematest.New(t)
	made := provision(t, db, "ada@uni.example")
	ids := []Identity{identity(t, "s1", "ada@uni.example", ""), identity(t, "s2", "ADA@uni.example", "")}
	actors := make([]access.Actor, 20)
	var requests sync.WaitGroup
	for i := range actors {
		requests.Go(func() {
			var err error
			if actors[i], err = NewDirectory(db).Actor(t.Context(), ids[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	requests.Wait()
	for i, a := range actors {
		if a.ID != actors[i%2].ID {
			t.Errorf("%s is %v and %v", ids[i%2].Subject, a.ID, actors[i%2].ID)
		}
	}
	if first, second := actors[0].ID.UUID == made, actors[1].ID.UUID == made; first == second {
		t.Errorf("claimed by the first %t, by the second %t", first, second)
	}
	if n := len(accounts(t, db)); n != 2 {
		t.Errorf("%d accounts", n)
	}
}

func TestClaim(t *testing.T) {
	db := schematest.New(t)
	made := provision(t, db, "ada@uni.example")
	wantAccounts(t, db, "- ada@uni.example ada@uni.example Provisioned")
	if other := see(t, db, identity(t, "s0", "eve@uni.example", "")); other.ID.UUID == made {
		t.Error("somebody of another address has claimed it")
	}
	// The spelling is the person's own from the first moment.
	actor := see(t, db, identity(t, "s1", "ADA@uni.example", ""))
	if actor.ID.UUID != made || actor.Email != "ADA@uni.example" || actor.Name != "Provisioned" {
		t.Errorf("%+v", actor)
	}
	wantAccounts(t, db, "s1 ADA@uni.example ada@uni.example Provisioned", "s0 eve@uni.example eve@uni.example Eve")
}

// Before the statements of create, another request may have created the
// person's account, or provisioned one for their address.
func TestClaimAfterFirstSight(t *testing.T) {
	db := schematest.New(t)
	id := identity(t, "s1", "ada@uni.example", "")
	first := see(t, db, id)
	if _, err := db.Exec(t.Context(), `
		insert into account (id, email, email_key, name) values ($1, $2, $2, 'Provisioned')`, uuid.New(), "ada@uni.example"); err != nil {
		t.Fatal(err)
	}
	if err := NewDirectory(db).create(t.Context(), id); err != nil {
		t.Error(err)
	}
	if again := see(t, db, id); again != first {
		t.Errorf("%v, at first %v", again, first)
	}
}

func TestProvision(t *testing.T) {
	db := schematest.New(t)
	made := make([]uuid.UUID, 20)
	var founders sync.WaitGroup
	for i := range made {
		founders.Go(func() { made[i] = provision(t, db, []string{"ada@uni.example", "Ada@UNI.example"}[i%2]) })
	}
	founders.Wait()
	for _, id := range made {
		if id != made[0] || id == uuid.Nil {
			t.Errorf("accounts %v and %v", made[0], id)
		}
	}
	if n := len(accounts(t, db)); n != 1 {
		t.Errorf("%d accounts", n)
	}
	see(t, db, identity(t, "s1", "ada@uni.example", ""))
	again := provision(t, db, "ada@uni.example")
	if n := len(accounts(t, db)); again != made[0] || n != 1 {
		t.Errorf("for somebody who has signed in there are %d accounts", n)
	}
}

func TestLanguage(t *testing.T) {
	db := schematest.New(t)
	for _, c := range []struct{ locale, want string }{
		{"", ""},
		{"de-CH", "de-CH"},
		{"", "de-CH"}, // what is not said changes nothing
		{"fr_CA", "fr-CA"},
		{"en;q=0.5, it;q=0.9, it", "it, en"},
		{"\x00", "it, en"},
		{"not a language at all", "it, en"},
		{"*", "it, en"},
		{"de, fr, en, it, es, pt", "de, fr, en, it, es"},
		{strings.Repeat("de,", 1000), "de"},
		{"en-a-bbb-" + strings.Repeat("x", 8) + "-" + strings.Repeat("y", 8) + "-" + strings.Repeat("z", 8) + "-ww", "de"}, // too long to be one
	} {
		id := identity(t, "s1", "ada@uni.example", "Ada")
		id.Locale = c.locale
		see(t, db, id)
		var got string
		if err := db.Get(t.Context(), &got, `select coalesce(locale, '') from account`); err != nil || got != c.want {
			t.Errorf("after %.30q: %q, %v; want %q", c.locale, got, err, c.want)
		}
	}
	// A browser that asks for another language each time is not written down
	// each time.
	d := NewDirectory(db)
	ctx, statements := postgres.WithStatementCount(t.Context())
	for _, locale := range []string{"de", "fr", "en", "de", "fr"} {
		id := identity(t, "s1", "ada@uni.example", "Ada")
		id.Locale = locale
		if _, err := d.Actor(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if n := statements.Load(); n > 2 {
		t.Errorf("%d statements", n)
	}
}

func TestNameFrom(t *testing.T) {
	for email, want := range map[string]string{
		"ada@uni.example":          "Ada",
		"Ada.Lovelace@uni.example": "Ada.Lovelace",
		"élodie@uni.example":       "Élodie",
		"1@uni.example":            "1",
		"a@uni.example":            "A",
		"अदा@uni.example":          "अदा",
	} {
		if got := NameFrom(parse(t, email)); got != want {
			t.Errorf("%s: %q, want %q", email, got, want)
		}
	}
}
