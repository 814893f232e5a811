package request_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Each way to ask is one of these, which return the refusal.

func (w world) askRole(who string, place globalid.ID, role tenant.Role) string {
	w.t.Helper()
	in := request.RequestRoleInput{Role: role, SpaceID: &place}
	if place.Kind == globalid.Instance {
		in = request.RequestRoleInput{Role: role, InstanceID: &place}
	}
	_, err := w.Requests.RequestRole(w.t.Context(), w.User(who), in)
	return testworld.Refusal(err)
}

func (w world) askInvitations(who string, place globalid.ID, emails ...string) string {
	w.t.Helper()
	_, err := w.Requests.RequestInvitations(w.t.Context(), w.User(who), request.RequestInvitationsInput{InstanceID: place, Role: tenant.Viewer, Emails: emails})
	return testworld.Refusal(err)
}

func (w world) askRestore(who string, place globalid.ID) string {
	w.t.Helper()
	_, err := w.Requests.RequestRestore(w.t.Context(), w.User(who), request.RequestRestoreInput{InstanceID: &place})
	return testworld.Refusal(err)
}

func TestWhatCanBeRequested(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, group1, group2, group3 := w.Space(testworld.Econometrics), w.Instance("Group 1"), w.Instance("Group 2"), w.Instance("Group 3")
	administrator, editor, viewer := tenant.SpaceAdministrator, tenant.InstanceEditor, tenant.InstanceViewer
	const zoe, noAddress = "zoe@new.example", "a b@c"
	for _, test := range []struct {
		what, got, want string
	}{
		{"a role that one has", w.askRole("ada", space, administrator), "CONFLICT NOT_NEEDED"},
		{"a role that an administrator has", w.askRole("ada", group1, editor), "CONFLICT NOT_NEEDED"},
		{"a role that an editor has", w.askRole("ed", group1, viewer), "CONFLICT NOT_NEEDED"},
		{"a role that a manager has", w.askRole("mia", group1, viewer), "CONFLICT NOT_NEEDED"},
		{"a role in a deleted instance", w.askRole("vic", group2, editor), "INSTANCE_DELETED"},
		{"a role in the Distributed instance", w.askRole("ed", w.Instance("Distributed"), editor), "INSTANCE_DISTRIBUTED"},
		{"a role in a place that one does not see", w.askRole("vic", w.Instance("Master"), viewer), "NOT_FOUND"},
		{"a role by a stranger", w.askRole("sam", space, administrator), "NOT_FOUND"},
		{"a role in an organization as a space", w.askRole("mia", w.Organization("University of Example"), administrator), "NOT_FOUND"},

		{"invitations by an administrator", w.askInvitations("ada", group1, zoe), "CONFLICT NOT_NEEDED"},
		{"invitations to a deleted instance", w.askInvitations("vic", group2, zoe), "INSTANCE_DELETED"},
		{"invitations to the Distributed instance", w.askInvitations("ed", w.Instance("Distributed"), zoe), "INSTANCE_DISTRIBUTED"},
		{"invitations by a stranger", w.askInvitations("sam", group1, noAddress), "NOT_FOUND"},
		{"invitations of two invalid addresses", w.askInvitations("ed", group1, zoe, noAddress, "x@"),
			"INVALID_EMAIL LOCAL_PART_CHARACTER, INVALID_EMAIL DOMAIN_EMPTY"},
		{"invitations of invalid addresses to a deleted instance", w.askInvitations("vic", group2, noAddress), "INSTANCE_DELETED"},

		{"to restore an active instance", w.askRestore("vic", group1), "CONFLICT NOT_NEEDED"},
		{"to restore as an editor", w.askRestore("ed", group2), "CONFLICT NOT_NEEDED"},
		{"to restore too late", w.askRestore("mia", group3), "RESTORE_WINDOW_EXPIRED"},
		{"to restore by a stranger", w.askRestore("rita", group2), "NOT_FOUND"},
		{"to restore a space", w.askRestore("ada", space), "NOT_FOUND"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.what, test.got, test.want)
		}
	}
	if n := w.Number(`select (select count(*) from request) + (select count(*) from outbox) + (select count(*) from audit_log)`); n != 0 {
		t.Errorf("%d rows after refusals", n)
	}
}

