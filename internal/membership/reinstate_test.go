package membership_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func (w world) reinstateIn(actor string, place, user globalid.ID, k string) (membership.ReinstateMemberPayload, outcome) {
	w.t.Helper()
	in := membership.ReinstateMemberInput{UserID: user, IdempotencyKey: key(k)}
	switch place.Kind {
	case globalid.Organization:
		in.OrganizationID = &place
	case globalid.Space:
		in.SpaceID = &place
	default:
		in.InstanceID = &place
	}
	payload, err := w.service.Reinstate(w.t.Context(), w.User(actor), in)
	return payload, w.outcome(payload.Reinstated, err)
}

// former returns the former members of a place, as the actor sees them, newest first.
func (w world) former(actor string, place globalid.ID) (lines []string) {
	w.t.Helper()
	places, err := tenant.FindPlaces(w.t.Context(), w.DB, w.User(actor), []globalid.ID{place})
	if err != nil {
		w.t.Fatal(err)
	}
	lists, err := w.service.ListFormer(w.t.Context(), []globalid.ID{place}, relay.Page{First: 10, Total: true})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range lists[place].Nodes {
		obstacles, err := w.service.Reinstating(w.t.Context(), w.User(actor), m.At(places[place]))
		if err != nil {
			w.t.Fatal(err)
		}
		line := fmt.Sprintf("%s %v %s", m.User.Name, m.Roles(), m.Reason)
		if m.EndedBy != nil {
			line += " by " + m.EndedBy.Name
		}
		for _, o := range obstacles {
			line += " " + string(o.Code) + " " + o.Reason
		}
		lines = append(lines, line)
	}
	if lists[place].Total != len(lines) {
		w.t.Errorf("%d former members are counted: %v", lists[place].Total, lines)
	}
	return lines
}

func (w world) formerAre(actor string, place globalid.ID, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.former(actor, place)); diff != "" {
		w.t.Error(diff)
	}
}

func TestReinstateGivesTheRoleInAnInstanceBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, ed, vic := w.Instance("Group 1"), w.User("ed").ID, w.User("vic").ID
	since := w.Text(`select since::text from instance_member where instance_id = $1 and account_id = $2`, group1.UUID, ed.UUID)
	w.formerAre("ada", group1)
	w.removeFrom("ada", group1, ed, "").is(t, true)
	w.removeFrom("ada", group1, vic, "").is(t, true)
	w.formerAre("ada", group1, "Vic [INSTANCE_VIEWER] REMOVED by Ada", "Ed [INSTANCE_EDITOR] REMOVED by Ada")
	lists, err := w.service.ListFormer(t.Context(), []globalid.ID{group1}, relay.Page{First: 1})
	if err != nil || lists[group1].Nodes[0].User.Email != "vic@uni.example" {
		t.Errorf("%+v, %v", lists[group1].Nodes[0].User, err)
	}
	w.formerAre("ada", w.Space(testworld.Econometrics)) // Ed is still in two instances

	payload, o := w.reinstateIn("ada", group1, ed, "k")
	if o.is(t, true); payload.Restored != 1 {
		t.Errorf("%+v", payload)
	}
	w.role("ed", group1, "INSTANCE_EDITOR")
	if got := w.Text(`select since::text from instance_member where instance_id = $1 and account_id = $2`, group1.UUID, ed.UUID); got != since {
		t.Errorf("a member since %s, want %s", got, since)
	}
	// The same key has the first answer, and without one nothing is left to do.
	_, o = w.reinstateIn("ada", group1, ed, "k")
	o.is(t, true)
	_, o = w.reinstateIn("ada", group1, ed, "")
	o.is(t, false)
	w.formerAre("ada", group1, "Vic [INSTANCE_VIEWER] REMOVED by Ada")

	// Who gets a role otherwise is no former member any more, and keeps a higher role.
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		_, err := membership.Grant(t.Context(), tx, vic.UUID, group1, tenant.InstanceEditor)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	w.formerAre("ada", group1)
	_, o = w.reinstateIn("ada", group1, vic, "")
	o.is(t, false)
	w.role("vic", group1, "INSTANCE_EDITOR")

	for name, id := range map[string]globalid.ID{"a stranger": w.User("sam").ID, "an unknown person": globalid.New(globalid.User), "no id": {}, "an instance": group1} {
		if _, o := w.reinstateIn("ada", group1, id, ""); o.fault.Code != fault.NotFound || !strings.Contains(o.fault.Message, "90 days") || len(o.fault.InputPath) != 2 {
			t.Errorf("%s: %+v", name, o)
		}
	}
	for actor, code := range map[string]fault.Code{"ed": fault.Forbidden, "mia": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		for _, place := range []globalid.ID{group1, w.Space(testworld.Econometrics)} {
			_, o := w.reinstateIn(actor, place, ed, "")
			o.refused(t, code)
		}
	}
	w.trail("Ada MEMBER_REMOVED Ed EDITOR in Group 1", "Ada MEMBER_REMOVED Vic VIEWER in Group 1", "Ada MEMBER_REINSTATED Ed EDITOR in Group 1")
}

