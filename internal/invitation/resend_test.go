package invitation_test

import (
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestResendSendsANewLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	old := w.secret(id)
	w.Advance(24 * time.Hour)
	payload, err := w.Invitations.Resend(t.Context(), w.User("bea"), invitation.SelectionInput{InvitationIDs: []globalid.ID{id}})
	w.must(err)
	v := payload.Results[0].Invitation
	if payload.Results[0].Outcome != invitation.OutcomeResent || v.InvitedBy.Name != "Bea" || time.Until(v.ExpiresAt) < month-time.Minute {
		t.Errorf("%s, %+v", payload.Results[0].Outcome, v)
	}
	if d := v.Delivery(); d == nil || d.Status != invitation.Queued || d.Attempts != 0 {
		t.Errorf("%+v", d)
	}
	zoe := w.User("zoe@new.example")
	_, err = w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: &old})
	wantRefused(t, err, fault.InvitationNotUsable, "")
	if _, err := w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: new(w.secret(id))}); err != nil {
		t.Errorf("the new link: %v", err)
	}
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Bea INVITATION_RESENT Group 1", "Zoe INVITATION_ACCEPTED Group 1"}, w.Trail())
}

func TestResendSendsWhatIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invited := w.invite("Group 1", tenant.Viewer, "expired@new.example", "revoked@new.example")
	w.Advance(month)
	invited = append(invited, w.invite("Master", tenant.Viewer, "pending@new.example")...)
	invited = append(invited, w.inviteAdministrators("space@new.example")...)
	w.revoke(invited[1].InvitationID)
	ids := []globalid.ID{invited[0].InvitationID, invited[1].InvitationID, invited[2].InvitationID, invited[3].InvitationID, invited[0].InvitationID}
	payload := w.resend(ids...)
	wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeResent, invitation.OutcomeAlreadyEnded, invitation.OutcomeResent,
		invitation.OutcomeResent, invitation.OutcomeResent}, selectionOutcomes(payload))
	for i, r := range payload.Results {
		if r.Index != i || r.Invitation.ID != ids[i] {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if payload.Results[0].Invitation.Status != invitation.Pending {
		t.Errorf("the expired one is %s", payload.Results[0].Invitation.Status)
	}
	for i, mails := range []int{2, 1, 2, 2} {
		if n := w.mailCount(ids[i]); n != mails {
			t.Errorf("%s: %d mails", invited[i].Email, n)
		}
	}
	wantEqual(t, "records", []string{`Group 1 {"emails": ["expired@new.example"]}`, `Master {"emails": ["pending@new.example"]}`, `{"emails": ["space@new.example"]}`},
		w.Lines(`select concat_ws(' ', instance_name, details::text) from audit_log where action = 'INVITATION_RESENT' order by id`))
	// Nothing that has ended is an error.
	wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeAlreadyEnded}, selectionOutcomes(w.resend(ids[1])))
}

// An address is left alone for ten minutes, in all instances of the space.
func TestResendPausesForEachAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1 := w.invite("Group 1", tenant.Viewer, "zoe@new.example", "bob@new.example")
	master := w.invite("Master", tenant.Viewer, "zoe@new.example")
	zoe, bob, zoeInMaster := group1[0].InvitationID, group1[1].InvitationID, master[0].InvitationID
	began := time.Now()
	w.resend(zoe)
	w.Advance(9 * time.Minute)
	_, err := w.tryResend(bob, zoeInMaster, zoe)
	faults := faultsOf(t, err)
	wantEqual(t, "errors", []string{"RATE_LIMITED RESENDS_BY_ADDRESS", "RATE_LIMITED RESENDS_BY_ADDRESS"}, described(faults))
	if f := faults[0]; *f.Index != 1 || *faults[1].Index != 2 || f.Email != "zoe@new.example" || f.RetryAfter < time.Minute-time.Since(began) || f.RetryAfter > time.Minute ||
		f.Message != "An invitation was resent to zoe@new.example a short time ago. Nothing was sent." || !strings.HasPrefix(f.Remedy, "Wait a minute before you resend it.") {
		t.Errorf("%+v", f)
	}
	wantEqual(t, "place in the input", []any{"input", "invitationIds", 1}, faults[0].InputPath)
	if n := w.mailCount(bob); n != 1 {
		t.Errorf("%d mails to Bob", n)
	}
	w.resend(bob) // the refused request has not recorded anything
	w.Advance(time.Minute)
	w.resend(zoeInMaster)
	// Another space has a pause of its own.
	research := w.InstanceOf(w.Space("Private Research"), "Master")
	results, err := w.tryInviteWith("rita", invitation.InviteUsersInput{InstanceID: research, Role: tenant.Viewer, Emails: []string{"zoe@new.example"}})
	w.must(err)
	_, err = w.Invitations.Resend(t.Context(), w.User("rita"), invitation.SelectionInput{InvitationIDs: []globalid.ID{results[0].InvitationID}})
	w.must(err)
}

