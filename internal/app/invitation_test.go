package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const invitationFields = `id email role status instanceName message expiresAt space { name organizationName } invitedBy { name email }
	instance { id name } delivery { status } accepting { allowed obstacles { code reason remedy contacts { email } } }`

// review reads the invitation of a token.
func (p person) review(token string) answer {
	p.world.t.Helper()
	return p.Ask(`query($token: String!) { invitation(token: $token) { `+invitationFields+` } }`, map[string]any{"token": token})
}

func (p person) accept(fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
		invitation { `+invitationFields+` } instance { id name viewerRoles } space { name viewerRoles } } }`, map[string]any{"input": object(fields...)})
}

func (p person) decline(fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: DeclineInvitationInput!) { declineInvitation(input: $input) { invitation { `+invitationFields+` } } }`,
		map[string]any{"input": object(fields...)})
}

func (p person) revoke(ids []string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: RevokeInvitationsInput!) { revokeInvitations(input: $input) { results { index outcome invitation { id status } } } }`,
		map[string]any{"input": object(append(fields, "invitationIds", ids)...)})
}

func (p person) resend(ids []string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: ResendInvitationsInput!) { resendInvitations(input: $input) { results { index outcome invitation { id status expiresAt delivery { status } } } } }`,
		map[string]any{"input": object(append(fields, "invitationIds", ids)...)})
}

