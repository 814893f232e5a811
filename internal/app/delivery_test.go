package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

const deliveries = `query($i: ID!, $status: InvitationStatus) { instance(id: $i) { invitations(first: 100, status: $status) { nodes {
	email status delivery { status attempts lastAttemptAt nextAttemptAt explanation reply } } } } }`

// delivery returns the delivery of an address's invitation to an instance, as
// an administrator sees it.
func (p person) delivery(instance, email string) map[string]any {
	p.world.t.Helper()
	a := p.Ask(deliveries, map[string]any{"i": p.world.instance(instance)}).OK()
	for i, of := range a.Every("email", "instance", "invitations", "nodes") {
		if of == email {
			d, _ := a.At("instance", "invitations", "nodes", i, "delivery").(map[string]any)
			return d
		}
	}
	p.world.t.Fatalf("there is no invitation of %s: %s", email, a.Body)
	return nil
}

// Administrators see the reply of the mail server, with an explanation.
func TestDeliveryShowsTheMailServersReply(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.OnRcpt(func(to string) error {
		switch name, _, _ := strings.Cut(to, "@"); name {
		case "nobody":
			return apptest.EnhancedReply(550, 5, 1, 1, "no such person here")
		case "full":
			return apptest.EnhancedReply(452, 4, 2, 2, "mailbox full")
		case "odd":
			return apptest.EnhancedReply(450, 0, 0, 0, "later")
		case "blocked":
			return apptest.EnhancedReply(554, 5, 7, 1, "we do not like you")
		}
		return nil
	})
	w := newWorld(t, s.Use)
	w.delayRetries()
	ada := w.as("ada")
	watching := ada.watchSSE(w.instance("Group 1"))
	people := []string{"nobody@new.example", "full@new.example", "odd@new.example", "blocked@new.example", "zoe@new.example"}
	ada.invite("Group 1", "VIEWER", people).OK()
	for range people {
		watching.next()
	}
	watching.expect("FAILED nobody@new.example", "DELAYED full@new.example", "DELAYED odd@new.example", "FAILED blocked@new.example", "SENT zoe@new.example")
	for email, want := range map[string]struct {
		status             string
		explanation, reply any
	}{
		"zoe@new.example":    {"SENT", nil, nil},
		"nobody@new.example": {"FAILED", "The mail server does not know this address: nobody has this name there. Ask the recipient for the right address, and invite that one. DataHub does not try again. When the cause is removed, resend the invitation. The mail server said: “550 5.1.1 no such person here”", "550 5.1.1 no such person here"},
		"full@new.example":   {"DELAYED", "The recipient's mailbox is full. Only the recipient can change this: reach them in another way, or ask them for another address. DataHub keeps trying for two days. The mail server said: “452 4.2.2 mailbox full”", "452 4.2.2 mailbox full"},
		"odd@new.example":    {"DELAYED", "The mail server makes this sender wait. If it lasts, the operator of DataHub has to look into it: send DataHub's support what the mail server said. DataHub keeps trying for two days. The mail server said: “450 later”", "450 later"},
		"blocked@new.example": {"FAILED", "The mail server does not let this sender send mail to this address. This is not the address's fault. The operator of DataHub has to correct it: send DataHub's support what the mail server said. DataHub does not try again. When the cause is removed, resend the invitation. The mail server said: “554 5.7.1 we do not like you”",
			"554 5.7.1 we do not like you"},
	} {
		d := ada.delivery("Group 1", email)
		if d["status"] != want.status || d["explanation"] != want.explanation || d["reply"] != want.reply || d["attempts"] != 1.0 || d["lastAttemptAt"] == nil ||
			(d["nextAttemptAt"] != nil) != (want.status == "DELAYED") {
			t.Errorf("%s: %v", email, d)
		}
	}
	// A failed mail can be sent again. The delivery shows the last mail.
	s.OnRcpt(nil)
	ada.resend([]string{w.invitationOf("nobody@new.example")}).OK()
	watching.expect("RENEWED nobody@new.example", "SENT nobody@new.example")
	if d := ada.delivery("Group 1", "nobody@new.example"); d["status"] != "SENT" || d["attempts"] != 1.0 || d["reply"] != nil {
		t.Errorf("%v", d)
	}
	// A delayed mail is dropped when its invitation ends or is sent again.
	ada.revoke([]string{w.invitationOf("full@new.example")}).OK()
	watching.expect("REVOKED full@new.example")
	ada.resend([]string{w.invitationOf("odd@new.example")}).OK()
	watching.expect("RENEWED odd@new.example", "SENT odd@new.example")
	w.tryNow()
	w.AwaitOutbox()
	if d := ada.delivery("Group 1", "full@new.example"); d != nil {
		t.Errorf("%v", d)
	}
	if d := ada.delivery("Group 1", "odd@new.example"); d["status"] != "SENT" {
		t.Errorf("%v", d)
	}
	// The invited person does not see the delivery.
	zoe := w.as("zoe@new.example")
	if got := zoe.Ask(`{ viewer { invitations { nodes { delivery { reply } } } } }`, nil).OK().At("viewer", "invitations", "nodes", 0, "delivery"); got != nil {
		t.Errorf("the invited person sees %v", got)
	}
	// The delivery names no hosts.
	if all := fmt.Sprint(ada.delivery("Group 1", "blocked@new.example")); strings.Contains(all, "127.0.0.1") || strings.Contains(all, "dial") {
		t.Errorf("%s", all)
	}
}

