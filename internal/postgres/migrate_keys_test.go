package postgres_test

import (
	"testing"

	"github.com/pressly/goose/v3"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/migrations"
)

// storedKeys returns all addresses with their keys, as text.
const storedKeys = `
	select string_agg(r, ', ' order by r collate "C") from (
		select email || ' ' || email_key as r from account
		union all
		select email || ' ' || email_key || ' ' || status from invitation) r`

func TestMigrateRecomputesTheKeysOfAddresses(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	released, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := released.UpTo(withPatience(t), 7); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `
		insert into account (id, subject, email, email_key, name) values
			('00000000-0000-0000-0000-00000000000a', 's1', 'Straße@uni.example', 'strasse@uni.example', 'A'),
			('00000000-0000-0000-0000-00000000000b', 's2', 'strasse@uni.example', 'strasse@uni.example', 'B'),
			('00000000-0000-0000-0000-00000000000c', null, 'GROẞ@bücher.example', 'gross@xn--bcher-kva.example', 'C'),
			('00000000-0000-0000-0000-00000000000d', 's4', 'ÉLODIE@uni.example', 'élodie@uni.example', 'D');
		insert into organization (id, name) values ('00000000-0000-0000-0000-000000000001', 'O');
		begin;
		insert into space (id, organization_id, name) values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'S');
		insert into instance (id, space_id, name, kind) select gen_random_uuid(), '00000000-0000-0000-0000-000000000002', k, k from unnest(array['MASTER', 'DISTRIBUTED']) k;
		commit`)
	invite := func(email, key string) {
		t.Helper()
		execute(t, db, `
			insert into invitation (id, space_id, email, email_key, token_hash, invited_by, expires_at)
			values (gen_random_uuid(), '00000000-0000-0000-0000-000000000002', '`+email+`', '`+key+`', sha256(gen_random_uuid()::text::bytea),
			        '00000000-0000-0000-0000-00000000000a', now() + interval '1 day')`)
	}
	invite("straße@uni.example", "strasse@uni.example")
	invite("ᾳδης@uni.example", "αιδησ@uni.example")
	invite("ada@uni.example", "ada@uni.example")

	migrate := func(applies bool, want migrations.AddressKeys) {
		t.Helper()
		var found []migrations.AddressKeys
		applied, err := postgres.Migrate(withPatience(t), dsn, "", func(k migrations.AddressKeys) { found = append(found, k) })
		if err != nil || applied > 0 != applies || len(found) != 1 || found[0] != want {
			t.Fatalf("applied %d, found %+v, %v; want %+v", applied, found, err, want)
		}
	}
	migrate(true, migrations.AddressKeys{Read: 4, Changed: 4, JoinedAccounts: 1, JoinedInvitations: 1})
	wantText := func(query, want string) {
		t.Helper()
		if got := read[string](t, db, `select coalesce((`+query+`), '')`); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	wantText(storedKeys, `GROẞ@bücher.example groß@xn--bcher-kva.example, Straße@uni.example straße@uni.example, ada@uni.example ada@uni.example PENDING, `+
		`strasse@uni.example strasse@uni.example, straße@uni.example straße@uni.example PENDING, ÉLODIE@uni.example élodie@uni.example, ᾳδης@uni.example ᾳδησ@uni.example PENDING`)
	migrate(false, migrations.AddressKeys{Read: 4})

	// What gateways of before write beside it is corrected the next time. A second
	// invitation to one mailbox ends.
	execute(t, db, `update account set email_key = 'strasse@uni.example' where subject = 's1'`)
	execute(t, db, `insert into account (id, email, email_key, name) values (gen_random_uuid(), 'groß@bücher.example', 'gross@xn--bcher-kva.example', 'E')`)
	invite("STRAßE@uni.example", "strasse@uni.example")
	migrate(false, migrations.AddressKeys{Read: 6, Changed: 2, Left: 1, JoinedAccounts: 1, JoinedInvitations: 1})
	wantText(`select string_agg(email_key || ' ' || status, ', ' order by status) from invitation where email ilike 'stra%'`,
		`straße@uni.example PENDING, straße@uni.example REVOKED`)
}

// The newest account of an address becomes its holder, one that somebody has claimed
// if there is one.
func TestMigrateFindsTheHoldersOfAddresses(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	released, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := released.UpTo(withPatience(t), 7); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `
		insert into account (id, subject, email, email_key, name, created_at) values
			(gen_random_uuid(), 's1', 'a@uni.example', 'a@uni.example', 'A', now() - interval '3 days'),
			(gen_random_uuid(), 's2', 'a@uni.example', 'a@uni.example', 'A', now() - interval '1 day'),
			(gen_random_uuid(), 's3', 'a@uni.example', 'a@uni.example', 'A', now() - interval '2 days'),
			(gen_random_uuid(), null, 'a@uni.example', 'a@uni.example', 'A', now()),
			(gen_random_uuid(), null, 'b@uni.example', 'b@uni.example', 'B', now())`)
	if _, err := postgres.Migrate(withPatience(t), dsn, ""); err != nil {
		t.Fatal(err)
	}
	if got, want := read[string](t, db, `
		select string_agg(h.email_key || ' ' || coalesce(a.subject, 'unclaimed') || ' ' || (h.proved_at is not distinct from case when a.subject is not null then a.created_at end), ', ' order by h.email_key)
		from address_holder h join account a on a.id = h.account_id`), "a@uni.example s2 true, b@uni.example unclaimed true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
