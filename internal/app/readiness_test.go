package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
)

const readinessFields = `allowed obstacles { code reason message remedy contacts { name email } request deletedAt restorableUntil retryAfter }`

// ready asks what stands in the way of inviting to an instance, or of restoring
// it.
func (p person) ready(field, instance string) answer {
	p.world.t.Helper()
	return p.Ask(`query($id: ID!) { instance(id: $id) { `+field+` { `+readinessFields+` } } }`, map[string]any{"id": p.world.instance(instance)})
}

// roleCases are the roles that a person can have in an instance.
var roleCases = map[string]func(w *world, instance string) person{
	"administrator": func(w *world, _ string) person { return w.as("ada") },
	"manager":       func(w *world, _ string) person { return w.as("mia") },
	"editor":        func(w *world, i string) person { return w.member(i, "EDITOR") },
	"viewer":        func(w *world, i string) person { return w.member(i, "VIEWER") },
	"editor of another instance": func(w *world, i string) person {
		if i == "Group 1" {
			return w.member("Master", "EDITOR")
		}
		return w.member("Group 1", "EDITOR")
	},
	"nobody": func(w *world, _ string) person { return w.as("sam") },
}

// member returns a person with one role in one instance.
func (w *world) member(instance, role string) person {
	w.t.Helper()
	w.Exec(`delete from instance_member m using account a where a.id = m.account_id and a.name = 'Vic'`)
	w.Exec(`insert into instance_member (instance_id, account_id, role)
		select i.id, a.id, $2 from instance i join space s on s.id = i.space_id, account a
		where s.name = 'Econometrics 2026' and i.name = $1 and a.name = 'Vic'`, instance, role)
	return w.as("vic")
}

// Readiness agrees with the mutation for every role, instance and state.
func TestReadinessPredictsTheMutation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instances := map[string]string{ // with a statement that sets their state
		"Master":      `update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = $1`,
		"Distributed": `update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = $1`,
		"Group 1":     `update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = $1`,
		"Group 2": `update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
			from account a, (select clock_timestamp() - interval '1 hour' as at) t where i.name = $1 and a.name = 'Ada'`,
		"Group 3": `update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
			from account a, (select clock_timestamp() - interval '30 hours' as at) t where i.name = $1 and a.name = 'Ada'`,
	}
	mutations := map[string]func(p person, instance string, n int) answer{
		"inviting": func(p person, instance string, n int) answer {
			return p.invite(instance, "VIEWER", []string{fmt.Sprintf("p%d@new.example", n)})
		},
		"restoring": func(p person, instance string, _ int) answer { return p.restore(instance) },
	}
	// Of Ada, who is the last administrator, of Mia, who has a derived role, of Ed, and of Sam
	// without any.
	for _, name := range []string{"Ada", "Mia", "Ed", "Sam"} {
		user := w.user(name)
		mutations[fmt.Sprintf("removing(userId: %q)", user)] = func(p person, instance string, _ int) answer {
			a := p.remove(instance, user)
			w.Exec(`insert into instance_member (instance_id, account_id, role)
				select i.id, a.id, 'EDITOR' from instance i join space s on s.id = i.space_id, account a
				where s.name = 'Econometrics 2026' and i.name in ('Group 1', 'Group 2', 'Group 3') and a.name = 'Ed' on conflict do nothing`)
			return a
		}
	}
	n, allowed, refused := 0, 0, map[string]int{}
	for standing, come := range roleCases {
		for instance, state := range instances {
			for question, mutate := range mutations {
				field, _, _ := strings.Cut(question, "(")
				n++
				what := standing + ", " + question + " " + instance
				w.Exec(state, instance)
				p := come(w, instance)
				asked := p.ready(question, instance).OK()
				done := mutate(p, instance, n)
				if asked.At("instance") == nil {
					done.Refused("NOT_FOUND")
					refused["NOT_FOUND"]++
					continue
				}
				obstacles := asked.At("instance", field, "obstacles").([]any)
				if got := asked.At("instance", field, "allowed"); got != (len(done.Errors) == 0) || got != (len(obstacles) == 0) {
					t.Errorf("%s: allowed %v, obstacles %v; done: %s", what, got, obstacles, done.Body)
					continue
				}
				if len(obstacles) == 0 {
					allowed++
					continue
				}
				first, e := obstacles[0].(map[string]any), done.Errors[0]
				refused[e.Code()]++
				contacts, given := e.Extensions["contacts"]
				if !given {
					contacts = []any{}
				}
				got := map[string]any{"code": e.Code(), "message": e.Message, "remedy": e.Extensions["remedy"], "contacts": contacts}
				for _, name := range []string{"reason", "request", "deletedAt", "restorableUntil", "retryAfter"} {
					got[name] = e.Extensions[name]
				}
				if diff := cmp.Diff(any(first), any(got)); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}
		}
	}
	t.Logf("%d allowed, refused %v", allowed, refused)
	for _, code := range []string{"NOT_FOUND", "FORBIDDEN", "INSTANCE_DISTRIBUTED", "INSTANCE_DELETED", "RESTORE_WINDOW_EXPIRED", "CONFLICT"} {
		if refused[code] == 0 {
			t.Errorf("nobody was refused with %s", code)
		}
	}
}

