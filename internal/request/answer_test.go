package request_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Who may do what with an open request of each kind. Vic made them.
func TestWhoCanAnswer(t *testing.T) {
	t.Parallel()
	answerer := [3]string{"", "", "FORBIDDEN"} // approve, decline, withdraw
	requester := [3]string{"FORBIDDEN", "FORBIDDEN", ""}
	nobody := [3]string{"NOT_FOUND", "NOT_FOUND", "NOT_FOUND"}
	byAdministrators := map[string][3]string{
		"ada": answerer, "eva": answerer, "vic": requester,
		"ed": nobody, "max": nobody, "mia": nobody, "sam": nobody, "rita": nobody,
	}
	byEditors := map[string][3]string{
		"ada": answerer, "eva": answerer, "ed": answerer, "vic": requester,
		"max": nobody, "mia": nobody, "sam": nobody, "rita": nobody,
	}
	for kind, people := range map[request.Kind]map[string][3]string{
		request.Role: byAdministrators, request.Invitations: byAdministrators, request.Restore: byEditors,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.newPeople()
			ada, vic, group1, group2 := w.User("ada"), w.User("vic"), w.Instance("Group 1"), w.Instance("Group 2")
			id := w.request("vic", kind)
			for _, who := range everybody {
				for i, answer := range []func(string, globalid.ID) string{w.approve, w.decline, w.withdraw} {
					want := people[who][i]
					if got := answer(who, id); got != want {
						t.Errorf("%s, answer %d: %q, want %q", who, i, got, want)
					}
					ended := request.Open
					if want == "" {
						ended = []request.Status{request.Approved, request.Declined, request.Withdrawn}[i]
					}
					if got := w.status(id); got != ended {
						t.Errorf("%s, answer %d: the request is %s, want %s", who, i, got, ended)
					}
					w.reopen(id)
					w.Grant(vic, tenant.InstanceViewer, group1)
					w.DeleteInstance(group2, ada)
				}
			}
		})
	}
}

