package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// user returns the id of a person of the demo world.
func (w *world) user(name string) string {
	w.t.Helper()
	return w.id("user", `select id from account where name = $1`, name)
}

func (w *world) organization(name string) string {
	w.t.Helper()
	return w.id("organization", `select id from organization where name = $1`, name)
}

func (p person) changeRole(instance, user, role string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: ChangeMemberRoleInput!) { changeMemberRole(input: $input) { changed previousRole member { user { id name email } role since } } }`,
		map[string]any{"input": p.input(instance, append(more, "userId", user, "role", role)...)})
}

// remove removes somebody from an instance, by its name, or from the space ("").
func (p person) remove(instance, user string, more ...any) answer {
	p.world.t.Helper()
	input := object(append(more, "userId", user, "spaceId", p.world.space("Econometrics 2026"))...)
	if instance != "" {
		input = p.input(instance, append(more, "userId", user)...)
	}
	return p.Ask(`mutation($input: RemoveMemberInput!) { removeMember(input: $input) { removed revokedInvitationCount takenOverInvitationCount } }`, map[string]any{"input": input})
}

func (p person) removeFromOrganization(organization, user string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: RemoveMemberInput!) { removeMember(input: $input) { removed revokedInvitationCount takenOverInvitationCount } }`,
		map[string]any{"input": object(append(more, "userId", user, "organizationId", p.world.organization(organization))...)})
}

// reinstate gives somebody their roles in an instance back, by its name, or in the space ("").
func (p person) reinstate(instance, user string, more ...any) answer {
	p.world.t.Helper()
	input := object(append(more, "userId", user, "spaceId", p.world.space("Econometrics 2026"))...)
	if instance != "" {
		input = p.input(instance, append(more, "userId", user)...)
	}
	return p.Ask(`mutation($input: ReinstateMemberInput!) { reinstateMember(input: $input) { reinstated restoredRoleCount } }`, map[string]any{"input": input})
}

func (p person) createInstance(name string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: CreateInstanceInput!) { createInstance(input: $input) { instance { id name kind state viewerRoles space { name } } } }`,
		map[string]any{"input": object(append([]any{"spaceId", p.world.space("Econometrics 2026"), "name", name}, more...)...)})
}

func (p person) createSpace(organization, name string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: CreateSpaceInput!) { createSpace(input: $input) { space { id name viewerRoles organization { name } instances { nodes { name kind } } } } }`,
		map[string]any{"input": object(append([]any{"organizationId", organization, "name", name}, more...)...)})
}

// roles returns the memberships of Econometrics 2026, as text.
func (w *world) roles() string {
	w.t.Helper()
	return w.Text(`
		select coalesce(string_agg(r, ', ' order by r), '') from (
			select a.name || ' ' || m.role || ' of ' || i.name as r
			from instance_member m join account a on a.id = m.account_id join instance i on i.id = m.instance_id join space s on s.id = i.space_id
			where s.name = 'Econometrics 2026'
			union all
			select a.name || ' administrator' from space_administrator sa join account a on a.id = sa.account_id join space s on s.id = sa.space_id
			where s.name = 'Econometrics 2026') r`)
}

const asLoaded = "Ada administrator, Ed EDITOR of Group 1, Ed EDITOR of Group 2, Ed EDITOR of Group 3, Vic VIEWER of Group 1, Vic VIEWER of Group 2"

