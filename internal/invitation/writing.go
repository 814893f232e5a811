package invitation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// insertion is the transaction of a call to invite, which holds the place. While
// it does, others can invite there too; but whatever makes members or ends
// invitations holds the place exclusively, and waits.
type insertion struct {
	tx        *postgres.Tx
	actor     access.Actor
	requester *tenant.User // on whose behalf; nil: nobody's
	to        destination
	role      *tenant.InstanceRole
	message   *string
	ttl       time.Duration
}

// candidate is an address that is to be invited, and what came of it.
type candidate struct {
	invitee
	id    globalid.ID // of the invitation, if it is a new one
	token string      // 256 random bits, of which the invitation keeps the hash
	hash  []byte

	row      *row // as it is written
	outcome  InviteOutcome
	previous *tenant.InstanceRole
}

func newCandidate(i invitee) *candidate {
	token, hash := newToken()
	return &candidate{invitee: i, id: globalid.New(globalid.Invitation), token: token, hash: hash}
}

// newToken makes the secret of an invitation's link, and what is kept of it.
func newToken() (token string, hash []byte) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	token = base64.RawURLEncoding.EncodeToString(random)
	return token, tokenHash(token)
}

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// invite writes the invitations of people who are neither members nor invited,
// with their mails, and gives the results and the number of mails.
func (w insertion) invite(ctx context.Context, invitees []invitee) (results []*InviteResult, mails int, err error) {
	members, err := w.members(ctx, invitees)
	if err != nil {
		return nil, 0, err
	}
	var offers []*candidate
	offered := make(map[string]*candidate, len(invitees))
	for k, i := range invitees {
		if _, member := members[i.key]; !member && i.first == k {
			offered[i.key] = newCandidate(i)
			offers = append(offers, offered[i.key])
		}
	}
	if err := w.insert(ctx, offers, offered); err != nil {
		return nil, 0, err
	}
	if err := w.replace(ctx, offers); err != nil {
		return nil, 0, err
	}
	if mails, err = w.enqueue(ctx, offers); err != nil {
		return nil, 0, err
	}

	results = make([]*InviteResult, len(invitees))
	for k, i := range invitees {
		r := &InviteResult{Index: k, Email: i.address.String()}
		results[k] = r
		if role, member := members[i.key]; member {
			r.Outcome, r.Role = AlreadyMember, role
		} else {
			o := offered[i.key]
			r.Invitation = o.row.invitation().At(w.to.place())
			r.Outcome, r.Role, r.PreviousRole, r.InvitationID = o.outcome, o.row.Role, o.previous, r.Invitation.ID
		}
		if i.first < k {
			r.Outcome, r.PreviousRole = Duplicate, nil
		}
	}
	return results, mails, nil
}

// members gives the roles of those who are members of the instance or
// administrators of its space, by their addresses' keys; nil, where it is
// administrators who are invited.
func (w insertion) members(ctx context.Context, invitees []invitee) (map[string]*tenant.InstanceRole, error) {
	keys := make([]string, len(invitees))
	for k, i := range invitees {
		keys[k] = i.key
	}
	var rows []struct {
		EmailKey      string               `db:"email_key"`
		Administrator bool                 `db:"administrator"`
		Roles         tenant.InstanceRoles `db:"roles"`
	}
	err := w.tx.Select(ctx, &rows, `
		select a.email_key, bool_or(sa.account_id is not null) as administrator, string_agg(distinct m.role, ',') as roles
		from account a
		left join instance_member m on m.instance_id = $1 and m.account_id = a.id
		left join space_administrator sa on sa.space_id = $2 and sa.account_id = a.id
		where a.email_key = any ($3) and (m.role is not null or sa.account_id is not null)
		group by a.email_key`,
		w.instanceID(), w.to.Space.ID.UUID, pq.StringArray(keys))
	if err != nil {
		return nil, err
	}
	members := make(map[string]*tenant.InstanceRole, len(rows))
	for _, r := range rows {
		members[r.EmailKey] = nil
		if w.role == nil {
			continue
		}
		held := tenant.Roles(r.Roles)
		if r.Administrator {
			held |= tenant.SpaceAdministrator.Implies()
		}
		members[r.EmailKey] = new(tenant.InstanceRole(held.Stored(globalid.Instance)[0]))
	}
	return members, nil
}