// A requester without a role in the place any more may still withdraw, and learns
// nothing else.
func TestRequesterWithoutARoleCanOnlyWithdraw(t *testing.T) {
	t.Parallel()
	for _, kind := range request.Kinds {
		w := newWorld(t)
		id := w.request("vic", kind)
		w.Revoke(w.User("vic"), w.Instance("Group 1"))
		w.Revoke(w.User("vic"), w.Instance("Group 2"))
		got := [3]string{w.approve("vic", id), w.decline("vic", id), w.withdraw("vic", id)}
		if want := [3]string{"NOT_FOUND", "NOT_FOUND", ""}; got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestUnknownRequestsAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.request("vic", request.Role)
	for what, id := range map[string]globalid.ID{
		"an unknown id":  globalid.New(globalid.Request),
		"a place's id":   w.Instance("Group 1"),
		"of no kind":     {},
		"of another one": {Kind: globalid.Invitation, UUID: id.UUID},
	} {
		for i, got := range []string{w.approve("ada", id), w.decline("ada", id), w.withdraw("ada", id)} {
			if got != "NOT_FOUND" {
				t.Errorf("%s, answer %d: %q", what, i, got)
			}
		}
	}
}

// Each way that a request can have ended, by kind, and what who answers it is told.
func TestEndedRequestsCannotBeAnswered(t *testing.T) {
	t.Parallel()
	for _, kind := range request.Kinds {
		expired := [3]string{"CONFLICT REQUEST_EXPIRED", "CONFLICT REQUEST_EXPIRED", "CONFLICT REQUEST_EXPIRED"}
		if kind == request.Restore {
			expired[0] = "RESTORE_WINDOW_EXPIRED"
		}
		same := func(refusal string) [3]string { return [3]string{refusal, refusal, refusal} }
		for name, test := range map[string]struct {
			end  func(w world, id globalid.ID)
			want [3]string // approve, decline, withdraw
		}{
			"approved":  {func(w world, id globalid.ID) { w.approve("ada", id) }, same("CONFLICT REQUEST_APPROVED")},
			"declined":  {func(w world, id globalid.ID) { w.decline("ada", id) }, same("CONFLICT REQUEST_DECLINED")},
			"withdrawn": {func(w world, id globalid.ID) { w.withdraw("vic", id) }, same("CONFLICT REQUEST_WITHDRAWN")},
			"expired":   {func(w world, _ globalid.ID) { w.Advance(15 * 24 * time.Hour) }, expired},
			"expired, and stored": {func(w world, _ globalid.ID) {
				w.Advance(15 * 24 * time.Hour)
				w.endExpired()
			}, expired},
		} {
			t.Run(fmt.Sprint(kind, " ", name), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				id := w.request("vic", kind)
				test.end(w, id)
				before := w.Text(`select to_json(r)::text from request r`)
				if got := [3]string{w.approve("ada", id), w.decline("ada", id), w.withdraw("vic", id)}; got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
				if diff := cmp.Diff(before, w.Text(`select to_json(r)::text from request r`)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// A refusal names who answered before, so that they can be asked.
func TestRefusalNamesWhoAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	id := w.request("vic", request.Role)
	w.decline("ada", id)
	_, err := w.Requests.Approve(t.Context(), w.User("eva"), request.ApproveRequestInput{RequestID: id})
	f, ok := err.(*fault.Fault)
	if !ok || !cmp.Equal(f.Contacts, []fault.Contact{{Name: "Ada", Email: "ada@uni.example"}}) || f.Message != "The request has already been declined by Ada." {
		t.Errorf("%+v", err)
	}
	id = w.request("vic", request.Role)
	_, err = w.Requests.Withdraw(t.Context(), w.User("ada"), request.WithdrawRequestInput{RequestID: id})
	f, ok = err.(*fault.Fault)
	if !ok || !cmp.Equal(f.Contacts, []fault.Contact{{Name: "Vic", Email: "vic@uni.example"}}) {
		t.Errorf("%+v", err)
	}
}

func TestDecliningAndWithdrawing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.request("vic", request.Role)
	in := request.DeclineRequestInput{RequestID: id, Message: new(" Not yet. "), IdempotencyKey: new("key")}
	declined, err := w.Requests.Decline(t.Context(), w.User("ada"), in)
	if err != nil {
		t.Fatal(err)
	}
	r := declined.Request
	if r.Status != request.Declined || *r.Answer != "Not yet." || r.AnsweredBy.Name != "Ada" || r.EndedAt == nil || declined.Results != nil || r.EndReason() != nil {
		t.Errorf("%+v", r)
	}
	again, err := w.Requests.Decline(t.Context(), w.User("ada"), in)
	if err != nil || again.Request.ID != id || again.Request.Status != request.Declined {
		t.Errorf("again: %+v, %v", again, err)
	}
	withdrawn, err := w.Requests.Withdraw(t.Context(), w.User("vic"), request.WithdrawRequestInput{RequestID: w.request("vic", request.Role)})
	if err != nil {
		t.Fatal(err)
	}
	if r := withdrawn.Request; r.Status != request.Withdrawn || r.AnsweredBy != nil || r.Answer != nil || *r.EndReason() != request.EndWithdrawn {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{
		"Vic REQUEST_MADE Group 1", "Ada REQUEST_DECLINED Group 1", "Vic REQUEST_MADE Group 1", "Vic REQUEST_WITHDRAWN Group 1",
	}, w.Trail()); diff != "" {
		t.Error(diff)
	}
	if got := w.RoleOf(w.User("vic"), w.Instance("Group 1")); got != "INSTANCE_VIEWER" {
		t.Errorf("Vic is %s", got)
	}
}

// approveSome approves a request with some of its addresses; nil: all.
func (w world) approveSome(id globalid.ID, key *string, emails ...string) (request.AnswerPayload, string) {
	w.t.Helper()
	payload, err := w.Requests.Approve(w.t.Context(), w.User("ada"), request.ApproveRequestInput{
		RequestID: id, Emails: emails, Message: new("Welcome!"), IdempotencyKey: key})
	return payload, testworld.Refusal(err)
}

func TestApprovingARoleGrantsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		role   tenant.Role
		before tenant.Role // got elsewhere since the request, with had
		had    bool
		after  string
		trail  []string
	}{
		"editor": {tenant.InstanceEditor, 0, false, "INSTANCE_EDITOR",
			[]string{"Vic REQUEST_MADE Group 1", "Ada ROLE_GRANTED Group 1", "Ada REQUEST_APPROVED Group 1"}},
		"editor, who is one by now": {tenant.InstanceEditor, tenant.InstanceEditor, true, "INSTANCE_EDITOR",
			[]string{"Vic REQUEST_MADE Group 1", "Ada REQUEST_APPROVED Group 1"}},
		"administrator": {tenant.SpaceAdministrator, 0, false, "SPACE_ADMINISTRATOR",
			[]string{"Vic REQUEST_MADE", "Ada ROLE_GRANTED", "Ada REQUEST_APPROVED"}},
		"administrator, who is one by now": {tenant.SpaceAdministrator, tenant.SpaceAdministrator, true, "SPACE_ADMINISTRATOR",
			[]string{"Vic REQUEST_MADE", "Ada REQUEST_APPROVED"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			place := w.Instance("Group 1")
			if test.role == tenant.SpaceAdministrator {
				place = w.Space(testworld.Econometrics)
			}
			if got := w.askRole("vic", place, test.role); got != "" {
				t.Fatal(got)
			}
			if test.had {
				w.Grant(w.User("vic"), test.before, place)
			}
			payload, refusal := w.approveSome(w.listMadeBy("vic", "")[0].ID, new("key"))
			if refusal != "" || payload.Request.Status != request.Approved || *payload.Request.Answer != "Welcome!" || payload.Request.AnsweredBy.Name != "Ada" || payload.Results != nil {
				t.Errorf("%+v, %q", payload.Request, refusal)
			}
			if got := w.RoleOf(w.User("vic"), place); got != test.after {
				t.Errorf("Vic is %s", got)
			}
			if diff := cmp.Diff(test.trail, w.Trail()); diff != "" {
				t.Error(diff)
			}
			again, refusal := w.approveSome(payload.Request.ID, new("key"))
			if refusal != "" || again.Request.Status != request.Approved || len(w.Trail()) != len(test.trail) {
				t.Errorf("again: %+v, %q", again.Request, refusal)
			}
		})
	}
}

// A request to become a viewer does not lower the role that the requester has got
// since.
func TestApprovingARoleNeverLowersOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mia, group1 := w.User("mia"), w.Instance("Group 1")
	id := w.request("mia", request.Role)
	w.Exec(`update request set role = 'INSTANCE_VIEWER'`)
	w.Grant(mia, tenant.InstanceEditor, group1)
	if got := w.approve("ada", id); got != "" || w.RoleOf(mia, group1) != "INSTANCE_EDITOR" {
		t.Errorf("%q, and Mia is %s", got, w.RoleOf(mia, group1))
	}
}

func TestApprovingInvitationsSendsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1 := w.Instance("Group 1")
	made, err := w.Requests.RequestInvitations(t.Context(), w.User("ed"), request.RequestInvitationsInput{
		InstanceID: group1, Role: tenant.Viewer, Emails: []string{"zoe@new.example", "bob@new.example", "kim@new.example", "vic@uni.example"}, Message: new("They join us.")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Request.ID
	if _, got := w.approveSome(id, nil, "zoe@new.example", "eve@new.example", "x"); got != "BAD_USER_INPUT, BAD_USER_INPUT" || w.status(id) != request.Open {
		t.Errorf("addresses that are not of the request: %q", got)
	}
	emails := []string{"Zoe@NEW.example", "vic@uni.example", "bob@new.example", "bob@new.example"}
	payload, refusal := w.approveSome(id, new("key"), emails...)
	if refusal != "" {
		t.Fatal(refusal)
	}
	results := func(p request.AnswerPayload) (lines []string) {
		for _, r := range p.Results {
			lines = append(lines, fmt.Sprint(r.Email, " ", r.Outcome, " ", *r.Role, " ", r.Invitation != nil))
		}
		return lines
	}
	want := []string{"zoe@new.example INVITED VIEWER true", "vic@uni.example ALREADY_MEMBER VIEWER false", "bob@new.example INVITED VIEWER true"}
	if diff := cmp.Diff(want, results(payload)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Ada at the request of Ed bob@new.example", "Ada at the request of Ed zoe@new.example"}, w.Lines(`
		select i.name || ' at the request of ' || r.name || ' ' || v.email from invitation v join account i on i.id = v.invited_by join account r on r.id = v.requested_by order by 1`)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Ed REQUEST_MADE Group 1", "Ada INVITATION_SENT Group 1", "Ada REQUEST_APPROVED Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
	if got := w.Text(`select details -> 'emails' from audit_log where action = 'REQUEST_APPROVED'`); got != `["zoe@new.example", "bob@new.example", "vic@uni.example"]` {
		t.Errorf("the trail names %s", got)
	}
	again, refusal := w.approveSome(id, new("key"), emails...)
	if diff := cmp.Diff(want, results(again)); diff != "" || refusal != "" {
		t.Errorf("again: %q %s", refusal, diff)
	}
	other := w.request("ed", request.Invitations)
	if got := w.approve("ada", other); got != "" {
		t.Error(got)
	}
	if got := w.Text(`select array_to_string(approved, ' ') from request where id = $1`, other.UUID); got != "zoe@new.example bob@new.example" {
		t.Errorf("all addresses: %s", got)
	}
}

func TestOnlyInvitationsHaveAddressesToChoose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, got := w.approveSome(w.request("vic", request.Role), nil, "zoe@new.example"); got != "BAD_USER_INPUT" {
		t.Errorf("%q", got)
	}
}

func TestApprovingARestorationRestores(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic, mia, role := w.request("vic", request.Restore), w.request("mia", request.Restore), w.request("vic", request.Role)
	payload, err := w.Requests.Approve(t.Context(), w.User("ed"), request.ApproveRequestInput{RequestID: vic, Message: new("There it is.")})
	if err != nil || payload.Request.Status != request.Approved || *payload.Request.Answer != "There it is." || payload.Request.AnsweredBy.Name != "Ed" {
		t.Fatalf("%+v, %v", payload.Request, err)
	}
	if got := w.Text(`select count(deleted_at)::text from instance where name = 'Group 2'`); got != "0" {
		t.Error("Group 2 is deleted")
	}
	if got := [2]request.Status{w.status(mia), w.status(role)}; got != [2]request.Status{request.Approved, request.Open} {
		t.Errorf("the others are %v", got)
	}
	// Somebody else may have restored it before.
	w.reopen(vic)
	if got := w.approve("ada", vic); got != "" || w.status(vic) != request.Approved {
		t.Errorf("of an active instance: %q, %s", got, w.status(vic))
	}
}

// What has changed since the request was made.
func TestApprovingChecksThePlaceAndTheRequester(t *testing.T) {
	t.Parallel()
	left := func(w world) {
		w.Revoke(w.User("vic"), w.Instance("Group 1"))
		w.Revoke(w.User("vic"), w.Instance("Group 2"))
	}
	deleted := func(w world) {
		w.Exec(`update instance set deleted_at = clock_timestamp(), deleted_by = $1, restorable_until = clock_timestamp() + interval '24 hours' where name = 'Group 1'`, w.User("ada").ID.UUID)
	}
	limited := func(w world) { w.Invitations.Limits.ByPerson = 1 }
	for _, test := range []struct {
		kind    request.Kind
		change  func(world)
		refusal string
	}{
		{request.Role, left, "CONFLICT REQUESTER_LEFT"},
		{request.Invitations, left, "CONFLICT REQUESTER_LEFT"},
		{request.Restore, left, "CONFLICT REQUESTER_LEFT"},
		{request.Role, deleted, "INSTANCE_DELETED"},
		{request.Invitations, deleted, "INSTANCE_DELETED"},
		{request.Invitations, limited, "RATE_LIMITED INVITATIONS_BY_PERSON"},
	} {
		w := newWorld(t)
		id := w.request("vic", test.kind)
		test.change(w)
		if got := w.approve("ada", id); got != test.refusal || w.status(id) != request.Open {
			t.Errorf("%s: %q and %s, want %q", test.kind, got, w.status(id), test.refusal)
		}
		if got := w.decline("ada", id); got != "" {
			t.Errorf("%s: declining: %q", test.kind, got)
		}
	}
}

// A person who finds the connections of a place taken waits without one, and starts again: the
// first answer counts, and the others are refused.
func TestAnswersOfManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db, err := postgres.Open(w.DSN, postgres.Options{MaxConnections: 4, StatementTimeout: time.Minute}) // one for each place
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.Requests.DB = db
	id := w.request("vic", request.Invitations)
	refusals := make([]string, 12)
	var answers []func()
	for n := range refusals {
		answers = append(answers, func() {
			if n%2 == 0 {
				refusals[n] = w.approve("ada", id)
			} else {
				refusals[n] = w.withdraw("vic", id)
			}
		})
	}
	racetest.Together(answers...)
	slices.Sort(refusals)
	for n, refusal := range refusals {
		if (refusal == "") != (n == 0) || n > 0 && !strings.HasPrefix(refusal, "CONFLICT ") {
			t.Fatalf("%q", refusals)
		}
	}
}
