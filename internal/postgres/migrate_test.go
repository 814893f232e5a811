package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/migrations"
)

// versions are the numbers of the migrations, in their order.
func versions(t testing.TB) (versions []int64) {
	t.Helper()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
	}
	for _, m := range migrations.InGo(nil) {
		versions = append(versions, m.Version)
	}
	slices.Sort(versions)
	return versions
}

// known is how many migrations there are.
func known(t testing.TB) int {
	t.Helper()
	return len(versions(t))
}

func tables(t testing.TB, db *sql.DB) int {
	t.Helper()
	return read[int](t, db, `select count(*) from pg_class where relnamespace = 'public'::regnamespace and relname not like 'goose_db_version%'`)
}

// applied is how often each version has been applied, goose's own mark of the
// beginning left out.
func applied(t testing.TB, db *sql.DB) string {
	t.Helper()
	return read[string](t, db, `
		select coalesce(string_agg(version_id || '×' || n, ' ' order by version_id), '')
		from (select version_id, count(*) as n from goose_db_version where version_id > 0 group by version_id) v`)
}

func eachOnce(t testing.TB) string {
	t.Helper()
	var b []string
	for _, v := range versions(t) {
		b = append(b, itoa(int(v))+"×1")
	}
	return strings.Join(b, " ")
}

func TestMigrateAtOnce(t *testing.T) {
	dsn := newEmptyDatabase(t)
	const callers = 8
	var counts [callers]int
	var callersDone sync.WaitGroup
	for i := range callers {
		callersDone.Go(func() {
			var err error
			if counts[i], err = postgres.Migrate(withPatience(t), dsn, ""); err != nil {
				t.Error(err)
			}
		})
	}
	callersDone.Wait()

	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum != known(t) {
		t.Errorf("they applied %v migrations, want %d in all", counts, known(t))
	}
	db := connect(t, dsn)
	if got := applied(t, db); got != eachOnce(t) {
		t.Errorf("applied %s, want %s", got, eachOnce(t))
	}
	if err := postgres.CheckSchema(t.Context(), dsn); err != nil {
		t.Error(err)
	}
	if n, err := postgres.Migrate(t.Context(), dsn, ""); n != 0 || err != nil {
		t.Errorf("once more applied %d, %v", n, err)
	}
}

// The migration is held up at its last table, by somebody who has made one of
// this name and neither commits nor gives up.
func TestMigrateKilledInTheMiddle(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	obstacle, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := obstacle.Exec(`create table demo_world ()`); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(withPatience(t), dsn, "")
		failed <- err
	}()
	eventually(t, "a migration that waits", func() bool {
		return read[int](t, db, `
			select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and query ilike '%create table demo_world%'`) == 1
	})
	if err := <-failed; err == nil {
		t.Error("a migration whose connection was lost reports success")
	}
	if err := obstacle.Rollback(); err != nil {
		t.Fatal(err)
	}

	if n := tables(t, db); n != 0 {
		t.Errorf("%d tables and indexes were left behind", n)
	}
	if got := applied(t, db); got != "" {
		t.Errorf("applied %s", got)
	}
	var older *postgres.SchemaError
	if err := postgres.CheckSchema(t.Context(), dsn); !errors.As(err, &older) {
		t.Errorf("the check of a schema that is not there: %v", err)
	}
	if n, err := postgres.Migrate(withPatience(t), dsn, ""); n != known(t) || err != nil {
		t.Errorf("the next one applied %d, %v", n, err)
	}
	if got := applied(t, db); got != eachOnce(t) {
		t.Errorf("applied %s, want %s", got, eachOnce(t))
	}
}

// A migration that found a table in somebody's hands lets go of those that it
// holds, and comes back.
func TestMigrateBesideALongTransaction(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	first, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.UpTo(withPatience(t), 1); err != nil {
		t.Fatal(err)
	}
	reader, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(`select count(*) from audit_log`); err != nil {
		t.Fatal(err)
	}
	giveUps := `select coalesce(sum(xact_rollback), 0) from pg_stat_database where datname = current_database()`
	before := read[int](t, db, giveUps)
	migrated := make(chan error, 1)
	go func() {
		n, err := postgres.Migrate(withPatience(t), dsn, "")
		if err == nil && n != known(t)-1 {
			err = fmt.Errorf("applied %d", n)
		}
		migrated <- err
	}()
	eventually(t, "a migration that gives up for now", func() bool { return read[int](t, db, giveUps) > before })
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}

