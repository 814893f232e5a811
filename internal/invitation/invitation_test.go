package invitation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// month is how long an invitation is valid.
const month = 30 * 24 * time.Hour

// world is a demo world with its services.
type world struct {
	*testworld.World
	*testworld.Services
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := testworld.New(t)
	return &world{w, w.Services(), t}
}

// tryInvite invites people to an instance of Econometrics.
func (w *world) tryInvite(who, instance string, role tenant.InstanceRole, emails ...string) ([]*invitation.InviteResult, error) {
	w.t.Helper()
	return w.tryInviteWith(who, invitation.InviteUsersInput{InstanceID: w.Instance(instance), Role: role, Emails: emails})
}

func (w *world) tryInviteWith(who string, in invitation.InviteUsersInput) ([]*invitation.InviteResult, error) {
	w.t.Helper()
	payload, err := w.Invitations.Invite(w.t.Context(), w.User(who), in)
	return payload.Results, err
}

// invite invites people as Ada, who administrates Econometrics.
func (w *world) invite(instance string, role tenant.InstanceRole, emails ...string) []*invitation.InviteResult {
	w.t.Helper()
	results, err := w.tryInvite("ada", instance, role, emails...)
	w.must(err)
	return results
}

// inviteAdministrators invites people to administrate Econometrics, as Ada.
func (w *world) inviteAdministrators(emails ...string) []*invitation.InviteResult {
	w.t.Helper()
	payload, err := w.Invitations.InviteAdministrators(w.t.Context(), w.User("ada"), invitation.InviteSpaceAdministratorsInput{
		SpaceID: w.Space(testworld.Econometrics), Emails: emails})
	w.must(err)
	return payload.Results
}

func (w *world) accept(who string, id globalid.ID) (invitation.AcceptInvitationPayload, error) {
	w.t.Helper()
	return w.Invitations.Accept(w.t.Context(), w.User(who), invitation.AnswerInput{InvitationID: &id})
}

func (w *world) revoke(ids ...globalid.ID) invitation.SelectionPayload {
	w.t.Helper()
	payload, err := w.Invitations.Revoke(w.t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: ids})
	w.must(err)
	return payload
}

func (w *world) tryResend(ids ...globalid.ID) (invitation.SelectionPayload, error) {
	w.t.Helper()
	return w.Invitations.Resend(w.t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: ids})
}

func (w *world) resend(ids ...globalid.ID) invitation.SelectionPayload {
	w.t.Helper()
	payload, err := w.tryResend(ids...)
	w.must(err)
	return payload
}

// secret returns the token in the newest queued mail of an invitation.
func (w *world) secret(id globalid.ID) string {
	w.t.Helper()
	return w.Text(`select secret from outbox where subject_id = $1 order by created_at desc, id desc limit 1`, id.UUID)
}

func (w *world) mailCount(id globalid.ID) int {
	w.t.Helper()
	return w.Number(`select count(*) from outbox where subject_id = $1`, id.UUID)
}

// invitationNow returns an invitation as Ada's lists have it now.
func (w *world) invitationNow(instance string, id globalid.ID) *invitation.Invitation {
	w.t.Helper()
	place := w.Instance(instance)
	lists, err := w.Invitations.List(w.t.Context(), []globalid.ID{place}, invitation.Filter{}, relay.Page{First: 100})
	w.must(err)
	for _, v := range lists[place].Nodes {
		if v.ID == id {
			return v
		}
	}
	w.t.Fatalf("%s does not lead to %s", id, instance)
	return nil
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// faultsOf returns the faults that an error consists of.
func faultsOf(t *testing.T, err error) fault.List {
	t.Helper()
	var list fault.List
	var one *fault.Fault
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &one):
		return fault.List{one}
	case err != nil:
		t.Fatal(err)
	}
	return nil
}

// wantRefused fails the test unless an error is exactly one fault with a code and a
// reason.
func wantRefused(t *testing.T, err error, code fault.Code, reason string) *fault.Fault {
	t.Helper()
	faults := faultsOf(t, err)
	if len(faults) != 1 || faults[0].Code != code || faults[0].Reason != reason {
		t.Fatalf("got %v; want one %s %s", described(faults), code, reason)
	}
	return faults[0]
}

// described returns code and reason of faults.
func described(faults fault.List) (texts []string) {
	for _, f := range faults {
		text := string(f.Code)
		if f.Reason != "" {
			text += " " + f.Reason
		}
		texts = append(texts, text)
	}
	return texts
}

func outcomes(results []*invitation.InviteResult) (outcomes []invitation.InviteOutcome) {
	for _, r := range results {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

func selectionOutcomes(p invitation.SelectionPayload) (outcomes []invitation.SelectionOutcome) {
	for _, r := range p.Results {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

func wantEqual(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func repeated[T any](value T, n int) []T { return slices.Repeat([]T{value}, n) }
