package link_test

import (
	"fmt"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// tried is a link to an instance of its own.
type tried struct {
	id              globalid.ID // zero: it is not made yet
	token           string
	space, instance globalid.ID
	n               int
}

func (r *tried) known() globalid.ID {
	if r.id.Kind == "" {
		return globalid.New(globalid.Link)
	}
	return r.id
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain, w.Invitations.Limits.ByPerson = 1e6, 1e6
	ada, berta, university := w.User("ada"), w.User("berta"), w.Organization("University of Example")
	const retention = 180 * 24 * time.Hour

	create := func(r *tried) error {
		made, err := w.Links.Create(t.Context(), ada, link.CreateInviteLinkInput{InstanceID: &r.instance, Role: tenant.Viewer, ExpiresAt: time.Now().Add(time.Hour), MaxUses: 1})
		if err == nil {
			r.id, r.token = made.Link.ID, tokenOf(made.Link)
		}
		return err
	}
	join := func(r *tried) error {
		_, err := w.Links.Join(t.Context(), link.Caller{}, link.JoinByLinkInput{Token: r.token, Email: fmt.Sprintf("p%d@new.example", r.n)})
		return err
	}
	revoke := func(r *tried) error {
		_, err := w.Links.Revoke(t.Context(), ada, link.RevokeInviteLinkInput{LinkID: r.known()})
		return err
	}
	expire := func(r *tried) error {
		w.Exec(`update invite_link set opened_at = clock_timestamp() - interval '1 hour', expires_at = clock_timestamp() where id = $1 and revoked_at is null`, r.id.UUID)
		return nil
	}
	made := 0
	trial := statetest.Trial[*tried]{
		Row: func(from, _ string) *tried {
			made++
			r := &tried{n: made, space: w.NewSpace(university, "Physics")}
			r.instance = w.NewInstance(r.space, "Group 1")
			w.Grant(ada, tenant.SpaceAdministrator, r.space)
			w.Grant(berta, tenant.SpaceAdministrator, r.space)
			if from == state.None {
				return r
			}
			w.must(create(r))
			if bring := map[string]func(*tried) error{"OPEN": nil, "USED_UP": join, "EXPIRED": expire, "REVOKED": revoke}[from]; bring != nil {
				w.must(bring(r))
			}
			return r
		},
		// What the API shows, but for what is about the place and the person.
		State: func(r *tried) string {
			return w.Text(`
				select coalesce((select case when revoked_at is not null then 'REVOKED' when expires_at <= clock_timestamp() then 'EXPIRED'
					when uses >= max_uses then 'USED_UP' else 'OPEN' end from invite_link where space_id = $1), '')`, r.space.UUID)
		},
		Events: map[string][]func(*tried) error{
			"createInviteLink": {func(r *tried) error {
				if r.id.Kind != "" {
					return nil // it makes another link
				}
				return create(r)
			}},
			"joinByLink": {join},
			"refreshInviteLink": {func(r *tried) error {
				_, err := w.Links.Refresh(t.Context(), berta, link.RefreshInviteLinkInput{LinkID: r.known()})
				return err
			}},
			"revokeInviteLink": {revoke},
			"removeMember": {func(r *tried) error {
				if refusal := w.remove("berta", ada, r.space); refusal != "" {
					return fmt.Errorf("refused: %s", refusal)
				}
				return nil
			}},
			"deleteInstance": {func(r *tried) error {
				_, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: r.instance})
				return err
			}},
			"deleteSpace": {func(r *tried) error {
				_, err := w.Spaces.Delete(t.Context(), ada, space.Input{SpaceID: r.space})
				return err
			}},
			"time": {expire},
			"retention": {func(r *tried) error {
				w.Exec(`
					update invite_link set revoked_at = revoked_at - $2 * interval '1 second', opened_at = opened_at - $2 * interval '1 second',
						expires_at = case when expires_at <= clock_timestamp() then expires_at - $2 * interval '1 second' else expires_at end
					where id = $1`, r.id.UUID, retention.Seconds())
				if _, err := link.DeleteUses(t.Context(), w.DB, retention); err != nil {
					return err
				}
				_, err := link.DeleteEnded(t.Context(), w.DB, retention)
				return err
			}},
			"purge": {
				func(r *tried) error {
					w.DeleteSpace(r.space, ada)
					w.Exec(`update space set restorable_until = clock_timestamp() where id = $1`, r.space.UUID)
					_, err := space.Purge(t.Context(), w.DB, 0)
					return err
				},
				func(r *tried) error {
					w.DeleteInstance(r.instance, ada)
					w.Exec(`update instance set restorable_until = clock_timestamp() where id = $1`, r.instance.UUID)
					_, err := instance.Purge(t.Context(), w.DB, 0)
					return err
				},
			},
		},
	}
	statetest.Check(t, link.States, trial)

	trial.Events["purge"] = trial.Events["purge"][:1] // an instance of a deleted space is purged with it
	statetest.CheckInDeleted(t, link.States, trial, func(r *tried) { w.DeleteSpace(r.space, ada) })
}
