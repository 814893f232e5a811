package app_test

import (
	"fmt"
	"strings"
	"testing"
)

// repeated returns a selection under n aliases.
func repeated(n int, selection string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: %s ", i, selection)
	}
	return b.String()
}

// spreading returns a document of fragments, each of which spreads the next one
// twice.
func spreading(fragments int) string {
	var b strings.Builder
	b.WriteString(`{ viewer { ...F0 } }`)
	for i := range fragments {
		fmt.Fprintf(&b, ` fragment F%d on User { ...F%d ...F%d }`, i, i+1, i+1)
	}
	return b.String() + fmt.Sprintf(` fragment F%d on User { id }`, fragments)
}

func TestCostlyDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for what, query := range map[string]string{
		"twenty inboxes":        "{" + repeated(20, `viewer { requests(first: 100) { nodes { emails(first: 1000) } } }`) + "}",
		"requests of requests":  `{ viewer { requestsToAnswer(first: 100) { nodes { space { requests(first: 50) { nodes { emails(first: 1000) } } } } } } }`,
		"a hundred to the four": `{ viewer { spaces(first: 100) { nodes { instances(first: 100) { nodes { members(first: 100) { nodes { role } } } } } } } }`,
		"aliases":               "{" + repeated(51, `viewer { id }`) + "}",
		"depth":                 "{ viewer { spaces { nodes {" + strings.Repeat(" instances { nodes { space {", 5) + " id" + strings.Repeat("}", 19),
		"fragments":             spreading(30),
		"cycles":                `{ viewer { ...F } } fragment F on User { ...F ...F }`,
		"the same":              "{" + strings.Repeat(" viewer { id }", 490) + "}",
		"unknown fields":        "{" + strings.Repeat(" nothing", 1990) + "}",
		"a long string":         `{ invitation(token: """` + strings.Repeat("x\n", 100_000) + `""") { email } }`,
		"mutations":             "mutation {" + repeated(11, `deleteInstance(input: {instanceId: "`+w.instance("Group 1")+`"}) { deleted }`) + "}",
	} {
		if e := ada.Ask(query, nil).Refused("QUERY_TOO_COMPLEX"); e.Extensions["retryable"] != false || len(e.Message) > 200 {
			t.Errorf("%s: %v", what, e)
		}
		if got := fmt.Sprint(ada.overEvents(query, nil)); !strings.Contains(got, "QUERY_TOO_COMPLEX") {
			t.Errorf("%s, over events: %s", what, got)
		}
		s := ada.connect()
		s.subscribe("1", query, nil)
		if got := fmt.Sprint(s.outcome("1")); !strings.Contains(got, "QUERY_TOO_COMPLEX") {
			t.Errorf("%s, over a WebSocket: %s", what, got)
		}
	}
	if got := w.Text(`select deleted_at is null from instance where name = 'Group 1'`); got != "true" {
		t.Error("a refused mutation was carried out")
	}
	if a := ada.Get(spreading(20)); a.Codes()[0] != "QUERY_TOO_COMPLEX" {
		t.Errorf("by GET: %s", a.Body)
	}
}

// The cost counts the argument first as a literal, a variable or a default, and
// the addresses of fields that return a result for each.
func TestVariablesCountInTheCost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const query = `query($n: Int, $m: Int = 100) { viewer { spaces(first: $n) { nodes { instances(first: $m) { nodes { members(first: $m) { nodes { role } } } } } } } }`
	ada.Ask(query, map[string]any{"n": 1}).OK()
	ada.Ask(query, map[string]any{"n": 100, "m": 2}).OK()
	if e := ada.Ask(query, map[string]any{"n": 100}).Refused("QUERY_TOO_COMPLEX"); !strings.Contains(e.Message, "costs 2020202; it can cost 100000") {
		t.Errorf("message %q", e.Message)
	}
	const invite = `mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { email invitation { instance { members(first: 100) { nodes { role } } } } } } }`
	emails := make([]string, 500)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
	}
	ada.Ask(invite, map[string]any{"input": ada.input("Group 1", "role", "VIEWER", "emails", emails)}).Refused("QUERY_TOO_COMPLEX")
	ada.Ask(invite, map[string]any{"input": ada.input("Group 1", "role", "VIEWER", "emails", emails[:5])}).OK()
	w.AwaitMails(5)
}

