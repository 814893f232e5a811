package audit

import (
	"fmt"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Every sentence of the trail. {role} and {other role} stand for each role that members
// have, and {role} in a sentence about the space for its administrator.
var summaries = []struct {
	action  Action
	request string
	want    string
}{
	{SpaceCreated, "", "Ada created the space Econometrics."},
	{InstanceCreated, "", "Ada created Group 1."},
	{SpaceDeleted, "", "Ada deleted the space Econometrics."},
	{SpaceRestored, "", "Ada restored the space Econometrics."},
	{SpacePurged, "", "Ada removed the space Econometrics permanently."},
	{InstanceDeleted, "", "Ada deleted Group 1."},
	{InstanceRestored, "", "Ada restored Group 1."},
	{InstancePurged, "", "Ada removed Group 1 permanently."},
	{InvitationSent, "", "Ada invited zoe@new.example to Group 1 as {role}."},
	{InvitationSent, "", "Ada invited zoe@new.example to Econometrics as {role}."},
	{InvitationRoleChanged, "", "Ada changed the role in the invitation of zoe@new.example to Group 1, to {role}."},
	{InvitationResent, "", "Ada sent the invitation of zoe@new.example to Group 1 again."},
	{InvitationResent, "", "Ada sent the invitation of zoe@new.example to Econometrics again."},
	{InvitationRevoked, "", "Ada revoked the invitation of zoe@new.example to Group 1."},
	{InvitationRevoked, "", "Ada revoked the invitation of zoe@new.example to Econometrics."},
	{InvitationTakenOver, "", "Ada took over the invitation of zoe@new.example to Group 1."},
	{InvitationTakenOver, "", "Ada took over the invitation of zoe@new.example to Econometrics."},
	{InvitationAccepted, "", "Ada accepted the invitation of zoe@new.example to Group 1 as {role}."},
	{InvitationAccepted, "", "Ada accepted the invitation of zoe@new.example to Econometrics as {role}."},
	{InvitationDeclined, "", "Ada declined the invitation of zoe@new.example to Group 1."},
	{InvitationDeclined, "", "Ada declined the invitation of zoe@new.example to Econometrics."},
	{MemberRoleChanged, "", "Ada changed Vic from {other role} to {role} of Group 1."},
	{MemberRemoved, "", "Ada removed Vic from Group 1."},
	{MemberRemoved, "", "Ada removed Vic from Econometrics."},
	{MemberEndChanged, "", "Ada changed until when Vic is {role} of Group 1."},
	{MemberExpired, "", "The time of Vic as {role} of Group 1 was over."},
	{MemberReinstated, "", "Ada reinstated Vic in Group 1."},
	{MemberReinstated, "", "Ada reinstated Vic in Econometrics."},
	{MemberLeft, "", "Ada left Group 1."},
	{RoleGranted, "", "Ada made Vic {role} of Group 1."},
	{RoleGranted, "", "Ada made Vic {role} of Econometrics."},
	{RosterSynced, "", "Ada set the roster of Econometrics: 1 invitation sent, 2 memberships ended."},
	{RequestMade, "ROLE", "Ada asked to be {role} of Group 1."},
	{RequestMade, "ROLE", "Ada asked to be {role} of Econometrics."},
	{RequestMade, "INVITATIONS", "Ada asked to have zoe@new.example invited to Group 1 as {role}."},
	{RequestMade, "RESTORE", "Ada asked to have Group 1 restored."},
	{RequestMade, "RESTORE", "Ada asked to have Econometrics restored."},
	{RequestApproved, "ROLE", "Ada approved the request of Vic to be {role} of Group 1."},
	{RequestApproved, "ROLE", "Ada approved the request of Vic to be {role} of Econometrics."},
	{RequestApproved, "INVITATIONS", "Ada approved the request of Vic to have zoe@new.example invited to Group 1 as {role}."},
	{RequestApproved, "RESTORE", "Ada approved the request of Vic to have Group 1 restored."},
	{RequestDeclined, "ROLE", "Ada declined the request of Vic to be {role} of Group 1."},
	{RequestDeclined, "ROLE", "Ada declined the request of Vic to be {role} of Econometrics."},
	{LinkCreated, "", "Ada made a course link to Group 1, for people to be {role}."},
	{LinkRefreshed, "", "Ada refreshed a course link to Group 1, for people to be {role}."},
	{LinkRevoked, "", "Ada revoked a course link to Group 1."},
	{LinkRevoked, "", "Ada revoked a course link to Econometrics."},
	{LinkUsed, "", "Ada gave zoe@new.example at a course link to Group 1, and the address was invited as {role}."},
	{RequestDeclined, "INVITATIONS", "Ada declined the request of Vic to have zoe@new.example invited to Group 1 as {role}."},
	{RequestDeclined, "RESTORE", "Ada declined the request of Vic to have Group 1 restored."},
	{RequestWithdrawn, "ROLE", "Ada withdrew the request to be {role} of Group 1."},
	{RequestWithdrawn, "ROLE", "Ada withdrew the request to be {role} of Econometrics."},
	{RequestWithdrawn, "INVITATIONS", "Ada withdrew the request to have zoe@new.example invited to Group 1 as {role}."},
	{RequestWithdrawn, "RESTORE", "Ada withdrew the request to have Group 1 restored."},
	{RequestExpired, "ROLE", "The request of Vic to be {role} of Group 1 expired."},
	{RequestExpired, "ROLE", "The request of Vic to be {role} of Econometrics expired."},
	{RequestExpired, "INVITATIONS", "The request of Vic to have zoe@new.example invited to Group 1 as {role} expired."},
	{RequestExpired, "RESTORE", "The request of Vic to have Group 1 restored expired."},
}

func TestSummaryOfEveryActionAndRole(t *testing.T) {
	t.Parallel()
	check := func(e Entry, want string) {
		t.Helper()
		if got := e.Summary(); got != want {
			t.Errorf("%s: %q, want %q", e.Action, got, want)
		}
	}
	tested := map[string]bool{}
	for _, test := range summaries {
		tested[string(test.action)+test.request] = true
		e := Entry{Action: test.action, ActorName: "Ada", SpaceName: "Econometrics", UserName: new("Vic"), Emails: []string{"zoe@new.example"}, Roster: &Roster{Changes: []RosterChange{{Kind: RosterRemoved}, {Kind: RosterInvited}, {Kind: RosterRemoved}}}}
		if test.request != "" {
			e.Request = &test.request
		}
		if !strings.Contains(test.want, "Group 1") {
			check(e, strings.ReplaceAll(test.want, "{role}", "an administrator"))
			continue
		}
		e.InstanceName = new("Group 1")
		for _, role := range tenant.AllInstanceRoles() {
			for _, other := range tenant.AllInstanceRoles() {
				e.Role, e.PreviousRole = &role, &other
				check(e, strings.NewReplacer("{role}", role.Role().Noun(), "{other role}", other.Role().Noun()).Replace(test.want))
			}
		}
	}
	for _, action := range Actions {
		kinds := map[string]string{"": ""}
		if strings.Contains(sentences[action], "{request}") {
			kinds = requestPhrases
		}
		for kind := range kinds {
			if !tested[string(action)+kind] {
				t.Errorf("%s %s is not tested", action, kind)
			}
		}
	}
}

// An action without a sentence, or a sentence without an action, cannot be released.
func TestEveryActionHasASentence(t *testing.T) {
	t.Parallel()
	for _, action := range Actions {
		if sentences[action] == "" {
			t.Errorf("%s has none", action)
		}
	}
	if len(sentences) != len(Actions) {
		t.Errorf("%d sentences for %d actions", len(sentences), len(Actions))
	}
}

func TestSummaryNamesThreeAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		emails []string
		more   int
		want   string
	}{
		{[]string{"a@x.example"}, 0, "Ada revoked the invitation of a@x.example to Econometrics."},
		{[]string{"a@x.example", "b@x.example"}, 0, "Ada revoked the invitations of a@x.example, b@x.example to Econometrics."},
		{[]string{"a@x.example", "b@x.example", "c@x.example"}, 0, "Ada revoked the invitations of a@x.example, b@x.example, c@x.example to Econometrics."},
		{[]string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}, 0, "Ada revoked the invitations of a@x.example, b@x.example, c@x.example, 1 more to Econometrics."},
		{[]string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}, 90, "Ada revoked the invitations of a@x.example, b@x.example, c@x.example, 91 more to Econometrics."},
		{[]string{"a@x.example"}, 2, "Ada revoked the invitation of a@x.example, 2 more to Econometrics."},
	} {
		e := Entry{Action: InvitationRevoked, ActorName: "Ada", SpaceName: "Econometrics", Emails: test.emails, MoreEmails: test.more}
		if got := e.Summary(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// Names that look like placeholders stay as they are.
func TestSummaryDoesNotReplaceWithinNames(t *testing.T) {
	t.Parallel()
	e := Entry{Action: MemberRemoved, ActorName: "{user}", SpaceName: "{actor} {request}", UserName: new("{emails}"), Emails: []string{"zoe@new.example"}}
	if got, want := e.Summary(), "{user} removed {emails} from {actor} {request}."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Newer gateways may write actions and kinds of requests that this one does not know.
func TestSummaryOfAnUnknownActionIsItsName(t *testing.T) {
	t.Parallel()
	for _, e := range []Entry{
		{Action: "SPACE_ARCHIVED", ActorName: "Ada", SpaceName: "Econometrics"},
		{Action: RequestMade, ActorName: "Ada", SpaceName: "Econometrics", Request: new("ADDRESS")},
		{Action: RequestMade, ActorName: "Ada", SpaceName: "Econometrics"},
	} {
		if got, want := e.Summary(), "Ada: "+string(e.Action); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRosterRecords(t *testing.T) {
	t.Parallel()
	actor, space := access.Actor{}, &tenant.Space{Name: "Econometrics"}
	emails, changes := make([]string, 2*MaxRosterChanges+1), make([]RosterChange, 2*MaxRosterChanges+1)
	for i := range emails {
		emails[i], changes[i] = fmt.Sprint(i), RosterChange{Kind: RosterInvited, InstanceName: fmt.Sprint(i)}
	}
	for _, c := range []struct {
		n, created int
		want       []int
	}{{0, 0, nil}, {0, 2, []int{0}}, {1, 0, []int{1}}, {1000, 1, []int{1000}}, {2001, 2, []int{1000, 1000, 1}}} {
		records := NewRosterRecords(actor, space, emails[:c.n], changes[:c.n], make([]string, c.created))
		if len(records) != len(c.want) {
			t.Fatalf("%d records of %d changes", len(records), c.n)
		}
		next, created := 0, 0
		for i, r := range records {
			created += len(r.Roster.CreatedInstances)
			listed := (&Entry{Emails: r.Emails, Roster: r.Roster}).RosterChanges().Changes
			if len(listed) != c.want[i] {
				t.Errorf("record %d has %d changes", i, len(listed))
			}
			for _, l := range listed {
				if l.Email != fmt.Sprint(next) || l.InstanceName != l.Email {
					t.Fatalf("%+v stands at %d", l, next)
				}
				next++
			}
		}
		if next != c.n || created != c.created {
			t.Errorf("%d of %d changes, and %d of %d instances", next, c.n, created, c.created)
		}
	}
	if got := (&Entry{}).RosterChanges(); got != nil {
		t.Errorf("another action has %+v", got)
	}
}