func TestDeliveryShowsThatTheMailServerIsDown(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Stop()
	w := newWorld(t, s.Use)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.Eventually("a try", func() bool { return w.outbox()[0].LastError != nil })
	d := ada.delivery("Group 1", "zoe@new.example")
	if d["status"] != "DELAYED" || d["attempts"] != 0.0 || d["reply"] != nil || d["explanation"] != "DataHub could not reach its mail server. If it lasts, the operator of DataHub has to look into it: tell DataHub's support. DataHub keeps trying for two days." {
		t.Errorf("%v", d)
	}
}

// newBusyMailServer returns a world whose mail server takes no mail before settle is
// called. Each mail is attempted once before tryNow is called.
func newBusyMailServer(t *testing.T) (w *world, s *apptest.MailServer, settle func()) {
	t.Helper()
	s = apptest.NewMailServer(t)
	s.OnData(func(apptest.Attempt) error { return apptest.Reply(451, "later") })
	w = newWorld(t, s.Use)
	w.delayRetries()
	return w, s, func() { s.OnData(nil) }
}

// A mail server takes mails, and hangs up instead of saying so.
func TestMailThatIsPerhapsDelivered(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.OnData(func(a apptest.Attempt) error { return a.Conn.Close() })
	w := newWorld(t, s.Use)
	ada := w.as("ada")
	watching := ada.watchSSE(w.instance("Group 1"))
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	watching.expect("CREATED zoe@new.example")
	for attempt := 1; attempt <= 3; attempt++ {
		watching.expect("UNCERTAIN zoe@new.example")
		d := ada.delivery("Group 1", "zoe@new.example")
		if explanation, _ := d["explanation"].(string); d["status"] != "UNCERTAIN" || d["reply"] != nil || d["attempts"] != float64(attempt) ||
			!strings.HasPrefix(explanation, "The mail is perhaps delivered: ") || (d["nextAttemptAt"] != nil) != (attempt < 3) {
			t.Errorf("after attempt %d: %v", attempt, d)
		}
		w.tryNow()
	}
	if n := w.Number(`select count(*) from outbox where state = 'UNCERTAIN' and secret is null`); n != 1 {
		t.Errorf("%d mails have ended", n)
	}
	ids := map[string]bool{}
	for _, a := range s.Attempts() {
		ids[a.MessageID] = true
	}
	if n := len(s.Attempts()); n != 3 || len(ids) != 1 {
		t.Errorf("%d copies with %d Message-IDs", n, len(ids))
	}
	// An administrator can send another one.
	s.OnData(nil)
	ada.resend([]string{w.invitationOf("zoe@new.example")}).OK()
	watching.expect("RENEWED zoe@new.example", "SENT zoe@new.example")
	if d := ada.delivery("Group 1", "zoe@new.example"); d["status"] != "SENT" || d["explanation"] != nil {
		t.Errorf("%v", d)
	}
}