// Ada removes people by mistake, finds them in the lists, and brings them back: where nothing
// is in the way, and otherwise the list says what the mutation answers.
func TestFormerMembersComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed, vic := w.as("ada"), w.user("Ed"), w.user("Vic")
	ada.remove("Group 1", vic).OK()
	w.as("ed").Ask(`mutation($id: ID!) { leaveInstance(input: {instanceId: $id}) { left } }`, map[string]any{"id": w.instance("Group 1")}).OK()
	ada.remove("", ed).OK()
	fields := `formerMembers { totalCount nodes { id user { id name } roles since endedAt endedBy { name email } reason reinstatableUntil reinstating { ` + readinessFields + ` } } }`
	list := func(instance string) []any {
		t.Helper()
		if instance == "" {
			return ada.Ask(`query($id: ID!) { space(id: $id) { `+fields+` } }`, map[string]any{"id": w.space("Econometrics 2026")}).OK().At("space", "formerMembers", "nodes").([]any)
		}
		return ada.Ask(`query($id: ID!) { instance(id: $id) { `+fields+` } }`, map[string]any{"id": w.instance(instance)}).OK().At("instance", "formerMembers", "nodes").([]any)
	}
	states := map[string]string{
		"active":  `update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = 'Group 1'`,
		"deleted": `update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours' from account a, (select clock_timestamp() as at) t where i.name = 'Group 1' and a.name = 'Ada'`,
	}
	for _, state := range []string{"deleted", "active"} {
		w.Exec(states[state])
		rows := list("Group 1")
		if len(rows) != 2 {
			t.Fatalf("%v", rows)
		}
		for _, row := range rows {
			row := row.(map[string]any)
			user := row["user"].(map[string]any)
			obstacles := row["reinstating"].(map[string]any)["obstacles"].([]any)
			done := ada.reinstate("Group 1", fmt.Sprint(user["id"]))
			if (len(obstacles) == 0) != (len(done.Errors) == 0) {
				t.Errorf("%s, %v: %v, and the mutation says %s", state, user["name"], obstacles, done.Body)
				continue
			}
			if len(obstacles) > 0 {
				if first, e := obstacles[0].(map[string]any), done.Errors[0]; first["code"] != e.Code() || first["message"] != e.Message || first["remedy"] != e.Extensions["remedy"] {
					t.Errorf("%s, %v: %v, and the mutation says %s", state, user["name"], first, done.Body)
				}
			}
		}
	}
	if got := ada.reinstate("", ed, "idempotencyKey", "k").OK(); got.At("reinstateMember", "restoredRoleCount") != 2.0 {
		t.Errorf("%s", got.Body)
	}
	if got := ada.reinstate("", ed, "idempotencyKey", "k").OK(); got.At("reinstateMember", "reinstated") != true {
		t.Errorf("again: %s", got.Body)
	}
	if got, want := w.roles(), strings.ReplaceAll(asLoaded, "Ed EDITOR of Group 1, ", ""); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if rows := list(""); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
	w.as("vic").Ask(`query($id: ID!) { instance(id: $id) { formerMembers { totalCount } } }`, map[string]any{"id": w.instance("Group 1")}).Refused("FORBIDDEN")
	if got := ada.Ask(`query($id: ID!) { space(id: $id) { auditLog(first: 1) { nodes { action summary } } } }`, map[string]any{"id": w.space("Econometrics 2026")}).OK().
		At("space", "auditLog", "nodes", 0, "summary"); got != "Ada reinstated Ed in Econometrics 2026." {
		t.Errorf("%v", got)
	}
}

func TestChangeMemberRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.user("Vic")
	a := ada.changeRole("Group 1", vic, "EDITOR", "idempotencyKey", "k").OK()
	if a.At("changeMemberRole", "changed") != true || a.At("changeMemberRole", "previousRole") != "VIEWER" ||
		a.At("changeMemberRole", "member", "role") != "EDITOR" || a.At("changeMemberRole", "member", "user", "email") != "vic@uni.example" {
		t.Errorf("%s", a.Body)
	}
	// A second call changes nothing, with or without the key.
	if diff := cmp.Diff(a.Data, ada.changeRole("Group 1", vic, "EDITOR", "idempotencyKey", "k").OK().Data); diff != "" {
		t.Error(diff)
	}
	if got := ada.changeRole("Group 1", vic, "EDITOR").OK(); got.At("changeMemberRole", "changed") != false || got.At("changeMemberRole", "previousRole") != "EDITOR" {
		t.Errorf("%s", got.Body)
	}
	// As an editor Vic can restore, which a viewer cannot.
	ada.changeRole("Group 2", vic, "EDITOR").OK()
	w.as("vic").restore("Group 2").OK()
	unknown := ada.changeRole("Group 1", "user_00000000000000000000000000000000", "VIEWER").Refused("NOT_FOUND")
	for _, wrong := range []string{w.user("Sam"), w.user("Rita"), w.user("Mia"), w.user("Ada"), "x", "", w.instance("Group 1")} {
		e := ada.changeRole("Group 1", wrong, "VIEWER").Refused("NOT_FOUND")
		if e.Message != unknown.Message || !cmp.Equal(e.Extensions["inputPath"], any([]any{"input", "userId"})) {
			t.Errorf("%s: %v", wrong, e)
		}
	}
	for who, code := range map[string]string{"ed": "FORBIDDEN", "vic": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND"} {
		w.as(who).changeRole("Group 1", vic, "VIEWER").Refused(code)
	}
	if got, want := w.roles(), strings.ReplaceAll(asLoaded, "Vic VIEWER", "Vic EDITOR"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := w.Text(`select string_agg(actor_name || ' ' || (details ->> 'userName') || ' ' || (details ->> 'previousRole') || ' ' || (details ->> 'role') || ' ' || instance_name, ', ' order by id)
		from audit_log where action = 'MEMBER_ROLE_CHANGED'`); got != "Ada Vic VIEWER EDITOR Group 1, Ada Vic VIEWER EDITOR Group 2" {
		t.Errorf("the trail: %s", got)
	}
}

func TestRemoveMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed, vic := w.as("ada"), w.user("Ed"), w.user("Vic")
	removed := func(a answer) any { t.Helper(); return a.OK().At("removeMember", "removed") }
	if got := removed(ada.remove("Group 1", vic, "idempotencyKey", "k")); got != true {
		t.Errorf("removed %v", got)
	}
	if got := removed(ada.remove("Group 1", vic, "idempotencyKey", "k")); got != true {
		t.Errorf("the retry: removed %v", got)
	}
	if got := removed(ada.remove("Group 1", vic)); got != false {
		t.Errorf("again: removed %v", got)
	}
	// Members of a deleted instance can be removed, too.
	if got := removed(ada.remove("Group 3", ed)); got != true {
		t.Errorf("removed %v", got)
	}
	if got := removed(ada.remove("", ed)); got != true {
		t.Errorf("removed %v", got)
	}
	w.as("ed").Ask(`query($id: ID!) { space(id: $id) { name } }`, map[string]any{"id": w.space("Econometrics 2026")}).OK()
	if got := w.roles(); got != "Ada administrator, Vic VIEWER of Group 2" {
		t.Errorf("%s", got)
	}
	// A person without a role is like an unknown person.
	for _, nobody := range []string{w.user("Sam"), "user_00000000000000000000000000000000", "x", w.instance("Group 1")} {
		for _, from := range []string{"", "Group 1"} {
			if got := removed(ada.remove(from, nobody)); got != false {
				t.Errorf("%s from %q: %v", nobody, from, got)
			}
		}
	}
	for who, code := range map[string]string{"vic": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND", "ed": "NOT_FOUND"} {
		w.as(who).remove("", vic).Refused(code)
	}
	for what, input := range map[string]map[string]any{
		"neither":    object("userId", vic),
		"both":       object("userId", vic, "instanceId", w.instance("Group 1"), "spaceId", w.space("Econometrics 2026")),
		"bad key":    object("userId", vic, "instanceId", w.instance("Group 1"), "idempotencyKey", "\n"),
		"null, null": object("userId", vic, "instanceId", nil, "spaceId", nil),
	} {
		a := ada.Ask(`mutation($input: RemoveMemberInput!) { removeMember(input: $input) { removed } }`, map[string]any{"input": input})
		if got := a.Codes(); !slices.Equal(got, []string{"BAD_USER_INPUT"}) {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	// The id of a space is not one of an instance, and the other way round.
	for what, input := range map[string]map[string]any{
		"an instance": object("userId", vic, "spaceId", w.instance("Group 1")),
		"a space":     object("userId", vic, "instanceId", w.space("Econometrics 2026")),
	} {
		a := ada.Ask(`mutation($input: RemoveMemberInput!) { removeMember(input: $input) { removed } }`, map[string]any{"input": input})
		if got := a.Codes(); !slices.Equal(got, []string{"NOT_FOUND"}) {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	if got := w.Text(`select string_agg((details ->> 'userName') || ' from ' || coalesce(instance_name, space_name), ', ' order by id) from audit_log where action = 'MEMBER_REMOVED'`); got !=
		"Vic from Group 1, Ed from Group 3, Ed from Econometrics 2026" {
		t.Errorf("the trail: %s", got)
	}
}

// Every administrator can be removed but the last.
// Removed people do not come back by a link that they have, nor by one that they sent.
func TestRemovalEndsInvitationsByAndToThePerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent           any // nil is the default, too
		revoked, taken float64
	}{{"absent", 3, 0}, {nil, 3, 0}, {"REVOKE", 3, 0}, {"TAKE_OVER", 1, 2}} {
		w := newWorld(t)
		ada, rita := w.as("ada"), w.as("rita")
		ada.invite("Group 1", "VIEWER", []string{"rita@uni.example"}).OK() // before they were an administrator
		w.grantAdministrator("Rita")
		rita.invite("Group 1", "EDITOR", []string{"crony@new.example"}).OK()
		rita.inviteAdministrators([]string{"rita@second.example"}).OK()
		w.AwaitMails(3)
		var more []any
		if c.sent != "absent" {
			more = []any{"sentInvitations", c.sent}
		}
		removed := ada.remove("", w.user("Rita"), more...).OK()
		if removed.At("removeMember", "revokedInvitationCount") != c.revoked || removed.At("removeMember", "takenOverInvitationCount") != c.taken {
			t.Errorf("%v: %s", c.sent, removed.Body)
		}
		if e := rita.accept("token", w.AwaitToken("rita@uni.example")).Refused("INVITATION_NOT_USABLE"); e.Reason() != "REVOKED" {
			t.Errorf("%v: %+v", c.sent, e)
		}
		for _, email := range []string{"crony@new.example", "rita@second.example"} {
			if a := w.as(email).accept("token", w.AwaitToken(email)); (len(a.Errors) == 0) != (c.taken > 0) {
				t.Errorf("%v: %s", c.sent, a.Body)
			}
		}
		// Invited again, they come back.
		ada.invite("Group 1", "VIEWER", []string{"rita@uni.example"}).OK()
		rita.accept("invitationId", w.invitationOf("rita@uni.example")).OK()
	}
	if codes := newWorld(t).as("ada").remove("", "user_"+strings.Repeat("0", 32), "sentInvitations", "KEEP").Codes(); !slices.Equal(codes, []string{"BAD_USER_INPUT"}) {
		t.Errorf("an unknown choice: %v", codes)
	}
}

// Without the inviter's role, the page says that the invitation is not usable, as
// accepting does. An administrator takes it over.
func TestInvitationWhoseInviterLeftIsNotUsable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, mia, zoe := w.as("ada"), w.as("mia"), w.as("zoe@new.example")
	w.grantAdministrator("Mia")
	mia.invite("Group 1", "EDITOR", []string{"zoe@new.example"}).OK()
	token := w.AwaitToken("zoe@new.example")
	w.Exec(`delete from space_administrator using account a where account_id = a.id and a.name = 'Mia'`)
	accepting := zoe.review(token).OK().At("invitation", "accepting").(map[string]any)
	obstacle := accepting["obstacles"].([]any)[0].(map[string]any)
	refused := zoe.accept("token", token).Refused("INVITATION_NOT_USABLE")
	if accepting["allowed"] != false || obstacle["reason"] != "INVITER_LEFT" || refused.Reason() != "INVITER_LEFT" || obstacle["remedy"] != refused.Extensions["remedy"] {
		t.Errorf("%v, but %+v", accepting, refused)
	}
	if got := w.as("sam").review(token).OK().At("invitation"); got != nil {
		t.Errorf("others see %v", got)
	}
	ada.resend([]string{w.invitationOf("zoe@new.example")}).OK()
	zoe.accept("invitationId", w.invitationOf("zoe@new.example")).OK()
}

func TestLastAdministratorCannotLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, mia := w.as("ada"), w.as("mia")
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'EDITOR' from instance i, account a where i.name = 'Group 1' and a.name = 'Ada'`)
	for what, a := range map[string]answer{
		"from the space":   ada.remove("", w.user("Ada")),
		"from an instance": ada.remove("Group 1", w.user("Ada")),
		"leaving":          ada.leave("Group 1"),
		"leaving another":  ada.leave("Master"),
	} {
		if e := a.Refused("CONFLICT"); e.Reason() != "LAST_ADMINISTRATOR" || e.Extensions["remedy"] == nil {
			t.Errorf("%s: %v", what, e)
		}
	}
	w.grantAdministrator("Mia")
	if got := ada.leave("Group 1").OK().At("leaveInstance", "left"); got != true {
		t.Errorf("left %v", got)
	}
	if got := ada.leave("Group 1").OK().At("leaveInstance", "left"); got != false {
		t.Errorf("left again %v", got)
	}
	// Ada still sees the instance as an administrator, until they are removed.
	ada.delete("Group 1").OK()
	a := ada.remove("", w.user("Ada"), "idempotencyKey", "k")
	if got := a.OK().At("removeMember", "removed"); got != true {
		t.Errorf("removed %v", got)
	}
	ada.restore("Group 1").Refused("NOT_FOUND")
	// A retry with the key gets the first answer, though Ada has lost the
	// permission.
	if got := ada.remove("", w.user("Ada"), "idempotencyKey", "k").OK().At("removeMember", "removed"); got != true {
		t.Errorf("the retry: removed %v", got)
	}
	ada.remove("", w.user("Ada")).Refused("NOT_FOUND")
	ada.remove("", w.user("Vic"), "idempotencyKey", "k").Refused("NOT_FOUND")
	mia.remove("", w.user("Mia")).Refused("CONFLICT")
	// The database refuses it, too.
	if _, err := w.Admin.Exec(`delete from space_administrator`); err == nil || !strings.Contains(err.Error(), "would have no administrator") {
		t.Errorf("%v", err)
	}
}

func TestRaceOfTwoAdministratorsWhoRemoveEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, mia := w.as("ada"), w.as("mia")
	adaID, miaID := w.user("Ada"), w.user("Mia")
	for n := range racetest.Trials {
		w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.name in ('Ada', 'Mia') on conflict do nothing`)
		var first, second answer
		racetest.Together(func() { first = ada.remove("", miaID) }, func() { second = mia.remove("", adaID) })
		done := 0
		for _, a := range []answer{first, second} {
			switch codes := a.Codes(); {
			case len(codes) == 0:
				done++
			case !slices.Equal(codes, []string{"NOT_FOUND"}) && !slices.Equal(codes, []string{"FORBIDDEN"}) && !slices.Equal(codes, []string{"CONFLICT"}):
				t.Fatalf("trial %d: %s", n, a.Body)
			}
		}
		left := w.Number(`select count(*) from space_administrator sa join space s on s.id = sa.space_id where s.name = 'Econometrics 2026'`)
		if done != 1 || left != 1 {
			t.Fatalf("trial %d: %d were removed, %d are left: %s %s", n, done, left, first.Body, second.Body)
		}
	}
}

func TestLeaveInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.as("vic")
	if got := vic.leave("Group 1", "idempotencyKey", "k").OK().At("leaveInstance", "left"); got != true {
		t.Errorf("left %v", got)
	}
	vic.leave("Group 1").Refused("NOT_FOUND")
	// A retry with the key gets the first answer, though Vic does not see the
	// instance any more.
	if got := vic.leave("Group 1", "idempotencyKey", "k").OK().At("leaveInstance", "left"); got != true {
		t.Errorf("the retry: left %v", got)
	}
	vic.leave("Group 1", "idempotencyKey", "another").Refused("NOT_FOUND")
	// A deleted instance can be left, too.
	vic.leave("Group 2").OK()
	if got := w.as("mia").leave("Group 1").OK().At("leaveInstance", "left"); got != false {
		t.Errorf("a manager has left: %v", got)
	}
	w.as("sam").leave("Group 1").Refused("NOT_FOUND")
	if got := w.Text(`select string_agg(actor_name || ' ' || action || ' ' || instance_name, ', ' order by id) from audit_log`); got != "Vic MEMBER_LEFT Group 1, Vic MEMBER_LEFT Group 2" {
		t.Errorf("the trail: %s", got)
	}
}

func TestCreateInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	a := ada.createInstance("  Group\t4 ", "idempotencyKey", "k").OK()
	if diff := cmp.Diff(map[string]any{"name": "Group 4", "kind": "WORKING", "state": "ACTIVE", "space": map[string]any{"name": "Econometrics 2026"},
		"viewerRoles": []any{"SPACE_ADMINISTRATOR", "INSTANCE_EDITOR", "INSTANCE_VIEWER"}}, a.At("createInstance", "instance").(map[string]any),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == `["id"]` }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(a.Data, ada.createInstance("  Group\t4 ", "idempotencyKey", "k").OK().Data); diff != "" {
		t.Error(diff)
	}
	ada.createInstance("Group 5", "idempotencyKey", "k").Refused("IDEMPOTENCY_KEY_REUSED")
	const library = "کتاب\u200cخانه" // a Persian word, with a joiner
	if got := ada.createInstance(library+"\u200c").OK().At("createInstance", "instance", "name"); got != library {
		t.Errorf("%q", got)
	}
	ada.invite("Group 4", "VIEWER", []string{"zoe@new.example"}).OK()
	for _, name := range []string{"", "  ", "a\x00b", "a\u200bb", strings.Repeat("é", 201), strings.Repeat("x", 500_000)} {
		if a := ada.createInstance(name); !slices.Equal(a.Codes(), []string{"BAD_USER_INPUT"}) || len(a.Body) > 1000 {
			t.Errorf("%.20q: %.300s", name, a.Body)
		}
	}
	for who, code := range map[string]string{"ed": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND"} {
		w.as(who).createInstance("Group 5").Refused(code)
	}
	ada.createInstance("x", "spaceId", w.instance("Group 1")).Refused("NOT_FOUND")
	e := ada.createInstance("GROUP  4").Refused("CONFLICT")
	if diff := cmp.Diff(map[string]any{"reason": "NAME_TAKEN", "instances": []any{map[string]any{"id": w.instance("Group 4"), "name": "Group 4"}}},
		map[string]any{"reason": e.Extensions["reason"], "instances": e.Extensions["instances"]}); diff != "" {
		t.Error(diff)
	}
	if e := ada.createInstance("master").Refused("CONFLICT"); e.Extensions["reason"] != "NAME_RESERVED" {
		t.Errorf("%v", e)
	}
	if n := w.Number(`select count(*) from instance where kind = 'WORKING'`); n != 5 {
		t.Errorf("%d working instances", n)
	}
}