func (p person) inviteAdministrators(emails []string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: InviteSpaceAdministratorsInput!) { inviteSpaceAdministrators(input: $input) {
		space { name } results { index email outcome role previousRole invitation { `+invitationFields+` } } } }`,
		map[string]any{"input": object(append(fields, "spaceId", p.world.space("Econometrics 2026"), "emails", emails)...)})
}

// object returns an input object of fields, given as names and values.
func object(fields ...any) map[string]any {
	o := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		o[fields[i].(string)] = fields[i+1]
	}
	return o
}

// invitationOf returns the id of the newest invitation of an address.
func (w *world) invitationOf(email string) string {
	w.t.Helper()
	return w.id("invitation", `select id from invitation where email = $1 order by id desc limit 1`, email)
}

func TestAcceptInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "EDITOR", []string{"zoe@new.example"}, "message", "Welcome!").OK()
	token, zoe, nobody := w.AwaitToken("zoe@new.example"), w.as("zoe@new.example"), w.as("zoe@new.example")
	nobody.Token = ""

	// Anyone with the link sees the invitation and which account can accept it.
	seen := nobody.review(token).OK().At("invitation").(map[string]any)
	if diff := cmp.Diff(map[string]any{
		"email": "zoe@new.example", "role": "EDITOR", "status": "PENDING", "instanceName": "Group 1", "message": "Welcome!",
		"space":     map[string]any{"name": "Econometrics 2026", "organizationName": "University of Example"},
		"invitedBy": map[string]any{"name": "Ada", "email": "ada@uni.example"},
		"instance":  nil, "delivery": nil,
		"accepting": map[string]any{"allowed": false, "obstacles": []any{map[string]any{
			"code": "UNAUTHENTICATED", "reason": nil, "contacts": []any{},
			"remedy": "Sign in with the DataHub account of zoe@new.example, or sign up with this address."}}},
	}, seen, cmp.FilterPath(func(p cmp.Path) bool { return slices.Contains([]string{`["id"]`, `["expiresAt"]`}, p.Last().String()) }, cmp.Ignore())); diff != "" {
		t.Errorf("before signing in: %s", diff)
	}
	if a := nobody.accept("token", token); a.Status != 401 {
		t.Errorf("without an account: %d %s", a.Status, a.Body)
	}
	if got := zoe.review(token).OK().At("invitation", "accepting"); !cmp.Equal(got, any(map[string]any{"allowed": true, "obstacles": []any{}})) {
		t.Errorf("signed in: %v", got)
	}
	zoe.Ask(`query($id: ID!) { instance(id: $id) { name } }`, map[string]any{"id": w.instance("Group 1")}).OK()

	accepted := zoe.accept("token", token).OK()
	if diff := cmp.Diff(any(map[string]any{"id": w.instance("Group 1"), "name": "Group 1", "viewerRoles": []any{"ORGANIZATION_MEMBER", "INSTANCE_EDITOR"}}), accepted.At("acceptInvitation", "instance")); diff != "" {
		t.Error(diff)
	}
	if got := accepted.At("acceptInvitation", "invitation", "status"); got != "ACCEPTED" {
		t.Errorf("status %v", got)
	}
	if got := accepted.At("acceptInvitation", "invitation", "instance", "name"); got != "Group 1" {
		t.Errorf("the invitation's instance: %v", got)
	}
	if got := zoe.Ask(`query($id: ID!) { instance(id: $id) { name } }`, map[string]any{"id": w.instance("Group 1")}).OK().At("instance", "name"); got != "Group 1" {
		t.Errorf("afterwards Zoe sees %v", got)
	}
	// The link works once.
	if e := zoe.accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "ACCEPTED" {
		t.Errorf("again: %v", e)
	}
	if got := nobody.review(token).OK().At("invitation"); got != nil {
		t.Errorf("a used link shows everybody %v", got)
	}
	if got := zoe.review(token).OK().At("invitation", "status"); got != "ACCEPTED" {
		t.Errorf("a used link shows Zoe %v", got)
	}
	if got := w.Text(`select string_agg(actor_name || ' ' || action || ' ' || instance_name, ', ' order by id) from audit_log`); got != "Ada INVITATION_SENT Group 1, Zoe INVITATION_ACCEPTED Group 1" {
		t.Errorf("the trail: %s", got)
	}
}

// An invitation shows its instance to those who see the instance, and its
// delivery to administrators, whichever field returns it.
func TestInvitationShowsItsInstanceToItsViewersOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "EDITOR", []string{"sam@uni.example", "zoe@new.example"}).OK()
	w.addViewers("Group 1", "Sam") // in the meantime
	w.as("ada").invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	w.as("ada").inviteAdministrators([]string{"zoe@new.example"}).OK()
	nobody := w.as("zoe@new.example")
	nobody.Token = ""
	group, sent := any(map[string]any{"id": w.instance("Group 1"), "name": "Group 1"}), any(map[string]any{"status": "SENT"})
	token := w.AwaitToken("sam@uni.example")
	for who, c := range map[string]struct {
		p                  person
		instance, delivery any
	}{
		"an administrator":  {w.as("ada"), group, sent},
		"a viewer":          {w.as("vic"), group, nil},
		"a manager":         {w.as("mia"), group, nil},
		"the invited":       {w.as("sam"), group, nil},
		"somebody else":     {w.as("rita"), nil, nil},
		"who has just come": {w.as("zoe@new.example"), nil, nil},
		"nobody":            {nobody, nil, nil},
	} {
		seen := c.p.review(token).OK().At("invitation").(map[string]any)
		if diff := cmp.Diff([]any{c.instance, c.delivery}, []any{seen["instance"], seen["delivery"]}); diff != "" {
			t.Errorf("%s: %s", who, diff)
		}
	}
	pending := `{ viewer { invitations { nodes { instance { name } delivery { status } } } } }`
	if got := w.as("sam").Ask(pending, nil).OK().At("viewer", "invitations", "nodes"); !cmp.Equal(got, any([]any{map[string]any{"instance": map[string]any{"name": "Group 1"}, "delivery": nil}})) {
		t.Errorf("among his own, Sam sees %v", got)
	}
	zoe := w.as("zoe@new.example")
	unseen := map[string]any{"instance": nil, "delivery": nil}
	few := zoe.Ask(pending, nil).OK()
	if got := few.At("viewer", "invitations", "nodes"); !cmp.Equal(got, any([]any{unseen, unseen, unseen})) {
		t.Errorf("among their invitations Zoe sees %v", got)
	}
	// An administrator sees all of it, with as many statements.
	zoe.accept("invitationId", w.invitationOf("zoe@new.example")).OK()
	many := zoe.Ask(pending, nil).OK()
	for i, want := range []string{"Master", "Group 1"} {
		if got := many.At("viewer", "invitations", "nodes", i); !cmp.Equal(got, any(map[string]any{"instance": map[string]any{"name": want}, "delivery": sent})) {
			t.Errorf("as an administrator Zoe sees %v", got)
		}
	}
	if n, m := w.statements(few), w.statements(many); m > n || n > 5 {
		t.Errorf("%d statements, then %d", n, m)
	}
}

// Only the invited account learns the reason.
func TestUnusableLinkExplainsItselfToTheInvitedOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, zoe, bob := w.as("ada"), w.as("zoe@new.example"), w.as("bob@new.example")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).OK()
	token, id := w.AwaitToken("zoe@new.example"), w.invitationOf("zoe@new.example")
	nobody := zoe
	nobody.Token = ""

	// Every value that is not a token gets the same error.
	generic := zoe.accept("token", "x").Refused("INVITATION_NOT_USABLE")
	for _, wrong := range []string{"", token[:42], token + "A", "A" + token, strings.ToUpper(token), strings.Repeat("x", 100_000), "\x00", "é"} {
		for what, a := range map[string]answer{"accept": zoe.accept("token", wrong), "decline": bob.decline("token", wrong)} {
			e := a.Refused("INVITATION_NOT_USABLE")
			if e.Reason() != nil || e.Message != generic.Message || e.Extensions["remedy"] != generic.Extensions["remedy"] || e.Extensions["contacts"] != nil {
				t.Errorf("%s %.50q: %v", what, wrong, e)
			}
		}
		if got := nobody.review(wrong).OK().At("invitation"); got != nil {
			t.Errorf("%.50q shows %v", wrong, got)
		}
	}
	// An id works for the invited account only, and is like an unknown one for
	// others.
	unknown := bob.accept("invitationId", "invitation_00000000000000000000000000000000").Refused("NOT_FOUND")
	for _, wrong := range []string{id, "", "invitation_x", w.instance("Group 1"), "instance_" + strings.TrimPrefix(id, "invitation_")} {
		for what, a := range map[string]answer{"accept": bob.accept("invitationId", wrong), "decline": bob.decline("invitationId", wrong)} {
			if e := a.Refused("NOT_FOUND"); e.Message != unknown.Message || !cmp.Equal(e.Extensions["remedy"], unknown.Extensions["remedy"]) {
				t.Errorf("%s %q: %v", what, wrong, e)
			}
		}
	}
	for state, change := range map[string]string{
		"PENDING":          `update invitation set status = status`,
		"EXPIRED":          `update invitation set expires_at = clock_timestamp() where email like 'zoe@%'`,
		"REVOKED":          `update invitation set status = 'REVOKED' where email like 'zoe@%'`,
		"DECLINED":         `update invitation set status = 'DECLINED' where email like 'zoe@%'`,
		"ACCEPTED":         `update invitation set status = 'ACCEPTED' where email like 'zoe@%'`,
		"INSTANCE_DELETED": `update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours' from account a, (select clock_timestamp() as at) t where i.name = 'Group 1' and a.name = 'Ada'`,
	} {
		w.Exec(change)
		for what, a := range map[string]answer{"accept": bob.accept("token", token), "decline": bob.decline("token", token)} {
			e := a.Refused("INVITATION_NOT_USABLE")
			if e.Reason() != "OTHER_ADDRESS" || e.Extensions["contacts"] != nil || strings.Contains(a.Body, "zoe") {
				t.Errorf("%s: %s by another account: %s", state, what, a.Body)
			}
		}
		// Others see an invitation that can be accepted, and no other.
		for who, p := range map[string]person{"nobody": nobody, "another account": bob} {
			if got := p.review(token).OK().At("invitation"); (got != nil) != (state == "PENDING") {
				t.Errorf("%s: %s sees %v", state, who, got)
			}
		}
		v := zoe.review(token).OK().At("invitation").(map[string]any)
		accepting := v["accepting"].(map[string]any)
		if state == "PENDING" {
			if accepting["allowed"] != true {
				t.Errorf("%s: %v", state, v)
			}
		} else {
			for what, a := range map[string]answer{"accept": zoe.accept("token", token), "decline": zoe.decline("token", token),
				"accept by id": zoe.accept("invitationId", id), "decline by id": zoe.decline("invitationId", id)} {
				e := a.Refused("INVITATION_NOT_USABLE")
				if e.Reason() != state || !strings.Contains(fmt.Sprint(e.Extensions["remedy"]), "Ada (ada@uni.example)") {
					t.Errorf("%s: %s: %s", state, what, a.Body)
				}
				// The field accepting predicts the error of the mutation.
				want := map[string]any{"code": e.Code(), "reason": state, "remedy": e.Extensions["remedy"], "contacts": []any{map[string]any{"email": "ada@uni.example"}}}
				if diff := cmp.Diff(any(map[string]any{"allowed": false, "obstacles": []any{want}}), any(accepting)); diff != "" {
					t.Errorf("%s: %s", state, diff)
				}
			}
		}
		w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = 'Group 1'`)
		w.Exec(`update invitation set status = 'PENDING', expires_at = clock_timestamp() + interval '1 day'`)
	}
	// The invitation can still be accepted.
	zoe.accept("token", token).OK()
}

func TestAnsweringNeedsExactlyOneInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for what, a := range map[string]answer{
		"neither":            ada.accept(),
		"both":               ada.accept("token", "x", "invitationId", "y"),
		"nulls":              ada.decline("token", nil, "invitationId", nil),
		"an impossible key":  ada.decline("token", "x", "idempotencyKey", ""),
		"no invitations":     ada.revoke([]string{}),
		"1,001 invitations":  ada.resend(slices.Repeat([]string{"x"}, 1001)),
		"a token that is no": ada.accept("token", 5),
	} {
		if got := a.Codes(); !slices.Equal(got, []string{"BAD_USER_INPUT"}) {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
}

// A person who lost the mail finds the invitation through their account.
func TestViewerListsTheirInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, zoe := w.as("ada"), w.as("Zoe@NEW.example")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	ada.invite("Master", "EDITOR", []string{"zoe@new.example", "bob@new.example"}).OK()
	ada.inviteAdministrators([]string{"zoe@new.example"}).OK()
	mine := `{ viewer { invitations { totalCount nodes { id role instanceName accepting { allowed } instance { id } delivery { status } } } } }`
	list := func() []string {
		t.Helper()
		return zoe.Ask(mine, nil).OK().Every("instanceName", "viewer", "invitations", "nodes")
	}
	if got, want := list(), []string{"<nil>", "Master", "Group 1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	a := zoe.Ask(mine, nil).OK()
	if a.At("viewer", "invitations", "totalCount") != 3.0 || a.At("viewer", "invitations", "nodes", 1, "delivery") != nil ||
		a.At("viewer", "invitations", "nodes", 1, "instance") != nil || a.At("viewer", "invitations", "nodes", 1, "accepting", "allowed") != true {
		t.Errorf("%s", a.Body)
	}
	zoe.accept("invitationId", a.At("viewer", "invitations", "nodes", 1, "id")).OK()
	ada.delete("Group 1").OK()
	if got, want := list(), []string{"<nil>"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	ada.restore("Group 1").OK()
	w.Exec(`update invitation set expires_at = clock_timestamp() where space_id is not null`)
	if got, want := list(), []string{"Group 1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Nobody sees the invitations of others.
	for _, who := range []string{"sam", "ada", "zoe@else.example"} {
		if got := w.as(who).Ask(mine, nil).OK().At("viewer", "invitations", "totalCount"); got != 0.0 {
			t.Errorf("%s has %v", who, got)
		}
	}
	if e := ada.Ask(`query($i: ID!) { instance(id: $i) { members { nodes { user { invitations { totalCount } } } } } }`, map[string]any{"i": w.instance("Group 1")}); e.Codes()[0] != "FORBIDDEN" {
		t.Errorf("%s", e.Body)
	}
}

func TestAcceptingNeverLowersARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, c := range []struct{ held, invited, becomes string }{
		{"VIEWER", "EDITOR", "EDITOR"}, {"EDITOR", "VIEWER", "EDITOR"}, {"VIEWER", "VIEWER", "VIEWER"}, {"EDITOR", "EDITOR", "EDITOR"},
	} {
		email := fmt.Sprintf("p%d@new.example", i)
		p := w.as(email)
		w.as("ada").invite("Group 1", c.invited, []string{email}).OK()
		p.Ask(`{ viewer { id } }`, nil).OK()
		w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, $2 from instance i, account a where i.name = 'Group 1' and a.email = $1`, email, c.held)
		p.accept("invitationId", w.invitationOf(email)).OK()
		if got := w.Text(`select role from instance_member m join account a on a.id = m.account_id where a.email = $1`, email); got != c.becomes {
			t.Errorf("a %s who accepts as %s is %s, want %s", c.held, c.invited, got, c.becomes)
		}
	}
}

