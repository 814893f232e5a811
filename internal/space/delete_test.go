package space_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// world is the demo world with the services on it.
type world struct {
	*testworld.World
	*testworld.Services
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := testworld.New(t)
	return world{w, w.Services(), t}
}

// delete returns whether a space was deleted, or the refusal.
func (w world) delete(who string, id globalid.ID, key ...string) (deleted bool, refusal string) {
	w.t.Helper()
	payload, err := w.Spaces.Delete(w.t.Context(), w.User(who), space.Input{SpaceID: id, IdempotencyKey: optional(key)})
	if err == nil && payload.Space.State() != tenant.Deleted {
		w.t.Errorf("the result is %s", payload.Space.State())
	}
	return payload.Deleted, testworld.Refusal(err)
}

// restore returns whether a space was restored, or the refusal.
func (w world) restore(who string, id globalid.ID, key ...string) (restored bool, refusal string) {
	w.t.Helper()
	payload, err := w.Spaces.Restore(w.t.Context(), w.User(who), space.Input{SpaceID: id, IdempotencyKey: optional(key)})
	if err == nil && payload.Space.State() != tenant.Active {
		w.t.Errorf("the result is %s", payload.Space.State())
	}
	return payload.Restored, testworld.Refusal(err)
}

func optional(key []string) *string {
	if len(key) == 0 {
		return nil
	}
	return &key[0]
}

// state returns "ACTIVE", "DELETED" or, where there is none any more, "".
func (w world) state(id globalid.ID) string {
	w.t.Helper()
	return w.Text(`select coalesce((select case when deleted_at is null then 'ACTIVE' else 'DELETED' end from space where id = $1), '')`, id.UUID)
}

func TestWhoCanDeleteAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	for who, refusal := range map[string]string{
		"ed": "FORBIDDEN", "vic": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND",
	} {
		if _, got := w.delete(who, id); got != refusal {
			t.Errorf("%s deletes: %q, want %q", who, got, refusal)
		}
	}
	if got := w.state(id); got != "ACTIVE" {
		t.Fatalf("after refusals it is %s", got)
	}
	for _, who := range []string{"ada", "mia"} {
		if deleted, refusal := w.delete("ada", id); !deleted || refusal != "" {
			t.Fatalf("deleted %t, %q", deleted, refusal)
		}
		for other, refusal := range map[string]string{"ed": "FORBIDDEN", "vic": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND"} {
			if _, got := w.restore(other, id); got != refusal {
				t.Errorf("%s restores: %q, want %q", other, got, refusal)
			}
		}
		if restored, refusal := w.restore(who, id); !restored || refusal != "" {
			t.Errorf("%s restores: %t, %q", who, restored, refusal)
		}
	}
	for what, id := range map[string]globalid.ID{
		"an unknown space":  globalid.New(globalid.Space),
		"an instance":       w.Instance("Group 1"),
		"an instance's id":  {Kind: globalid.Space, UUID: w.Instance("Group 1").UUID},
		"an organization":   w.Organization("University of Example"),
		"somebody's else's": w.Space("Private Research"),
	} {
		if _, got := w.delete("ada", id); got != "NOT_FOUND" {
			t.Errorf("%s is deleted: %q", what, got)
		}
		if _, got := w.restore("ada", id); got != "NOT_FOUND" {
			t.Errorf("%s is restored: %q", what, got)
		}
	}
}

// Deleting what is deleted and restoring what is active succeed, and change nothing. The
// managers find both in the trail of their organization.
func TestDeletingAndRestoringTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	for _, want := range []bool{true, false} {
		if deleted, refusal := w.delete("ada", id); deleted != want || refusal != "" {
			t.Errorf("deleted %t, %q", deleted, refusal)
		}
	}
	for _, want := range []bool{true, false} {
		if restored, refusal := w.restore("mia", id); restored != want || refusal != "" {
			t.Errorf("restored %t, %q", restored, refusal)
		}
	}
	got := w.Lines(`select concat_ws(' ', actor_name, action, space_name, organization_name) from audit_log order by id`)
	if diff := cmp.Diff([]string{
		"Ada SPACE_DELETED Econometrics 2026 University of Example",
		"Mia SPACE_RESTORED Econometrics 2026 University of Example",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// A repeated request returns the first result, whatever has happened since.
func TestRepeatedDeletionsReturnTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	if deleted, _ := w.delete("ada", id, "delete"); !deleted {
		t.Fatal("it was not deleted")
	}
	if restored, _ := w.restore("ada", id, "restore"); !restored {
		t.Fatal("it was not restored")
	}
	payload, err := w.Spaces.Delete(t.Context(), w.User("ada"), space.Input{SpaceID: id, IdempotencyKey: new("delete")})
	if err != nil || !payload.Deleted || payload.Space.State() != tenant.Active || w.state(id) != "ACTIVE" {
		t.Errorf("%+v, %v", payload, err)
	}
	if _, got := w.restore("ada", id, "delete"); got != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another request with the key: %q", got)
	}
}

