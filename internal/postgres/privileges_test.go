package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// newRole makes a role that can do nothing yet.
func newRole(t *testing.T, dsn string) string {
	t.Helper()
	db := connect(t, dsn)
	name := fmt.Sprintf(`Gateway "%d"`, empties.Add(1))
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	execute(t, db, `create role `+quoted+` login`)
	t.Cleanup(func() {
		execute(t, db, `drop owned by `+quoted)
		execute(t, db, `drop role `+quoted)
	})
	return name
}

// The gateway's role can do its work, and neither rewrite the trail nor the
// schema.
func TestTheGatewaysRole(t *testing.T) {
	dsn := newDatabase(t)
	role := newRole(t, dsn)
	owner := connect(t, dsn)
	// What it could do before is taken from it.
	execute(t, owner, `grant all on audit_log, goose_db_version to "`+strings.ReplaceAll(role, `"`, `""`)+`"`)
	for range 2 {
		if _, err := postgres.Migrate(withPatience(t), dsn, role); err != nil {
			t.Fatal(err)
		}
	}
	gateway := connect(t, strings.Replace(dsn, "user=postgres", `user='`+role+`'`, 1))
	execute(t, gateway, `insert into audit_log (action, actor_name, space_id, space_name) values ('x', 'Ada', gen_random_uuid(), 's')`)
	if n := read[int](t, gateway, `select count(*) from audit_log`); n != 1 {
		t.Errorf("%d rows", n)
	}
	for _, forbidden := range []string{
		`update audit_log set actor_name = 'Nobody'`,
		`delete from audit_log`,
		`truncate audit_log`,
		`alter table audit_log disable trigger all`,
		`drop trigger audit_log_append_only on audit_log`,
		`create table t (i int)`,
		`drop table invitation`,
		`truncate invitation`,
		`update goose_db_version set version_id = 0`,
		`update schema_requirement set oldest_gateway = 0`,
		`delete from account`,
		`delete from space`,
		`update organization_member set account_id = gen_random_uuid()`,
		`update space_administrator set account_id = gen_random_uuid()`,
		`alter function space_administrator_last() owner to current_user`,
		`create role another`,
	} {
		if _, err := gateway.Exec(forbidden); err == nil || !(strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "must be owner")) {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
}

// A table that is added later must not be forgotten: what the gateway needs of
// it is to be thought about.
func TestThePrivilegesOfEveryTable(t *testing.T) {
	dsn := newDatabase(t)
	role := newRole(t, dsn)
	if _, err := postgres.Migrate(withPatience(t), dsn, role); err != nil {
		t.Fatal(err)
	}
	without := read[string](t, connect(t, dsn), `
		select coalesce(string_agg(relname, ', '), '') from pg_class
		where relnamespace = 'public'::regnamespace and relkind = 'r' and not has_table_privilege($1, oid, 'select')`, role)
	if without != "" {
		t.Errorf("nothing is granted on %s", without)
	}
}

func TestARoleThatCannotBeGrantedAnything(t *testing.T) {
	dsn := newDatabase(t)
	for role, says := range map[string]string{"nobody at all": "does not exist", "postgres": "it owns the tables"} {
		_, err := postgres.Migrate(withPatience(t), dsn, role)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), role) {
			t.Errorf("%s: %v", role, err)
		}
	}
}
