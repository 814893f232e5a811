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
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// MailKind is the outbox's name for the mails of invitations.
const MailKind = "INVITATION"

// columns are an invitation v whose inviter is account a.
const columns = `
	v.id, v.instance_id, v.email, v.email_key, v.role, v.message, v.created_at, v.expires_at,
	case when v.status = 'PENDING' and v.expires_at <= clock_timestamp() then 'EXPIRED' else v.status end as status,
	a.name as inviter_name, a.email as inviter_email`

type row struct {
	ID           uuid.UUID           `db:"id"`
	InstanceID   uuid.UUID           `db:"instance_id"`
	Email        string              `db:"email"`
	EmailKey     string              `db:"email_key"`
	Role         access.InstanceRole `db:"role"`
	Message      *string             `db:"message"`
	CreatedAt    time.Time           `db:"created_at"`
	ExpiresAt    time.Time           `db:"expires_at"`
	Status       Status              `db:"status"`
	InviterName  string              `db:"inviter_name"`
	InviterEmail string              `db:"inviter_email"`
}

func (r *row) invitation(instance *access.Instance) *Invitation {
	return &Invitation{
		ID:        globalid.ID{Kind: globalid.Invitation, UUID: r.ID},
		Email:     r.Email,
		Role:      r.Role,
		Status:    r.Status,
		Instance:  instance,
		Message:   r.Message,
		InvitedBy: &fault.Contact{Name: r.InviterName, Email: r.InviterEmail},
		CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt,
	}
}

// writing is the transaction of one Request, which holds the instance. While
// it does, others can invite to the instance too; but whatever makes members
// or ends invitations holds the instance exclusively, and waits.
type writing struct {
	tx       *postgres.Tx
	actor    access.Actor
	instance *access.Instance
	request  Request
	ttl      time.Duration
}

// offer is an address that is to be invited, and what came of it.
type offer struct {
	invitee
	id    globalid.ID // of the invitation, if it is a new one
	token string      // 256 random bits, of which the invitation keeps the hash
	hash  []byte

	invitation *Invitation
	outcome    Outcome // Invited: a mail is to be sent
	previous   *access.InstanceRole
}

