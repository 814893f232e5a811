package app

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/privacy"
)

// The tables of docs/privacy.md are what the code says: the catalog of personal
// data, with the times of the settings.
func TestPrivacyDocument(t *testing.T) {
	t.Parallel()
	checkTables(t, "docs/privacy.md", map[string]string{"data": dataTable(t), "retention": retentionTable(t), "erasure": erasureTable()})
}

// settingName finds settings in a text.
var settingName = regexp.MustCompile("`(DATAHUB_[A-Z_]+)`")

// dataTable lists the tables with personal data. It fails where a time of
// PrivacySettings limits no table, or where a table names a setting that does not
// exist.
func dataTable(t *testing.T) string {
	t.Helper()
	defaults, unused := map[string]string{}, map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		defaults[field.Tag.Get("env")] = field.Tag.Get("default")
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[PrivacySettings]()) {
		unused[field.Tag.Get("env")] = true
	}
	table := "| table | what | purpose | how long | who sees it |\n| --- | --- | --- | --- | --- |\n"
	for _, d := range privacy.Catalog {
		if d.About == "" {
			continue
		}
		kept := settingName.ReplaceAllStringFunc(d.Kept, func(quoted string) string {
			name := strings.Trim(quoted, "`")
			delete(unused, name)
			if defaults[name] == "" {
				t.Errorf("%s is kept by %s, which is no setting with a default", d.Name, name)
			}
			return inDays(t, defaults[name]) + " (" + quoted + ")"
		})
		table += fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", d.Name, d.About, d.Purpose, kept, d.Seen)
	}
	for name := range unused {
		t.Errorf("no table of the catalog is kept for the time of %s", name)
	}
	return table
}

// retentionTable lists the settings that end what is kept.
func retentionTable(t *testing.T) string {
	t.Helper()
	table := "| setting | default | at least | meaning |\n| --- | --- | --- | --- |\n"
	for _, settings := range []reflect.Type{reflect.TypeFor[PrivacySettings](), reflect.TypeFor[RetentionSettings]()} {
		for _, field := range reflect.VisibleFields(settings) {
			if tag := field.Tag; field.Type == reflect.TypeFor[Days]() {
				table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", tag.Get("env"), inDays(t, tag.Get("default")), inDays(t, tag.Get("min")), tag.Get("help"))
			}
		}
	}
	return table
}

// inDays writes a time of the settings, such as 180d, in words.
func inDays(t *testing.T, value string) string {
	t.Helper()
	switch number, unit := value[:max(len(value)-1, 0)], value[max(len(value)-1, 0):]; {
	case unit == "d" && number == "1":
		return "a day"
	case unit == "d":
		if _, err := strconv.Atoi(number); err != nil {
			t.Errorf("%q is no number of days", value)
		}
		return number + " days"
	case value == "1s":
		return "a second"
	default:
		t.Errorf("%q is not written in days", value)
		return value
	}
}

// erasureTable lists what an export has of each table, and what an erasure does.
func erasureTable() string {
	table := "| table | sections of an export | an erasure |\n| --- | --- | --- |\n"
	for _, d := range privacy.Catalog {
		if d.About == "" {
			continue
		}
		var sections []string
		var effects []privacy.Effect
		columns := map[privacy.Effect][]string{}
		for _, c := range d.Columns {
			if !c.Content.Personal() && c.Export == "" {
				continue
			}
			if c.Export != "" && !slices.Contains(sections, "`"+c.Export+"`") {
				sections = append(sections, "`"+c.Export+"`")
			}
			if columns[c.Erase] == nil {
				effects = append(effects, c.Erase)
			}
			columns[c.Erase] = append(columns[c.Erase], "`"+c.Name+"`")
		}
		var parts []string
		for _, effect := range effects {
			names := strings.Join(columns[effect], ", ")
			switch effect {
			case privacy.RowDeleted:
				parts = append(parts, "deletes the person's rows")
			case privacy.Removed:
				parts = append(parts, "removes "+names)
			case privacy.Replaced:
				parts = append(parts, "puts a pseudonym into "+names)
			default:
				parts = append(parts, "keeps "+names)
			}
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", d.Name, cmp.Or(strings.Join(sections, ", "), "–"), strings.Join(parts, "; "))
	}
	return table
}
