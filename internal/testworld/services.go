package testworld

import (
	"log/slog"
	"time"

	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// Services are the domain's services on a world's database.
type Services struct {
	Spaces      *space.Service
	Instances   *instance.Service
	Memberships *membership.Service
	Invitations *invitation.Service
	Links       *link.Service
	Requests    *request.Service
	Rosters     *roster.Service
	// Events is what the services announce changes to. It asks the database
	// while its method Run does.
	Events *event.Feed
}

// Services puts the services together as a gateway does, with the limits that
// it has by default. Change their fields before the first call.
func (w *World) Services() *Services {
	feed := event.NewFeed(w.DB, slog.New(slog.DiscardHandler), invitation.ExpiredEvents)
	instances, spaces := &instance.Service{DB: w.DB}, &space.Service{DB: w.DB}
	invitations := &invitation.Service{DB: w.DB, Outbox: w.queue(invitation.MailKind), OrganizationOutbox: w.queue(invitation.OrganizationMailKind), Events: feed, Retention: retention, Limits: invitation.Limits{
		Emails: 1000, Message: 2000, TTL: 30 * 24 * time.Hour,
		ByPerson: 5000, BySpace: 10_000, ByAddress: 20, ByDomain: 10_000, Tokens: 20,
	}}
	requests := &request.Service{DB: w.DB, Outbox: w.queue(request.MailKind), OrganizationOutbox: w.queue(request.OrganizationMailKind), Events: feed, Invitations: invitations, Instances: instances, Spaces: spaces,
		Limits: request.Limits{TTL: 14 * 24 * time.Hour, ByPerson: 20, BySpace: 100, ByOrganization: 1000, ByPersonInOrganization: 5}}
	instances.OnDelete, instances.OnRestore = requests.InstanceDeleted, requests.InstanceRestored
	spaces.OnDelete, spaces.OnRestore = requests.SpaceDeleted, requests.SpaceRestored
	ownKey, err := keyedhash.Read(w.t.Context(), w.DB, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return &Services{
		Spaces:      spaces,
		Instances:   instances,
		Memberships: &membership.Service{DB: w.DB, OnEnd: invitations.EndOf, RevokeInvitations: invitations.RevokeFor, Kept: 90 * 24 * time.Hour},
		Invitations: invitations,
		Rosters:     &roster.Service{DB: w.DB, Invitations: invitations, OwnKey: ownKey},
		Links: &link.Service{DB: w.DB, Invitations: invitations, PublicURL: publicURL(w.t),
			Limits: link.Limits{ByLink: 2000, ByClient: 60, ByAddress: 5}},
		Requests: requests,
		Events:   feed,
	}
}

// retention is how long things are kept by default.
var retention = invitation.Retention{TTL: 30 * 24 * time.Hour, Invitation: 180 * 24 * time.Hour, Trail: 730 * 24 * time.Hour}

// queue is an outbox that nobody works on.
func (w *World) queue(kind string) *outbox.Queue {
	return &outbox.Queue{DB: w.DB, Kind: kind, Log: slog.New(slog.DiscardHandler)}
}