func newOffer(i invitee) *offer {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	token := base64.RawURLEncoding.EncodeToString(random)
	return &offer{invitee: i, id: globalid.New(globalid.Invitation), token: token, hash: tokenHash(token)}
}

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// invite writes the invitations of people who are neither members nor invited,
// with their mails, and gives the results and the number of mails.
func (w writing) invite(ctx context.Context, invitees []invitee) (results []*Result, mails int, err error) {
	members, err := w.members(ctx, invitees)
	if err != nil {
		return nil, 0, err
	}
	var offers []*offer
	offered := make(map[string]*offer, len(invitees))
	for k, i := range invitees {
		if _, member := members[i.key]; !member && i.first == k {
			offered[i.key] = newOffer(i)
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

	results = make([]*Result, len(invitees))
	for k, i := range invitees {
		r := &Result{Index: k, Email: i.address.String()}
		results[k] = r
		if role, member := members[i.key]; member {
			r.Outcome, r.Role = AlreadyMember, &role
		} else {
			o := offered[i.key]
			r.Outcome, r.Role, r.PreviousRole = o.outcome, &o.invitation.Role, o.previous
			r.Invitation, r.InvitationID = o.invitation, o.invitation.ID
		}
		if i.first < k {
			r.Outcome, r.PreviousRole = Duplicate, nil
		}
	}
	return results, mails, nil
}

// members gives the roles of those who are members of the instance or
// administrators of its space, by their addresses' keys.
func (w writing) members(ctx context.Context, invitees []invitee) (map[string]access.InstanceRole, error) {
	keys := make([]string, len(invitees))
	for k, i := range invitees {
		keys[k] = i.key
	}
	var rows []struct {
		EmailKey string `db:"email_key"`
		Editor   bool   `db:"editor"`
	}
	err := w.tx.Select(ctx, &rows, `
		select a.email_key, bool_or(sa.account_id is not null or m.role = 'EDITOR') as editor
		from account a
		left join instance_member m on m.instance_id = $1 and m.account_id = a.id
		left join space_administrator sa on sa.space_id = $2 and sa.account_id = a.id
		where a.email_key = any ($3) and (m.role is not null or sa.account_id is not null)
		group by a.email_key`,
		w.instance.ID.UUID, w.instance.Space.ID.UUID, pq.StringArray(keys))
	if err != nil {
		return nil, err
	}
	members := make(map[string]access.InstanceRole, len(rows))
	for _, r := range rows {
		members[r.EmailKey] = access.Viewer
		if r.Editor {
			members[r.EmailKey] = access.Editor
		}
	}
	return members, nil
}

// insert writes the invitations that are not pending yet, and reads those that
// are. The rows are written in the order of their keys, so that two
// transactions with the same addresses never wait for each other in a circle.
func (w writing) insert(ctx context.Context, offers []*offer, offered map[string]*offer) error {
	if len(offers) == 0 {
		return nil
	}
	ids := make([]globalid.ID, len(offers))
	emails, keys, hashes := make([]string, len(offers)), make([]string, len(offers)), make([][]byte, len(offers))
	for k, o := range offers {
		ids[k], emails[k], keys[k], hashes[k] = o.id, o.address.String(), o.key, o.hash
	}
	var inserted []row
	err := w.tx.Select(ctx, &inserted, `
		insert into invitation (id, instance_id, email, email_key, role, token_hash, message, invited_by, expires_at)
		select n.id, $1, n.email, n.email_key, $2, n.token_hash, $3, $4, clock_timestamp() + $5 * interval '1 second'
		from unnest($6::uuid[], $7::text[], $8::text[], $9::bytea[]) as n (id, email, email_key, token_hash)
		order by n.email_key
		on conflict (instance_id, email_key) where status = 'PENDING' do nothing
		returning id, instance_id, email, email_key, role, message, created_at, expires_at, status`,
		w.instance.ID.UUID, w.request.Role, w.request.message(), w.actor.ID.UUID, w.ttl.Seconds(),
		globalid.Array(ids), pq.StringArray(emails), pq.StringArray(keys), pq.ByteaArray(hashes))
	if err != nil {
		return err
	}
	for _, r := range inserted {
		r.InviterName, r.InviterEmail = w.actor.Name, w.actor.Email
		o := offered[r.EmailKey]
		o.invitation, o.outcome = r.invitation(w.instance), Invited
	}
	if len(inserted) == len(offers) {
		return nil
	}

	// A statement of its own: one that waited for another transaction's row
	// sees neither that row nor the one before it.
	var present []row
	err = w.tx.Select(ctx, &present, `
		select `+columns+`
		from invitation v join account a on a.id = v.invited_by
		where v.instance_id = $1 and v.email_key = any ($2) and v.status = 'PENDING'`,
		w.instance.ID.UUID, pq.StringArray(keys))
	if err != nil {
		return err
	}
	for _, r := range present {
		if o := offered[r.EmailKey]; o.invitation == nil {
			o.invitation, o.outcome = r.invitation(w.instance), AlreadyInvited
		}
	}
	if len(present) != len(offers) {
		return errors.New("invitation: a pending invitation ended while its instance was held")
	}
	return nil
}

// replace gives the role of the request to pending invitations that have
// another one, and renews those that have expired.
func (w writing) replace(ctx context.Context, offers []*offer) error {
	var ids []globalid.ID
	var hashes pq.ByteaArray
	changing := map[uuid.UUID]*offer{}
	for _, o := range offers {
		if o.invitation.Role != w.request.Role || o.invitation.Status == Expired {
			ids, hashes = append(ids, o.invitation.ID), append(hashes, o.hash)
			changing[o.invitation.ID.UUID] = o
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []struct {
		ID        uuid.UUID           `db:"id"`
		Previous  access.InstanceRole `db:"previous"`
		Expired   bool                `db:"expired"`
		ExpiresAt time.Time           `db:"expires_at"`
	}
	err := w.tx.Select(ctx, &rows, `
		update invitation v
		set role = $3,
		    token_hash = case when o.expired then n.token_hash else v.token_hash end,
		    message    = case when o.expired then $4 else v.message end,
		    invited_by = case when o.expired then $5 else v.invited_by end,
		    expires_at = case when o.expired then clock_timestamp() + $6 * interval '1 second' else v.expires_at end
		from (select id, role, expires_at <= clock_timestamp() as expired
		      from invitation where id = any ($1::uuid[]) order by email_key for no key update) o
		join unnest($1::uuid[], $2::bytea[]) as n (id, token_hash) on n.id = o.id
		where v.id = o.id
		returning v.id, o.role as previous, o.expired, v.expires_at`,
		globalid.Array(ids), hashes, w.request.Role, w.request.message(), w.actor.ID.UUID, w.ttl.Seconds())
	if err != nil {
		return err
	}
	inviter := w.actor.Contact()
	for _, r := range rows {
		o := changing[r.ID]
		v := o.invitation
		v.Role, v.Status, v.ExpiresAt = w.request.Role, Pending, r.ExpiresAt
		if r.Expired {
			v.Message, v.InvitedBy, o.outcome = w.request.message(), &inviter, Invited
		} else if r.Previous != w.request.Role {
			o.outcome, o.previous = RoleChanged, &r.Previous
		}
	}
	return nil
}

// enqueue asks for the mails, and gives their number.
func (w writing) enqueue(ctx context.Context, offers []*offer) (int, error) {
	var invitations []globalid.ID
	var tokens []string
	for _, o := range offers {
		if o.outcome == Invited {
			invitations, tokens = append(invitations, o.invitation.ID), append(tokens, o.token)
		}
	}
	if len(invitations) == 0 {
		return 0, nil
	}
	return len(invitations), outbox.Enqueue(ctx, w.tx, MailKind, invitations, tokens)
}

// byID reads invitations of an instance.
func byID(ctx context.Context, q postgres.Querier, instance *access.Instance, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
	var rows []row
	err := q.Select(ctx, &rows, `
		select `+columns+` from invitation v join account a on a.id = v.invited_by
		where v.id = any ($1::uuid[])`, globalid.Array(ids))
	if err != nil {
		return nil, err
	}
	invitations := make(map[globalid.ID]*Invitation, len(rows))
	for k := range rows {
		v := rows[k].invitation(instance)
		invitations[v.ID] = v
	}
	return invitations, nil
}

// Of reads a page of the invitations of each instance, newest first; with one
// status, or with any (""). The caller puts in the instances.
func (s *Service) Of(ctx context.Context, instances []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Invitation], error) {
	const wanted = `($2 = '' or $2 = case when status = 'PENDING' and expires_at <= clock_timestamp() then 'EXPIRED' else status end)`
	totals := map[uuid.UUID]int{}
	if page.Total {
		var err error
		if totals, err = postgres.Counts(ctx, s.DB, `
			select instance_id as id, count(*) as n from invitation
			where instance_id = any ($1::uuid[]) and `+wanted+` group by instance_id`,
			globalid.Array(instances), string(status)); err != nil {
			return nil, err
		}
	}
	var rows []row
	err := s.DB.Select(ctx, &rows, `
		select `+columns+`
		from unnest($1::uuid[]) as i (id)
		cross join lateral (
			select * from invitation
			where instance_id = i.id and id < $3 and `+wanted+` order by id desc limit $4) v
		join account a on a.id = v.invited_by
		order by v.instance_id, v.id desc`,
		globalid.Array(instances), string(status), page.Before(), page.Limit())
	if err != nil {
		return nil, err
	}
	invitations := make(map[uuid.UUID][]*Invitation, len(instances))
	for k := range rows {
		of := rows[k].InstanceID
		invitations[of] = append(invitations[of], rows[k].invitation(nil))
	}
	lists := make(map[globalid.ID]relay.List[*Invitation], len(instances))
	for _, id := range instances {
		lists[id] = relay.Cut(invitations[id.UUID], page, totals[id.UUID])
	}
	return lists, nil
}