// An instance whose name another one has taken comes back under another name, and
// the answers before and after say so.
func TestRestoreUnderAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ed := w.as("ed")
	group2 := w.instance("Group 2")
	w.as("ada").createInstance("group 2").OK()
	asked := ed.Ask(`query($i: ID!) { instance(id: $i) { restoring { allowed obstacles { code } } } }`, map[string]any{"i": group2}).OK()
	if got := asked.At("instance", "restoring", "allowed"); got != true {
		t.Errorf("%s", asked.Body)
	}
	for range 2 {
		a := ed.Ask(`mutation($i: RestoreInstanceInput!) { restoreInstance(input: $i) { restored previousName instance { name state } } }`,
			map[string]any{"i": object("instanceId", group2, "idempotencyKey", "k")}).OK()
		if diff := cmp.Diff(any(map[string]any{"restored": true, "previousName": "Group 2", "instance": map[string]any{"name": "Group 2 (2)", "state": "ACTIVE"}}),
			a.At("restoreInstance")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCreateSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mia, university := w.as("mia"), w.organization("University of Example")
	w.Exec(`insert into organization_member (organization_id, account_id, role) select o.id, a.id, x.role
		from organization o, account a, (values ('Sam', 'FACULTY'), ('Vic', 'MEMBER')) x (name, role) where o.name = 'University of Example' and a.name = x.name`)
	// A person finds the organizations in which they may create spaces.
	if got := w.as("sam").Ask(`{ viewer { organizations { totalCount nodes { id name viewerRoles } } } }`, nil).OK().At("viewer", "organizations"); !cmp.Equal(got, any(map[string]any{
		"totalCount": 1.0, "nodes": []any{map[string]any{"id": university, "name": "University of Example", "viewerRoles": []any{"ORGANIZATION_FACULTY"}}}})) {
		t.Errorf("%v", got)
	}
	for _, p := range []person{mia, w.as("sam")} {
		a := p.createSpace(university, "Statistics", "idempotencyKey", "k").OK()
		roles := words(a.At("createSpace", "space", "viewerRoles"))
		if !strings.Contains(roles, "SPACE_ADMINISTRATOR INSTANCE_EDITOR INSTANCE_VIEWER") || a.At("createSpace", "space", "organization", "name") != "University of Example" {
			t.Errorf("%s", a.Body)
		}
		if diff := cmp.Diff(any([]any{map[string]any{"name": "Master", "kind": "MASTER"}, map[string]any{"name": "Distributed", "kind": "DISTRIBUTED"}}),
			a.At("createSpace", "space", "instances", "nodes")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(a.Data, p.createSpace(university, "Statistics", "idempotencyKey", "k").OK().Data); diff != "" {
			t.Error(diff)
		}
	}
	e := w.as("vic").createSpace(university, "Statistics").Refused("FORBIDDEN")
	if diff := cmp.Diff(any([]any{map[string]any{"name": "Mia", "email": "mia@uni.example"}, map[string]any{"name": "Sam", "email": "sam@uni.example"}}), e.Extensions["contacts"]); diff != "" {
		t.Errorf("%v: %s", e, diff)
	}
	// Ada administrates a space of the organization. Ed belongs to instances alone, and
	// learns no name of its staff.
	for who, contacts := range map[string]int{"ada": 2, "ed": 0} {
		e := w.as(who).createSpace(university, "Statistics").Refused("FORBIDDEN")
		if named, _ := e.Extensions["contacts"].([]any); len(named) != contacts || strings.Contains(fmt.Sprint(e), "mia@") != (contacts > 0) || e.Extensions["remedy"] == nil {
			t.Errorf("%s: %v", who, e)
		}
	}
	w.as("rita").createSpace(university, "Statistics").Refused("NOT_FOUND")
	for _, wrong := range []string{w.organization("Private Institute"), "organization_00000000000000000000000000000000", "x", w.space("Econometrics 2026")} {
		mia.createSpace(wrong, "Statistics").Refused("NOT_FOUND")
	}
	mia.createSpace(university, "\n").Refused("BAD_USER_INPUT")
	// Two spaces may have the same name.
	w.as("sam").createSpace(university, "Econometrics 2026").OK()
	if n := w.Number(`select count(*) from space`); n != 5 {
		t.Errorf("%d spaces", n)
	}
	if n := w.Number(`select count(*) from audit_log where action = 'SPACE_CREATED'`); n != 3 {
		t.Errorf("%d in the trail", n)
	}
}

func TestSpaceMembersAreListedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where i.name = 'Group 1' and a.name = 'Ada'`)
	query := `query($s: ID!, $after: String) { space(id: $s) { members(first: 2, after: $after) { totalCount nodes { user { name email } roles since } pageInfo { hasNextPage endCursor } } } }`
	var got []string
	var after any
	for range 2 {
		a := w.as("ada").Ask(query, map[string]any{"s": w.space("Econometrics 2026"), "after": after}).OK()
		if n := a.At("space", "members", "totalCount"); n != 3.0 {
			t.Errorf("totalCount %v", n)
		}
		for i := range a.Every("since", "space", "members", "nodes") {
			got = append(got, fmt.Sprint(a.At("space", "members", "nodes", i, "user", "name"), " ", words(a.At("space", "members", "nodes", i, "roles"))))
		}
		after = a.At("space", "members", "pageInfo", "endCursor")
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"Ada SPACE_ADMINISTRATOR INSTANCE_VIEWER", "Ed INSTANCE_EDITOR", "Vic INSTANCE_VIEWER"}, got); diff != "" {
		t.Error(diff)
	}
	for _, who := range []string{"ed", "vic", "mia"} {
		w.as(who).Ask(query, map[string]any{"s": w.space("Econometrics 2026")}).Refused("FORBIDDEN")
	}
}

// Only administrators see what was done in their space.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	emails := []string{"zoe@new.example", "bob@new.example", "kim@new.example", "eve@new.example", "max@new.example"}
	ada.invite("Group 1", "VIEWER", emails).OK()
	ada.invite("Group 1", "EDITOR", []string{"zoe@new.example"}).OK()
	ada.resend([]string{w.invitationOf("bob@new.example")}).OK()
	ada.revoke([]string{w.invitationOf("bob@new.example")}).OK()
	w.as("zoe@new.example").accept("invitationId", w.invitationOf("zoe@new.example")).OK()
	w.as("kim@new.example").decline("invitationId", w.invitationOf("kim@new.example")).OK()
	ada.inviteAdministrators([]string{"mia@uni.example"}).OK()
	w.as("mia").accept("invitationId", w.invitationOf("mia@uni.example")).OK()
	ada.changeRole("Group 1", w.user("Vic"), "EDITOR").OK()
	ada.remove("Group 1", w.user("Vic")).OK()
	ada.remove("", w.user("Ed")).OK()
	w.as("vic").leave("Group 2").OK()
	ada.createInstance("Group 4").OK()
	ada.delete("Group 4").OK()
	ada.restore("Group 4").OK()
	// Requests that change nothing are not in the log.
	ada.invite("Group 1", "VIEWER", emails[3:]).OK()
	ada.delete("Group 2").OK()
	ada.remove("Group 1", w.user("Vic")).OK()
	ada.revoke([]string{w.invitationOf("bob@new.example")}).OK()
	w.as("rita").Ask(`mutation($i: CreateInstanceInput!) { createInstance(input: $i) { instance { id } } }`, map[string]any{"i": object("spaceId", w.space("Private Research"), "name", "Secret")}).OK()

	const query = `query($s: ID!, $after: String) { space(id: $s) { auditLog(first: 7, after: $after) {
		totalCount nodes { id at action summary actorId actorName instanceId instanceName userId userName emails role previousRole } pageInfo { hasNextPage endCursor } } } }`
	var summaries []string
	var entries []map[string]any
	var after any
	for {
		a := ada.Ask(query, map[string]any{"s": w.space("Econometrics 2026"), "after": after}).OK()
		if n := a.At("space", "auditLog", "totalCount"); n != 15.0 {
			t.Errorf("totalCount %v", n)
		}
		for i, summary := range a.Every("summary", "space", "auditLog", "nodes") {
			summaries = append(summaries, summary)
			entries = append(entries, a.At("space", "auditLog", "nodes", i).(map[string]any))
		}
		if a.At("space", "auditLog", "pageInfo", "hasNextPage") != true {
			break
		}
		after = a.At("space", "auditLog", "pageInfo", "endCursor")
	}
	slices.Reverse(summaries)
	slices.Reverse(entries)
	want := []string{
		"Ada invited zoe@new.example, bob@new.example, kim@new.example, 2 more to Group 1 as a viewer.",
		"Ada changed the role in the invitation of zoe@new.example to Group 1, to an editor.",
		"Ada sent the invitation of bob@new.example to Group 1 again.",
		"Ada revoked the invitation of bob@new.example to Group 1.",
		"Zoe accepted the invitation of zoe@new.example to Group 1 as an editor.",
		"Kim declined the invitation of kim@new.example to Group 1.",
		"Ada invited mia@uni.example to Econometrics 2026 as an administrator.",
		"Mia accepted the invitation of mia@uni.example to Econometrics 2026 as an administrator.",
		"Ada changed Vic from a viewer to an editor of Group 1.",
		"Ada removed Vic from Group 1.",
		"Ada removed Ed from Econometrics 2026.",
		"Vic left Group 2.",
		"Ada created Group 4.",
		"Ada deleted Group 4.",
		"Ada restored Group 4.",
	}
	if diff := cmp.Diff(want, summaries); diff != "" {
		t.Fatal(diff)
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{`["id"]`, `["at"]`, `["summary"]`}, p.Last().String())
	}, cmp.Ignore())
	for i, want := range map[int]map[string]any{
		0: {"action": "INVITATION_SENT", "actorId": w.user("Ada"), "actorName": "Ada", "instanceId": w.instance("Group 1"), "instanceName": "Group 1",
			"userId": nil, "userName": nil, "emails": []any{"zoe@new.example", "bob@new.example", "kim@new.example", "eve@new.example", "max@new.example"}, "role": "VIEWER", "previousRole": nil},
		8: {"action": "MEMBER_ROLE_CHANGED", "actorId": w.user("Ada"), "actorName": "Ada", "instanceId": w.instance("Group 1"), "instanceName": "Group 1",
			"userId": w.user("Vic"), "userName": "Vic", "emails": []any{}, "role": "EDITOR", "previousRole": "VIEWER"},
		10: {"action": "MEMBER_REMOVED", "actorId": w.user("Ada"), "actorName": "Ada", "instanceId": nil, "instanceName": nil,
			"userId": w.user("Ed"), "userName": "Ed", "emails": []any{}, "role": nil, "previousRole": nil},
	} {
		if diff := cmp.Diff(want, entries[i], ignored); diff != "" {
			t.Errorf("entry %d: %s", i, diff)
		}
	}
	for who, code := range map[string]string{"vic": "FORBIDDEN", "zoe@new.example": "FORBIDDEN"} {
		w.as("ada").invite("Master", "VIEWER", []string{"vic@uni.example"}).OK()
		if who == "vic" {
			w.as("vic").accept("invitationId", w.invitationOf("vic@uni.example")).OK()
		}
		w.as(who).Ask(query, map[string]any{"s": w.space("Econometrics 2026")}).Refused(code)
	}
	if got := w.as("rita").Ask(query, map[string]any{"s": w.space("Econometrics 2026")}).OK().At("space"); got != nil {
		t.Errorf("Rita sees %v", got)
	}
	for _, change := range []string{`update audit_log set actor_name = 'Nobody'`, `delete from audit_log`, `truncate audit_log`} {
		if _, err := w.Admin.Exec(change); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// Two transactions at once cannot remove the last two administrators, by a
// constraint of the database.
func TestDatabaseKeepsOneAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	const dismiss = `delete from space_administrator using account a where account_id = a.id and a.name = $1`
	first, err := w.Admin.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Rollback()
	if _, err := first.Exec(dismiss, "Ada"); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() { _, err := w.Admin.Exec(dismiss, "Mia"); second <- err }()
	w.Eventually("the second's waiting", func() bool { return w.lockWaiters("delete from space_administrator") == 1 || len(second) == 1 })
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err == nil || !strings.Contains(err.Error(), "would have no administrator") {
		t.Errorf("%v", err)
	}
	if got := w.roles(); !strings.HasPrefix(got, "Ed") || !strings.Contains(got, "Mia administrator") {
		t.Errorf("%s", got)
	}
}
