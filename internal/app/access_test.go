package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlacesShowOnlyTheirViewersRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const all = "SPACE_ADMINISTRATOR INSTANCE_EDITOR INSTANCE_VIEWER"
	const manager = "ORGANIZATION_MANAGER INSTANCE_VIEWER"
	want := map[string]map[string]string{
		"ada": {"": all, "Master": all, "Distributed": all, "Group 1": all, "Group 2": all, "Group 3": all},
		"ed": {"": "INSTANCE_EDITOR INSTANCE_VIEWER", "Distributed": "INSTANCE_VIEWER",
			"Group 1": "INSTANCE_EDITOR", "Group 2": "INSTANCE_EDITOR", "Group 3": "INSTANCE_EDITOR"},
		"vic":  {"": "INSTANCE_VIEWER", "Group 1": "INSTANCE_VIEWER", "Group 2": "INSTANCE_VIEWER"},
		"mia":  {"": manager, "Master": manager, "Distributed": manager, "Group 1": manager, "Group 2": manager, "Group 3": manager},
		"sam":  {},
		"rita": {},
	}
	for who, roles := range want {
		got := map[string]string{}
		a := w.as(who).Ask(`query($space: ID!) { space(id: $space) { viewerRoles instances(state: null) { totalCount nodes { id name viewerRoles } } } }`,
			map[string]any{"space": w.space("Econometrics 2026")}).OK()
		if a.At("space") != nil {
			got[""] = words(a.At("space", "viewerRoles"))
			for i, name := range a.Every("name", "space", "instances", "nodes") {
				got[name] = words(a.At("space", "instances", "nodes", i, "viewerRoles"))
			}
			if n := a.At("space", "instances", "totalCount"); n != float64(len(got)-1) {
				t.Errorf("%s: totalCount %v of %d", who, n, len(got)-1)
			}
		}
		if diff := cmp.Diff(roles, got); diff != "" {
			t.Errorf("%s sees in the space: %s", who, diff)
		}
		for _, name := range []string{"Master", "Distributed", "Group 1", "Group 2", "Group 3"} {
			one := w.as(who).Ask(`query($id: ID!) { instance(id: $id) { viewerRoles space { name viewerRoles } } }`, map[string]any{"id": w.instance(name)}).OK()
			seen := ""
			if one.At("instance") != nil {
				seen = words(one.At("instance", "viewerRoles"))
				if of := words(one.At("instance", "space", "viewerRoles")); of != roles[""] {
					t.Errorf("%s in the space of %s: %s", who, name, of)
				}
			}
			if seen != roles[name] {
				t.Errorf("%s in %s: %q, want %q", who, name, seen, roles[name])
			}
		}
	}
}

func words(list any) string {
	var words []string
	for _, word := range list.([]any) {
		words = append(words, fmt.Sprint(word))
	}
	return strings.Join(words, " ")
}

func TestMembersAndInvitationsNeedARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitMails(1)
	for who, forbidden := range map[string][]string{
		"ada": {},
		"ed":  {"invitations"},
		"vic": {"members", "invitations"},
		"mia": {"members", "invitations"},
	} {
		a := w.as(who).Ask(`query($id: ID!) { instance(id: $id) { name members { nodes { role user { name email } } } invitations { nodes { email } } } }`,
			map[string]any{"id": w.instance("Group 1")})
		var paths []string
		for _, e := range a.Errors {
			if e.Code() != "FORBIDDEN" || e.Extensions["contacts"] == nil {
				t.Errorf("%s: %v", who, e)
			}
			paths = append(paths, fmt.Sprint(e.Path[1]))
		}
		slices.Sort(paths)
		slices.Sort(forbidden)
		if !slices.Equal(paths, forbidden) {
			t.Errorf("%s is forbidden %v, want %v", who, paths, forbidden)
		}
		if a.At("instance", "name") != "Group 1" {
			t.Errorf("%s: %s", who, a.Body)
		}
	}
}

func TestRevokedRoleIsGoneAtTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.revokeAdministrator("Ada")
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).Refused("NOT_FOUND")
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where i.name = 'Group 1' and a.name = 'Ada'`)
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).Refused("FORBIDDEN")
	w.AwaitMails(1)
}

// Only the first stage that fails answers, and it answers completely.
func TestErrorsAnswerInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "used").OK()
	bad := []string{"a", "b@", "fine@new.example"}
	none := []string{}
	unknown := "instance_00000000000000000000000000000000"
	anybody := w.as("ada")
	anybody.Token = ""

	for _, c := range []struct {
		what string
		got  answer
		want []string
	}{
		{"nobody signed in, everything wrong", anybody.invite(unknown, "NO_ROLE", none), []string{"UNAUTHENTICATED"}},
		{"form before existence", w.as("sam").invite(unknown, "VIEWER", none, "idempotencyKey", ""), []string{"BAD_USER_INPUT", "BAD_USER_INPUT"}},
		{"form before permission", w.as("vic").invite("Group 1", "VIEWER", none), []string{"BAD_USER_INPUT"}},
		{"existence before state", w.as("sam").invite("Group 2", "VIEWER", bad), []string{"NOT_FOUND"}},
		{"permission before the key", w.as("vic").invite("Group 2", "VIEWER", bad, "idempotencyKey", "used"), []string{"FORBIDDEN"}},
		{"the key before the state", w.as("ada").invite("Group 2", "VIEWER", bad, "idempotencyKey", "used"), []string{"IDEMPOTENCY_KEY_REUSED"}},
		{"the key before the kind", w.as("ada").invite("Distributed", "VIEWER", bad, "idempotencyKey", "used"), []string{"IDEMPOTENCY_KEY_REUSED"}},
		{"the kind before addresses", w.as("ada").invite("Distributed", "VIEWER", bad), []string{"INSTANCE_DISTRIBUTED"}},
		{"the state before addresses", w.as("ada").invite("Group 2", "VIEWER", bad), []string{"INSTANCE_DELETED"}},
		{"every address", w.as("ada").invite("Group 1", "VIEWER", bad), []string{"INVALID_EMAIL", "INVALID_EMAIL"}},
		{"permission before protection", w.as("mia").delete("Master"), []string{"FORBIDDEN"}},
		{"permission before the window", w.as("mia").restore("Group 3"), []string{"FORBIDDEN"}},
	} {
		if got := c.got.Codes(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	w.AwaitMails(1)
}

func TestMalformedInputIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("s%d@new.example", i)
	}
	one := []string{"zoe@new.example"}
	for what, a := range map[string]answer{
		"no address":                      ada.invite("Group 1", "VIEWER", []string{}),
		"1,001 addresses":                 ada.invite("Group 1", "VIEWER", many),
		"a message too long":              ada.invite("Group 1", "VIEWER", one, "message", strings.Repeat("é", 2001)),
		"a message with NUL":              ada.invite("Group 1", "VIEWER", one, "message", "a\x00b"),
		"an empty key":                    ada.invite("Group 1", "VIEWER", one, "idempotencyKey", ""),
		"a key too long":                  ada.invite("Group 1", "VIEWER", one, "idempotencyKey", strings.Repeat("k", 256)),
		"a key with NUL":                  ada.invite("Group 1", "VIEWER", one, "idempotencyKey", "a\x00"),
		"a key with a line break":         ada.invite("Group 1", "VIEWER", one, "idempotencyKey", "a\nb"),
		"a key of a deletion":             ada.delete("Group 1", "idempotencyKey", "\u200b"),
		"a key of a restoration":          ada.restore("Group 2", "idempotencyKey", ""),
		"an unknown role":                 ada.invite("Group 1", "OWNER", one),
		"a null address":                  ada.invite("Group 1", "VIEWER", one, "emails", []any{nil}),
		"an address that is a number":     ada.invite("Group 1", "VIEWER", one, "emails", []any{5}),
		"checks of nothing":               ada.Ask(`{ checkEmails(emails: []) { valid } }`, nil),
		"a page too large":                ada.Ask(`query($s: ID!) { space(id: $s) { instances(first: 101) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026")}),
		"a negative page":                 ada.Ask(`query($s: ID!) { space(id: $s) { instances(first: -1) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026")}),
		"a forged cursor":                 ada.Ask(`query($s: ID!) { space(id: $s) { instances(after: "x") { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026")}),
		"a role in lower case":            ada.invite("Group 1", "viewer", one),
		"a state in lower case":           ada.Ask(`query($s: ID!, $x: InstanceState) { space(id: $s) { instances(state: $x) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026"), "x": "deleted"}),
		"a status in lower case":          ada.Ask(`query($i: ID!, $x: InvitationStatus) { instance(id: $i) { invitations(status: $x) { totalCount } } }`, map[string]any{"i": w.instance("Group 1"), "x": "pending"}),
		"a message with a lone surrogate": ada.invite("Group 1", "VIEWER", one, "message", "a\ufffdb"),
		"a key with a lone surrogate":     ada.invite("Group 1", "VIEWER", one, "idempotencyKey", "a\ufffd"),
		"a null condition":                ada.Ask(`query($x: Boolean = true) { __typename @skip(if: $x) }`, map[string]any{"x": nil}),
		"a null input":                    ada.Ask(`mutation($x: DeleteInstanceInput = {instanceId: "x"}) { deleteInstance(input: $x) { deleted } }`, map[string]any{"x": nil}),
		"a null field of an input":        ada.Ask(`mutation($x: InstanceRole = VIEWER) { inviteUsers(input: {instanceId: "x", role: $x, emails: ["a@b.example"]}) { results { email } } }`, map[string]any{"x": nil}),
		"a page too large, not permitted": w.as("vic").Ask(`query($i: ID!) { instance(id: $i) { members(first: 101) { totalCount } } }`, map[string]any{"i": w.instance("Group 1")}),
		"a page that is a string":         ada.Ask(`query($s: ID!, $n: Int) { space(id: $s) { instances(first: $n) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026"), "n": "5"}),
		"a cursor that is a number":       ada.Ask(`query($s: ID!, $c: String) { space(id: $s) { instances(after: $c) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026"), "c": 5}),
		"a huge integer":                  ada.Ask(`query($s: ID!, $n: Int) { space(id: $s) { instances(first: $n) { totalCount } } }`, map[string]any{"s": w.space("Econometrics 2026"), "n": 1e18}),
	} {
		if got := a.Codes(); !slices.Equal(got, []string{"BAD_USER_INPUT"}) {
			t.Errorf("%s: %.300s", what, a.Body)
		}
		for _, e := range a.Errors {
			if e.Extensions["retryable"] != false || e.Extensions["requestId"] == "" {
				t.Errorf("%s: %v", what, e.Extensions)
			}
		}
	}
	for _, table := range []string{"invitation", "outbox"} {
		if n := w.Number("select count(*) from " + table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	// The longest allowed values are accepted.
	ada.invite("Group 1", "VIEWER", one, "message", strings.Repeat("é", 2000), "idempotencyKey", strings.Repeat("ü", 255)).OK()
	// An error does not repeat a megabyte of input.
	a := ada.invite("Group 1", "VIEWER", []string{strings.Repeat("a", 900_000)})
	if got := a.Refused("INVALID_EMAIL").Extensions["reason"]; got != "TOO_LONG" {
		t.Errorf("reason %v", got)
	}
	if len(a.Body) > 2000 {
		t.Errorf("%d octets were sent back", len(a.Body))
	}
}

// A mutation does not run where its selection has a bad argument, because its
// answer could not be given.
func TestBadArgumentBelowAMutationStopsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, selection := range []string{
		`instance { space { instances(first: 1000) { totalCount } } }`,
		`instance { space { instances(after: "x") { totalCount } } }`,
		`...F } } fragment F on DeleteInstancePayload { instance { space { ... on Space { instances(first: 1000) { totalCount } } }`,
	} {
		w.as("ada").Ask(`mutation { deleteInstance(input: {instanceId: "`+w.instance("Group 1")+`"}) { deleted `+selection+` } }`, nil).Refused("BAD_USER_INPUT")
	}
	w.as("ada").Ask(`mutation($x: Boolean = true) { deleteInstance(input: {instanceId: "`+w.instance("Group 1")+`"}) { deleted @skip(if: $x) } }`,
		map[string]any{"x": nil}).Refused("BAD_USER_INPUT")
	w.as("ada").Ask(`mutation($n: Int) { deleteInstance(input: {instanceId: "`+w.instance("Group 1")+`"}) { deleted instance { space { instances(first: $n) { totalCount } } } } }`,
		map[string]any{"n": "5"}).Refused("BAD_USER_INPUT")
	if got := w.Text(`select deleted_at is null from instance where name = 'Group 1'`); got != "true" {
		t.Error("it was deleted")
	}
}

// Each error has the line and column of its argument.
func TestErrorsPointIntoTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.as("ada").Ask(`query($s: ID!, $x: Boolean = true) {
  space(id: $s) {
    a: instances(first: 101) { totalCount }
    b: instances(first: 5,
      after: "x") { totalCount }
    name @skip(if: $x)
  }
}`, map[string]any{"s": w.space("Econometrics 2026"), "x": nil})
	type place struct{ Line, Column int }
	var got struct{ Errors []struct{ Locations []place } }
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
		t.Fatal(err)
	}
	var places []place
	for _, e := range got.Errors {
		places = append(places, e.Locations...)
	}
	if diff := cmp.Diff([]place{{3, 18}, {5, 7}, {6, 20}}, places); diff != "" {
		t.Errorf("%s\n%s", diff, a.Body)
	}
}

func TestErrorsPointIntoTheInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for _, c := range []struct {
		query     string
		variables map[string]any
		want      []any
	}{
		{`mutation($x: InviteUsersInput!) { inviteUsers(input: $x) { results { email } } }`,
			map[string]any{"x": map[string]any{"instanceId": "x", "role": "X", "emails": []string{"a@b.example"}}}, []any{"input", "role"}},
		{`mutation($r: InstanceRole!) { inviteUsers(input: {instanceId: "x", role: $r, emails: ["a@b.example"]}) { results { email } } }`,
			map[string]any{"r": "X"}, []any{"input", "role"}},
		{`mutation($e: String!) { inviteUsers(input: {instanceId: "x", role: VIEWER, emails: ["a@b.example", $e]}) { results { email } } }`,
			map[string]any{"e": 5}, []any{"input", "emails", 1.0}},
		{`mutation($x: InviteUsersInput!) { inviteUsers(input: $x) { results { email } } }`,
			map[string]any{"x": map[string]any{"instanceId": "x", "role": "VIEWER", "emails": []any{"a@b.example", nil}}}, []any{"input", "emails", 1.0}},
	} {
		e := ada.Ask(c.query, c.variables).Refused("BAD_USER_INPUT")
		if diff := cmp.Diff(any(c.want), e.Extensions["inputPath"]); diff != "" {
			t.Errorf("%v: %s", c.variables, diff)
		}
	}
}

// Both lists are resolved at the same time, from the same batch.
func TestSameListUnderTwoAliases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).OK()
	for range 20 {
		a := w.as("ada").Ask(`{ viewer { spaces { nodes { instances(state: null) { nodes { name
			i: invitations { nodes { instance { name } } } j: invitations { nodes { instance { id name } } } } } } } } }`, nil).OK()
		if got := a.At("viewer", "spaces", "nodes", 0, "instances", "nodes", 2, "j", "nodes", 1, "instance", "name"); got != "Group 1" {
			t.Fatalf("%v", got)
		}
	}
	w.AwaitMails(2)
}

func TestCheckEmails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.as("sam").Ask(`{ checkEmails(emails: ["Zoe <zoe@new.example>", "myemail@.uni.edu.com", "kim@gmial.com", ""]) { index input email valid reason suggestion warning } }`, nil).OK()
	want := []any{
		map[string]any{"index": 0.0, "input": "Zoe <zoe@new.example>", "email": "zoe@new.example", "valid": true, "reason": nil, "suggestion": nil, "warning": nil},
		map[string]any{"index": 1.0, "input": "myemail@.uni.edu.com", "email": nil, "valid": false, "reason": "DOMAIN_LABEL_EMPTY", "suggestion": "myemail@uni.edu.com", "warning": nil},
		map[string]any{"index": 2.0, "input": "kim@gmial.com", "email": "kim@gmial.com", "valid": true, "reason": nil, "suggestion": "kim@gmail.com", "warning": "Did you mean kim@gmail.com?"},
		map[string]any{"index": 3.0, "input": "", "email": nil, "valid": false, "reason": "EMPTY", "suggestion": nil, "warning": nil},
	}
	if diff := cmp.Diff(any(want), a.At("checkEmails")); diff != "" {
		t.Error(diff)
	}
}

func TestCheckEmailsSuggestsTheAddressWithinPastedText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.as("sam").Ask(`{ checkEmails(emails: ["1. zoe@new.example", "'zoe@new.example", "kim@yahoo.ie"]) { valid suggestion warning } }`, nil).OK()
	want := []any{
		map[string]any{"valid": false, "suggestion": "zoe@new.example", "warning": nil},
		map[string]any{"valid": true, "suggestion": "zoe@new.example", "warning": "The address has a stray mark before the at sign. Did you mean zoe@new.example?"},
		map[string]any{"valid": true, "suggestion": nil, "warning": nil},
	}
	if diff := cmp.Diff(any(want), a.At("checkEmails")); diff != "" {
		t.Error(diff)
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	emails := make([]string, 45)
	for i := range emails {
		emails[i] = fmt.Sprintf("s%02d@new.example", i)
	}
	w.as("ada").invite("Group 1", "VIEWER", emails).OK()
	w.AwaitMails(45)
	w.Exec(`update invitation set expires_at = clock_timestamp() where email = 's00@new.example'`)
	w.Exec(`update invitation set status = 'REVOKED' where email = 's01@new.example'`)

	var seen []string
	var after any
	sizes := []int{}
	for {
		a := w.as("ada").Ask(`query($id: ID!, $after: String) { instance(id: $id) { invitations(after: $after) { totalCount nodes { email status } edges { cursor node { email } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`,
			map[string]any{"id": w.instance("Group 1"), "after": after}).OK()
		page := a.Every("email", "instance", "invitations", "nodes")
		sizes = append(sizes, len(page))
		seen = append(seen, page...)
		info := a.At("instance", "invitations", "pageInfo").(map[string]any)
		if info["hasPreviousPage"] != (after != nil) || a.At("instance", "invitations", "totalCount") != 45.0 {
			t.Errorf("page %d: %s", len(sizes), a.Body)
		}
		cursors := a.Every("cursor", "instance", "invitations", "edges")
		if info["startCursor"] != cursors[0] || info["endCursor"] != cursors[len(cursors)-1] {
			t.Errorf("cursors: %v", info)
		}
		if info["hasNextPage"] == false {
			break
		}
		after = info["endCursor"]
	}
	slices.Reverse(emails)
	if !slices.Equal(sizes, []int{20, 20, 5}) || !slices.Equal(seen, emails) {
		t.Errorf("pages of %v: %v", sizes, seen)
	}

	for status, want := range map[string]float64{"PENDING": 43, "EXPIRED": 1, "REVOKED": 1, "ACCEPTED": 0} {
		a := w.as("ada").Ask(`query($id: ID!, $status: InvitationStatus) { instance(id: $id) { invitations(status: $status, first: 0) { totalCount nodes { id } pageInfo { hasNextPage } } } }`,
			map[string]any{"id": w.instance("Group 1"), "status": status}).OK()
		if got := a.At("instance", "invitations", "totalCount"); got != want {
			t.Errorf("%s: %v, want %v", status, got, want)
		}
	}
	// A cursor of another list is refused.
	a := w.as("ada").Ask(`query($id: ID!) { instance(id: $id) { members { pageInfo { endCursor } } } }`, map[string]any{"id": w.instance("Group 1")}).OK()
	w.as("ada").Ask(`query($id: ID!, $after: String) { instance(id: $id) { invitations(after: $after) { totalCount } } }`,
		map[string]any{"id": w.instance("Group 1"), "after": a.At("instance", "members", "pageInfo", "endCursor")}).Refused("BAD_USER_INPUT")
}
