package privacy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// An account that nobody has claimed waits for the one who proves its address, also a
// person who has an account already.
func TestSigningInTakesOverWhatWaitsForTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().Truncate(time.Second) // as tokens say it
	person := w.signIn("s", "one@new.example", now)
	waiting := w.User("two@new.example")
	econometrics, group1, master := w.Space(testworld.Econometrics), w.Instance("Group 1"), w.Instance("Master")
	organization := w.Organization("University of Example")
	w.Grant(waiting, tenant.SpaceAdministrator, econometrics)
	w.Grant(waiting, tenant.OrganizationFaculty, organization)
	w.Grant(waiting, tenant.InstanceEditor, group1)
	w.Grant(person, tenant.InstanceViewer, group1)
	w.Grant(waiting, tenant.InstanceViewer, master)
	w.Grant(person, tenant.InstanceEditor, master)
	// A notice to the administrators, and a record about the account.
	_, err := w.Requests.RequestRole(t.Context(), w.User("vic"), request.RequestRoleInput{InstanceID: &group1, Role: tenant.InstanceEditor})
	w.must(err)
	group2 := w.Instance("Group 2")
	w.Grant(waiting, tenant.InstanceViewer, group2)
	_, err = w.Memberships.ChangeRole(t.Context(), w.User("ada"), membership.ChangeMemberRoleInput{InstanceID: group2, UserID: waiting.ID, Role: tenant.Editor})
	w.must(err)
	if got := w.found(waiting.ID.UUID.String()); !slices.Equal(got, []string{
		"account", "address_holder", "audit_log", "event", "instance_member", "organization_member", "request_notice", "space_administrator"}) {
		t.Fatalf("%v", got)
	}

	// Neither another address nor an older token takes anything over.
	w.signIn("s", "one@new.example", now.Add(time.Second))
	w.signIn("s", "two@new.example", now.Add(-time.Second))
	roles := func(of access.Actor) string {
		return w.RoleOf(of, econometrics) + " " + w.RoleOf(of, organization) + " " + w.RoleOf(of, group1) + " " + w.RoleOf(of, master) + " " + w.RoleOf(of, group2)
	}
	if got := roles(waiting); got != "SPACE_ADMINISTRATOR ORGANIZATION_FACULTY INSTANCE_EDITOR INSTANCE_VIEWER INSTANCE_EDITOR" {
		t.Fatalf("before the proof: %s", got)
	}

	now = now.Add(time.Minute)
	if got := w.signIn("s", "two@new.example", now); got.ID != person.ID || got.FormerHolder {
		t.Errorf("%+v, want %v", got, person.ID)
	}
	if got := roles(person); got != "SPACE_ADMINISTRATOR ORGANIZATION_FACULTY INSTANCE_EDITOR INSTANCE_EDITOR INSTANCE_EDITOR" {
		t.Errorf("%s", got)
	}
	// A gateway cannot change the trail: its records keep the id, which the account explains.
	if got := w.found(waiting.ID.UUID.String()); !slices.Equal(got, []string{"account", "audit_log"}) {
		t.Errorf("the id is in %v", got)
	}
	if got := w.Text(`select merged_into::text from account where id = $1 and email like '%@merged.invalid'`, waiting.ID.UUID); got != person.ID.UUID.String() {
		t.Errorf("merged into %s", got)
	}
	for want, n := range map[string]int{"Econometrics 2026": 1, "Group 1": 1, "Group 2": 1, "Master": 0} {
		if got := w.Number(`select count(*) from audit_log where action = 'ROLE_GRANTED' and actor_id is null and coalesce(instance_name, space_name) = $1 and details ->> 'userId' = $2`,
			want, person.ID.UUID.String()); got != n {
			t.Errorf("%s: %d records of a role granted, want %d", want, got, n)
		}
	}
	// Nothing is done twice.
	before := w.state()
	w.signIn("s", "two@new.example", now)
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Error(diff)
	}

	// The records about the account are the person's.
	if export, _ := w.export(person.ID.String()); len(export["auditRecords"].([]any)) != 5 {
		t.Errorf("%v", export["auditRecords"])
	}
	w.erase(person.ID.String(), privacy.Options{})
	if got := w.Number(`select count(*) from audit_log where details ->> 'userName' = 'Two'`); got != 0 {
		t.Errorf("%d records have the name after an erasure", got)
	}
}

