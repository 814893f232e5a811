package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const spaceFields = `name state deletedAt deletedBy { name } restorableUntil`

func (p person) deleteSpace(more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: DeleteSpaceInput!) { deleteSpace(input: $input) { deleted space { `+spaceFields+` } } }`,
		map[string]any{"input": object(append(more, "spaceId", p.world.space("Econometrics 2026"))...)})
}

func (p person) restoreSpace(more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: RestoreSpaceInput!) { restoreSpace(input: $input) { restored space { `+spaceFields+` } } }`,
		map[string]any{"input": object(append(more, "spaceId", p.world.space("Econometrics 2026"))...)})
}

// Ada deletes the course by mistake. Invited people are told so, a teaching assistant asks
// for it, the manager restores it, and everything goes on.
func TestADeletedSpaceComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic, mia, zoe := w.as("ada"), w.as("vic"), w.as("mia"), w.as("zoe@new.example")
	ada.inviteAdministrators([]string{"zoe@new.example"}).OK()
	token := w.AwaitToken("zoe@new.example")
	deleted := ada.deleteSpace("idempotencyKey", "monday").OK().At("deleteSpace")
	if again := ada.deleteSpace("idempotencyKey", "monday").OK().At("deleteSpace"); !cmp.Equal(deleted, again) || deleted.(map[string]any)["deleted"] != true {
		t.Errorf("%v, and again %v", deleted, again)
	}

	e := ada.invite("Group 1", "VIEWER", []string{"kim@new.example"}).Refused("SPACE_DELETED")
	if e.Extensions["restorableUntil"] == nil || !strings.Contains(fmt.Sprint(e.Extensions["remedy"]), "restoreSpace") {
		t.Errorf("%v", e)
	}
	// The review page: only the invited person learns why.
	if got := zoe.review(token).OK().At("invitation", "accepting", "obstacles", 0, "reason"); got != "SPACE_DELETED" {
		t.Errorf("the reviewing person is told %v", got)
	}
	if got := w.as("sam").review(token).OK().At("invitation"); got != nil {
		t.Errorf("others are told %v", got)
	}
	if e := zoe.accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "SPACE_DELETED" {
		t.Errorf("%v", e)
	}

	if e := vic.restoreSpace().Refused("FORBIDDEN"); e.Extensions["request"] != "requestRestore" {
		t.Errorf("%v", e)
	}
	id := fmt.Sprint(vic.requested("requestRestore", "spaceId", w.space("Econometrics 2026"), "message", "My data is in there.").OK().At("requestRestore", "request", "id"))
	for _, to := range []string{"ada@uni.example", "mia@uni.example"} {
		if m := w.AwaitMail(to, "DataHub Vic asks you to restore the space Econometrics 2026"); !strings.Contains(m.Text, "My data is in there.") {
			t.Errorf("%s", m.Text)
		}
	}
	mia.approveRequest(id).OK()
	w.AwaitMail("vic@uni.example", "DataHub Mia has approved your request", "The space is available again")
	if got := vic.Ask(`query($id: ID!) { space(id: $id) { state deletedAt } }`, map[string]any{"id": w.space("Econometrics 2026")}).OK().At("space", "state"); got != "ACTIVE" {
		t.Errorf("it is %v", got)
	}
	zoe.accept("token", token).OK()
	ada.invite("Group 1", "VIEWER", []string{"kim@new.example"}).OK()
}

