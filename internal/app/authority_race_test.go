package app_test

import (
	"fmt"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// An invitation is accepted before its inviter is removed, or not at all. Taken over,
// it is always accepted.
func TestAcceptingRacesWithRemovingTheInviter(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"REVOKE", "TAKE_OVER"} {
		for _, to := range []string{"an instance", "the space"} {
			t.Run(sent+" "+to, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, unlimitedInvitations)
				ada, rita, ritaID := w.as("ada"), w.as("rita"), w.user("Rita")
				var r racetest.Race
				for n := range racetest.Trials {
					email := fmt.Sprintf("p%d@new.example", n)
					p := w.as(email)
					p.Ask(`{ viewer { id } }`, nil).OK()
					w.grantAdministrator("Rita")
					if to == "the space" {
						rita.inviteAdministrators([]string{email}).OK()
					} else {
						rita.invite("Group 1", "VIEWER", []string{email}).OK()
					}
					id := w.invitationOf(email)
					var accepted, removed answer
					r.Run(func() { accepted = p.accept("invitationId", id) }, func() { removed = ada.remove("", ritaID, "sentInvitations", sent) })
					inTime := acceptedBefore(w, `
						select max(at) from audit_log where action = 'MEMBER_REMOVED'`)
					ended := removed.OK().At("removeMember", map[string]string{"REVOKE": "revokedInvitationCount", "TAKE_OVER": "takenOverInvitationCount"}[sent])
					r.Record(inTime && len(accepted.Errors) == 0)
					switch role := roleOfNew(w, email); {
					case len(accepted.Errors) == 0 && role && (inTime && ended == 0.0 || sent == "TAKE_OVER" && ended == 1.0):
					case len(accepted.Errors) > 0 && !role && sent == "REVOKE" && ended == 1.0:
						if e := accepted.Refused("INVITATION_NOT_USABLE"); e.Reason() != "REVOKED" {
							t.Fatalf("trial %d: %s", n, accepted.Body)
						}
					default:
						t.Fatalf("trial %d: member %t, accepted in time %t, %v ended: %s", n, role, inTime, ended, accepted.Body)
					}
					w.Exec(`delete from space_administrator using account a where account_id = a.id and a.email = $1`, email)
				}
				r.End(t)
			})
		}
	}
}

// acceptedBefore reports whether the newest acceptance in the trail is older than a
// moment.
func acceptedBefore(w *world, moment string) bool {
	w.t.Helper()
	return w.Text(`select coalesce((select max(at) from audit_log where action = 'INVITATION_ACCEPTED') < (`+moment+`), false)`) == "true"
}

// roleOfNew reports whether an address has a role in a space or an instance.
func roleOfNew(w *world, email string) bool {
	w.t.Helper()
	return w.Number(`
		select (select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1)
		     + (select count(*) from space_administrator m join account a on a.id = m.account_id where a.email = $1)`, email) > 0
}

// An invitation is accepted before its inviter loses the role in any other way, or
// not at all. All who change roles in a space lock it first.
func TestAcceptingRacesWithTheEndOfTheInvitersRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	mia := w.as("mia")
	w.Exec(`create table ended (at timestamptz)`)
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		p := w.as(email)
		p.Ask(`{ viewer { id } }`, nil).OK()
		w.grantAdministrator("Mia")
		mia.invite("Group 1", "VIEWER", []string{email}).OK()
		id := w.invitationOf(email)
		var accepted answer
		r.Run(
			func() { accepted = p.accept("invitationId", id) },
			func() {
				w.Exec(`
					with locked as materialized (select id from space where name = 'Econometrics 2026' for no key update),
					gone as (delete from space_administrator using account a, locked where space_id = locked.id and account_id = a.id and a.name = 'Mia' returning 1)
					insert into ended select clock_timestamp() from gone`)
			})
		inTime := acceptedBefore(w, `select max(at) from ended`)
		r.Record(len(accepted.Errors) == 0)
		switch role := roleOfNew(w, email); {
		case len(accepted.Errors) == 0 && role && inTime:
		case len(accepted.Errors) > 0 && !role:
			if e := accepted.Refused("INVITATION_NOT_USABLE"); e.Reason() != "INVITER_LEFT" {
				t.Fatalf("trial %d: %s", n, accepted.Body)
			}
		default:
			t.Fatalf("trial %d: member %t, accepted in time %t: %s", n, role, inTime, accepted.Body)
		}
	}
	r.End(t)
}