// What one removal from a space or an organization ended comes back together, and nothing
// else.
func TestReinstateGivesAllRolesOfARemovalBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, organization, ed := w.Space(testworld.Econometrics), w.Organization("University of Example"), w.User("ed")
	group1, group2, group3 := w.Instance("Group 1"), w.Instance("Group 2"), w.Instance("Group 3")
	w.removeFrom("ada", group1, ed.ID, "").is(t, true)
	w.removeFrom("ada", space, ed.ID, "").is(t, true)
	w.formerAre("ada", space, "Ed [INSTANCE_EDITOR] REMOVED by Ada")
	payload, o := w.reinstateIn("ada", space, ed.ID, "")
	if o.is(t, true); payload.Restored != 2 {
		t.Errorf("%+v", payload)
	}
	w.role("ed", group1, "") // removed before, by itself
	w.role("ed", group2, "INSTANCE_EDITOR")
	w.role("ed", group3, "INSTANCE_EDITOR")
	w.formerAre("ada", space)
	_, o = w.reinstateIn("ada", group1, ed.ID, "")
	o.is(t, true)

	// From the organization, with a role in it, in two spaces, one of which is deleted, and
	// in instances.
	other := w.NewSpace(organization, "Statistics")
	w.Grant(w.User("mia"), tenant.SpaceAdministrator, other)
	w.Grant(ed, tenant.SpaceAdministrator, other)
	w.Grant(ed, tenant.OrganizationFaculty, organization)
	w.removeFrom("mia", organization, ed.ID, "").is(t, true)
	w.role("ed", other, "")
	w.DeleteSpace(other, w.User("mia"))
	w.formerAre("mia", organization, "Ed [ORGANIZATION_FACULTY SPACE_ADMINISTRATOR INSTANCE_EDITOR] REMOVED by Mia")
	w.formerAre("ada", space, "Ed [INSTANCE_EDITOR] REMOVED by Mia FORBIDDEN ")
	w.formerAre("mia", other, "Ed [SPACE_ADMINISTRATOR] REMOVED by Mia SPACE_DELETED ")
	_, o = w.reinstateIn("mia", other, ed.ID, "")
	o.refused(t, fault.SpaceDeleted)
	_, o = w.reinstateIn("ada", organization, ed.ID, "")
	o.refused(t, fault.Forbidden)
	payload, o = w.reinstateIn("mia", organization, ed.ID, "")
	if o.is(t, true); payload.Restored != 5 {
		t.Errorf("%+v", payload)
	}
	w.role("ed", organization, "ORGANIZATION_FACULTY")
	w.role("ed", other, "SPACE_ADMINISTRATOR")
	w.role("ed", group2, "INSTANCE_EDITOR")
	w.formerAre("mia", organization)

	// An administrator undoes no manager's removal from the organization, until the person
	// belongs to it again. Then nothing comes back but what is in the space.
	w.removeFrom("mia", organization, ed.ID, "").is(t, true)
	for _, place := range []globalid.ID{space, group1} {
		_, o = w.reinstateIn("ada", place, ed.ID, "")
		if f := o.refused(t, fault.Forbidden); len(f.Contacts) != 1 || f.Contacts[0].Name != "Mia" || !strings.Contains(f.Remedy, "or invite them, with inviteUsers") {
			t.Errorf("%+v", f)
		}
		w.formerAre("ada", place, "Ed [INSTANCE_EDITOR] REMOVED by Mia FORBIDDEN ")
	}
	w.Grant(ed, tenant.OrganizationMember, organization)
	w.formerAre("mia", organization, "Ed [SPACE_ADMINISTRATOR INSTANCE_EDITOR] REMOVED by Mia")
	_, o = w.reinstateIn("ada", space, ed.ID, "")
	o.is(t, true)
	w.role("ed", organization, "ORGANIZATION_MEMBER")
	w.role("ed", other, "")
	if got := w.Text(`select actor_name || ' ' || action || ' ' || space_name from audit_log order by id desc limit 1`); got != "Ada MEMBER_REINSTATED Econometrics 2026" {
		t.Errorf("the trail: %s", got)
	}

	// What an undo gives back, and where, is said of what had not come back before.
	w.formerAre("mia", organization, "Ed [SPACE_ADMINISTRATOR] REMOVED by Mia")
	before := w.Number(`select max(position) from (select row_number() over (order by id) as position from audit_log) l`)
	payload, o = w.reinstateIn("mia", organization, ed.ID, "")
	if o.is(t, true); payload.Restored != 1 {
		t.Errorf("%+v", payload)
	}
	if got := w.Text(`select string_agg(coalesce(nullif(space_name, ''), 'the organization'), ', ' order by id) from (select *, row_number() over (order by id) as position from audit_log) l where position > $1`, before); got != "Statistics, the organization" {
		t.Errorf("the trail: %s", got)
	}
	w.role("ed", organization, "ORGANIZATION_MEMBER") // a manager has decided so since
	_, o = w.reinstateIn("mia", organization, ed.ID, "")
	o.is(t, false)
}

