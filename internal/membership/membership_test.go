package membership_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// world is a demo world with what its members ask of the service.
type world struct {
	*testworld.World
	t       *testing.T
	service *membership.Service
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := testworld.New(t)
	return world{w, t, w.Services().Memberships}
}

// outcome is what came back: the payload's main answer, or the error's code.
type outcome struct {
	done  bool
	fault fault.Fault
}

func (w world) outcome(done bool, err error) outcome {
	w.t.Helper()
	var f *fault.Fault
	if err != nil && !errors.As(err, &f) {
		w.t.Fatal(err)
	}
	if f == nil {
		return outcome{done: done}
	}
	return outcome{fault: *f}
}

// is fails the test unless the request did (or did not have to do) what it asks
// for.
func (o outcome) is(t *testing.T, done bool) {
	t.Helper()
	if o.fault.Code != "" || o.done != done {
		t.Errorf("done %t, %s %s; want done %t", o.done, o.fault.Code, o.fault.Message, done)
	}
}

// refused fails the test unless the request was refused with a code.
func (o outcome) refused(t *testing.T, code fault.Code) fault.Fault {
	t.Helper()
	if o.fault.Code != code {
		t.Errorf("done %t, code %q; want %q", o.done, o.fault.Code, code)
	}
	return o.fault
}

func key(k string) *string {
	if k == "" {
		return nil
	}
	return &k
}

func (w world) change(actor, instance string, user globalid.ID, role tenant.InstanceRole, k string) (membership.ChangeMemberRolePayload, outcome) {
	w.t.Helper()
	payload, err := w.service.ChangeRole(w.t.Context(), w.User(actor), membership.ChangeMemberRoleInput{
		InstanceID: w.Instance(instance), UserID: user, Role: role, IdempotencyKey: key(k)})
	return payload, w.outcome(payload.Changed, err)
}

func (w world) removeFrom(actor string, place, user globalid.ID, k string) outcome {
	w.t.Helper()
	in := membership.RemoveMemberInput{UserID: user, IdempotencyKey: key(k)}
	switch place.Kind {
	case globalid.Organization:
		in.OrganizationID = &place
	case globalid.Space:
		in.SpaceID = &place
	default:
		in.InstanceID = &place
	}
	payload, err := w.service.Remove(w.t.Context(), w.User(actor), in)
	return w.outcome(payload.Removed, err)
}

func (w world) leave(actor, instance, k string) outcome {
	w.t.Helper()
	payload, err := w.service.Leave(w.t.Context(), w.User(actor), membership.LeaveInstanceInput{InstanceID: w.Instance(instance), IdempotencyKey: key(k)})
	return w.outcome(payload.Left, err)
}

// role fails the test unless somebody holds a role ("" for none) in a place.
func (w world) role(user string, place globalid.ID, want string) {
	w.t.Helper()
	if got := w.RoleOf(w.User(user), place); got != want {
		w.t.Errorf("%s is %q in %v, want %q", user, got, place, want)
	}
}

// trail fails the test unless the trail is as given, oldest first.
func (w world) trail(want ...string) {
	w.t.Helper()
	got := w.Lines(`
		select concat_ws(' ', actor_name, action, details ->> 'userName', coalesce(details ->> 'previousRole', details ->> 'previousOrganizationRole'),
			coalesce(details ->> 'role', details ->> 'organizationRole'), 'in', coalesce(instance_name, space_name, organization_name))
		from audit_log order by id`)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("the trail:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A gateway that is older than the choice remembers inputs without one: they are the
// same as the default.
func TestTheDefaultForSentInvitationsIsNotRemembered(t *testing.T) {
	t.Parallel()
	for sent, want := range map[membership.SentInvitations]bool{"": false, membership.RevokeSent: false, membership.TakeOverSent: true} {
		text, err := json.Marshal(membership.RemoveMemberInput{SentInvitations: sent})
		if err != nil || strings.Contains(string(text), "sentInvitations") != want {
			t.Errorf("%q: %s, %v", sent, text, err)
		}
	}
}

func TestInputsValidateThemselves(t *testing.T) {
	t.Parallel()
	instance, space, organization := globalid.New(globalid.Instance), globalid.New(globalid.Space), globalid.New(globalid.Organization)
	good, bad := new("k"), new("\n")
	for name, c := range map[string]struct {
		faults fault.List
		want   int
	}{
		"a change with a key":                         {membership.ChangeMemberRoleInput{IdempotencyKey: good}.Validate(), 0},
		"a change with a bad key":                     {membership.ChangeMemberRoleInput{IdempotencyKey: bad}.Validate(), 1},
		"leaving":                                     {membership.LeaveInstanceInput{}.Validate(), 0},
		"leaving with a bad key":                      {membership.LeaveInstanceInput{IdempotencyKey: bad}.Validate(), 1},
		"leaving an organization with a bad key":      {membership.LeaveOrganizationInput{IdempotencyKey: bad}.Validate(), 1},
		"a removal from an instance":                  {membership.RemoveMemberInput{InstanceID: &instance}.Validate(), 0},
		"a removal from a space":                      {membership.RemoveMemberInput{SpaceID: &space}.Validate(), 0},
		"a removal from an organization":              {membership.RemoveMemberInput{OrganizationID: &organization}.Validate(), 0},
		"a removal from a space and its organization": {membership.RemoveMemberInput{SpaceID: &space, OrganizationID: &organization}.Validate(), 1},
		"a change in an organization with a bad key":  {membership.ChangeOrganizationRoleInput{IdempotencyKey: bad}.Validate(), 1},
		"a removal from both":                         {membership.RemoveMemberInput{InstanceID: &instance, SpaceID: &space}.Validate(), 1},
		"a removal from neither":                      {membership.RemoveMemberInput{}.Validate(), 1},
		"a removal with two mistakes":                 {membership.RemoveMemberInput{IdempotencyKey: bad}.Validate(), 2},
		"a removal with a fine key":                   {membership.RemoveMemberInput{SpaceID: &space, IdempotencyKey: good}.Validate(), 0},
		"a removal with only a bad key":               {membership.RemoveMemberInput{SpaceID: &space, IdempotencyKey: bad}.Validate(), 1},
	} {
		if len(c.faults) != c.want {
			t.Errorf("%s: %v, want %d faults", name, c.faults, c.want)
		}
		for _, f := range c.faults {
			if f.Code != fault.BadUserInput {
				t.Errorf("%s: %v", name, f)
			}
		}
	}
}
