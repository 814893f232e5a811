package roster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// world is the demo world with the services on it. Econometrics has the members ed (editor
// of the Groups 1, 2, 3) and vic (viewer of the Groups 1, 2), and the Groups 2 and 3 are
// deleted.
type world struct {
	*testworld.World
	*testworld.Services
	t     *testing.T
	space globalid.ID
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := testworld.New(t)
	return world{w, w.Services(), t, w.Space(testworld.Econometrics)}
}

// entries reads a roster of a line for each entry: address, role, and "id", "joint" or
// "own" with the name of the instance; perhaps a name of the person after a bar.
func (w world) entries(lines ...string) (entries []*roster.Entry) {
	w.t.Helper()
	for _, line := range lines {
		line, name, named := strings.Cut(line, " | ")
		parts := strings.SplitN(line, " ", 4)
		e := &roster.Entry{Email: parts[0], Role: tenant.InstanceRole(parts[1])}
		switch parts[2] {
		case "id":
			e.Instance.ID = new(w.InstanceOf(w.space, parts[3]))
		case "joint":
			e.Instance.Joint = &parts[3]
		case "own":
			e.Instance.Own = &parts[3]
		}
		if named {
			e.Name = &name
		}
		entries = append(entries, e)
	}
	return entries
}

func (w world) input(lines ...string) roster.SyncRosterInput {
	w.t.Helper()
	return roster.SyncRosterInput{SpaceID: w.space, Entries: w.entries(lines...)}
}

func (w world) sync(who string, in roster.SyncRosterInput) (roster.SyncRosterPayload, error) {
	w.t.Helper()
	if faults := in.Validate(w.Invitations.Limits); faults != nil {
		w.t.Fatal(faults[0])
	}
	return w.Rosters.Sync(w.t.Context(), w.User(who), in)
}

// must carries out a roster of Ada's.
func (w world) must(in roster.SyncRosterInput) roster.SyncRosterPayload {
	w.t.Helper()
	payload, err := w.sync("ada", in)
	if err != nil {
		var list fault.List
		if errors.As(err, &list) {
			w.t.Fatal(list[0])
		}
		w.t.Fatal(err)
	}
	return payload
}

// removing is a roster with REMOVE.
func removing(in roster.SyncRosterInput) roster.SyncRosterInput {
	in.Others = roster.Remove
	return in
}

func validating(in roster.SyncRosterInput) roster.SyncRosterInput {
	in.ValidateOnly = new(true)
	return in
}

// told is what a payload says, in words.
func told(p roster.SyncRosterPayload) (lines []string) {
	for i, r := range p.Results {
		line := fmt.Sprint(r.Email, " ", r.Outcome, " ", r.Role)
		if r.PreviousRole != nil {
			line += fmt.Sprint(" before ", *r.PreviousRole)
		}
		line += " in " + r.Instance.Name
		if r.Member != nil {
			line += fmt.Sprint(", member ", r.Member.User.Name, " ", r.Member.Role)
		}
		if r.Invitation != nil && r.Outcome != invitation.Invited && r.Outcome != invitation.Duplicate {
			line += fmt.Sprint(", invited ", *r.Invitation.Role, " ", r.Invitation.Status)
		}
		if r.Index != i {
			line += " AT ANOTHER INDEX"
		}
		lines = append(lines, line)
	}
	for _, i := range p.CreatedInstances {
		lines = append(lines, "created "+i.Name)
	}
	for _, m := range p.Removed {
		lines = append(lines, fmt.Sprint("removed ", m.User.Email, " ", m.Roles()))
	}
	for _, v := range p.Revoked {
		lines = append(lines, fmt.Sprint("revoked ", v.Email, " ", v.Status, " ", *v.InstanceName))
	}
	return lines
}