func TestMigrateGivesUpWithItsContext(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	db.SetMaxOpenConns(1)
	// goose's lock, in the hands of another gateway that migrates.
	execute(t, db, `select pg_advisory_lock(4097083626)`)
	ctx, cancel := context.WithCancel(withPatience(t))
	failed := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(ctx, dsn, "")
		failed <- err
	}()
	eventually(t, "somebody who asks for the lock", func() bool {
		return read[bool](t, db, `select exists (
			select from pg_stat_activity where datname = current_database() and query like 'SELECT pg_try_advisory_lock%')`)
	})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
	if n := tables(t, db); n != 0 {
		t.Errorf("%d tables were made without the lock", n)
	}
}

func TestCheckSchema(t *testing.T) {
	last := slices.Max(versions(t))
	tests := map[string]struct {
		empty   bool
		change  []string
		want    *postgres.SchemaError
		message string
	}{
		"empty": {
			empty:   true,
			want:    &postgres.SchemaError{Known: last},
			message: "run datahub-gateway migrate",
		},
		"older": {
			change:  []string{`delete from goose_db_version where version_id = (select max(version_id) from goose_db_version)`},
			want:    &postgres.SchemaError{Known: last, Found: last - 1, OldestGateway: 1},
			message: "run datahub-gateway migrate",
		},
		"the same": {},
		"newer, compatible": {
			change: []string{`insert into goose_db_version (version_id, is_applied) values (1000, true)`},
		},
		"newer, incompatible": {
			change: []string{
				`insert into goose_db_version (version_id, is_applied) values (1000, true)`,
				`update schema_requirement set oldest_gateway = 1000`,
			},
			want:    &postgres.SchemaError{Known: last, Found: 1000, OldestGateway: 1000},
			message: "install a newer gateway",
		},
		"newer, which this one is just new enough for": {
			change: []string{
				`insert into goose_db_version (version_id, is_applied) values (1000, true)`,
				`update schema_requirement set oldest_gateway = ` + itoa(int(last)),
			},
		},
	}
	migrated, empty := newDatabase(t), newEmptyDatabase(t)
	db := connect(t, migrated)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dsn := migrated
			if test.empty {
				dsn = empty
			}
			for _, change := range append([]string{
				`delete from goose_db_version`,
				`insert into goose_db_version (version_id, is_applied) select v, true from generate_series(0, ` + itoa(int(last)) + `) v`,
				`update schema_requirement set oldest_gateway = 1`,
			}, test.change...) {
				execute(t, db, change)
			}
			err := postgres.CheckSchema(withPatience(t), dsn)
			var got *postgres.SchemaError
			errors.As(err, &got)
			if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != (test.want == nil) {
				t.Errorf("%v\n%s", err, diff)
			}
			if err != nil && !strings.Contains(err.Error(), test.message) {
				t.Errorf("%q does not say: %s", err, test.message)
			}
		})
	}
}

