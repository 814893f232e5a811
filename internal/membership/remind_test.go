package membership_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

const day = 24 * time.Hour

// remind fails the test unless a number of memberships is due.
func (w world) remind(want int64) {
	w.t.Helper()
	if n, err := w.service.RemindDue(w.t.Context()); n != want || err != nil {
		w.t.Errorf("%d are due, want %d; %v", n, want, err)
	}
}

// mailed delivers the mails that are due, and compares the recipients and subjects of all
// mails.
func (w world) mailed(want ...string) []mailbox.Mail {
	w.t.Helper()
	var lines []string
	mails := w.Mails()
	for _, m := range mails {
		lines = append(lines, fmt.Sprint(strings.TrimSuffix(m.To, "@uni.example"), ": ", m.Subject))
	}
	slices.Sort(lines)
	if diff := cmp.Diff(want, lines); diff != "" {
		w.t.Error(diff)
	}
	return mails
}

const (
	toAda = "ada: DataHub Memberships in Group 1 end soon"
	toVic = "vic: DataHub Your membership of Group 1 ends soon"
)

// Both sides are reminded once, seven days before. Prolonging is silent, and another end is
// reminded of again; one within seven days is not.
func TestBothSidesAreRemindedOfAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, vic := w.Instance("Group 1"), w.User("vic").ID
	prolong := func(d time.Duration) {
		t.Helper()
		_, o := w.changeUntil("ada", group1, vic, tenant.Viewer, in(d))
		o.is(t, true)
	}
	prolong(20 * day)
	w.remind(0)
	w.Advance(13*day - time.Hour)
	w.remind(0)
	w.Advance(time.Hour + time.Minute)
	w.remind(1)
	w.remind(0)
	for _, m := range w.mailed(toAda, toVic) {
		if want := testworld.PublicURL + "/app/instance/" + group1.String(); m.Link != want {
			t.Errorf("the link is %s, want %s", m.Link, want)
		}
		if m.To == "vic@uni.example" && !strings.Contains(m.Text, "Ada") {
			t.Errorf("nobody to ask:\n%s", m.Text)
		}
	}
	// Another role is no other end.
	w.change("ada", "Group 1", vic, tenant.Editor, "")
	w.change("ada", "Group 1", vic, tenant.Viewer, "")
	w.remind(0)

	prolong(10 * day)
	w.remind(0)
	w.mailed(toAda, toVic)
	w.Advance(3*day + time.Minute)
	w.remind(1)
	w.mailed(toAda, toAda, toVic, toVic)
	prolong(7*day - time.Hour)
	w.remind(0)

	// Given for less than seven days.
	w.Exec(`delete from instance_member where account_id = $1`, vic.UUID)
	w.Exec(`insert into instance_member (instance_id, account_id, role, until) values ($1, $2, 'VIEWER', clock_timestamp() + interval '6 days')`, group1.UUID, vic.UUID)
	w.remind(0)

	// What is kept for it ends with the memberships.
	if n, err := membership.DeleteReminders(t.Context(), w.DB); n != 0 || err != nil {
		t.Errorf("%d reminders deleted, %v", n, err)
	}
	w.Advance(7 * day)
	w.remind(0)
	if n, err := membership.DeleteReminders(t.Context(), w.DB); n != 4 || err != nil {
		t.Errorf("%d reminders deleted, %v", n, err)
	}
	if n := w.Number(`select count(*) from outbox where kind = $1`, membership.MailKind); n != 0 {
		t.Errorf("%d mails are left", n)
	}
	w.mailed(toAda, toAda, toVic, toVic)
}

// A whole course is one mail to each administrator, and one to each member, also where the
// ends are hours apart.
func TestOneReminderForMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, master, vic := w.Instance("Group 1"), w.Instance("Master"), w.User("vic").ID
	w.Exec(`
		with a as (
			insert into account (id, subject, email, email_key, name) select gen_random_uuid(), e, e, e, n from (select 'n' || n, 'n' || n || '@many.example' from generate_series(1, 12) n) x (n, e)
			returning id, email_key),
		h as (insert into address_holder (email_key, account_id) select email_key, id from a)
		insert into instance_member (instance_id, account_id, role, until) select $1, id, 'VIEWER', clock_timestamp() + interval '9 days' from a`, group1.UUID)
	w.changeUntil("ada", group1, vic, tenant.Viewer, in(9*day+time.Hour))
	w.Exec(`insert into instance_member (instance_id, account_id, role, until) values ($1, $2, 'EDITOR', clock_timestamp() + interval '9 days 2 hours')`, master.UUID, vic.UUID)
	w.Advance(2*day + time.Minute)
	w.remind(14)
	w.remind(0)
	seen := map[string]mailbox.Mail{}
	for _, m := range w.Mails() {
		if _, twice := seen[m.To]; twice {
			t.Errorf("%s has another mail", m.To)
		}
		seen[m.To] = m
	}
	if len(seen) != 14 {
		t.Errorf("mails to %d people", len(seen))
	}
	for to, wants := range map[string][]string{
		"ada@uni.example": {"13 people", "Instance: Group 1, Master\n", "People: Vic, n1, n10, n11, n12, n2, n3, n4, n5, n6 and 3 more"},
		"vic@uni.example": {"in the space " + testworld.Econometrics, "Instance: Group 1, Master\n"},
	} {
		for _, want := range wants {
			if text := seen[to].Text; !strings.Contains(text, want) {
				t.Errorf("the mail to %s does not say %q:\n%s", to, want, text)
			}
		}
		if want := testworld.PublicURL + "/app/"; seen[to].Link != want {
			t.Errorf("the link is %s, want %s", seen[to].Link, want)
		}
	}
}

