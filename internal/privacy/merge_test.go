package privacy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// signIn returns the person of a subject and an address, as a new gateway knows them.
func (w *world) signIn(subject, email string, issued time.Time) access.Actor {
	w.t.Helper()
	actor, err := w.trySignIn(subject, email, issued)
	w.must(err)
	return actor
}

func (w *world) trySignIn(subject, email string, issued time.Time) (access.Actor, error) {
	parsed, problem := address.ParseExact(email)
	if problem != nil {
		return access.Actor{}, problem
	}
	return account.NewDirectory(w.DB).Actor(w.t.Context(), account.Identity{Subject: subject, Email: parsed, IssuedAt: issued})
}

// merge returns the number of rows that a merger moves.
func (w *world) merge(from, into globalid.ID, dryRun bool) (rows int64) {
	w.t.Helper()
	done, err := account.Merge(w.t.Context(), w.owner, from, into, dryRun)
	w.must(err)
	for _, step := range done {
		rows += step.Rows
	}
	return rows
}

func TestMergeMovesEverythingOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pat := w.newPat()
	now := time.Now()
	kept := w.signIn("the new subject", patEmail, now)
	if kept.FormerHolder || kept.ID == pat.ID {
		t.Fatalf("%+v", kept)
	}
	// What the other account has in the same places.
	group1, master := w.Instance("Group 1"), w.Instance("Master")
	w.Grant(kept, tenant.InstanceEditor, group1)
	w.Grant(kept, tenant.InstanceViewer, master)
	w.Grant(pat, tenant.InstanceEditor, master)
	w.Grant(kept, tenant.OrganizationMember, w.Organization("University of Example"))
	w.Exec(`update organization_member set guest = true where account_id = $1`, kept.ID.UUID)
	ask := request.RequestInvitationsInput{InstanceID: group1, Role: tenant.Viewer, Emails: []string{"x@else.example"}}
	_, err := w.Requests.RequestInvitations(t.Context(), kept, ask)
	w.must(err)
	for _, who := range []tenant.User{kept, pat} {
		_, err := w.Requests.RequestRole(t.Context(), who, request.RequestRoleInput{OrganizationID: new(w.Organization("University of Example")), Role: tenant.OrganizationManager})
		w.must(err)
	}
	// Requests for different roles in an organization do not exclude each other.
	other := w.Organization("Private Institute")
	for role, who := range map[tenant.Role]tenant.User{tenant.OrganizationManager: kept, tenant.OrganizationFaculty: pat} {
		w.Grant(who, tenant.OrganizationMember, other)
		_, err := w.Requests.RequestRole(t.Context(), who, request.RequestRoleInput{OrganizationID: &other, Role: role})
		w.must(err)
	}
	trail, invitations, requests := len(w.Trail()), w.Number(`select count(*) from invitation`), w.Number(`select count(*) from request`)

	before := w.state()
	expected := w.merge(pat.ID, kept.ID, true)
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Fatalf("a dry run changed: %s", diff)
	}
	if got := w.merge(pat.ID, kept.ID, false); got != expected || got == 0 {
		t.Errorf("%d rows, the dry run said %d", got, expected)
	}
	// Only the merged account itself has its id, and nothing of the person.
	if got := w.found(pat.ID.UUID.String()); !slices.Equal(got, []string{"account"}) {
		t.Errorf("the id is in %v", got)
	}
	if got := w.Number(`select count(*) from account where id = $1 and name not like '%Patricia%' and email like '%@merged.invalid' and merged_into = $2`, pat.ID.UUID, kept.ID.UUID); got != 1 {
		t.Error("the merged account keeps something of the person")
	}
	for place, want := range map[globalid.ID]string{group1: "EDITOR", master: "EDITOR"} {
		if got := w.Text(`select role from instance_member where instance_id = $1 and account_id = $2`, place.UUID, kept.ID.UUID); got != want {
			t.Errorf("the role is %s, want %s", got, want)
		}
	}
	if w.Number(`select count(*) from space_administrator where account_id = $1`, kept.ID.UUID) != 1 || w.Number(`select count(*) from organization_member where account_id = $1 and role = 'FACULTY' and not guest`, kept.ID.UUID) != 1 {
		t.Error("the roles of the space or of the organization are lost")
	}
	if w.Number(`select count(*) from invitation`) != invitations || w.Number(`select count(*) from request`) != requests ||
		w.Number(`select count(*) from request where status = 'WITHDRAWN' and requested_by = $1`, kept.ID.UUID) != 2 {
		t.Error("invitations or requests are lost")
	}
	if got := w.Trail(); len(got) < trail || !slices.Contains(got, "DataHub ROLE_GRANTED Master") || slices.Contains(got, "DataHub ROLE_GRANTED Group 1") || !slices.Contains(got, patName+" REQUEST_MADE Group 1") {
		t.Errorf("%q", got)
	}

	// Both subjects are the kept account, and hold its address.
	for _, subject := range []string{patSubject, "the new subject"} {
		if got := w.signIn(subject, patEmail, now.Add(time.Minute)); got.ID != kept.ID || got.FormerHolder {
			t.Errorf("%s signs in as %+v", subject, got)
		}
	}

	// Repeating it moves nothing. The merged account is explained.
	after := w.state()
	if n := w.merge(pat.ID, kept.ID, false); n != 0 {
		t.Errorf("repeated, %d rows were moved", n)
	}
	if diff := cmp.Diff(after, w.state()); diff != "" {
		t.Errorf("repeating it changed: %s", diff)
	}
	vic := w.User("vic")
	if _, err := account.Merge(t.Context(), w.owner, kept.ID, vic.ID, false); err == nil || !strings.Contains(err.Error(), "nobody has signed in") {
		t.Errorf("into an account that waits for its person: %v", err)
	}
	w.signIn("vic's subject", vic.Email, now)
	for what, try := range map[string]func() error{
		"merged into a third one": func() error { _, err := account.Merge(t.Context(), w.owner, pat.ID, vic.ID, false); return err },
		"merged, as the kept one": func() error { _, err := account.Merge(t.Context(), w.owner, vic.ID, pat.ID, false); return err },
		"exported or erased":      func() error { _, err := privacy.FindAccount(t.Context(), w.owner, pat.ID); return err },
	} {
		if merged := (*account.MergedError)(nil); !errors.As(try(), &merged) || merged.Into != kept.ID {
			t.Errorf("%s: %v", what, try())
		}
	}
	for _, into := range []globalid.ID{pat.ID, globalid.New(globalid.User)} {
		if _, err := account.Merge(t.Context(), w.owner, into, into, false); err == nil {
			t.Error("an account is merged into itself")
		}
	}
	if _, err := account.Merge(t.Context(), w.owner, vic.ID, globalid.New(globalid.User), false); err == nil || !strings.Contains(err.Error(), "no account") {
		t.Errorf("an unknown account: %v", err)
	}

	// What is merged once more, exported and erased.
	if _, text := w.export(kept.ID.String()); !strings.Contains(text, patSubject) || !strings.Contains(text, pat.ID.String()) || !strings.Contains(text, "written by p.") {
		t.Errorf("the export lacks the merged account: %s", text)
	}
	w.merge(kept.ID, vic.ID, false)
	if got := w.signIn(patSubject, patEmail, now); got.ID != vic.ID {
		t.Errorf("after a second merger the first subject signs in as %+v", got)
	}
	w.erase(vic.ID.String(), privacy.Options{})
	if tables := w.found(patSubject); tables != nil {
		t.Errorf("after an erasure the first subject is in %v", tables)
	}
	if got := w.signIn(patSubject, patEmail, now); got.ID == vic.ID || got.ID == pat.ID {
		t.Errorf("after an erasure the first subject signs in as %+v", got)
	}
}

