package app_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// inLongLists is how many rows each list of fill has: more than are counted.
const inLongLists = relay.MaxTotal + 2000

// A page is read without a look at the rest of the list, wherever it begins and whatever
// the list is filtered by; and a list is counted up to relay.MaxTotal. What each read
// costs is counted by PostgreSQL: the rows of tables that grow, and the entries of their
// indexes. It holds with the statistics of a database that was just analyzed, and with
// those of one that has grown since.
func TestReadsOfLongListsAreShort(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]bool{"fresh statistics": true, "stale statistics": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testReadsOfLongLists(t, fresh)
		})
	}
}

func testReadsOfLongLists(t *testing.T, fresh bool) {
	w := testworld.New(t)
	w.Exec(`analyze`)
	createPlanner(w)
	fill(w)
	if fresh {
		w.Exec(`vacuum analyze`)
	}
	db, services, sent := observeStatements(t, w)
	vic := w.User("vic")
	ids := func(ids ...globalid.ID) []globalid.ID { return ids }
	space := w.Space(testworld.Econometrics)

	type read func(context.Context, relay.Page) (nodes, total int, err error)
	reads := map[string]read{
		"the members of an instance": func(ctx context.Context, page relay.Page) (int, int, error) {
			of := w.Instance("Master")
			lists, err := services.Memberships.ListInInstances(ctx, ids(of), page)
			return len(lists[of].Nodes), lists[of].Total, err
		},
		"the people of a space": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Memberships.ListInSpaces(ctx, ids(space), page)
			return len(lists[space].Nodes), lists[space].Total, err
		},
		"the trail": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := audit.List(ctx, db, ids(space), page)
			return len(lists[space].Nodes), lists[space].Total, err
		},
		"the instances of a space": func(ctx context.Context, page relay.Page) (int, int, error) {
			s, err := tenant.FindSpace(ctx, db, vic, globalid.ID{Kind: globalid.Space, UUID: testID(w, 2)})
			if err != nil {
				return 0, 0, err
			}
			list, err := s.Instances(ctx, db, vic, "", page)
			return len(list.Nodes), list.Total, err
		},
		"the spaces of a member": func(ctx context.Context, page relay.Page) (int, int, error) {
			list, err := tenant.Spaces(ctx, db, vic, page)
			return len(list.Nodes), list.Total, err
		},
	}
	for _, status := range []invitation.Status{"", invitation.Pending, invitation.Expired, invitation.Accepted, invitation.Declined, invitation.Revoked} {
		for _, place := range []globalid.ID{space, w.Instance("Group 1"), w.Instance("Master"), w.Instance("Distributed")} {
			for _, stored := range []bool{false, true} {
				reads[fmt.Sprintf("invitations to %s, %s, only what is stored: %t", place, status, stored)] = func(ctx context.Context, page relay.Page) (int, int, error) {
					lists, err := services.Invitations.List(ctx, ids(place), invitation.Filter{Status: status, Stored: stored}, page)
					return len(lists[place].Nodes), lists[place].Total, err
				}
			}
		}
	}
	cost := func(name string, most int, read func(context.Context) error) {
		t.Helper()
		before := rowsRead(t, db)
		sent.reset()
		if err := read(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		queries := slices.Clone(sent.queries)
		if n := rowsRead(t, db) - before; n > most {
			t.Errorf("%s: %d rows and entries read, want at most %d", name, n, most)
			for _, query := range queries {
				t.Logf("%s\n%s", query, w.Text(`select test_plan($1, $2)`, query, parameters(query)))
			}
		}
	}
	// The middle of every list: ids are in the order of the numbers of rows.
	middle := testID(w, inLongLists/2)
	for name, read := range reads {
		full := false
		for what, page := range map[string]relay.Page{"the first page": {First: 10}, "a page in the middle": {First: 10, After: middle}} {
			cost(name+", "+what, 500, func(ctx context.Context) error {
				nodes, _, err := read(ctx, page)
				full = full || nodes == 10
				return err
			})
		}
		cost(name+", total", 4*relay.MaxTotal, func(ctx context.Context) error {
			_, total, err := read(ctx, relay.Page{Total: true})
			if total > relay.MaxTotal || !full && total > 10 {
				t.Errorf("%s: total %d", name, total)
			}
			return err
		})
	}
	for _, name := range []string{"the members of an instance", "the people of a space", "the trail", "the spaces of a member"} {
		if _, total, err := reads[name](t.Context(), relay.Page{Total: true}); total != relay.MaxTotal || err != nil {
			t.Errorf("%s: total %d, %v", name, total, err)
		}
	}
	cost("the backlog", 4*relay.MaxTotal, func(ctx context.Context) error {
		_, err := outbox.ReadBacklog(ctx, db)
		return err
	})
}

func testID(w *testworld.World, n int) uuid.UUID {
	return uuid.MustParse(w.Text(`select test_id($1)::text`, n))
}