// The work of a list in the arguments is done for each field that has it.
func TestListsInArgumentsCountInTheCost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	ada := w.as("ada")
	emails := func(n, octets int) (list []string) {
		for i := range n {
			name := fmt.Sprintf("p%d.", i)
			list = append(list, name+strings.Repeat("x", octets-len(name)-len("@new.example"))+"@new.example")
		}
		return list
	}
	check := func(fields int) string {
		text := "query($emails: [String!]!) {"
		for i := range fields {
			text += fmt.Sprintf(" a%d: checkEmails(emails: $emails) { valid }", i)
		}
		return text + " }"
	}
	const all = `query($emails: [String!]!) { checkEmails(emails: $emails) { index input email valid reason suggestion warning } }`
	ada.Ask(all, map[string]any{"emails": emails(1000, 70)}).OK()
	ada.invite("Group 1", "VIEWER", emails(1000, 70), "message", strings.Repeat("x", 2000)).OK()
	ada.Ask(check(4), map[string]any{"emails": emails(1000, 20)}).OK()
	for what, c := range map[string]struct {
		fields, emails, octets int
		cost                   string
	}{
		"many fields":    {5, 1000, 20, "costs 116250, of which its arguments cost 106250; it can cost 100000"},
		"many addresses": {49, 100, 20, "costs 113925, of which its arguments cost 104125; it can cost 100000"},
		"long addresses": {49, 60, 260, "costs 112455, of which its arguments cost 106575; it can cost 100000"},
	} {
		variables := map[string]any{"emails": make([]string, c.emails)}
		if c.octets > 0 {
			list := variables["emails"].([]string)
			for i := range list {
				list[i] = strings.Repeat("x", c.octets)
			}
		}
		if e := ada.Ask(check(c.fields), variables).Refused("QUERY_TOO_COMPLEX"); !strings.Contains(e.Message, c.cost) || e.Extensions["retryable"] != false {
			t.Errorf("%s: %v", what, e)
		}
	}
	invites := `mutation($input: InviteUsersInput!) {`
	for i := range 5 {
		invites += fmt.Sprintf(" a%d: inviteUsers(input: $input) { results { index } }", i)
	}
	ada.Ask(invites+"}", map[string]any{"input": ada.input("Group 1", "role", "VIEWER", "emails", emails(1000, 21))}).Refused("QUERY_TOO_COMPLEX")
	if n := w.Number(`select count(*) from invitation`); n != 1000 {
		t.Errorf("%d invitations", n)
	}
	// One long text in many fields.
	tokens := `query($token: String!) {`
	for i := range 49 {
		tokens += fmt.Sprintf(" a%d: invitation(token: $token) { id }", i)
	}
	ada.Ask(tokens+"}", map[string]any{"token": strings.Repeat("x", 100_000)}).Refused("QUERY_TOO_COMPLEX")
}

func TestOrdinaryPageIsWithinTheCost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ed").Ask(`{ viewer { id name requestsToAnswer(first: 100) { totalCount pageInfo { hasNextPage endCursor } nodes {
		id kind status spaceName instanceName role emails message createdAt expiresAt requestedBy { name email } space { id name } instance { id name inviting { allowed obstacles { code message remedy contacts { name email } } } } } } } }`, nil).OK()
	w.as("ada").Ask(`{ viewer { spaces { nodes { id name organization { name } administrators { name email } instances(state: null) { totalCount nodes {
		id name kind state inviting { allowed obstacles { code message remedy contacts { name email } request } } restoring { allowed obstacles { code message remedy contacts { name email } request } } } } } } } }`, nil).OK()
	w.as("ada").Ask(`query($s: ID!) { space(id: $s) { instances(first: 100, state: null) { nodes { id name members(first: 100) { totalCount nodes { role since user { id name email } } } } } } }`,
		map[string]any{"s": w.space("Econometrics 2026")}).OK()
}

// A list of a megabyte would become hundreds of megabytes in memory.
func TestTooManyValuesInVariablesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := make([]int, 20_001)
	for _, way := range []string{"POST", "WebSocket"} { // the head of a GET has a lower limit
		send := ways[way]
		for what, variables := range map[string]any{
			"a list":   map[string]any{"x": long},
			"lists":    map[string]any{"x": [][]int{long[:10_000], long[:10_001]}},
			"objects":  map[string]any{"x": make([]struct{}, 20_001)},
			"unlisted": long,
		} {
			if got := send(w.as("ada"), map[string]any{"query": ownName, "variables": variables}); !strings.Contains(got, "BAD_USER_INPUT") {
				t.Errorf("%s, %s: %.300s", way, what, got)
			}
		}
		marks := strings.Repeat(`\",[{`, 10_000)
		if got := send(w.as("ada"), map[string]any{"query": ownName, "variables": map[string]any{"x": marks}}); !strings.Contains(got, "Ada") {
			t.Errorf("%s, marks in a text: %.300s", way, got)
		}
	}
}
