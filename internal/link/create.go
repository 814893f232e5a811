package link

import (
	"cmp"
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// CreateInviteLinkInput asks for a course link: to an instance, or to instances of their
// own in a space.
type CreateInviteLinkInput struct {
	InstanceID      *globalid.ID        `json:"instanceId"`
	SpaceID         *globalid.ID        `json:"spaceId"`
	OwnInstanceName *string             `json:"ownInstanceName"`
	Role            tenant.InstanceRole `json:"role"`
	ExpiresAt       time.Time           `json:"expiresAt"`
	MaxUses         int                 `json:"maxUses"`
	AllowedDomains  []string            `json:"allowedDomains"`
	IdempotencyKey  *string             `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of the
// input.
func (in CreateInviteLinkInput) Validate() (faults fault.List) {
	if (in.InstanceID == nil) == (in.SpaceID == nil) {
		faults = append(faults, fault.Input("Give either instanceId or spaceId, and not both.", "input"))
	}
	if in.OwnInstanceName != nil {
		if in.InstanceID != nil {
			faults = append(faults, fault.Input("ownInstanceName is for links with spaceId: with instanceId, everybody is invited to that instance.", "input", "ownInstanceName"))
		}
		faults = append(faults, text.CheckName(*in.OwnInstanceName, "input", "ownInstanceName")...)
	}
	faults = append(faults, validateUses(in.MaxUses)...)
	faults = append(faults, validateDomains(in.AllowedDomains)...)
	return append(faults, idempotency.ValidateKey(in.IdempotencyKey)...)
}

func (in CreateInviteLinkInput) placeID() globalid.ID {
	if in.InstanceID != nil {
		return in.InstanceID.As(globalid.Instance)
	}
	return in.SpaceID.As(globalid.Space)
}

// CreateInviteLinkPayload has the link; nil where it is deleted since.
type CreateInviteLinkPayload struct{ Link *Link }

// Create makes a course link. It fails with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED,
// SPACE_DELETED, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, or BAD_USER_INPUT for an end that
// is over or too far away.
func (s *Service) Create(ctx context.Context, actor access.Actor, in CreateInviteLinkInput) (payload CreateInviteLinkPayload, err error) {
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		payload.Link, err = s.find(ctx, tx, *id)
		return err
	}
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.CreateInviteLink.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			place, err = access.LockAndCheckRole[tenant.Place](ctx, tx, actor, in.placeID(), access.CreateInviteLink, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (id globalid.ID, err error) {
			if err := access.CheckState(ctx, tx, place, access.CreateInviteLink); err != nil {
				return id, err
			}
			if err := checkExpiry(ctx, tx, in.ExpiresAt); err != nil {
				return id, err
			}
			id = globalid.New(globalid.Link)
			if err := s.insert(ctx, tx, actor, id, place, in); err != nil {
				return id, err
			}
			if err := read(ctx, tx, &id); err != nil {
				return id, err
			}
			return id, audit.Write(ctx, tx, audit.Record{Action: audit.LinkCreated, Actor: actor, Target: audit.On(place), Details: audit.Details{Role: &in.Role}})
		},
	})
	return payload, err
}

func (s *Service) insert(ctx context.Context, tx *postgres.Tx, actor access.Actor, id globalid.ID, place tenant.Place, in CreateInviteLinkInput) error {
	var space globalid.ID
	var instance, ownName any
	switch p := place.(type) {
	case *tenant.Instance:
		space, instance = p.Space.ID, p.ID.UUID
	case *tenant.Space:
		name, _ := text.ParseName(*cmp.Or(in.OwnInstanceName, &p.Name))
		space, ownName = p.ID, name
	}
	_, err := tx.Exec(ctx, `
		insert into invite_link (id, space_id, instance_id, own_name, role, token_hash, created_by, expires_at, max_uses, allowed_domains)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		id.UUID, space.UUID, instance, ownName, in.Role.Role().Stored(), tokenHash(s.token(id)), actor.ID.UUID, in.ExpiresAt, in.MaxUses, cleanDomains(in.AllowedDomains))
	return err
}

// find reads a link for an administrator of its space; nil where it is deleted.
func (s *Service) find(ctx context.Context, q postgres.Querier, id globalid.ID) (*Link, error) {
	r, err := findRow(ctx, q, byID, id.UUID)
	if r == nil || err != nil {
		return nil, err
	}
	return s.administered(r), nil
}