// The account of an address that another one has proved later does not take over.
func TestAFormerHolderTakesNothingOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	group1 := w.Instance("Group 1")
	w.signIn("first", "one@new.example", now)
	w.signIn("second", "one@new.example", now.Add(time.Minute))
	w.signIn("second", "else@new.example", now.Add(2*time.Minute))
	waiting := w.User("one@new.example")
	w.Grant(waiting, tenant.InstanceEditor, group1)
	// Their token is older than the last proof, which somebody else gave. So is that of a new subject.
	for _, subject := range []string{"first", "third"} {
		if got := w.signIn(subject, "one@new.example", now.Add(30*time.Second)); !got.FormerHolder || w.RoleOf(got, group1) != "" || w.RoleOf(waiting, group1) == "" {
			t.Errorf("%s: %+v is %s", subject, got, w.RoleOf(got, group1))
		}
	}
	if got := w.signIn("third", "one@new.example", now.Add(3*time.Minute)); got.FormerHolder || w.RoleOf(got, group1) != "INSTANCE_EDITOR" {
		t.Errorf("%+v is %s", got, w.RoleOf(got, group1))
	}
}

// Two people with accounts and a new one prove the address at once, while somebody
// changes a role of the account that waits: one of them takes it over, and nobody fails.
func TestTakeOversRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	group1, master := w.Instance("Group 1"), w.Instance("Master")
	ada := w.User("ada")
	taken := map[string]int{}
	for n := range racetest.Trials {
		email := fmt.Sprintf("racer%d@new.example", n)
		waiting := w.User(email)
		w.Grant(waiting, tenant.InstanceViewer, group1)
		w.Grant(waiting, tenant.InstanceViewer, master)
		subjects := []string{"first", "second", "new"}
		for _, subject := range subjects[:2] {
			w.signIn(email+subject, subject+email, now)
		}
		errs := make([]error, len(subjects)+1)
		race := []func(){func() {
			_, errs[len(subjects)] = w.Memberships.ChangeRole(t.Context(), ada, membership.ChangeMemberRoleInput{InstanceID: group1, UserID: waiting.ID, Role: tenant.Editor})
		}}
		for i, subject := range subjects {
			race = append(race, func() { _, errs[i] = w.trySignIn(email+subject, email, now.Add(time.Minute)) })
		}
		racetest.Together(race...)
		changed := errs[len(subjects)] == nil
		if f := (*fault.Fault)(nil); errors.As(errs[len(subjects)], &f) && f.Code == fault.NotFound {
			errs[len(subjects)] = nil // no member any more
		}
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("trial %d: %v", n, err)
		}
		roles := "INSTANCE_VIEWER"
		if changed {
			roles = "INSTANCE_EDITOR"
		}
		owners := w.Lines(`
			select a.subject from instance_member m join account a on a.id = m.account_id
			where a.subject like $1 and (instance_id, role) in (($2, $3), ($4, 'VIEWER')) group by a.subject having count(*) = 2`,
			email+"%", group1.UUID, strings.TrimPrefix(roles, "INSTANCE_"), master.UUID)
		if len(owners) != 1 || w.Number(`select count(*) from account where email_key = $1 and subject is null`, email) != 0 {
			t.Fatalf("trial %d: the roles belong to %q", n, owners)
		}
		taken[strings.TrimPrefix(owners[0], email)]++
	}
	t.Log(taken)
}
