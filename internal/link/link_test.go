package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

type world struct {
	*testworld.World
	*testworld.Services
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := testworld.New(t)
	return &world{w, w.Services(), t}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// create makes a link of Ada's to an instance, for viewers and for an hour.
func (w *world) create(instance string, maxUses int, domains ...string) *link.Link {
	w.t.Helper()
	id := w.Instance(instance)
	payload, err := w.Links.Create(w.t.Context(), w.User("ada"), link.CreateInviteLinkInput{
		InstanceID: &id, Role: tenant.Viewer, ExpiresAt: time.Now().Add(time.Hour), MaxUses: maxUses, AllowedDomains: domains})
	w.must(err)
	return payload.Link
}

// createOwn makes a link of Ada's to own instances.
func (w *world) createOwn(name string, maxUses int) *link.Link {
	w.t.Helper()
	id := w.Space(testworld.Econometrics)
	payload, err := w.Links.Create(w.t.Context(), w.User("ada"), link.CreateInviteLinkInput{
		SpaceID: &id, OwnInstanceName: &name, Role: tenant.Editor, ExpiresAt: time.Now().Add(time.Hour), MaxUses: maxUses})
	w.must(err)
	return payload.Link
}

func tokenOf(l *link.Link) string {
	_, token, _ := strings.Cut(*l.URL, "#")
	return token
}

// join gives an address at a link, and returns what a stranger learns. Everybody is another
// client.
func (w *world) join(l *link.Link, email string) string {
	w.t.Helper()
	return w.joinAs(link.Caller{Client: email}, l, email, nil)
}

func (w *world) joinAs(by link.Caller, l *link.Link, email string, key *string) string {
	w.t.Helper()
	payload, err := w.Links.Join(w.t.Context(), by, link.JoinByLinkInput{Token: tokenOf(l), Email: email, IdempotencyKey: key})
	if err != nil {
		return testworld.Refusal(err)
	}
	return "sent to " + payload.Email
}

func (w *world) wantJoin(l *link.Link, email, want string) {
	w.t.Helper()
	if got := w.join(l, email); got != want {
		w.t.Errorf("%s: %s, want %s", email, got, want)
	}
}

// now reads a link as Ada sees it.
func (w *world) now(l *link.Link) *link.Link {
	w.t.Helper()
	space := w.Space(testworld.Econometrics)
	lists, err := w.Links.List(w.t.Context(), []globalid.ID{space}, relay.Page{First: 100})
	w.must(err)
	for _, n := range lists[space].Nodes {
		if n.ID == l.ID {
			return n
		}
	}
	w.t.Fatalf("%s is not in the list", l.ID)
	return nil
}

// wantState checks the state that administrators see, and that strangers see no link but
// an open one.
func (w *world) wantState(l *link.Link, state link.State, uses int) {
	w.t.Helper()
	if n := w.now(l); n.State != state || *n.Uses != uses {
		w.t.Errorf("the link is %s with %d uses, want %s with %d", n.State, *n.Uses, state, uses)
	}
	seen, err := w.Links.ByToken(w.t.Context(), tokenOf(l))
	if err != nil || (seen != nil) != (state == link.Open) {
		w.t.Errorf("a stranger sees %+v of a link that is %s, %v", seen, state, err)
	}
	if state != link.Open {
		w.wantJoin(l, "stranger@new.example", "NOT_FOUND")
	}
}

// remove removes a person from a space, and returns the refusal.
func (w *world) remove(by string, person tenant.User, space globalid.ID) string {
	w.t.Helper()
	_, err := w.Memberships.Remove(w.t.Context(), w.User(by), membership.RemoveMemberInput{UserID: person.ID, SpaceID: &space})
	return testworld.Refusal(err)
}

func (w *world) mailsTo(email string) (n int) {
	w.t.Helper()
	for _, m := range w.Mails() {
		if m.To == email {
			n++
		}
	}
	return n
}

// The way of a student from the slide to the instance.
func TestALinkInvitesInTheNameOfWhoMadeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.create("Group 1", 2, "@New.Example", "new.example")
	if want := testworld.PublicURL + "/app/join#"; !strings.HasPrefix(*l.URL, want) || len(tokenOf(l)) != 43 {
		t.Errorf("the address is %s", *l.URL)
	}
	seen, err := w.Links.ByToken(t.Context(), tokenOf(l)+").")
	w.must(err)
	type public struct {
		Space      invitation.SpaceSummary
		Instance   string
		Own        bool
		Role       tenant.InstanceRole
		Inviter    string
		Domains    []string
		Restricted []any
	}
	got := public{*seen.Space, *seen.InstanceName, seen.OwnInstance, seen.Role, seen.InviterName, seen.AllowedDomains, nil}
	want := public{invitation.SpaceSummary{Name: testworld.Econometrics, OrganizationName: "University of Example"}, "Group 1", false, tenant.Viewer, "Ada", []string{"new.example"}, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if seen.URL != nil || seen.Uses != nil || seen.MaxUses != nil || seen.CreatedBy != nil || seen.CreatedAt != nil {
		t.Errorf("a stranger sees what administrators see: %+v", seen)
	}

	w.wantJoin(l, "Zoe <zoe@new.example>", "sent to zoe@new.example")
	w.wantJoin(l, "ZOE@new.example", "sent to ZOE@new.example") // again
	w.wantState(l, link.Open, 1)
	zoe := w.User("zoe@new.example")
	if n := w.mailsTo(zoe.Email); n != 1 {
		t.Fatalf("%d mails", n)
	}
	if text := w.Mails()[0].Text; !strings.Contains(text, "Your address was entered at a course link of Ada, by you or by somebody else.") {
		t.Errorf("the mail says %s", text)
	}
	token := w.Token(zoe.Email)
	accepted, err := w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: &token})
	w.must(err)
	if accepted.Invitation.InvitedBy.Name != "Ada" || w.RoleOf(zoe, w.Instance("Group 1")) != "INSTANCE_VIEWER" {
		t.Errorf("%+v", accepted.Invitation)
	}
	if diff := cmp.Diff([]string{"Ada LINK_CREATED Group 1", "Somebody LINK_USED Group 1", "Zoe INVITATION_ACCEPTED Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
}

// The answer is the same for every address, and each uses the link once. Nobody gets a
// second mail or another role.
func TestEveryAddressIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, group1 := w.User("ada"), w.Instance("Group 1")
	l := w.create("Group 1", 100)
	invite := func(role tenant.InstanceRole, email string) {
		t.Helper()
		_, err := w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: group1, Role: role, Emails: []string{email}})
		w.must(err)
	}
	invite(tenant.Editor, "invited@new.example")
	invite(tenant.Viewer, "refusing@new.example")
	_, err := w.Invitations.Refuse(t.Context(), nil, invitation.RefuseInvitationsInput{Token: w.Token("refusing@new.example")})
	w.must(err)
	w.Links.Invitations.Limits.ByAddress = 0
	w.wantJoin(l, "overwhelmed@new.example", "sent to overwhelmed@new.example") // its mailbox is at the limit of mails
	w.Links.Invitations.Limits.ByAddress = 20
	for n, email := range []string{"vic@uni.example", "ed@uni.example", "ada@uni.example", "invited@new.example", "refusing@new.example", "new@new.example"} {
		for range 2 {
			w.wantJoin(l, email, "sent to "+email)
			w.wantState(l, link.Open, 2+n)
		}
	}
	for email, want := range map[string]int{"vic@uni.example": 0, "invited@new.example": 1, "refusing@new.example": 1, "new@new.example": 1, "overwhelmed@new.example": 0} {
		if got := w.mailsTo(email); got != want {
			t.Errorf("%d mails to %s, want %d", got, email, want)
		}
	}
	if role := w.Text(`select role from invitation where email = 'invited@new.example'`); role != "EDITOR" {
		t.Errorf("a stranger changed the role of an invitation to %s", role)
	}
	if n := w.Number(`select count(*) from invitation where email not in ('invited@new.example', 'refusing@new.example', 'new@new.example')`); n != 0 {
		t.Errorf("%d made-up addresses are invited", n)
	}
	// An invitation that nobody can accept, because its inviter has left, stays so.
	berta, space := w.User("berta"), w.Space(testworld.Econometrics)
	w.Grant(berta, tenant.SpaceAdministrator, space)
	_, err = w.Invitations.Invite(t.Context(), berta, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Editor, Emails: []string{"stuck@new.example"}})
	w.must(err)
	w.Revoke(berta, space)
	trail := len(w.Trail())
	w.wantJoin(l, "stuck@new.example", "sent to stuck@new.example")
	if got := w.Text(`select a.name || ' ' || v.role from invitation v join account a on a.id = v.invited_by where v.email = 'stuck@new.example'`); got != "Berta EDITOR" {
		t.Errorf("the invitation is of %s", got)
	}
	if n := w.mailsTo("stuck@new.example"); n != 1 || len(w.Trail()) != trail {
		t.Errorf("%d mails, and the trail has %v", n, w.Trail())
	}
	// An expired invitation is renewed.
	w.Advance(31 * 24 * time.Hour)
	_, err = w.Links.Refresh(t.Context(), ada, link.RefreshInviteLinkInput{LinkID: l.ID})
	w.must(err)
	w.wantJoin(l, "invited@new.example", "sent to invited@new.example")
	w.wantState(l, link.Open, 1)
	if n := w.mailsTo("invited@new.example"); n != 2 {
		t.Errorf("%d mails", n)
	}
}

func TestWhatIsWrongWithAnAddressIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.create("Group 1", 10, "uni.example", "Bücher.example")
	w.wantJoin(l, "zoe@.uni.example", "INVALID_EMAIL DOMAIN_LABEL_EMPTY")
	w.wantJoin(l, "zoe@new.example", "INVALID_EMAIL DOMAIN_NOT_ALLOWED")
	w.wantJoin(l, "zoe@students.uni.example", "INVALID_EMAIL DOMAIN_NOT_ALLOWED")
	w.wantJoin(l, "zoe@UNI.example", "sent to zoe@uni.example")
	w.wantJoin(l, "zoe@xn--bcher-kva.example", "sent to zoe@bücher.example")
	w.wantState(l, link.Open, 2)
	// Tags do not keep the person without one out.
	w.Links.Limits.ByAddress = 2
	for _, email := range []string{"yan+1@uni.example", "yan+2@uni.example", "yan+3@uni.example", "yan@uni.example"} {
		w.wantJoin(l, email, "sent to "+email)
	}
	if n := w.mailsTo("yan@uni.example"); n != 1 {
		t.Errorf("%d mails", n)
	}
	// An address that is given too often is sent nothing more.
	for n, want := range []int{1, 2, 2} {
		w.wantJoin(l, "wil@uni.example", "sent to wil@uni.example")
		if got := w.mailsTo("wil@uni.example"); got != want {
			t.Errorf("after %d times %d mails", n, got)
		}
		w.Exec(`update invitation set status = 'DECLINED' where email = 'wil@uni.example' and status = 'PENDING'`)
	}
	w.wantState(l, link.Open, 7)
	w.Links.Limits.ByLink = 1
	w.wantJoin(l, "x@uni.example", "RATE_LIMITED JOINS_BY_LINK")
	w.Links.Limits.ByLink = 1000
	// A limit of inviting stops all alike.
	w.Links.Invitations.Limits.BySpace = 0
	for _, email := range []string{"x@uni.example", "vic@uni.example"} {
		w.wantJoin(l, email, "RATE_LIMITED JOINS_BY_LINK")
	}
}

