package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var (
	deletedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("NZDT", 13*60*60))
	until24h  = deletedAt.Add(24 * time.Hour)
)

// instanceOf is an instance of a kind: active, deleted, or deleted too long ago.
func instanceOf(kind tenant.Kind, deleted, restorable bool) *tenant.Instance {
	organization := &tenant.Organization{Name: "University"}
	i := &tenant.Instance{Name: "Group 1", Kind: kind, Space: &tenant.Space{Name: "Econometrics", Organization: organization}}
	if deleted {
		i.DeletedAt, i.RestorableUntil, i.Restorable = &deletedAt, &until24h, restorable
	}
	return i
}

// everyInstance is an instance of every kind in every state, by a description.
func everyInstance() map[string]*tenant.Instance {
	all := map[string]*tenant.Instance{}
	for _, kind := range []tenant.Kind{tenant.Master, tenant.Distributed, tenant.Working} {
		all[fmt.Sprint(kind, ", active")] = instanceOf(kind, false, false)
		all[fmt.Sprint(kind, ", restorable")] = instanceOf(kind, true, true)
		all[fmt.Sprint(kind, ", not restorable")] = instanceOf(kind, true, false)
	}
	return all
}

// The rules once more, in the words of the product: which code an instance of a
// kind in a state is refused with.
func TestInstancesAreRefusedByKindAndState(t *testing.T) {
	t.Parallel()
	expected := map[string]func(kind tenant.Kind, deleted, restorable bool) fault.Code{
		"inviteUsers": func(kind tenant.Kind, deleted, _ bool) fault.Code {
			switch {
			case kind == tenant.Distributed:
				return fault.InstanceDistributed
			case deleted:
				return fault.InstanceDeleted
			}
			return ""
		},
		"deleteInstance": func(kind tenant.Kind, _, _ bool) fault.Code {
			if kind != tenant.Working {
				return fault.InstanceProtected
			}
			return ""
		},
		"restoreInstance": func(_ tenant.Kind, deleted, restorable bool) fault.Code {
			if deleted && !restorable {
				return fault.RestoreWindowExpired
			}
			return ""
		},
		"resendInvitations": func(_ tenant.Kind, deleted, _ bool) fault.Code {
			if deleted {
				return fault.InstanceDeleted
			}
			return ""
		},
	}
	expected["reinstateMember"] = expected["resendInvitations"]
	expected["requestRole"], expected["requestInvitations"] = expected["inviteUsers"], expected["inviteUsers"]
	expected["createInviteLink"], expected["refreshInviteLink"] = expected["inviteUsers"], expected["resendInvitations"]
	expected["requestRestore"], expected["restoreSpace"] = expected["restoreInstance"], expected["restoreInstance"]
	for _, rule := range Rules {
		for name, i := range everyInstance() {
			var want fault.Code
			if code := expected[rule.Field]; code != nil {
				want = code(i.Kind, i.DeletedAt != nil, i.Restorable)
			}
			var got fault.Code
			refusals := rule.refusals(i)
			if len(refusals) > 0 {
				got = refusals[0].Code
			}
			if got != want {
				t.Errorf("%s, %s: %q, want %q", rule.Field, name, got, want)
			}
			for _, f := range refusals {
				aboutTime := f.Code == fault.InstanceDeleted || f.Code == fault.RestoreWindowExpired
				if aboutTime != (f.DeletedAt == &deletedAt && f.RestorableUntil == &until24h) {
					t.Errorf("%s, %s: deleted at %v, until %v", rule.Field, name, f.DeletedAt, f.RestorableUntil)
				}
				if aboutTime && !strings.Contains(f.Message, "2026-02-28 23:00:00 UTC") {
					t.Errorf("%s, %s: %q does not say when, in UTC", rule.Field, name, f.Message)
				}
				if f.Code == fault.InstanceDeleted && i.Restorable != strings.Contains(f.Remedy, "restoreInstance") {
					t.Errorf("%s, %s: %s", rule.Field, name, f.Remedy)
				}
			}
		}
	}
}

