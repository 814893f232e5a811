package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const organizationRequestFields = `id kind status role spaceName space { name } instanceName instance { name } organizationName organization { name viewerRoles } answeredBy { name } answer`

// askInOrganization asks for a role in the University of Example.
func (p person) askInOrganization(role string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: RequestRoleInput!) { requestRole(input: $input) { created request { `+organizationRequestFields+` } } }`,
		map[string]any{"input": object(append(more, "organizationId", p.world.organization("University of Example"), "role", role)...)})
}

// Fay may not create a space. The refusal says how to get there: Fay asks, Mia approves,
// and Fay creates it.
func TestAMemberAsksToBecomeFaculty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mia, fay := w.as("mia"), w.as("fay@uni.example")
	university := w.organization("University of Example")
	mia.Ask(`mutation($o: ID!) { inviteOrganizationMembers(input: {organizationId: $o, role: MEMBER, emails: ["fay@uni.example"]}) { results { outcome } } }`, map[string]any{"o": university}).OK()
	fay.accept("token", w.AwaitToken("fay@uni.example")).OK()

	e := fay.createSpace(university, "Statistics").Refused("FORBIDDEN")
	if got := fmt.Sprint(e.Extensions["remedy"]); e.Extensions["request"] != "requestRole" ||
		got != "Ask Mia (mia@uni.example) to do it for you, or ask for the role ORGANIZATION_FACULTY with requestRole." {
		t.Errorf("%v: %s", e, got)
	}
	if got := fay.Ask(`query($o: ID!) { organization(id: $o) { inviting { allowed obstacles { request remedy } } } }`, map[string]any{"o": university}).OK().At("organization", "inviting"); !cmp.Equal(got, any(map[string]any{
		"allowed": false, "obstacles": []any{map[string]any{"request": "requestRole", "remedy": "Ask Mia (mia@uni.example) to do it for you, or ask for the role ORGANIZATION_MANAGER with requestRole."}}})) {
		t.Errorf("%v", got)
	}
	for name, input := range map[string][]any{
		"a member's role":       {"ORGANIZATION_MEMBER"},
		"a role of a space":     {"SPACE_ADMINISTRATOR"},
		"two places":            {"ORGANIZATION_FACULTY", "spaceId", w.space("Econometrics 2026")},
		"a place and no place":  {"ORGANIZATION_FACULTY", "instanceId", "x"},
		"a key of no character": {"ORGANIZATION_FACULTY", "idempotencyKey", ""},
	} {
		if codes := fay.askInOrganization(input[0].(string), input[1:]...).Codes(); len(codes) != 1 || codes[0] != "BAD_USER_INPUT" {
			t.Errorf("%s: %v", name, codes)
		}
	}
	w.as("sam").askInOrganization("ORGANIZATION_FACULTY").Refused("NOT_FOUND")
	w.as("rita").askInOrganization("ORGANIZATION_FACULTY").Refused("NOT_FOUND")
	if e := mia.askInOrganization("ORGANIZATION_FACULTY").Refused("CONFLICT"); e.Reason() != "NOT_NEEDED" {
		t.Errorf("%v", e)
	}

	watch := mia.connect()
	defer watch.conn.CloseNow()
	watch.subscribe("1", `subscription { requestChanged { change request { role organizationName } } }`, nil)
	watch.subscribe("2", `{ __typename }`, nil)
	for watch.receive()["id"] != "2" {
	}
	asked := fay.askInOrganization("ORGANIZATION_FACULTY", "message", "I teach Statistics.", "idempotencyKey", "monday").OK()
	again := fay.askInOrganization("ORGANIZATION_FACULTY", "message", "I teach Statistics.", "idempotencyKey", "monday").OK()
	if diff := cmp.Diff(asked.Data, again.Data); diff != "" {
		t.Error(diff)
	}
	for m := watch.receive(); ; m = watch.receive() {
		if m["id"] == "1" && m["type"] == "next" {
			if got := fmt.Sprint(m["payload"]); !strings.Contains(got, "CREATED") || !strings.Contains(got, "ORGANIZATION_FACULTY") || !strings.Contains(got, "University of Example") {
				t.Errorf("watched: %s", got)
			}
			break
		}
	}
	r := asked.At("requestRole", "request").(map[string]any)
	id := fmt.Sprint(r["id"])
	if diff := cmp.Diff(map[string]any{
		"id": id, "kind": "ROLE", "status": "OPEN", "role": "ORGANIZATION_FACULTY", "spaceName": "University of Example", "space": nil, "instanceName": nil, "instance": nil,
		"organizationName": "University of Example", "organization": map[string]any{"name": "University of Example", "viewerRoles": []any{"ORGANIZATION_MEMBER"}},
		"answeredBy": nil, "answer": nil,
	}, r); diff != "" {
		t.Error(diff)
	}
	m := w.AwaitMail("mia@uni.example", "DataHub Fay asks to become a faculty member of University of Example", "I teach Statistics.")
	if !strings.HasSuffix(m.Link, "/app/request#"+id) {
		t.Errorf("the link is %s", m.Link)
	}

	// Mia finds it in both lists; members may not list it.
	const list = `query($o: ID!) { organization(id: $o) { requests(status: OPEN, first: 5) { totalCount nodes { id } } } viewer { requestsToAnswer { nodes { id } } } }`
	if got := mia.Ask(list, map[string]any{"o": university}).OK(); !cmp.Equal(got.At("organization", "requests"), any(map[string]any{"totalCount": 1.0, "nodes": []any{map[string]any{"id": id}}})) ||
		got.At("viewer", "requestsToAnswer", "nodes", 0, "id") != id {
		t.Errorf("%s", got.Body)
	}
	if codes := fay.Ask(list, map[string]any{"o": university}).Codes(); len(codes) != 1 || codes[0] != "FORBIDDEN" {
		t.Errorf("%v", codes)
	}
	w.as("ada").approveRequest(id).Refused("NOT_FOUND")
	if e := fay.approveRequest(id).Refused("FORBIDDEN"); e.Extensions["request"] != nil || e.Extensions["remedy"] != "Wait for the answer, or withdraw the request with withdrawRequest." {
		t.Errorf("%v", e)
	}
	approved := mia.approveRequest(id, "message", "Welcome!", "idempotencyKey", "k").OK()
	if diff := cmp.Diff(approved.Data, mia.approveRequest(id, "message", "Welcome!", "idempotencyKey", "k").OK().Data); diff != "" {
		t.Error(diff)
	}
	w.AwaitMail("fay@uni.example", "DataHub Mia has approved your request", "You can create spaces in the organization now.", "Welcome!")
	fay.createSpace(university, "Statistics").OK()
	trail := mia.Ask(`query($o: ID!) { organization(id: $o) { auditLog(first: 4) { nodes { summary } } } }`, map[string]any{"o": university}).OK().Every("summary", "organization", "auditLog", "nodes")
	if diff := cmp.Diff([]string{
		"Fay created the space Statistics.",
		"Mia approved the request of Fay to be a faculty member of University of Example.",
		"Mia made Fay a faculty member of University of Example.",
		"Fay asked to be a faculty member of University of Example.",
	}, trail); diff != "" {
		t.Error(diff)
	}
}

// The readiness of an organization agrees with the mutation for everybody, and the way out
// that a refusal names is open.
func TestReadinessOfAnOrganizationPredictsTheMutation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.organization("University of Example")
	w.Exec(`insert into organization_member (organization_id, account_id, role, guest)
		select o.id, a.id, case a.name when 'Ed' then 'FACULTY' else 'MEMBER' end, a.name = 'Vic' from organization o, account a where o.name = 'University of Example' and a.name in ('Vic', 'Ed')`)
	// Mia is a manager, Ed faculty, Vic a guest, and Ada administers a space of it.
	for who, contacts := range map[string]int{"mia": 0, "ed": 1, "vic": 0, "ada": 1, "sam": 0, "rita": 0} {
		p := w.as(who)
		asked := p.Ask(`query($o: ID!) { organization(id: $o) { inviting { `+readinessFields+` } } }`, map[string]any{"o": university}).OK()
		done := p.Ask(`mutation($o: ID!, $e: String!) { inviteOrganizationMembers(input: {organizationId: $o, role: MEMBER, emails: [$e]}) { results { outcome } } }`, map[string]any{"o": university, "e": who + "@new.example"})
		if asked.At("organization") == nil {
			done.Refused("NOT_FOUND")
			continue
		}
		obstacles := asked.At("organization", "inviting", "obstacles").([]any)
		if allowed := asked.At("organization", "inviting", "allowed"); allowed != (who == "mia") || allowed != (len(obstacles) == 0) {
			t.Errorf("%s: %s", who, asked.Body)
		}
		if who == "mia" {
			done.OK()
			continue
		}
		first, e := obstacles[0].(map[string]any), done.Refused("FORBIDDEN")
		named, _ := e.Extensions["contacts"].([]any)
		if first["code"] != e.Code() || first["message"] != e.Message || first["remedy"] != e.Extensions["remedy"] || first["request"] != e.Extensions["request"] ||
			len(named) != contacts || len(first["contacts"].([]any)) != contacts {
			t.Errorf("%s: %v, and the mutation says %s", who, first, done.Body)
		}
		if e.Extensions["request"] == "requestRole" {
			p.askInOrganization("ORGANIZATION_MANAGER").OK()
		} else {
			t.Errorf("%s has no way out: %v", who, e)
		}
	}
}