// Mails to a deleted instance are held until it is restored.
func TestMailsOfADeletedInstanceAreHeld(t *testing.T) {
	t.Parallel()
	w, s, settle := newBusyMailServer(t)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).OK()
	ada.invite("Master", "VIEWER", []string{"kim@new.example"}).OK()
	w.Await("an attempt for each", func() bool { return w.Number(`select count(*) from outbox where attempts > 0 and lease is null`) == 3 })
	ada.delete("Group 1").OK()
	before := len(s.Attempts())
	settle()
	w.tryNow()
	w.sent(1)
	ada.revoke([]string{w.invitationOf("bob@new.example")}).OK()
	if got := s.Attempts()[before:]; len(got) != 1 || got[0].To != "kim@new.example" {
		t.Errorf("mails %v", got)
	}
	if d := ada.delivery("Group 1", "zoe@new.example"); d["status"] != "DELAYED" || d["nextAttemptAt"] != nil || d["explanation"] != "The instance is deleted. The mail is sent when it is restored." {
		t.Errorf("%v", d)
	}
	if n := w.Number(`select count(*) from outbox where state = 'HELD' and secret is not null`); n != 2 {
		t.Errorf("%d are held", n)
	}
	w.as("ed").restore("Group 1").OK()
	w.AwaitOutbox()
	got := s.Attempts()[before+1:]
	if len(got) != 1 || got[0].To != "zoe@new.example" {
		t.Errorf("mails %v", got)
	}
	_, token, _ := strings.Cut(got[0].Link, "#")
	w.as("zoe@new.example").accept("token", token).OK()
}

func TestMailsAreInTheRecipientsLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for email, locale := range map[string]string{"heidi@new.example": "de-CH", "zoe@new.example": "it, fr;q=0.9", "bob@new.example": "en", "kim@new.example": ""} {
		p := w.as(email)
		r := p.Request(`{ viewer { name } }`, nil)
		if locale != "" {
			r.Header.Set("Accept-Language", locale+", en;q=0.5")
		}
		p.Send(r).OK()
	}
	w.as("ada").invite("Group 1", "VIEWER", []string{"heidi@new.example", "zoe@new.example", "bob@new.example", "kim@new.example", "new@new.example"}).OK()
	want := map[string][]string{
		"heidi@new.example": {"DataHub Ada hat Ihnen eine Einladung geschickt", "Einladung ansehen"},
		"zoe@new.example":   {"DataHub Ada vous a envoyé une invitation", "Voir l’invitation"},
		"bob@new.example":   {"DataHub Ada has sent you an invitation", "Review invitation"},
		"kim@new.example":   {"DataHub Ada has sent you an invitation", "Review invitation"},
		"new@new.example":   {"DataHub Ada has sent you an invitation", "Review invitation"},
	}
	for _, m := range w.AwaitMails(5) {
		if m.Subject != want[m.To][0] || !strings.Contains(m.Text, want[m.To][1]) || !strings.Contains(m.HTML, want[m.To][1]) || m.Link == "" {
			t.Errorf("%s: %q %q\n%s", m.To, m.Subject, m.Link, m.Text)
		}
	}
}

