package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInviteUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people := []string{"zoe@new.example", "Bob <bob@new.example>", "kim@new.example;"}

	first := w.as("ada").invite("Group 1", "VIEWER", people, "message", "Welcome!", "idempotencyKey", "monday").OK()
	want := []string{"INVITED", "INVITED", "INVITED"}
	if got := first.Every("outcome", "inviteUsers", "results"); !slices.Equal(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	if got := first.Every("email", "inviteUsers", "results"); !slices.Equal(got, []string{"zoe@new.example", "bob@new.example", "kim@new.example"}) {
		t.Errorf("addresses %v", got)
	}

	mails := w.AwaitMails(3)
	for _, m := range mails {
		if m.Subject != "DataHub Ada has sent you an invitation" {
			t.Errorf("subject %q", m.Subject)
		}
		for part, text := range map[string]string{"text": m.Text, "HTML": m.HTML} {
			for _, said := range []string{"Ada", "Group 1", "Econometrics 2026", "University of Example", "viewer", "Welcome!", "Review invitation", m.Link, m.To} {
				if !strings.Contains(text, said) {
					t.Errorf("the %s part does not say %q", part, said)
				}
			}
		}
		if !strings.HasPrefix(m.Link, w.Gateway.URL()+"/app/invitation#") {
			t.Errorf("link %q", m.Link)
		}
	}

	// The same request with the same key gets the same answer and sends no
	// mail.
	again := w.as("ada").invite("Group 1", "VIEWER", people, "message", "Welcome!", "idempotencyKey", "monday").OK()
	if diff := cmp.Diff(first.Data, again.Data); diff != "" {
		t.Errorf("the second answer is another one:\n%s", diff)
	}
	w.AwaitMails(3)

	// Without the key the people are already invited.
	without := w.as("ada").invite("Group 1", "VIEWER", people).OK()
	want = []string{"ALREADY_INVITED", "ALREADY_INVITED", "ALREADY_INVITED"}
	if got := without.Every("outcome", "inviteUsers", "results"); !slices.Equal(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	w.AwaitMails(3)
}

func TestOneInvalidAddressRefusesAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	emails := make([]string, 1000)
	for i := range emails {
		emails[i] = fmt.Sprintf("student%d@new.example", i)
	}
	emails[17], emails[999] = "myemail@.uni.edu.com", "nobody"

	a := w.as("ada").invite("Group 1", "VIEWER", emails)
	if got := a.Codes(); !slices.Equal(got, []string{"INVALID_EMAIL", "INVALID_EMAIL"}) {
		t.Fatalf("codes %v", got)
	}
	if a.Data["inviteUsers"] != nil {
		t.Errorf("data %v", a.Data)
	}
	e := a.Errors[0]
	delete(e.Extensions, "requestId")
	want := graphqlError{
		Message: "Address 18, myemail@.uni.edu.com, is not valid: a domain cannot begin with a dot. Nobody was invited.",
		Path:    []any{"inviteUsers"},
		Extensions: map[string]any{
			"code": "INVALID_EMAIL", "reason": "DOMAIN_LABEL_EMPTY", "index": 17.0, "inputPath": []any{"input", "emails", 17.0},
			"email": "myemail@.uni.edu.com", "suggestion": "myemail@uni.edu.com", "retryable": false,
		},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	if got := a.Errors[1].Extensions["index"]; got != 999.0 {
		t.Errorf("the second error is about address %v", got)
	}
	for _, table := range []string{"invitation", "outbox", "audit_log", "idempotency_key"} {
		if n := w.Number("select count(*) from " + table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}

	emails[17], emails[999] = "myemail@uni.edu.com", "nobody@uni.edu.com"
	w.as("ada").invite("Group 1", "VIEWER", emails).OK()
	w.AwaitMails(1000)
}

func TestRefusalsNameWhomToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := []any{map[string]any{"name": "Ada", "email": "ada@uni.example"}}
	edAndAda := append([]any{map[string]any{"name": "Ed", "email": "ed@uni.example"}}, ada...)

	for _, who := range []string{"vic", "ed", "mia"} {
		e := w.as(who).invite("Group 1", "VIEWER", []string{"zoe@new.example"}).Refused("FORBIDDEN")
		if diff := cmp.Diff(any(ada), e.Extensions["contacts"]); diff != "" {
			t.Errorf("%s: %s", who, diff)
		}
		if remedy := fmt.Sprint(e.Extensions["remedy"]); !strings.Contains(remedy, "Ada (ada@uni.example)") {
			t.Errorf("%s: remedy %q", who, remedy)
		}
	}
	for _, who := range []string{"vic", "mia"} {
		for _, e := range []graphqlError{
			w.as(who).restore("Group 2").Refused("FORBIDDEN"),
		} {
			if diff := cmp.Diff(any(edAndAda), e.Extensions["contacts"]); diff != "" {
				t.Errorf("%s: %s", who, diff)
			}
		}
	}
	if n := w.Number(`select count(*) from invitation`); n != 0 {
		t.Errorf("%d invitations", n)
	}
}

// An id of somebody else gets the same answer as an unknown one.
func TestForeignInstancesAnswerLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	private := w.id("instance", `select i.id from instance i join space s on s.id = i.space_id where s.name = 'Private Research' and i.kind = 'MASTER'`)
	cases := []struct{ who, instance string }{
		{"sam", w.instance("Group 1")},
		{"sam", w.instance("Distributed")},
		{"sam", w.instance("Group 2")},
		{"ada", private},
		{"mia", private},
		{"vic", w.instance("Master")},
		{"vic", w.instance("Distributed")},
		{"ed", w.instance("Master")},
		{"ada", "instance_00000000000000000000000000000000"},
		{"ada", w.space("Econometrics 2026")},
		{"ada", strings.ToUpper(w.instance("Group 1"))},
		{"ada", w.instance("Group 1") + "0"},
		{"ada", "instance_" + strings.Repeat("é", 16)},
		{"ada", "_"},
		{"ada", "instance_'; drop table instance; --"},
		{"ada", "x_" + strings.Repeat("9", 40_000)},
		{"ada", "_\x00"},
	}
	const unknown = "instance_01a20794ffffffffffffffffffffffff"
	strip := func(a answer) string {
		for _, e := range a.Errors {
			delete(e.Extensions, "requestId")
		}
		return fmt.Sprint(a.Status, a.Data, a.Errors)
	}
	want := map[string]string{
		"invite":  strip(w.as("sam").invite(unknown, "VIEWER", []string{"zoe@new.example"})),
		"bad":     strip(w.as("sam").invite(unknown, "VIEWER", []string{"zoe"})),
		"delete":  strip(w.as("sam").delete(unknown)),
		"restore": strip(w.as("sam").restore(unknown)),
	}
	for what, text := range want {
		if !strings.Contains(text, "NOT_FOUND") {
			t.Errorf("%s: %s", what, text)
		}
	}
	for _, c := range cases {
		p := w.as(c.who)
		got := map[string]string{
			"invite":  strip(p.invite(c.instance, "VIEWER", []string{"zoe@new.example"})),
			"bad":     strip(p.invite(c.instance, "VIEWER", []string{"zoe"})),
			"delete":  strip(p.delete(c.instance)),
			"restore": strip(p.restore(c.instance)),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s and %.60q: %s", c.who, c.instance, diff)
		}
		q := p.Ask(`query($id: ID!) { instance(id: $id) { id } space(id: $id) { name } }`, map[string]any{"id": c.instance}).OK()
		if q.At("instance") != nil {
			t.Errorf("%s sees %.60q", c.who, c.instance)
		}
		if c.instance != w.space("Econometrics 2026") && q.At("space") != nil {
			t.Errorf("%s sees a space %.60q", c.who, c.instance)
		}
	}
	for _, who := range []string{"sam", "rita"} {
		if a := w.as(who).Ask(`query($id: ID!) { space(id: $id) { name } }`, map[string]any{"id": w.space("Econometrics 2026")}).OK(); a.At("space") != nil {
			t.Errorf("%s sees the space", who)
		}
	}
}

func TestInviteRefusesDistributedAndDeletedInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")

	e := ada.invite("Distributed", "VIEWER", []string{"zoe@new.example"}).Refused("INSTANCE_DISTRIBUTED")
	instances, _ := e.Extensions["instances"].([]any)
	var names []string
	for _, i := range instances {
		names = append(names, fmt.Sprint(i.(map[string]any)["name"]))
	}
	if !slices.Equal(names, []string{"Master", "Group 1"}) {
		t.Errorf("instances to choose from: %v", names)
	}
	offered := fmt.Sprint(instances[1].(map[string]any)["id"])
	ada.invite(offered, "VIEWER", []string{"zoe@new.example"}).OK()

	e = ada.invite("Group 2", "VIEWER", []string{"zoe@new.example"}).Refused("INSTANCE_DELETED")
	for _, name := range []string{"deletedAt", "restorableUntil", "remedy"} {
		if e.Extensions[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if remedy := fmt.Sprint(e.Extensions["remedy"]); !strings.Contains(remedy, "restoreInstance") {
		t.Errorf("remedy %q", remedy)
	}
	e = ada.invite("Group 3", "VIEWER", []string{"zoe@new.example"}).Refused("INSTANCE_DELETED")
	if remedy := fmt.Sprint(e.Extensions["remedy"]); strings.Contains(remedy, "restoreInstance") {
		t.Errorf("remedy %q", remedy)
	}

	ada.invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitMails(2)
}

func TestDeleteAndRestoreInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed, vic := w.as("ada"), w.as("ed"), w.as("vic")

	vic.restore("Group 2").Refused("FORBIDDEN")
	if got := ed.restore("Group 2").OK().At("restoreInstance"); !cmp.Equal(got, any(map[string]any{
		"restored": true, "instance": map[string]any{"name": "Group 2", "state": "ACTIVE", "deletedAt": nil}})) {
		t.Errorf("restored: %v", got)
	}
	if got := ed.restore("Group 2").OK().At("restoreInstance", "restored"); got != false {
		t.Errorf("restored again: %v", got)
	}
	ada.invite("Group 2", "VIEWER", []string{"zoe@new.example"}).OK()

	e := ed.restore("Group 3").Refused("RESTORE_WINDOW_EXPIRED")
	for _, name := range []string{"restorableUntil", "deletedAt"} {
		if at := fmt.Sprint(e.Extensions[name]); !strings.HasSuffix(at, "Z") {
			t.Errorf("%s: %s", name, at)
		}
	}
	if remedy := fmt.Sprint(e.Extensions["remedy"]); !strings.Contains(remedy, "Ada (ada@uni.example)") {
		t.Errorf("remedy %q", remedy)
	}
	e = ada.restore("Group 3").Refused("RESTORE_WINDOW_EXPIRED")
	if e.Extensions["contacts"] != nil {
		t.Errorf("Ada is sent to %v", e.Extensions["contacts"])
	}

	vic.delete("Group 1").Refused("FORBIDDEN")
	deleted := ada.delete("Group 1").OK()
	if got := deleted.At("deleteInstance", "deleted"); got != true {
		t.Errorf("deleted: %v", got)
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(deleted.At("deleteInstance", "instance", "deletedAt")))
	if err != nil {
		t.Fatal(err)
	}
	until, err := time.Parse(time.RFC3339, fmt.Sprint(deleted.At("deleteInstance", "instance", "restorableUntil")))
	if err != nil {
		t.Fatal(err)
	}
	if until.Sub(at) != 24*time.Hour {
		t.Errorf("restorable for %v", until.Sub(at))
	}
	if got := ada.delete("Group 1").OK().At("deleteInstance", "deleted"); got != false {
		t.Errorf("deleted again: %v", got)
	}
	// People with a role see the deleted instance, and have the role again
	// after the restoration.
	state := `query($id: ID!) { instance(id: $id) { state viewerRoles deletedBy { name } } }`
	if got := vic.Ask(state, map[string]any{"id": w.instance("Group 1")}).OK().At("instance"); !cmp.Equal(got, any(map[string]any{
		"state": "DELETED", "viewerRoles": []any{"INSTANCE_VIEWER"}, "deletedBy": map[string]any{"name": "Ada"}})) {
		t.Errorf("vic sees %v", got)
	}
	ed.restore("Group 1").OK()
	if got := vic.Ask(state, map[string]any{"id": w.instance("Group 1")}).OK().At("instance"); !cmp.Equal(got, any(map[string]any{
		"state": "ACTIVE", "viewerRoles": []any{"INSTANCE_VIEWER"}, "deletedBy": nil})) {
		t.Errorf("vic sees %v", got)
	}
	for _, name := range []string{"Master", "Distributed"} {
		ada.delete(name).Refused("INSTANCE_PROTECTED")
		if got := ada.restore(name).OK().At("restoreInstance", "restored"); got != false {
			t.Errorf("restored %s: %v", name, got)
		}
	}
	if got := w.Text(`select string_agg(action || ' ' || instance_name || ' by ' || actor_name, ', ' order by id) from audit_log`); got !=
		"INSTANCE_RESTORED Group 2 by Ed, INVITATION_SENT Group 2 by Ada, INSTANCE_DELETED Group 1 by Ada, INSTANCE_RESTORED Group 1 by Ed" {
		t.Errorf("the trail: %s", got)
	}
}

func TestRepeatedDeletionReturnsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.delete("Group 1", "idempotencyKey", "tuesday").OK()
	if got := ada.delete("Group 1", "idempotencyKey", "tuesday").OK().At("deleteInstance", "deleted"); got != true {
		t.Errorf("the retry says deleted: %v", got)
	}
	// The key answers after a restoration, too.
	w.as("ed").restore("Group 1").OK()
	if got := ada.delete("Group 1", "idempotencyKey", "tuesday").OK().At("deleteInstance", "deleted"); got != true {
		t.Errorf("the late retry says deleted: %v", got)
	}
	if got := w.Text(`select deleted_at is null from instance where name = 'Group 1'`); got != "true" {
		t.Error("the late retry deleted it again")
	}
}

func TestRepeatedInvitationReturnsTheFirstAnswerAfterDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	first := ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "ed@uni.example", "ZOE@new.example"}, "idempotencyKey", "k").OK()
	w.AwaitMails(1) // before the deletion, which would hold it
	ada.delete("Group 1").OK()
	again := ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "ed@uni.example", "ZOE@new.example"}, "idempotencyKey", "k").OK()
	if diff := cmp.Diff(first.At("inviteUsers", "results"), again.At("inviteUsers", "results")); diff != "" {
		t.Error(diff)
	}
	if got := again.At("inviteUsers", "instance", "state"); got != "DELETED" {
		t.Errorf("the instance is %v", got)
	}
	// The key answers after the check of permission, so a person who has lost
	// the role is refused.
	w.revokeAdministrator("Ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "ed@uni.example", "ZOE@new.example"}, "idempotencyKey", "k").Refused("NOT_FOUND")
	w.AwaitMails(1)
}

func TestKeyIsForOneRequestOfOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "k").OK()
	for what, a := range map[string]answer{
		"another role":        ada.invite("Group 1", "EDITOR", []string{"zoe@new.example"}, "idempotencyKey", "k"),
		"another address":     ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}, "idempotencyKey", "k"),
		"another message":     ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "message", "Hi", "idempotencyKey", "k"),
		"another instance":    ada.invite("Master", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "k"),
		"a state in its way":  ada.invite("Group 2", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "k"),
		"an invalid address":  ada.invite("Group 1", "VIEWER", []string{"zoe"}, "idempotencyKey", "k"),
		"another mutation":    ada.delete("Group 1", "idempotencyKey", "k"),
		"a protected one":     ada.delete("Master", "idempotencyKey", "k"),
		"a third mutation":    ada.restore("Group 2", "idempotencyKey", "k"),
		"an expired deletion": ada.restore("Group 3", "idempotencyKey", "k"),
	} {
		if got := a.Codes(); !slices.Equal(got, []string{"IDEMPOTENCY_KEY_REUSED"}) {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	// The same key of another person is another key.
	w.as("ed").delete("Group 1", "idempotencyKey", "k").OK()
	// A key is remembered for 24 hours.
	w.Exec(`update idempotency_key set created_at = clock_timestamp() - interval '24 hours'`)
	ada.restore("Group 1", "idempotencyKey", "k").OK()
	// Failures are not remembered.
	ada.invite("Group 1", "VIEWER", []string{"zoe"}, "idempotencyKey", "f").Refused("INVALID_EMAIL")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "f").OK()
}

// Two requests with the same decoded input are the same request.
func TestKeyComparesTheDecodedInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	first := ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "k").OK()
	literal := ada.Ask(fmt.Sprintf(`mutation { inviteUsers(input: {idempotencyKey: "k", emails: "zoe@new.example", message: null, role: VIEWER, instanceId: %q}) { results { invitation { id } } } }`,
		w.instance("Group 1")), nil).OK()
	if a, b := first.At("inviteUsers", "results", 0, "invitation", "id"), literal.At("inviteUsers", "results", 0, "invitation", "id"); a != b {
		t.Errorf("%v and %v", a, b)
	}
}