// Who leaves a space or an organization leaves everything inside, and a removal takes what
// ended before out of an older, wider undo.
func TestReinstateRespectsLaterEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, organization, ed, vic := w.Space(testworld.Econometrics), w.Organization(universityName), w.User("ed"), w.User("vic")
	group1, group2, group3 := w.Instance("Group 1"), w.Instance("Group 2"), w.Instance("Group 3")
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null`)

	// Removed from the space, and then left the organization.
	w.Grant(ed, tenant.OrganizationMember, organization)
	w.removeFrom("ada", space, ed.ID, "").is(t, true)
	if payload, err := w.service.LeaveOrganization(t.Context(), ed, membership.LeaveOrganizationInput{OrganizationID: organization}); err != nil || !payload.Left {
		t.Fatalf("%+v, %v", payload, err)
	}
	for actor, place := range map[string]globalid.ID{"ada": space, "mia": organization} {
		_, o := w.reinstateIn(actor, place, ed.ID, "")
		if f := o.refused(t, fault.Conflict); f.Reason != fault.MemberLeft {
			t.Errorf("%+v", f)
		}
	}
	_, o := w.reinstateIn("ada", group1, ed.ID, "")
	o.refused(t, fault.Conflict)
	w.role("ed", organization, "")
	w.formerAre("ada", space, "Ed [INSTANCE_EDITOR] LEFT by Ed CONFLICT MEMBER_LEFT")

	// The same of a space, whose second administrator removes themselves.
	w.Grant(vic, tenant.SpaceAdministrator, space)
	w.removeFrom("ada", group1, vic.ID, "").is(t, true)
	w.removeFrom("vic", space, vic.ID, "").is(t, true)
	_, o = w.reinstateIn("ada", group1, vic.ID, "")
	o.refused(t, fault.Conflict)
	// As an administrator again, they cannot be invited, and are not asked either.
	w.Grant(vic, tenant.SpaceAdministrator, space)
	w.formerAre("ada", group1, "Vic [INSTANCE_VIEWER] LEFT by Vic", "Ed [INSTANCE_EDITOR] LEFT by Ed CONFLICT MEMBER_LEFT")
	_, o = w.reinstateIn("ada", group1, vic.ID, "")
	o.is(t, true)

	// An undo of the organization is older than the removal from the space.
	w.Grant(ed, tenant.OrganizationMember, organization)
	w.Grant(ed, tenant.InstanceEditor, group2)
	w.Grant(ed, tenant.InstanceEditor, group3)
	w.removeFrom("mia", organization, ed.ID, "").is(t, true)
	w.Grant(ed, tenant.OrganizationMember, organization)
	w.Grant(ed, tenant.InstanceViewer, group2)
	w.removeFrom("ada", space, ed.ID, "").is(t, true)
	_, o = w.reinstateIn("mia", organization, ed.ID, "")
	o.is(t, false)
	w.role("ed", group3, "")
	_, o = w.reinstateIn("ada", group3, ed.ID, "")
	o.is(t, true)
}

// Present members are no former ones, and keep what they were given since.
func TestReinstateLeavesNewRolesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization, ed, group1 := w.Organization(universityName), w.User("ed"), w.Instance("Group 1")
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null`)
	w.Grant(ed, tenant.OrganizationManager, organization)
	w.removeFrom("mia", organization, ed.ID, "").is(t, true)
	// As a gateway of the last release accepts an invitation.
	w.Exec(`insert into organization_member (organization_id, account_id, role, guest) values ($1, $2, 'MEMBER', true)`, organization.UUID, ed.ID.UUID)
	w.Exec(`insert into instance_member (instance_id, account_id, role) values ($1, $2, 'VIEWER')`, group1.UUID, ed.ID.UUID)
	w.formerAre("ada", group1)
	w.formerAre("mia", organization, "Ed [INSTANCE_EDITOR] REMOVED by Mia")
	if payload, err := w.service.ChangeOrganizationRole(t.Context(), w.User("mia"), membership.ChangeOrganizationRoleInput{
		OrganizationID: organization, UserID: ed.ID, Role: tenant.Faculty}); err != nil || !payload.Changed {
		t.Fatalf("%+v, %v", payload, err)
	}
	_, o := w.reinstateIn("mia", organization, ed.ID, "")
	o.is(t, true)
	w.role("ed", organization, "ORGANIZATION_FACULTY")
	w.role("ed", group1, "INSTANCE_VIEWER")
	w.role("ed", w.Instance("Group 2"), "INSTANCE_EDITOR")

	// The head of a removal without a role, and without one inside, is nothing.
	w.removeFrom("ada", w.Space(testworld.Econometrics), ed.ID, "").is(t, true)
	for _, name := range []string{"Group 1", "Group 2", "Group 3"} {
		_, o = w.reinstateIn("ada", w.Instance(name), ed.ID, "")
		o.is(t, true)
		w.removeFrom("ada", w.Instance(name), ed.ID, "").is(t, true)
	}
	_, o = w.reinstateIn("ada", w.Space(testworld.Econometrics), ed.ID, "")
	o.refused(t, fault.NotFound)

	// Rows that older commands leave behind.
	for _, set := range []string{`merged_into = (select id from account where name = 'Ada')`, `merged_into = null, erased_at = clock_timestamp()`} {
		w.Open(w.DSN).Exec(t.Context(), `update account set `+set+` where id = $1`, ed.ID.UUID)
		w.formerAre("ada", group1)
	}
	_, o = w.reinstateIn("ada", group1, ed.ID, "")
	o.refused(t, fault.NotFound)
	w.role("ed", group1, "")
}