// Whether there is something to remind of is decided when a mail is sent.
func TestPointlessRemindersAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, vic, space := w.Instance("Group 1"), w.User("vic"), w.Space(testworld.Econometrics)
	var mailed []string
	for _, c := range []struct {
		name  string
		do    func()
		undo  func()
		mails []string
	}{
		{"removed", func() { w.removeFrom("ada", group1, vic.ID, "").is(t, true) }, nil, nil},
		{"prolonged", func() { w.changeUntil("ada", group1, vic.ID, tenant.Viewer, in(30*day)) }, nil, nil},
		{"without an end", func() { w.changeUntil("ada", group1, vic.ID, tenant.Viewer, membership.End{Given: true}) }, nil, nil},
		{"ended", func() { w.Advance(7 * day) }, nil, nil},
		{"instance deleted", func() { w.DeleteInstance(group1, w.User("ada")) },
			func() {
				w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where id = $1`, group1.UUID)
			}, nil},
		{"space deleted", func() { w.DeleteSpace(space, w.User("ada")) },
			func() {
				w.Exec(`update space set deleted_at = null, deleted_by = null, restorable_until = null where id = $1`, space.UUID)
			}, nil},
		{"former holder", func() { w.Exec(`delete from address_holder where account_id = $1`, vic.ID.UUID) },
			func() {
				w.Exec(`insert into address_holder (email_key, account_id) select email_key, id from account where id = $1`, vic.ID.UUID)
			}, []string{toAda}},
		{"administrator by now", func() { w.Grant(vic, tenant.SpaceAdministrator, space) }, func() { w.Revoke(vic, space) }, []string{toAda}},
		{"no administrator any more", func() { w.Grant(w.User("mia"), tenant.SpaceAdministrator, space); w.Revoke(w.User("ada"), space) },
			func() { w.Grant(w.User("ada"), tenant.SpaceAdministrator, space); w.Revoke(w.User("mia"), space) }, []string{toVic}},
		{"merged into an account without an end", func() {
			w.Exec(`update account set subject = name where subject is null and name in ('Vic', 'Ed')`)
			if _, err := account.Merge(t.Context(), w.Open(w.DSN), vic.ID, w.User("ed").ID, false); err != nil {
				t.Fatal(err)
			}
		}, nil, nil},
	} {
		w.Exec(`delete from instance_member where account_id = $1`, vic.ID.UUID)
		w.Exec(`insert into instance_member (instance_id, account_id, role, until) values ($1, $2, 'VIEWER', clock_timestamp() + interval '6 days')`, group1.UUID, vic.ID.UUID)
		w.Exec(`update instance_member set reminded_until = null where account_id = $1`, vic.ID.UUID)
		w.remind(1)
		c.do()
		mailed = append(mailed, c.mails...)
		slices.Sort(mailed)
		before := w.Number(`select count(*) from outbox where kind = $1 and state = 'DROPPED'`, membership.MailKind)
		w.mailed(mailed...)
		if n := w.Number(`select count(*) from outbox where kind = $1 and state = 'DROPPED'`, membership.MailKind) - before; n != 2-len(c.mails) {
			t.Errorf("%s: %d mails are dropped", c.name, n)
		}
		if c.undo != nil {
			c.undo()
		}
	}
}

// Two gateways remind at once: of each membership once, and the administrators once.
func TestGatewaysRemindOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`update instance_member set until = clock_timestamp() + interval '6 days'`)
	members := w.Number(`select count(distinct (account_id, space_id)) from instance_member`)
	spaces := w.Number(`select count(*) from space_administrator where space_id in (select space_id from instance_member)`)
	for n := range racetest.Trials {
		w.Exec(`delete from outbox`)
		w.Exec(`delete from membership_reminder`)
		w.Exec(`update instance_member set reminded_until = null`)
		remind := func() {
			for {
				if n, err := w.service.RemindDue(t.Context()); n == 0 || err != nil {
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		}
		racetest.Together(remind, remind)
		remind()
		if got := w.Text(`select count(*) filter (where not others) || ' and ' || count(*) filter (where others) || ', mails: ' || (select count(*) from outbox) from membership_reminder`); got != fmt.Sprintf("%d and %d, mails: %d", members, spaces, members+spaces) {
			t.Fatalf("trial %d: %s reminders, want %d and %d", n, got, members, spaces)
		}
	}
}
