package roster_test

import (
	"fmt"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Each race has a space of its own. The first of its two functions is the roster.
func TestRosterRaces(t *testing.T) {
	t.Parallel()
	all := newWorld(t)
	all.Invitations.Limits = invitation.Limits{Emails: 1000, Message: 2000, TTL: all.Invitations.Limits.TTL,
		ByPerson: 1e6, BySpace: 1e6, ByAddress: 1e6, ByDomain: 1e6, Tokens: 1e6}
	ada := all.User("ada")
	for what, trial := range map[string]func(w world, n int) (first, second func(), check func() (rosterFirst bool, wrong string)){
		"another roster": func(w world, n int) (first, second func(), check func() (bool, string)) {
			lines := []string{fmt.Sprintf("a%d@races.example EDITOR joint Team %d", n, n), fmt.Sprintf("b%d@races.example EDITOR own Homework of {name}", n)}
			var a, b roster.SyncRosterPayload
			var errA, errB error
			return func() { a, errA = w.sync("ada", w.input(lines...)) },
				func() { b, errB = w.sync("ada", w.input(lines[1], lines[0])) },
				func() (bool, string) {
					created, outcomes := len(a.CreatedInstances), ""
					for _, r := range append(a.Results, b.Results...) {
						outcomes += " " + string(r.Outcome)
					}
					mails := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email in ($1, $2)`,
						fmt.Sprintf("a%d@races.example", n), fmt.Sprintf("b%d@races.example", n))
					if errA != nil || errB != nil || created+len(b.CreatedInstances) != 2 || created == 1 || mails != 2 ||
						strings.Count(outcomes, " INVITED") != 2 || strings.Count(outcomes, " ALREADY_INVITED") != 2 {
						return false, fmt.Sprint(errA, errB, created, len(b.CreatedInstances), mails, outcomes)
					}
					return created == 2, ""
				}
		},
		"deleting the instance": func(w world, n int) (first, second func(), check func() (bool, string)) {
			id, email := w.NewInstance(w.space, fmt.Sprint("Group ", n)), fmt.Sprintf("c%d@races.example", n)
			var refused, deletion string
			return func() {
					_, err := w.sync("ada", w.input(email+" EDITOR id "+fmt.Sprint("Group ", n)))
					refused = testworld.Refusal(err)
				}, func() {
					_, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: id})
					deletion = testworld.Refusal(err)
				}, func() (bool, string) {
					mails := w.Lines(`select o.state from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
					switch got := fmt.Sprint(refused, deletion, mails); got {
					case "[HELD]":
						return true, ""
					case "INSTANCE_DELETED[]":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"deleting the space": func(w world, n int) (first, second func(), check func() (bool, string)) {
			email := fmt.Sprintf("d%d@races.example", n)
			var refused, deletion string
			return func() {
					_, err := w.sync("ada", w.input(email+" EDITOR own Homework", email+" EDITOR joint Team"))
					refused = testworld.Refusal(err)
				}, func() {
					_, err := w.Spaces.Delete(t.Context(), ada, space.Input{SpaceID: w.space})
					deletion = testworld.Refusal(err)
				}, func() (bool, string) {
					mails := w.Lines(`select o.state from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
					if _, err := w.Spaces.Restore(t.Context(), ada, space.Input{SpaceID: w.space}); err != nil {
						return false, err.Error()
					}
					switch got := fmt.Sprint(refused, deletion, mails); got {
					case "[HELD HELD]":
						return true, ""
					case "SPACE_DELETED[]":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"accepting what it revokes": func(w world, n int) (first, second func(), check func() (bool, string)) {
			person := w.User(fmt.Sprintf("e%d@races.example", n))
			w.must(w.input(person.Email + " EDITOR joint Team"))
			id := w.Invitation(person.Email)
			var payload roster.SyncRosterPayload
			var refused, accepted string
			return func() {
					var err error
					payload, err = w.sync("ada", removing(w.input("stays@races.example EDITOR joint Team")))
					refused = testworld.Refusal(err)
				}, func() {
					_, err := w.Invitations.Accept(t.Context(), person, invitation.AnswerInput{InvitationID: &id})
					accepted = testworld.Refusal(err)
				}, func() (bool, string) {
					role := w.RoleOf(person, w.InstanceOf(w.space, "Team"))
					switch got := fmt.Sprint(refused, role, accepted, len(payload.Removed), len(payload.Revoked)); got {
					case "INVITATION_NOT_USABLE REVOKED0 1":
						return true, ""
					case "1 0":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"leaving": func(w world, n int) (first, second func(), check func() (bool, string)) {
			person, team := w.User(fmt.Sprintf("f%d@races.example", n)), w.NewInstance(w.space, fmt.Sprint("Team ", n))
			w.Grant(person, tenant.InstanceViewer, team)
			var outcome, left string
			return func() {
					payload, err := w.sync("ada", w.input(person.Email+" EDITOR joint "+fmt.Sprint("Team ", n)))
					if outcome = testworld.Refusal(err); err == nil {
						outcome = string(payload.Results[0].Outcome)
					}
				}, func() {
					_, err := w.Memberships.Leave(t.Context(), person, membership.LeaveInstanceInput{InstanceID: team})
					left = testworld.Refusal(err)
				}, func() (bool, string) {
					pending := w.Number(`select count(*) from invitation where email = $1 and status = 'PENDING'`, person.Email)
					switch got := fmt.Sprint(outcome, w.RoleOf(person, team), left, pending); got {
					case "ROLE_CHANGED0":
						return true, ""
					case "INVITED1":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"creating the instance": func(w world, n int) (first, second func(), check func() (bool, string)) {
			name := fmt.Sprint("Team ", n)
			var refused, created string
			var made int
			return func() {
					payload, err := w.sync("ada", w.input(fmt.Sprintf("g%d@races.example EDITOR joint ", n)+name))
					refused, made = testworld.Refusal(err), len(payload.CreatedInstances)
				}, func() {
					_, err := w.Instances.Create(t.Context(), ada, instance.CreateInstanceInput{SpaceID: w.space, Name: name})
					created = testworld.Refusal(err)
				}, func() (bool, string) {
					switch got := fmt.Sprint(refused, created, made); got {
					case "CONFLICT NAME_TAKEN1":
						return true, ""
					case "0":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"inviting": func(w world, n int) (first, second func(), check func() (bool, string)) {
			team, email := w.NewInstance(w.space, fmt.Sprint("Team ", n)), fmt.Sprintf("h%d@races.example", n)
			var a, b string
			return func() {
					payload, err := w.sync("ada", w.input(email+" EDITOR id "+fmt.Sprint("Team ", n)))
					if a = testworld.Refusal(err); err == nil {
						a = string(payload.Results[0].Outcome)
					}
				}, func() {
					payload, err := w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: team, Role: tenant.Editor, Emails: []string{email}})
					if b = testworld.Refusal(err); err == nil {
						b = string(payload.Results[0].Outcome)
					}
				}, func() (bool, string) {
					mails := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
					switch got := fmt.Sprint(a, b, mails); got {
					case "INVITEDALREADY_INVITED1":
						return true, ""
					case "ALREADY_INVITEDINVITED1":
						return false, ""
					default:
						return false, got
					}
				}
		},
		"removing its sender": func(w world, n int) (first, second func(), check func() (bool, string)) {
			eva, email := w.User("eva"), fmt.Sprintf("i%d@races.example", n)
			w.Grant(eva, tenant.SpaceAdministrator, w.space)
			var refused, removal string
			return func() {
					_, err := w.sync("eva", w.input(email+" EDITOR joint Team"))
					refused = testworld.Refusal(err)
				}, func() {
					_, err := w.Memberships.Remove(t.Context(), ada, membership.RemoveMemberInput{UserID: eva.ID, SpaceID: &w.space})
					removal = testworld.Refusal(err)
				}, func() (bool, string) {
					pending := w.Number(`select count(*) from invitation where email = $1 and status = 'PENDING'`, email)
					sent := w.Number(`select count(*) from invitation where email = $1`, email)
					switch got := fmt.Sprint(refused, removal, pending, sent); got {
					case "0 1":
						return true, ""
					case "NOT_FOUND0 0":
						return false, ""
					default:
						return false, got
					}
				}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := all
			w.t, w.space = t, all.NewSpace(all.Organization("University of Example"), what)
			w.Grant(ada, tenant.SpaceAdministrator, w.space)
			var r racetest.Race
			for n := range racetest.Trials {
				first, second, check := trial(w, n)
				r.Run(first, second)
				rosterFirst, wrong := check()
				if wrong != "" {
					t.Fatalf("trial %d: %s", n, wrong)
				}
				r.Record(rosterFirst)
			}
			r.End(t)
		})
	}
}
