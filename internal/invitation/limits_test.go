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

// Each case sets one limit to 2, and invites two addresses, which are allowed, and
// then one more, which is not.
func TestInviteRefusesWhatExceedsALimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit   func(*invitation.Limits) *int
		allowed []string
		refused string
		reason  string
		message string
		named   bool // the refusal is about the address
	}{
		"person":  {func(l *invitation.Limits) *int { return &l.ByPerson }, []string{"a@a.example", "b@b.example"}, "c@c.example", fault.InvitationsByPerson, "One person can invite 2 addresses in an hour. Nothing was done.", false},
		"space":   {func(l *invitation.Limits) *int { return &l.BySpace }, []string{"a@a.example", "b@b.example"}, "c@c.example", fault.InvitationsBySpace, "2 addresses can be invited to one space in an hour. Nothing was done.", false},
		"domain":  {func(l *invitation.Limits) *int { return &l.ByDomain }, []string{"a@new.example.org", "b@example.org"}, "c@other.example.org", fault.InvitationsByDomain, "example.org: one organization can send 2 invitations to a domain in an hour. Nothing was done.", false},
		"address": {func(l *invitation.Limits) *int { return &l.ByAddress }, nil, "a@a.example", fault.InvitationsByAddress, "a@a.example: one organization can send 2 invitations to one mailbox in an hour. Nothing was done.", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, began := newWorld(t), time.Now()
			*c.limit(&w.Invitations.Limits) = 2
			if c.allowed != nil {
				w.invite("Group 1", tenant.Viewer, c.allowed...)
			} else {
				w.invite("Group 1", tenant.Viewer, c.refused)
				w.invite("Master", tenant.Viewer, c.refused)
			}
			refuse := func(emails ...string) *fault.Fault {
				payload, err := w.Invitations.InviteAdministrators(t.Context(), w.User("ada"), invitation.InviteSpaceAdministratorsInput{
					SpaceID: w.Space(testworld.Econometrics), Emails: emails})
				if payload.Results != nil {
					t.Error("there are results")
				}
				return wantRefused(t, err, fault.RateLimited, c.reason)
			}
			// The limits are the same for a request with an address that is not valid,
			// which charges nothing.
			for _, emails := range [][]string{{c.refused}, {c.refused, "not valid"}} {
				f := refuse(emails...)
				if f.Message != c.message || !strings.HasPrefix(f.Remedy, "Wait ") || f.RetryAfter < time.Hour-time.Since(began) || f.RetryAfter > 61*time.Minute {
					t.Errorf("%v: %q %q %v", emails, f.Message, f.Remedy, f.RetryAfter)
				}
				if c.named {
					wantEqual(t, "place in the input", []any{"input", "emails", 0}, f.InputPath)
					if *f.Index != 0 || f.Email != c.refused {
						t.Errorf("%d %s", *f.Index, f.Email)
					}
				} else if f.InputPath != nil || f.Index != nil || f.Email != "" {
					t.Errorf("%+v", f)
				}
			}
			if n := w.Number(`select count(*) from invitation where space_id is not null`); n > 0 {
				t.Errorf("%d invitations were written", n)
			}
			w.Advance(61 * time.Minute)
			w.inviteAdministrators(c.refused)
		})
	}
}

func TestEveryExceededLimitIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits = invitation.Limits{Emails: 10, TTL: month, ByPerson: 1, BySpace: 1, ByAddress: 0, ByDomain: 1}
	for _, emails := range [][]string{{"a@a.example", "b@a.example"}, {"a@a.example", "b@a.example", "not valid"}} {
		_, err := w.tryInvite("ada", "Group 1", tenant.Viewer, emails...)
		faults := faultsOf(t, err)
		wantEqual(t, "errors", []string{"RATE_LIMITED INVITATIONS_BY_PERSON", "RATE_LIMITED INVITATIONS_BY_SPACE", "RATE_LIMITED INVITATIONS_BY_DOMAIN",
			"RATE_LIMITED INVITATIONS_BY_ADDRESS", "RATE_LIMITED INVITATIONS_BY_ADDRESS"}, described(faults))
		if f := faults[0]; f.RetryAfter != 0 || f.Remedy != "Send a smaller request." {
			t.Errorf("more than fits into an hour: %v %q", f.RetryAfter, f.Remedy)
		}
		for _, f := range faults {
			if f.Retryable() {
				t.Errorf("a request that can never succeed: %+v", f)
			}
		}
		if *faults[4].Index != 1 {
			t.Errorf("the second address has index %d", *faults[4].Index)
		}
	}
}