// Readiness lists all obstacles, each with its way out.
func TestReadinessListsEveryObstacle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, editors := any(map[string]any{"name": "Ada", "email": "ada@uni.example"}), any(map[string]any{"name": "Ed", "email": "ed@uni.example"})
	type way struct {
		Code, Request any
		Contacts      any
	}
	for _, c := range []struct {
		who, field, instance string
		want                 []way
	}{
		{"vic", "inviting", "Group 1", []way{{"FORBIDDEN", "requestInvitations", []any{ada}}}},
		{"vic", "inviting", "Group 2", []way{{"FORBIDDEN", "requestRole", []any{ada}}, {"INSTANCE_DELETED", "requestRestore", []any{editors, ada}}}},
		{"vic", "restoring", "Group 2", []way{{"FORBIDDEN", "requestRestore", []any{editors, ada}}}},
		{"vic", "restoring", "Group 1", []way{{"FORBIDDEN", "requestRole", []any{editors, ada}}}},
		{"ed", "inviting", "Group 2", []way{{"FORBIDDEN", "requestRole", []any{ada}}, {"INSTANCE_DELETED", nil, []any{}}}},
		{"ed", "inviting", "Distributed", []way{{"FORBIDDEN", "requestRole", []any{ada}}, {"INSTANCE_DISTRIBUTED", "requestInvitations", []any{ada}}}},
		{"ed", "restoring", "Group 3", []way{{"RESTORE_WINDOW_EXPIRED", "requestRole", []any{ada}}}},
		{"mia", "restoring", "Group 3", []way{{"FORBIDDEN", "requestRole", []any{editors, ada}}, {"RESTORE_WINDOW_EXPIRED", "requestRole", []any{ada}}}},
		{"ada", "inviting", "Distributed", []way{{"INSTANCE_DISTRIBUTED", nil, []any{}}}},
		{"ada", "inviting", "Group 2", []way{{"INSTANCE_DELETED", nil, []any{}}}},
		{"ada", "restoring", "Group 3", []way{{"RESTORE_WINDOW_EXPIRED", nil, []any{}}}},
		{"ada", "restoring", "Group 2", nil},
	} {
		var got []way
		for _, o := range w.as(c.who).ready(c.field, c.instance).OK().At("instance", c.field, "obstacles").([]any) {
			o := o.(map[string]any)
			got = append(got, way{o["code"], o["request"], o["contacts"]})
			deleted := slices.Contains([]any{"INSTANCE_DELETED", "RESTORE_WINDOW_EXPIRED"}, o["code"]) || o["request"] == "requestRestore"
			if deleted != (o["deletedAt"] != nil && o["restorableUntil"] != nil) {
				t.Errorf("%s, %s %s: deleted at %v", c.who, c.field, c.instance, o["deletedAt"])
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s %s: %s", c.who, c.field, c.instance, diff)
		}
	}
}

// The hourly limits hold for all gateways together, and readiness shows them.
func TestLimitsOfInviting(t *testing.T) {
	t.Parallel()
	few := func(s *app.Settings) { s.MaxInvitations, s.MaxSpaceInvitations = 5, 8 }
	w := newWorld(t, few)
	other, _ := w.Start(few)
	w.grantAdministrator("Mia")
	ada, mia, elsewhere := w.as("ada"), w.as("mia"), w.as("ada")
	elsewhere.URL = other.URL()
	emails := func(from, n int) (emails []string) {
		for i := range n {
			emails = append(emails, fmt.Sprintf("p%d@new.example", from+i))
		}
		return emails
	}
	ada.invite("Group 1", "VIEWER", emails(0, 3), "idempotencyKey", "k").OK()
	ada.invite("Group 1", "VIEWER", emails(0, 3), "idempotencyKey", "k").OK() // a retry costs nothing
	// Nobody is invited beyond the limit, and the limit answers before invalid
	// addresses.
	for _, a := range []answer{elsewhere.invite("Master", "VIEWER", emails(10, 3)), ada.invite("Master", "VIEWER", append(emails(10, 2), "no address"))} {
		a.Limited("INVITATIONS_BY_PERSON")
	}
	if got := ada.ready("inviting", "Master").OK().At("instance", "inviting", "allowed"); got != true {
		t.Errorf("two are left, but %v", got)
	}
	ada.inviteAdministrators(emails(20, 2)).OK() // counts as well
	e := elsewhere.invite("Master", "VIEWER", emails(30, 1)).Refused("RATE_LIMITED")
	o := ada.ready("inviting", "Master").OK().At("instance", "inviting", "obstacles", 0).(map[string]any)
	if o["code"] != "RATE_LIMITED" || o["message"] != e.Message || o["retryAfter"] == nil {
		t.Errorf("the obstacle is %v, the error %v", o, e)
	}
	// Another administrator has another limit, but the limit of the space is
	// shared.
	mia.invite("Group 1", "VIEWER", emails(40, 3)).OK()
	mia.invite("Group 1", "VIEWER", emails(50, 1)).Refused("RATE_LIMITED")
	// A request that is larger than a limit cannot succeed later, so it has no
	// retryAfter. Every limit that is reached has an error.
	both := mia.invite("Group 1", "VIEWER", emails(60, 6))
	if len(both.Errors) != 2 || both.Errors[0].Reason() != "INVITATIONS_BY_PERSON" || both.Errors[0].Extensions["retryAfter"] != nil ||
		both.Errors[1].Reason() != "INVITATIONS_BY_SPACE" || both.Errors[1].Extensions["retryAfter"] == nil {
		t.Errorf("%s", both.Body)
	}
	// An hour later.
	w.anHourLater()
	ada.invite("Master", "VIEWER", emails(70, 5)).OK()
	if n := w.Number(`select count(*) from invitation`); n != 13 {
		t.Errorf("%d invitations", n)
	}
}
