package space_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/space"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func founding(t testing.TB, organization, name, administrator string) space.ProvisionInput {
	t.Helper()
	email, problem := address.Parse(administrator)
	if problem != nil {
		t.Fatal(problem)
	}
	return space.ProvisionInput{Organization: organization, Name: name, Administrator: email}
}

// stored is everything that founding makes, as text.
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

func TestFoundTwice(t *testing.T) {
	db := schematest.New(t)
	f := founding(t, "University", "Econometrics", "ada@uni.example")
	first, made, err := space.Provision(t.Context(), db, f)
	if !made || err != nil || first.Kind != globalid.Space {
		t.Fatalf("%v, %t, %v", first, made, err)
	}
	again, made, err := space.Provision(t.Context(), db, f)
	if again != first || made || err != nil {
		t.Errorf("%v, %t, %v; at first %v", again, made, err, first)
	}
	if diff := cmp.Diff(econometrics, stored(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestFoundInParallel(t *testing.T) {
	db := schematest.New(t)
	ids := make([]globalid.ID, 20)
	newOnes := make([]bool, len(ids))
	var founders sync.WaitGroup
	for i := range ids {
		founders.Go(func() {
			var err error
			if ids[i], newOnes[i], err = space.Provision(t.Context(), db, founding(t, "University", "Econometrics", "ada@uni.example")); err != nil {
				t.Error(err)
			}
		})
	}
	founders.Wait()
	made := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("the space is %v and %v", ids[0], ids[i])
		}
		if newOnes[i] {
			made++
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
	if diff := cmp.Diff(econometrics, stored(t, db)); diff != "" {
		t.Error(diff)
	}
}

func TestFoundMore(t *testing.T) {
	db := schematest.New(t)
	for _, f := range []space.ProvisionInput{
		founding(t, "University", "Econometrics", "ada@uni.example"),
		founding(t, "University", "Econometrics", "ed@uni.example"),
		founding(t, "University", "Finance", "ADA@uni.example"),
		founding(t, "Institute", "Econometrics", "ada@uni.example"),
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

func TestNames(t *testing.T) {
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
			"organization": founding(t, name, "Econometrics", "ada@uni.example"),
			"name":         founding(t, "University", name, "ada@uni.example"),
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
		if _, _, err := space.Provision(t.Context(), db, founding(t, "", "", "ada@uni.example")); err == nil || !strings.Contains(err.Error(), "organization") {
			t.Fatalf("of two wrong names the first is not named: %v", err)
		}
	}
	if n := len(stored(t, db)); n == 0 {
		t.Error("nothing is stored")
	}
}

// Every space has its two special instances from its creation on.
func TestSpecialInstances(t *testing.T) {
	db := schematest.New(t)
	ctx := t.Context()
	for i, kinds := range [][]string{{}, {"MASTER"}, {"DISTRIBUTED"}, {"WORKING", "WORKING"}} {
		err := db.InTx(ctx, func(tx *postgres.Tx) error {
			organization, err := space.EnsureOrganization(ctx, tx, "University")
			if err != nil {
				return err
			}
			id := globalid.New(globalid.Space)
			if _, err := tx.Exec(ctx, `insert into space (id, organization_id, name) values ($1, $2, $3)`, id.UUID, organization, fmt.Sprint(i)); err != nil {
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