// rowsRead returns how many rows of growing tables, and entries of their indexes, were read
// so far, also by the pool's connection itself.
func rowsRead(t *testing.T, db *postgres.DB) (n int) {
	t.Helper()
	if _, err := db.Exec(t.Context(), `select pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	if err := db.Get(t.Context(), &n, `
		select (select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables where relname = any ($1))
		     + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = any ($1))`, growingTables); err != nil {
		t.Fatal(err)
	}
	return n
}

// fill makes lists of inLongLists rows in the space Econometrics 2026. Of its instances, Group 1
// has pending invitations, Master expired ones and Distributed those that were answered or
// revoked, but for the oldest ten of each other status; the space has all in turns.
// Row n of a table has the id test_id(n). Half as many rows elsewhere have greater ids, and half as many
// smaller ones.
func fill(w *testworld.World) {
	w.Exec(`create function test_id(n bigint) returns uuid language sql immutable as $$ select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$`)
	w.Exec(`create function other_id(n bigint, most int) returns uuid language sql immutable as $$ select (case when n < most / 2 then '00900000' else 'f1900000' end || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$`)
	w.Exec(`
		create function test_fill(most int, in_space uuid, instances uuid[]) returns void language plpgsql set session_replication_role = replica as $$
		declare
			ada constant uuid := (select id from account where name = 'Ada');
			vic constant uuid := (select id from account where name = 'Vic');
			statuses constant text[] := array['PENDING', 'EXPIRED', 'ACCEPTED', 'DECLINED', 'REVOKED'];
		begin
			insert into account (id, subject, email, email_key, name) select test_id(n), n, n || '@many.example', n || '@many.example', 'X' from generate_series(1, most) n;
			insert into address_holder (email_key, account_id) select email_key, id from account on conflict do nothing;
			insert into instance_member (instance_id, space_id, account_id, role) select instances[2], in_space, test_id(n), 'VIEWER' from generate_series(1, most) n;
			insert into space (id, organization_id, name) select test_id(n), organization_id, n::text from space, generate_series(1, most) n where id = in_space;
			insert into instance (id, space_id, name, kind) select test_id(n), test_id(n), n::text, 'WORKING' from generate_series(1, most) n;
			insert into instance_member (instance_id, space_id, account_id, role) select test_id(n), test_id(n), vic, 'VIEWER' from generate_series(1, most) n;
			insert into invitation (id, instance_id, space_id, email, email_key, role, status, expired, token_hash, invited_by, expires_at, ended_at)
			select test_id(n + place * 1000000), instances[place], case when place = 4 then in_space end, e, e, case when place < 4 then 'VIEWER' end,
			       case status when 'EXPIRED' then 'PENDING' else status end, status = 'EXPIRED', sha256(e::bytea), ada,
			       clock_timestamp() + case when status = 'EXPIRED' then - interval '1 day' else interval '1 day' end, case when status not in ('PENDING', 'EXPIRED') then clock_timestamp() end
			from generate_series(1, 4) place, generate_series(1, most) n, lateral (
				select n || '.' || place || '@many.example', case when place = 4 or n <= 50 then statuses[n % 5 + 1] when place < 3 then statuses[place] else statuses[n % 3 + 3] end) x (e, status);
			insert into outbox (id, kind, subject_id, state, instance_id) select id, 'INVITATION', id, 'SENT', instance_id from invitation;
			insert into audit_log (id, action, actor_name, space_id, space_name) select test_id(n), 'INVITED', 'X', in_space, 'S' from generate_series(1, most) n;

			-- As much elsewhere, newer and older.
			insert into account (id, subject, email, email_key, name) select other_id(n, most), 'o' || n, n || '@other.example', n || '@other.example', 'X' from generate_series(1, most) n;
			insert into instance (id, space_id, name, kind) select other_id(n, most), test_id(1), 'o' || n, 'WORKING' from generate_series(1, most) n;
			insert into instance_member (instance_id, space_id, account_id, role) select test_id(1), test_id(1), other_id(n, most), 'VIEWER' from generate_series(1, most) n;
			insert into space (id, organization_id, name) select other_id(n, most), gen_random_uuid(), n::text from generate_series(1, most) n;
			insert into invitation (id, instance_id, space_id, email, email_key, role, expired, token_hash, invited_by, expires_at)
			select other_id(n, most), case when n % 4 < 2 then test_id(1) end, case when n % 4 > 1 then test_id(1) end, e, e, case when n % 4 < 2 then 'VIEWER' end, n % 2 = 0, sha256(e::bytea), ada, clock_timestamp() + (n % 2 - 0.5) * interval '1 year'
			from generate_series(1, most) n, lateral (select n || '@other.example' as e) x;
			insert into audit_log (id, action, actor_name, space_id, space_name) select other_id(n, most), 'INVITED', 'X', test_id(1), 'S' from generate_series(1, most) n;
		end $$`)
	w.Exec(`select test_fill($1, $2, array[$3, $4, $5]::uuid[])`, inLongLists, w.Space(testworld.Econometrics).UUID,
		w.Instance("Group 1").UUID, w.Instance("Master").UUID, w.Instance("Distributed").UUID)
}