// same compares what a roster says with what is expected, of a validation and of the same
// roster that is carried out.
func (w world) same(in roster.SyncRosterInput, want ...string) roster.SyncRosterPayload {
	w.t.Helper()
	before := w.everything()
	if diff := cmp.Diff(want, told(w.must(validating(in)))); diff != "" {
		w.t.Errorf("validated:\n%s", diff)
	}
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		w.t.Errorf("a validation changed:\n%s", diff)
	}
	payload := w.must(in)
	if diff := cmp.Diff(want, told(payload)); diff != "" {
		w.t.Errorf("carried out:\n%s", diff)
	}
	return payload
}

// everything lists what a roster can change.
func (w world) everything() []string {
	w.t.Helper()
	return w.Lines(`
		select 'instance ' || name || coalesce(deleted_at::text, '') from instance
		union all select 'member ' || i.name || ' ' || a.email || ' ' || m.role from instance_member m join instance i on i.id = m.instance_id join account a on a.id = m.account_id
		union all select 'invitation ' || v.email || ' ' || coalesce(v.role, '') || ' ' || v.status || ' ' || encode(v.token_hash, 'hex') || v.expires_at from invitation v
		union all select 'mail ' || id || ' ' || state from outbox
		union all select 'trail ' || id from audit_log
		union all select 'event ' || id from event
		union all select 'limit ' || name || ' ' || subject || ' ' || ns::text from rate_limit
		union all select 'credit ' || name || ' ' || subject || ' ' || n from rate_limit_credit
		union all select 'key ' || key from idempotency_key
		order by 1`)
}

func (w world) mails() int { w.t.Helper(); return w.Number(`select count(*) from outbox`) }