// An old gateway's migrate command leaves a newer schema as it is.
func TestMigrateNewerSchema(t *testing.T) {
	dsn := newDatabase(t)
	db := connect(t, dsn)
	execute(t, db, `insert into goose_db_version (version_id, is_applied) values (1000, true)`)
	if n, err := postgres.Migrate(withPatience(t), dsn, ""); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Without an index on a foreign key, a deletion reads the whole referring table. A
// partial index is enough where it leaves out only nulls.
func TestForeignKeysAreIndexed(t *testing.T) {
	db := connect(t, newDatabase(t))
	if read[int](t, db, `select count(*) from pg_constraint where contype = 'f'`) == 0 {
		t.Fatal("no foreign key was found")
	}
	if bare := read[string](t, db, `
		select coalesce(string_agg(c.conname, ', '), '') from pg_constraint c
		where c.contype = 'f' and not exists (
			select from pg_index i
			where i.indrelid = c.conrelid and i.indisvalid
			  and (select array_agg(k order by k) from unnest(c.conkey) k)
			    = (select array_agg(k order by k) from unnest((i.indkey::int2[])[0:cardinality(c.conkey) - 1]) k)
			  and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) in (
				select '(' || quote_ident(a.attname) || ' IS NOT NULL)' from pg_attribute a
				where a.attrelid = c.conrelid and a.attnum = any (c.conkey))))`); bare != "" {
		t.Errorf("foreign keys without an index: %s", bare)
	}
}

// The gateway recognises a broken rule by its constraint's name, so each name
// must stand in a migration rather than be PostgreSQL's invention.
func TestConstraintsAreNamed(t *testing.T) {
	db := connect(t, newDatabase(t))
	var text strings.Builder
	err := fs.WalkDir(migrations.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := fs.ReadFile(migrations.Files, path)
		text.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	chosen := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?i)\bconstraint(?:\s+trigger)?\s+([a-z_0-9]+)`).FindAllStringSubmatch(text.String(), -1) {
		chosen[match[1]] = true
	}

	rows, err := db.Query(`
		select r.relname, c.conname from pg_constraint c join pg_class r on r.oid = c.conrelid
		where r.relnamespace = 'public'::regnamespace and r.relname not like 'goose%' and c.contype <> 'n'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var table, name string
		if err := rows.Scan(&table, &name); err != nil {
			t.Fatal(err)
		}
		n++
		if !chosen[name] {
			t.Errorf("the constraint %s of %s is named by no migration", name, table)
		}
		if !strings.HasPrefix(name, table+"_") {
			t.Errorf("the constraint %s does not begin with its table's name, %s", name, table)
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		t.Errorf("%d constraints, %v", n, err)
	}
}

// What was there before the second migration is there after it.
func TestInvitationsOfTheFirstSchemaLiveOn(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	first, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.UpTo(withPatience(t), 1); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `
		insert into account (id, email, email_key, name) values ('00000000-0000-0000-0000-00000000000a', 'ada@uni.example', 'ada@uni.example', 'Ada');
		insert into organization (id, name) values ('00000000-0000-0000-0000-000000000001', 'O');
		begin;
		insert into space (id, organization_id, name) values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'S');
		insert into instance (id, space_id, name, kind) select gen_random_uuid(), '00000000-0000-0000-0000-000000000002', k, k from unnest(array['MASTER', 'DISTRIBUTED']) k;
		commit;
		insert into instance (id, space_id, name, kind, deleted_at, deleted_by, restorable_until) values
			('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000002', 'Active', 'WORKING', null, null, null),
			('00000000-0000-0000-0000-000000000004', '00000000-0000-0000-0000-000000000002', 'Deleted', 'WORKING', now(), '00000000-0000-0000-0000-00000000000a', now() + interval '24 hours');
		insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), i.id, e, e, 'VIEWER', sha256((i.id || e)::bytea), '00000000-0000-0000-0000-00000000000a', now() + interval '1 day'
		from instance i, unnest(array['zoe@new.example', 'bob@new.example']) e where i.kind = 'WORKING';
		insert into outbox (id, kind, subject_id, secret, state)
		select gen_random_uuid(), 'INVITATION', id, case when email like 'zoe%' then 'x' end, case when email like 'zoe%' then 'QUEUED' else 'SENT' end from invitation;
		insert into audit_log (at, action, actor_name, space_id, space_name, instance_id, instance_name, details) values
			(now() - interval '1 hour', 'invitation.sent', 'Ada', '00000000-0000-0000-0000-000000000002', 'S', '00000000-0000-0000-0000-000000000003', 'Active', '{"role": "VIEWER", "invited": ["zoe@new.example"], "roleChanged": null}'),
			(now() - interval '1 minute', 'invitation.sent', 'Ada', '00000000-0000-0000-0000-000000000002', 'S', '00000000-0000-0000-0000-000000000003', 'Active', '{"role": "EDITOR", "invited": null, "roleChanged": ["bob@new.example"]}'),
			(now() - interval '1 second', 'invitation.sent', 'Ada', '00000000-0000-0000-0000-000000000002', 'S', '00000000-0000-0000-0000-000000000003', 'Active', '{"role": "EDITOR", "invited": null, "roleChanged": null}'),
			(now() - interval '2 hours', 'instance.deleted', 'Ada', '00000000-0000-0000-0000-000000000002', 'S', '00000000-0000-0000-0000-000000000004', 'Deleted', '{}');
		insert into idempotency_key (account_id, key, request_hash, response)
		select '00000000-0000-0000-0000-00000000000a', r, '', r::json
		from unnest(array['{"deleted":true}', '{"restored":false}', '[{"outcome":"INVITED"}]']) r`)
	if n, err := postgres.Migrate(withPatience(t), dsn, ""); n != known(t)-1 || err != nil {
		t.Fatalf("%d migrations, %v", n, err)
	}
	for query, want := range map[string]string{
		`select string_agg(i.name || ' ' || v.email || ' ' || o.state, ', ' order by i.name, v.email) from outbox o join invitation v on v.id = o.subject_id join instance i on i.id = o.instance_id`: "Active bob@new.example SENT, Active zoe@new.example QUEUED, Deleted bob@new.example SENT, Deleted zoe@new.example HELD",
		`select string_agg(action || ' ' || details, '; ' order by id) from audit_log`:                                                                                                                `INSTANCE_DELETED {}; INVITATION_SENT {"role": "VIEWER", "emails": ["zoe@new.example"]}; INVITATION_ROLE_CHANGED {"role": "EDITOR", "emails": ["bob@new.example"]}`,
		`select string_agg(response::text, ' ' order by key) from idempotency_key`:                                                                                                                    `[{"outcome":"INVITED"}] true false`,
		`select string_agg(substring(id::text, 15, 1), '') from audit_log`:                                                                                                                            `777`,
		`select (max(oldest_gateway))::text from schema_requirement`:                                                                                                                                  `5`,
	} {
		if got := read[string](t, db, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// Memberships of before migration 23 get their space, also those that a migration which
// was ended in between has left.
func TestMembershipsGetTheirSpace(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	until, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files,
		goose.WithGoMigrations(migrations.InGo(nil)...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := until.UpTo(withPatience(t), 22); err != nil {
		t.Fatal(err)
	}
	const members = 6000 // more than a batch
	execute(t, db, `
		insert into organization (id, name) values ('00000000-0000-0000-0000-000000000001', 'O');
		begin;
		insert into space (id, organization_id, name)
		select n::text::uuid, '00000000-0000-0000-0000-000000000001', n::text from unnest(array['00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003']) n;
		insert into instance (id, space_id, name, kind) select gen_random_uuid(), s.id, k, k from space s, unnest(array['MASTER', 'DISTRIBUTED']) k;
		commit;
		insert into account (id, email, email_key, name) select gen_random_uuid(), n || '@new.example', n || '@new.example', n::text from generate_series(1, 6000 / 4) n;
		insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a`)
	if _, err := until.UpTo(withPatience(t), 23); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `
		update instance_member set role = 'EDITOR', space_id = null where account_id in (select id from account order by id limit 10);
		create index instance_member_space on instance_member (space_id);
		insert into account (id, email, email_key, name) values (gen_random_uuid(), 'ada@new.example', 'ada@new.example', 'Ada');
		insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where a.email in ('ada@new.example', '1@new.example')`)
	if _, err := postgres.Migrate(withPatience(t), dsn, ""); err != nil {
		t.Fatal(err)
	}
	if n := read[int](t, db, `select count(*) from instance_member m join instance i on i.id = m.instance_id and i.space_id = m.space_id`); n != members {
		t.Errorf("%d of %d memberships have the space of their instance", n, members)
	}
	if got := read[string](t, db, `select pg_get_indexdef('instance_member_space'::regclass)`); !strings.Contains(got, "(space_id, account_id, role)") {
		t.Error(got)
	}
	// Migration 34 makes them, and Ada, members of the organization since their first role.
	if n := read[int](t, db, `
		select count(*) from organization_member o where o.role = 'MEMBER' and o.guest
		and o.since = least((select min(m.since) from instance_member m where m.account_id = o.account_id),
			(select min(m.since) from space_administrator m where m.account_id = o.account_id))`); n != members/4+1 {
		t.Errorf("%d of %d people are members of the organization", n, members/4+1)
	}
}

// What was done in the hour before the sixth migration counts after it.
func TestWhatWasCountedStillCounts(t *testing.T) {
	dsn := newEmptyDatabase(t)
	db := connect(t, dsn)
	first, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.UpTo(withPatience(t), 5); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `
		insert into rate_limit_use (name, subject, until, n)
		select name, '00000000-0000-0000-0000-00000000000a', now() + minutes * interval '1 minute', n
		from (values ('invitations of a person', 10, 3), ('invitations of a person', 5, 4), ('invitations of a person', -1, 100),
		             ('invitations to a space', 10, 5), ('requests of a person', 10, 6), ('requests in a space', 10, 7)) u (name, minutes, n)`)
	if _, err := postgres.Migrate(withPatience(t), dsn, ""); err != nil {
		t.Fatal(err)
	}
	want := "INVITATIONS_BY_PERSON 4+3, INVITATIONS_BY_SPACE 5, REQUESTS_BY_PERSON 6, REQUESTS_BY_SPACE 7"
	if got := read[string](t, db, `
		select string_agg(name || ' ' || array_to_string(ns, '+'), ', ' order by name) from rate_limit
		where subject = '00000000-0000-0000-0000-00000000000a' and until = untils[cardinality(untils)] and until > now() + interval '9 minutes'`); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// An id made of a moment sorts as the moments do, and tells the millisecond.
func TestIdsOfMoments(t *testing.T) {
	db := connect(t, newDatabase(t))
	if got := read[bool](t, db, `
		select bool_and(id > before) from (
			select id, lag(id) over (order by at) as before from (
				select uuid_v7(at) as id, at from generate_series('2026-03-01'::timestamptz, '2026-03-01'::timestamptz + interval '5 milliseconds', interval '1 microsecond') at) ids) pairs where before is not null`); !got {
		t.Error("ids do not sort as their moments")
	}
	id := read[string](t, db, `select uuid_v7('2026-11-25 12:34:56.789123+00')::text`)
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.Version() != 7 || parsed.Variant() != uuid.RFC4122 {
		t.Errorf("%s: version %d, %v", id, parsed.Version(), err)
	}
	seconds, nanoseconds := parsed.Time().UnixTime()
	if at := time.Unix(seconds, nanoseconds).UTC(); at.Format("2006-01-02 15:04:05.000") != "2026-11-25 12:34:56.789" {
		t.Errorf("%s tells %v", id, at)
	}
}
