package invitation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// setMail puts the newest mail of an invitation into a state.
func (w *world) setMail(id globalid.ID, assignments string, args ...any) {
	w.t.Helper()
	w.Exec(`update outbox set `+assignments+` where id = (
		select id from outbox where subject_id = $1 order by created_at desc, id desc limit 1)`, append([]any{id.UUID}, args...)...)
}

func TestDeliveryStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const attempted = `attempts = 3, attempted_at = timestamptz '2026-01-01 12:00 UTC', next_attempt_at = timestamptz '2026-01-01 13:00 UTC', `
	at, next := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 13, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		mail string // assignments
		want *invitation.Delivery
	}{
		"just queued": {`attempts = 0`, &invitation.Delivery{Status: invitation.Queued}},
		"sent":        {attempted + `state = 'SENT', secret = null`, &invitation.Delivery{Status: invitation.Sent, Attempts: 3, LastAttemptAt: &at}},
		"delayed": {attempted + `last_error = 'x', reply = '452 4.2.2 full'`, &invitation.Delivery{Status: invitation.Delayed, Attempts: 3,
			LastAttemptAt: &at, NextAttemptAt: &next, Reply: new("452 4.2.2 full"),
			Explanation: new("The recipient's mailbox is full. Only the recipient can change this: reach them in another way, or ask them for another address. DataHub keeps trying for two days. The mail server said: “452 4.2.2 full”")}},
		"delayed without a reply": {attempted + `last_error = 'x'`, &invitation.Delivery{Status: invitation.Delayed, Attempts: 3,
			LastAttemptAt: &at, NextAttemptAt: &next,
			Explanation: new("The mail server could not be reached, or did not answer. If it lasts, the operator of DataHub has to look into it: tell DataHub's support. DataHub keeps trying for two days.")}},
		"failed": {attempted + `state = 'FAILED', secret = null, last_error = 'x', reply = '550 5.1.1 unknown'`, &invitation.Delivery{Status: invitation.Failed,
			Attempts: 3, LastAttemptAt: &at, Reply: new("550 5.1.1 unknown"),
			Explanation: new("The mail server does not know this address: nobody has this name there. Ask the recipient for the right address, and invite that one. DataHub does not try again. When the cause is removed, resend the invitation. The mail server said: “550 5.1.1 unknown”")}},
		"perhaps delivered": {attempted + `uncertain = 1, last_error = 'x', problem = 'NOT_CONFIRMED'`, &invitation.Delivery{Status: invitation.Uncertain, Attempts: 3,
			LastAttemptAt: &at, NextAttemptAt: &next,
			Explanation: new("The mail is perhaps delivered: the mail server has it, but did not confirm that it accepts it. DataHub sends it again some hours later, in case it was not; it does so twice at most. If you cannot wait, ask the recipient whether it has arrived, and resend the invitation if not.")}},
		"perhaps delivered, then held": {attempted + `state = 'HELD', uncertain = 1, last_error = 'x'`, &invitation.Delivery{Status: invitation.Uncertain, Attempts: 3,
			LastAttemptAt: &at, Explanation: new("The instance is deleted. The mail is sent when it is restored.")}},
		"perhaps delivered, for good": {attempted + `state = 'UNCERTAIN', uncertain = 3, secret = null, last_error = 'x'`, &invitation.Delivery{Status: invitation.Uncertain, Attempts: 3,
			LastAttemptAt: &at,
			Explanation:   new("The mail is perhaps delivered: the mail server has it, but did not confirm that it accepts it. DataHub does not send it again. Ask the recipient whether it has arrived, and resend the invitation if not.")}},
		"held": {`state = 'HELD'`, &invitation.Delivery{Status: invitation.Queued,
			Explanation: new("The instance is deleted. The mail is sent when it is restored.")}},
		"delayed, then held": {attempted + `state = 'HELD', last_error = 'x', reply = '450 later'`, &invitation.Delivery{Status: invitation.Delayed, Attempts: 3,
			LastAttemptAt: &at, Reply: new("450 later"),
			Explanation: new("The instance is deleted. The mail is sent when it is restored.")}},
		"dropped": {`state = 'DROPPED', secret = null`, nil},
	} {
		id := w.invite("Group 1", tenant.Viewer, strings.NewReplacer(" ", "-", ",", "").Replace(name)+"@new.example")[0].InvitationID
		w.setMail(id, c.mail)
		if diff := cmp.Diff(c.want, w.invitationNow("Group 1", id).Delivery(), cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// An older mail says nothing about the link that is valid now.
func TestDeliveryIsOfTheNewestMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	w.setMail(id, `state = 'FAILED', secret = null, last_error = 'x'`)
	w.resend(id)
	if d := w.invitationNow("Group 1", id).Delivery(); d.Status != invitation.Queued || d.Explanation != nil {
		t.Errorf("%+v", d)
	}
	w.Exec(`delete from outbox`)
	if d := w.invitationNow("Group 1", id).Delivery(); d != nil {
		t.Errorf("without a mail: %+v", d)
	}
}

// Who has to act on a reply.
const (
	inviter   = "Ask the recipient for the right address"
	recipient = "Only the recipient can change this"
	operator  = "the operator of DataHub"
	support   = "The operator of DataHub"
	admins    = "mail administrators"
)

func TestRepliesOfMailServersAreExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for _, c := range []struct{ reply, happened, who string }{
		// By the class of the enhanced code, or by the code itself.
		{"550 5.1.1 no such user", "does not know this address", inviter},
		{"550-5.1.1 no such user", "does not know this address", inviter},
		{"550 5.1.1", "does not know this address", inviter},
		{"550 5.1.2 no such domain", "cannot find the domain", inviter},
		{"501 5.1.3 bad syntax", "does not understand this address", inviter},
		{"556 5.1.10 null MX", "accepts no mail at all", inviter},
		{"551 5.1.6 moved", "has moved", inviter},
		{"550 5.1.99 odd", "does not accept this address", inviter},
		{"550 5.1.8 no such sender", "as the sender", support},
		{"550 5.2.1 disabled", "mailbox is closed", recipient},
		{"452 4.2.2 full", "mailbox is full", recipient},
		{"552 5.2.2 full", "mailbox is full", recipient},
		{"552 5.2.3 too large", "of this size", recipient},
		{"550 5.2.121 odd", "does not accept the mail", recipient},
		{"452 4.3.1 disk full", "disk is full", admins},
		{"554 5.3.5 loops back to myself", "set up wrongly", operator},
		{"451 4.3.0 odd", "does not work as it should", operator},
		{"451 4.4.1 no answer", "does not answer", admins},
		{"550 5.4.4 no route", "knows no way", inviter},
		{"554 5.4.6 loop", "in a circle", admins},
		{"550 5.4.316 odd", "through the network", admins},
		{"555 5.5.4 unsupported option", "do not understand each other", support},
		{"503 5.5.1 user unknown", "do not understand each other", support},
		{"554 5.6.0 bad content", "what the mail contains", operator},
		{"553 5.6.7 SMTPUTF8", "letters beyond ASCII", "Ask the recipient for an address of plain letters"},
		{"550 5.7.1 relaying denied", "does not pass on mail", support},
		{"554 5.7.1 Service unavailable; client host blocked", "does not let this sender", support},
		{"550 5.7.25 no PTR record", "reverse DNS", support},
		{"550 5.7.26 unauthenticated, no such user", "DMARC", support},
		{"550 5.7.23 SPF", "SPF", support},
		{"550 5.7.20 no DKIM", "DKIM", support},
		{"550 5.7.323 tlsa-invalid", "refuses mail from this sender", support},
		{"530 5.7.0 authentication required", "user or password", support},
		{"535 5.7.8 wrong password", "user or password", support},
		{"450 4.7.1 greylisted", "on a later attempt", operator},
		{"451 4.7.500 server busy", "makes this sender wait", operator},
		{"450 4.7.1 odd", "makes this sender wait", operator},

		// Where the code leaves it open, the text says more about the same subject.
		{"550 5.7.1 Unauthenticated email is not accepted due to the domain's DMARC policy", "DMARC", support},
		{"550 5.7.509 Access denied, sending domain does not pass DMARC verification", "DMARC", support},
		{"550 5.7.1 SPF fail", "SPF", support},
		{"454 4.7.1 <zoe@new.example>: Relay access denied", "does not pass on mail", support},
		{"550 5.7.64 TenantAttribution; Relay Access Denied", "does not pass on mail", support},
		{"450 4.7.1 Client host rejected: cannot find your hostname", "reverse DNS", support},
		{"554 5.7.1 Client host rejected: cannot find your reverse hostname", "reverse DNS", support},
		{"450 4.7.1 <hub>: Helo command rejected: Host not found", "introduces itself", support},
		{"454 4.7.0 TLS not available due to temporary reason", "cannot encrypt", operator},
		{"451 4.7.0 TLS required", "encrypted connection", support},
		{"550 5.0.0 User unknown", "does not know this address", inviter},
		{"550 5.1.1 relaying denied", "does not know this address", inviter},
		{"550 5.7.25 no mailbox", "reverse DNS", support},
		{"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "does not pass on mail", support},
		{"550 sorry, no mailbox here by that name. (#5.1.1)", "does not know this address", inviter},

		// Servers that make new senders wait use codes of other subjects for it.
		{"450 4.2.0 <zoe@new.example>: Recipient address rejected: Greylisted", "on a later attempt", operator},
		{"451 4.3.0 Graylisting in action", "on a later attempt", operator},
		{"450 4.1.1 grey-listed", "on a later attempt", operator},

		// What is temporary says nothing final about an address or a mailbox.
		{"450 4.1.1 unverified address: Address verification in progress", "at the moment", "ask the recipient whether the address is right"},
		{"450 4.1.2 Domain not found", "at the moment", "ask the recipient whether the address is right"},
		{"450 4.2.1 The user is receiving mail too quickly", "at the moment", "reach the recipient in another way"},
		{"450 4.2.0 odd", "at the moment", "reach the recipient in another way"},
		{"450 4.1.8 Sender address rejected: Domain not found", "as the sender", support},

		// Codes that servers use for something else.
		{"550 5.4.1 Recipient address rejected: Access denied.", "does not know this address", inviter},
		{"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "does not know this address", inviter},
		{"550 5.1.0 Sender denied", "as the sender", support},

		// Without an enhanced code by the text, and then by the code.
		{"550 no such user", "does not know this address", inviter},
		{"550 Unknown user", "does not know this address", inviter},
		{"550 relaying denied: no such user", "does not pass on mail", support},
		{"550 DMARC policy, unknown user", "DMARC", support},
		{"550 SPF check failed", "SPF", support},
		{"554 no reverse DNS for your host", "reverse DNS", support},
		{"554 Message rejected as spam", "refuses mail from this sender", support},
		{"530 Authentication required", "user or password", support},
		{"530 must issue a STARTTLS command first", "encrypted connection", support},
		{"550 mailbox is full", "mailbox is full", recipient},
		{"450 greylisted, come back later", "on a later attempt", operator},
		{"552 exceeded", "mailbox is full", recipient},
		{"552 Requested mail action aborted: exceeded storage allocation", "mailbox is full", recipient},
		{"422 The recipient's mailbox is over its storage limit", "mailbox is full", recipient},
		{"552 message size exceeds fixed maximum message size", "too large", operator},
		{"552 size limit exceeded", "too large", operator},
		{"452 Requested action not taken: insufficient system storage", "disk is full", admins},
		{"553 Requested action not taken: mailbox name not allowed", "does not accept this address", inviter},
		{"550 Requested action not taken: mailbox unavailable", "refuses the mail", "Check the address with the recipient"},
		{"450 Requested mail action not taken: mailbox unavailable", "at the moment", operator},
		{"550 Unrouteable address", "does not accept this address", inviter},
		{"550 Host unknown", "cannot find the domain", inviter},
		{"554 Relay access denied", "does not pass on mail", support},
		{"550 Client host rejected: cannot find your hostname", "reverse DNS", support},
		{"504 Helo command rejected: need fully-qualified hostname", "introduces itself", support},
		{"554 No SMTP service here", "refuses mail from this sender", support},
		{"554 too many hops", "in a circle", admins},
		{"550 non-ASCII addresses are not supported", "letters beyond ASCII", "Ask the recipient for an address of plain letters"},
		{"551 elsewhere", "has moved", inviter},
		{"553 no", "refuses the mail", "Check the address with the recipient"},
		{"556 no", "accepts no mail at all", inviter},
		{"500 what", "do not understand each other", support},
		{"554 transaction failed", "refuses the mail", "Check the address with the recipient"},
		{"550", "refuses the mail", "Check the address with the recipient"},
		{"421 closing", "accepts no mail at the moment", admins},
		{"451 odd", "does not work as it should", operator},
		{"471 odd", "at the moment", operator},
		{"450 4.9.9 odd", "at the moment", operator},
		{"550 5.9.9 odd", "refuses the mail", operator},
		{"550 5.1.1" + strings.Repeat("9", 400), "refuses the mail", operator},

		{"", "no refusal", support},
		{"hello", "no refusal", support},
		{"250 OK", "no refusal", support},
		{"550 5.1.1 " + strings.Repeat("\u202ex", 200), "does not know this address", inviter},
	} {
		w.setMail(id, `state = 'FAILED', secret = null, last_error = 'x', reply = $2`, c.reply)
		d := w.invitationNow("Group 1", id).Delivery()
		if !strings.Contains(*d.Explanation, c.happened) || !strings.Contains(*d.Explanation, c.who) || *d.Reply != c.reply {
			t.Errorf("%.60q: %s", c.reply, *d.Explanation)
		}
		if said := c.reply; len(said) < 300 && said != "" && !strings.HasSuffix(*d.Explanation, "The mail server said: “"+said+"”") {
			t.Errorf("%q is not quoted: %s", said, *d.Explanation)
		}
		if n := len(*d.Explanation); n > 800 {
			t.Errorf("%.60q: %d octets", c.reply, n)
		}
	}
}

// What the mail server refuses before it is told the recipient is not the recipient's
// fault, whatever it says.
func TestRefusalOfTheGatewayIsNotTheRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for reply, want := range map[string][2]string{
		"554 go away":                           {"accepts no mail from DataHub.", support},
		"550":                                   {"accepts no mail from DataHub.", support},
		"554 5.1.1 no such user":                {"accepts no mail from DataHub.", support},
		"421 4.3.2 shutting down":               {"accepts no mail from DataHub at the moment", operator},
		"421 closing":                           {"accepts no mail from DataHub at the moment", operator},
		"452 4.2.2 full":                        {"accepts no mail from DataHub at the moment", operator},
		"471 odd":                               {"does not accept the mail at the moment", operator},
		"554 5.7.1 blocked by a list":           {"does not let this sender", support},
		"554 5.7.25 no PTR record":              {"reverse DNS", support},
		"535 5.7.8 wrong password":              {"user or password", support},
		"454 4.7.0 TLS not available":           {"cannot encrypt", operator},
		"552 5.3.4 the message is too large":    {"too large", operator},
		"421 4.7.0 too many connections, later": {"makes this sender wait", operator},
	} {
		w.setMail(id, `state = 'QUEUED', last_error = 'x', reply = $2, problem = $3`, reply, mail.ProblemEarly)
		if d := w.invitationNow("Group 1", id).Delivery(); !strings.Contains(*d.Explanation, want[0]) || !strings.Contains(*d.Explanation, want[1]) {
			t.Errorf("%q: %s", reply, *d.Explanation)
		}
	}
}

func TestProblemsWithoutAReplyAreExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for problem, want := range map[string]string{
		mail.ProblemUnreachable: "could not reach its mail server",
		mail.ProblemNoAnswer:    "did not answer",
		mail.ProblemInsecure:    "encryption or on signing in",
		mail.ProblemNoUTF8:      "Ask the recipient for an address of plain letters",
		"NEW":                   "could not be reached, or did not answer",
	} {
		w.setMail(id, `state = 'QUEUED', last_error = 'x', problem = $2`, problem)
		if d := w.invitationNow("Group 1", id).Delivery(); !strings.Contains(*d.Explanation, want) || d.Reply != nil || d.Status != invitation.Delayed {
			t.Errorf("%s: %v", problem, *d.Explanation)
		}
	}
}