// accept accepts all pending invitations of an address.
func (w world) accept(email string) {
	w.t.Helper()
	for _, id := range w.Lines(`select id from invitation where email = $1 and status = 'PENDING'`, email) {
		v := globalid.ID{Kind: globalid.Invitation}
		if err := v.UUID.UnmarshalText([]byte(id)); err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.Invitations.Accept(w.t.Context(), w.User(email), invitation.AnswerInput{InvitationID: &v}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A course from its first roster over some nights to its end.
func TestACourse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.input(
		"zoe@new.example EDITOR joint Team A",
		"kim@new.example VIEWER joint team  a",
		"zoe@new.example EDITOR own Homework of {name} | Zoë Müller",
		"kim@new.example EDITOR own Homework of {name}",
		"bob@new.example EDITOR own Homework of {name} | Zoë  müller",
		"ed@uni.example EDITOR id Group 1",
		"vic@uni.example EDITOR id Group 1",
		"ada@uni.example VIEWER id Group 1",
		"ZOE@new.example EDITOR joint TEAM A",
		"ben@new.example VIEWER id Master")
	first.IdempotencyKey = new("first")
	payload := w.same(first,
		"zoe@new.example INVITED EDITOR in Team A",
		"kim@new.example INVITED VIEWER in Team A",
		"zoe@new.example INVITED EDITOR in Homework of Zoë Müller",
		"kim@new.example INVITED EDITOR in Homework of kim",
		"bob@new.example INVITED EDITOR in Homework of Zoë müller (2)",
		"ed@uni.example ALREADY_MEMBER EDITOR in Group 1, member Ed EDITOR",
		"vic@uni.example ROLE_CHANGED EDITOR before VIEWER in Group 1, member Vic EDITOR",
		"ada@uni.example ALREADY_MEMBER EDITOR in Group 1",
		"ZOE@new.example DUPLICATE EDITOR in Team A",
		"ben@new.example INVITED VIEWER in Master",
		"created Team A",
		"created Homework of Zoë Müller", "created Homework of kim", "created Homework of Zoë müller (2)")
	if payload.Results[0].Invitation.ID != payload.Results[8].Invitation.ID || payload.Results[0].Instance != payload.Results[1].Instance {
		t.Error("rows about one instance or one person differ")
	}
	if n := w.mails(); n != 6 {
		t.Errorf("%d mails", n)
	}
	trail := w.Trail()
	if got := trail[len(trail)-1]; got != "Ada ROSTER_SYNCED" {
		t.Errorf("the trail ends with %s", got)
	}

	// The same request again is the first one's answer, also with other spelling.
	if diff := cmp.Diff(told(payload), told(w.must(first))); diff != "" {
		t.Errorf("repeated:\n%s", diff)
	}
	if len(w.Trail()) != len(trail) || w.mails() != 6 {
		t.Error("a repetition changed something")
	}

	// The next night nothing changes, and nobody gets a mail or uses a limit.
	w.accept("zoe@new.example")
	before := w.everything()
	w.same(w.input(
		"zoe@new.example EDITOR joint Team A",
		"kim@new.example EDITOR own Homework of {name} | Kim Married",
		"bob@new.example EDITOR own Homework of {name} | Bob",
		"vic@uni.example EDITOR id Group 1"),
		"zoe@new.example ALREADY_MEMBER EDITOR in Team A, member Zoe EDITOR",
		"kim@new.example ALREADY_INVITED EDITOR in Homework of kim, invited EDITOR PENDING",
		"bob@new.example ALREADY_INVITED EDITOR in Homework of Zoë müller (2), invited EDITOR PENDING",
		"vic@uni.example ALREADY_MEMBER EDITOR in Group 1, member Vic EDITOR")
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		t.Errorf("a roster that says nothing new changed:\n%s", diff)
	}

	// Roles change, people come and go: of the working instances only.
	vic, ed := w.User("vic"), w.User("ed")
	w.same(removing(w.input(
		"zoe@new.example VIEWER joint Team A",
		"kim@new.example EDITOR joint Team A",
		"eva@new.example VIEWER joint Team A",
		"zoe@new.example EDITOR own Homework of {name}",
		"vic@uni.example VIEWER id Group 1")),
		"zoe@new.example ROLE_CHANGED VIEWER before EDITOR in Team A, member Zoe VIEWER",
		"kim@new.example ROLE_CHANGED EDITOR before VIEWER in Team A, invited EDITOR PENDING",
		"eva@new.example INVITED VIEWER in Team A",
		"zoe@new.example ALREADY_MEMBER EDITOR in Homework of Zoë Müller, member Zoe EDITOR",
		"vic@uni.example ROLE_CHANGED VIEWER before EDITOR in Group 1, member Vic VIEWER",
		"removed ed@uni.example [INSTANCE_EDITOR]",
		"revoked bob@new.example REVOKED Homework of Zoë müller (2)",
		"revoked kim@new.example REVOKED Homework of kim")
	if got := w.RoleOf(vic, w.Instance("Group 1")) + w.RoleOf(ed, w.Instance("Group 1")) + w.RoleOf(ed, w.Instance("Group 2")); got != "INSTANCE_VIEWERINSTANCE_EDITOR" {
		t.Errorf("roles %s", got)
	}
	if got := w.Text(`select status from invitation where email = 'ben@new.example'`); got != "PENDING" {
		t.Errorf("the invitation to the Master instance is %s", got)
	}

	// Who comes back finds their own instance.
	w.same(w.input("kim@new.example EDITOR own Homework of {name} | Kim Married"), "kim@new.example INVITED EDITOR in Homework of kim")
	if n := w.mails(); n != 8 {
		t.Errorf("%d mails", n)
	}
}

func TestRefusedRosters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := w.NewSpace(w.Organization("Private Institute"), "Away")
	foreign := w.InstanceOf(away, "Master")
	w.must(w.input("zoe@new.example EDITOR own {name} | Zoe"))
	at := func(in roster.SyncRosterInput, id globalid.ID, rows ...int) roster.SyncRosterInput {
		for _, i := range rows {
			in.Entries[i].Instance = roster.Where{ID: &id}
		}
		return in
	}
	limited := func(do func()) func() {
		return func() { w.Invitations.Limits.ByPerson = 1; do() }
	}
	for what, c := range map[string]struct {
		in      roster.SyncRosterInput
		refusal string
		rows    []int
	}{
		"an unknown instance": {at(w.input("a@new.example VIEWER id Group 1", "a@new.example VIEWER id Group 1", "@ VIEWER joint Master"), globalid.New(globalid.Instance), 0, 1),
			"NOT_FOUND, NOT_FOUND", []int{0, 1}},
		"a foreign instance":              {at(w.input("a@new.example VIEWER id Group 1"), foreign, 0), "NOT_FOUND", []int{0}},
		"the id of a space":               {at(w.input("a@new.example VIEWER id Group 1"), w.space, 0), "NOT_FOUND", []int{0}},
		"deleted instances":               {w.input("a@new.example VIEWER id Group 2", "b@new.example VIEWER id Group 1", "c@new.example VIEWER id Group 2", "d@new.example VIEWER id Group 3"), "INSTANCE_DELETED, INSTANCE_DELETED, INSTANCE_DELETED", []int{0, 2, 3}},
		"Distributed":                     {w.input("a@new.example VIEWER id Distributed", "@ VIEWER id Group 1"), "INSTANCE_DISTRIBUTED", []int{0}},
		"reserved names":                  {w.input("a@new.example VIEWER joint m a s t e r", "a@new.example VIEWER joint Distributed"), "CONFLICT NAME_RESERVED, CONFLICT NAME_RESERVED", []int{0, 1}},
		"somebody's own":                  {w.input("a@new.example VIEWER joint zoe"), "CONFLICT NAME_TAKEN", []int{0}},
		"two roles in a deleted instance": {w.input("a@new.example VIEWER id Group 2", "a@new.example EDITOR id Group 2"), "INSTANCE_DELETED, INSTANCE_DELETED", []int{0, 1}},
		"two roles in somebody's own":     {w.input("a@new.example VIEWER joint zoe", "a@new.example EDITOR joint zoe"), "CONFLICT NAME_TAKEN, CONFLICT NAME_TAKEN", []int{0, 1}},
		"two roles":                       {w.input("a@new.example VIEWER joint Group 1", "b@new.example VIEWER joint X", "A@new.example EDITOR id Group 1"), "CONFLICT NAMED_TWICE", []int{2}},
		"all of these at once":            {w.input("a@new.example VIEWER joint Master", "b@new.example VIEWER id Group 2", "c@new.example VIEWER joint X", "c@new.example EDITOR joint x"), "CONFLICT NAME_RESERVED, INSTANCE_DELETED, CONFLICT NAMED_TWICE", []int{0, 1, 3}},
		"addresses":                       {removing(w.input("@ VIEWER joint X", "b@new.example VIEWER id Group 1", "c@ VIEWER own {name}")), "INVALID_EMAIL LOCAL_PART_EMPTY, INVALID_EMAIL DOMAIN_EMPTY", []int{0, 2}},
	} {
		for _, only := range []bool{true, false} {
			before := w.everything()
			c.in.ValidateOnly = &only
			_, err := w.sync("ada", c.in)
			if got := testworld.Refusal(err); got != c.refusal {
				t.Errorf("%s, validated %t: %s, want %s", what, only, got, c.refusal)
			}
			var list fault.List
			errors.As(err, &list)
			var rows []int
			for _, f := range list {
				rows = append(rows, *f.Index)
				if len(f.InputPath) < 4 || f.InputPath[2] != *f.Index || f.Message == "" {
					t.Errorf("%s: %+v", what, f)
				}
			}
			if !slices.Equal(rows, c.rows) {
				t.Errorf("%s: entries %v, want %v", what, rows, c.rows)
			}
			if diff := cmp.Diff(before, w.everything()); diff != "" {
				t.Errorf("%s changed:\n%s", what, diff)
			}
		}
	}

	// The stages: role, key, state, limits, addresses.
	key := "known"
	known := w.input("a@new.example VIEWER id Group 1")
	known.IdempotencyKey = &key
	w.must(known)
	limited(func() {
		for who, refusal := range map[string]string{"ed": "FORBIDDEN", "vic": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND"} {
			for _, in := range []roster.SyncRosterInput{w.input("@ VIEWER id Group 2"), validating(w.input("@ VIEWER id Group 2"))} {
				if _, err := w.sync(who, in); testworld.Refusal(err) != refusal {
					t.Errorf("%s: %v", who, err)
				}
			}
		}
		other := w.input("@ VIEWER id Group 2")
		other.IdempotencyKey = &key
		if _, err := w.sync("ada", other); testworld.Refusal(err) != "IDEMPOTENCY_KEY_REUSED" {
			t.Error(err)
		}
		for _, only := range []bool{true, false} {
			for refusal, in := range map[string]roster.SyncRosterInput{
				"INSTANCE_DELETED":                   w.input("@ VIEWER id Group 1", "a@new.example VIEWER id Group 2", "b@new.example VIEWER id Group 1", "c@new.example VIEWER id Group 1"),
				"RATE_LIMITED INVITATIONS_BY_PERSON": w.input("@ VIEWER id Group 1", "b@new.example VIEWER id Group 1", "c@new.example VIEWER id Group 1"),
			} {
				in.ValidateOnly = &only
				if _, err := w.sync("ada", in); testworld.Refusal(err) != refusal {
					t.Errorf("%v, want %s", err, refusal)
				}
			}
		}
		w.DeleteSpace(w.space, w.User("ada"))
		for _, in := range []roster.SyncRosterInput{w.input("@ VIEWER id Group 2"), validating(w.input("@ VIEWER id Group 2"))} {
			if _, err := w.sync("ada", in); testworld.Refusal(err) != "SPACE_DELETED" {
				t.Error(err)
			}
		}
		if payload := w.must(known); payload.Results[0].Outcome != invitation.Invited {
			t.Error("the known key has another answer in a deleted space")
		}
	})()
}