// Members and invited people get no mail, so that the limits of mails do not count
// them.
func TestOnlyMailsCountForAddressesAndDomains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "pending@uni.example")
	w.Invitations.Limits.ByAddress = 0
	emails := []string{"pending@uni.example", "vic@uni.example", "ada@uni.example"}
	wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.AlreadyInvited, invitation.AlreadyMember, invitation.AlreadyMember},
		outcomes(w.invite("Group 1", tenant.Viewer, emails...)))
	_, err := w.tryInvite("ada", "Group 1", tenant.Viewer, append(emails, "not valid")...)
	wantRefused(t, err, fault.InvalidEmail, "AT_SIGN_MISSING")
	_, err = w.tryInvite("ada", "Group 1", tenant.Viewer, append(emails, "not valid", "zoe@new.example")...)
	if f := wantRefused(t, err, fault.RateLimited, fault.InvitationsByAddress); f.Email != "zoe@new.example" || *f.Index != 4 {
		t.Errorf("%+v", f)
	}
	w.Advance(month)
	_, err = w.tryInvite("ada", "Group 1", tenant.Viewer, append(emails, "not valid")...)
	if f := wantRefused(t, err, fault.RateLimited, fault.InvitationsByAddress); f.Email != "pending@uni.example" {
		t.Errorf("an expired invitation is renewed, with a mail: %+v", f)
	}
}

// Otherwise one organization could stop all others from inviting a person, or at a
// provider.
func TestMailsCountForEachOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain = 1
	w.Invitations.Limits.ByAddress = 1
	invite := func(who string, place globalid.ID, email string) error {
		_, err := w.tryInviteWith(who, invitation.InviteUsersInput{InstanceID: place, Role: tenant.Viewer, Emails: []string{email}})
		return err
	}
	group1, group4, research := w.Instance("Group 1"), w.NewInstance(w.Space(testworld.Econometrics), "Group 4"), w.InstanceOf(w.Space("Private Research"), "Master")
	w.must(invite("ada", group1, "zoe@new.example"))
	wantRefused(t, invite("ada", group1, "bob@new.example"), fault.RateLimited, fault.InvitationsByDomain)
	w.must(invite("rita", research, "zoe@new.example"))
	// One that nobody can register counts by itself.
	w.must(invite("ada", group1, "zoe@github.io"))
	w.must(invite("ada", group1, "zoe@someone.github.io"))

	w.Invitations.Limits.ByDomain = 100
	wantRefused(t, invite("ada", group4, "zoe@new.example"), fault.RateLimited, fault.InvitationsByAddress)
	w.must(invite("rita", research, "zoe+lab@other.example"))
	w.must(invite("ada", group4, "zoe+lab@other.example"))
}

// Tags after a plus sign would otherwise get around the limit of an address.
func TestAddressesOfOneMailboxCountTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before         []string // invited, up to the limit
		other, refused string
	}{
		"tags":   {[]string{"zoe@new.example", "zoe+a@new.example", "ZOE+b@new.example"}, "zoe.x@new.example", "zoe+c@new.example"},
		"no tag": {[]string{"zoe+a@new.example", "zoe+b@new.example", "zoe+c@new.example"}, "bob@new.example", "zoe@new.example"},
		"dots":   {[]string{"zoe.x@gmail.com", "zoex@googlemail.com", "zo.ex+a@gmail.com"}, "zoe.x@new.example", "z.o.e.x@gmail.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Invitations.Limits.ByAddress = 3
			wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.Invited, invitation.Invited, invitation.Invited},
				outcomes(w.invite("Group 1", tenant.Viewer, c.before...)))
			_, err := w.tryInvite("ada", "Group 1", tenant.Viewer, c.other, c.refused)
			f := wantRefused(t, err, fault.RateLimited, fault.InvitationsByAddress)
			if f.Email != c.refused || *f.Index != 1 {
				t.Errorf("%+v", f)
			}
			w.invite("Group 1", tenant.Viewer, c.other)
			// All in one request.
			w.Advance(61 * time.Minute)
			_, err = w.tryInvite("ada", "Master", tenant.Viewer, append(c.before, c.refused)...)
			wantRefused(t, err, fault.RateLimited, fault.InvitationsByAddress)
			w.invite("Master", tenant.Viewer, c.before...)
		})
	}
}

func TestReadinessListsEveryObstacle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	readiness := func(who, instance string) []string {
		t.Helper()
		actor := w.User(who)
		lists, err := tenant.FindPlaces(t.Context(), w.DB, actor, []globalid.ID{w.Instance(instance)})
		w.must(err)
		i := lists[w.Instance(instance)].(*tenant.Instance)
		obstacles, err := w.Invitations.Readiness(t.Context(), actor, i)
		w.must(err)
		return described(obstacles)
	}
	if obstacles := readiness("ada", "Group 1"); obstacles != nil {
		t.Errorf("Ada in Group 1: %v", obstacles)
	}
	w.Invitations.Limits.ByPerson, w.Invitations.Limits.BySpace = 0, 0
	limits := []string{"RATE_LIMITED INVITATIONS_BY_PERSON", "RATE_LIMITED INVITATIONS_BY_SPACE"}
	for _, c := range []struct {
		who, instance string
		want          []string
	}{
		{"ada", "Group 1", limits},
		{"ada", "Group 2", append([]string{"INSTANCE_DELETED"}, limits...)},
		{"ada", "Distributed", append([]string{"INSTANCE_DISTRIBUTED"}, limits...)},
		{"ed", "Group 1", []string{"FORBIDDEN"}}, // how much others invite is not for them to know
		{"vic", "Group 2", []string{"FORBIDDEN", "INSTANCE_DELETED"}},
	} {
		wantEqual(t, c.who+" in "+c.instance, c.want, readiness(c.who, c.instance))
	}
}
