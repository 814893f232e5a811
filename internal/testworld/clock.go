package testworld

import "time"

// Advance lets time pass: every time that the database has stored becomes older
// by d, as if the database's clock had gone on. No trigger runs. What Go code
// keeps in memory with a time of its own, like a cache, does not become older.
// A mail that a gateway is sending at this moment may be sent twice, because its
// lease ends.
func (w *World) Advance(d time.Duration) {
	w.t.Helper()
	// One statement, so that nobody sees some times shifted and others not.
	// Triggers are switched off for it: nothing happens but that time passes.
	w.Exec(`select test_advance($1)`, d.Seconds())
}

// advance is the function that Advance calls.
const advance = `
	create function test_advance(seconds double precision) returns void language plpgsql
	set session_replication_role = replica as $$
	declare
		of record;
	begin
		for of in
			select c.table_name, string_agg(format(
				case c.data_type
				when 'ARRAY' then '%1$I = array(select t - $1 from unnest(%1$I) with ordinality u (t, n) order by n)'
				else '%1$I = %1$I - $1' end, c.column_name), ', ') as changes
			from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
			where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name not like 'goose%'
			and (c.data_type = 'timestamp with time zone' or c.udt_name = '_timestamptz') and c.is_generated = 'NEVER'
			group by c.table_name
		loop
			execute format('update %I set %s', of.table_name, of.changes) using seconds * interval '1 second';
		end loop;
	end $$`
