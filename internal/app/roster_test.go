package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (p person) syncRoster(entries []map[string]any, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: SyncRosterInput!) { syncRoster(input: $input) {
		space { name }
		results { index email outcome role previousRole invitation { id status } member { role user { name email } } instance { id name } }
		createdInstances { id name }
		removed { user { name } roles }
		revoked { email status instanceName } } }`,
		map[string]any{"input": object(append([]any{"spaceId", p.world.space("Econometrics 2026"), "entries", entries}, more...)...)})
}

func entry(email, role, where, instance string, more ...any) map[string]any {
	return object(append([]any{"email", email, "role", role, "instance", map[string]any{where: instance}}, more...)...)
}

// A lecturer sends a course, and the university's system each night.
func TestSyncRoster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")

	// What is wrong with the form is said before anything else, entry by entry.
	for what, c := range map[string]struct {
		entries []map[string]any
		more    []any
		path    []any
	}{
		"no entries":               {[]map[string]any{}, nil, []any{"input", "entries"}},
		"two places":               {[]map[string]any{object("email", "a@new.example", "role", "VIEWER", "instance", map[string]any{"joint": "X", "own": "Y"})}, nil, []any{"input", "entries", 0.0, "instance"}},
		"no place":                 {[]map[string]any{object("email", "a@new.example", "role", "VIEWER", "instance", map[string]any{})}, nil, []any{"input", "entries", 0.0, "instance"}},
		"a name without letters":   {[]map[string]any{entry("a@new.example", "VIEWER", "joint", "X"), entry("a@new.example", "VIEWER", "joint", "\u200b")}, nil, []any{"input", "entries", 1.0, "instance", "joint"}},
		"a person without name":    {[]map[string]any{entry("a@new.example", "VIEWER", "joint", "X", "name", " ")}, nil, []any{"input", "entries", 0.0, "name"}},
		"a long own name":          {[]map[string]any{entry("a@new.example", "VIEWER", "own", fmt.Sprintf("%0200d{name}", 0))}, nil, []any{"input", "entries", 0.0, "instance", "own"}},
		"an own name of long ones": {[]map[string]any{entry("a@new.example", "VIEWER", "own", strings.Repeat("{name}", 30), "name", strings.Repeat("x", 200))}, nil, []any{"input", "entries", 0.0, "instance", "own"}},
		"a negative number":        {[]map[string]any{entry("a@new.example", "VIEWER", "joint", "X")}, []any{"removeAtMost", -1}, []any{"input", "removeAtMost"}},
	} {
		a := ada.syncRoster(c.entries, c.more...)
		e := a.Refused("BAD_USER_INPUT")
		if diff := cmp.Diff(c.path, e.Extensions["inputPath"]); diff != "" {
			t.Errorf("%s: %v\n%s", what, e, diff)
		}
	}

	// A thousand full entries fit into one request.
	var course []map[string]any
	for n := range 500 {
		email, name := fmt.Sprintf("student%03d@new.example", n), fmt.Sprintf("Student %d of a long name", n)
		course = append(course, entry(email, "EDITOR", "own", "Homework of {name}", "name", name), entry(email, "VIEWER", "joint", fmt.Sprint("Team ", n/10), "name", name))
	}
	preview := ada.syncRoster(course, "validateOnly", true, "idempotencyKey", "night 1").OK()
	first := ada.syncRoster(course, "others", "KEEP", "idempotencyKey", "night 1").OK()
	outcomes := first.Every("outcome", "syncRoster", "results")
	if !slices.Equal(preview.Every("outcome", "syncRoster", "results"), outcomes) || slices.Contains(outcomes, "ALREADY_INVITED") ||
		len(first.Every("name", "syncRoster", "createdInstances")) != 550 || !slices.Equal(preview.Every("name", "syncRoster", "createdInstances"), first.Every("name", "syncRoster", "createdInstances")) {
		t.Error("the preview is another one")
	}
	planned := preview.At("syncRoster", "createdInstances", 0, "id")
	if got := ada.Ask(`query($id: ID!) { instance(id: $id) { name } }`, map[string]any{"id": planned}).OK().At("instance"); got != nil {
		t.Errorf("the preview has created %v", got)
	}
	if again := ada.syncRoster(course, "idempotencyKey", "night 1").OK(); !cmp.Equal(first.Data, again.Data) {
		t.Error(cmp.Diff(first.Data, again.Data))
	}
	ada.syncRoster(course[:10], "idempotencyKey", "night 1").Refused("IDEMPOTENCY_KEY_REUSED")

	// A list that was cut off removes nobody.
	e := ada.syncRoster(course[:10], "others", "REMOVE").Refused("CONFLICT")
	if e.Reason() != "REMOVES_TOO_MANY" || e.Extensions["remedy"] == nil {
		t.Errorf("%v", e)
	}
	night := ada.syncRoster(course[2:], "others", "REMOVE").OK()
	if got := night.Every("email", "syncRoster", "revoked"); !slices.Equal(got, []string{"student000@new.example", "student000@new.example"}) {
		t.Errorf("revoked %v", got)
	}
	if got := night.Every("outcome", "syncRoster", "results"); slices.ContainsFunc(got, func(o string) bool { return o != "ALREADY_INVITED" }) {
		t.Errorf("%v", got[:10])
	}
	if got := night.At("syncRoster", "removed"); len(got.([]any)) != 2 { // Ed and Vic
		t.Errorf("removed %v", got)
	}

	// A repeated roster has all fields of what it revoked.
	for range 2 {
		again := ada.Ask(`mutation($input: SyncRosterInput!) { syncRoster(input: $input) { revoked { email status instance { name } space { name } organization { name } delivery { status } } } }`,
			map[string]any{"input": object("spaceId", w.space("Econometrics 2026"), "entries", course[4:], "others", "REMOVE", "idempotencyKey", "night 2")}).OK()
		if got := again.Every("email", "syncRoster", "revoked"); !slices.Equal(got, []string{"student001@new.example", "student001@new.example"}) {
			t.Errorf("revoked %v", got)
		}
		if got := again.At("syncRoster", "revoked", 0, "instance", "name"); got == nil {
			t.Error("a revoked invitation has no instance")
		}
	}

	// Invalid addresses are all reported, at their entries.
	a := ada.syncRoster([]map[string]any{entry("a@new.example", "VIEWER", "joint", "X"), entry("myemail@.uni.edu.com", "VIEWER", "joint", "X"), entry("", "VIEWER", "own", "{name}")})
	if got := a.Codes(); !slices.Equal(got, []string{"INVALID_EMAIL", "INVALID_EMAIL"}) {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff([]any{"input", "entries", 1.0, "email"}, a.Errors[0].Extensions["inputPath"]); diff != "" || a.Errors[0].Extensions["suggestion"] != "myemail@uni.edu.com" {
		t.Errorf("%v\n%s", a.Errors[0], diff)
	}
}