// allRefusals are all refusals that a rule can cause, by a description.
func allRefusals(r Rule) map[string]*fault.Fault {
	all := map[string]*fault.Fault{}
	ada := []fault.Contact{{Name: "Ada", Email: "ada@uni.example"}}
	for _, space := range []*tenant.Space{spaceOf(true, true), spaceOf(true, false)} {
		i := instanceOf(tenant.Working, false, false)
		i.Space = space
		for _, place := range []tenant.Place{space, i} {
			for _, f := range r.refusals(place) {
				all[fmt.Sprintf("%s: %T, in a space that is restorable: %t", f.Code, place, space.Restorable)] = f
			}
		}
	}
	for name, i := range everyInstance() {
		for _, f := range r.refusals(i) {
			all[fmt.Sprint(f.Code, ": ", name)] = f
		}
		for _, place := range []tenant.Place{i, i.Space, i.Space.Organization} {
			if r.Roles != 0 {
				all[fmt.Sprintf("FORBIDDEN: %T, %s", place, name)] = forbidden(place, r, nil)
				all[fmt.Sprintf("FORBIDDEN: %T, %s, with contacts", place, name)] = forbidden(place, r, ada)
			}
		}
	}
	return all
}

// restorable reports whether the way out of a refusal may be to restore the place.
func restorable(f *fault.Fault) bool {
	return f.Code == fault.InstanceDeleted || f.Code == fault.SpaceDeleted
}

// spaceOf is a space: active, deleted, or deleted too long ago.
func spaceOf(deleted, restorable bool) *tenant.Space {
	space := instanceOf(tenant.Master, false, false).Space
	if deleted {
		space.DeletedAt, space.RestorableUntil, space.Restorable = &deletedAt, &until24h, restorable
	}
	return space
}

// inSpace is an instance of a space that was deleted before it.
func inSpace(space *tenant.Space) *tenant.Instance {
	i := instanceOf(tenant.Working, true, true)
	i.Space = space
	return i
}

// What is done with a deleted space, or with an instance of it, is refused before what the
// state of the instance rules out; restoring the space is not.
func TestPlacesAreRefusedByTheStateOfTheSpace(t *testing.T) {
	t.Parallel()
	codes := func(p tenant.Place, r Rule) (codes []fault.Code) {
		for _, f := range r.refusals(p) {
			codes = append(codes, f.Code)
			if f.DeletedAt == nil || f.RestorableUntil == nil {
				t.Errorf("%s, %s: it does not say when", r.Field, f.Code)
			}
		}
		return codes
	}
	for _, rule := range Rules {
		if got := codes(spaceOf(false, false), rule); got != nil {
			t.Errorf("%s in an active space: %v", rule.Field, got)
		}
		var wanted, gone []fault.Code // of a space that can be restored, and of one that cannot
		switch rule.Field {
		case "createInstance", "deleteInstance", "inviteUsers", "inviteSpaceAdministrators", "resendInvitations", "createInviteLink", "refreshInviteLink", "reinstateMember", "syncRoster", "requestRole", "requestInvitations":
			wanted, gone = []fault.Code{fault.SpaceDeleted}, []fault.Code{fault.SpaceDeleted}
		case "restoreSpace", "restoreInstance", "requestRestore":
			gone = []fault.Code{fault.RestoreWindowExpired}
		}
		if got := codes(spaceOf(true, true), rule); !slices.Equal(got, wanted) {
			t.Errorf("%s in a deleted space: %v", rule.Field, got)
		}
		if got := codes(spaceOf(true, false), rule); !slices.Equal(got, gone) {
			t.Errorf("%s in a space that is gone: %v", rule.Field, got)
		}
		if rule.InActiveSpace {
			own := codes(instanceOf(tenant.Working, true, true), rule)
			if got := codes(inSpace(spaceOf(true, true)), rule); !slices.Equal(got, append([]fault.Code{fault.SpaceDeleted}, own...)) {
				t.Errorf("%s with an instance of a deleted space: %v", rule.Field, got)
			}
		}
	}
}

