package space_test

import (
	"fmt"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// A person is invited before the space is deleted, and then the mail waits with the
// invitation; or not at all.
func TestInvitingRacesWithDeletingTheSpace(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"an instance", "the space"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Invitations.Limits.ByDomain, w.Invitations.Limits.ByPerson = 1_000_000, 1_000_000
			id, group1, ada := w.Space(testworld.Econometrics), w.Instance("Group 1"), w.User("ada")
			invite := func(email string) (err error) {
				if to == "the space" {
					_, err = w.Invitations.InviteAdministrators(t.Context(), ada, invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{email}})
				} else {
					_, err = w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: []string{email}})
				}
				return err
			}
			var r racetest.Race
			for n := range racetest.Trials {
				email := fmt.Sprintf("p%d@new.example", n)
				var refused, deletion string
				r.Run(
					func() { refused = testworld.Refusal(invite(email)) },
					func() { _, deletion = w.delete("ada", id) })
				mails := w.Lines(`select o.state from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
				switch got := fmt.Sprint(refused, deletion, mails); got {
				case "[HELD]":
					r.Record(true)
				case "SPACE_DELETED[]":
					r.Record(false)
				default:
					t.Fatalf("trial %d: %s", n, got)
				}
				if restored, refusal := w.restore("ada", id); !restored {
					t.Fatal(refusal)
				}
			}
			r.End(t)
		})
	}
}

// An invitation is accepted before the space is deleted, or waits.
func TestAcceptingRacesWithDeletingTheSpace(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"an instance", "the space"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Invitations.Limits.ByDomain, w.Invitations.Limits.ByPerson = 1_000_000, 1_000_000
			id, place, ada := w.Space(testworld.Econometrics), w.Instance("Group 1"), w.User("ada")
			if to == "the space" {
				place = id
			}
			var r racetest.Race
			for n := range racetest.Trials {
				person := w.User(fmt.Sprintf("p%d@new.example", n))
				var err error
				if to == "the space" {
					_, err = w.Invitations.InviteAdministrators(t.Context(), ada, invitation.InviteSpaceAdministratorsInput{SpaceID: id, Emails: []string{person.Email}})
				} else {
					_, err = w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: place, Role: tenant.Viewer, Emails: []string{person.Email}})
				}
				if err != nil {
					t.Fatal(err)
				}
				answer := invitation.AnswerInput{InvitationID: new(w.Invitation(person.Email))}
				var refused, deletion string
				r.Run(
					func() {
						_, err := w.Invitations.Accept(t.Context(), person, answer)
						refused = testworld.Refusal(err)
					},
					func() { _, deletion = w.delete("ada", id) })
				status, member := w.Text(`select status from invitation where id = $1`, answer.InvitationID.UUID), w.RoleOf(person, place) != ""
				switch got := fmt.Sprint(refused, deletion, " ", status, " ", member); got {
				case " ACCEPTED true":
					r.Record(true)
				case "INVITATION_NOT_USABLE SPACE_DELETED PENDING false":
					r.Record(false)
				default:
					t.Fatalf("trial %d: %s", n, got)
				}
				if restored, refusal := w.restore("ada", id); !restored {
					t.Fatal(refusal)
				}
				w.Revoke(person, place)
			}
			r.End(t)
		})
	}
}

// Nothing is created in a deleted space, or deleted in it, after its deletion.
func TestChangesOfInstancesRaceWithDeletingTheSpace(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(world, int) error{
		"creating": func(w world, n int) error {
			_, err := w.Instances.Create(t.Context(), w.User("ada"), instance.CreateInstanceInput{SpaceID: w.Space(testworld.Econometrics), Name: fmt.Sprint("New ", n)})
			return err
		},
		"deleting": func(w world, n int) error {
			_, err := w.Instances.Delete(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: w.Instance(fmt.Sprint("Old ", n))})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.Space(testworld.Econometrics)
			var r racetest.Race
			for n := range racetest.Trials {
				w.NewInstance(id, fmt.Sprint("Old ", n))
				var refused, deletion string
				r.Run(
					func() { refused = testworld.Refusal(change(w, n)) },
					func() { _, deletion = w.delete("ada", id) })
				late := w.Number(`
					select count(*) from instance i join space s on s.id = i.space_id
					where greatest(i.created_at, i.deleted_at) > s.deleted_at`)
				if deletion != "" || refused != "" && refused != "SPACE_DELETED" || late > 0 {
					t.Fatalf("trial %d: %q, %q, %d instances changed too late", n, refused, deletion, late)
				}
				r.Record(refused == "")
				if restored, refusal := w.restore("ada", id); !restored {
					t.Fatal(refusal)
				}
			}
			r.End(t)
		})
	}
}

// Of a restoration and a deletion, the one that comes first decides what the other does.
func TestRestoringRacesWithDeletingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	var r racetest.Race
	for n := range racetest.Trials {
		w.delete("ada", id)
		var restored, deleted bool
		r.Run(func() {
			payload, err := w.Spaces.Restore(t.Context(), w.User("mia"), space.Input{SpaceID: id})
			if restored = payload.Restored; err != nil {
				t.Error(err)
			}
		}, func() {
			payload, err := w.Spaces.Delete(t.Context(), w.User("ada"), space.Input{SpaceID: id})
			if deleted = payload.Deleted; err != nil {
				t.Error(err)
			}
		})
		if got := w.state(id); !restored || deleted != (got == "DELETED") {
			t.Fatalf("trial %d: restored %t, deleted %t, and it is %s", n, restored, deleted, got)
		}
		r.Record(deleted)
		if !deleted {
			w.delete("ada", id)
		}
		w.restore("ada", id)
	}
	r.End(t)
}

// A space is restored with everything in it before its time is over, or purged.
func TestRestoringRacesWithPurging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization, ada := w.Organization("University of Example"), w.User("ada")
	var edge racetest.Edge
	for n := range racetest.Trials {
		id := w.NewSpace(organization, fmt.Sprint("Race ", n))
		w.Grant(ada, tenant.SpaceAdministrator, id)
		w.delete("ada", id)
		w.Exec(`update space set deleted_at = t.until - interval '24 hours', restorable_until = t.until
			from (select clock_timestamp() + $1 * interval '1 microsecond' as until) t where id = $2`, edge.Before().Microseconds(), id.UUID)
		var refusal string
		racetest.Together(
			func() { _, refusal = w.restore("ada", id) },
			func() {
				if _, err := space.Purge(t.Context(), w.DB, 0); err != nil {
					t.Error(err)
				}
			})
		left := w.Number(`select count(*) from instance where space_id = $1`, id.UUID)
		switch state := w.state(id); {
		case refusal == "" && state == "ACTIVE" && left == 2:
		case (refusal == "RESTORE_WINDOW_EXPIRED" || refusal == "NOT_FOUND") && state != "ACTIVE":
		default:
			t.Fatalf("trial %d: %q, it is %q, with %d instances", n, refusal, state, left)
		}
		edge.Record(refusal == "")
	}
	edge.End(t)
}

// A space that is being deleted has an administrator, who can restore it.
func TestDeletingRacesWithRemovingTheAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, ada, eva := w.Space(testworld.Econometrics), w.User("ada"), w.User("eva")
	w.Grant(eva, tenant.SpaceAdministrator, id)
	var r racetest.Race
	for n := range racetest.Trials {
		w.Grant(ada, tenant.SpaceAdministrator, id)
		var deletion string
		var removed bool
		r.Run(
			func() { _, deletion = w.delete("ada", id) },
			func() {
				payload, err := w.Memberships.Remove(t.Context(), eva, membership.RemoveMemberInput{UserID: ada.ID, SpaceID: &id})
				if removed = payload.Removed; err != nil {
					t.Error(err)
				}
			})
		state := w.state(id)
		if !removed || deletion != "" && deletion != "NOT_FOUND" || (deletion == "") != (state == "DELETED") {
			t.Fatalf("trial %d: removed %t, %q, and it is %s", n, removed, deletion, state)
		}
		r.Record(deletion == "")
		if state == "DELETED" {
			if restored, refusal := w.restore("eva", id); !restored {
				t.Fatal(refusal)
			}
		}
	}
	r.End(t)
}

// Many people who delete and restore at once leave one state, and one record of each change.
func TestDeletingAndRestoringByManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	var do []func()
	for n := range 8 {
		do = append(do, func() {
			if n%2 == 0 {
				w.delete("ada", id)
			} else {
				w.restore("mia", id)
			}
		})
	}
	racetest.Together(do...)
	deleted, restored := w.Number(`select count(*) from audit_log where action = 'SPACE_DELETED'`), w.Number(`select count(*) from audit_log where action = 'SPACE_RESTORED'`)
	if state := w.state(id); deleted-restored != map[string]int{"ACTIVE": 0, "DELETED": 1}[state] || deleted == 0 {
		t.Errorf("%d deletions, %d restorations, and it is %s", deleted, restored, state)
	}
}
