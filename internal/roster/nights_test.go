package roster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// faultsOf returns the faults of an error.
func faultsOf(err error) (list fault.List) {
	errors.As(err, &list)
	return list
}

func (w world) decline(email string) {
	w.t.Helper()
	id := w.Invitation(email)
	if _, err := w.Invitations.Decline(w.t.Context(), w.User(email), invitation.AnswerInput{InvitationID: &id}); err != nil {
		w.t.Fatal(err)
	}
}

// Who declines is asked again by nobody's list: only by a person who means it.
func TestWhoDeclinedIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	course := w.input("zoe@new.example EDITOR joint Team", "zoe@new.example EDITOR own Homework of {name}")
	w.must(w.input("zoe@new.example EDITOR joint Team"))
	w.decline("zoe@new.example")
	w.must(w.input("zoe@new.example EDITOR own Homework of {name}"))
	w.decline("zoe@new.example")
	before := w.everything()
	for range 3 {
		w.same(course, "zoe@new.example DECLINED EDITOR in Team", "zoe@new.example DECLINED EDITOR in Homework of zoe")
	}
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		t.Errorf("the nights after it changed:\n%s", diff)
	}
	// Another list, with a key, has the same answer when it is repeated.
	course.IdempotencyKey = new("declined")
	if first, again := told(w.must(course)), told(w.must(course)); !slices.Equal(first, again) {
		t.Errorf("repeated: %q, then %q", first, again)
	}
	// On purpose: from then on it is an invitation like all others.
	if _, err := w.Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Team"), Role: tenant.Editor, Emails: []string{"zoe@new.example"}}); err != nil {
		t.Fatal(err)
	}
	w.same(w.input("zoe@new.example EDITOR joint Team"), "zoe@new.example ALREADY_INVITED EDITOR in Team, invited EDITOR PENDING")
	w.accept("zoe@new.example")
	w.same(w.input("zoe@new.example EDITOR joint Team"), "zoe@new.example ALREADY_MEMBER EDITOR in Team, member Zoe EDITOR")
	w.Revoke(w.User("zoe@new.example"), w.Instance("Team"))
	w.same(w.input("zoe@new.example EDITOR joint Team"), "zoe@new.example INVITED EDITOR in Team")
}

// A deleted instance is not replaced while it can be restored: its members would be removed
// from it as soon as it is.
func TestRosterOfDeletedInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	course := w.input("zoe@new.example EDITOR joint Team", "kim@new.example EDITOR own Homework of {name}", "bob@new.example EDITOR joint Other", "vic@uni.example VIEWER id Group 1")
	w.must(course)
	team, homework := w.Instance("Team"), w.Instance("Homework of kim")
	w.DeleteInstance(team, w.User("ada"))
	w.DeleteInstance(homework, w.User("kim@new.example"))
	course = w.input("zoe@new.example EDITOR joint team", "kim@new.example EDITOR own Homework of {name}", "bob@new.example EDITOR joint Other", "kim@new.example VIEWER joint Team")
	for _, only := range []bool{true, false} {
		before := w.everything()
		course.ValidateOnly = &only
		_, err := w.sync("ada", removing(course))
		if got := testworld.Refusal(err); got != "INSTANCE_DELETED, INSTANCE_DELETED, INSTANCE_DELETED" {
			t.Errorf("%s", got)
		}
		if list := faultsOf(err); len(list) == 3 {
			if *list[0].Index != 0 || *list[1].Index != 1 || *list[2].Index != 3 || list[1].InputPath[4] != "own" || list[2].InputPath[4] != "joint" ||
				list[0].RestorableUntil == nil || list[0].DeletedAt == nil || !strings.Contains(list[1].Message, "Homework of kim") || !strings.Contains(list[0].Remedy, "restoreInstance") {
				t.Errorf("%+v %+v", list[0], list[1])
			}
		}
		if diff := cmp.Diff(before, w.everything()); diff != "" {
			t.Errorf("changed:\n%s", diff)
		}
	}
	if _, err := w.Instances.Restore(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: team}); err != nil {
		t.Fatal(err)
	}
	// Who can be restored no more, makes place.
	w.Exec(`update instance set restorable_until = clock_timestamp() where id = $1`, homework.UUID)
	course.ValidateOnly = nil
	w.same(course,
		"zoe@new.example ALREADY_INVITED EDITOR in Team, invited EDITOR PENDING", "kim@new.example INVITED EDITOR in Homework of kim",
		"bob@new.example ALREADY_INVITED EDITOR in Other, invited EDITOR PENDING", "kim@new.example INVITED VIEWER in Team", "created Homework of kim")
}