// A space can be restored for 24 hours, to the second.
func TestRestoreWithin24Hours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	for _, test := range []struct{ ago, refusal string }{
		{"23 hours 59 minutes 30 seconds", ""},
		{"24 hours", "RESTORE_WINDOW_EXPIRED"},
	} {
		w.delete("ada", id)
		w.Exec(`update space set deleted_at = deleted_at - $1::interval, restorable_until = restorable_until - $1::interval where id = $2`, test.ago, id.UUID)
		if restored, refusal := w.restore("ada", id); restored != (test.refusal == "") || refusal != test.refusal {
			t.Errorf("after %s: %t, %q", test.ago, restored, refusal)
		}
	}
}

// The 24 hours may end between the reading of a space and its restoration.
func TestRestoreChecksTheTimeWhenItWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	read, err := tenant.FindSpace(t.Context(), w.DB, w.User("ada"), id)
	if err != nil || !read.Restorable || read.DeletedBy == nil || read.DeletedBy.Email != "ada@uni.example" {
		t.Fatalf("%+v, %v", read, err)
	}
	w.Exec(`update space set restorable_until = clock_timestamp() where id = $1`, id.UUID)
	err = w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		_, err := w.Spaces.RestoreTx(t.Context(), tx, w.User("ada"), read)
		return err
	})
	if got := testworld.Refusal(err); got != "RESTORE_WINDOW_EXPIRED" || w.state(id) != "DELETED" {
		t.Errorf("%q, and it is %s", got, w.state(id))
	}
}

