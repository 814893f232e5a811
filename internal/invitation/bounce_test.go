package invitation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/mail/bounce"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// messageID returns the Message-ID of the newest mail to an address, after mails that are
// due were delivered.
func (w *world) messageID(email string) string {
	w.t.Helper()
	for _, m := range w.Mails() {
		if m.To == email {
			return strings.Trim(m.MessageID, "<>")
		}
	}
	w.t.Fatalf("there is no mail to %s", email)
	return ""
}

func (w *world) bounce(messageID string, recipients ...bounce.Recipient) invitation.BounceOutcome {
	w.t.Helper()
	outcome, err := invitation.RecordBounce(w.t.Context(), w.DB, keyedhash.Key{}, bounce.Report{MessageID: messageID, Recipients: recipients})
	w.must(err)
	return outcome
}

func failed(email, status, text string) bounce.Recipient {
	return bounce.Recipient{Final: email, Action: bounce.Failed, Status: status, Text: text}
}

const unknownUser = "550 5.1.1 <x>: Recipient address rejected: User unknown"

func TestBounceIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, status, text string
		outcome            invitation.BounceOutcome
		explanation, reply string
	}{
		{"user", "5.1.1", unknownUser, invitation.BounceHard,
			"The mail came back. The mail server does not know this address: nobody has this name there. Ask the recipient for the right address, and invite that one.", unknownUser},
		{"domain", "5.4.4", "Host or domain name not found", invitation.BounceHard, "The mail came back. The mail server knows no way to the domain of this address.", "550 5.4.4 Host or domain name not found"},
		{"exchange", "5.4.1", "550 5.4.1 Recipient address rejected: Access denied", invitation.BounceHard, "The mail came back. The mail server does not know this address", "550 5.4.1 Recipient address rejected: Access denied"},
		{"exim", "", "Unrouteable address", invitation.BounceHard, "The mail came back. The mail server does not accept this address.", "550 Unrouteable address"},
		{"full", "5.2.2", "552 5.2.2 Quota exceeded", invitation.BounceSoft, "The mail came back. The recipient's mailbox is full.", "552 5.2.2 Quota exceeded"},
		{"full-for-now", "4.2.2", "452 4.2.2 out of storage space", invitation.BounceSoft, "The mail came back. The recipient's mailbox is full.", "452 4.2.2 out of storage space"},
		{"policy", "5.7.1", "554 5.7.1 Service unavailable; Client host blocked", invitation.BounceSoft, "The mail came back. The mail server does not let this sender send mail to this address.", "554 5.7.1 Service unavailable; Client host blocked"},
		{"silent", "4.4.1", "connection timed out", invitation.BounceSoft, "The mail came back. The recipient's mail server does not answer.", "450 4.4.1 connection timed out"},
		{"long", "5.1.1", strings.Repeat("ö", 400) + " " + strings.Repeat("A", 43), invitation.BounceHard, "The mail came back.", "550 5.1.1 " + strings.Repeat("ö", 245)},
		{"secret", "5.1.1", "550 5.1.1 no user, " + strings.Repeat("A", 43), invitation.BounceHard, "The mail came back.", "550 5.1.1 no user, …"},
	} {
		email := c.name + "@new.example"
		id := w.invite("Group 1", tenant.Viewer, email)[0].InvitationID
		sent := w.messageID(email)
		if outcome := w.bounce(sent, failed(strings.ToUpper(email), c.status, c.text)); outcome != c.outcome {
			t.Errorf("%s: %s", c.name, outcome)
		}
		if outcome := w.bounce(sent, failed(email, c.status, c.text)); outcome != invitation.BounceRepeated {
			t.Errorf("%s, once more: %s", c.name, outcome)
		}
		d := w.invitationNow("Group 1", id).Delivery()
		if d.Status != invitation.Bounced || !strings.HasPrefix(*d.Explanation, c.explanation) || *d.Reply != c.reply || d.Attempts != 1 {
			t.Errorf("%s: %s, %q, %q", c.name, d.Status, *d.Explanation, *d.Reply)
		}
		hard := w.Number(`with gone as (delete from bounced_address returning 1) select count(*) from gone`)
		wantEqual(t, c.name+": remembered", c.outcome == invitation.BounceHard, hard == 1)
	}
	wantEqual(t, "events", []string{"BOUNCED"}, slices.Compact(w.Lines(`select change from event where topic = 'INVITATION' and change not in ('CREATED', 'SENT') order by id`)))
}