func TestRequestIsStoredAndReturned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1 := w.Instance("Group 1")
	made, err := w.Requests.RequestInvitations(t.Context(), w.User("ed"), request.RequestInvitationsInput{
		InstanceID: group1, Role: tenant.Viewer, Emails: []string{"Zoe <zoe@new.example>", "bob@new.example", "ZOE@new.example"}, Message: new(" They join us. ")})
	if err != nil || !made.Created {
		t.Fatalf("%+v, %v", made, err)
	}
	r := made.Request
	emails, err := w.Requests.Addresses(t.Context(), r, false, 100)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{string(r.Kind), string(r.Status), r.Role.String(), *r.Message, r.RequestedBy.Name, r.SpaceName, *r.InstanceName, strings.Join(emails, " ")}
	if diff := cmp.Diff([]string{"INVITATIONS", "OPEN", "INSTANCE_VIEWER", "They join us.", "Ed", testworld.Econometrics, "Group 1", "zoe@new.example bob@new.example"}, got); diff != "" {
		t.Error(diff)
	}
	if r.EndedAt != nil || r.AnsweredBy != nil || r.Answer != nil || r.EndReason() != nil || r.ExpiresAt.Sub(r.CreatedAt).Round(1e9) != w.Requests.Limits.TTL {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"Ed REQUEST_MADE Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
	for who, want := range map[string]bool{"ed": true, "ada": true, "vic": true, "sam": false} {
		r := w.listMadeBy("ed", "")[0] // read again, because a request remembers its place
		if place, err := r.Place(t.Context(), w.DB, w.User(who)); err != nil || (place != nil) != want {
			t.Errorf("%s sees the place: %t, %v", who, place != nil, err)
		}
	}
}

// Asking again returns the open request. An administrator's role can be asked for by
// way of an instance, too.
func TestAskingAgainReturnsTheOpenRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	for _, kind := range request.Kinds {
		id := w.request("vic", kind)
		again, err := w.ask("vic", kind)
		if err != nil || again.Created || again.Request.ID != id {
			t.Errorf("%s: %+v, %v", kind, again, err)
		}
		w.decline("ada", id)
		if next := w.request("vic", kind); next == id {
			t.Errorf("%s: an ended request was taken for an open one", kind)
		}
	}
	first, err := w.Requests.RequestRole(t.Context(), w.User("vic"), request.RequestRoleInput{SpaceID: &space, Role: tenant.SpaceAdministrator})
	if err == nil {
		var again request.RequestPayload
		again, err = w.Requests.RequestRole(t.Context(), w.User("vic"), request.RequestRoleInput{InstanceID: &group1, Role: tenant.SpaceAdministrator})
		if again.Created || again.Request == nil || again.Request.ID != first.Request.ID {
			t.Errorf("by way of an instance: %+v", again)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestRepeatedAskingReturnsTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := request.RequestRestoreInput{InstanceID: new(w.Instance("Group 2")), IdempotencyKey: new("key")}
	first, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), in)
	if err != nil || !first.Created {
		t.Fatalf("%+v, %v", first, err)
	}
	w.decline("ada", first.Request.ID)
	again, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), in)
	if err != nil || !again.Created || again.Request.ID != first.Request.ID || again.Request.Status != request.Declined {
		t.Errorf("%+v, %v", again, err)
	}
	in.Message = new("Please!")
	if _, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), in); testworld.Refusal(err) != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another request with the key: %v", err)
	}
	in.Message = nil
	w.Exec(`delete from request`)
	if _, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), in); testworld.Refusal(err) != "NOT_FOUND" {
		t.Errorf("after the purge: %v", err)
	}
}