// takeOver gives the address of an account to a new one, as a sign-in with a new subject does.
func (w world) takeOver(email string) {
	w.t.Helper()
	w.Exec(`insert into account (id, subject, email, email_key, name) select ('ffffffff-ffff-4fff-8fff-' || substr(md5(email), 1, 12))::uuid, 'new subject of ' || email, email, email_key, 'New ' || name from account where email_key = $1`, email)
	w.Exec(`update address_holder h set account_id = a.id from account a where h.email_key = $1 and a.email_key = $1 and a.subject = 'new subject of ' || a.email`, email)
}

// A person whose sign-in made a new account keeps the roles of the old one, until the
// operator merges them.
func TestRosterSparesFormerHolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	course := w.input("zoe@new.example EDITOR joint Team", "zoe@new.example EDITOR own Homework of {name}", "kim@new.example VIEWER joint Team",
		"ed@uni.example EDITOR id Group 1", "vic@uni.example VIEWER id Group 1")
	w.must(course)
	w.accept("zoe@new.example")
	w.accept("kim@new.example")
	w.takeOver("zoe@new.example")
	w.takeOver("kim@new.example")
	w.Exec(`insert into instance_member (instance_id, account_id, role) select $1, id, 'VIEWER' from account where name = 'New Kim'`, w.Instance("Team").UUID)
	before := w.everything()
	w.same(removing(course),
		"zoe@new.example ALREADY_MEMBER EDITOR in Team, member Zoe EDITOR", "zoe@new.example ALREADY_MEMBER EDITOR in Homework of zoe, member Zoe EDITOR",
		"kim@new.example ALREADY_MEMBER VIEWER in Team, member New Kim VIEWER", "ed@uni.example ALREADY_MEMBER EDITOR in Group 1, member Ed EDITOR", "vic@uni.example ALREADY_MEMBER VIEWER in Group 1, member Vic VIEWER")
	if diff := cmp.Diff(before, w.everything()); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
	// A former holder who is not named is somebody like all others; the trail names the
	// account, and not the present holder of the address.
	w.same(removing(w.input("zoe@new.example EDITOR joint Team", "ed@uni.example EDITOR id Group 1", "vic@uni.example VIEWER id Group 1")),
		"zoe@new.example ALREADY_MEMBER EDITOR in Team, member Zoe EDITOR", "ed@uni.example ALREADY_MEMBER EDITOR in Group 1, member Ed EDITOR", "vic@uni.example ALREADY_MEMBER VIEWER in Group 1, member Vic VIEWER",
		"removed zoe@new.example [INSTANCE_EDITOR]", "removed kim@new.example [INSTANCE_VIEWER]", "removed kim@new.example [INSTANCE_VIEWER]")
	records := w.Lines(`select action || ' ' || coalesce(instance_name, '') || ' ' || coalesce(details ->> 'userName', '') || ' ' || coalesce(details ->> 'emails', '') from audit_log order by at desc, id desc limit 3`)
	slices.Sort(records)
	if diff := cmp.Diff([]string{"MEMBER_REMOVED Homework of zoe Zoe ", "MEMBER_REMOVED Team Kim ", `ROSTER_SYNCED   ["kim@new.example"]`}, records); diff != "" {
		t.Errorf("the trail:\n%s", diff)
	}
}

// What is selected of one instance of a payload is read for those of the payload, and for no
// others of the space.
func TestRosterReadsNoOtherInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"A", "B", "C"} {
		w.NewInstance(w.space, name)
	}
	payload := w.must(validating(w.input("zoe@new.example EDITOR joint A", "zoe@new.example EDITOR joint B", "zoe@new.example EDITOR joint New", "kim@new.example EDITOR joint a")))
	i := payload.Results[0].Instance
	n, err := batch.Load(i.Siblings, i.ID, "how many", func(ids []globalid.ID) (map[globalid.ID]int, error) { return map[globalid.ID]int{i.ID: len(ids)}, nil })
	if n != 3 || err != nil || payload.Results[2].Instance.Siblings == nil {
		t.Errorf("%d siblings, %v", n, err)
	}
}

