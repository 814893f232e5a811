package invitation

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// A request with addresses that are not valid writes nothing, and one statement reads all
// that decides which error comes first: the place, the key and the limits. The limits of
// mails are counted by hashes of the organization's id and the addresses, with a key that
// the database does not have, so that the statement needs to know the organization. The
// gateway remembers it for those who had the right to invite to the place before. For
// others the place is read first, and decides; the statement comes second then. It is only
// remembered, and compared with the place that is read.

// InviteInput is the input of a mutation that invites.
type InviteInput interface {
	emailsAndKey() (emails []string, idempotencyKey *string)
}

func (in InviteUsersInput) emailsAndKey() ([]string, *string) { return in.Emails, in.IdempotencyKey }
func (in InviteSpaceAdministratorsInput) emailsAndKey() ([]string, *string) {
	return in.Emails, in.IdempotencyKey
}

// checkedAddresses are the addresses of a request to invite to a place.
type checkedAddresses struct {
	placeID  globalid.ID
	emails   []string // as they were sent
	invitees []invitee
	invalid  fault.List
	reading  *invalidReading // where some are not valid; nil: not read yet
}

// invalidReading is what decides about a request with addresses that are not valid, beside
// its place.
type invalidReading struct {
	space   *tenant.Space // by whose organization mails are counted; it may have ids only
	mails   []recipient
	charges []ratelimit.Charge

	KeyKnown bool             `json:"keyKnown"`
	Excess   ratelimit.Excess `json:"excess"`
}

// readingColumn is the JSON of an invalidReading, for the account $1. $3 is the key.
var readingColumn = `json_build_object('keyKnown', ` + idempotency.IsKnown("$1", "$3") + `, 'excess', ` + ratelimit.ExcessColumn(4) + `)`

var placeAndReading = tenant.NewBeside(readingColumn)

type checkedKey struct{}

// checkOnce checks the addresses of a request to invite, unless the context knows them.
func checkOnce(ctx context.Context, placeID globalid.ID, emails []string) (checked checkedAddresses, err error) {
	if known, ok := ctx.Value(checkedKey{}).(checkedAddresses); ok && known.placeID == placeID && slices.Equal(known.emails, emails) {
		return known, nil
	}
	checked = checkedAddresses{placeID: placeID, emails: emails}
	checked.invitees, checked.invalid, err = checkAddresses(ctx, emails, nobodyInvited)
	return checked, err
}

// FindPlace reads the place of a request to invite, and returns it as tenant.FindPlaces
// does. Where it can, it reads all that decides about the request at the same time, which
// Invite then finds in the context.
func (s *Service) FindPlace(ctx context.Context, actor access.Actor, id globalid.ID, in InviteInput) (context.Context, map[globalid.ID]tenant.Place, error) {
	space := s.inviters.spaceOf(actor, id)
	if space == nil {
		// Nothing is done for people who may have no right to invite.
		found, err := tenant.FindPlaces(ctx, s.DB, actor, []globalid.ID{id})
		return ctx, found, err
	}
	emails, key := in.emailsAndKey()
	checked, err := checkOnce(ctx, id, emails)
	if err != nil {
		return ctx, nil, err
	}
	var found map[globalid.ID]tenant.Place
	if len(checked.invalid) > 0 {
		var place tenant.Place
		place, checked.reading, err = s.readInvalid(ctx, actor, space, checked, key)
		found = map[globalid.ID]tenant.Place{id: place}
	} else {
		found, err = tenant.FindPlaces(ctx, s.DB, actor, []globalid.ID{id})
	}
	return context.WithValue(ctx, checkedKey{}, checked), found, err
}

// readInvalid reads the place of a request with addresses that are not valid, nil where
// there is none that the actor may know of, and what else decides about it in this space.
func (s *Service) readInvalid(ctx context.Context, actor access.Actor, space *tenant.Space, checked checkedAddresses, key *string) (tenant.Place, *invalidReading, error) {
	r := &invalidReading{space: space, mails: possibleMails(destination{Space: space}, checked.invitees)}
	r.charges = s.inviteCharges(actor, space, len(checked.invitees), r.mails)
	place, err := placeAndReading.Find(ctx, s.DB, actor, checked.placeID, r, append([]any{key}, ratelimit.Arguments(r.charges...)...)...)
	return place, r, err
}

// refuseInvalid returns the error of a request with addresses that are not valid.
// Everything that Invite checks before the addresses is checked first, without a
// transaction: nothing will be written.
func (s *Service) refuseInvalid(ctx context.Context, c inviteCall, checked checkedAddresses) error {
	place, err := access.FindPlace(ctx, s.DB, c.actor, c.placeID)
	if err == nil {
		err = access.CheckRole(ctx, s.DB, place, c.rule)
	}
	if err != nil {
		return err
	}
	to, reading := destinationOf(place), checked.reading
	s.inviters.remember(c.actor, c.placeID, to.Space)
	if reading == nil || !sameSpace(reading.space, to.Space) {
		if place, reading, err = s.readInvalid(ctx, c.actor, to.Space, checked, c.key.Key); err == nil {
			err = access.CheckRole(ctx, s.DB, place, c.rule)
		}
		if err != nil {
			return err
		}
		to = destinationOf(place)
	}
	if err := idempotency.CheckReuse(reading.KeyKnown); err != nil {
		return err
	}
	if err := to.checkState(ctx, s.DB, c.rule); err != nil {
		return err
	}
	err = reading.Excess.Check(reading.charges...)
	if err != nil && len(reading.mails) > 0 {
		err = s.checkNecessaryMails(ctx, c.actor, to, checked.invitees, reading.mails)
	}
	if err != nil {
		return err
	}
	return checked.invalid
}

func sameSpace(a, b *tenant.Space) bool {
	return a.ID == b.ID && a.Organization.ID == b.Organization.ID
}

// inviters remembers the spaces of places, and their organizations, for people who had the
// right to invite there. Nothing is remembered for others, because the time that a
// request takes would tell them that the place is one. The zero value is ready.
type inviters struct {
	spaces *otter.Cache[inviter, *tenant.Space] // with their ids only
	made   sync.Once
}

type inviter struct{ account, place uuid.UUID }

// invitersSize is how many are remembered, some 300 octets each.
const invitersSize = 10_000

func (i *inviters) cache() *otter.Cache[inviter, *tenant.Space] {
	i.made.Do(func() { i.spaces = cache.BySize[inviter, *tenant.Space](invitersSize) })
	return i.spaces
}

// spaceOf returns nil where none is remembered.
func (i *inviters) spaceOf(actor access.Actor, place globalid.ID) *tenant.Space {
	space, _ := i.cache().GetIfPresent(inviter{actor.ID.UUID, place.UUID})
	return space
}

func (i *inviters) remember(actor access.Actor, place globalid.ID, space *tenant.Space) {
	if known := i.spaceOf(actor, place); known == nil || !sameSpace(known, space) {
		i.cache().Set(inviter{actor.ID.UUID, place.UUID}, &tenant.Space{ID: space.ID, Organization: &tenant.Organization{ID: space.Organization.ID}})
	}
}
