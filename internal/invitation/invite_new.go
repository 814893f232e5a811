package invitation

import (
	"context"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// inviteNewQuery calls the function of migration 28, whose parameters it has in their
// order.
const inviteNewQuery = `
	select created_at, expires_at from invite_new_2(
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::float8 * interval '1 second',
		$15, $16, $17, $18, $19, $20, $21, $22::float8 * interval '1 second', $23, $24, $25, $26, $27, $28, $29, $30)`

// inviteNew does what invite does, in one statement, for the usual request: nobody is a
// member or invited there already, and nobody has refused invitations. Everything is
// decided before the statement, and the statement does it where that is still so under
// its locks. done is false otherwise, also for a copy of an executed request and where a
// limit is exceeded: nothing was done, and the transaction of invite decides.
func (s *Service) inviteNew(ctx context.Context, c inviteCall, invitees []invitee) (to destination, results []*InviteResult, done bool, err error) {
	place, err := access.FindPlace(ctx, s.DB, c.actor, c.placeID)
	if err != nil {
		return to, nil, false, err
	}
	to = destinationOf(place)
	if access.CheckRole(ctx, s.DB, place, c.rule) != nil || to.checkState(ctx, s.DB, c.rule) != nil {
		return to, nil, false, nil
	}
	if !place.EffectiveRoles().Has(tenant.SpaceAdministrator) {
		return to, nil, false, nil // the statement locks an administrator's role, and a manager invites
	}
	t, o := s.newTerms(c), offer{to, c.role}
	candidates, results := s.expectNew(t, o, invitees)
	reserved := s.Outbox.Reserve(mailJobs(candidates))
	defer reserved.Cancel()
	args, err := s.inviteNewArgs(c, t, o, len(invitees), candidates, results, reserved.Lease())
	if err != nil {
		return to, nil, false, err
	}
	var made struct {
		CreatedAt *time.Time `db:"created_at"`
		ExpiresAt *time.Time `db:"expires_at"`
	}
	err = access.GetLocking(ctx, s.DB, c.placeID, &made, inviteNewQuery, args...)
	if pq.As(err, pqerror.TRSerializationFailure, pqerror.UniqueViolation) != nil {
		return to, nil, false, nil
	}
	if err != nil || made.CreatedAt == nil {
		return to, nil, false, err
	}
	if reserved != nil {
		reserved.Attempt(ctx)
	} else {
		s.Outbox.Wake()
	}
	for _, r := range results {
		r.Invitation.CreatedAt, r.Invitation.ExpiresAt = *made.CreatedAt, *made.ExpiresAt
		r.Invitation.row.CreatedAt, r.Invitation.row.ExpiresAt = *made.CreatedAt, *made.ExpiresAt
	}
	return to, results, true, nil
}

// expectNew returns what a request leads to where everybody is new, but for the times.
func (s *Service) expectNew(t terms, o offer, invitees []invitee) ([]*candidate, []*InviteResult) {
	candidates := newCandidates(o, invitees, nil)
	for _, c := range candidates {
		c.refusalHash = refusalHash(s.HashKey, c.key)
		c.outcome, c.row = Invited, t.newRow(o.to, storedRow{ID: c.id.UUID, InstanceID: o.to.instanceID(), SpaceID: o.to.column(globalid.Space),
			Email: c.address.String(), EmailKey: c.key, Role: o.role, Message: t.message, InvitedBy: t.actor.ID.UUID, Status: Pending})
		c.row.mailRow = queuedMail
	}
	return candidates, inviteResults(o.to, invitees, nil, candidates)
}

// mailJobs returns the mails to new people, each with a new id.
func mailJobs(candidates []*candidate) []outbox.Job {
	jobs := make([]outbox.Job, len(candidates))
	for i, c := range candidates {
		c.mailID = outbox.NewID()
		jobs[i] = outbox.Job{ID: c.mailID, Subject: c.id.UUID, Secret: c.token}
	}
	return jobs
}

// inviteNewArgs returns the arguments of inviteNewQuery for a request with n addresses,
// whose mails are leased or not (see outbox.Reservation).
func (s *Service) inviteNewArgs(c inviteCall, t terms, o offer, n int, candidates []*candidate, results []*InviteResult, lease *float64) ([]any, error) {
	key, requestHash, response, err := c.key.Arguments(results)
	if err != nil {
		return nil, err
	}
	record := inviteRecords(t, o, results, candidates)[0]
	details, err := record.DetailsJSON()
	if err != nil {
		return nil, err
	}
	var instanceName, instanceKind *string
	if i := o.to.Instance; i != nil {
		instanceName, instanceKind = &i.Name, (*string)(&i.Kind)
	}
	ids, mails := make(postgres.UUIDs, len(candidates)), make(postgres.UUIDs, len(candidates))
	emails, keys, secrets := make(pq.StringArray, len(candidates)), make(pq.StringArray, len(candidates)), make(pq.StringArray, len(candidates))
	refusals := make(pq.ByteaArray, len(candidates))
	for i, c := range candidates {
		ids[i], mails[i] = c.id.UUID, c.mailID
		emails[i], keys[i], secrets[i] = c.address.String(), c.key, c.token
		refusals[i] = c.refusalHash
	}
	args := []any{
		t.actor.ID.UUID, t.actor.Name, key, requestHash, response,
		o.to.instanceID(), o.to.Space.ID.UUID, instanceName, instanceKind, o.to.Space.Name, o.to.Space.Organization.Name,
		o.storedRole(), t.message, t.ttl.Seconds(),
		ids, emails, keys, refusals,
		MailKind, mails, secrets, lease,
		string(record.Action), details,
	}
	charges := s.inviteCharges(t.actor, o.to.Space, n, "emails", recipientsOf(candidates))
	return append(args, ratelimit.TakeArguments(charges...)...), nil
}