func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		byPerson, bySpace int
		second            string // who asks after Vic
		want              string
	}{
		"by person":         {1, 10, "vic", "RATE_LIMITED REQUESTS_BY_PERSON"},
		"by space":          {10, 1, "ed", "RATE_LIMITED REQUESTS_BY_SPACE"},
		"by person and all": {1, 10, "ed", ""},
	} {
		w := newWorld(t)
		w.Requests.Limits.ByPerson, w.Requests.Limits.BySpace = test.byPerson, test.bySpace
		id := w.request("vic", request.Role)
		if again, err := w.ask("vic", request.Role); err != nil || again.Request.ID != id {
			t.Errorf("%s: the open request is not returned: %v", what, err)
		}
		if _, err := w.ask(test.second, request.Invitations); testworld.Refusal(err) != test.want {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
		// The limit comes before the addresses.
		if got := w.askInvitations(test.second, w.Instance("Master"), "x"); test.second == "ed" && got != "NOT_FOUND" {
			t.Errorf("%s: %q", what, got)
		}
		if got := w.askInvitations(test.second, w.Instance("Group 1"), "x@"); test.want != "" && got != test.want {
			t.Errorf("%s, with an invalid address: %q, want %q", what, got, test.want)
		}
	}
}

func TestInputsAreValidated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := w.Invitations.Limits
	id := globalid.New(globalid.Instance)
	tooLong, badKey := strings.Repeat("x", 2001), ""
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("a%d@x.example", i)
	}
	for _, test := range []struct {
		what string
		err  error
		ok   bool
	}{
		{"a role", request.RequestRoleInput{SpaceID: &id, Role: tenant.SpaceAdministrator}.Validate(limits).Err(), true},
		{"a role in two places", request.RequestRoleInput{SpaceID: &id, InstanceID: &id, Role: tenant.SpaceAdministrator}.Validate(limits).Err(), false},
		{"a role nowhere", request.RequestRoleInput{Role: tenant.SpaceAdministrator}.Validate(limits).Err(), false},
		{"a role in an organization", request.RequestRoleInput{SpaceID: &id, Role: tenant.OrganizationFaculty}.Validate(limits).Err(), false},
		{"an instance's role in a space", request.RequestRoleInput{SpaceID: &id, Role: tenant.InstanceEditor}.Validate(limits).Err(), false},
		{"a role with a long message", request.RequestRoleInput{SpaceID: &id, Role: tenant.SpaceAdministrator, Message: &tooLong}.Validate(limits).Err(), false},
		{"invitations", request.RequestInvitationsInput{InstanceID: id, Emails: many[:1000]}.Validate(limits).Err(), true},
		{"invitations of nobody", request.RequestInvitationsInput{InstanceID: id}.Validate(limits).Err(), false},
		{"too many invitations", request.RequestInvitationsInput{InstanceID: id, Emails: many}.Validate(limits).Err(), false},
		{"to restore", request.RequestRestoreInput{InstanceID: &id}.Validate(limits).Err(), true},
		{"to restore a space", request.RequestRestoreInput{SpaceID: &id}.Validate(limits).Err(), true},
		{"to restore nothing", request.RequestRestoreInput{}.Validate(limits).Err(), false},
		{"to restore a space and an instance", request.RequestRestoreInput{SpaceID: &id, InstanceID: &id}.Validate(limits).Err(), false},
		{"to restore with control characters", request.RequestRestoreInput{InstanceID: &id, Message: new("a\x00")}.Validate(limits).Err(), false},
		{"to restore with an empty key", request.RequestRestoreInput{InstanceID: &id, IdempotencyKey: &badKey}.Validate(limits).Err(), false},
		{"to approve", request.ApproveRequestInput{RequestID: id}.Validate(limits).Err(), true},
		{"to approve some addresses", request.ApproveRequestInput{RequestID: id, Emails: many[:1]}.Validate(limits).Err(), true},
		{"to approve no addresses", request.ApproveRequestInput{RequestID: id, Emails: []string{}}.Validate(limits).Err(), false},
		{"to decline with a long message", request.DeclineRequestInput{RequestID: id, Message: &tooLong}.Validate(limits).Err(), false},
		{"to withdraw with an empty key", request.WithdrawRequestInput{RequestID: id, IdempotencyKey: &badKey}.Validate().Err(), false},
	} {
		if want := map[bool]string{true: "", false: "BAD_USER_INPUT"}[test.ok]; testworld.Refusal(test.err) != want {
			t.Errorf("%s: %v, want %q", test.what, test.err, want)
		}
	}
}