// Everything that would reach other people, or change the instances, is refused in a
// deleted space with SPACE_DELETED, and works again when it is restored. People can still
// go, and administrators can still end what they have begun.
func TestEverythingInADeletedSpaceIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, id, group1 := t.Context(), w.Space(testworld.Econometrics), w.Instance("Group 1")
	ada, vic := w.User("ada"), w.User("vic")
	invite := func(email string) error {
		_, err := w.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: []string{email}})
		return err
	}
	if err := invite("zoe@new.example"); err != nil {
		t.Fatal(err)
	}
	made, err := w.Requests.RequestRole(ctx, vic, request.RequestRoleInput{InstanceID: &group1, Role: tenant.InstanceEditor})
	if err != nil {
		t.Fatal(err)
	}
	asked := made.Request.ID
	w.delete("ada", id)

	operations := map[string]func() error{
		"inviting":       func() error { return invite("kim@new.example") },
		"inviting badly": func() error { return invite("x") },
		"inviting to the Distributed instance": func() error {
			_, err := w.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: w.Instance("Distributed"), Role: tenant.Viewer, Emails: []string{"kim@new.example"}})
			return err
		},
		"deleting the Master instance": func() error {
			_, err := w.Instances.Delete(ctx, ada, instance.InstanceInput{InstanceID: w.Instance("Master")})
			return err
		},
		"inviting administrators": func() error {
			_, err := w.Invitations.InviteAdministrators(ctx, ada, invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{"kim@new.example"}})
			return err
		},
		"a manager's inviting": func() error {
			_, err := w.Invitations.InviteAdministrators(ctx, w.User("mia"), invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{"kim@new.example"}})
			return err
		},
		"resending": func() error {
			_, err := w.Invitations.Resend(ctx, ada, invitation.SelectionInput{InvitationIDs: []globalid.ID{w.Invitation("zoe@new.example")}})
			return err
		},
		"creating an instance": func() error {
			_, err := w.Instances.Create(ctx, ada, instance.CreateInstanceInput{SpaceID: id, Name: "New"})
			return err
		},
		"deleting an instance": func() error {
			_, err := w.Instances.Delete(ctx, ada, instance.InstanceInput{InstanceID: group1})
			return err
		},
		"restoring an instance": func() error {
			_, err := w.Instances.Restore(ctx, ada, instance.InstanceInput{InstanceID: w.Instance("Group 2")})
			return err
		},
		"asking for a role": func() error {
			_, err := w.Requests.RequestRole(ctx, vic, request.RequestRoleInput{SpaceID: &id, Role: tenant.SpaceAdministrator})
			return err
		},
		"asking for invitations": func() error {
			_, err := w.Requests.RequestInvitations(ctx, vic, request.RequestInvitationsInput{InstanceID: group1, Role: tenant.Viewer, Emails: []string{"kim@new.example"}})
			return err
		},
		"asking for an instance": func() error {
			_, err := w.Requests.RequestRestore(ctx, vic, request.RequestRestoreInput{InstanceID: new(w.Instance("Group 2"))})
			return err
		},
		"granting a role": func() error {
			_, err := w.Requests.Approve(ctx, ada, request.ApproveRequestInput{RequestID: asked})
			return err
		},
	}
	for what, do := range operations {
		if got := testworld.Refusal(do()); got != "SPACE_DELETED" {
			t.Errorf("%s: %q", what, got)
		}
	}
	zoe := w.User("zoe@new.example")
	answer := invitation.AnswerInput{InvitationID: new(w.Invitation("zoe@new.example"))}
	if _, err := w.Invitations.Accept(ctx, zoe, answer); testworld.Refusal(err) != "INVITATION_NOT_USABLE SPACE_DELETED" {
		t.Errorf("accepting: %v", err)
	}
	if got := w.state(id); got != "DELETED" {
		t.Fatalf("it is %s", got)
	}
	if _, err := w.Memberships.Leave(ctx, w.User("ed"), membership.LeaveInstanceInput{InstanceID: group1}); err != nil {
		t.Errorf("leaving: %v", err)
	}

	if restored, refusal := w.restore("ada", id); !restored {
		t.Fatal(refusal)
	}
	for _, what := range []string{"inviting badly", "inviting to the Distributed instance", "deleting the Master instance"} {
		delete(operations, what)
	}
	delete(operations, "deleting an instance") // the others need it
	delete(operations, "restoring an instance")
	for what, do := range operations {
		if got := testworld.Refusal(do()); got != "" && got != "CONFLICT NOT_NEEDED" {
			t.Errorf("%s, restored: %q", what, got)
		}
	}
	answer.InvitationID = new(w.Invitation("zoe@new.example"))
	if _, err := w.Invitations.Accept(ctx, zoe, answer); err != nil {
		t.Errorf("accepting, restored: %v", err)
	}
}

// The last administrator of a deleted space stays while it can be restored, and is told how
// they can go. Afterwards they can go by every way.
func TestLastAdministratorOfADeletedSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, id, group1, ada := t.Context(), w.Space(testworld.Econometrics), w.Instance("Group 1"), w.User("ada")
	w.Grant(ada, tenant.InstanceEditor, group1)
	ways := []struct {
		name string
		end  func() error
	}{
		{"leaving an instance", func() error {
			_, err := w.Memberships.Leave(ctx, ada, membership.LeaveInstanceInput{InstanceID: group1})
			return err
		}},
		{"leaving the space", func() error {
			_, err := w.Memberships.Remove(ctx, ada, membership.RemoveMemberInput{SpaceID: &id, UserID: ada.ID})
			return err
		}},
		{"being removed from the organization", func() error {
			_, err := w.Memberships.Remove(ctx, w.User("mia"), membership.RemoveMemberInput{OrganizationID: new(w.Organization("University of Example")), UserID: ada.ID})
			return err
		}},
	}
	w.delete("ada", id)
	for _, way := range ways {
		var f *fault.Fault
		if err := way.end(); !errors.As(err, &f) || f.Reason != fault.LastAdministrator || !strings.Contains(f.Remedy, "restoreSpace") {
			t.Errorf("%s: %v", way.name, err)
		}
	}
	w.Advance(24 * time.Hour)
	for _, way := range ways {
		if err := way.end(); err != nil {
			t.Errorf("%s, afterwards: %v", way.name, err)
		}
	}
}

