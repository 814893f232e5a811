package invitation_test

import (
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// An invitation carries the end of the membership: who accepts is a member until then, and
// nobody accepts afterwards.
func TestAnInvitationCarriesTheEndOfAMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1 := w.Instance("Group 1")
	invite := func(until time.Duration, key string, emails ...string) ([]*invitation.InviteResult, error) {
		t.Helper()
		in := invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: emails}
		if until != 0 {
			in.Until = new(time.Now().Add(until))
		}
		if key != "" {
			in.IdempotencyKey = &key
			in.Until = new(time.Date(time.Now().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC))
		}
		return w.tryInviteWith("ada", in)
	}
	days := func(column string, id globalid.ID) int {
		t.Helper()
		return w.Number(`select coalesce(round(extract(epoch from `+column+` - clock_timestamp()) / 86400), 0) from invitation where id = $1`, id.UUID)
	}
	for _, c := range []struct {
		until              time.Duration
		outcome            invitation.InviteOutcome
		ends, expires, not int
	}{
		{100 * 24 * time.Hour, invitation.Invited, 100, 30, 0},
		{0, invitation.AlreadyInvited, 100, 30, 0},                  // stays
		{90 * 24 * time.Hour, invitation.AlreadyInvited, 90, 30, 0}, // another end, and no mail
		{10 * 24 * time.Hour, invitation.AlreadyInvited, 10, 10, 0},
	} {
		results, err := invite(c.until, "", "zoe@new.example")
		w.must(err)
		r := results[0]
		if r.Outcome != c.outcome || r.Invitation.Until == nil || days("until", r.InvitationID) != c.ends || days("expires_at", r.InvitationID) != c.expires {
			t.Errorf("%v: %s, until %v, in %d days, expires in %d", c.until, r.Outcome, r.Invitation.Until, days("until", r.InvitationID), days("expires_at", r.InvitationID))
		}
	}
	if n := w.Number(`select count(*) from outbox`); n != 1 {
		t.Errorf("%d mails", n)
	}
	zoe := w.Invitation("zoe@new.example")
	if _, err := w.accept("zoe@new.example", zoe); err != nil {
		t.Fatal(err)
	}
	if n := w.Number(`select round(extract(epoch from until - clock_timestamp()) / 86400) from instance_member where account_id = $1`, w.User("zoe@new.example").ID.UUID); n != 10 {
		t.Errorf("a member for %d days", n)
	}

	// Too late.
	results, err := invite(24*time.Hour, "", "max@new.example")
	w.must(err)
	w.Advance(24 * time.Hour)
	if got := testworld.Refusal(second(w.accept("max@new.example", results[0].InvitationID))); got != "INVITATION_NOT_USABLE EXPIRED" {
		t.Errorf("it is %q", got)
	}
	resent, err := w.Invitations.Resend(t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: []globalid.ID{results[0].InvitationID}})
	w.must(err)
	if got := resent.Results[0].Outcome; got != invitation.OutcomeAlreadyEnded {
		t.Errorf("resent: %s", got)
	}
	if results, err = invite(0, "", "max@new.example"); err != nil || results[0].Outcome != invitation.Invited || results[0].Invitation.Until != nil {
		t.Errorf("%+v, %v", results[0], err)
	}

	for until, code := range map[time.Duration]string{-time.Minute: string(fault.BadUserInput), time.Minute: ""} {
		if _, err := invite(until, "", "lea@new.example"); testworld.Refusal(err) != code {
			t.Errorf("%v: %v", until, err)
		}
	}
	if faults := (invitation.InviteUsersInput{Emails: []string{"x@new.example"}, Until: new(time.Now().AddDate(10, 0, 1))}).Validate(w.Invitations.Limits); len(faults) != 1 {
		t.Errorf("%v", faults)
	}
	first, err := invite(0, "k", "noa@new.example")
	w.must(err)
	again, err := invite(0, "k", "noa@new.example")
	w.must(err)
	if first[0].InvitationID != again[0].InvitationID || again[0].Outcome != invitation.Invited {
		t.Errorf("%+v, and again %+v", first[0], again[0])
	}
}
