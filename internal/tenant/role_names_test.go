package tenant_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// The table of roles cannot hold what is written in other languages than Go, and
// what mails and the page say in each language of people. This test finds what is
// missing there for a role of the table.
func TestEveryRoleIsNamedEverywhere(t *testing.T) {
	t.Parallel()
	for _, missing := range rolesMissing(t, tenant.RoleTable()) {
		t.Error(missing)
	}
}

// A role that is only in the table is missing everywhere else, and the test
// above says so place by place.
func TestANewRoleIsMissingEverywhere(t *testing.T) {
	t.Parallel()
	gardener := tenant.RoleRow{Role: tenant.Role(len(tenant.AllRoles())), Name: "INSTANCE_GARDENER", Stored: "GARDENER", HeldIn: globalid.Instance}
	want := []string{
		"INSTANCE_GARDENER is missing in the enum Role of schema/",
		"GARDENER is missing in the enum InstanceRole of schema/",
		"INSTANCE_GARDENER is missing in roles of web/src/roles.ts",
		"GARDENER is missing in instanceRoles of web/src/roles.ts",
		"GARDENER is missing in the constraint ended_membership_role of the database",
		"GARDENER is missing in the constraint instance_member_role of the database",
		"GARDENER is missing in the constraint invitation_role of the database",
		"GARDENER is missing in the constraint invite_link_role of the database",
		"INSTANCE_GARDENER is missing in the constraint request_of_kind_2 of the database",
		"INSTANCE_GARDENER is missing in the constraint request_role_1 of the database",
	}
	for _, language := range []string{"en", "de", "fr"} {
		want = append(want, fmt.Sprintf("INSTANCE_GARDENER is missing in the mails in %[1]s: the mails in language %[1]s have no word for the role %[2]v", language, gardener.Role))
	}
	got := rolesMissing(t, []tenant.RoleRow{gardener})
	for _, language := range []string{"en", "de", "fr"} {
		if line := "INSTANCE_GARDENER is missing in role of web/src/texts/" + language + ".ts"; !slices.Contains(got, line) {
			t.Errorf("nothing says: %s", line)
		}
	}
	got = slices.DeleteFunc(got, func(line string) bool { return strings.Contains(line, "web/src/texts") })
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// rolesMissing lists, for each role of a table, the places that do not name it.
func rolesMissing(t *testing.T, table []tenant.RoleRow) (missing []string) {
	t.Helper()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	constraints, texts, lists := constraints(t), pageTexts(t), pageRoles(t)
	for _, row := range table {
		report := func(name, place string) { missing = append(missing, name+" is missing in "+place) }
		named := func(definition *ast.Definition, value string) bool {
			return definition.EnumValues.ForName(value) != nil
		}
		if !named(schema.Types["Role"], row.Name) {
			report(row.Name, "the enum Role of schema/")
		}
		if row.HeldIn == globalid.Instance && !named(schema.Types["InstanceRole"], row.Stored) {
			report(row.Stored, "the enum InstanceRole of schema/")
		}
		if row.HeldIn == globalid.Organization && !named(schema.Types["OrganizationRole"], row.Stored) {
			report(row.Stored, "the enum OrganizationRole of schema/")
		}

		if !slices.Contains(lists["roles"], row.Name) {
			report(row.Name, "roles of web/src/roles.ts")
		}
		if row.HeldIn == globalid.Instance && !slices.Contains(lists["instanceRoles"], row.Stored) {
			report(row.Stored, "instanceRoles of web/src/roles.ts")
		}

		// What names one role of a kind of place is to name all of them.
		var others, othersStored []string
		for _, other := range tenant.RoleTable() {
			if other.HeldIn == row.HeldIn {
				others, othersStored = append(others, other.Name), append(othersStored, other.Stored)
			}
		}
		for _, c := range constraints {
			quoted := func(value string) bool { return strings.Contains(c.Definition, "'"+value+"'") }
			if slices.ContainsFunc(others, quoted) && !quoted(row.Name) {
				report(row.Name, "the constraint "+c.Name+" of the database")
			}
			if row.Stored != "" && slices.ContainsFunc(othersStored, quoted) && !quoted(row.Stored) {
				report(row.Stored, "the constraint "+c.Name+" of the database")
			}
		}
		for _, text := range texts {
			key := func(value string) bool { return slices.Contains(text.keys, value) }
			if slices.ContainsFunc(others, key) && !key(row.Name) {
				report(row.Name, text.place)
			}
			if row.Stored != "" && slices.ContainsFunc(othersStored, key) && !key(row.Stored) {
				report(row.Stored, text.place)
			}
		}

		for _, language := range []string{"en", "de", "fr"} {
			if err := mailWith(t, language, row.Role); err != nil {
				report(row.Name, fmt.Sprintf("the mails in %s: %v", language, err))
			}
		}
	}
	return missing
}

// mailWith writes a mail in a language that names a role.
func mailWith(t *testing.T, language string, role tenant.Role) error {
	t.Helper()
	to, problem := address.Parse("zoe@new.example")
	if problem != nil {
		t.Fatal(problem)
	}
	_, err := mail.Invitation{To: to, Locale: language, Role: role}.Compose()
	return err
}

// constraint is a check of the database.
type constraint struct {
	Name       string `db:"conname"`
	Definition string `db:"definition"`
}

func constraints(t *testing.T) (found []constraint) {
	t.Helper()
	err := schematest.New(t).Select(t.Context(), &found, `
		select conname, pg_get_constraintdef(oid) as definition from pg_constraint
		where contype = 'c' and connamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// pageText is an object of the page's texts that holds texts alone, no objects.
type pageText struct {
	place string
	keys  []string
}

var (
	textObject = regexp.MustCompile(`(\w+): \{([^{}]*)\}`)
	textKey    = regexp.MustCompile(`(?m)(?:^|[,{])\s*(\w+):\s+['"` + "`]")
)

func pageTexts(t *testing.T) (texts []pageText) {
	t.Helper()
	files, err := filepath.Glob("../../web/src/texts/[a-z][a-z].ts")
	if err != nil || len(files) == 0 {
		t.Fatalf("the page's texts: %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := false
		// {{count}} and the like stand in texts, not for an object.
		plain := strings.NewReplacer("{{", "", "}}", "").Replace(string(content))
		for _, object := range textObject.FindAllStringSubmatch(plain, -1) {
			text := pageText{place: object[1] + " of web/src/texts/" + filepath.Base(file)}
			for _, key := range textKey.FindAllStringSubmatch(object[2], -1) {
				text.keys = append(text.keys, key[1])
			}
			named = named || object[1] == "role" && slices.Contains(text.keys, tenant.InstanceViewer.String())
			texts = append(texts, text)
		}
		if !named {
			t.Errorf("%s names no roles in role", file)
		}
	}
	return texts
}

var (
	roleList = regexp.MustCompile(`(?s)export const (\w+) = \[(.*?)\]`)
	roleName = regexp.MustCompile(`'(\w+)'`)
)

// pageRoles returns the page's lists of roles, by their names.
func pageRoles(t *testing.T) map[string][]string {
	t.Helper()
	content, err := os.ReadFile("../../web/src/roles.ts")
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string][]string{}
	for _, list := range roleList.FindAllStringSubmatch(string(content), -1) {
		for _, name := range roleName.FindAllStringSubmatch(list[2], -1) {
			lists[list[1]] = append(lists[list[1]], name[1])
		}
	}
	return lists
}