// Invitations, outbox and the mails that the server took agree, however the
// server behaves.
func TestEverySentInvitationHasItsMail(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	var broken atomic.Int64
	var mu sync.Mutex
	arrived := map[string]int{}
	s.OnRcpt(func(to string) error {
		switch {
		case strings.HasPrefix(to, "refused"):
			return apptest.Reply(550, "no")
		case strings.HasPrefix(to, "later") && broken.Add(1)%2 == 1:
			return apptest.Reply(450, "later")
		}
		return nil
	})
	s.OnData(func(a apptest.Attempt) error {
		switch {
		case strings.HasPrefix(a.To, "rejected"):
			return apptest.Reply(554, "no")
		case strings.HasPrefix(a.To, "dropped"):
			mu.Lock()
			defer mu.Unlock()
			if arrived[a.To]++; arrived[a.To] < 3 {
				return a.Conn.Close()
			}
		}
		return nil
	})
	w := newWorld(t, s.Use)
	const each = 40
	kinds := []string{"fine", "refused", "later", "rejected", "dropped"}
	var emails []string
	for i := range each {
		for _, kind := range kinds {
			emails = append(emails, fmt.Sprintf("%s%d@new.example", kind, i))
		}
	}
	w.as("ada").invite("Group 1", "VIEWER", emails).OK()
	w.Await("the end of all mails", func() bool {
		w.tryNow()
		return w.Number(`select count(*) from outbox where state = 'QUEUED'`) == 0
	})
	got := map[string]string{}
	for _, row := range w.outbox() {
		kind := strings.TrimRight(strings.TrimSuffix(row.Email, "@new.example"), "0123456789")
		if got[kind] != "" && got[kind] != row.State {
			t.Errorf("%s: %s", row.Email, row.State)
		}
		got[kind] = row.State
	}
	if diff := cmp.Diff(map[string]string{"fine": "SENT", "refused": "FAILED", "later": "SENT", "rejected": "FAILED", "dropped": "SENT"}, got); diff != "" {
		t.Error(diff)
	}
	figures := w.compareLedger(s.Attempts())
	if figures.live != len(emails) || figures.mailed != 3*each || figures.failed != 2*each {
		t.Errorf("%+v", figures)
	}
	t.Logf("%+v", figures)
}

// ledger counts invitations and their mails.
type ledger struct {
	live   int // invitations
	mailed int // addresses with a mail that the server took
	failed int // addresses whose mail failed
	copies int // mails taken beyond the first for an address
}

// compareLedger fails the test where a mail has no invitation, where an
// invitation that counts as sent has no mail, where an address has two pending
// invitations, or where copies of a mail differ in their Message-ID or link.
func (w *world) compareLedger(attempts []apptest.Attempt) (figures ledger) {
	w.t.Helper()
	figures.live = w.Number(`select count(*) from invitation where status = 'PENDING'`)
	if n := w.Number(`select count(*) from (select from invitation where status = 'PENDING' group by instance_id, email_key having count(*) > 1) twice`); n > 0 {
		w.t.Errorf("%d addresses have two live invitations", n)
	}
	ids, links := map[string][]string{}, map[string][]string{}
	taken := map[string]int{}
	for _, a := range attempts {
		to := a.To
		if !slices.Contains(ids[to], a.MessageID) {
			ids[to] = append(ids[to], a.MessageID)
		}
		if !slices.Contains(links[to], a.Link) {
			links[to] = append(links[to], a.Link)
		}
		if a.Taken {
			taken[to]++
		}
	}
	for to := range ids {
		if len(ids[to]) != 1 || len(links[to]) != 1 {
			w.t.Errorf("%s: Message-IDs %v, %d links", to, ids[to], len(links[to]))
		}
	}
	for _, row := range w.outbox() {
		if row.State == "SENT" && taken[row.Email] == 0 {
			w.t.Errorf("%s counts as sent, and has no mail", row.Email)
		}
		if row.State == "FAILED" {
			figures.failed++
			if taken[row.Email] > 0 {
				w.t.Errorf("%s counts as failed, and has a mail", row.Email)
			}
		}
		if row.Secret != nil {
			w.t.Errorf("%s: the token is kept", row.Email)
		}
	}
	for to, n := range taken {
		if w.Number(`select count(*) from invitation where email = $1`, to) == 0 {
			w.t.Errorf("%s has a mail without an invitation", to)
		}
		figures.mailed++
		figures.copies += n - 1
	}
	return figures
}
