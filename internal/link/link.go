// Package link holds course links. An administrator of a space makes one for an instance,
// or for instances of their own that everybody gets, and shows it, for example on a slide.
// Anyone who opens it gives an e-mail address, and the invitation is sent there: the link
// alone lets nobody in.
//
// A link invites in the name of the person who made or last refreshed it, for as long as
// they may invite. What strangers are answered depends on the link alone, and never on
// whose address they give (join.go).
package link

import (
	"context"
	"encoding/base64"
	"io"
	"net/url"
	"slices"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Service makes course links, and invites people who use them.
type Service struct {
	DB          *postgres.DB
	Invitations *invitation.Service
	PublicURL   *url.URL // what the address of a link begins with
	// HashKey is the key of which the secrets in addresses are made: see token.
	HashKey keyedhash.Key
	Limits  Limits
}

// Limits bound what strangers can do with one link in an hour.
type Limits struct {
	ByLink    int // addresses that are given
	ByClient  int // addresses that a person gives, or a client; of a client half of the link's uses, where that is more
	ByAddress int // times that one address is given; more send nothing
}

// State says whether a link is open and, if not, why. Time and the state of its place
// decide it, so that the database does not store it.
type State string

// The states. A link is in the first of them that applies, in this order; only REVOKED is
// final.
const (
	Revoked         State = "REVOKED"
	SpaceDeleted    State = "SPACE_DELETED"
	InstanceDeleted State = "INSTANCE_DELETED"
	Expired         State = "EXPIRED"
	InviterLeft     State = "INVITER_LEFT"
	UsedUp          State = "USED_UP"
	Open            State = "OPEN"
)

// AllStates are all states.
var AllStates = []State{Open, UsedUp, Expired, Revoked, InviterLeft, InstanceDeleted, SpaceDeleted}

// MarshalGQL writes the schema's enum InviteLinkState.
func (s State) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum InviteLinkState.
func (s *State) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, AllStates...)
	return err
}

// Link is a course link, as anyone sees it who has it.
type Link struct {
	ID             globalid.ID
	State          State
	Space          *invitation.SpaceSummary
	InstanceName   *string // nil: everybody gets an instance of their own
	OwnInstance    bool
	Role           tenant.InstanceRole
	InviterName    string
	AllowedDomains []string // any of them; empty: any domain
	ExpiresAt      time.Time

	// What only administrators of the space see; nil for others.
	URL             *string // nil also where the operator has changed the key since
	OwnInstanceName *string // nil also for a link to one instance
	MaxUses         *int
	Uses            *int
	CreatedBy       *fault.Contact
	CreatedAt       *time.Time
	RevokedAt       *time.Time // nil also where it is not revoked

	instance globalid.ID               // the zero ID: everybody gets an instance of their own
	group    *batch.Group[globalid.ID] // the instances of the links that were read together
}

// Instance returns the instance that people are invited to; nil where everybody gets an
// instance of their own, and where the actor may not see it.
func (l *Link) Instance(ctx context.Context, q postgres.Querier, actor access.Actor) (*tenant.Instance, error) {
	if l.OwnInstance {
		return nil, nil
	}
	place, err := tenant.LoadPlace(ctx, q, actor, l.group, l.instance)
	to, _ := place.(*tenant.Instance)
	return to, err
}

// group has the instances of links that were read together be read together, too.
func group(links ...*Link) {
	var instances []globalid.ID
	for _, l := range links {
		if !l.OwnInstance && !slices.Contains(instances, l.instance) {
			instances = append(instances, l.instance)
		}
	}
	together := batch.NewGroup(instances...)
	for _, l := range links {
		l.group = together
	}
}

// Relay connections of links, named for gqlgen.
type (
	Connection = relay.Connection[*Link]
	Edge       = relay.Edge[*Link]
)

// token returns the secret in the address of a link: 256 bits that nobody can guess
// without the key. It is made again each time, so that administrators can see the address
// again, and the database has its hash alone.
func (s *Service) token(id globalid.ID) string {
	return base64.RawURLEncoding.EncodeToString(s.HashKey.Sum("invite_link", id.String()))
}

// mayInvite is the rule of the person in whose name a link invites.
var mayInvite = access.CreateInviteLink.Roles
