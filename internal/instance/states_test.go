package instance_test

import (
	"fmt"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// tried is an instance in a space of its own, and a request to restore it that was made
// when it was deleted.
type tried struct{ space, id, request globalid.ID }

func TestStates(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	s, ada, vic := w.Services(), w.User("ada"), w.User("vic")
	s.Requests.Limits.ByPerson, s.Invitations.Limits.ByAddress = 1000, 1000
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(r *tried) error {
		_, err := s.Instances.Create(t.Context(), ada, instance.CreateInstanceInput{SpaceID: r.space, Name: "Group 1"})
		return err
	}
	sync := func(where roster.Where) func(*tried) error {
		return func(r *tried) error {
			_, err := s.Rosters.Sync(t.Context(), ada, roster.SyncRosterInput{SpaceID: r.space, Entries: []*roster.Entry{
				{Email: "zoe@new.example", Role: tenant.Editor, Instance: where}}})
			return err
		}
	}
	remove := func(r *tried) error {
		_, err := s.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: r.id})
		return err
	}
	restore := func(r *tried) error {
		_, err := s.Instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: r.id})
		return err
	}
	expire := func(r *tried) error {
		w.Exec(`update instance set restorable_until = clock_timestamp() where id = $1 and restorable_until > clock_timestamp()`, r.id.UUID)
		return nil
	}
	made := 0
	trial := statetest.Trial[*tried]{
		Row: func(from, _ string) *tried {
			made++
			r := &tried{space: w.NewSpace(w.Organization("University of Example"), fmt.Sprintf("Space %d", made)),
				id: globalid.New(globalid.Instance), request: globalid.New(globalid.Request)}
			w.Grant(ada, tenant.SpaceAdministrator, r.space)
			if from == state.None {
				return r
			}
			must(nil, create(r))
			r.id = w.InstanceOf(r.space, "Group 1")
			w.Grant(vic, tenant.InstanceViewer, r.id)
			must(nil, remove(r))
			asked, err := s.Requests.RequestRestore(t.Context(), vic, request.RequestRestoreInput{InstanceID: &r.id})
			must(nil, err)
			r.request = asked.Request.ID
			bring := map[string]func(*tried) error{"ACTIVE": restore, "DELETED": nil, "UNRESTORABLE": expire}[from]
			if bring != nil {
				must(nil, bring(r))
			}
			return r
		},
		State: func(r *tried) string {
			id := r.id
			if created := w.Lines(`select id from instance where space_id = $1 and kind = 'WORKING'`, r.space.UUID); len(created) > 0 {
				must(nil, id.UUID.UnmarshalText([]byte(created[0])))
			}
			i, err := tenant.FindInstance(t.Context(), w.DB, ada, id)
			must(nil, err)
			switch {
			case i == nil:
				return state.None
			case i.State() == tenant.Deleted && !i.Restorable:
				return instance.Unrestorable
			}
			return string(i.State())
		},
		Events: map[string][]func(*tried) error{
			"createInstance":  {create},
			"syncRoster":      {sync(roster.Where{Joint: new("group 1")}), sync(roster.Where{Own: new("Group 1")})},
			"deleteInstance":  {remove},
			"restoreInstance": {restore},
			"approveRequest": {func(r *tried) error {
				_, err := s.Requests.Approve(t.Context(), ada, request.ApproveRequestInput{RequestID: r.request})
				return err
			}},
			"time": {expire},
			"purge": {func(*tried) error {
				_, err := instance.Purge(t.Context(), w.DB, 0)
				return err
			}},
			"purge of the space": {func(r *tried) error {
				w.DeleteSpace(r.space, ada)
				w.Exec(`update space set restorable_until = clock_timestamp() where id = $1`, r.space.UUID)
				_, err := space.Purge(t.Context(), w.DB, 0)
				return err
			}},
		},
	}
	statetest.Check(t, instance.States, trial)

	statetest.CheckInDeleted(t, instance.States, trial, func(r *tried) { w.DeleteSpace(r.space, ada) })
}