// A roster that removes many people is refused, unless it says so.
func TestRosterRemovesNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []string
	for n := range 8 {
		all = append(all, fmt.Sprintf("p%d@new.example VIEWER joint Course", n))
	}
	w.must(w.input(all...))
	for n := range 4 {
		w.accept(fmt.Sprintf("p%d@new.example", n))
	}
	// Of 10 people, with ed and vic.
	six := removing(w.input(append(all[:2:2], "vic@uni.example VIEWER id Group 1", "new@new.example VIEWER joint Course", "p2@new.example VIEWER joint Other")...))
	_, err := w.sync("ada", six)
	var f *fault.Fault
	if !errors.As(err, &f) || f.Reason != fault.RemovesTooMany || !strings.Contains(f.Message, "7 of 10 people") || !strings.Contains(f.Remedy, "removeAtMost: 7") {
		t.Fatalf("%v, %+v", err, f)
	}
	if _, err := w.sync("ada", validating(six)); testworld.Refusal(err) != "CONFLICT REMOVES_TOO_MANY" {
		t.Error(err)
	}
	six.RemoveAtMost = new(6)
	if _, err := w.sync("ada", six); testworld.Refusal(err) != "CONFLICT REMOVES_TOO_MANY" {
		t.Error(err)
	}
	six.RemoveAtMost = new(7)
	w.same(six,
		"p0@new.example ALREADY_MEMBER VIEWER in Course, member P0 VIEWER",
		"p1@new.example ALREADY_MEMBER VIEWER in Course, member P1 VIEWER",
		"vic@uni.example ALREADY_MEMBER VIEWER in Group 1, member Vic VIEWER",
		"new@new.example INVITED VIEWER in Course",
		"p2@new.example INVITED VIEWER in Other",
		"created Other",
		"removed ed@uni.example [INSTANCE_EDITOR]",
		"removed p2@new.example [INSTANCE_VIEWER]", "removed p3@new.example [INSTANCE_VIEWER]",
		"revoked p4@new.example REVOKED Course", "revoked p5@new.example REVOKED Course", "revoked p6@new.example REVOKED Course", "revoked p7@new.example REVOKED Course")
	// What a roster ended can be undone, one membership at a time.
	if undone, err := w.Services.Memberships.Reinstate(t.Context(), w.User("ada"), membership.ReinstateMemberInput{
		UserID: w.User("p3@new.example").ID, InstanceID: new(w.Instance("Course"))}); err != nil || !undone.Reinstated {
		t.Errorf("%+v, %v", undone, err)
	}
	if got := w.RoleOf(w.User("p3@new.example"), w.Instance("Course")); got != "INSTANCE_VIEWER" {
		t.Errorf("the role is %q after the undo", got)
	}
	w.Revoke(w.User("p3@new.example"), w.Instance("Course"))
	// Four people of a small course are fine; administrators stay whatever it says.
	w.Grant(w.User("ada"), tenant.InstanceViewer, w.Instance("Course"))
	payload := w.must(removing(w.input("p0@new.example VIEWER joint Course")))
	if got := told(payload)[1:]; len(got) != 4 || w.RoleOf(w.User("ada"), w.Instance("Course")) == "" {
		t.Errorf("%q", got)
	}
}