// The limits of inviting hold for resending, too, and are reported with the pauses.
func TestResendIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByAddress, w.Invitations.Limits.ByPerson = 2, 5
	invited := w.invite("Group 1", tenant.Viewer, "zoe@new.example", "bob@new.example")
	zoe, bob := invited[0].InvitationID, invited[1].InvitationID
	w.resend(zoe)
	_, err := w.tryResend(bob, zoe)
	wantEqual(t, "errors", []string{"RATE_LIMITED RESENDS_BY_ADDRESS", "RATE_LIMITED INVITATIONS_BY_ADDRESS"}, described(faultsOf(t, err)))
	w.Advance(10 * time.Minute)
	_, err = w.tryResend(bob, zoe)
	f := wantRefused(t, err, fault.RateLimited, fault.InvitationsByAddress)
	wantEqual(t, "place in the input", []any{"input", "invitationIds", 1}, f.InputPath)
	w.resend(bob)
	w.Invitations.Limits.ByPerson, w.Invitations.Limits.BySpace, w.Invitations.Limits.ByAddress = 4, 4, 100
	w.Advance(10 * time.Minute)
	_, err = w.tryResend(bob)
	wantEqual(t, "errors", []string{"RATE_LIMITED INVITATIONS_BY_PERSON", "RATE_LIMITED INVITATIONS_BY_SPACE"}, described(faultsOf(t, err)))
}

func TestResendAndRevokeAreForAdministratorsOfEveryPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	results, err := w.tryInviteWith("rita", invitation.InviteUsersInput{InstanceID: w.InstanceOf(w.Space("Private Research"), "Master"),
		Role: tenant.Viewer, Emails: []string{"zoe@new.example"}})
	w.must(err)
	foreign, unknown := results[0].InvitationID, globalid.New(globalid.Invitation)
	for name, c := range map[string]struct {
		who  string
		ids  []globalid.ID
		want []string
		at   []int
	}{
		"a foreign one":        {"ada", []globalid.ID{mine, foreign, mine}, []string{"NOT_FOUND"}, []int{1}},
		"unknown ones":         {"ada", []globalid.ID{unknown, mine, unknown}, []string{"NOT_FOUND", "NOT_FOUND"}, []int{0, 2}},
		"an id of an instance": {"ada", []globalid.ID{w.Instance("Group 1")}, []string{"NOT_FOUND"}, []int{0}},
		"an editor":            {"ed", []globalid.ID{mine}, []string{"FORBIDDEN"}, []int{0}},
		"a stranger":           {"sam", []globalid.ID{mine}, []string{"NOT_FOUND"}, []int{0}},
	} {
		for operation, do := range map[string]func(invitation.SelectionInput) (invitation.SelectionPayload, error){
			"resending": func(in invitation.SelectionInput) (invitation.SelectionPayload, error) {
				return w.Invitations.Resend(t.Context(), w.User(c.who), in)
			},
			"revoking": func(in invitation.SelectionInput) (invitation.SelectionPayload, error) {
				return w.Invitations.Revoke(t.Context(), w.User(c.who), in)
			},
		} {
			payload, err := do(invitation.SelectionInput{InvitationIDs: c.ids})
			faults := faultsOf(t, err)
			wantEqual(t, operation+" "+name, c.want, described(faults))
			for i, f := range faults {
				if *f.Index != c.at[i] || len(f.InputPath) != 3 || f.InputPath[1] != "invitationIds" {
					t.Errorf("%s %s: %+v", operation, name, f)
				}
			}
			if payload.Results != nil {
				t.Errorf("%s %s: there are results", operation, name)
			}
		}
	}
	if got := w.Text(`select concat_ws(' ', (select count(*) from outbox), (select count(*) from invitation where status = 'PENDING'))`); got != "2 2" {
		t.Errorf("mails and pending invitations: %s", got)
	}
}

func TestResendRefusesADeletedInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deleted := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	active := w.invite("Master", tenant.Viewer, "zoe@new.example")[0].InvitationID
	w.DeleteInstance(w.Instance("Group 1"), w.User("ada"))
	_, err := w.tryResend(active, deleted)
	if f := wantRefused(t, err, fault.InstanceDeleted, ""); *f.Index != 1 {
		t.Errorf("index %d", *f.Index)
	}
	wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeRevoked, invitation.OutcomeRevoked}, selectionOutcomes(w.revoke(active, deleted)))
}

func TestRevokeEndsWhatIsPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invited := w.invite("Group 1", tenant.Viewer, "expired@new.example", "accepted@new.example")
	_, err := w.accept("accepted@new.example", invited[1].InvitationID)
	w.must(err)
	w.Advance(month)
	invited = append(invited, w.invite("Master", tenant.Viewer, "pending@new.example")...)
	invited = append(invited, w.inviteAdministrators("space@new.example")...)
	ids := make([]globalid.ID, len(invited))
	for i, r := range invited {
		ids[i] = r.InvitationID
	}
	payload := w.revoke(append(ids, ids[0])...)
	wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeRevoked, invitation.OutcomeAlreadyEnded, invitation.OutcomeRevoked,
		invitation.OutcomeRevoked, invitation.OutcomeRevoked}, selectionOutcomes(payload))
	if payload.Results[0].Invitation.Status != invitation.Revoked || payload.Results[1].Invitation.Status != invitation.Accepted {
		t.Errorf("%s, %s", payload.Results[0].Invitation.Status, payload.Results[1].Invitation.Status)
	}
	wantEqual(t, "records", []string{`Group 1 {"emails": ["expired@new.example"]}`, `Master {"emails": ["pending@new.example"]}`, `{"emails": ["space@new.example"]}`},
		w.Lines(`select concat_ws(' ', instance_name, details::text) from audit_log where action = 'INVITATION_REVOKED' order by id`))
	_, err = w.Invitations.Accept(t.Context(), w.User("pending@new.example"), invitation.AnswerInput{Token: new(w.secret(ids[2]))})
	wantRefused(t, err, fault.InvitationNotUsable, "REVOKED")
}

func TestResendAndRevokeAnswerTheSameKeyWithTheFirstOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	in := func(key string) invitation.SelectionInput {
		return invitation.SelectionInput{InvitationIDs: []globalid.ID{id}, IdempotencyKey: &key}
	}
	for range 2 {
		payload, err := w.Invitations.Resend(t.Context(), w.User("ada"), in("resend"))
		w.must(err)
		wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeResent}, selectionOutcomes(payload))
	}
	if n := w.mailCount(id); n != 2 {
		t.Errorf("%d mails", n)
	}
	for range 2 {
		payload, err := w.Invitations.Revoke(t.Context(), w.User("ada"), in("revoke"))
		w.must(err)
		wantEqual(t, "outcomes", []invitation.SelectionOutcome{invitation.OutcomeRevoked}, selectionOutcomes(payload))
	}
	// The answer has the first outcome, and the invitation as it is now.
	payload, err := w.Invitations.Resend(t.Context(), w.User("ada"), in("resend"))
	w.must(err)
	if r := payload.Results[0]; r.Outcome != invitation.OutcomeResent || r.Invitation.Status != invitation.Revoked {
		t.Errorf("%s, %s", r.Outcome, r.Invitation.Status)
	}
	_, err = w.Invitations.Revoke(t.Context(), w.User("ada"), in("resend"))
	wantRefused(t, err, fault.IdempotencyKeyReused, "")
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Ada INVITATION_RESENT Group 1", "Ada INVITATION_REVOKED Group 1"}, w.Trail())
}

func TestDeleteOldResendsLeavesThoseOfThePause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invited := w.invite("Group 1", tenant.Viewer, "zoe@new.example", "bob@new.example")
	w.resend(invited[0].InvitationID)
	w.Advance(10 * time.Minute)
	w.resend(invited[1].InvitationID)
	for _, want := range []int64{1, 0} {
		if n, err := invitation.DeleteOldResends(t.Context(), w.DB); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	wantEqual(t, "left", []string{"bob@new.example"}, w.Lines(`select email_key from invitation_resend`))
}