// The readiness of a space, and of its instances, agrees with the mutations for every role and
// state of the space.
func TestReadinessOfADeletedSpacePredictsTheMutation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	states := map[string]string{
		"active": `update space set deleted_at = null, deleted_by = null, restorable_until = null where name = 'Econometrics 2026'`,
		"deleted": `update space s set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
			from account a, (select clock_timestamp() - interval '1 hour' as at) t where s.name = 'Econometrics 2026' and a.name = 'Ada'`,
		"gone": `update space s set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
			from account a, (select clock_timestamp() - interval '30 hours' as at) t where s.name = 'Econometrics 2026' and a.name = 'Ada'`,
	}
	n, refused := 0, map[string]int{}
	ada, mia := w.user("Ada"), w.user("Mia")
	questions := map[string]struct {
		ask  string
		path []any
		do   func(p person) answer
	}{
		"restoring the space": {`{ space(id: "SPACE") { restoring { ` + readinessFields + ` } } }`, []any{"space", "restoring"},
			func(p person) answer { return p.restoreSpace() }},
		"inviting administrators": {`{ space(id: "SPACE") { inviting { ` + readinessFields + ` } } }`, []any{"space", "inviting"},
			func(p person) answer { return p.inviteAdministrators([]string{fmt.Sprintf("p%d@new.example", n)}) }},
		"inviting to an instance": {`{ instance(id: "INSTANCE") { inviting { ` + readinessFields + ` } } }`, []any{"instance", "inviting"},
			func(p person) answer {
				return p.invite("Group 1", "VIEWER", []string{fmt.Sprintf("p%d@new.example", n)})
			}},
		"restoring an instance": {`{ instance(id: "INSTANCE") { restoring { ` + readinessFields + ` } } }`, []any{"instance", "restoring"},
			func(p person) answer { return p.restore("Group 1") }},
		"removing the last administrator": {`{ space(id: "SPACE") { removing(userId: "ADA") { ` + readinessFields + ` } } }`, []any{"space", "removing"},
			func(p person) answer { return p.remove("", ada) }},
		"removing the manager": {`{ space(id: "SPACE") { removing(userId: "MIA") { ` + readinessFields + ` } } }`, []any{"space", "removing"},
			func(p person) answer { return p.remove("", mia) }},
		"removing from the organization": {`{ organization(id: "ORGANIZATION") { removing(userId: "ADA") { ` + readinessFields + ` } } }`, []any{"organization", "removing"},
			func(p person) answer { return p.removeFromOrganization("University of Example", ada) }},
		"removing the last manager": {`{ organization(id: "ORGANIZATION") { removing(userId: "MIA") { ` + readinessFields + ` } } }`, []any{"organization", "removing"},
			func(p person) answer { return p.removeFromOrganization("University of Example", mia) }},
	}
	for standing, come := range roleCases {
		for state, statement := range states {
			for question, q := range questions {
				n++
				what := standing + ", " + question + ", " + state
				w.Exec(statement)
				p := come(w, "Group 1")
				asked := p.Ask(strings.NewReplacer("SPACE", w.space("Econometrics 2026"), "INSTANCE", w.instance("Group 1"),
					"ORGANIZATION", w.organization("University of Example"), "ADA", ada, "MIA", mia).Replace(q.ask), nil).OK()
				done := q.do(p)
				// A space that nobody can restore any more needs no administrator.
				w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a
					where s.name = 'Econometrics 2026' and a.name = 'Ada' on conflict do nothing`)
				if asked.At(q.path[0]) == nil {
					done.Refused("NOT_FOUND")
					continue
				}
				obstacles := asked.At(append(q.path, "obstacles")...).([]any)
				if got := asked.At(append(q.path, "allowed")...); got != (len(done.Errors) == 0) || got != (len(obstacles) == 0) {
					t.Errorf("%s: allowed %v, obstacles %v; done: %s", what, got, obstacles, done.Body)
					continue
				}
				if len(obstacles) == 0 {
					continue
				}
				first, e := obstacles[0].(map[string]any), done.Errors[0]
				refused[e.Code()]++
				if first["code"] != e.Code() || fmt.Sprint(first["reason"]) != fmt.Sprint(e.Extensions["reason"]) || first["message"] != e.Message || first["remedy"] != e.Extensions["remedy"] || first["request"] != e.Extensions["request"] || first["restorableUntil"] != e.Extensions["restorableUntil"] {
					t.Errorf("%s: %v, and the mutation says %s", what, first, done.Body)
				}
			}
		}
	}
	for _, code := range []string{"FORBIDDEN", "SPACE_DELETED", "RESTORE_WINDOW_EXPIRED", "CONFLICT"} {
		if refused[code] == 0 {
			t.Errorf("nobody was refused with %s: %v", code, refused)
		}
	}
}