func TestEveryOutcomeOfInviting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	outcome := func(role, email string) map[string]any {
		t.Helper()
		return ada.invite("Group 1", role, []string{email}).OK().At("inviteUsers", "results", 0).(map[string]any)
	}
	expect := func(got map[string]any, outcome string, role, previous any, invited bool) {
		t.Helper()
		if got["outcome"] != outcome || got["role"] != role || got["previousRole"] != previous || (got["invitation"] != nil) != invited {
			t.Errorf("want %s %v %v, got %v", outcome, role, previous, got)
		}
	}

	first := outcome("VIEWER", "zoe@new.example")
	expect(first, "INVITED", "VIEWER", nil, true)
	expect(outcome("VIEWER", "ZOE@New.Example"), "ALREADY_INVITED", "VIEWER", nil, true)
	link := w.AwaitMails(1)[0].Link
	changed := outcome("EDITOR", "zoe@new.example")
	expect(changed, "ROLE_CHANGED", "EDITOR", "VIEWER", true)
	if first["invitation"].(map[string]any)["id"] != changed["invitation"].(map[string]any)["id"] {
		t.Error("the role of another invitation was changed")
	}
	w.AwaitMails(1)

	expect(outcome("EDITOR", "vic@uni.example"), "ALREADY_MEMBER", "VIEWER", nil, false)
	expect(outcome("VIEWER", "ed@uni.example"), "ALREADY_MEMBER", "EDITOR", nil, false)
	expect(outcome("VIEWER", "Ada@Uni.Example"), "ALREADY_MEMBER", "EDITOR", nil, false)
	if got := w.Text(`select role from instance_member m join account a on a.id = m.account_id join instance i on i.id = m.instance_id where a.name = 'Vic' and i.name = 'Group 1'`); got != "VIEWER" {
		t.Errorf("Vic became %s", got)
	}
	// A manager sees the instance, but is not a member.
	expect(outcome("VIEWER", "mia@uni.example"), "INVITED", "VIEWER", nil, true)
	w.AwaitMails(2)

	// An expired invitation is renewed: it has the same id, a new token and a
	// new mail.
	w.Exec(`update invitation set expires_at = clock_timestamp() - interval '1 second' where email_key = 'zoe@new.example'`)
	renewed := outcome("VIEWER", "zoe@new.example")
	expect(renewed, "INVITED", "VIEWER", nil, true)
	if first["invitation"].(map[string]any)["id"] != renewed["invitation"].(map[string]any)["id"] || renewed["invitation"].(map[string]any)["status"] != "PENDING" {
		t.Errorf("renewed: %v", renewed)
	}
	if mails := w.AwaitMails(3); mails[0].To != "zoe@new.example" || mails[0].Link == link {
		t.Errorf("the renewed invitation's mail: %v %v", mails[0].To, mails[0].Link)
	}

	// After an ended invitation a new one is made.
	for i, status := range []string{"ACCEPTED", "DECLINED", "REVOKED"} {
		w.Exec(`update invitation set status = $1 where email_key = 'zoe@new.example' and status = 'PENDING'`, status)
		expect(outcome("VIEWER", "zoe@new.example"), "INVITED", "VIEWER", nil, true)
		w.AwaitMails(4 + i)
	}

	// An address given several times is invited once.
	a := ada.invite("Group 1", "VIEWER", []string{"kim@new.example", "zoe@new.example", "Kim <KIM@NEW.example>", "vic@uni.example", "vic@uni.example"}).OK()
	if got, want := a.Every("outcome", "inviteUsers", "results"), []string{"INVITED", "ALREADY_INVITED", "DUPLICATE", "ALREADY_MEMBER", "DUPLICATE"}; !slices.Equal(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	if a.At("inviteUsers", "results", 0, "invitation", "id") != a.At("inviteUsers", "results", 2, "invitation", "id") {
		t.Error("a duplicate has not the first one's invitation")
	}
	w.AwaitMails(7)
}

func TestInviteInternationalAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.as("ada").invite("Group 1", "VIEWER", []string{"josé@bücher.example", "JOSÉ@xn--bcher-kva.example", "josé@bücher.example"}).OK()
	if got, want := a.Every("outcome", "inviteUsers", "results"), []string{"INVITED", "DUPLICATE", "DUPLICATE"}; !slices.Equal(got, want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
	if got := w.AwaitMails(1)[0].Text; !strings.Contains(got, "josé@bücher.example") {
		t.Errorf("the mail does not name the address:\n%s", got)
	}
}