func TestAnswersAreIdempotent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).OK()
	zoe, bob := w.as("zoe@new.example"), w.as("bob@new.example")
	token := w.AwaitToken("zoe@new.example")
	first := zoe.accept("token", token, "idempotencyKey", "k").OK()
	again := zoe.accept("token", token, "idempotencyKey", "k").OK()
	if diff := cmp.Diff(first.Data, again.Data); diff != "" {
		t.Error(diff)
	}
	zoe.decline("token", token, "idempotencyKey", "k").Refused("IDEMPOTENCY_KEY_REUSED")
	// The key answers after Zoe has left, too.
	zoe.leave("Group 1", "idempotencyKey", "l").OK()
	if got := zoe.accept("token", token, "idempotencyKey", "k").OK().At("acceptInvitation", "instance"); got != nil {
		t.Errorf("the instance that Zoe has left: %v", got)
	}
	for range 2 {
		if got := bob.decline("token", w.AwaitToken("bob@new.example"), "idempotencyKey", "k").OK().At("declineInvitation", "invitation", "status"); got != "DECLINED" {
			t.Errorf("status %v", got)
		}
	}
	if n := w.Number(`select count(*) from audit_log where action in ('INVITATION_ACCEPTED', 'INVITATION_DECLINED')`); n != 2 {
		t.Errorf("%d answers in the trail", n)
	}
}