// The kept account keeps its address, and takes over the one of the merged account
// where it holds none itself.
func TestMergeKeepsTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	holders := func(key string) string {
		return w.Text(`select coalesce((select account_id::text from address_holder where email_key = $1), 'nobody')`, key)
	}
	// The older account is kept: it gets its address back.
	older := w.signIn("o1", "one@new.example", now)
	newer := w.signIn("o2", "one@new.example", now.Add(time.Second))
	w.merge(newer.ID, older.ID, false)
	if got := holders("one@new.example"); got != older.ID.UUID.String() {
		t.Errorf("one@new.example is held by %s", got)
	}
	if got := w.signIn("o2", "one@new.example", now.Add(time.Second)); got.ID != older.ID || got.FormerHolder {
		t.Errorf("%+v", got)
	}
	w.Exec(`update account set name = 'Somebody' where id = $1`, newer.ID.UUID)
	if got := w.Number(`select count(*) from account where name = 'Somebody'`); got != 0 {
		t.Error("a merged account can be written to")
	}
	// Both hold an address.
	a, b := w.signIn("a", "a@new.example", now), w.signIn("b", "b@new.example", now)
	w.merge(a.ID, b.ID, false)
	if holders("a@new.example") != "nobody" || holders("b@new.example") != b.ID.UUID.String() {
		t.Errorf("a: %s, b: %s", holders("a@new.example"), holders("b@new.example"))
	}
	// A former holder gets the address that the other one holds.
	former := w.signIn("f", "reused@new.example", now)
	w.signIn("stranger", "reused@new.example", now.Add(time.Second))
	moved := w.signIn("m", "moved@new.example", now)
	w.merge(moved.ID, former.ID, false)
	if got := w.Text(`select email_key from account where id = $1`, former.ID.UUID); got != "moved@new.example" || holders(got) != former.ID.UUID.String() {
		t.Errorf("the former holder has %s, held by %s", got, holders(got))
	}
}