// Who cannot create a space is not told to, and everybody else is told whom to ask.
func TestWhatToDoWhenASpaceIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	w.Advance(24 * time.Hour)
	check := func(who, want, request string) {
		t.Helper()
		var f *fault.Fault
		place, err := tenant.FindSpace(t.Context(), w.DB, w.User(who), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := access.CheckState(t.Context(), w.DB, place, access.RestoreSpace); !errors.As(err, &f) || f.Code != fault.RestoreWindowExpired || f.Remedy != want || f.Request != request {
			t.Errorf("%s: %+v", who, f)
		}
	}
	const role = ", or ask for the role ORGANIZATION_FACULTY with requestRole."
	check("mia", "Create a new space in its place.", "")
	check("ada", "Ask Mia (mia@uni.example) for a new space"+role, "requestRole")
	check("vic", "Ask a faculty member or a manager of the organization for a new space"+role, "requestRole") // who is told no names
	w.Exec(`delete from organization_member m using account a, set_config('datahub.erasure', 'FORCED', true) where a.id = m.account_id and a.name = 'Mia'`)
	check("ada", "University of Example has no manager now, who could give you a role. Write to support@alphacruncher.com.", "")
}

// A deleted space is seen by those who see it otherwise, in lists only where they are about
// deleted ones, and each is told what they can do.
func TestWhoSeesADeletedSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	page := relay.Page{First: 10, Total: true}
	for who, sees := range map[string]bool{"ada": true, "ed": true, "vic": true, "mia": true, "sam": false, "rita": false} {
		actor := w.User(who)
		found, err := tenant.FindSpace(t.Context(), w.DB, actor, id)
		if err != nil || (found != nil) != sees {
			t.Fatalf("%s: %v, %v", who, found, err)
		}
		deleted, err := tenant.Spaces(t.Context(), w.DB, actor, tenant.Deleted, page)
		if err != nil || (len(deleted.Nodes) == 1) != sees || deleted.Total != len(deleted.Nodes) {
			t.Errorf("%s: %+v deleted, %v", who, deleted, err)
		}
		active, err := tenant.Spaces(t.Context(), w.DB, actor, tenant.Active, page)
		if err != nil || (len(active.Nodes) == 1) != (who == "rita") || active.Total != len(active.Nodes) {
			t.Errorf("%s: %+v active, %v", who, active, err)
		}
		if !sees {
			continue
		}
		obstacles, err := access.Obstacles(t.Context(), w.DB, found, access.RestoreSpace)
		if err != nil {
			t.Fatal(err)
		}
		if may := who == "ada" || who == "mia"; may != (len(obstacles) == 0) {
			t.Errorf("%s: %v", who, obstacles)
		} else if !may && (obstacles[0].Code != fault.Forbidden || obstacles[0].Request != "requestRestore" || obstacles[0].RestorableUntil == nil || len(obstacles[0].Contacts) != 1) {
			t.Errorf("%s: %+v", who, obstacles[0])
		}
		i, err := tenant.FindInstance(t.Context(), w.DB, actor, w.Instance("Group 1"))
		if err != nil {
			t.Fatal(err)
		}
		if i == nil {
			continue
		}
		f := (*fault.Fault)(nil)
		if err := access.CheckState(t.Context(), w.DB, i, access.InviteUsers); !errors.As(err, &f) || f.Code != fault.SpaceDeleted || (f.Request == "requestRestore") != (who == "ed" || who == "vic") {
			t.Errorf("%s: %+v", who, err)
		}
	}
	o, err := tenant.FindOrganization(t.Context(), w.DB, w.User("mia"), w.Organization("University of Example"))
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[tenant.State]int{tenant.Active: 0, tenant.Deleted: 1, "": 1} {
		if list, err := o.Spaces(t.Context(), w.DB, w.User("mia"), state, page); err != nil || len(list.Nodes) != want || list.Total != want {
			t.Errorf("%q: %+v, %v", state, list, err)
		}
	}
}