// What is pending for members and administrators, and from people who may not invite any
// more.
func TestRosterMeetsOtherInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, eva := w.Instance("Group 1"), w.User("eva@new.example")
	w.Grant(eva, tenant.SpaceAdministrator, w.space)
	invite := func(role tenant.InstanceRole, emails ...string) {
		t.Helper()
		if _, err := w.Invitations.Invite(t.Context(), eva, invitation.InviteUsersInput{InstanceID: group1, Role: role, Emails: emails}); err != nil {
			t.Fatal(err)
		}
	}
	invite(tenant.Editor, "high@new.example", "admin@new.example", "gone@new.example", "other@new.example")
	invite(tenant.Viewer, "low@new.example")
	w.Grant(w.User("high@new.example"), tenant.InstanceViewer, group1)
	w.Grant(w.User("low@new.example"), tenant.InstanceViewer, group1)
	w.Grant(w.User("admin@new.example"), tenant.SpaceAdministrator, w.space)
	w.Revoke(eva, w.space)
	w.Exec(`update invitation set expires_at = clock_timestamp() - interval '1 hour' where email = 'other@new.example'`)
	mails := w.mails()
	w.same(removing(w.input(
		"high@new.example VIEWER id Group 1", "low@new.example EDITOR id Group 1", "admin@new.example VIEWER id Group 1",
		"gone@new.example EDITOR id Group 1", "other@new.example EDITOR id Group 1", "vic@uni.example VIEWER id Group 1", "ed@uni.example EDITOR id Group 1")),
		"high@new.example ALREADY_MEMBER VIEWER in Group 1, member High VIEWER",
		"low@new.example ROLE_CHANGED EDITOR before VIEWER in Group 1, member Low EDITOR",
		"admin@new.example ALREADY_MEMBER EDITOR in Group 1",
		"gone@new.example ALREADY_INVITED EDITOR in Group 1, invited EDITOR PENDING",
		"other@new.example INVITED EDITOR in Group 1",
		"vic@uni.example ALREADY_MEMBER VIEWER in Group 1, member Vic VIEWER",
		"ed@uni.example ALREADY_MEMBER EDITOR in Group 1, member Ed EDITOR",
		"revoked high@new.example REVOKED Group 1")
	if n := w.mails() - mails; n != 1 {
		t.Errorf("%d mails", n)
	}
	if got := w.Number(`select count(*) from invitation where invited_by = $1 and email in ('gone@new.example', 'other@new.example')`, w.User("ada").ID.UUID); got != 2 {
		t.Errorf("%d invitations were taken over", got)
	}
}

