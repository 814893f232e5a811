//go:build plans

package app_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	spaces "alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// inLongLists is how many rows each list of fill has: more than are counted.
const inLongLists = relay.MaxTotal + 2000

// inShortLists is how many rows they have while plans are made that are used later.
const inShortLists = 300

// A page is read without a look at the rest of the list, wherever it begins and whatever
// the list is filtered by; and a list is counted up to relay.MaxTotal. What each read
// costs is counted by PostgreSQL: the rows of tables that grow, and the entries of their
// indexes. It holds with the statistics of a database that was just analyzed, and with
// those of one that has grown since.
func TestReadsOfLongListsAreShort(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]bool{"fresh statistics": true, "stale statistics": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testReadsOfLongLists(t, fresh)
		})
	}
}

func testReadsOfLongLists(t *testing.T, fresh bool) {
	w := testworld.New(t)
	w.Exec(`analyze`)
	createPlanner(w)
	fill(w)
	if fresh {
		w.Exec(`vacuum analyze`)
	}
	db, services, sent := observeStatements(t, w)
	vic := w.User("vic")
	ids := func(ids ...globalid.ID) []globalid.ID { return ids }
	space, organization := w.Space(testworld.Econometrics), w.Organization("University of Example")

	type read func(context.Context, relay.Page) (nodes, total int, err error)
	reads := map[string]read{
		"the members of an instance": func(ctx context.Context, page relay.Page) (int, int, error) {
			of := w.Instance("Master")
			lists, err := services.Memberships.ListInInstances(ctx, ids(of), page)
			return len(lists[of].Nodes), lists[of].Total, err
		},
		"the people of a space": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Memberships.ListInSpaces(ctx, ids(space), page)
			return len(lists[space].Nodes), lists[space].Total, err
		},
		"the trail": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := audit.List(ctx, db, ids(space), page)
			return len(lists[space].Nodes), lists[space].Total, err
		},
		"the course links of an instance": func(ctx context.Context, page relay.Page) (int, int, error) {
			of := w.Instance("Group 1")
			lists, err := services.Links.List(ctx, ids(of), page)
			return len(lists[of].Nodes), lists[of].Total, err
		},
		"the course links of a space": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Links.List(ctx, ids(space), page)
			return len(lists[space].Nodes), lists[space].Total, err
		},
		"the members of an organization": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Memberships.ListInOrganizations(ctx, ids(organization), page)
			return len(lists[organization].Nodes), lists[organization].Total, err
		},
		"the trail of an organization": func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := audit.List(ctx, db, ids(organization), page)
			return len(lists[organization].Nodes), lists[organization].Total, err
		},
		"the spaces of an organization": func(ctx context.Context, page relay.Page) (int, int, error) {
			o, err := tenant.FindOrganization(ctx, db, w.User("mia"), organization)
			if err != nil {
				return 0, 0, err
			}
			list, err := o.Spaces(ctx, db, w.User("mia"), tenant.Active, page)
			return len(list.Nodes), list.Total, err
		},
		"the instances of a space": func(ctx context.Context, page relay.Page) (int, int, error) {
			s, err := tenant.FindSpace(ctx, db, vic, globalid.ID{Kind: globalid.Space, UUID: testID(w, 2)})
			if err != nil {
				return 0, 0, err
			}
			list, err := s.Instances(ctx, db, vic, "", page)
			return len(list.Nodes), list.Total, err
		},
		"the spaces of a member": func(ctx context.Context, page relay.Page) (int, int, error) {
			list, err := tenant.Spaces(ctx, db, vic, tenant.Active, page)
			return len(list.Nodes), list.Total, err
		},
	}
	for _, status := range []invitation.Status{"", invitation.Pending, invitation.Expired, invitation.Accepted, invitation.Declined, invitation.Revoked} {
		for _, place := range []globalid.ID{organization, space, w.Instance("Group 1"), w.Instance("Master"), w.Instance("Distributed")} {
			for _, stored := range []bool{false, true} {
				reads[fmt.Sprintf("invitations to %s, %s, only what is stored: %t", place, status, stored)] = func(ctx context.Context, page relay.Page) (int, int, error) {
					lists, err := services.Invitations.List(ctx, ids(place), invitation.Filter{Status: status, Stored: stored}, page)
					return len(lists[place].Nodes), lists[place].Total, err
				}
			}
		}
	}
	for _, status := range append([]request.Status{""}, request.Statuses...) {
		reads["the requests in a space, "+string(status)] = func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Requests.ListInSpaces(ctx, ids(space), status, page)
			return len(lists[space].Nodes), lists[space].Total, err
		}
		reads["the requests about an organization, "+string(status)] = func(ctx context.Context, page relay.Page) (int, int, error) {
			lists, err := services.Requests.ListInOrganizations(ctx, ids(organization), status, page)
			return len(lists[organization].Nodes), lists[organization].Total, err
		}
		reads["the requests of a person, "+string(status)] = func(ctx context.Context, page relay.Page) (int, int, error) {
			list, err := services.Requests.ListMadeBy(ctx, vic, status, page)
			return len(list.Nodes), list.Total, err
		}
	}
	reads["the requests to answer"] = func(ctx context.Context, page relay.Page) (int, int, error) {
		list, err := services.Requests.ListToAnswer(ctx, w.User("ada"), page)
		return len(list.Nodes), list.Total, err
	}
	reads["the requests to answer as a manager"] = func(ctx context.Context, page relay.Page) (int, int, error) {
		list, err := services.Requests.ListToAnswer(ctx, w.User("mia"), page)
		return len(list.Nodes), list.Total, err
	}
	editor := vic
	editor.ID.UUID = testID(w, 1) // of an instance that many ask to restore
	reads["the requests to answer as an editor"] = func(ctx context.Context, page relay.Page) (int, int, error) {
		list, err := services.Requests.ListToAnswer(ctx, editor, page)
		return len(list.Nodes), list.Total, err
	}
	cost := func(name string, most int, read func(context.Context) error) {
		t.Helper()
		before := rowsRead(t, db)
		sent.reset()
		if err := read(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		queries := slices.Clone(sent.queries)
		if read, n := rowsRead(t, db).since(before); n > most {
			t.Errorf("%s: %d rows and entries read, want at most %d: %v", name, n, most, read)
			for _, query := range queries {
				t.Logf("%s\n%s", query, w.Text(`select test_plan($1, $2)`, query, parameters(query)))
			}
		}
	}
	pages := map[string]relay.Page{"the first page": {First: 10}}
	for place := range 6 { // see fill: the rows of a list are those of a place, or have no place (0)
		pages[fmt.Sprint("a page in the middle of those of place ", place)] = relay.Page{First: 10, After: testID(w, place*1_000_000+inLongLists/2)}
	}
	for name, read := range reads {
		full := false
		for what, page := range pages {
			cost(name+", "+what, 500, func(ctx context.Context) error {
				nodes, _, err := read(ctx, page)
				full = full || nodes == 10
				return err
			})
		}
		cost(name+", total", 4*relay.MaxTotal, func(ctx context.Context) error {
			_, total, err := read(ctx, relay.Page{Total: true})
			if total > relay.MaxTotal || !full && total > 10 {
				t.Errorf("%s: total %d", name, total)
			}
			return err
		})
	}
	for _, name := range []string{
		"the members of an instance", "the people of a space", "the trail", "the spaces of a member",
		"the members of an organization", "the trail of an organization", "the spaces of an organization",
		"the requests in a space, OPEN", "the requests about an organization, OPEN", "the requests to answer as a manager", "the requests of a person, WITHDRAWN", "the requests to answer"} {
		if _, total, err := reads[name](t.Context(), relay.Page{Total: true}); total != relay.MaxTotal || err != nil {
			t.Errorf("%s: total %d, %v", name, total, err)
		}
	}
	cost("whom to ask in an organization", 500, func(ctx context.Context) error {
		o, err := tenant.FindOrganization(ctx, db, w.User("mia"), organization)
		if err == nil {
			_, err = o.Contacts(ctx, db, tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty))
		}
		return err
	})
	cost("the backlog", 4*relay.MaxTotal, func(ctx context.Context) error {
		_, err := outbox.ReadBacklog(ctx, db)
		return err
	})
}