// What fails after the change takes the change back.
func TestChangesAreUndoneWhereTheHookFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	broken := errors.New("broken")
	onDelete := w.Spaces.OnDelete
	w.Spaces.OnDelete = func(context.Context, *postgres.Tx, *tenant.Space) error { return broken }
	if _, err := w.delete("ada", id); err != broken.Error() || w.state(id) != "ACTIVE" {
		t.Errorf("%v, and it is %s", err, w.state(id))
	}
	w.Spaces.OnDelete = onDelete
	w.delete("ada", id)
	w.Spaces.OnRestore = func(context.Context, *postgres.Tx, access.Actor, *tenant.Space) error { return broken }
	if _, err := w.restore("ada", id); err != broken.Error() || w.state(id) != "DELETED" {
		t.Errorf("%v, and it is %s", err, w.state(id))
	}
	if got := w.Trail(); len(got) != 1 {
		t.Errorf("the trail: %q", got)
	}
}

// Gateways that do not know deleted spaces invite nobody there, let nobody in, and leave the
// instances as they are: the database refuses it, in a way that they tell their clients to
// try again.
func TestTheDatabaseProtectsDeletedSpaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, id, group1, ada := t.Context(), w.Space(testworld.Econometrics), w.Instance("Group 1"), w.User("ada")
	if _, err := w.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: []string{"zoe@new.example"}}); err != nil {
		t.Fatal(err)
	}
	w.delete("ada", id)
	for what, statement := range map[string]string{
		"a new invitation": `
			insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
			select gen_random_uuid(), $1, 'a@new.example', 'a@new.example', 'VIEWER', sha256('a'), invited_by, expires_at from invitation`,
		"a new administrator": `
			insert into invitation (id, space_id, email, email_key, token_hash, invited_by, expires_at)
			select gen_random_uuid(), i.space_id, 'a@new.example', 'a@new.example', sha256('a'), v.invited_by, v.expires_at from invitation v, instance i where i.id = $1`,
		"an acceptance":       `update invitation set status = 'ACCEPTED' where instance_id = $1`,
		"another role":        `update invitation set role = 'EDITOR' where instance_id = $1`,
		"another link":        `update invitation set token_hash = sha256('b') where instance_id = $1`,
		"a new instance":      `insert into instance (id, space_id, name, name_key, kind) select gen_random_uuid(), space_id, 'New', 'new', 'WORKING' from instance where id = $1`,
		"a deleted instance":  `update instance set deleted_at = clock_timestamp(), restorable_until = clock_timestamp(), deleted_by = (select id from account limit 1) where id = $1`,
		"a restored instance": `update instance set deleted_at = null, restorable_until = null, deleted_by = null where space_id = (select space_id from instance where id = $1) and deleted_at is not null`,
	} {
		if _, err := w.DB.Exec(ctx, statement, group1.UUID); !postgres.IsUnavailable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, statement := range map[string]string{
		"a revocation":   `update invitation set status = 'REVOKED' where instance_id = $1`,
		"a person gone":  `delete from instance_member where instance_id = $1`,
		"another member": `insert into instance_member (instance_id, account_id, role) select $1, id, 'VIEWER' from account where name = 'Sam'`,
	} {
		if _, err := w.DB.Exec(ctx, statement, group1.UUID); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.restore("ada", id)
	if _, err := w.DB.Exec(ctx, `update instance set deleted_at = null, restorable_until = null, deleted_by = null where space_id = $1`, id.UUID); err != nil {
		t.Error(err)
	}
}

func TestInputsAreValidated(t *testing.T) {
	t.Parallel()
	if got := testworld.Refusal(space.Input{IdempotencyKey: new("")}.Validate().Err()); got != "BAD_USER_INPUT" {
		t.Errorf("%q", got)
	}
	if got := (space.Input{IdempotencyKey: new("k")}.Validate()); got != nil {
		t.Errorf("%v", got)
	}
}

// The mails of a deleted space wait: those to its instances and those to its administrators.
// Those of an instance that was deleted before wait on when the space is restored.
func TestMailsOfADeletedSpaceWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, id, ada := t.Context(), w.Space(testworld.Econometrics), w.User("ada")
	invite := func(instance, email string) {
		t.Helper()
		if _, err := w.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: w.Instance(instance), Role: tenant.Viewer, Emails: []string{email}}); err != nil {
			t.Fatal(err)
		}
	}
	invite("Group 1", "one@new.example")
	invite("Master", "master@new.example")
	if _, err := w.Invitations.InviteAdministrators(ctx, ada, invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{"space@new.example"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Invitations.Invite(ctx, w.User("rita"), invitation.InviteUsersInput{
		InstanceID: w.InstanceOf(w.Space("Private Research"), "Master"), Role: tenant.Viewer, Emails: []string{"other@new.example"}}); err != nil {
		t.Fatal(err)
	}
	states := func() []string {
		t.Helper()
		return w.Lines(`select v.email || ' ' || o.state from outbox o join invitation v on v.id = o.subject_id order by v.email`)
	}
	if _, err := w.Instances.Delete(ctx, ada, instance.InstanceInput{InstanceID: w.Instance("Group 1")}); err != nil {
		t.Fatal(err)
	}
	w.delete("ada", id)
	if diff := cmp.Diff([]string{"master@new.example HELD", "one@new.example HELD", "other@new.example QUEUED", "space@new.example HELD"}, states()); diff != "" {
		t.Errorf("deleted: %s", diff)
	}
	w.restore("ada", id)
	if diff := cmp.Diff([]string{"master@new.example QUEUED", "one@new.example HELD", "other@new.example QUEUED", "space@new.example QUEUED"}, states()); diff != "" {
		t.Errorf("restored: %s", diff)
	}
}

// Invitations into a deleted space wait: the invited person does not find them, is told why
// they cannot be accepted, and accepts them when the space is restored.
func TestInvitationsIntoADeletedSpaceWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, id, ada, zoe := t.Context(), w.Space(testworld.Econometrics), w.User("ada"), w.User("zoe@new.example")
	if _, err := w.Invitations.InviteAdministrators(ctx, ada, invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{zoe.Email}}); err != nil {
		t.Fatal(err)
	}
	pending := func() int {
		t.Helper()
		list, err := w.Invitations.ListPendingFor(ctx, zoe, relay.Page{First: 10, Total: true})
		if err != nil || list.Total != len(list.Nodes) {
			t.Fatalf("%+v, %v", list, err)
		}
		return list.Total
	}
	answer := invitation.AnswerInput{InvitationID: new(w.Invitation(zoe.Email))}
	refusal := func() *fault.Fault {
		t.Helper()
		_, err := w.Invitations.Accept(ctx, zoe, answer)
		var f *fault.Fault
		if !errors.As(err, &f) {
			t.Fatalf("%v", err)
		}
		return f
	}
	w.delete("ada", id)
	if n := pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	f := refusal()
	if f.Reason != "SPACE_DELETED" || f.Message != "The space of the invitation was deleted." ||
		f.Remedy != "Ask Ada (ada@uni.example) to restore it. The invitation is valid again then." || len(f.Contacts) != 1 {
		t.Errorf("%+v", f)
	}
	w.Exec(`update space set deleted_at = deleted_at - interval '24 hours', restorable_until = restorable_until - interval '24 hours' where id = $1`, id.UUID)
	if f := refusal(); f.Reason != "SPACE_DELETED" || f.Remedy != "Ask Ada (ada@uni.example) to invite you to another one." {
		t.Errorf("%+v", f)
	}
	w.Exec(`update space set deleted_at = deleted_at + interval '24 hours', restorable_until = restorable_until + interval '24 hours' where id = $1`, id.UUID)
	// What has ended the invitation itself comes first. Nobody can resend it before.
	w.Exec(`update invitation set expires_at = clock_timestamp() where email = $1`, zoe.Email)
	if f := refusal(); f.Reason != "EXPIRED" || f.Remedy != "Ask Ada (ada@uni.example) to restore the space, which was deleted, and then to resend it." {
		t.Errorf("expired: %+v", f)
	}
	w.Exec(`update invitation set expires_at = clock_timestamp() + interval '1 day' where email = $1`, zoe.Email)
	w.restore("mia", id)
	if n := pending(); n != 1 {
		t.Errorf("%d pending, restored", n)
	}
	if payload, err := w.Invitations.Accept(ctx, zoe, answer); err != nil || payload.Space == nil {
		t.Errorf("%+v, %v", payload, err)
	}
}
