package invitation

import (
	"context"
	"slices"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// A request with addresses that are not valid writes nothing, and one statement reads all
// that decides which error comes first: the place, the key and the limits.

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
// its place. It is read only for people who may invite there: the time that it takes would
// tell others that the place is one.
type invalidReading struct {
	KeyKnown bool             `json:"keyKnown"`
	Excess   ratelimit.Excess `json:"excess"`
}

// readingColumn is the JSON of an invalidReading, for the account $1. $3 is the key. The
// counted subjects of the limits depend on the place, which only the statement knows.
var readingColumn = `case when ` + tenant.HasRoleInSpace("$1", access.InviteUsers.Roles|access.InviteSpaceAdministrators.Roles) + ` then
	json_build_object('keyKnown', ` + idempotency.IsKnown("$1", "$3") + `, 'excess', ` + ratelimit.ExcessColumn(4, subjectsInPlace) + `) end`

// subjectsInPlace returns the SQL expression of the counted subjects of inviteCharges, in
// space s of organization o, of those for an unknown space.
func subjectsInPlace(subjects string) string {
	return `(` + subjects + `)[1:1] || s.id || ` + ratelimit.SubjectsWithin(`(`+subjects+`)[3:]`, "o.id")
}

// unknownSpace stands for a space that is not read yet.
var unknownSpace = &tenant.Space{Organization: &tenant.Organization{}}

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
// does. It checks the addresses before, and reads all that decides about a request with
// addresses that are not valid at the same time. Invite finds both in the context.
func (s *Service) FindPlace(ctx context.Context, actor access.Actor, id globalid.ID, in InviteInput) (context.Context, map[globalid.ID]tenant.Place, error) {
	emails, key := in.emailsAndKey()
	checked, err := checkOnce(ctx, id, emails)
	if err != nil {
		return ctx, nil, err
	}
	var found map[globalid.ID]tenant.Place
	if len(checked.invalid) > 0 {
		var place tenant.Place
		place, checked.reading, err = s.readInvalid(ctx, actor, checked, key)
		found = map[globalid.ID]tenant.Place{id: place}
	} else {
		found, err = tenant.FindPlaces(ctx, s.DB, actor, []globalid.ID{id})
	}
	return context.WithValue(ctx, checkedKey{}, checked), found, err
}

// readInvalid reads the place of a request with addresses that are not valid, nil where
// there is none that the actor may know of, and what else decides about it.
func (s *Service) readInvalid(ctx context.Context, actor access.Actor, checked checkedAddresses, key *string) (tenant.Place, *invalidReading, error) {
	if checked.placeID.Kind == globalid.Organization {
		return s.readInvalidInOrganization(ctx, actor, checked, key)
	}
	var reading invalidReading
	charges := s.possibleCharges(actor, unknownSpace, checked.invitees)
	place, err := placeAndReading.Find(ctx, s.DB, actor, checked.placeID, &reading, append([]any{key}, ratelimit.Arguments(charges...)...)...)
	return place, &reading, err
}

// refuseInvalid returns the error of a request with addresses that are not valid.
// Everything that Invite checks before the addresses is checked first, without a
// transaction: nothing will be written.
func (s *Service) refuseInvalid(ctx context.Context, c inviteCall, checked checkedAddresses) (err error) {
	reading := checked.reading
	var place tenant.Place
	if reading != nil {
		place, err = access.FindPlace(ctx, s.DB, c.actor, c.placeID)
	} else {
		place, reading, err = s.readInvalid(ctx, c.actor, checked, c.key.Key)
	}
	if err == nil {
		err = access.CheckRole(ctx, s.DB, place, c.rule)
	}
	if err == nil {
		err = idempotency.CheckReuse(reading.KeyKnown)
	}
	if err != nil {
		return err
	}
	to := destinationOf(place)
	if err := to.checkState(ctx, s.DB, c.rule); err != nil {
		return err
	}
	if err := s.checkPossibleMails(ctx, c.actor, to, checked.invitees, reading.Excess); err != nil {
		return err
	}
	return checked.invalid
}
