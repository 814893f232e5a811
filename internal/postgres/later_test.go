package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Writes that are kept are done with the next statement or the commit, in as few
// statements as possible.
func TestLater(t *testing.T) {
	dsn := newEmptyDatabase(t)
	admin := connect(t, dsn)
	execute(t, admin, `create table note (id bigint generated always as identity, text text not null unique)`)
	execute(t, admin, `create table label (text text not null)`)
	db := open(t, dsn, postgres.Options{})
	const (
		note  = `insert into note (text) select $1 || $2::text where $3`
		label = `insert into label (text) values ($1)`
	)
	failure := errors.New("the caller fails")
	for name, c := range map[string]struct {
		do          func(ctx context.Context, tx *postgres.Tx) error
		statements  int64 // BEGIN and COMMIT included
		notes       []string
		labels      int
		wantFailure bool
	}{
		"one": {func(ctx context.Context, tx *postgres.Tx) error { return tx.Later(ctx, note, "a", "b", true) }, 3, []string{"ab"}, 0, false},
		"two": {func(ctx context.Context, tx *postgres.Tx) error {
			return errors.Join(tx.Later(ctx, note, "a", "b", true), tx.Later(ctx, label, "c"))
		}, 3, []string{"ab"}, 1, false},
		"the same query keeps its order": {func(ctx context.Context, tx *postgres.Tx) error {
			return errors.Join(tx.Later(ctx, note, "a", "", true), tx.Later(ctx, label, "c"), tx.Later(ctx, note, "b", "", true))
		}, 4, []string{"a", "b"}, 1, false},
		"a statement sees them": {func(ctx context.Context, tx *postgres.Tx) error {
			var n int
			err := errors.Join(tx.Later(ctx, note, "a", "b", true), tx.Get(ctx, &n, `select count(*) from note`))
			if n != 1 {
				t.Errorf("%d notes are seen", n)
			}
			return err
		}, 4, []string{"ab"}, 0, false},
		"beside a query": {func(ctx context.Context, tx *postgres.Tx) error {
			var got []string
			err := errors.Join(tx.Later(ctx, note, "a", "b", true), tx.Later(ctx, label, "c"),
				tx.SelectBesideWrites(ctx, &got, `select t from unnest($1::text[]) t where t <> $2`, pq.StringArray{"x", "y"}, "y"))
			if !cmp.Equal(got, []string{"x"}) {
				t.Errorf("%q", got)
			}
			return err
		}, 3, []string{"ab"}, 1, false},
		"beside a query with a WITH clause": {func(ctx context.Context, tx *postgres.Tx) error {
			var got []string
			err := errors.Join(tx.Later(ctx, label, "c"),
				tx.SelectBesideWrites(ctx, &got, `
					with made as (insert into note (text) select unnest($1::text[]) returning text)
					select text from made where text <> $2`, pq.StringArray{"x", "y"}, "y"))
			if !cmp.Equal(got, []string{"x"}) {
				t.Errorf("%q", got)
			}
			return err
		}, 3, []string{"x", "y"}, 1, false},
		"beside nothing": {func(ctx context.Context, tx *postgres.Tx) error {
			var got []int
			return tx.SelectBesideWrites(ctx, &got, `select 1`)
		}, 3, nil, 0, false},
		"nothing": {func(ctx context.Context, tx *postgres.Tx) error { return nil }, 2, nil, 0, false},
		"before an error": {func(ctx context.Context, tx *postgres.Tx) error {
			return errors.Join(tx.Later(ctx, note, "a", "b", true), failure)
		}, 1, nil, 0, true},
		"an error of theirs": {func(ctx context.Context, tx *postgres.Tx) error {
			return errors.Join(tx.Later(ctx, label, "c"), tx.Later(ctx, note, "a", nil, true))
		}, 2, nil, 0, true},
		"in an attempt that fails": {func(ctx context.Context, tx *postgres.Tx) error {
			err := tx.Later(ctx, label, "c")
			if attempted := tx.Attempt(ctx, func() error {
				return errors.Join(tx.Later(ctx, note, "a", "b", true), failure)
			}); !errors.Is(attempted, failure) {
				t.Errorf("%v", attempted)
			}
			return err
		}, 5, nil, 1, false},
		"in an attempt": {func(ctx context.Context, tx *postgres.Tx) error {
			return tx.Attempt(ctx, func() error { return tx.Later(ctx, note, "a", "b", true) })
		}, 4, []string{"ab"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			execute(t, admin, `truncate note, label`)
			ctx, statements := postgres.WithStatementCount(withPatience(t))
			if err := db.InTx(ctx, func(tx *postgres.Tx) error { return c.do(ctx, tx) }); (err != nil) != c.wantFailure {
				t.Fatal(err)
			}
			if n := statements.Load(); n != c.statements {
				t.Errorf("%d statements, want %d", n, c.statements)
			}
			notes := read[pq.StringArray](t, admin, `select array(select text from note order by id)`)
			if !cmp.Equal([]string(notes), append([]string{}, c.notes...)) {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
			if n := read[int](t, admin, `select count(*) from label`); n != c.labels {
				t.Errorf("%d labels, want %d", n, c.labels)
			}
		})
	}
}