func testID(w *testworld.World, n int) uuid.UUID {
	return uuid.MustParse(w.Text(`select test_id($1)::text`, n))
}

// rowsRead returns how many rows of each growing table, and entries of each of its indexes, were
// read so far, also by the pool's connection itself.
func rowsRead(t *testing.T, db *postgres.DB) counts {
	t.Helper()
	if _, err := db.Exec(t.Context(), `select pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name string `db:"name"`
		N    int    `db:"n"`
	}
	if err := db.Select(t.Context(), &rows, `
		select relname as name, seq_tup_read + coalesce(idx_tup_fetch, 0) as n from pg_stat_user_tables where relname = any ($1)
		union all select indexrelname, idx_tup_read from pg_stat_user_indexes where relname = any ($1)`, pq.StringArray(growing)); err != nil {
		t.Fatal(err)
	}
	read := counts{}
	for _, r := range rows {
		read[r.Name] = r.N
	}
	return read
}

// counts are numbers by the name of a table or index.
type counts map[string]int

// since returns what was added, and the sum.
func (c counts) since(before counts) (added counts, sum int) {
	added = counts{}
	for name, n := range c {
		if n > before[name] {
			added[name] = n - before[name]
			sum += added[name]
		}
	}
	return added, sum
}

// What a write reads does not grow with the tables, nor does what housekeeping reads where
// nothing is due. The plans of the connection were made when the tables were short and
// nobody had used up anything of a limit, and nobody has analyzed them since: so it is in
// a burst of requests after a quiet night.
func TestWritesBesideLongListsAreShort(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	createFill(w)
	fillWith(w, 1, inShortLists)
	w.Exec(`delete from rate_limit`)
	for _, table := range growing {
		w.Exec(`alter table ` + table + ` set (autovacuum_enabled = off)`) // which would have statements planned again
	}
	w.Exec(`vacuum analyze`)
	db, services, _ := observeStatements(t, w)
	services.Instances.DB = db
	// The second time, a request finds what another of its kind has written.
	perform := func(n int, measured bool) {
		for most, tasks := range map[int]map[string]func(context.Context, int) error{
			100 * perWrite: writesOf(w, services),
			inLongLists:    housekeepingOf(db, services), // some of it reads the 5,000 oldest rows
		} {
			for name, task := range tasks {
				before := rowsRead(t, db)
				if err := task(t.Context(), n); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if read, n := rowsRead(t, db).since(before); measured && n > most {
					t.Errorf("%s: %d rows and entries read, want at most %d: %v", name, n, most, read)
				}
			}
		}
	}
	perform(inShortLists/2, false)
	perform(inShortLists/2+perWrite, false)
	fillWith(w, inShortLists+1, inLongLists)
	perform(inLongLists/2, true)
	perform(inLongLists/2+perWrite, true)
}

// perWrite is how many rows or addresses a write of writesOf is about.
const perWrite = 10

// writesOf returns writes beside the lists of fill. Each is about the rows from a number
// on, once for each.
func writesOf(w *testworld.World, services *testworld.Services) map[string]func(context.Context, int) error {
	ada, vic, mia := w.User("ada"), w.User("vic"), w.User("mia")
	group, master, space, organization := w.Instance("Group 1"), w.Instance("Master"), w.Space(testworld.Econometrics), w.Organization("University of Example")
	invite := func(to globalid.ID, pattern string) func(context.Context, int) error {
		return func(ctx context.Context, first int) error {
			emails := make([]string, perWrite)
			for i := range emails {
				emails[i] = fmt.Sprintf(pattern, first+i)
			}
			switch to.Kind {
			case globalid.Organization:
				_, err := services.Invitations.InviteOrganizationMembers(ctx, mia, invitation.InviteOrganizationMembersInput{OrganizationID: to, Role: tenant.Faculty, Emails: emails})
				return err
			case globalid.Space:
				_, err := services.Invitations.InviteAdministrators(ctx, ada, invitation.InviteSpaceAdministratorsInput{SpaceID: to, Emails: emails})
				return err
			}
			_, err := services.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: to, Role: tenant.Viewer, Emails: emails})
			return err
		}
	}
	// Those of fill in Group 1.
	invitations := func(first int) (selected invitation.SelectionInput) {
		for i := range perWrite {
			selected.InvitationIDs = append(selected.InvitationIDs, globalid.ID{Kind: globalid.Invitation, UUID: testID(w, 1_000_000+first+i)})
		}
		return selected
	}
	member := func(n int) globalid.ID { return globalid.ID{Kind: globalid.User, UUID: testID(w, n)} }
	return map[string]func(context.Context, int) error{
		"inviting to an instance with pending invitations": invite(group, "a%d@new.example"),
		"inviting to an instance with members":             invite(master, "b%d@new.example"),
		"inviting administrators":                          invite(space, "c%d@new.example"),
		"inviting to an organization":                      invite(organization, "d%d@new.example"),
		"inviting members to their organization":           invite(organization, "%d@many.example"),
		"inviting people to an organization who were":      invite(organization, "%d.5@many.example"),
		"inviting people who are known":                    invite(group, "%d@many.example"),
		"inviting people who are known to a place of many": invite(master, "%d@other.example"),
		"inviting members":                                 invite(master, "%d@many.example"),
		"inviting people as administrators who are known":  invite(space, "%d@many.example"),
		"inviting people who were invited":                 invite(group, "%d.1@many.example"),
		"inviting administrators who were invited":         invite(space, "%d.4@many.example"),
		"resending and revoking invitations": func(ctx context.Context, n int) error {
			_, err := services.Invitations.Resend(ctx, ada, invitations(n+2*perWrite))
			if err == nil {
				_, err = services.Invitations.Revoke(ctx, ada, invitations(n+2*perWrite))
			}
			return err
		},
		"making, using and ending a course link": func(ctx context.Context, n int) error {
			return useLink(ctx, services, ada, link.CreateInviteLinkInput{InstanceID: &group}, fmt.Sprintf("f%d@new.example", n))
		},
		"making, using and ending a course link to own instances": func(ctx context.Context, n int) error {
			return useLink(ctx, services, ada, link.CreateInviteLinkInput{SpaceID: &space}, fmt.Sprintf("g%d@new.example", n))
		},
		"accepting an invitation, and leaving": func(ctx context.Context, n int) error {
			email := fmt.Sprintf("e%d@new.example", n)
			invited, err := services.Invitations.Invite(ctx, ada, invitation.InviteUsersInput{InstanceID: master, Role: tenant.Viewer, Emails: []string{email}})
			if err != nil {
				return err
			}
			if _, err := services.Invitations.Accept(ctx, w.User(email), invitation.AnswerInput{InvitationID: &invited.Results[0].InvitationID}); err != nil {
				return err
			}
			_, err = services.Memberships.Leave(ctx, w.User(email), membership.LeaveInstanceInput{InstanceID: master})
			return err
		},
		"changing a role, removing a member, and reinstating them": func(ctx context.Context, n int) error {
			_, err := services.Memberships.ChangeRole(ctx, ada, membership.ChangeMemberRoleInput{InstanceID: master, UserID: member(n + 5*perWrite), Role: tenant.Editor})
			if err == nil {
				_, err = services.Memberships.Remove(ctx, ada, membership.RemoveMemberInput{InstanceID: &master, UserID: member(n + 5*perWrite)})
			}
			if err == nil {
				_, err = services.Memberships.Reinstate(ctx, ada, membership.ReinstateMemberInput{InstanceID: &master, UserID: member(n + 5*perWrite)})
			}
			return err
		},
		"changing a role in an organization, removing a member, and reinstating them": func(ctx context.Context, n int) error {
			_, err := services.Memberships.ChangeOrganizationRole(ctx, mia, membership.ChangeOrganizationRoleInput{OrganizationID: organization, UserID: member(n + 8*perWrite), Role: tenant.Faculty})
			if err == nil {
				_, err = services.Memberships.Remove(ctx, mia, membership.RemoveMemberInput{OrganizationID: &organization, UserID: member(n + 8*perWrite)})
			}
			if err == nil {
				_, err = services.Memberships.Reinstate(ctx, mia, membership.ReinstateMemberInput{OrganizationID: &organization, UserID: member(n + 8*perWrite)})
			}
			return err
		},
		"leaving an organization": func(ctx context.Context, n int) error {
			_, err := services.Memberships.LeaveOrganization(ctx, w.User(fmt.Sprintf("%d@many.example", n+11*perWrite)), membership.LeaveOrganizationInput{OrganizationID: organization})
			return err
		},
		"a roster": func(ctx context.Context, n int) error {
			_, err := services.Rosters.Sync(ctx, ada, rosterOf(space, n, group))
			return err
		},
		"a roster that removes": func(ctx context.Context, n int) error {
			created, err := services.Spaces.Create(ctx, mia, spaces.CreateSpaceInput{OrganizationID: organization, Name: fmt.Sprint("Roster ", n)})
			if err != nil {
				return err
			}
			if _, err = services.Rosters.Sync(ctx, mia, rosterOf(created.Space.ID, n, globalid.ID{})); err != nil {
				return err
			}
			in := rosterOf(created.Space.ID, n+perWrite/2, globalid.ID{})
			in.Others, in.RemoveAtMost = roster.Remove, new(perWrite)
			_, err = services.Rosters.Sync(ctx, mia, in)
			return err
		},
		"creating, deleting and restoring an instance": func(ctx context.Context, n int) error {
			created, err := services.Instances.Create(ctx, ada, instance.CreateInstanceInput{SpaceID: space, Name: fmt.Sprint("New ", n)})
			if err != nil {
				return err
			}
			of := instance.InstanceInput{InstanceID: created.Instance.ID}
			if _, err := services.Instances.Delete(ctx, ada, of); err != nil {
				return err
			}
			_, err = services.Instances.Restore(ctx, ada, of)
			return err
		},
		"creating, deleting and restoring a space": func(ctx context.Context, n int) error {
			created, err := services.Spaces.Create(ctx, mia, spaces.CreateSpaceInput{OrganizationID: organization, Name: fmt.Sprint("New ", n)})
			if err != nil {
				return err
			}
			of := spaces.Input{SpaceID: created.Space.ID}
			if _, err := services.Spaces.Delete(ctx, mia, of); err != nil {
				return err
			}
			_, err = services.Spaces.Restore(ctx, mia, of)
			return err
		},
		"declining a request": func(ctx context.Context, n int) error {
			_, err := services.Requests.Decline(ctx, ada, request.DeclineRequestInput{RequestID: globalid.ID{Kind: globalid.Request, UUID: testID(w, 1_000_000+n+2*perWrite)}})
			return err
		},
		"asking for a role, and withdrawing": func(ctx context.Context, _ int) error {
			asked, err := services.Requests.RequestRole(ctx, vic, request.RequestRoleInput{InstanceID: &group, Role: tenant.InstanceEditor})
			if err == nil {
				_, err = services.Requests.Withdraw(ctx, vic, request.WithdrawRequestInput{RequestID: asked.Request.ID})
			}
			return err
		},
		"asking for a role in an organization, and declining": func(ctx context.Context, _ int) error {
			asked, err := services.Requests.RequestRole(ctx, ada, request.RequestRoleInput{OrganizationID: &organization, Role: tenant.OrganizationFaculty})
			if err == nil {
				_, err = services.Requests.Decline(ctx, mia, request.DeclineRequestInput{RequestID: asked.Request.ID})
			}
			return err
		},
	}
}

// rosterOf is a roster of people who are known, in an instance, if there is one, and in new
// ones.
func rosterOf(space globalid.ID, first int, id globalid.ID) roster.SyncRosterInput {
	in := roster.SyncRosterInput{SpaceID: space}
	for i := range perWrite {
		e := &roster.Entry{Email: fmt.Sprintf("%d@many.example", first+i), Role: tenant.Viewer, Instance: roster.Where{Joint: new("Team")}}
		switch {
		case i%3 == 0:
			e.Instance = roster.Where{Own: new("Homework of {name}")}
		case i%3 == 1 && id.Kind != "":
			e.Instance = roster.Where{ID: &id}
		}
		in.Entries = append(in.Entries, e)
	}
	return in
}

// useLink makes a link, invites by it a person and one who is invited already, and ends it.
func useLink(ctx context.Context, services *testworld.Services, ada tenant.User, in link.CreateInviteLinkInput, email string) error {
	in.Role, in.MaxUses, in.ExpiresAt = tenant.Viewer, 10, time.Now().Add(time.Hour)
	made, err := services.Links.Create(ctx, ada, in)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(*made.Link.URL, "#")
	for range 2 {
		if _, err := services.Links.Join(ctx, link.Caller{}, link.JoinByLinkInput{Token: token, Email: email}); err != nil {
			return err
		}
	}
	if _, err := services.Links.Refresh(ctx, ada, link.RefreshInviteLinkInput{LinkID: made.Link.ID}); err != nil {
		return err
	}
	_, err = services.Links.Revoke(ctx, ada, link.RevokeInviteLinkInput{LinkID: made.Link.ID})
	return err
}

// housekeepingOf returns housekeeping that finds nothing to do beside the lists of fill.
func housekeepingOf(db *postgres.DB, services *testworld.Services) map[string]func(context.Context, int) error {
	of := func(run func(context.Context) (int64, error)) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			_, err := run(ctx)
			return err
		}
	}
	const year = 366 * 24 * time.Hour
	return map[string]func(context.Context, int) error{
		"marking expired invitations":   of(func(ctx context.Context) (int64, error) { return invitation.MarkExpired(ctx, db) }),
		"deleting ended invitations":    of(func(ctx context.Context) (int64, error) { return invitation.DeleteEnded(ctx, db, year) }),
		"deleting uses of course links": of(func(ctx context.Context) (int64, error) { return link.DeleteUses(ctx, db, year) }),
		"deleting ended course links":   of(func(ctx context.Context) (int64, error) { return link.DeleteEnded(ctx, db, year) }),
		"ending memberships":            of(services.Memberships.EndDue),
		"reminding of ends":             of(services.Memberships.RemindDue),
		"forgetting reminders":          of(func(ctx context.Context) (int64, error) { return membership.DeleteReminders(ctx, db) }),
		"forgetting former members":     of(func(ctx context.Context) (int64, error) { return membership.DeleteEnded(ctx, db, year) }),
		"deleting resends":              of(func(ctx context.Context) (int64, error) { return invitation.DeleteOldResends(ctx, db) }),
		"deleting mails":                of(func(ctx context.Context) (int64, error) { return outbox.DeleteFinished(ctx, db, year) }),
		"deleting records of the trail": of(func(ctx context.Context) (int64, error) { return audit.DeleteOld(ctx, db, year) }),
		"deleting events":               of(func(ctx context.Context) (int64, error) { return event.DeleteOld(ctx, db) }),
		"deleting keys":                 of(func(ctx context.Context) (int64, error) { return idempotency.DeleteExpired(ctx, db) }),
		"deleting proofs":               of(func(ctx context.Context) (int64, error) { return account.DeleteOldProofs(ctx, db) }),
		"deleting requests":             of(func(ctx context.Context) (int64, error) { return request.DeleteEnded(ctx, db, year) }),
		"ending requests":               of(services.Requests.EndExpired),
		"naming instances": of(func(ctx context.Context) (int64, error) {
			n, _, err := instance.IndexNames(ctx, db)
			return n, err
		}),
		"purging spaces": of(func(ctx context.Context) (int64, error) {
			n, err := spaces.Purge(ctx, db, year)
			return int64(n), err
		}),
		"purging instances": of(func(ctx context.Context) (int64, error) {
			n, err := instance.Purge(ctx, db, year)
			return int64(n), err
		}),
	}
}

// fill makes lists of inLongLists rows in the space Econometrics 2026. Of its instances, Group 1
// has pending invitations, Master expired ones and Distributed those that were answered or
// revoked, but for the oldest ten of each other status; the space has all in turns. The
// requests in the space and about the organization are open, and those of Vic withdrawn, but
// for the oldest ten of each other status.
// Row n of a table has the id test_id(n); of invitations and requests, row n of each place
// has test_id(n + place * 1,000,000). Half as many rows elsewhere have greater ids, and half as many
// smaller ones.
func fill(w *testworld.World) {
	createFill(w)
	fillWith(w, 1, inLongLists)
}

// createFill creates what fillWith uses.
func createFill(w *testworld.World) {
	w.Exec(`create function test_id(n bigint) returns uuid language sql immutable as $$ select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$`)
	w.Exec(`create function other_id(n bigint, most int) returns uuid language sql immutable as $$ select (case when n < most / 2 then '00900000' else 'f1900000' end || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$`)
	w.Exec(`
		create function test_fill(first int, most int, in_space uuid, instances uuid[]) returns void language plpgsql set session_replication_role = replica as $$
		declare
			ada constant uuid := (select id from account where name = 'Ada');
			vic constant uuid := (select id from account where name = 'Vic');
			organization constant uuid := (select organization_id from space where id = in_space);
			statuses constant text[] := array['PENDING', 'EXPIRED', 'ACCEPTED', 'DECLINED', 'REVOKED'];
			requested constant text[] := array['OPEN', 'WITHDRAWN', 'APPROVED', 'DECLINED', 'EXPIRED'];
		begin
			insert into account (id, subject, email, email_key, name) select test_id(n), n, n || '@many.example', n || '@many.example', 'X' from generate_series(first, most) n;
			insert into address_holder (email_key, account_id) select email_key, id from account on conflict do nothing;
			insert into instance_member (instance_id, space_id, account_id, role) select instances[2], in_space, test_id(n), 'VIEWER' from generate_series(first, most) n;
			insert into organization_member (organization_id, account_id, role) select organization, test_id(n), 'MEMBER' from generate_series(first, most) n;
			insert into ended_membership (removal, account_id, instance_id, role, since, ended_by, reason)
			select test_id(n), test_id(n), instances[1], 'VIEWER', clock_timestamp(), ada, 'REMOVED' from generate_series(first, most) n;
			insert into space (id, organization_id, name) select test_id(n), organization, n::text from generate_series(first, most) n;
			insert into instance (id, space_id, name, kind) select test_id(n), test_id(n), n::text, 'WORKING' from generate_series(first, most) n;
			insert into instance_member (instance_id, space_id, account_id, role) select test_id(n), test_id(n), vic, 'VIEWER' from generate_series(first, most) n;
			insert into invitation (id, instance_id, space_id, organization_id, email, email_key, role, status, expired, token_hash, invited_by, expires_at, ended_at)
			select test_id(n + place * 1000000), instances[place], case when place = 4 then in_space end, case when place = 5 then organization end,
			       e, e, case when place < 4 then 'VIEWER' when place = 5 then 'MEMBER' end,
			       case status when 'EXPIRED' then 'PENDING' else status end, status = 'EXPIRED', sha256(e::bytea), case when n % 2 = 0 then ada else test_id(n) end,
			       clock_timestamp() + case when status = 'EXPIRED' then - interval '1 day' else interval '1 day' end, case when status not in ('PENDING', 'EXPIRED') then clock_timestamp() end
			from generate_series(1, 5) place, generate_series(first, most) n, lateral (
				select n || '.' || place || '@many.example', case when place > 3 or n <= 50 then statuses[n % 5 + 1] when place < 3 then statuses[place] else statuses[n % 3 + 3] end) x (e, status);
			insert into invite_link (id, space_id, instance_id, role, token_hash, created_by, expires_at, max_uses)
			select test_id(n), in_space, instances[1], 'VIEWER', sha256(n::text::bytea), ada, clock_timestamp() + interval '1 day', 10 from generate_series(first, most) n;
			insert into outbox (id, kind, subject_id, state, instance_id) select id, 'INVITATION', id, 'SENT', instance_id from invitation on conflict do nothing;
			insert into audit_log (id, action, actor_name, space_id, space_name) select test_id(n), 'INVITED', 'X', in_space, 'S' from generate_series(first, most) n;
			insert into audit_log (id, action, actor_name, organization_id, organization_name) select test_id(n + 5000000), 'INVITED', 'X', organization, 'O' from generate_series(first, most) n;
			insert into request (id, kind, space_id, instance_id, space_name, instance_name, requested_by, role, lasts_until, expires_at, status, ended_at, answered_by)
			select test_id(n + place * 1000000), 'ROLE', case place when 1 then in_space else test_id(n) end, case place when 1 then instances[1] else test_id(n) end, 'S', 'I',
			       case place when 1 then test_id(n) else vic end, 'INSTANCE_VIEWER', at, at, status, case when status <> 'OPEN' then at end, case when status in ('APPROVED', 'DECLINED') then ada end
			from generate_series(1, 2) place, generate_series(first, most) n, lateral (
				select clock_timestamp() + interval '1 day', case when n <= 50 then requested[n % 5 + 1] else requested[place] end) x (at, status);
			insert into request (id, kind, organization_id, organization_name, requested_by, role, lasts_until, expires_at, status, ended_at, answered_by)
			select test_id(n + 3 * 1000000), 'ROLE', organization, 'O', test_id(n), 'ORGANIZATION_FACULTY', at, at, status, case when status <> 'OPEN' then at end, case when status in ('APPROVED', 'DECLINED') then ada end
			from generate_series(first, most) n, lateral (
				select clock_timestamp() + interval '1 day', case when n <= 50 then requested[n % 5 + 1] else 'OPEN' end) x (at, status);
			insert into rate_limit (name, subject, untils, ns, until)
			select 'INVITATIONS_BY_SPACE', test_id(n), array[u], array[1], u from generate_series(first, most) n, lateral (select clock_timestamp() + interval '1 hour' as u) x;

			-- As much elsewhere, newer and older.
			insert into account (id, subject, email, email_key, name) select other_id(n, most), 'o' || n, n || '@other.example', n || '@other.example', 'X' from generate_series(first, most) n;
			insert into organization_member (organization_id, account_id, role) select test_id(1), other_id(n, most), 'MEMBER' from generate_series(first, most) n;
			insert into instance (id, space_id, name, kind) select other_id(n, most), test_id(1), 'o' || n, 'WORKING' from generate_series(first, most) n;
			insert into instance_member (instance_id, space_id, account_id, role) select test_id(1), test_id(1), other_id(n, most), 'VIEWER' from generate_series(first, most) n;
			insert into space (id, organization_id, name) select other_id(n, most), gen_random_uuid(), n::text from generate_series(first, most) n;
			insert into invitation (id, instance_id, space_id, email, email_key, role, expired, token_hash, invited_by, expires_at)
			select other_id(n, most), case when n % 4 < 2 then test_id(1) end, case when n % 4 > 1 then test_id(1) end, e, e, case when n % 4 < 2 then 'VIEWER' end, n % 2 = 0, sha256(e::bytea), ada, clock_timestamp() + (n % 2 - 0.5) * interval '1 year'
			from generate_series(first, most) n, lateral (select n || '@other.example' as e) x;
			insert into invite_link (id, space_id, instance_id, role, token_hash, created_by, expires_at, max_uses)
			select other_id(n, most), test_id(1), test_id(1), 'VIEWER', sha256(('o' || n)::bytea), test_id(n), clock_timestamp() + interval '1 day', 10 from generate_series(first, most) n;
			insert into outbox (id, kind, subject_id, state, instance_id, next_attempt_at)
			select id, 'INVITATION', id, 'QUEUED', instance_id, clock_timestamp() + interval '1 day' from invitation where instance_id = test_id(1) on conflict do nothing;
			insert into instance_member (instance_id, space_id, account_id, role) values (test_id(1), test_id(1), test_id(1), 'EDITOR') on conflict do nothing;
			insert into request (id, kind, space_id, instance_id, space_name, instance_name, requested_by, lasts_until, expires_at, status, ended_at)
			select other_id(n, most), 'RESTORE', test_id(1), test_id(1), 'S', 'I', other_id(n, most), at, at, status, case when status <> 'OPEN' then at end
			from generate_series(first, most) n, lateral (select clock_timestamp() + interval '1 day', case when n % 20 > 0 then 'OPEN' else 'EXPIRED' end) x (at, status);
			insert into request (id, kind, organization_id, organization_name, requested_by, role, lasts_until, expires_at, status, ended_at)
			select other_id(n + 5000000, case when n < most / 2 then 20000000 else 0 end), 'ROLE', test_id(1), 'O', other_id(n, most), 'ORGANIZATION_FACULTY', at, at, status, case when status <> 'OPEN' then at end
			from generate_series(first, most) n, lateral (select clock_timestamp() + interval '1 day', case when n % 20 > 0 then 'OPEN' else 'EXPIRED' end) x (at, status);
			insert into audit_log (id, action, actor_name, space_id, space_name) select other_id(n, most), 'INVITED', 'X', test_id(1), 'S' from generate_series(first, most) n;
			insert into audit_log (id, action, actor_name, organization_id, organization_name) select other_id(n + 5000000, case when n < most / 2 then 20000000 else 0 end), 'INVITED', 'X', test_id(1), 'O' from generate_series(first, most) n;
		end $$`)
}

// fillWith makes the rows of fill with some numbers.
func fillWith(w *testworld.World, first, last int) {
	w.Exec(`select test_fill($1, $2, $3, array[$4, $5, $6]::uuid[])`, first, last, w.Space(testworld.Econometrics).UUID,
		w.Instance("Group 1").UUID, w.Instance("Master").UUID, w.Instance("Distributed").UUID)
}