// Nobody has a role after the answer to their removal, whatever they accept at the
// same time.
func TestAcceptingRacesWithRemovingTheInvited(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "Group 1"} {
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, unlimitedInvitations)
			ada := w.as("ada")
			var r racetest.Race
			for n := range racetest.Trials {
				email := fmt.Sprintf("p%d@new.example", n)
				p := w.as(email)
				p.Ask(`{ viewer { id } }`, nil).OK()
				ada.invite("Group 1", "VIEWER", []string{email}).OK()
				user := w.id("user", `select id from account where email = $1`, email)
				id := w.invitationOf(email)
				role, to := "Master", "removed from the whole space"
				if from != "" { // the invitation was not yet accepted when they became a member
					role, to = "Group 1", "removed from the instance"
				}
				w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i join space s on s.id = i.space_id, account a
					where s.name = 'Econometrics 2026' and i.name = $1 and a.email = $2`, role, email)
				var accepted, removed answer
				r.Run(func() { accepted = p.accept("invitationId", id) }, func() { removed = ada.remove(from, user) })
				if removed.OK().At("removeMember", "removed") != true || roleOfNew(w, email) {
					t.Fatalf("trial %d: %s, and has a role: %s %s", n, to, removed.Body, accepted.Body)
				}
				if r.Record(len(accepted.Errors) == 0); len(accepted.Errors) > 0 {
					if e := accepted.Refused("INVITATION_NOT_USABLE"); e.Reason() != "REVOKED" {
						t.Fatalf("trial %d: %s", n, accepted.Body)
					}
				}
			}
			r.End(t)
		})
	}
}

// A request is approved by somebody who has the role at that moment, or not at all.
func TestApprovingRacesWithRemovingTheApprover(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	ada, mia, miaID := w.as("ada"), w.as("mia"), w.user("Mia")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		w.newMember(email, asViewer)
		p := w.as(email)
		w.Exec(`delete from rate_limit`)
		id := fmt.Sprint(p.requestRole("Group 1", "INSTANCE_EDITOR").OK().At("requestRole", "request", "id"))
		w.grantAdministrator("Mia")
		var approved answer
		r.Run(func() { approved = mia.approveRequest(id) }, func() { ada.remove("", miaID).OK() })
		inTime := w.Text(`select coalesce((select max(at) from audit_log where action = 'ROLE_GRANTED') < (select max(at) from audit_log where action = 'MEMBER_REMOVED'), false)`) == "true"
		editor := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1 and m.role = 'EDITOR'`, email) == 1
		r.Record(len(approved.Errors) == 0)
		switch {
		case len(approved.Errors) == 0 && editor && inTime:
		case len(approved.Errors) > 0 && !editor:
			// Mia manages the organization, and still sees the instance.
			approved.Refused("NOT_FOUND")
		default:
			t.Fatalf("trial %d: editor %t, in time %t: %s", n, editor, inTime, approved.Body)
		}
	}
	r.End(t)
}

// Nobody has a role after the answer to their removal from the organization, whatever is
// approved at the same time.
func TestApprovingRacesWithRemovingTheRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	ada, mia, organization := w.as("ada"), w.as("mia"), w.organization("University of Example")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		w.newMember(email, asViewer)
		w.Exec(asMember, email)
		w.Exec(`delete from rate_limit`)
		id := fmt.Sprint(w.as(email).requestRole("Group 1", "SPACE_ADMINISTRATOR").OK().At("requestRole", "request", "id"))
		user := w.id("user", `select id from account where email = $1`, email)
		var approved, removed answer
		r.Run(func() { approved = ada.approveRequest(id) }, func() {
			removed = mia.Ask(`mutation($o: ID!, $u: ID!) { removeMember(input: {organizationId: $o, userId: $u}) { removed } }`,
				map[string]any{"o": organization, "u": user})
		})
		roles := w.Number(`select (select count(*) from space_administrator where account_id = a.id) + (select count(*) from instance_member where account_id = a.id)
			+ (select count(*) from organization_member where account_id = a.id) from account a where a.email = $1`, email)
		if removed.OK().At("removeMember", "removed") != true || roles > 0 {
			t.Fatalf("trial %d: %d roles left: %s %s", n, roles, removed.Body, approved.Body)
		}
		r.Record(len(approved.Errors) == 0)
	}
	r.End(t)
}