// Administrators are told why a link is not open; strangers see no difference.
func TestStatesOfALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.User("ada")
	l, own := w.create("Group 1", 1), w.createOwn("Work", 1)
	w.wantState(l, link.Open, 0)
	w.DeleteInstance(w.Instance("Group 1"), ada)
	w.wantState(l, link.InstanceDeleted, 0)
	w.wantState(own, link.Open, 0)
	w.DeleteSpace(w.Space(testworld.Econometrics), ada)
	w.wantState(l, link.SpaceDeleted, 0)
	w.wantState(own, link.SpaceDeleted, 0)
	w.Exec(`update space set deleted_at = null, deleted_by = null, restorable_until = null`)
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where name = 'Group 1'`)
	w.wantState(l, link.Open, 0)
	w.wantJoin(l, "zoe@new.example", "sent to zoe@new.example")
	w.wantState(l, link.UsedUp, 1)

	// Ada leaves, and Berta takes the link over.
	berta, space := w.User("berta"), w.Space(testworld.Econometrics)
	w.Grant(berta, tenant.SpaceAdministrator, space)
	if refusal := w.remove("berta", ada, space); refusal != "" {
		t.Fatal(refusal)
	}
	w.wantState(l, link.InviterLeft, 1)
	w.wantState(own, link.InviterLeft, 0)
	refreshed, err := w.Links.Refresh(t.Context(), berta, link.RefreshInviteLinkInput{LinkID: l.ID, MaxUses: new(2), AllowedDomains: &[]string{"new.example"}})
	w.must(err)
	if *refreshed.Link.URL != *l.URL || refreshed.Link.InviterName != "Berta" || *refreshed.Link.MaxUses != 2 || len(refreshed.Link.AllowedDomains) != 1 {
		t.Errorf("%+v", refreshed.Link)
	}
	w.wantState(l, link.Open, 0)
	w.wantJoin(l, "yan@new.example", "sent to yan@new.example")
	if by := w.Text(`select a.name from invitation v join account a on a.id = v.invited_by where v.email = 'yan@new.example'`); by != "Berta" {
		t.Errorf("%s invites", by)
	}

	// It is open for as long again as it was, and then ends.
	w.Advance(61 * time.Minute)
	w.wantState(l, link.Expired, 1)
	_, err = w.Links.Refresh(t.Context(), berta, link.RefreshInviteLinkInput{LinkID: l.ID})
	w.must(err)
	w.Advance(59 * time.Minute)
	w.wantState(l, link.Open, 0)

	// Revoking is final.
	for _, want := range []bool{true, false} {
		revoked, err := w.Links.Revoke(t.Context(), berta, link.RevokeInviteLinkInput{LinkID: l.ID})
		if err != nil || revoked.Revoked != want || revoked.Link.State != link.Revoked {
			t.Errorf("%+v, %v", revoked, err)
		}
	}
	w.wantState(l, link.Revoked, 0)
	if _, err := w.Links.Refresh(t.Context(), berta, link.RefreshInviteLinkInput{LinkID: l.ID}); testworld.Refusal(err) != "CONFLICT LINK_REVOKED" {
		t.Error(err)
	}
	// What has ended is deleted some time later.
	for i, want := range []string{"Group 1", "Group 1", ""} { // the other one has expired two hours ago
		used, err := link.DeleteUses(t.Context(), w.DB, time.Hour)
		if w.must(err); (used == 2) != (i == 2) {
			t.Errorf("%d uses deleted", used)
		}
		if n, err := link.DeleteEnded(t.Context(), w.DB, time.Hour); (n == 1) != (i != 1) || err != nil {
			t.Errorf("%d deleted, %v", n, err)
		}
		if got := w.Text(`select coalesce(string_agg(i.name, ' '), '') from invite_link l left join instance i on i.id = l.instance_id`); got != want {
			t.Errorf("a link to %q is left, want %q", got, want)
		}
		if i == 1 {
			w.Advance(time.Hour)
		}
	}
}

// Everybody gets an own instance, once.
func TestALinkToOwnInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, space := w.createOwn("Work", 3), w.Space(testworld.Econometrics)
	w.NewInstance(space, "WORK 1")
	w.NewInstance(space, "Work of all")
	for range 2 {
		w.wantJoin(l, "zoe@new.example", "sent to zoe@new.example")
	}
	w.wantJoin(l, "ada@uni.example", "sent to ada@uni.example") // an administrator
	w.wantState(l, link.Open, 2)
	names := func() []string {
		return w.Lines(`select name from instance where kind = 'WORKING' and name not like 'Group%' order by id`)
	}
	if diff := cmp.Diff([]string{"WORK 1", "Work of all", "Work 2"}, names()); diff != "" {
		t.Error(diff)
	}
	zoe, token := w.User("zoe@new.example"), w.Token("zoe@new.example")
	// A declined invitation is made again, to the same instance.
	_, err := w.Invitations.Decline(t.Context(), zoe, invitation.AnswerInput{Token: &token})
	w.must(err)
	w.wantJoin(l, "zoe@new.example", "sent to zoe@new.example")
	w.wantState(l, link.Open, 2)
	// Also when the link is refreshed, and the invitation is deleted after its retention.
	_, err = w.Links.Refresh(t.Context(), w.User("ada"), link.RefreshInviteLinkInput{LinkID: l.ID})
	w.must(err)
	token = w.Token("zoe@new.example")
	_, err = w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: &token})
	w.must(err)
	if got := w.RoleOf(zoe, w.Instance("Work 2")); got != "INSTANCE_EDITOR" {
		t.Errorf("Zoe is %q", got)
	}
	w.Exec(`delete from invitation where email = 'zoe@new.example'`)
	w.wantJoin(l, "zoe@new.example", "sent to zoe@new.example")
	// A deleted own instance is not replaced.
	w.DeleteInstance(w.Instance("Work 2"), zoe)
	w.wantJoin(l, "zoe@new.example", "sent to zoe@new.example")
	w.wantJoin(l, "yan@new.example", "sent to yan@new.example")
	w.wantState(l, link.Open, 2)
	if diff := cmp.Diff([]string{"WORK 1", "Work of all", "Work 2", "Work 3"}, names()); diff != "" {
		t.Error(diff)
	}
}

func TestWhoMayAndWhatIsValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.create("Group 1", 1)
	soon := time.Now().Add(time.Hour)
	create := func(who, instance string, expires time.Time) string {
		id := w.Instance(instance)
		_, err := w.Links.Create(t.Context(), w.User(who), link.CreateInviteLinkInput{InstanceID: &id, Role: tenant.Viewer, ExpiresAt: expires, MaxUses: 1})
		return testworld.Refusal(err)
	}
	for _, c := range []struct {
		who, instance string
		expires       time.Time
		want          string
	}{
		{"rita", "Group 1", soon, "NOT_FOUND"},
		{"ed", "Group 1", soon, "FORBIDDEN"},
		{"mia", "Group 1", soon, "FORBIDDEN"},
		{"ada", "Distributed", soon, "INSTANCE_DISTRIBUTED"},
		{"ada", "Group 2", soon, "INSTANCE_DELETED"},
		{"ada", "Group 1", time.Now().Add(-time.Second), "BAD_USER_INPUT"},
		{"ada", "Group 1", time.Now().Add(50 * time.Second), "BAD_USER_INPUT"},
		{"ada", "Group 1", time.Now().Add(367 * 24 * time.Hour), "BAD_USER_INPUT"},
		{"ada", "Master", soon, ""},
	} {
		if got := create(c.who, c.instance, c.expires); got != c.want {
			t.Errorf("%s makes a link to %s: %s, want %s", c.who, c.instance, got, c.want)
		}
	}
	for who, want := range map[string]string{"rita": "NOT_FOUND", "sam": "NOT_FOUND", "ed": "FORBIDDEN"} {
		_, refreshing := w.Links.Refresh(t.Context(), w.User(who), link.RefreshInviteLinkInput{LinkID: l.ID})
		_, revoking := w.Links.Revoke(t.Context(), w.User(who), link.RevokeInviteLinkInput{LinkID: l.ID})
		if got := []string{testworld.Refusal(refreshing), testworld.Refusal(revoking)}; got[0] != want || got[1] != want {
			t.Errorf("%s: %q, want %s", who, got, want)
		}
	}
	// The same key, the same link.
	id := w.Instance("Group 1")
	in := link.CreateInviteLinkInput{InstanceID: &id, Role: tenant.Viewer, ExpiresAt: soon, MaxUses: 1, IdempotencyKey: new("k")}
	first, err := w.Links.Create(t.Context(), w.User("ada"), in)
	w.must(err)
	w.Advance(2 * time.Hour)
	again, err := w.Links.Create(t.Context(), w.User("ada"), in)
	if err != nil || again.Link.ID != first.Link.ID || again.Link.State != link.Expired {
		t.Errorf("%+v, %v", again.Link, err)
	}
	// With another key the addresses cannot be shown again. They still work.
	w.Links.HashKey = keyedhash.New([]byte("another"), "")
	open := w.create("Group 1", 1)
	w.Links.HashKey = keyedhash.Key{}
	if n := w.now(open); n.URL != nil || n.State != link.Open {
		t.Errorf("%+v", n)
	}
	w.wantJoin(open, "zoe@new.example", "sent to zoe@new.example")

	for name, in := range map[string]link.CreateInviteLinkInput{
		"no place":           {MaxUses: 1},
		"two places":         {InstanceID: &id, SpaceID: &id, MaxUses: 1},
		"a name for one":     {InstanceID: &id, MaxUses: 1, OwnInstanceName: new("Work")},
		"an empty name":      {SpaceID: &id, MaxUses: 1, OwnInstanceName: new(" ")},
		"no use":             {InstanceID: &id},
		"too many uses":      {InstanceID: &id, MaxUses: 10_001},
		"too many domains":   {InstanceID: &id, MaxUses: 1, AllowedDomains: make([]string, 21)},
		"no domain":          {InstanceID: &id, MaxUses: 1, AllowedDomains: []string{"uni..example"}},
		"a domain and more":  {InstanceID: &id, MaxUses: 1, AllowedDomains: []string{"a@uni.example"}},
		"an unprintable key": {InstanceID: &id, MaxUses: 1, IdempotencyKey: new("\x00")},
	} {
		if faults := in.Validate(); len(faults) != 1 || faults[0].Code != "BAD_USER_INPUT" {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// Strangers can neither use up a link nor close it for others, and nobody but the link and
// the space is charged for what they do.
func TestNobodyUsesUpALinkAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Links.Limits = link.Limits{ByLink: 20, ByClient: 3, ByAddress: 5}
	w.Invitations.Limits.ByPerson = 1
	l, ed := w.create("Group 1", 20, "new.example"), w.User("ed")
	stranger := link.Caller{Client: "192.0.2.1"}
	// Of addresses that are not valid, nothing counts for the others.
	for n := range 12 {
		email, want := fmt.Sprintf("p%d@else.example", n), "INVALID_EMAIL DOMAIN_NOT_ALLOWED"
		if n == 1 {
			email, want = "p@.new.example", "INVALID_EMAIL DOMAIN_LABEL_EMPTY"
		}
		if n >= 10 {
			want = "RATE_LIMITED JOINS_BY_CLIENT" // half of the uses
		}
		if got := w.joinAs(stranger, l, email, nil); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if n := w.Number(`select count(*) from rate_limit where name = 'JOINS_BY_LINK'`); n != 0 {
		t.Error("addresses that are not valid are charged to the link")
	}
	another := link.Caller{Client: "192.0.2.2"}
	for n := range 15 {
		email := fmt.Sprintf("q%d@new.example", n)
		want := "sent to " + email
		if n >= 10 {
			want = "RATE_LIMITED JOINS_BY_CLIENT"
		}
		if got := w.joinAs(another, l, email, nil); got != want {
			t.Errorf("%s: %s, want %s", email, got, want)
		}
	}
	w.wantState(l, link.Open, 10)
	// People who are signed in are counted each by themselves, wherever they are.
	for n := range 5 {
		email := fmt.Sprintf("r%d@new.example", n)
		want := "sent to " + email
		if n >= 3 {
			want = "RATE_LIMITED JOINS_BY_CLIENT"
		}
		if got := w.joinAs(link.Caller{Actor: &ed, Client: "192.0.2.2"}, l, email, nil); got != want {
			t.Errorf("%s: %s, want %s", email, got, want)
		}
	}
	w.wantJoin(l, "student@new.example", "sent to student@new.example")
	if got, want := w.Lines(`select actor_name from audit_log where action = 'LINK_USED' order by id desc limit 2`), []string{"Somebody", "Ed"}; !slices.Equal(got, want) {
		t.Errorf("the trail says %q, want %q", got, want)
	}
	// Ada's own allowance is untouched.
	_, err := w.Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{"s@new.example"}})
	w.must(err)
}

// The last use is used by any address, and the request that was answered can be repeated.
func TestTheLastUseSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, by := "k", link.Caller{Client: "192.0.2.1"}
	for _, email := range []string{"vic@uni.example", "zoe@new.example"} {
		l := w.create("Group 1", 1)
		for range 2 {
			if got := w.joinAs(by, l, email, &key); got != "sent to "+email {
				t.Errorf("%s: %s", email, got)
			}
			w.wantState(l, link.UsedUp, 1)
		}
		for what, got := range map[string]string{
			"another key":     w.joinAs(by, l, email, new("k2")),
			"no key":          w.joinAs(by, l, email, nil),
			"another address": w.joinAs(by, l, "yan@new.example", &key),
		} {
			if got != "NOT_FOUND" {
				t.Errorf("%s, %s: %s", email, what, got)
			}
		}
	}
	if n := w.mailsTo("zoe@new.example"); n != 1 {
		t.Errorf("%d mails", n)
	}
	if n := w.Number(`select count(*) from invite_link_use`); n != 2 {
		t.Errorf("%d uses", n)
	}
}

// Who was removed, or whose invitation was revoked, does not come back before the link is
// refreshed. A person who has left does.
func TestALinkBringsNobodyBackWhoWasRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, group1, space := w.User("ada"), w.Instance("Group 1"), w.Space(testworld.Econometrics)
	l, own := w.create("Group 1", 100), w.createOwn("Work", 100)
	for _, email := range []string{"revoked@new.example", "removed@new.example", "left@new.example", "gone@new.example"} {
		w.wantJoin(l, email, "sent to "+email)
	}
	accept := func(email string) tenant.User {
		t.Helper()
		u, token := w.User(email), w.Token(email)
		_, err := w.Invitations.Accept(t.Context(), u, invitation.AnswerInput{Token: &token})
		w.must(err)
		return u
	}
	_, err := w.Invitations.Revoke(t.Context(), ada, invitation.SelectionInput{InvitationIDs: []globalid.ID{w.Invitation("revoked@new.example")}})
	w.must(err)
	_, err = w.Memberships.Remove(t.Context(), ada, membership.RemoveMemberInput{UserID: accept("removed@new.example").ID, InstanceID: &group1})
	w.must(err)
	_, err = w.Memberships.Leave(t.Context(), accept("left@new.example"), membership.LeaveInstanceInput{InstanceID: group1})
	w.must(err)
	gone := accept("gone@new.example")
	w.Grant(w.User("berta"), tenant.SpaceAdministrator, space)
	w.Grant(gone, tenant.SpaceAdministrator, space)
	if refusal := w.remove("ada", gone, space); refusal != "" {
		t.Fatal(refusal)
	}
	w.wantJoin(own, "evil@new.example", "sent to evil@new.example")
	_, err = w.Invitations.Revoke(t.Context(), ada, invitation.SelectionInput{InvitationIDs: []globalid.ID{w.Invitation("evil@new.example")}})
	w.must(err)
	pending := func() []string {
		return w.Lines(`select email from invitation where status = 'PENDING' order by email`)
	}
	again := func() {
		t.Helper()
		for _, email := range []string{"revoked@new.example", "removed@new.example", "left@new.example", "gone@new.example"} {
			w.wantJoin(l, email, "sent to "+email)
		}
		w.wantJoin(own, "evil@new.example", "sent to evil@new.example")
	}
	again()
	if got, want := pending(), []string{"left@new.example"}; !slices.Equal(got, want) {
		t.Errorf("invited are %q, want %q", got, want)
	}
	for _, l := range []*link.Link{l, own} {
		_, err = w.Links.Refresh(t.Context(), ada, link.RefreshInviteLinkInput{LinkID: l.ID})
		w.must(err)
	}
	again()
	if got, want := pending(), []string{"evil@new.example", "gone@new.example", "left@new.example", "removed@new.example", "revoked@new.example"}; !slices.Equal(got, want) {
		t.Errorf("invited are %q, want %q", got, want)
	}
}
