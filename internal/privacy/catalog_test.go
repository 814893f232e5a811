package privacy

import (
	"slices"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// tableOf returns the entry of a table; nil where there is none.
func tableOf(name string) *Table {
	for i := range Catalog {
		if Catalog[i].Name == name {
			return &Catalog[i]
		}
	}
	return nil
}

func (t *Table) column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// A new table or column fails here until somebody has decided whether it keeps
// something about people, and what an export and an erasure do with it.
func TestCatalogListsEveryTableAndColumn(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	found := map[string]bool{}
	for _, line := range w.Lines(`
		select c.relname || '.' || a.attname || ' ' || t.typname
		from pg_class c join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
		order by c.relname, a.attnum`) {
		name, dataType, _ := strings.Cut(line, " ")
		table, column, _ := strings.Cut(name, ".")
		found[table] = true
		entry := tableOf(table)
		if entry == nil {
			t.Errorf("the table %s is not in the catalog: what does it keep about people, for how long, and who sees it?", table)
			continue
		}
		found[name] = true
		if saysNothing := []string{"timestamptz", "timestamp", "_timestamptz", "date", "bool", "int2", "int4", "int8", "_int4", "float8", "interval"}; slices.Contains(saysNothing, dataType) {
			continue
		}
		if entry.column(column) == nil {
			t.Errorf("%s (%s) is not in the catalog: what is in it, and what do an export and an erasure do with it?", name, dataType)
		}
	}
	for _, table := range Catalog {
		if !found[table.Name] {
			t.Errorf("there is no table %s", table.Name)
		}
		for _, c := range table.Columns {
			if !found[table.Name+"."+c.Name] {
				t.Errorf("there is no column %s.%s", table.Name, c.Name)
			}
		}
	}
}

func TestCatalogIsComplete(t *testing.T) {
	t.Parallel()
	for _, table := range Catalog {
		if (table.About == "") == (table.NotPersonal == "") {
			t.Errorf("%s: say what it keeps about people, or why nothing", table.Name)
		}
		if table.About != "" && (table.Purpose == "" || table.Kept == "" || table.Seen == "") {
			t.Errorf("%s: say why and how long it is kept, and who sees it", table.Name)
		}
		for _, c := range table.Columns {
			where := table.Name + "." + c.Name
			if !c.Content.Personal() {
				continue
			}
			if table.About == "" && c.Reason == "" {
				t.Errorf("%s: say why a table that keeps nothing about people has it", where)
			}
			if (c.Export == "" || c.Erase == "") && c.Reason == "" {
				t.Errorf("%s: say why it is not exported, or why it stays", where)
			}
			if c.Export != "" {
				i := slices.IndexFunc(sections, func(s section) bool { return s.name == c.Export })
				if i < 0 {
					t.Errorf("%s: an export has no section %s", where, c.Export)
				} else if q := sections[i].query; !strings.Contains(q, table.Name+" ") || !strings.Contains(q, "."+c.Name) {
					t.Errorf("%s: the section %s does not read it", where, c.Export)
				}
			}
			if c.Erase != "" && !slices.ContainsFunc(steps, func(s step) bool { return s.table == table.Name }) {
				t.Errorf("%s: no step of an erasure changes the table", where)
			}
		}
	}
}

// What names accounts is known in one place.
func TestCatalogKnowsEveryReferenceToAccounts(t *testing.T) {
	t.Parallel()
	for _, r := range account.References {
		column, _, isJSON := strings.Cut(r.Column, "->")
		want := AccountID
		if isJSON {
			want = Mixed
		}
		table := tableOf(r.Table)
		if table == nil || table.column(column) == nil || table.column(column).Content != want {
			t.Errorf("%s.%s names accounts, and is not in the catalog as one that does", r.Table, r.Column)
		}
	}
	for _, table := range Catalog {
		for _, c := range table.Columns {
			known := slices.ContainsFunc(account.References, func(r account.Reference) bool { return r.Table == table.Name && r.Column == c.Name })
			if c.Content == AccountID && !known && table.Name+"."+c.Name != "account.id" && table.Name != "rate_limit_use" {
				t.Errorf("%s.%s names accounts, and is not in account.References", table.Name, c.Name)
			}
		}
	}
}