// withoutMail tells of the keys of those who are sent no mail, since they are members
// or invited already.
func (w insertion) withoutMail(ctx context.Context, invitees []invitee) (map[string]bool, error) {
	members, err := w.members(ctx, invitees)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(invitees))
	for k, i := range invitees {
		keys[k] = i.key
	}
	var present []row
	if err := w.tx.Select(ctx, &present, presentQueries[w.to.id().Kind], w.to.id().UUID, pq.StringArray(keys)); err != nil {
		return nil, err
	}
	spared := make(map[string]bool, len(members)+len(present))
	for key := range members {
		spared[key] = true
	}
	for _, r := range present {
		spared[r.EmailKey] = r.Status == Pending
	}
	return spared, nil
}

// instanceID and spaceID are the columns of an invitation: one of them is null.
func (w insertion) instanceID() (id uuid.NullUUID) {
	if w.to.Instance != nil {
		id = uuid.NullUUID{UUID: w.to.Instance.ID.UUID, Valid: true}
	}
	return id
}

func (w insertion) requesterID() (id uuid.NullUUID) {
	if w.requester != nil {
		id = uuid.NullUUID{UUID: w.requester.ID.UUID, Valid: true}
	}
	return id
}

func (w insertion) spaceID() (id uuid.NullUUID) {
	if w.to.Instance == nil {
		id = uuid.NullUUID{UUID: w.to.Space.ID.UUID, Valid: true}
	}
	return id
}

var (
	insertQueries = byPlace(`
		insert into invitation (id, instance_id, space_id, email, email_key, role, token_hash, message, invited_by, requested_by, expires_at)
		select n.id, $1, $2, n.email, n.email_key, $3, n.token_hash, $4, $5, $11, clock_timestamp() + $6 * interval '1 second'
		from unnest($7::uuid[], $8::text[], $9::text[], $10::bytea[]) as n (id, email, email_key, token_hash)
		order by n.email_key
		on conflict (email_key, PLACE) where status = 'PENDING' and PLACE is not null do nothing
		returning id, email, email_key, role, message, created_at, expires_at, status`)
	presentQueries = byPlace(`
		select ` + columns + ` from invitation v ` + tables + `
		where v.PLACE = $1 and v.email_key = any ($2) and v.status = 'PENDING'`)
)

// insert writes the invitations that are not pending yet, and reads those that
// are. The rows are written in the order of their keys, so that two
// transactions with the same addresses never wait for each other in a circle.
func (w insertion) insert(ctx context.Context, offers []*candidate, offered map[string]*candidate) error {
	if len(offers) == 0 {
		return nil
	}
	ids := make([]globalid.ID, len(offers))
	emails, keys, hashes := make([]string, len(offers)), make([]string, len(offers)), make([][]byte, len(offers))
	for i, o := range offers {
		ids[i], emails[i], keys[i], hashes[i] = o.id, o.address.String(), o.key, o.hash
	}
	kind := w.to.id().Kind
	var inserted []row
	err := w.tx.Select(ctx, &inserted, insertQueries[kind],
		w.instanceID(), w.spaceID(), w.role, w.message, w.actor.ID.UUID, w.ttl.Seconds(),
		postgres.IDs(ids), pq.StringArray(emails), pq.StringArray(keys), pq.ByteaArray(hashes), w.requesterID())
	if err != nil {
		return err
	}
	for i := range inserted {
		r := &inserted[i]
		w.sign(r)
		r.SpaceName, r.OrganizationName = w.to.Space.Name, w.to.Space.Organization.Name
		if w.to.Instance != nil {
			r.InstanceName = &w.to.Instance.Name
		}
		offered[r.EmailKey].row, offered[r.EmailKey].outcome = r, Invited
	}
	if len(inserted) == len(offers) {
		return nil
	}

	// A statement of its own: one that waited for another transaction's row
	// sees neither that row nor the one before it.
	var present []row
	if err := w.tx.Select(ctx, &present, presentQueries[kind], w.to.id().UUID, pq.StringArray(keys)); err != nil {
		return err
	}
	for i := range present {
		if o := offered[present[i].EmailKey]; o.row == nil {
			o.row, o.outcome = &present[i], AlreadyInvited
		}
	}
	if len(present) != len(offers) {
		return errors.New("invitation: a pending invitation ended while its instance was held")
	}
	return nil
}