// A refusal speaks of what was asked for, and of nothing else that the schema
// offers. The way out may be to restore the instance.
func TestNoRefusalUsesTheWordsOfAnotherRule(t *testing.T) {
	t.Parallel()
	word := func(verb string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(verb) + `\b`) }
	for _, rule := range Rules {
		for name, f := range allRefusals(rule) {
			if !strings.Contains(f.Message, " "+rule.Verb+" ") {
				t.Errorf("%s, %s: %q does not say %q", rule.Field, name, f.Message, rule.Verb)
			}
			for _, other := range Rules {
				if other.Verb == rule.Verb {
					continue
				}
				if word(other.Verb).MatchString(f.Message) {
					t.Errorf("%s, %s: %q says %q, the words of %s", rule.Field, name, f.Message, other.Verb, other.Field)
				}
				if word(other.Verb).MatchString(f.Remedy) && !(restorable(f) && (other.Field == RestoreInstance.Field || other.Field == RestoreSpace.Field)) {
					t.Errorf("%s, %s: the remedy %q says %q, the words of %s", rule.Field, name, f.Remedy, other.Verb, other.Field)
				}
			}
		}
	}
}

// Every text of a refusal is a sentence, or several.
func TestRefusalsAreSentences(t *testing.T) {
	t.Parallel()
	for _, rule := range Rules {
		if rule.Field == "" || rule.Verb == "" || strings.TrimSpace(rule.Verb) != rule.Verb {
			t.Errorf("the rule is not complete: %+v", rule)
		}
		for name, f := range allRefusals(rule) {
			for _, text := range []string{f.Message, f.Remedy} {
				if strings.Contains(text, "%!") || strings.Contains(text, "\n") || strings.Contains(text, "  ") || text != "" && !strings.HasSuffix(text, ".") {
					t.Errorf("%s, %s: %q", rule.Field, name, text)
				}
			}
			if f.Message == "" {
				t.Errorf("%s, %s: no message", rule.Field, name)
			}
		}
	}
}

// A few refusals as people read them.
func TestRefusalTexts(t *testing.T) {
	t.Parallel()
	ada := []fault.Contact{{Name: "Ada", Email: "ada@uni.example"}}
	gone := instanceOf(tenant.Working, true, false)
	for _, c := range []struct {
		fault           *fault.Fault
		message, remedy string
	}{
		{InviteUsers.refusals(instanceOf(tenant.Distributed, false, false))[0],
			"Nobody can invite people to the Distributed instance of Econometrics.", ""},
		{DeleteInstance.refusals(instanceOf(tenant.Master, false, false))[0],
			"Nobody can delete Group 1: the space Econometrics needs it for as long as the space exists.", "Choose a working instance: any other instance of the space."},
		{CreateInstance.refusals(spaceOf(true, true))[0],
			"Nobody can create instances in Econometrics: it was deleted on 2026-02-28 23:00:00 UTC.",
			"Restore the space with restoreSpace, which is possible until 2026-03-01 23:00:00 UTC, and then try again."},
		{InviteSpaceAdministrators.refusals(spaceOf(true, false))[0],
			"Nobody can invite administrators to Econometrics: it was deleted on 2026-02-28 23:00:00 UTC.",
			"The space can no longer be restored. Choose another space."},
		{RestoreSpace.refusals(spaceOf(true, false))[0],
			"Nobody can restore Econometrics any more: it was deleted on 2026-02-28 23:00:00 UTC, and could be restored until 2026-03-01 23:00:00 UTC.",
			"Create a new space in its place."},
		{forbidden(spaceOf(true, true), RestoreSpace, ada),
			"Only an administrator of the space Econometrics or a manager of University can restore Econometrics.",
			"Ask Ada (ada@uni.example) to do it for you."},
		{forbidden(spaceOf(true, false), RestoreSpace, ada),
			"Only an administrator of the space Econometrics or a manager of University can restore Econometrics.",
			"The space can no longer be restored. Choose another space."},
		{forbidden(inSpace(spaceOf(true, true)), InviteUsers, ada),
			"Only an administrator of the space Econometrics can invite people to Group 1.",
			"Ask Ada (ada@uni.example) to restore the space, which is possible until 2026-03-01 23:00:00 UTC, and then to do it for you."},
		{forbidden(inSpace(spaceOf(true, true)), ChangeMemberRole, ada),
			"Only an administrator of the space Econometrics can change roles in Group 1.",
			"Ask Ada (ada@uni.example) to do it for you."},
		{ResendInvitations.refusals(instanceOf(tenant.Working, true, true))[0],
			"Nobody can resend invitations to Group 1: it was deleted on 2026-02-28 23:00:00 UTC.",
			"Restore it with restoreInstance, which is possible until 2026-03-01 23:00:00 UTC, and then try again."},
		{InviteUsers.refusals(gone)[0],
			"Nobody can invite people to Group 1: it was deleted on 2026-02-28 23:00:00 UTC.", "It can no longer be restored. Choose another instance of the space."},
		{RestoreInstance.refusals(gone)[0],
			"Nobody can restore Group 1 any more: it was deleted on 2026-02-28 23:00:00 UTC, and could be restored until 2026-03-01 23:00:00 UTC.",
			"Create a new instance of the space in its place."},
		{forbidden(gone, InviteUsers, ada),
			"Only an administrator of the space Econometrics can invite people to Group 1.",
			"Ask Ada (ada@uni.example) to do it for you, or to make you an administrator of the space."},
		{forbidden(gone, DeleteInstance, nil),
			"Only an editor of the instance or an administrator of the space Econometrics can delete Group 1.",
			"Ask an editor of the instance or an administrator of the space Econometrics to do it for you."},
		{forbidden(gone.Space.Organization, CreateSpace, ada),
			"Only a faculty member of University or a manager of University can create spaces in University.",
			"Ask Ada (ada@uni.example) to do it for you."},
		{forbidden(gone.Space.Organization, InviteOrganizationMembers, nil),
			"Only a manager of University can invite people to University.",
			"Ask a manager of University to do it for you."},
	} {
		if c.fault.Message != c.message || c.fault.Remedy != c.remedy {
			t.Errorf("%q\n%q\nwant\n%q\n%q", c.fault.Message, c.fault.Remedy, c.message, c.remedy)
		}
	}
}

