package testworld_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

func TestRolesAreGrantedReplacedAndRevoked(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	organization := w.NewOrganization("Institute")
	space := w.NewSpace(organization, "Physics")
	instance := w.NewInstance(space, "Group 1")
	zoe := w.User("zoe@new.example")
	w.Grant(w.User("rita"), tenant.SpaceAdministrator, space) // a space cannot be without one
	w.Grant(w.User("rita"), tenant.OrganizationManager, organization)
	for _, c := range []struct {
		role  tenant.Role
		place globalid.ID
	}{
		{tenant.OrganizationMember, organization}, {tenant.OrganizationManager, organization},
		{tenant.SpaceAdministrator, space},
		{tenant.InstanceViewer, instance}, {tenant.InstanceEditor, instance},
	} {
		w.Grant(zoe, c.role, c.place)
		if got := w.RoleOf(zoe, c.place); got != c.role.String() {
			t.Errorf("%v granted: %s", c.role, got)
		}
	}
	for _, place := range []globalid.ID{organization, space, instance} {
		w.Revoke(zoe, place)
		if got := w.RoleOf(zoe, place); got != "" {
			t.Errorf("revoked in %v: %s", place, got)
		}
	}
}

func TestUserIsTheSamePersonEachTime(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if diff := cmp.Diff(w.User("ada"), w.User("ada@uni.example")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(w.User("zoe@new.example"), w.User("zoe@new.example")); diff != "" {
		t.Error(diff)
	}
	if got := w.RoleOf(w.User("ada"), w.Space(testworld.Econometrics)); got != "SPACE_ADMINISTRATOR" {
		t.Errorf("Ada is %q", got)
	}
}

func TestMailsAreDeliveredOnce(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if mails := w.Mails(); len(mails) > 0 {
		t.Fatalf("mails of an unused world: %v", mails)
	}
	if _, err := w.Services().Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{
		InstanceID: w.Instance("Group 1"), Emails: []string{"zoe@new.example", "bob@new.example"}, Role: tenant.Viewer}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var to []string
		for _, m := range w.Mails() {
			to = append(to, m.To)
		}
		slices.Sort(to)
		if diff := cmp.Diff([]string{"bob@new.example", "zoe@new.example"}, to); diff != "" {
			t.Error(diff)
		}
	}
	if w.Token("zoe@new.example") == w.Token("bob@new.example") {
		t.Error("both links have the same token")
	}
	if diff := cmp.Diff([]string{"Ada INVITATION_SENT Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
}

// Everything becomes older by the same time: single times and lists of times.
func TestAdvanceMakesStoredTimesOlder(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	invitations := w.Services().Invitations
	invitations.Limits.ByPerson = 1
	invite := func(email string) error {
		_, err := invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{
			InstanceID: w.Instance("Group 1"), Emails: []string{email}, Role: tenant.Viewer})
		return err
	}
	if err := invite("zoe@new.example"); err != nil {
		t.Fatal(err)
	}
	if err := invite("bob@new.example"); err == nil {
		t.Fatal("the limit of an hour does not hold")
	}
	w.DeleteInstance(w.Instance("Group 1"), w.User("ada"))
	events := w.Number(`select count(*) from event`)
	w.Advance(62 * time.Minute) // limits count by the minute
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = 'Group 1' and restorable_until <= clock_timestamp() + interval '23 hours'`)
	if err := invite("bob@new.example"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	if got := w.Text(`select date_trunc('minute', clock_timestamp() + interval '29 days 22 hours 58 minutes' - expires_at + interval '1 minute')::text from invitation where email like 'zoe@%'`); got != "00:01:00" {
		t.Errorf("the invitation's end is %s off", got)
	}
	if n := w.Number(`select count(*) from event where change <> 'CREATED'`); n > 0 {
		t.Errorf("%d events of %d are of changes that only time made", n, events)
	}
}

func TestDatabaseHasTheGatewaysPrivileges(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if _, err := w.DB.Exec(t.Context(), `delete from audit_log`); err == nil {
		t.Error("the trail can be deleted")
	}
}
