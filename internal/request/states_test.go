package request_test

import (
	"fmt"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// tried is a request with people and places of its own.
type tried struct {
	id              globalid.ID // zero: it is not made yet
	kind            request.Kind
	space, instance globalid.ID
	aboutSpace      bool // it asks to restore the space, and not the instance
	person, invitee tenant.User
	into            tenant.User // another account of the person, of a merger
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, owner := w.User("ada"), w.Open(w.DSN)
	const retention = 180 * 24 * time.Hour
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made := 0
	newTried := func(event string) *tried {
		made++
		r := &tried{kind: request.Role, person: w.User(fmt.Sprintf("person%d@new.example", made)), invitee: w.User(fmt.Sprintf("invitee%d@new.example", made))}
		r.space = w.NewSpace(w.Organization("University of Example"), fmt.Sprintf("Space %d", made))
		r.instance = w.NewInstance(r.space, "Group 1")
		w.Grant(ada, tenant.SpaceAdministrator, r.space)
		w.Grant(r.person, tenant.InstanceViewer, r.instance)
		switch event {
		case "requestInvitations", "erasure of the invitee":
			r.kind = request.Invitations
		case "requestRestore", "restoreInstance":
			r.kind = request.Restore
			w.DeleteInstance(r.instance, ada)
		case "merger":
			r.into = w.User(fmt.Sprintf("into%d@new.example", made))
			w.Grant(r.into, tenant.InstanceViewer, r.instance)
			w.Exec(`update account set subject = id::text where id = $1`, r.into.ID.UUID)
		case "restoreSpace":
			r.kind, r.aboutSpace = request.Restore, true
			w.DeleteSpace(r.space, ada)
		}
		return r
	}
	askAs := func(r *tried, actor tenant.User) error {
		var err error
		switch {
		case r.kind == request.Role:
			_, err = w.Requests.RequestRole(t.Context(), actor, request.RequestRoleInput{InstanceID: &r.instance, Role: tenant.InstanceEditor})
		case r.kind == request.Invitations:
			_, err = w.Requests.RequestInvitations(t.Context(), actor, request.RequestInvitationsInput{
				InstanceID: r.instance, Role: tenant.Viewer, Emails: []string{r.invitee.Email}})
		case r.aboutSpace:
			_, err = w.Requests.RequestRestore(t.Context(), actor, request.RequestRestoreInput{SpaceID: &r.space})
		default:
			_, err = w.Requests.RequestRestore(t.Context(), actor, request.RequestRestoreInput{InstanceID: &r.instance})
		}
		return err
	}
	ask := func(r *tried) error {
		if r.into.Email != "" {
			must(askAs(r, r.into))
		}
		return askAs(r, r.person)
	}
	approve := func(r *tried) error {
		return second(w.Requests.Approve(t.Context(), ada, request.ApproveRequestInput{RequestID: known(r)}))
	}
	decline := func(r *tried) error {
		return second(w.Requests.Decline(t.Context(), ada, request.DeclineRequestInput{RequestID: known(r)}))
	}
	withdraw := func(r *tried) error {
		return second(w.Requests.Withdraw(t.Context(), r.person, request.WithdrawRequestInput{RequestID: known(r)}))
	}
	expire := func(r *tried) error {
		w.Exec(`update request set expires_at = clock_timestamp(), lasts_until = clock_timestamp() where id = $1 and status = 'OPEN'`, r.id.UUID)
		return nil
	}
	end := func(r *tried) error {
		must(expire(r))
		return second(w.Requests.EndExpired(t.Context()))
	}
	erase := func(user func(*tried) tenant.User) func(*tried) error {
		return func(r *tried) error {
			p, err := privacy.FindAccount(t.Context(), owner, user(r).ID)
			must(err)
			return second(privacy.Erase(t.Context(), owner, p, privacy.Options{}))
		}
	}

	trial := statetest.Trial[*tried]{
		Row: func(from, event string) *tried {
			r := newTried(event)
			if from == state.None {
				return r
			}
			must(ask(r))
			r.id = globalid.ID{Kind: globalid.Request}
			must(r.id.UUID.UnmarshalText([]byte(w.Text(`select id from request where requested_by = $1`, r.person.ID.UUID))))
			expired := end
			if r.kind != request.Restore && made%2 == 0 {
				expired = expire // nobody has stored it yet
			}
			bring := map[string]func(*tried) error{"OPEN": nil, "APPROVED": approve, "DECLINED": decline, "WITHDRAWN": withdraw, "EXPIRED": expired}[from]
			if bring != nil {
				must(bring(r))
			}
			return r
		},
		State: func(r *tried) string {
			lists, err := w.Requests.ListInSpaces(t.Context(), []globalid.ID{r.space}, "", relay.Page{First: 100})
			must(err)
			for _, v := range lists[r.space].Nodes {
				if v.ID == r.id || r.id.Kind == "" && v.RequestedBy.Email == r.person.Email {
					return string(v.Status)
				}
			}
			return state.None
		},
		Events: map[string][]func(*tried) error{
			"requestRole":        {ask},
			"requestInvitations": {ask},
			"requestRestore":     {ask},
			"approveRequest":     {approve},
			"restoreInstance": {func(r *tried) error {
				return second(w.Instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: r.instance}))
			}},
			"restoreSpace": {func(r *tried) error {
				return second(w.Spaces.Restore(t.Context(), ada, space.Input{SpaceID: r.space}))
			}},
			"declineRequest":  {decline},
			"withdrawRequest": {withdraw},
			"deleteInstance": {func(r *tried) error {
				return second(w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: r.instance}))
			}},
			"deleteSpace": {func(r *tried) error {
				return second(w.Spaces.Delete(t.Context(), ada, space.Input{SpaceID: r.space}))
			}},
			"removeMember": {func(r *tried) error {
				return second(w.Memberships.Remove(t.Context(), ada, membership.RemoveMemberInput{UserID: r.person.ID, SpaceID: &r.space}))
			}},
			"merger": {func(r *tried) error {
				return second(account.Merge(t.Context(), owner, r.person.ID, r.into.ID, false))
			}},
			"time": {expire, end},
			"retention": {func(r *tried) error {
				must(second(w.Requests.EndExpired(t.Context())))
				w.Exec(`update request set ended_at = ended_at - $2 * interval '1 second' where id = $1`, r.id.UUID, retention.Seconds())
				return second(request.DeleteEnded(t.Context(), w.DB, retention))
			}},
			"purge": {func(r *tried) error {
				w.DeleteSpace(r.space, ada)
				w.Exec(`update space set restorable_until = clock_timestamp() where id = $1`, r.space.UUID)
				return second(space.Purge(t.Context(), w.DB, 0))
			}},
			"erasure of the requester": {erase(func(r *tried) tenant.User { return r.person })},
			"erasure of the invitee":   {erase(func(r *tried) tenant.User { return r.invitee })},
		},
	}
	statetest.Check(t, request.States, trial)

	statetest.CheckInDeleted(t, request.States, trial, func(r *tried) {
		if !r.aboutSpace { // or it is deleted already
			w.DeleteSpace(r.space, ada)
		}
	})
}

// known returns the id of a request, or that of none.
func known(r *tried) globalid.ID {
	if r.id.Kind == "" {
		return globalid.New(globalid.Request)
	}
	return r.id
}

func second[T any](_ T, err error) error { return err }