// The mutation by which people ask for what they may not do exists for the place
// and its state.
func TestForbiddenNamesTheMutationThatAsks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule Rule
		at   tenant.Place
		want string
	}{
		{InviteUsers, instanceOf(tenant.Working, false, false), "requestInvitations"},
		{InviteUsers, instanceOf(tenant.Distributed, false, false), "requestRole"}, // nobody can be invited there
		{InviteUsers, instanceOf(tenant.Working, true, true), "requestRole"},
		{RestoreInstance, instanceOf(tenant.Working, true, true), "requestRestore"},
		{RestoreInstance, instanceOf(tenant.Working, true, false), "requestRole"}, // too late
		{RestoreInstance, instanceOf(tenant.Working, false, false), "requestRole"},
		{DeleteInstance, instanceOf(tenant.Working, false, false), "requestRole"},
		{RestoreSpace, spaceOf(true, true), "requestRestore"},
		{RestoreSpace, spaceOf(true, false), ""}, // too late: nothing can be asked for in it
		{RestoreSpace, spaceOf(false, false), "requestRole"},
		{DeleteSpace, spaceOf(false, false), "requestRole"},
		{RestoreInstance, inSpace(spaceOf(true, true)), "requestRestore"}, // of the space, which comes first
		{InviteUsers, inSpace(spaceOf(true, true)), "requestRestore"},
		{CreateInstance, spaceOf(true, true), "requestRestore"},
		{InviteUsers, inSpace(spaceOf(true, false)), ""},
		{ChangeMemberRole, inSpace(spaceOf(true, true)), ""}, // can be done, but nobody asks for a role there
		{InviteSpaceAdministrators, instanceOf(tenant.Master, false, false).Space, "requestRole"},
		{CreateSpace, instanceOf(tenant.Master, false, false).Space.Organization, ""}, // CheckRole asks whether it has a manager
		{LeaveOrganization, instanceOf(tenant.Master, false, false).Space.Organization, ""},
	} {
		f := forbidden(c.at, c.rule, nil)
		if f.Request != c.want {
			t.Errorf("%s in %s: %q, want %q", c.rule.Field, c.at.Title(), f.Request, c.want)
		}
		if (f.DeletedAt != nil) != (c.want == "requestRestore") {
			t.Errorf("%s: deleted at %v", c.rule.Field, f.DeletedAt)
		}
	}
}

// The mutations that rules name to ask with are mutations with a rule.
func TestRequestsOfRulesHaveRules(t *testing.T) {
	t.Parallel()
	for _, rule := range Rules {
		if _, known := RuleOf(rule.Request); !known && rule.Request != "" {
			t.Errorf("%s: there is no mutation %s", rule.Field, rule.Request)
		}
	}
	if _, known := RuleOf("renameInstance"); known {
		t.Error("renameInstance has a rule")
	}
}