// Anybody can send notifications.
func TestBounceOfNothingThatWasSentIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const zoe = "zoe@new.example"
	id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	queued := w.Text(`select id from outbox where subject_id = $1`, id.UUID)
	wantEqual(t, "not sent yet", invitation.BounceUnknown, w.bounce(queued+"@datahub.example", failed(zoe, "5.1.1", unknownUser)))
	sent := w.messageID(zoe)
	for name, c := range map[string]struct {
		id         string
		recipients []bounce.Recipient
		want       invitation.BounceOutcome
	}{
		"an unknown mail":     {"0198f3c2-7a10-7c11-9b1e-2f6b1c0a9d55@datahub.example", []bounce.Recipient{failed(zoe, "5.1.1", unknownUser)}, invitation.BounceUnknown},
		"no id":               {"", []bounce.Recipient{failed(zoe, "5.1.1", unknownUser)}, invitation.BounceUnknown},
		"another form":        {strings.ToUpper(sent), []bounce.Recipient{failed(zoe, "5.1.1", unknownUser)}, invitation.BounceUnknown},
		"the invitation's id": {id.UUID.String() + "@datahub.example", []bounce.Recipient{failed(zoe, "5.1.1", unknownUser)}, invitation.BounceUnknown},
		"somebody else":       {sent, []bounce.Recipient{failed("ada@uni.example", "5.1.1", unknownUser), failed("no address", "5.1.1", unknownUser)}, invitation.BounceOther},
		"a delay":             {sent, []bounce.Recipient{{Final: zoe, Action: bounce.Delayed, Status: "4.4.1"}}, invitation.BounceNoError},
		"a success for Zoe":   {sent, []bounce.Recipient{failed("bob@new.example", "5.1.1", unknownUser), {Final: zoe, Action: bounce.Delivered}}, invitation.BounceNoError},
	} {
		if outcome := w.bounce(c.id, c.recipients...); outcome != c.want {
			t.Errorf("%s: %s", name, outcome)
		}
		wantEqual(t, name, invitation.Sent, w.delivery("Group 1", id))
	}
	wantEqual(t, "remembered", 0, w.Number(`select count(*) from bounced_address`))
	// The address as DataHub gave it counts where the mail was forwarded.
	forwarded := failed("zoe@elsewhere.example", "5.1.1", unknownUser)
	forwarded.Original = zoe
	wantEqual(t, "forwarded", invitation.BounceHard, w.bounce(sent, failed("bob@new.example", "5.1.1", unknownUser), forwarded))
	wantEqual(t, "then", invitation.Bounced, w.delivery("Group 1", id))
}

// An address that does not exist is invited without a mail, in its organization, until
// somebody resends on purpose.
func TestBouncedAddressesAreMailedOnPurposeOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const zoe = "zoe@new.example"
	group1 := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	w.bounce(w.messageID(zoe), failed(zoe, "5.1.1", unknownUser))

	// Another invitation in the organization has no mail; in another organization it has.
	master := w.invite("Master", tenant.Viewer, zoe)[0]
	wantEqual(t, "outcome", invitation.Invited, master.Outcome)
	if n := w.mailsTo(zoe); n != 1 {
		t.Errorf("%d mails, want the one that came back", n)
	}
	d := w.invitationNow("Master", master.InvitationID).Delivery()
	if d == nil || d.Status != invitation.Bounced || d.Attempts != 0 || !strings.HasSuffix(*d.Explanation, "resend the invitation: DataHub sends the mail then.") {
		t.Errorf("%+v", d)
	}
	research := w.InstanceOf(w.Space("Private Research"), "Master")
	_, err := w.tryInviteWith("rita", invitation.InviteUsersInput{InstanceID: research, Role: tenant.Viewer, Emails: []string{zoe}})
	w.must(err)
	if n := w.mailsTo(zoe); n != 2 {
		t.Errorf("%d mails, want one of the other organization, too", n)
	}

	// Only who may invite in the organization is warned.
	w.Grant(w.User("sam"), tenant.InstanceEditor, w.Instance("Group 1"))
	for who, want := range map[string]bool{"ada": true, "mia": true, "rita": false, "sam": false, "vic": false, "nobody@new.example": false} {
		checks, err := w.Invitations.CheckEmails(t.Context(), w.User(who), []string{"x", zoe, "Zoe <ZOE@new.example>", "bob@new.example"}, nil)
		w.must(err)
		for i, check := range checks {
			bounced := check.BouncedAt != nil && check.Warning != nil && strings.HasPrefix(*check.Warning, "The last mail to this address came back on ")
			if bounced != (want && (i == 1 || i == 2)) || !bounced && check.Warning != nil {
				t.Errorf("%s: %s: %v, %v", who, check.Input, check.BouncedAt, check.Warning)
			}
		}
	}

	// Asking for it without an account sends nothing.
	w.Advance(time.Hour)
	if n := w.sendPending(zoe); n != 1 { // of the other organization
		t.Errorf("%d mails", n)
	}
	w.resend(group1)
	if n := w.mailsTo(zoe); n != 4 {
		t.Errorf("%d mails, want a resent one", n)
	}
	wantEqual(t, "resent", invitation.Sent, w.delivery("Group 1", group1))
	checks, err := w.Invitations.CheckEmails(t.Context(), w.User("ada"), []string{zoe}, nil)
	w.must(err)
	if checks[0].Warning != nil {
		t.Errorf("%s", *checks[0].Warning)
	}

	// A report about an older mail comes after the resending: it changes nothing.
	late := w.Text(`select m.id from outbox m join invitation v on v.id = m.subject_id where v.email_key = $1 and m.state = 'SENT' and m.bounced_at is null order by m.id limit 1`, zoe)
	wantEqual(t, "late", invitation.BounceHard, w.bounce(late+"@datahub.example", failed(zoe, "5.1.1", unknownUser)))
	wantEqual(t, "remembered of a late report", 0, w.Number(`select count(*) from bounced_address`))

	// It comes back again, and is forgotten after 90 days.
	wantEqual(t, "again", invitation.BounceHard, w.bounce(w.messageID(zoe), failed(zoe, "5.1.1", unknownUser)))
	w.Exec(`update bounced_address set at = at - interval '2160 hours'`)
	w.Advance(time.Second)
	checks, err = w.Invitations.CheckEmails(t.Context(), w.User("ada"), []string{zoe}, nil)
	w.must(err)
	if checks[0].BouncedAt != nil {
		t.Errorf("%+v", checks[0])
	}
	w.inviteAdministrators(zoe)
	if n := w.mailsTo(zoe); n != 5 {
		t.Errorf("%d mails, want one of the invitation to the space", n)
	}
	for _, want := range []int64{1, 0} {
		if n, err := invitation.DeleteOldBounces(t.Context(), w.DB); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	_, err = w.accept(zoe, group1) // the person has found it all the same
	w.must(err)
}
