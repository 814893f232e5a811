package space_test

import (
	"fmt"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// tried is a space with a name of its own, and a request to restore it that was made when
// it was deleted.
type tried struct {
	name        string
	id, request globalid.ID // id is zero where the space is not made yet
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	s, ada, vic, university := w.Services(), w.User("ada"), w.User("vic"), w.Organization("University of Example")
	w.Grant(ada, tenant.OrganizationFaculty, university)
	s.Requests.Limits.ByPerson = 1000
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	known := func(r *tried) globalid.ID {
		if r.id.Kind == "" {
			return globalid.New(globalid.Space)
		}
		return r.id
	}
	create := func(r *tried) error {
		_, err := s.Spaces.Create(t.Context(), ada, space.CreateSpaceInput{OrganizationID: university, Name: r.name})
		return err
	}
	remove := func(r *tried) error {
		_, err := s.Spaces.Delete(t.Context(), ada, space.Input{SpaceID: known(r)})
		return err
	}
	restore := func(r *tried) error {
		_, err := s.Spaces.Restore(t.Context(), ada, space.Input{SpaceID: known(r)})
		return err
	}
	expire := func(r *tried) error {
		w.Exec(`update space set restorable_until = clock_timestamp() where id = $1 and restorable_until > clock_timestamp()`, r.id.UUID)
		return nil
	}
	made := 0
	statetest.Check(t, space.States, statetest.Trial[*tried]{
		Row: func(from, _ string) *tried {
			made++
			r := &tried{name: fmt.Sprintf("Space %d", made), request: globalid.New(globalid.Request)}
			if from == state.None {
				return r
			}
			must(nil, create(r))
			r.id = w.Space(r.name)
			w.Grant(vic, tenant.InstanceViewer, w.NewInstance(r.id, "Group 1"))
			must(nil, remove(r))
			asked, err := s.Requests.RequestRestore(t.Context(), vic, request.RequestRestoreInput{SpaceID: &r.id})
			must(nil, err)
			r.request = asked.Request.ID
			bring := map[string]func(*tried) error{"ACTIVE": restore, "DELETED": nil, "UNRESTORABLE": expire}[from]
			if bring != nil {
				must(nil, bring(r))
			}
			return r
		},
		State: func(r *tried) string {
			id := known(r)
			if created := w.Lines(`select id from space where name = $1`, r.name); r.id.Kind == "" && len(created) > 0 {
				must(nil, id.UUID.UnmarshalText([]byte(created[0])))
			}
			found, err := tenant.FindSpace(t.Context(), w.DB, ada, id)
			must(nil, err)
			switch {
			case found == nil:
				return state.None
			case found.State() == tenant.Deleted && !found.Restorable:
				return instance.Unrestorable
			}
			return string(found.State())
		},
		Events: map[string][]func(*tried) error{
			"createSpace": {create},
			"create-space": {func(r *tried) error {
				administrator, problem := address.Parse(ada.Email)
				if problem != nil {
					t.Fatal(problem)
				}
				_, _, err := space.Provision(t.Context(), w.DB, space.ProvisionInput{Organization: "University of Example", Name: r.name, Administrator: administrator})
				return err
			}},
			"deleteSpace":  {remove},
			"restoreSpace": {restore},
			"approveRequest": {func(r *tried) error {
				_, err := s.Requests.Approve(t.Context(), ada, request.ApproveRequestInput{RequestID: r.request})
				return err
			}},
			"time": {expire},
			"purge": {func(*tried) error {
				_, err := space.Purge(t.Context(), w.DB, 0)
				return err
			}},
		},
	})
}
