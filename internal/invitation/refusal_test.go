package invitation_test

import (
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func (w *world) refuse(actor *access.Actor, token string) string {
	w.t.Helper()
	payload, err := w.Invitations.Refuse(w.t.Context(), actor, invitation.RefuseInvitationsInput{Token: token})
	w.must(err)
	return payload.Email
}

// mailsTo returns how many mails an address was sent.
func (w *world) mailsTo(email string) (n int) {
	w.t.Helper()
	for _, m := range w.Mails() {
		if m.To == email {
			n++
		}
	}
	return n
}

func (w *world) delivery(instance string, id globalid.ID) invitation.DeliveryStatus {
	w.t.Helper()
	if d := w.invitationNow(instance, id).Delivery(); d != nil {
		return d.Status
	}
	return ""
}

const zoe = "zoe@new.example"

func TestRefusingDeclinesAndStopsMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	token := w.Token(zoe)
	queued := w.invite("Master", tenant.Viewer, "ZOE@new.example")[0].InvitationID // its mail is not sent yet
	for range 2 {                                                                  // repeating it changes nothing
		if got := w.refuse(nil, token); got != zoe {
			t.Errorf("refused for %q", got)
		}
	}
	if v := w.invitationNow("Group 1", id); v.Status != invitation.Declined {
		t.Errorf("the invitation is %s", v.Status)
	}
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Ada INVITATION_SENT Master", zoe + " INVITATION_DECLINED Group 1"}, w.Trail())

	// Nothing is mailed any more: not what is queued, not a new invitation, not one
	// that is sent again, and not by another organization.
	results := w.invite("Group 1", tenant.Editor, "Zoe@NEW.example", "bob@new.example")
	wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.Invited, invitation.Invited}, outcomes(results))
	d := results[0].Invitation.Delivery()
	if d == nil || d.Status != invitation.Suppressed || d.Explanation == nil || !strings.Contains(*d.Explanation, "asked DataHub not to send") {
		t.Errorf("the answer says %+v", d)
	}
	if got := results[1].Invitation.Delivery().Status; got != invitation.Queued {
		t.Errorf("Bob's mail is %s", got)
	}
	again := results[0].InvitationID
	resent := w.resend(again)
	if got := resent.Results[0].Invitation.Delivery(); resent.Results[0].Outcome != invitation.OutcomeResent || got.Status != invitation.Suppressed {
		t.Errorf("sent again: %s, %+v", resent.Results[0].Outcome, got)
	}
	private := w.InstanceOf(w.Space("Private Research"), "Master")
	if _, err := w.Invitations.Invite(t.Context(), w.User("rita"), invitation.InviteUsersInput{InstanceID: private, Role: tenant.Viewer, Emails: []string{zoe}}); err != nil {
		t.Fatal(err)
	}
	if n := w.mailsTo(zoe) + w.mailsTo("ZOE@new.example") + w.mailsTo("Zoe@new.example"); n != 1 {
		t.Errorf("%d mails, want the first one", n)
	}
	if n := w.mailsTo("bob@new.example"); n != 1 {
		t.Errorf("%d mails to Bob", n)
	}
	for instance, id := range map[string]globalid.ID{"Master": queued, "Group 1": again} {
		if got := w.delivery(instance, id); got != invitation.Suppressed {
			t.Errorf("the delivery in %s is %s", instance, got)
		}
	}
	if n := w.Number(`select count(*) from outbox where state in ('QUEUED', 'HELD')`); n != 0 {
		t.Errorf("%d mails wait", n)
	}

	// The person finds them all, and can accept.
	person := w.User(zoe)
	list, err := w.Invitations.ListPendingFor(t.Context(), person, relay.Page{First: 10, Total: true})
	w.must(err)
	if list.Total != 3 {
		t.Errorf("%d pending invitations", list.Total)
	}
	if _, err := w.accept(zoe, again); err != nil {
		t.Error(err)
	}
	// The table does not tell who refused.
	if n := w.Number(`select count(*) from invitation_refusal r where strpos(r::text, 'zoe') > 0`); n != 0 {
		t.Error("the address is in the table")
	}
}

func TestAllowingUndoesARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, zoe)
	w.refuse(nil, w.Token(zoe))
	person := w.User(zoe)
	refuses := func(want bool) {
		t.Helper()
		if got, err := w.Invitations.Refuses(t.Context(), person); got != want || err != nil {
			t.Errorf("refuses: %t, %v", got, err)
		}
	}
	refuses(true)
	key := "k"
	for range 2 {
		payload, err := w.Invitations.Allow(t.Context(), person, invitation.AllowInvitationsInput{IdempotencyKey: &key})
		if err != nil || payload.Viewer.ID != person.ID {
			t.Fatalf("%+v, %v", payload, err)
		}
	}
	refuses(false)
	id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	if n := w.mailsTo(zoe); n != 2 || w.delivery("Group 1", id) != invitation.Sent {
		t.Errorf("%d mails; the last is %s", n, w.delivery("Group 1", id))
	}
}

// An invitation that has ended can still say whose address it was.
func TestRefusingWithTheTokenOfAnEndedInvitation(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"ACCEPTED", "DECLINED", "REVOKED", "EXPIRED", "deleted"} {
		w := newWorld(t)
		id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
		token := w.Token(zoe)
		trail := len(w.Trail())
		switch end {
		case "EXPIRED":
			w.Advance(month)
		case "deleted":
			w.DeleteInstance(w.Instance("Group 1"), w.User("ada"))
			trail++ // it is declined
		default:
			w.Exec(`update invitation set status = $2 where id = $1`, id.UUID, end)
		}
		w.refuse(nil, token)
		if refuses, err := w.Invitations.Refuses(t.Context(), w.User(zoe)); !refuses || err != nil {
			t.Errorf("%s: refuses %t, %v", end, refuses, err)
		}
		if got := len(w.Trail()); got != trail {
			t.Errorf("%s: %d records, want %d", end, got, trail)
		}
	}
}

// A link does so that has been replaced by now: by sending the invitation again, or by
// inviting the address again after the invitation had expired.
func TestRefusingWithTheLinkOfAnOlderMail(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"resending", "inviting again", "resending twice"} {
		w := newWorld(t)
		id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
		token := w.Token(zoe)
		switch by {
		case "resending twice":
			w.resend(id)
			w.Advance(time.Hour)
			w.resend(id)
		case "resending":
			w.resend(id)
		default:
			w.Advance(month)
			if got := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID; got != id {
				t.Fatalf("%s: %v, want %v", by, got, id)
			}
		}
		if newest := w.Token(zoe); newest == token {
			t.Fatalf("%s: the link is the same", by)
		}
		// It shows and answers nothing.
		if v, err := w.Invitations.ByToken(t.Context(), nil, token); v != nil || err != nil {
			t.Errorf("%s: the older link shows %+v, %v", by, v, err)
		}
		if got := w.refuse(nil, token); got != zoe {
			t.Errorf("%s: refused for %q", by, got)
		}
		if v := w.invitationNow("Group 1", id); v.Status != invitation.Declined {
			t.Errorf("%s: the invitation is %s", by, v.Status)
		}
		if refuses, err := w.Invitations.Refuses(t.Context(), w.User(zoe)); !refuses || err != nil {
			t.Errorf("%s: refuses %t, %v", by, refuses, err)
		}
		w.Exec(`delete from invitation where id = $1`, id.UUID)
		if n := w.Number(`select count(*) from invitation_past_token`); n != 0 {
			t.Errorf("%s: %d tokens are left", by, n)
		}
	}
}

