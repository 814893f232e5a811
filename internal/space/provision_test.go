package space_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/organization"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.MainEmpty(m) }

func input(t testing.TB, organization, name, administrator string) space.ProvisionInput {
	t.Helper()
	email, problem := address.Parse(administrator)
	if problem != nil {
		t.Fatal(problem)
	}
	return space.ProvisionInput{Organization: organization, Name: name, Administrator: email}
}

// stored returns everything that Provision creates, as text.
func stored(t testing.TB, db *postgres.DB) (list []string) {
	t.Helper()
	if err := db.Select(t.Context(), &list, `
		select 'organization ' || name from organization
		union all
		select 'space ' || s.name || ' of ' || o.name from space s join organization o on o.id = s.organization_id
		union all
		select 'instance ' || i.name || ' ' || i.kind || ' of ' || s.name from instance i join space s on s.id = i.space_id
		union all
		select 'account ' || coalesce(subject, '-') || ' ' || email || ' ' || name from account
		union all
		select 'administrator ' || a.email || ' of ' || s.name
		from space_administrator sa join space s on s.id = sa.space_id join account a on a.id = sa.account_id
		order by 1`); err != nil {
		t.Fatal(err)
	}
	return list
}

var econometrics = []string{
	"account - ada@uni.example Ada",
	"administrator ada@uni.example of Econometrics",
	"instance Distributed DISTRIBUTED of Econometrics",
	"instance Master MASTER of Econometrics",
	"organization University",
	"space Econometrics of University",
}

func TestProvisionTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	f := input(t, "University", "Econometrics", "ada@uni.example")
	first, created, err := space.Provision(t.Context(), db, f)
	if !created || err != nil || first.Kind != globalid.Space {
		t.Fatalf("%v, %t, %v", first, created, err)
	}
	again, created, err := space.Provision(t.Context(), db, f)
	if again != first || created || err != nil {
		t.Errorf("%v, %t, %v; at first %v", again, created, err, first)
	}
	if diff := cmp.Diff(econometrics, stored(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestProvisionInParallelCreatesOneSpace(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ids := make([]globalid.ID, 20)
	created := make([]bool, len(ids))
	var callers sync.WaitGroup
	for i := range ids {
		callers.Go(func() {
			var err error
			if ids[i], created[i], err = space.Provision(t.Context(), db, input(t, "University", "Econometrics", "ada@uni.example")); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	creations := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("the space is %v and %v", ids[0], ids[i])
		}
		if created[i] {
			creations++
		}
	}
	if creations != 1 {
		t.Errorf("created %d times", creations)
	}
	if diff := cmp.Diff(econometrics, stored(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestProvisionCreatesOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	for _, f := range []space.ProvisionInput{
		input(t, "University", "Econometrics", "ada@uni.example"),
		input(t, "University", "Econometrics", "ed@uni.example"),
		input(t, "University", "Finance", "ADA@uni.example"),
		input(t, "Institute", "Econometrics", "ada@uni.example"),
	} {
		if _, _, err := space.Provision(t.Context(), db, f); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"account - ada@uni.example Ada",
		"account - ed@uni.example Ed",
		"administrator ada@uni.example of Econometrics",
		"administrator ada@uni.example of Econometrics",
		"administrator ada@uni.example of Finance",
		"administrator ed@uni.example of Econometrics",
		"instance Distributed DISTRIBUTED of Econometrics",
		"instance Distributed DISTRIBUTED of Econometrics",
		"instance Distributed DISTRIBUTED of Finance",
		"instance Master MASTER of Econometrics",
		"instance Master MASTER of Econometrics",
		"instance Master MASTER of Finance",
		"organization Institute",
		"organization University",
		"space Econometrics of Institute",
		"space Econometrics of University",
		"space Finance of University",
	}
	if diff := cmp.Diff(want, stored(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestProvisionRefusesOtherNames(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	names := map[string]bool{
		"X":                                 true,
		"Économétrie 2026 – 計量 📈":           true,
		strings.Repeat("é", 200):            true,
		"":                                  false,
		" ":                                 false,
		strings.Repeat("é", 201):            false,
		strings.Repeat("x", 1<<20):          false,
		"Econo\x00metrics":                  false,
		"Econo\nmetrics":                    false,
		"Econo\u200bmetrics":                false,
		"Econo\u202emetrics":                false,
		"Econo\xffmetrics":                  false,
		" Econometrics":                     false,
		"E\u0301conome\u0301trie":           false,
		strings.Repeat("e", 200) + "\u0301": false,
	}
	for name, ok := range names {
		for what, f := range map[string]space.ProvisionInput{
			"organization": input(t, name, "Econometrics", "ada@uni.example"),
			"name":         input(t, "University", name, "ada@uni.example"),
		} {
			_, _, err := space.Provision(t.Context(), db, f)
			if (err == nil) != ok {
				t.Errorf("the %s %.20q: %v", what, name, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "the "+what) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 200) {
				t.Errorf("%v", err)
			}
		}
	}
	for range 20 {
		if _, _, err := space.Provision(t.Context(), db, input(t, "", "", "ada@uni.example")); err == nil || !strings.Contains(err.Error(), "organization") {
			t.Fatalf("of two wrong names the first is not named: %v", err)
		}
	}
	if n := len(stored(t, db)); n == 0 {
		t.Error("nothing is stored")
	}
}

func TestSpaceCannotLackASpecialInstance(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	for i, kinds := range [][]string{{}, {"MASTER"}, {"DISTRIBUTED"}, {"WORKING", "WORKING"}} {
		err := db.InTx(ctx, func(tx *postgres.Tx) error {
			university, _, err := organization.Ensure(ctx, tx, "University")
			if err != nil {
				return err
			}
			id := globalid.New(globalid.Space)
			if _, err := tx.Exec(ctx, `insert into space (id, organization_id, name) values ($1, $2, $3)`, id.UUID, university.UUID, fmt.Sprint(i)); err != nil {
				return err
			}
			for _, kind := range kinds {
				if _, err := tx.Exec(ctx, `insert into instance (id, space_id, name, kind) values ($1, $2, 'x', $3)`,
					globalid.New(globalid.Instance).UUID, id.UUID, kind); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "lacks its Master or Distributed") {
			t.Errorf("%v: %v", kinds, err)
		}
	}
}

// A person has signed in with one address, and proves another one through two gateways
// while an operator makes that address an administrator: the role is theirs in any order.
func TestProvisionRacesWithTheProofOfTheAddress(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	var race racetest.Race
	for n := range racetest.Trials {
		in := input(t, "University", fmt.Sprintf("Space %d", n), fmt.Sprintf("two%d@uni.example", n))
		one := input(t, "", "", fmt.Sprintf("one%d@uni.example", n)).Administrator
		if n%2 == 0 { // the address waits already, with another role
			if _, _, err := space.Provision(t.Context(), db, input(t, "University", "Before", in.Administrator.String())); err != nil {
				t.Fatal(err)
			}
		}
		issued := time.Now().Truncate(time.Second) // as tokens say it
		prove := func(email address.Address, later time.Duration) (access.Actor, error) {
			return account.NewDirectory(db).Actor(t.Context(), account.Identity{Subject: one.String(), Email: email, IssuedAt: issued.Add(later)})
		}
		person, err := prove(one, 0)
		if err != nil {
			t.Fatal(err)
		}
		var provisioned error
		var proofs [2]error
		var made bool
		race.Run(
			func() { _, made, provisioned = space.Provision(t.Context(), db, in) },
			func() {
				racetest.Together(
					func() { _, proofs[0] = prove(in.Administrator, time.Minute) },
					func() { _, proofs[1] = prove(in.Administrator, time.Minute) })
			})
		if err := errors.Join(provisioned, proofs[0], proofs[1]); err != nil || !made {
			t.Fatalf("trial %d: %v", n, err)
		}
		var roles []string
		if err := db.Select(t.Context(), &roles, `
			select s.name from space_administrator m join space s on s.id = m.space_id where m.account_id = $1 order by 1`, person.ID.UUID); err != nil {
			t.Fatal(err)
		}
		// An empty account that was made at the moment of the proof goes with the next sign-in.
		if again, err := prove(in.Administrator, time.Minute); err != nil || again.ID != person.ID || again.FormerHolder {
			t.Fatalf("trial %d: %+v, %v", n, again, err)
		}
		want := []string{in.Name}
		if n%2 == 0 {
			want = []string{"Before", in.Name}
		}
		var waiting, granted int
		if err := db.Get(t.Context(), &waiting, `select count(*) from account where subject is null and merged_into is null`); err != nil {
			t.Fatal(err)
		}
		if err := db.Get(t.Context(), &granted, `select count(*) from audit_log where action = 'ROLE_GRANTED' and space_name = $1`, in.Name); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(roles, want) || waiting != 0 {
			t.Fatalf("trial %d: administrator of %q, want %q; %d accounts are unclaimed", n, roles, want, waiting)
		}
		race.Record(granted == 1)
	}
	race.End(t)
}
