package invitation_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

var client = netip.MustParseAddr("192.0.2.7")

// sendPending asks for the pending invitations of an address, and returns how many mails
// to it there are more afterwards.
func (w *world) sendPending(email string) int {
	w.t.Helper()
	before := w.mailsTo(email)
	payload, err := w.Invitations.SendPending(w.t.Context(), nil, client, invitation.SendPendingInvitationsInput{Email: email})
	w.must(err)
	if payload.Email != email {
		w.t.Errorf("the answer is %+v", payload)
	}
	return w.mailsTo(email) - before
}

func TestSendPendingMailsWhatCanBeAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.PendingByAddress, w.Invitations.Limits.PendingByClient = 1000, 1000
	const zoe = "zoe@new.example"
	expired := w.invite("Master", tenant.Viewer, zoe)[0].InvitationID
	w.Advance(month)
	group1 := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
	w.inviteAdministrators(zoe)
	_, err := w.Invitations.InviteOrganizationMembers(t.Context(), w.User("mia"), invitation.InviteOrganizationMembersInput{
		OrganizationID: w.Organization("University of Example"), Role: tenant.Member, Emails: []string{zoe}})
	w.must(err)
	old := w.secret(group1)
	before := w.invitationNow("Group 1", group1)

	// The mails are on the way, and then have just been sent.
	_, err = w.Invitations.SendPending(t.Context(), nil, client, invitation.SendPendingInvitationsInput{Email: zoe})
	w.must(err)
	if n := w.mailsTo(zoe); n != 3 { // the one of before has expired
		t.Errorf("%d mails, want those of the invitations themselves", n)
	}
	w.Advance(9 * time.Minute)
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails within the pause", n)
	}
	w.Advance(time.Minute)
	if n := w.sendPending(zoe); n != 3 {
		t.Errorf("%d mails, want 3", n)
	}
	after := w.invitationNow("Group 1", group1)
	wantEqual(t, "inviter", before.InvitedBy, after.InvitedBy)
	if d := after.ExpiresAt.Sub(before.ExpiresAt) + 10*time.Minute; d < -time.Minute || d > time.Minute {
		t.Errorf("it expires at %s instead of %s", after.ExpiresAt, before.ExpiresAt)
	}
	wantEqual(t, "delivery", invitation.Sent, after.Delivery().Status)
	wantEqual(t, "expired one", invitation.Expired, w.invitationNow("Master", expired).Status)
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails within the pause", n)
	}
	wantEqual(t, "trail", []string{"DataHub INVITATION_SENT_ON_REQUEST", "DataHub INVITATION_SENT_ON_REQUEST", "DataHub INVITATION_SENT_ON_REQUEST Group 1"},
		w.Lines(`select concat_ws(' ', actor_name, action, instance_name) from audit_log where action = 'INVITATION_SENT_ON_REQUEST' and details = '{"emails": ["zoe@new.example"]}' order by 1`))

	// What was mailed for a request is not mailed for another one for eight hours, and three
	// times in all. The address is compared as inviting does.
	w.Advance(7 * time.Hour)
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails within eight hours", n)
	}
	for use, want := range []int{3, 3, 0} {
		w.Advance(8 * time.Hour)
		before := w.mailsTo(zoe)
		_, err = w.Invitations.SendPending(t.Context(), nil, client, invitation.SendPendingInvitationsInput{Email: " Zoë <ZOE@New.Example> "})
		w.must(err)
		if n := w.mailsTo(zoe) - before; n != want {
			t.Errorf("use %d: %d mails, want %d", use+2, n, want)
		}
	}

	// The links of before work, also the first one; until a person resends the invitation.
	read := func(token string) bool {
		who := w.User(zoe)
		v, err := w.Invitations.ByToken(t.Context(), &who, token)
		return err == nil && v != nil
	}
	if !read(old) {
		t.Error("the first link does not work any more")
	}
	_, err = w.Invitations.Resend(t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: []globalid.ID{group1}})
	w.must(err)
	if read(old) {
		t.Error("a link of before the resending works")
	}
	older := w.secret(group1)
	w.Mails()
	w.Advance(10 * time.Minute)
	if n := w.sendPending(zoe); n != 1 {
		t.Errorf("%d mails after resending, want 1", n)
	}
	_, err = w.Invitations.Accept(t.Context(), w.User(zoe), invitation.AnswerInput{Token: &older})
	w.must(err)

	// Nothing keeps the address.
	wantEqual(t, "kept", 0, w.Number(`select count(*) from outbox where kind = $1 and (secret is not null or state not in ('SENT', 'DROPPED'))`, invitation.PendingKind))
}

func TestSendPendingMailsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByAddress = 100
	doomed := w.NewInstance(w.Space(testworld.Econometrics), "Doomed")
	invite := func(who string, in globalid.ID, email string) globalid.ID {
		results, err := w.tryInviteWith(who, invitation.InviteUsersInput{InstanceID: in, Role: tenant.Viewer, Emails: []string{email}})
		w.must(err)
		return results[0].InvitationID
	}
	w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	group1 := w.Instance("Group 1")
	invite("ada", doomed, "deleted@new.example")
	revoked := invite("ada", group1, "revoked@new.example")
	declined := invite("ada", group1, "declined@new.example")
	accepted := invite("ada", group1, "accepted@new.example")
	invite("bea", group1, "left@new.example")
	refusing := invite("ada", group1, "refusing@new.example")
	for i := range 21 {
		invite("ada", w.NewInstance(w.Space(testworld.Econometrics), fmt.Sprintf("I%02d", i)), "many@new.example")
	}
	_, err := w.Invitations.Refuse(t.Context(), nil, invitation.RefuseInvitationsInput{Token: w.secret(refusing)})
	w.must(err)
	invite("ada", group1, "refusing@new.example")
	w.revoke(revoked)
	_, err = w.Invitations.Decline(t.Context(), w.User("declined@new.example"), invitation.AnswerInput{InvitationID: &declined})
	w.must(err)
	_, err = w.accept("accepted@new.example", accepted)
	w.must(err)
	w.Mails()
	w.DeleteInstance(doomed, w.User("ada"))
	w.Revoke(w.User("bea"), w.Space(testworld.Econometrics))
	w.Advance(10 * time.Minute)
	for email, want := range map[string]int{
		"deleted@new.example": 0, "revoked@new.example": 0, "declined@new.example": 0, "accepted@new.example": 0,
		"left@new.example": 0, "refusing@new.example": 0, "nobody@new.example": 0, "many@new.example": 5,
	} {
		if n := w.sendPending(email); n != want {
			t.Errorf("%s: %d mails, want %d", email, n, want)
		}
	}
}

// Strangers bound neither what the owner of an address can ask for, nor what others can.
func TestSendPendingIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const zoe = "zoe@new.example"
	w.invite("Group 1", tenant.Viewer, zoe)
	w.Mails()
	// Other spellings of the mailbox, and requests that mail nothing, use up nothing.
	for _, email := range []string{"zoe+1@new.example", "zoe+2@new.example", zoe, zoe, zoe} {
		if n := w.sendPending(email); n != 0 {
			t.Errorf("%s: %d mails", email, n)
		}
	}
	w.Advance(11 * time.Minute)
	if n := w.sendPending(zoe); n != 1 {
		t.Errorf("%d mails after the pause, want 1", n)
	}
	// Once in an hour.
	w.inviteAdministrators(zoe)
	w.Mails()
	w.Advance(11 * time.Minute)
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails within the hour", n)
	}
	w.Advance(61 * time.Minute)
	if n := w.sendPending(zoe); n != 1 {
		t.Errorf("%d mails after the hour, want that to administrate", n)
	}
	// What the organization may send holds here, and is not used up.
	used := w.Number(`select count(*) from rate_limit where name like 'INVITATIONS%'`)
	w.Advance(9 * time.Hour)
	w.Invitations.Limits.ByAddress = 1
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails, although the organization may send one in an hour", n)
	}
	w.Invitations.Limits.ByAddress = 20
	if n := w.sendPending(zoe); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
	wantEqual(t, "counters of the organization", used, w.Number(`select count(*) from rate_limit where name like 'INVITATIONS%'`))
	// A mail that the server refused for good is not repeated by strangers.
	w.Advance(9 * time.Hour)
	w.Exec(`update outbox set state = 'FAILED', reply = '550 5.1.1 unknown' where kind = 'INVITATION'`)
	if n := w.sendPending(zoe); n != 0 {
		t.Errorf("%d mails to an address that was refused", n)
	}

	w.Invitations.Limits.PendingByClient = 3
	other := netip.MustParseAddr("2001:db8::")
	try := func(actor *access.Actor, email string, key *string) error {
		_, err := w.Invitations.SendPending(t.Context(), actor, other, invitation.SendPendingInvitationsInput{Email: email, IdempotencyKey: key})
		return err
	}
	for range 4 { // a request that is repeated counts once
		w.must(try(nil, "joe@new.example", new("key")))
	}
	w.must(try(nil, "bob@new.example", new("key")))
	f := wantRefused(t, try(nil, "joe@.new.example", nil), fault.InvalidEmail, "DOMAIN_LABEL_EMPTY")
	wantEqual(t, "place in the input", []any{"input", "email"}, f.InputPath)
	if f.Message != "joe@.new.example is not valid: a domain cannot begin with a dot. Nothing was sent." || f.Suggestion != "joe@new.example" {
		t.Errorf("%+v", f)
	}
	w.must(try(nil, "joe@new.example", nil))
	f = wantRefused(t, try(nil, "joe@new.example", nil), fault.RateLimited, fault.PendingByClient)
	if f.RetryAfter <= 0 || !strings.HasPrefix(f.Message, "Pending invitations can be asked for 3 times in an hour from one network address.") || !strings.Contains(f.Remedy, "sign in with the address") {
		t.Errorf("%+v", f)
	}
	wantRefused(t, try(nil, "not an address", nil), fault.RateLimited, fault.PendingByClient) // the limit comes first
	w.must(try(nil, "joe@new.example", new("key")))
	vic := w.User("vic") // who is signed in is counted by themself
	w.must(try(&vic, "joe@new.example", nil))

	// Nothing of it is kept for longer than an hour.
	w.Exec(`update outbox set created_at = clock_timestamp()`)
	if n, err := invitation.DeleteOldPending(t.Context(), w.DB); n != 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	w.Mails()
	w.Exec(`update outbox set created_at = created_at - interval '61 minutes'`)
	if n, err := invitation.DeleteOldPending(t.Context(), w.DB); n == 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	wantEqual(t, "kept", 0, w.Number(`select count(*) from outbox where kind = $1`, invitation.PendingKind))
}