// The test runs every action on an invitation in every state, in an active and
// in a deleted instance.
func TestEveryActionInEveryStateOfAnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	w.Exec(`insert into instance (id, space_id, name, kind) select gen_random_uuid(), id, 'Gone', 'WORKING' from space where name = 'Econometrics 2026'`)
	states := []string{"PENDING", "EXPIRED", "ACCEPTED", "DECLINED", "REVOKED"}
	actions := []string{"accept", "decline", "revoke", "resend", "invite", "invite as something else"}
	type trial struct {
		state, instance, action, email string
	}
	var trials []trial
	of := map[string][]string{}
	for _, state := range states {
		for _, instance := range []string{"Group 1", "Gone"} {
			for _, action := range actions {
				email := fmt.Sprintf("p%d@new.example", len(trials))
				trials = append(trials, trial{state, instance, action, email})
				of[instance] = append(of[instance], email)
			}
		}
	}
	for instance, emails := range of {
		ada.invite(instance, "VIEWER", emails).OK()
	}
	w.AwaitMails(len(trials))
	tokens := w.tokens()
	for _, c := range trials {
		switch c.state {
		case "EXPIRED":
			w.Exec(`update invitation set expires_at = clock_timestamp() where email = $1`, c.email)
		case "ACCEPTED":
			w.as(c.email).accept("token", tokens[c.email]).OK()
		case "DECLINED":
			w.as(c.email).decline("token", tokens[c.email]).OK()
		case "REVOKED":
			ada.revoke([]string{w.invitationOf(c.email)}).OK()
		}
	}
	ada.delete("Gone").OK()

	// expect returns the expected answer of the action, the status afterwards,
	// the number of invitations of the address, and the number of further
	// mails.
	expect := func(c trial) (says, status string, invitations, mails int) {
		deleted := c.instance == "Gone"
		open := c.state == "PENDING" || c.state == "EXPIRED"
		switch {
		case c.action == "accept" || c.action == "decline":
			switch {
			case c.state != "PENDING":
				return "INVITATION_NOT_USABLE " + c.state, c.state, 1, 0
			case deleted:
				return "INVITATION_NOT_USABLE INSTANCE_DELETED", "PENDING", 1, 0
			case c.action == "accept":
				return "ACCEPTED", "ACCEPTED", 1, 0
			}
			return "DECLINED", "DECLINED", 1, 0
		case c.action == "revoke" && open:
			return "REVOKED", "REVOKED", 1, 0
		case c.action == "revoke":
			return "ALREADY_ENDED", c.state, 1, 0
		case deleted:
			return "INSTANCE_DELETED", c.state, 1, 0
		case c.action == "resend" && open:
			return "RESENT", "PENDING", 1, 1
		case c.action == "resend":
			return "ALREADY_ENDED", c.state, 1, 0
		case c.state == "ACCEPTED":
			return "ALREADY_MEMBER", "ACCEPTED", 1, 0
		case c.state == "EXPIRED":
			return "INVITED", "PENDING", 1, 1
		case c.state != "PENDING":
			return "INVITED", "PENDING", 2, 1
		case c.action == "invite":
			return "ALREADY_INVITED", "PENDING", 1, 0
		}
		return "ROLE_CHANGED", "PENDING", 1, 0
	}
	sent := len(trials)
	for _, c := range trials {
		says, status, invitations, mails := expect(c)
		sent += mails
		p, id := w.as(c.email), w.invitationOf(c.email)
		var a answer
		var path []any
		switch c.action {
		case "accept":
			a, path = p.accept("token", tokens[c.email]), []any{"acceptInvitation", "invitation", "status"}
		case "decline":
			a, path = p.decline("token", tokens[c.email]), []any{"declineInvitation", "invitation", "status"}
		case "revoke":
			a, path = ada.revoke([]string{id}), []any{"revokeInvitations", "results", 0, "outcome"}
		case "resend":
			a, path = ada.resend([]string{id}), []any{"resendInvitations", "results", 0, "outcome"}
		case "invite":
			a, path = ada.invite(c.instance, "VIEWER", []string{c.email}), []any{"inviteUsers", "results", 0, "outcome"}
		case "invite as something else":
			a, path = ada.invite(c.instance, "EDITOR", []string{c.email}), []any{"inviteUsers", "results", 0, "outcome"}
		}
		var said string
		if len(a.Errors) > 0 {
			said = strings.TrimSpace(a.Errors[0].Code() + " " + pointedAny(a.Errors[0].Reason()))
		} else {
			said = fmt.Sprint(a.At(path...))
		}
		if said != says {
			t.Errorf("%+v: %s, want %s", c, said, says)
		}
		if got := w.Text(`select case when status = 'PENDING' and expires_at <= clock_timestamp() then 'EXPIRED' else status end from invitation where email = $1 order by id desc limit 1`, c.email); got != status {
			t.Errorf("%+v: it is %s, want %s", c, got, status)
		}
		if n := w.Number(`select count(*) from invitation where email = $1`, c.email); n != invitations {
			t.Errorf("%+v: %d invitations, want %d", c, n, invitations)
		}
		member := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1`, c.email)
		if want := status == "ACCEPTED"; (member == 1) != want {
			t.Errorf("%+v: %d memberships", c, member)
		}
	}
	w.AwaitMails(sent)
}

func pointedAny(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// tokens returns the secret in the newest mail to each address.
func (w *world) tokens() map[string]string {
	w.t.Helper()
	tokens := map[string]string{}
	for _, m := range w.Mailbox() {
		if _, token, _ := strings.Cut(m.Link, "#"); tokens[m.To] == "" {
			tokens[m.To] = token
		}
	}
	return tokens
}

func TestResendInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	w.grantAdministrator("Mia")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}, "message", "Welcome!").OK()
	old := w.AwaitToken("zoe@new.example")
	zoe, bob := w.invitationOf("zoe@new.example"), w.invitationOf("bob@new.example")
	w.Exec(`update invitation set expires_at = clock_timestamp() + interval '1 hour'`)
	messageID := w.AwaitMails(2)[0].MessageID

	began := time.Now()
	a := w.as("mia").resend([]string{zoe}).OK()
	until, err := time.Parse(time.RFC3339, fmt.Sprint(a.At("resendInvitations", "results", 0, "invitation", "expiresAt")))
	if err != nil || time.Until(until) < 29*24*time.Hour {
		t.Errorf("it expires at %v, %v", until, err)
	}
	if got := a.At("resendInvitations", "results", 0, "invitation", "delivery", "status"); got != "QUEUED" && got != "SENT" {
		t.Errorf("delivery %v", got)
	}
	m := w.AwaitMails(3)[0]
	if m.To != "zoe@new.example" || m.MessageID == messageID || m.Subject != "DataHub Mia has sent you an invitation" || !strings.Contains(m.Text, "Welcome!") {
		t.Errorf("the mail: %+v", m)
	}
	token := w.AwaitToken("zoe@new.example")
	if token == old {
		t.Error("the link is the old one")
	}
	if e := w.as("zoe@new.example").accept("token", old).Refused("INVITATION_NOT_USABLE"); e.Reason() != nil {
		t.Errorf("the old link: %v", e)
	}

	// The pause between two mails holds for each address, for all
	// administrators together.
	both := ada.resend([]string{bob, zoe})
	e := both.Refused("RATE_LIMITED")
	wait, _ := e.Extensions["retryAfter"].(float64)
	if wait < 600-time.Since(began).Seconds() || wait > 600 || e.Extensions["index"] != 1.0 || e.Extensions["email"] != "zoe@new.example" || e.Extensions["retryable"] != true ||
		!cmp.Equal(e.Extensions["inputPath"], any([]any{"input", "invitationIds", 1.0})) {
		t.Errorf("%s", both.Body)
	}
	w.AwaitMails(3)
	ada.resend([]string{bob}).OK()
	w.AwaitMails(4) // before the next resend to Bob, which would replace a queued mail
	w.Exec(`update invitation_resend set at = at - interval '10 minutes'`)
	twice := ada.resend([]string{zoe, bob, zoe}).OK()
	if got := twice.Every("outcome", "resendInvitations", "results"); !slices.Equal(got, []string{"RESENT", "RESENT", "RESENT"}) {
		t.Errorf("%v", got)
	}
	w.AwaitMails(6)
	// With one key there is one mail.
	w.Exec(`delete from invitation_resend`)
	for range 2 {
		ada.resend([]string{zoe}, "idempotencyKey", "k").OK()
	}
	w.AwaitMails(7)
	w.as("zoe@new.example").accept("token", w.AwaitToken("zoe@new.example")).OK()
}

func TestRevokeInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	emails := []string{"zoe@new.example", "bob@new.example", "kim@new.example"}
	ada.invite("Group 1", "VIEWER", emails).OK()
	ada.inviteAdministrators([]string{"eve@new.example"}).OK()
	var ids []string
	for _, email := range append(emails, "eve@new.example") {
		ids = append(ids, w.invitationOf(email))
	}
	token := w.AwaitToken("zoe@new.example")
	w.as("bob@new.example").accept("invitationId", ids[1]).OK()
	a := ada.revoke(append(ids, ids[0]), "idempotencyKey", "k").OK()
	if got, want := a.Every("outcome", "revokeInvitations", "results"), []string{"REVOKED", "ALREADY_ENDED", "REVOKED", "REVOKED", "REVOKED"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := a.At("revokeInvitations", "results", 1, "invitation", "status"); got != "ACCEPTED" {
		t.Errorf("Bob's is %v", got)
	}
	if diff := cmp.Diff(a.Data, ada.revoke(append(ids, ids[0]), "idempotencyKey", "k").OK().Data); diff != "" {
		t.Error(diff)
	}
	if e := w.as("zoe@new.example").accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "REVOKED" {
		t.Errorf("%v", e)
	}
	if got := w.Text(`select string_agg(coalesce(instance_name, space_name) || ' ' || (details ->> 'emails'), '; ' order by instance_name) from audit_log where action = 'INVITATION_REVOKED'`); got !=
		`Group 1 ["zoe@new.example", "kim@new.example"]; Econometrics 2026 ["eve@new.example"]` {
		t.Errorf("the trail: %s", got)
	}
}

// Either all invitations change or none, and each unknown one has an error.
func TestRevokeAndResendNeedAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.as("ada").inviteAdministrators([]string{"bob@new.example"}).OK()
	w.as("rita").Ask(`mutation($input: InviteSpaceAdministratorsInput!) { inviteSpaceAdministrators(input: $input) { results { outcome } } }`,
		map[string]any{"input": map[string]any{"spaceId": w.space("Private Research"), "emails": []string{"sam@uni.example"}}}).OK()
	mine, administrators, foreign := w.invitationOf("zoe@new.example"), w.invitationOf("bob@new.example"), w.invitationOf("sam@uni.example")
	unknown := "invitation_00000000000000000000000000000000"
	for _, do := range []func(p person, ids ...string) answer{
		func(p person, ids ...string) answer { return p.revoke(ids) },
		func(p person, ids ...string) answer { return p.resend(ids) },
	} {
		for _, c := range []struct {
			who   string
			ids   []string
			codes []string
		}{
			{"ada", []string{mine, foreign, unknown, "x"}, []string{"NOT_FOUND", "NOT_FOUND", "NOT_FOUND"}},
			{"ada", []string{w.instance("Group 1"), mine, w.space("Econometrics 2026")}, []string{"NOT_FOUND", "NOT_FOUND"}},
			{"sam", []string{mine, administrators}, []string{"NOT_FOUND", "NOT_FOUND"}},
			{"ed", []string{mine}, []string{"FORBIDDEN"}},
			{"vic", []string{mine, mine, administrators}, []string{"FORBIDDEN", "FORBIDDEN"}},
			{"mia", []string{mine, unknown}, []string{"NOT_FOUND"}},
		} {
			a := do(w.as(c.who), c.ids...)
			if got := a.Codes(); !slices.Equal(got, c.codes) {
				t.Errorf("%s, %v: %s", c.who, c.ids, a.Body)
			}
		}
		a := do(w.as("ada"), mine, foreign, unknown)
		var places []any
		for _, e := range a.Errors {
			places = append(places, e.Extensions["inputPath"])
			if e.Message != a.Errors[0].Message {
				t.Errorf("a foreign invitation does not answer like an unknown one: %s", a.Body)
			}
		}
		if diff := cmp.Diff([]any{[]any{"input", "invitationIds", 1.0}, []any{"input", "invitationIds", 2.0}}, places); diff != "" {
			t.Error(diff)
		}
	}
	if n := w.Number(`select count(*) from invitation where status <> 'PENDING'`); n != 0 {
		t.Errorf("%d were revoked", n)
	}
	w.AwaitMails(3)
}

func TestInviteSpaceAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	a := ada.inviteAdministrators([]string{"Zoe <zoe@new.example>", "ada@uni.example", "ed@uni.example", "ZOE@new.example"}, "message", "Help me", "idempotencyKey", "k").OK()
	if got, want := a.Every("outcome", "inviteSpaceAdministrators", "results"), []string{"INVITED", "ALREADY_MEMBER", "INVITED", "DUPLICATE"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i := range 4 {
		r := a.At("inviteSpaceAdministrators", "results", i).(map[string]any)
		if r["role"] != nil || r["previousRole"] != nil {
			t.Errorf("%v", r)
		}
	}
	v := a.At("inviteSpaceAdministrators", "results", 0, "invitation").(map[string]any)
	if v["role"] != nil || v["instance"] != nil || v["instanceName"] != nil || v["space"].(map[string]any)["name"] != "Econometrics 2026" {
		t.Errorf("%v", v)
	}
	if diff := cmp.Diff(a.Data, ada.inviteAdministrators([]string{"Zoe <zoe@new.example>", "ada@uni.example", "ed@uni.example", "ZOE@new.example"}, "message", "Help me", "idempotencyKey", "k").OK().Data,
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == `["delivery"]` }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	for _, m := range w.AwaitMails(2) {
		for _, said := range []string{"administrator of the space", "Econometrics 2026", "Help me", m.Link} {
			if !strings.Contains(m.Text, said) {
				t.Errorf("the mail does not say %q:\n%s", said, m.Text)
			}
		}
	}
	// One address can be invited to the space and to an instance.
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	if got := ada.inviteAdministrators([]string{"zoe@new.example"}).OK().Every("outcome", "inviteSpaceAdministrators", "results"); got[0] != "ALREADY_INVITED" {
		t.Errorf("%v", got)
	}
	w.Exec(`update invitation set expires_at = clock_timestamp() where email = 'zoe@new.example' and space_id is not null`)
	if got := ada.inviteAdministrators([]string{"zoe@new.example"}).OK().Every("outcome", "inviteSpaceAdministrators", "results"); got[0] != "INVITED" {
		t.Errorf("%v", got)
	}
	w.AwaitMails(4)

	ed := w.as("ed")
	accepted := ed.accept("invitationId", w.invitationOf("ed@uni.example")).OK()
	if got := words(accepted.At("acceptInvitation", "space", "viewerRoles")); got != "ORGANIZATION_MEMBER SPACE_ADMINISTRATOR INSTANCE_EDITOR INSTANCE_VIEWER" {
		t.Errorf("Ed is %s", got)
	}
	if accepted.At("acceptInvitation", "instance") != nil {
		t.Errorf("%s", accepted.Body)
	}
	ed.invite("Master", "VIEWER", []string{"kim@new.example"}).OK()
	w.AwaitMails(5)

	// The rules and errors are those of inviteUsers.
	input := func(fields ...any) map[string]any {
		return map[string]any{"input": object(append([]any{"spaceId", w.space("Econometrics 2026"), "emails", []string{"kim@new.example"}}, fields...)...)}
	}
	const mutation = `mutation($input: InviteSpaceAdministratorsInput!) { inviteSpaceAdministrators(input: $input) { results { outcome } } }`
	for what, c := range map[string]struct {
		got  answer
		want []string
	}{
		"bad addresses":           {ada.Ask(mutation, input("emails", []string{"a", "kim@new.example", "b@"})), []string{"INVALID_EMAIL", "INVALID_EMAIL"}},
		"no address":              {ada.Ask(mutation, input("emails", []string{})), []string{"BAD_USER_INPUT"}},
		"a long message":          {ada.Ask(mutation, input("message", strings.Repeat("x", 2001))), []string{"BAD_USER_INPUT"}},
		"a viewer":                {w.as("vic").Ask(mutation, input()), []string{"FORBIDDEN"}},
		"a manager, bad address":  {w.as("mia").Ask(mutation, input("emails", []string{"a"})), []string{"INVALID_EMAIL"}},
		"a stranger":              {w.as("sam").Ask(mutation, input()), []string{"NOT_FOUND"}},
		"a stranger, bad address": {w.as("sam").Ask(mutation, input("emails", []string{"a"})), []string{"NOT_FOUND"}},
		"an instance for a space": {ada.Ask(mutation, input("spaceId", w.instance("Group 1"))), []string{"NOT_FOUND"}},
		"the same, a bad address": {ada.Ask(mutation, input("spaceId", w.instance("Group 1"), "emails", []string{"a"})), []string{"NOT_FOUND"}},
		"an unknown space":        {ada.Ask(mutation, input("spaceId", "space_00000000000000000000000000000000")), []string{"NOT_FOUND"}},
		"a used key, bad address": {ada.Ask(mutation, input("idempotencyKey", "k", "emails", []string{"a"})), []string{"IDEMPOTENCY_KEY_REUSED"}},
		"a used key":              {ada.Ask(mutation, input("idempotencyKey", "k")), []string{"IDEMPOTENCY_KEY_REUSED"}},
	} {
		if got := c.got.Codes(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	w.AwaitMails(5)
	// The space lists them for its administrators.
	list := `query($s: ID!, $status: InvitationStatus) { space(id: $s) { invitations(first: 10, status: $status) { totalCount nodes { email role status delivery { status } instance { id } } } } }`
	got := ed.Ask(list, map[string]any{"s": w.space("Econometrics 2026")}).OK().At("space", "invitations")
	if diff := cmp.Diff(any(map[string]any{"totalCount": 2.0, "nodes": []any{
		map[string]any{"email": "ed@uni.example", "role": nil, "status": "ACCEPTED", "delivery": map[string]any{"status": "SENT"}, "instance": nil},
		map[string]any{"email": "zoe@new.example", "role": nil, "status": "PENDING", "delivery": map[string]any{"status": "SENT"}, "instance": nil},
	}}), got); diff != "" {
		t.Error(diff)
	}
	if got := ed.Ask(list, map[string]any{"s": w.space("Econometrics 2026"), "status": "ACCEPTED"}).OK().At("space", "invitations", "totalCount"); got != 1.0 {
		t.Errorf("accepted: %v", got)
	}
	w.as("vic").Ask(list, map[string]any{"s": w.space("Econometrics 2026")}).Refused("FORBIDDEN")
}