// Own instances follow the person whose address changes, and nobody else who gets it.
func TestOwnInstancesFollowPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	entries := func(emails ...string) (in roster.SyncRosterInput) {
		var lines []string
		for _, email := range emails {
			lines = append(lines, email+" EDITOR own Homework of {name}")
		}
		return w.input(lines...)
	}
	w.must(entries("zoe@new.example", "kim@new.example", "bob@new.example", "eva@new.example"))
	for _, name := range []string{"zoe", "kim", "bob", "eva"} {
		w.accept(name + "@new.example")
	}
	tutor := w.User("tutor@new.example")
	w.Grant(tutor, tenant.InstanceViewer, w.Instance("Homework of zoe"))
	w.Grant(w.User("bob@new.example"), tenant.InstanceEditor, w.Instance("Homework of eva"))
	moved := func(from, to string) {
		w.Exec(`update account set email = $2, email_key = $2 where email_key = $1`, from, to)
		w.Exec(`update address_holder set email_key = $2 where email_key = $1`, from, to)
	}
	moved("zoe@new.example", "zoe@married.example")
	moved("bob@new.example", "bob@married.example")
	// The tutor has another role than an owner; eva is in the instance of eva with bob; and of max and moe, it
	// could be either's.
	w.same(entries("tutor@new.example", "zoe@married.example", "kim@new.example"),
		"tutor@new.example INVITED EDITOR in Homework of tutor", "zoe@married.example ALREADY_MEMBER EDITOR in Homework of zoe, member Zoe EDITOR",
		"kim@new.example ALREADY_MEMBER EDITOR in Homework of kim, member Kim EDITOR", "created Homework of tutor")
	w.must(entries("max@new.example"))
	w.accept("max@new.example")
	w.Grant(w.User("moe@new.example"), tenant.InstanceEditor, w.Instance("Homework of max"))
	moved("max@new.example", "max@married.example")
	w.same(entries("zoe@married.example", "bob@married.example", "max@married.example", "moe@new.example"),
		"zoe@married.example ALREADY_MEMBER EDITOR in Homework of zoe, member Zoe EDITOR", "bob@married.example ALREADY_MEMBER EDITOR in Homework of bob, member Bob EDITOR",
		"max@married.example INVITED EDITOR in Homework of max (2)", "moe@new.example INVITED EDITOR in Homework of moe", "created Homework of max (2)", "created Homework of moe")

	// A person is erased, and somebody else gets the address.
	p, err := privacy.FindAccount(t.Context(), w.DB, w.User("kim@new.example").ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := privacy.Erase(t.Context(), w.Open(w.DSN), p, privacy.Options{}); err != nil {
		t.Fatal(err)
	}
	if n := w.Number(`select count(*) from audit_log where details -> 'emails' ? 'kim@new.example'`); n != 0 {
		t.Errorf("%d records of the trail name the erased person", n)
	}
	// An export has what a roster did to the person, and to nobody else.
	if p, err = privacy.FindAccount(t.Context(), w.DB, w.User("eva@new.example").ID); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := privacy.Export(t.Context(), w.DB, w.Invitations.HashKey, p, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "ROSTER_SYNCED") || !strings.Contains(got, "Homework of eva") || strings.Contains(got, "bob") || strings.Contains(got, "of zoe") {
		t.Errorf("%s", got)
	}
	w.same(entries("kim@new.example"), "kim@new.example INVITED EDITOR in Homework of kim (2)", "created Homework of kim (2)")
	if _, err := w.sync("ada", w.input("max@new.example EDITOR joint Homework of Kim")); testworld.Refusal(err) != "CONFLICT NAME_TAKEN" {
		t.Error(err)
	}
}

// Instances use the limits as invitations do, and people who refuse mails use none of those of
// mails; a validation says what happens.
func TestRosterUsesLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByPerson, w.Invitations.Limits.ByAddress = 3, 2
	admin := w.input("ada@uni.example EDITOR joint A", "ada@uni.example EDITOR joint B", "ada@uni.example EDITOR joint C", "ada@uni.example EDITOR joint D")
	for _, in := range []roster.SyncRosterInput{validating(admin), admin} {
		if _, err := w.sync("ada", in); testworld.Refusal(err) != "RATE_LIMITED INVITATIONS_BY_PERSON" {
			t.Error(err)
		}
	}
	admin.Entries = admin.Entries[:2]
	w.must(admin)
	if _, err := w.sync("ada", validating(w.input("ada@uni.example EDITOR joint E", "ada@uni.example EDITOR joint F"))); testworld.Refusal(err) != "RATE_LIMITED INVITATIONS_BY_PERSON" {
		t.Error(err)
	}
	w.Invitations.Limits.ByPerson = 1000

	w.must(w.input("zoe@new.example EDITOR joint A"))
	zoe := w.User("zoe@new.example")
	if _, err := w.Invitations.Refuse(t.Context(), &zoe, invitation.RefuseInvitationsInput{Token: w.Token("zoe@new.example")}); err != nil {
		t.Fatal(err)
	}
	many := w.input("zoe@new.example EDITOR joint G", "zoe@new.example EDITOR joint H", "zoe@new.example EDITOR joint I")
	mails := w.mails()
	w.same(many, "zoe@new.example INVITED EDITOR in G", "zoe@new.example INVITED EDITOR in H", "zoe@new.example INVITED EDITOR in I", "created G", "created H", "created I")
	many = w.input("zoe@new.example EDITOR joint J", "zoe@new.example EDITOR joint K", "zoe@new.example EDITOR joint L", "@ VIEWER joint J")
	for _, in := range []roster.SyncRosterInput{validating(many), many} {
		if _, err := w.sync("ada", in); testworld.Refusal(err) != "INVALID_EMAIL LOCAL_PART_EMPTY" {
			t.Error(err)
		}
	}
	if w.mails() != mails {
		t.Error("a mail to a person who refuses them")
	}
}