// Neither a merger nor an erasure of the holder gives an address to a former holder, who
// still has a token of before. A new token takes it.
func TestTheLastProofOutlivesTheHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().Add(-time.Hour)
	for what, end := range map[string]func(holder access.Actor){
		"merged": func(holder access.Actor) {
			w.merge(holder.ID, w.signIn("kept", "kept@new.example", now).ID, false)
		},
		"erased": func(holder access.Actor) { w.erase(holder.ID.String(), privacy.Options{}) },
	} {
		email := what + "@new.example"
		w.signIn(what+" former", email, now)
		end(w.signIn(what+" holder", email, now.Add(2*time.Minute)))
		for _, subject := range []string{" former", " nobody yet"} {
			if got := w.signIn(what+subject, email, now.Add(time.Minute)); !got.FormerHolder {
				t.Errorf("%s: the older token of%s has taken the address", what, subject)
			}
		}
		if got := w.signIn(what+" former", email, now.Add(3*time.Minute)); got.FormerHolder {
			t.Errorf("%s: the newer token has not taken the address", what)
		}
	}
}

// Whether an invitation of the merged person can be accepted is decided at that moment,
// by what the kept account may do then. Earlier gateways left invitations pending whose
// sender had lost the role.
func TestMergedInvitationsCountWhileTheKeptAccountMayInvite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now, space := time.Now(), w.Space(testworld.Econometrics)
	accept := func(email string, id globalid.ID) string {
		_, err := w.Invitations.Accept(t.Context(), w.User(email), invitation.AnswerInput{InvitationID: &id})
		return testworld.Refusal(err)
	}
	for name, c := range map[string]struct{ old, kept bool }{
		"none": {}, "old": {old: true}, "kept": {kept: true}, "both": {true, true},
	} {
		old, kept := w.signIn(name+" 1", name+"-1@new.example", now), w.signIn(name+" 2", name+"-2@new.example", now)
		w.Grant(old, tenant.SpaceAdministrator, space)
		friend := name + "-friend@new.example"
		id := w.invite(old, "Group 1", "", "", friend)
		if !c.old {
			w.Revoke(old, space)
			if got := accept(friend, id); !strings.Contains(got, "INVITER_LEFT") {
				t.Errorf("%s: before the merger: %s", name, got)
			}
		}
		if c.kept {
			w.Grant(kept, tenant.SpaceAdministrator, space)
		}
		w.merge(old.ID, kept.ID, false)
		if !c.old && !c.kept {
			if got := accept(friend, id); !strings.Contains(got, "INVITER_LEFT") {
				t.Errorf("%s: after the merger: %s", name, got)
			}
			continue
		}
		w.Revoke(kept, space)
		if got := accept(friend, id); !strings.Contains(got, "INVITER_LEFT") {
			t.Errorf("%s: without the role again: %s", name, got)
		}
		w.Grant(kept, tenant.SpaceAdministrator, space)
		if got := accept(friend, id); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The last administrator of a space can be merged.
func TestMergeOfALastAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.signIn("ada-1", "ada@uni.example", time.Now().Add(-time.Hour))
	kept := w.signIn("ada-2", "ada@uni.example", time.Now())
	w.merge(ada.ID, kept.ID, false)
	if got := w.Number(`select count(*) from space_administrator where account_id = $1`, kept.ID.UUID); got == 0 {
		t.Error("the space has lost its administrator")
	}
}

