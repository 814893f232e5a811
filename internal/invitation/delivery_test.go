package invitation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
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
			Explanation: new("The person's mailbox is full. DataHub keeps trying for two days.")}},
		"delayed without a reply": {attempted + `last_error = 'x'`, &invitation.Delivery{Status: invitation.Delayed, Attempts: 3,
			LastAttemptAt: &at, NextAttemptAt: &next,
			Explanation: new("The mail server could not be reached, or did not answer. DataHub keeps trying for two days.")}},
		"failed": {attempted + `state = 'FAILED', secret = null, last_error = 'x', reply = '550 5.1.1 unknown'`, &invitation.Delivery{Status: invitation.Failed,
			Attempts: 3, LastAttemptAt: &at, Reply: new("550 5.1.1 unknown"),
			Explanation: new("The mail server does not know this address. Check what stands before the @. DataHub does not try again. Correct the problem, and then resend the invitation.")}},
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

func TestRepliesOfMailServersAreExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for reply, explanation := range map[string]string{
		"550 5.1.1 no such user":               "does not know this address",
		"550-5.1.1 no such user":               "does not know this address",
		"550 5.1.2 no such domain":             "cannot find the domain",
		"501 5.1.3 bad syntax":                 "does not accept this as an address",
		"556 5.1.10 null MX":                   "accepts no mail at all",
		"551 5.1.6 moved":                      "has moved",
		"550 5.2.1 disabled":                   "mailbox is closed",
		"452 4.2.2 full":                       "mailbox is full",
		"552 5.2.2 full":                       "mailbox is full",
		"552 5.2.3 too large":                  "of this size",
		"451 4.4.1 no answer":                  "does not answer",
		"550 5.4.4 no route":                   "cannot deliver",
		"554 5.7.1 spam":                       "blocks this mail",
		"450 4.7.1 greylisted":                 "on a later attempt",
		"550 no such user":                     "typing errors",
		"551 user not local":                   "typing errors",
		"553 mailbox name not allowed":         "typing errors",
		"550 5.5.5 what":                       "typing errors",
		"554 transaction failed":               "refuses the mail",
		"421 closing":                          "not accept the mail at the moment",
		"450 4.9.9 odd":                        "not accept the mail at the moment",
		"":                                     "did not accept the mail",
		"hello":                                "did not accept the mail",
		"250 OK":                               "did not accept the mail",
		"550 5.1.1" + strings.Repeat("9", 400): "typing errors",
		"550 5.1.1 " + strings.Repeat("\u202ex", 200): "does not know this address",
	} {
		w.setMail(id, `state = 'FAILED', secret = null, last_error = 'x', reply = $2`, reply)
		d := w.invitationNow("Group 1", id).Delivery()
		if !strings.Contains(*d.Explanation, explanation) || *d.Reply != reply {
			t.Errorf("%.40q: %s", reply, *d.Explanation)
		}
	}
}
