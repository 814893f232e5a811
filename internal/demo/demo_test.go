package demo_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func lines(t testing.TB, db *postgres.DB, query string) (list []string) {
	t.Helper()
	if err := db.Select(t.Context(), &list, query); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// facts describes the world, one line each. Times are relative to the load, by the
// database's clock.
const facts = `
	select 'organization ' || name from organization
	union all
	select 'account ' || name || ' ' || email || ' ' || email_key || ' ' || coalesce(subject, '-') from account
	union all
	select 'space ' || s.name || ' of ' || o.name || coalesce(
		', deleted ' || round(extract(epoch from w.loaded_at - s.deleted_at) / 60) || ' minutes before'
		|| ', restorable for ' || round(extract(epoch from s.restorable_until - s.deleted_at) / 60, 6)::float, '')
	from space s join organization o on o.id = s.organization_id cross join demo_world w
	union all
	select 'instance ' || i.name || ' ' || i.kind || ' of ' || s.name || coalesce(
		', deleted ' || round(extract(epoch from w.loaded_at - i.deleted_at) / 60) || ' minutes before'
		|| ', restorable for ' || round(extract(epoch from i.restorable_until - i.deleted_at) / 60, 6)::float, '')
	from instance i join space s on s.id = i.space_id cross join demo_world w
	union all
	select m.role || ' ' || a.name || ' of ' || o.name
	from organization_member m join account a on a.id = m.account_id join organization o on o.id = m.organization_id
	union all
	select 'ADMINISTRATOR ' || a.name || ' of ' || s.name
	from space_administrator sa join account a on a.id = sa.account_id join space s on s.id = sa.space_id
	union all
	select m.role || ' ' || a.name || ' of ' || i.name
	from instance_member m join account a on a.id = m.account_id join instance i on i.id = m.instance_id
	union all
	select r.status || ' request ' || r.kind || ' of ' || a.name || ' about ' || coalesce(i.name, s.name)
		|| ', for ' || round(extract(epoch from r.expires_at - w.loaded_at) / 3600) || ' hours'
	from request r join account a on a.id = r.requested_by join space s on s.id = r.space_id left join instance i on i.id = r.instance_id cross join demo_world w`

var world = []string{
	"ADMINISTRATOR Ada of Econometrics 2026",
	"ADMINISTRATOR Mia of Statistics 2025",
	"ADMINISTRATOR Rita of Private Research",
	"EDITOR Ed of Group 1",
	"EDITOR Ed of Group 2",
	"EDITOR Ed of Group 3",
	"MANAGER Mia of University of Example",
	"MANAGER Rita of Private Institute",
	"OPEN request INVITATIONS of Mia about Master, for 336 hours",
	"OPEN request RESTORE of Mia about Group 2, for 22 hours",
	"OPEN request ROLE of Mia about Econometrics 2026, for 336 hours",
	"VIEWER Vic of Group 1",
	"VIEWER Vic of Group 2",
	"account Ada ada@uni.example ada@uni.example -",
	"account Ed ed@uni.example ed@uni.example -",
	"account Mia mia@uni.example mia@uni.example -",
	"account Rita rita@uni.example rita@uni.example -",
	"account Sam sam@uni.example sam@uni.example -",
	"account Vic vic@uni.example vic@uni.example -",
	"instance Distributed DISTRIBUTED of Econometrics 2026",
	"instance Distributed DISTRIBUTED of Private Research",
	"instance Distributed DISTRIBUTED of Statistics 2025",
	"instance Group 1 WORKING of Econometrics 2026",
	"instance Group 2 WORKING of Econometrics 2026, deleted 120 minutes before, restorable for 1440",
	"instance Group 3 WORKING of Econometrics 2026, deleted 1800 minutes before, restorable for 1440",
	"instance Master MASTER of Econometrics 2026",
	"instance Master MASTER of Private Research",
	"instance Master MASTER of Statistics 2025",
	"organization Private Institute",
	"organization University of Example",
	"space Econometrics 2026 of University of Example",
	"space Private Research of Private Institute",
	"space Statistics 2025 of University of Example, deleted 180 minutes before, restorable for 1440",
}

// rows returns every row of the database, except those of the migrations.
const rows = `
	select t.table_name || ' ' || x.row::text
	from information_schema.tables t
	cross join lateral xmltable('/table/row' passing query_to_xml(format('select * from %I', t.table_name), true, false, '') columns row xml path '.') x
	where t.table_schema = 'public' and t.table_type = 'BASE TABLE' and t.table_name not like 'goose%'`

func load(t testing.TB, db *postgres.DB) {
	t.Helper()
	if err := demo.Load(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}

func TestLoadedWorld(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	load(t, db)
	if diff := cmp.Diff(world, lines(t, db, facts)); diff != "" {
		t.Error(diff)
	}
	if got := lines(t, db, `select table_name from information_schema.tables
		where table_schema = 'public' and table_name in ('invitation', 'outbox', 'idempotency_key', 'audit_log')
		and (xpath('count(/table/row)', query_to_xml(format('select 1 from %I', table_name), true, false, '')))[1]::text <> '0'`); len(got) > 0 {
		t.Errorf("there are rows in %v", got)
	}
}

func TestSecondLoadChangesNothing(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	load(t, db)
	before := lines(t, db, rows)
	if len(before) < len(world) {
		t.Fatalf("only %d rows are seen", len(before))
	}
	load(t, db)
	if diff := cmp.Diff(before, lines(t, db, rows)); diff != "" {
		t.Error(diff)
	}
}

func TestSecondLoadKeepsWhatPeopleChanged(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	load(t, db)
	if _, err := db.Exec(t.Context(), `delete from instance_member where role = $1`, "VIEWER"); err != nil {
		t.Fatal(err)
	}
	load(t, db)
	if got := strings.Join(lines(t, db, facts), "\n"); strings.Contains(got, "VIEWER") {
		t.Error("a removed role has come back")
	}
}

func TestParallelLoadsWaitForOne(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	var loading sync.WaitGroup
	for range 20 {
		loading.Go(func() {
			if err := demo.Load(t.Context(), db); err != nil {
				t.Error(err)
			}
			// The world is complete for those too who did not load it.
			if diff := cmp.Diff(world, lines(t, db, facts)); diff != "" {
				t.Error(diff)
			}
		})
	}
	loading.Wait()
}

func TestPeopleAreTheAccounts(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	load(t, db)
	var listed []string
	for _, p := range demo.People {
		listed = append(listed, p.Email)
	}
	slices.Sort(listed)
	if diff := cmp.Diff(lines(t, db, `select email from account`), listed); diff != "" {
		t.Error(diff)
	}
}