// A person signs in and accepts an invitation while an operator merges the account:
// nothing fails but by refusal, and afterwards everything belongs to the kept account.
func TestMergeRacesWithTheMergedPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.User("ada")
	now := time.Now().Add(-time.Hour)
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("racer%d@new.example", n)
		// The older account is merged while it holds the address again.
		kept := w.signIn(email+"/2", email, now)
		old := w.signIn(email+"/1", email, now.Add(time.Minute))
		id := w.invite(ada, "Group 1", "", "", email)
		var signIn sync.WaitGroup
		var acceptErr, signInErr, mergeErr error
		signIn.Go(func() { _, signInErr = w.trySignIn(email+"/1", email, now.Add(2*time.Minute)) })
		r.Run(
			func() {
				key := "accept"
				_, acceptErr = w.Invitations.Accept(t.Context(), old, invitation.AnswerInput{InvitationID: &id, IdempotencyKey: &key})
			},
			func() { _, mergeErr = account.Merge(t.Context(), w.owner, old.ID, kept.ID, false) })
		signIn.Wait()
		if signInErr != nil || mergeErr != nil {
			t.Fatalf("trial %d: sign-in %v, merger %v", n, signInErr, mergeErr)
		}
		role := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where m.account_id = $1`, kept.ID.UUID)
		switch {
		case acceptErr == nil:
			r.Record(true)
		case strings.Contains(acceptErr.Error(), "belongs to another account"):
			r.Record(false)
		default:
			t.Fatalf("trial %d: %v", n, acceptErr)
		}
		if (role == 1) != (acceptErr == nil) {
			t.Fatalf("trial %d: %d roles, accepted: %v", n, role, acceptErr)
		}
		if got := w.found(old.ID.UUID.String()); !slices.Equal(got, []string{"account"}) {
			t.Fatalf("trial %d: the merged account is in %v", n, got)
		}
		if got := w.signIn(email+"/1", email, now.Add(2*time.Minute)); got.ID != kept.ID || got.FormerHolder {
			t.Fatalf("trial %d: %+v", n, got)
		}
	}
	r.End(t)
}

// Somebody who has a role in a space alone, as before every such person became a member of
// the organization, is erased while their request for a role in it is approved.
func TestApprovalRacesWithTheErasureOfTheRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Requests.Limits.ByOrganization = 1e6
	university, mia := w.Organization("University of Example"), w.User("mia")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("asks%d@new.example", n)
		other := w.signIn(email+"/1", email, time.Now().Add(-time.Hour))
		w.Grant(other, tenant.InstanceViewer, w.Instance("Group 1"))
		w.Exec(`delete from organization_member where account_id = $1`, other.ID.UUID)
		made, err := w.Requests.RequestRole(t.Context(), other, request.RequestRoleInput{OrganizationID: &university, Role: tenant.OrganizationManager})
		w.must(err)
		person := w.find(email)
		var approveErr, eraseErr error
		r.Run(
			func() {
				_, approveErr = w.Requests.Approve(t.Context(), mia, request.ApproveRequestInput{RequestID: made.Request.ID})
			},
			func() { _, eraseErr = privacy.Erase(t.Context(), w.owner, person, privacy.Options{}) })
		r.Record(approveErr == nil)
		if approveErr != nil && testworld.Refusal(approveErr) != "NOT_FOUND" || eraseErr != nil ||
			w.Number(`select count(*) from organization_member where account_id = $1`, other.ID.UUID) != 0 {
			t.Fatalf("trial %d: %v, %v", n, approveErr, eraseErr)
		}
	}
	r.End(t)
}

// Of two managers, one leaves while the other's account is erased, or is merged into
// another one of the same person: the organization has a manager all the time.
func TestLeavingRacesWithTheEndOfTheOtherManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, mia := w.Organization("University of Example"), w.User("mia")
	managers := func() int {
		return w.Number(`select count(*) from organization_member where organization_id = $1 and role = 'MANAGER'`, university.UUID)
	}
	leave := func() error {
		_, err := w.Memberships.LeaveOrganization(t.Context(), mia, membership.LeaveOrganizationInput{OrganizationID: university})
		return err
	}
	var erasures racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("manager%d@new.example", n)
		other := w.signIn(email+"/1", email, time.Now().Add(-time.Hour))
		w.Grant(mia, tenant.OrganizationManager, university)
		w.Grant(other, tenant.OrganizationManager, university)
		person := w.find(email)
		var leaveErr, eraseErr error
		erasures.Run(
			func() { leaveErr = leave() },
			func() { _, eraseErr = privacy.Erase(t.Context(), w.owner, person, privacy.Options{}) })
		erasures.Record(leaveErr == nil)
		last, conflict := (*privacy.LastError)(nil), (*fault.Fault)(nil)
		if (leaveErr == nil) == (eraseErr == nil) || managers() != 1 ||
			leaveErr != nil && (!errors.As(leaveErr, &conflict) || conflict.Reason != fault.LastManager) || eraseErr != nil && !errors.As(eraseErr, &last) {
			t.Fatalf("trial %d: %d managers, %v, %v", n, managers(), leaveErr, eraseErr)
		}
		w.Grant(mia, tenant.OrganizationManager, university)
		w.Revoke(other, university)
	}
	erasures.End(t)

	var mergers racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("merged%d@new.example", n)
		other := w.signIn(email+"/1", email, time.Now().Add(-time.Hour))
		kept := w.signIn(email+"/2", email, time.Now())
		w.Grant(other, tenant.OrganizationManager, university)
		var mergeErr error
		var removal membership.RemoveMemberPayload
		var removeErr error
		mergers.Run(
			func() {
				removal, removeErr = w.Memberships.Remove(t.Context(), mia, membership.RemoveMemberInput{UserID: other.ID, OrganizationID: &university})
			},
			func() { _, mergeErr = account.Merge(t.Context(), w.owner, other.ID, kept.ID, false) })
		mergers.Record(removal.Removed)
		want := 2 // the kept account is one
		if removal.Removed {
			want = 1
		}
		if removeErr != nil || mergeErr != nil || managers() != want {
			t.Fatalf("trial %d: %d managers, removed %t; %v, %v", n, managers(), removal.Removed, removeErr, mergeErr)
		}
		w.Revoke(kept, university)
	}
	mergers.End(t)
}