// What is answered does the same work for every address, whatever is pending for it.
func TestSendPendingAnswersTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.PendingByClient = 1000
	w.invite("Group 1", tenant.Viewer, "zoe@new.example")
	w.Mails()
	w.Advance(time.Hour)
	for _, email := range []string{"zoe@new.example", "ada@uni.example", "nobody@new.example"} {
		ctx, n := postgres.WithStatementCount(t.Context())
		_, err := w.Invitations.SendPending(ctx, nil, client, invitation.SendPendingInvitationsInput{Email: email})
		w.must(err)
		wantEqual(t, "statements for "+email, int64(4), n.Load())
		wantEqual(t, "rows", 1, w.Number(`with gone as (delete from outbox where kind = $1 returning 1) select count(*) from gone`, invitation.PendingKind))
	}
}

// A mail of a deleted instance waits for its restoration, whichever came first.
func TestSendPendingRacingDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "zoe@new.example")
	group1, ada := w.Instance("Group 1"), w.User("ada")
	w.Invitations.Limits.PendingByAddress = 1000
	var r racetest.Race
	for range racetest.Trials {
		w.Exec(`update invitation set mailed_on_request = 0`)
		w.Exec(`update outbox set state = 'SENT', secret = null, created_at = created_at - interval '1 hour'`)
		before := w.Number(`select count(*) from outbox`)
		r.Run(
			func() {
				w.Invitations.MailPending(t.Context(), []outbox.Job{{Secret: "zoe@new.example"}}, func(_ int, err error) {
					if err != nil && !errors.Is(err, outbox.ErrDropped) {
						t.Error(err)
					}
				})
			},
			func() {
				if _, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: group1}); err != nil {
					t.Error(err)
				}
			})
		r.Record(w.Number(`select count(*) from outbox`) > before)
		wantEqual(t, "mails that go out of a deleted instance", 0, w.Number(`select count(*) from outbox where state = 'QUEUED'`))
		_, err := w.Instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: group1})
		w.must(err)
	}
	r.End(t)
}

// Who locks a space and its organization locks the space first.
func TestSendPendingRacingWhatLocksTheSpaceAndTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.PendingByAddress = 1000
	const zoe, bob = "zoe@new.example", "bob@new.example"
	mia := w.User("mia")
	var others []globalid.ID
	for _, email := range []string{zoe, bob} {
		w.invite("Group 1", tenant.Viewer, email)
		payload, err := w.Invitations.InviteOrganizationMembers(t.Context(), mia, invitation.InviteOrganizationMembersInput{
			OrganizationID: w.Organization("University of Example"), Role: tenant.Member, Emails: []string{email}})
		w.must(err)
		others = []globalid.ID{payload.Results[0].InvitationID}
	}
	administrators, err := w.Invitations.InviteAdministrators(t.Context(), mia, invitation.InviteSpaceAdministratorsInput{SpaceID: w.Space(testworld.Econometrics), Emails: []string{bob}})
	w.must(err)
	others = append(others, administrators.Results[0].InvitationID)
	var r racetest.Race
	for range racetest.Trials {
		w.Exec(`update invitation set mailed_on_request = 0`)
		w.Exec(`update outbox set state = 'SENT', secret = null, created_at = created_at - interval '1 hour'`)
		r.Run(
			func() {
				w.Invitations.MailPending(t.Context(), []outbox.Job{{Secret: zoe}}, func(_ int, err error) {
					if err != nil && !errors.Is(err, outbox.ErrDropped) {
						t.Error(err)
					}
				})
			},
			func() {
				if _, err := w.Invitations.Revoke(t.Context(), mia, invitation.SelectionInput{InvitationIDs: others}); err != nil {
					t.Error(err)
				}
			})
	}
}