// An own instance is somebody's alone, whatever others are called.
func TestOwnInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"Zoe", "Kim", "Bob", "Eva"} {
		w.NewInstance(w.space, name)
	}
	invite := func(instance string, emails ...string) {
		t.Helper()
		if _, err := w.Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance(instance), Role: tenant.Editor, Emails: emails}); err != nil {
			t.Fatal(err)
		}
	}
	w.Grant(w.User("zoe@new.example"), tenant.InstanceViewer, w.Instance("Zoe"))
	w.Grant(w.User("ada"), tenant.InstanceViewer, w.Instance("Zoe"))
	invite("Kim", "kim@new.example")
	w.Grant(w.User("bob@new.example"), tenant.InstanceEditor, w.Instance("Bob"))
	invite("Bob", "bob@other.example")
	w.must(w.input("max@new.example EDITOR own {name} | Max"))
	in := w.input("zoe@new.example EDITOR own {name} | Zoe", "kim@new.example EDITOR own {name} | Kim", "bob@new.example EDITOR own {name} | Bob",
		"eva@new.example EDITOR own {name} | Eva", "max@other.example EDITOR own {name} | MAX", "m@new.example EDITOR own {name} | Master",
		"max@new.example EDITOR own Other of {name} | Max")
	want := []string{
		"zoe@new.example ROLE_CHANGED EDITOR before VIEWER in Zoe, member Zoe EDITOR", "kim@new.example ALREADY_INVITED EDITOR in Kim, invited EDITOR PENDING",
		"bob@new.example INVITED EDITOR in Bob (2)", "eva@new.example INVITED EDITOR in Eva (2)",
		"max@other.example INVITED EDITOR in MAX (2)", "m@new.example INVITED EDITOR in Master (2)", "max@new.example INVITED EDITOR in Other of Max",
		"created Bob (2)", "created Eva (2)", "created MAX (2)", "created Master (2)", "created Other of Max"}
	w.same(in, want...)
	// They are found by the hash, and not by their names, from now on.
	w.Exec(`update instance set name = 'Renamed ' || name, name_key = 'renamed ' || name_key where name in ('Zoe', 'Kim', 'Bob (2)')`)
	again := told(w.must(in))
	for i, instance := range []string{"Renamed Zoe", "Renamed Kim", "Renamed Bob (2)", "Eva (2)", "MAX (2)", "Master (2)", "Other of Max"} {
		if !strings.Contains(again[i], " in "+instance+",") {
			t.Errorf("%s, want it in %s", again[i], instance)
		}
	}
	if len(again) != 7 {
		t.Errorf("%q", again)
	}
	// Who deletes their own instance gets no other while it can be restored; later they do. The
	// restored one is theirs again.
	kim := w.Instance("Renamed Kim")
	w.DeleteInstance(kim, w.User("ada"))
	if _, err := w.sync("ada", w.input("kim@new.example EDITOR own {name} | Kim")); testworld.Refusal(err) != "INSTANCE_DELETED" {
		t.Error(err)
	}
	w.Exec(`update instance set restorable_until = clock_timestamp() where id = $1`, kim.UUID)
	if got := told(w.must(w.input("kim@new.example EDITOR own {name} | Kim"))); !slices.Equal(got, []string{"kim@new.example INVITED EDITOR in Kim", "created Kim"}) {
		t.Errorf("%q", got)
	}
	w.Exec(`update instance set restorable_until = clock_timestamp() + interval '1 hour' where id = $1`, kim.UUID)
	if _, err := w.Instances.Restore(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: kim}); err != nil {
		t.Fatal(err)
	}
	if got := told(w.must(w.input("kim@new.example EDITOR own {name} | Kim"))); len(got) != 1 || !strings.Contains(got[0], "ALREADY_INVITED EDITOR in Renamed Kim") {
		t.Errorf("%q", got)
	}
	// With another key of the hashes, which nobody sets, people keep what is theirs alone; a
	// secret of the operator's changes nothing.
	w.Invitations.HashKey = keyedhash.New([]byte("another"), "")
	w.same(in, again...)
	w.Rosters.OwnKey = keyedhash.New([]byte("another"), "")
	if got := told(w.must(w.input("eva@new.example EDITOR own {name} | Eva (2)", "max@new.example EDITOR own {name} | Max"))); len(got) != 2 || !strings.Contains(strings.Join(got, ""), "ALREADY_INVITED EDITOR in Max,") {
		t.Errorf("%q", got)
	}
}

