package request_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// world is the demo world with the services on it. Each of ada (administrator),
// ed (editor) and vic (viewer) has the role in Group 1, which is active, and in
// Group 2, which was deleted two hours ago.
type world struct {
	*testworld.World
	*testworld.Services
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := testworld.New(t)
	return world{w, w.Services(), t}
}

// request makes a request of a kind and returns its id: to become an editor of
// Group 1, to invite two people to Group 1, or to restore Group 2.
func (w world) request(who string, kind request.Kind) globalid.ID {
	w.t.Helper()
	made, err := w.ask(who, kind)
	if err != nil {
		w.t.Fatalf("%s asks for %s: %v", who, kind, err)
	}
	return made.Request.ID
}

func (w world) ask(who string, kind request.Kind) (request.RequestPayload, error) {
	w.t.Helper()
	actor, group1 := w.User(who), w.Instance("Group 1")
	switch kind {
	case request.Role:
		return w.Requests.RequestRole(w.t.Context(), actor, request.RequestRoleInput{InstanceID: &group1, Role: tenant.InstanceEditor})
	case request.Invitations:
		return w.Requests.RequestInvitations(w.t.Context(), actor, request.RequestInvitationsInput{
			InstanceID: group1, Role: tenant.Viewer, Emails: []string{"zoe@new.example", "bob@new.example"}})
	case request.Restore:
		return w.Requests.RequestRestore(w.t.Context(), actor, request.RequestRestoreInput{InstanceID: new(w.Instance("Group 2"))})
	}
	w.t.Fatalf("unknown kind %s", kind)
	return request.RequestPayload{}, nil
}

// The ways to answer a request. Each returns the refusal.
func (w world) approve(who string, id globalid.ID) string {
	w.t.Helper()
	_, err := w.Requests.Approve(w.t.Context(), w.User(who), request.ApproveRequestInput{RequestID: id})
	return testworld.Refusal(err)
}

func (w world) decline(who string, id globalid.ID) string {
	w.t.Helper()
	_, err := w.Requests.Decline(w.t.Context(), w.User(who), request.DeclineRequestInput{RequestID: id})
	return testworld.Refusal(err)
}

func (w world) withdraw(who string, id globalid.ID) string {
	w.t.Helper()
	_, err := w.Requests.Withdraw(w.t.Context(), w.User(who), request.WithdrawRequestInput{RequestID: id})
	return testworld.Refusal(err)
}

// status returns the status of a request as the database has it.
func (w world) status(id globalid.ID) request.Status {
	w.t.Helper()
	return request.Status(w.Text(`select status from request where id = $1`, id.UUID))
}

// reopen takes back that a request has ended.
func (w world) reopen(id globalid.ID) {
	w.t.Helper()
	w.Exec(`update request set status = 'OPEN', ended_at = null, answered_by = null, answer = null, approved = null where id = $1`, id.UUID)
	w.Exec(`delete from request_notice where request_id = $1`, id.UUID)
}

// everybody are the people of the demo world and those whom newPeople adds.
var everybody = []string{"ada", "ed", "vic", "mia", "sam", "rita", "eva", "max"}

// newPeople adds Eva, who is an administrator and an editor of Groups 1 and 2, and
// Max, who is an editor of Group 1 and a viewer of Group 2.
func (w world) newPeople() {
	w.t.Helper()
	eva, other := w.User("eva"), w.User("max")
	w.Grant(eva, tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	for _, group := range []string{"Group 1", "Group 2"} {
		w.Grant(eva, tenant.InstanceEditor, w.Instance(group))
	}
	w.Grant(other, tenant.InstanceEditor, w.Instance("Group 1"))
	w.Grant(other, tenant.InstanceViewer, w.Instance("Group 2"))
}
