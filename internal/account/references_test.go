package account

import (
	"slices"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

// A new foreign key to accounts fails here until it is in References, and so until
// somebody has decided what merging and erasing do with it.
func TestReferencesNameEveryForeignKeyToAccounts(t *testing.T) {
	db := schematest.New(t)
	var keys []struct {
		Table  string `db:"table_name"`
		Column string `db:"column_name"`
	}
	if err := db.Select(t.Context(), &keys, `
		select c.conrelid::regclass::text as table_name, a.attname as column_name
		from pg_constraint c
		join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
		where c.contype = 'f' and c.confrelid = 'account'::regclass
		order by 1, 2`); err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 {
		t.Fatal("no foreign key to accounts was found")
	}
	for _, key := range keys {
		if !slices.ContainsFunc(References, func(r Reference) bool { return r.Table == key.Table && r.Column == key.Column }) {
			t.Errorf("%s.%s references accounts: add it to References, and decide what merging, exporting and erasing accounts do with it", key.Table, key.Column)
		}
	}
	for _, r := range References {
		if !slices.ContainsFunc(mergeSteps, func(s mergeStep) bool { return s.table == r.Table }) {
			t.Errorf("no step of a merger moves %s", r.Table)
		}
	}
	// Every other reference can at least be read.
	for _, r := range References {
		if _, err := db.Exec(t.Context(), `select `+r.Column+` from `+r.Table+` limit 0`); err != nil {
			t.Errorf("%s.%s: %v", r.Table, r.Column, err)
		}
	}
}