// People who left are asked; what ended too long ago does not come back; an invitation that
// is still pending has nothing to give any more.
func TestReinstateRefusesWhatMustNotComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, group1, ed, vic := w.Space(testworld.Econometrics), w.Instance("Group 1"), w.User("ed").ID, w.User("vic").ID
	w.leave("ed", "Group 1", "").is(t, true)
	w.formerAre("ada", group1, "Ed [INSTANCE_EDITOR] LEFT by Ed CONFLICT MEMBER_LEFT")
	_, o := w.reinstateIn("ada", group1, ed, "")
	if f := o.refused(t, fault.Conflict); f.Reason != fault.MemberLeft || !strings.Contains(f.Remedy, "inviteUsers") {
		t.Errorf("%+v", f)
	}
	w.role("ed", group1, "")

	// A removal after that is a removal.
	w.Grant(w.User("ed"), tenant.InstanceViewer, group1)
	w.removeFrom("ada", group1, ed, "").is(t, true)
	w.formerAre("ada", group1, "Ed [INSTANCE_VIEWER] REMOVED by Ada")
	w.DeleteInstance(group1, w.User("ada"))
	_, o = w.reinstateIn("ada", group1, ed, "")
	o.refused(t, fault.InstanceDeleted)
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where id = $1`, group1.UUID)

	// An invitation to no more than the role is revoked; one to a higher role is newer, and stays.
	for role, want := range map[string]string{"VIEWER": "REVOKED", "EDITOR": "PENDING"} {
		w.removeFrom("ada", space, vic, "").is(t, true)
		id := w.Text(`insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
			select uuid_v7(clock_timestamp()), $1, 'vic@uni.example', 'vic@uni.example', $2, sha256($2::text::bytea), id, clock_timestamp() + interval '1 day'
			from account where name = 'Ada' returning id::text`, group1.UUID, role)
		payload, o := w.reinstateIn("ada", space, vic, "")
		o.is(t, true)
		w.role("vic", group1, "INSTANCE_VIEWER")
		if got := w.Text(`select status from invitation where id = $1::uuid`, id); got != want || (payload.RevokedInvitationCount == 1) != (want == "REVOKED") {
			t.Errorf("the invitation to be %s is %s, %+v", role, got, payload)
		}
	}

	w.Advance(90*24*time.Hour - time.Minute)
	w.formerAre("ada", group1, "Ed [INSTANCE_VIEWER] REMOVED by Ada")
	w.Advance(2 * time.Minute)
	w.formerAre("ada", group1)
	_, o = w.reinstateIn("ada", group1, ed, "")
	o.refused(t, fault.NotFound)
	if n, err := membership.DeleteEnded(t.Context(), w.DB, 90*24*time.Hour); n == 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	if n := w.Number(`select count(*) from ended_membership`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A merged account's roles come back to the account that remained, whichever id is given.
func TestReinstateFollowsAMerger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, ed, nils := w.Instance("Group 1"), w.User("ed"), w.User("nils@new.example")
	w.removeFrom("ada", group1, ed.ID, "").is(t, true)
	w.Exec(`update account set subject = 'nils' where id = $1`, nils.ID.UUID)
	owner := w.Open(w.DSN)
	if _, err := account.Merge(t.Context(), owner, ed.ID, nils.ID, false); err != nil {
		t.Fatal(err)
	}
	w.formerAre("ada", group1, "Nils [INSTANCE_EDITOR] REMOVED by Ada")
	lists, err := w.service.ListFormer(t.Context(), []globalid.ID{group1}, relay.Page{First: 1})
	if err != nil || lists[group1].Nodes[0].User.Email != "" { // nobody there knew it
		t.Errorf("%+v, %v", lists[group1].Nodes[0].User, err)
	}
	_, o := w.reinstateIn("ada", group1, ed.ID, "")
	o.is(t, true)
	w.role("nils@new.example", group1, "INSTANCE_EDITOR")
}

func TestReinstateValidatesItsInput(t *testing.T) {
	t.Parallel()
	space, organization := globalid.New(globalid.Space), globalid.New(globalid.Organization)
	for _, c := range []struct {
		in   membership.ReinstateMemberInput
		want int
	}{
		{membership.ReinstateMemberInput{}, 1},
		{membership.ReinstateMemberInput{SpaceID: &space}, 0},
		{membership.ReinstateMemberInput{SpaceID: &space, OrganizationID: &organization}, 1},
		{membership.ReinstateMemberInput{SpaceID: &space, IdempotencyKey: new("\n")}, 1},
	} {
		if got := c.in.Validate(); len(got) != c.want {
			t.Errorf("%+v: %v", c.in, got)
		}
	}
}