// replace gives the role of the request to pending invitations that have
// another one, and renews those that have expired.
func (w insertion) replace(ctx context.Context, offers []*candidate) error {
	var ids postgres.UUIDs
	var hashes pq.ByteaArray
	changing := map[uuid.UUID]*candidate{}
	for _, o := range offers {
		if !same(o.row.Role, w.role) || o.row.Status == Expired {
			ids, hashes = append(ids, o.row.ID), append(hashes, o.hash)
			changing[o.row.ID] = o
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []struct {
		ID        uuid.UUID            `db:"id"`
		Previous  *tenant.InstanceRole `db:"previous"`
		Expired   bool                 `db:"expired"`
		ExpiresAt time.Time            `db:"expires_at"`
	}
	err := w.tx.Select(ctx, &rows, `
		update invitation v
		set role = $3,
		    token_hash = case when o.expired then n.token_hash else v.token_hash end,
		    message    = case when o.expired then $4 else v.message end,
		    invited_by = case when o.expired then $5 else v.invited_by end,
		    requested_by = case when o.expired then $7 else v.requested_by end,
		    expires_at = case when o.expired then clock_timestamp() + $6 * interval '1 second' else v.expires_at end
		from (select id, role, expires_at <= clock_timestamp() as expired
		      from invitation where id = any ($1::uuid[]) order by email_key for no key update) o
		join unnest($1::uuid[], $2::bytea[]) as n (id, token_hash) on n.id = o.id
		where v.id = o.id
		returning v.id, o.role as previous, o.expired, v.expires_at`,
		ids, hashes, w.role, w.message, w.actor.ID.UUID, w.ttl.Seconds(), w.requesterID())
	if err != nil {
		return err
	}
	for _, r := range rows {
		o := changing[r.ID]
		o.row.Role, o.row.Status, o.row.ExpiresAt = w.role, Pending, r.ExpiresAt
		if r.Expired {
			o.row.Message, o.outcome = w.message, Invited
			w.sign(o.row)
		} else if !same(r.Previous, w.role) {
			o.outcome, o.previous = RoleChanged, r.Previous
		}
	}
	return nil
}

// sign says in an invitation whose it is.
func (w insertion) sign(r *row) {
	r.InviterName, r.InviterEmail = w.actor.Name, w.actor.Email
	r.RequesterName, r.RequesterEmail = nil, nil
	if w.requester != nil {
		r.RequesterName, r.RequesterEmail = &w.requester.Name, &w.requester.Email
	}
}

func same(a, b *tenant.InstanceRole) bool { return a == b || a != nil && b != nil && *a == *b }

// enqueue asks for the mails, and gives their number.
func (w insertion) enqueue(ctx context.Context, offers []*candidate) (int, error) {
	var tasks []outbox.Task
	for _, o := range offers {
		if o.outcome == Invited {
			tasks = append(tasks, outbox.Task{Subject: o.row.ID, Instance: w.instanceID().UUID, Secret: o.token})
			o.row.mailRow = queued
		}
	}
	if len(tasks) == 0 {
		return 0, nil
	}
	return len(tasks), outbox.Enqueue(ctx, w.tx, MailKind, tasks)
}