// A thousand entries take as many statements as a few, and not long.
func TestAThousandEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain = 1_000_000
	run := func(what string, in roster.SyncRosterInput) (n int64) {
		t.Helper()
		ctx, statements := postgres.WithStatementCount(t.Context())
		began := time.Now()
		if _, err := w.Rosters.Sync(ctx, w.User("ada"), in); err != nil {
			var list fault.List
			if errors.As(err, &list) {
				err = list[0]
			}
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%s: %d entries, %d statements, %v", what, len(in.Entries), statements.Load(), time.Since(began))
		return statements.Load()
	}
	course := func(name string, n, from int, where, role string) roster.SyncRosterInput {
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("%s%d@new.example %s %s", name, from+i, role, strings.ReplaceAll(where, "%d", fmt.Sprint(i/10))))
		}
		return w.input(lines...)
	}
	for what, at := range map[string]string{"joint": "joint Team %d", "own": "own The same name"} {
		few, many := what+"-few", what+"-many"
		var spaces []globalid.ID
		for _, name := range []string{few, many} {
			id := w.NewSpace(w.Organization("University of Example"), name)
			w.Grant(w.User("ada"), tenant.SpaceAdministrator, id)
			spaces = append(spaces, id)
		}
		for _, step := range []struct {
			what string
			do   func(name string, n int) roster.SyncRosterInput
			most int64
		}{
			{"validated", func(name string, n int) roster.SyncRosterInput { return validating(course(name, n, 0, at, "EDITOR")) }, 8},
			{"new", func(name string, n int) roster.SyncRosterInput { return course(name, n, 0, at, "EDITOR") }, 18},
			{"repeated", func(name string, n int) roster.SyncRosterInput { return course(name, n, 0, at, "EDITOR") }, 12},
			{"the same", func(name string, n int) roster.SyncRosterInput { return course(name, n, 0, at, "EDITOR") }, 14},
			{"other roles", func(name string, n int) roster.SyncRosterInput { return course(name, n, 0, at, "VIEWER") }, 18},
			{"members", func(name string, n int) roster.SyncRosterInput {
				w.Exec(`
					insert into account (id, subject, email, email_key, name)
					select gen_random_uuid(), v.email_key, v.email, v.email_key, v.email from invitation v where v.email like $1`, name+"%")
				w.Exec(`
					with v as (update invitation set status = 'ACCEPTED' where email like $1 returning instance_id, email_key, role)
					insert into instance_member (instance_id, account_id, role) select v.instance_id, a.id, v.role from account a join v using (email_key)`, name+"%")
				return course(name, n, 0, at, "EDITOR")
			}, 19},
			{"half are others", func(name string, n int) roster.SyncRosterInput {
				in := removing(course(name, n, n/2, at, "VIEWER"))
				in.RemoveAtMost = new(2000)
				return in
			}, 24},
		} {
			send := func(space globalid.ID, name string, n int) int64 {
				in := step.do(name, n)
				in.SpaceID, in.IdempotencyKey = space, new(name+strings.Replace(step.what, "repeated", "new", 1))
				return run(what+" "+step.what, in)
			}
			a, b := send(spaces[0], few, 4), send(spaces[1], many, 1000)
			if a > step.most || b > step.most {
				t.Errorf("%s %s: %d and %d statements, want %d", what, step.what, a, b, step.most)
			}
		}
	}
}