// A refusal is of a mailbox, as limits count it, and of no other one.
func TestRefusalsCoverTheMailbox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ refused, same, other string }{
		{"ref@new.example", "REF+tag@new.example", "ref.x@new.example"},
		{"ref+tag@new.example", "ref@new.example", "refer+tag@new.example"},
		{"r.ef+a@gmail.com", "re.f+b@googlemail.com", "ref@gmail.example"},
	} {
		w := newWorld(t)
		queued := w.invite("Master", tenant.Viewer, c.same)[0].InvitationID
		id := w.invite("Group 1", tenant.Viewer, c.refused)[0].InvitationID
		w.refuse(nil, w.secret(id))
		results := w.invite("Group 1", tenant.Viewer, c.same, c.other)
		if got := results[0].Invitation.Delivery().Status; got != invitation.Suppressed {
			t.Errorf("%s: the mail to %s is %s", c.refused, c.same, got)
		}
		if got := results[1].Invitation.Delivery().Status; got != invitation.Queued {
			t.Errorf("%s: the mail to %s is %s", c.refused, c.other, got)
		}
		person := w.User(c.same)
		if refuses, err := w.Invitations.Refuses(t.Context(), person); !refuses || err != nil {
			t.Errorf("%s: %s refuses: %t, %v", c.refused, c.same, refuses, err)
		}
		// Any address of the mailbox undoes it.
		_, err := w.Invitations.Allow(t.Context(), person, invitation.AllowInvitationsInput{})
		w.must(err)
		if refuses, err := w.Invitations.Refuses(t.Context(), w.User(c.refused)); refuses || err != nil {
			t.Errorf("%s refuses: %t, %v", c.refused, refuses, err)
		}
		w.resend(queued)
		if n := w.mailsTo(c.same); n == 0 {
			t.Errorf("%s: no mail to %s", c.refused, c.same)
		}
	}
}

// The trail names the account that did it. Where nobody has signed in, it is the person
// who has the mail.
func TestRefusingNamesTheOneWhoDidIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, zoe, "bob@new.example", "eve@new.example")
	person, other := w.User(zoe), w.User("sam")
	w.refuse(&person, w.Token(zoe))
	w.refuse(&other, w.Token("bob@new.example"))
	w.refuse(nil, w.Token("eve@new.example"))
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Zoe INVITATION_DECLINED Group 1",
		"Sam INVITATION_DECLINED Group 1", "eve@new.example INVITATION_DECLINED Group 1"}, w.Trail())
}

func TestUnknownTokensRefuseNothingAndAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, zoe)
	token, person := w.Token(zoe), w.User("sam")
	try := func(actor *access.Actor, token string) error {
		_, err := w.Invitations.Refuse(t.Context(), actor, invitation.RefuseInvitationsInput{Token: token})
		return err
	}
	for range 20 {
		wantRefused(t, try(&person, "nonsense"), fault.InvitationNotUsable, "")
		wantRefused(t, try(nil, "nonsense"), fault.InvitationNotUsable, "")
	}
	wantRefused(t, try(&person, token), fault.RateLimited, fault.TokensByPerson)
	if n := w.Number(`select count(*) from invitation_refusal`); n != 0 {
		t.Errorf("%d refusals", n)
	}
}

func TestInvitationSaysHowLongItIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	v := w.invitationNow("Group 1", id)
	if got := w.Invitations.KeptUntil(v); !got.Equal(v.ExpiresAt.Add(180 * day)) {
		t.Errorf("a pending one is kept until %v, and expires at %v", got, v.ExpiresAt)
	}
	if got := w.Invitations.LoggedUntil(v); got.Sub(v.CreatedAt.Add(730*day)).Abs() > time.Minute {
		t.Errorf("a pending one is logged until %v, and was created at %v", got, v.CreatedAt)
	}
	w.Advance(7 * day)
	w.revoke(id)
	v = w.invitationNow("Group 1", id)
	if got := w.Invitations.KeptUntil(v); got.Sub(v.CreatedAt.Add(187*day)).Abs() > time.Minute {
		t.Errorf("a revoked one is kept until %v, and was created at %v", got, v.CreatedAt)
	}
	mail := w.Mails
	w.invite("Group 1", tenant.Viewer, "bob@new.example")
	text := mail()[0].Text
	kept := w.Invitations.KeptUntil(w.invitationNow("Group 1", w.Invitation("bob@new.example"))).UTC().Format("2 January 2006")
	if !strings.Contains(text, "deleted on "+kept) || !strings.Contains(text, "/app/invitation?refuse#"+w.Token("bob@new.example")) {
		t.Errorf("kept until %s: %s", kept, text)
	}
}
