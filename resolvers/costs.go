package resolvers

import "alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"

// Costs are the fields that take more time than others, and the lists without arguments
// that can be longer than others.
var Costs = map[string]complexity.Field{
	// Texts of up to 2,000 characters.
	"Invitation.message": {Weight: 20},
	"Request.message":    {Weight: 20},
	"Request.answer":     {Weight: 20},
	// Texts of up to 500 characters.
	"InvitationDelivery.explanation": {Weight: 2},
	"InvitationDelivery.reply":       {Weight: 2},

	// Each reads about another person, for a whole list of places.
	"Instance.removing":     {Weight: 20},
	"Space.removing":        {Weight: 20},
	"Organization.removing": {Weight: 20},

	"Space.administrators": {Length: 70}, // 100 at most

	// 1,000 at most, most often a few. Those of the results have the length of the entries.
	"SyncRosterPayload.removed": {Length: 250},
	"SyncRosterPayload.revoked": {Length: 250},
	"AuditEntry.roster":         {Weight: 10},

	"AuditEntry.emails":              {Length: 250}, // 1,000 at most, most often a few
	"RosterChanges.changes":          {Length: 250},
	"RosterChanges.createdInstances": {Length: 250},
	// Every edge is an object around the row, with a cursor.
	"AuditEntryConnection.edges":         {Weight: 1},
	"FormerMemberConnection.edges":       {Weight: 1},
	"InstanceConnection.edges":           {Weight: 1},
	"InstanceMemberConnection.edges":     {Weight: 1},
	"InvitationConnection.edges":         {Weight: 1},
	"InviteLinkConnection.edges":         {Weight: 1},
	"InviteLink.allowedDomains":          {Length: 20},
	"OrganizationConnection.edges":       {Weight: 1},
	"OrganizationMemberConnection.edges": {Weight: 1},
	"RequestConnection.edges":            {Weight: 1},
	"SpaceConnection.edges":              {Weight: 1},
	"SpaceMemberConnection.edges":        {Weight: 1},

	// Few readinesses have several obstacles; one of them can name 20 people.
	"Readiness.obstacles": {Length: 2},
	"Obstacle.contacts":   {Length: 5},

	// Introspection, which is on in development.
	"__Schema.types":        {Length: 100},
	"__Schema.directives":   {Length: 10},
	"__Directive.args":      {Length: 2},
	"__Directive.locations": {Length: 2},
	"__Type.fields":         {Length: 6},
	"__Type.enumValues":     {Length: 2},
	"__Type.inputFields":    {Length: 2},
	"__Type.interfaces":     {Length: 1},
	"__Type.possibleTypes":  {Length: 1},
	"__Field.args":          {Length: 1},
}
