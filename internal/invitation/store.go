package invitation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// MailKind is the outbox's name for the mails of invitations.
const MailKind = "INVITATION"

// columns and tables are an invitation v as people see it. Which of two rows of
// the outbox is the later one, their time decides.
const (
	columns = `
		v.id, v.instance_id, v.space_id, v.email, v.email_key, v.role, v.message, v.created_at, v.expires_at,
		` + status + ` as status, a.name as inviter_name, a.email as inviter_email,
		i.name as instance_name, i.deleted_at is not null as instance_deleted, s.id as of_space, s.name as space_name, o.name as organization_name,
		m.state as mail_state, m.attempts as mail_attempts, m.last_error is not null as mail_failed, m.reply as mail_reply,
		m.attempted_at as mail_attempted_at, m.next_attempt_at as mail_next_attempt_at`
	tables = `
		join account a on a.id = v.invited_by
		left join instance i on i.id = v.instance_id
		join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = s.organization_id
		left join lateral (
			select * from outbox where subject_id = v.id order by created_at desc, id desc limit 1) m on true`
	status = `case when v.status = 'PENDING' and v.expires_at <= clock_timestamp() then 'EXPIRED' else v.status end`
)

type row struct {
	ID               uuid.UUID            `db:"id"`
	InstanceID       uuid.NullUUID        `db:"instance_id"`
	SpaceID          uuid.NullUUID        `db:"space_id"`
	Email            string               `db:"email"`
	EmailKey         string               `db:"email_key"`
	Role             *access.InstanceRole `db:"role"`
	Message          *string              `db:"message"`
	CreatedAt        time.Time            `db:"created_at"`
	ExpiresAt        time.Time            `db:"expires_at"`
	Status           Status               `db:"status"`
	InviterName      string               `db:"inviter_name"`
	InviterEmail     string               `db:"inviter_email"`
	InstanceName     *string              `db:"instance_name"`
	InstanceDeleted  bool                 `db:"instance_deleted"`
	OfSpace          uuid.UUID            `db:"of_space"`
	SpaceName        string               `db:"space_name"`
	OrganizationName string               `db:"organization_name"`
	mailRow
}

// place is where the invitation leads.
func (r *row) place() globalid.ID {
	if r.SpaceID.Valid {
		return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID.UUID}
	}
	return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
}

// where is the same, as the trail names it.
func (r *row) where() audit.Where {
	w := audit.Where{Space: audit.Name{ID: r.OfSpace, Name: r.SpaceName}}
	if r.InstanceName != nil {
		w.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
	}
	return w
}

// invitation is the invitation as the invited person sees it.
func (r *row) invitation() *Invitation {
	return &Invitation{
		ID:           globalid.ID{Kind: globalid.Invitation, UUID: r.ID},
		Email:        r.Email,
		Role:         r.Role,
		Status:       r.Status,
		Message:      r.Message,
		InvitedBy:    &fault.Contact{Name: r.InviterName, Email: r.InviterEmail},
		CreatedAt:    r.CreatedAt,
		ExpiresAt:    r.ExpiresAt,
		Space:        &SpaceSummary{r.SpaceName, r.OrganizationName},
		InstanceName: r.InstanceName,
		row:          r,
	}
}

// administrated is the invitation as the space's administrators see it, with
// the instance that it leads to, if it is one.
func (i *Invitation) administrated(instance *access.Instance) *Invitation {
	if i == nil {
		return nil
	}
	v := *i
	v.Instance, v.Delivery = instance, i.row.delivery()
	return &v
}

// byPlace makes a query of invitations to instances, and one to spaces, of a
// pattern in which PLACE stands for the column. Each is a constant, as
// postgres.Querier asks.
func byPlace(pattern string) map[globalid.Kind]string {
	return map[globalid.Kind]string{
		globalid.Instance: strings.ReplaceAll(pattern, "PLACE", "instance_id"),
		globalid.Space:    strings.ReplaceAll(pattern, "PLACE", "space_id"),
	}
}

// writing is the transaction of a call to invite, which holds the place. While
// it does, others can invite there too; but whatever makes members or ends
// invitations holds the place exclusively, and waits.
type writing struct {
	tx      *postgres.Tx
	actor   access.Actor
	to      destination
	role    *access.InstanceRole
	message *string
	ttl     time.Duration
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
	token, hash := newToken()
	return &offer{invitee: i, id: globalid.New(globalid.Invitation), token: token, hash: hash}
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
			r.Outcome, r.Role = AlreadyMember, role
		} else {
			o := offered[i.key]
			r.Outcome, r.Role, r.PreviousRole = o.outcome, o.invitation.Role, o.previous
			r.Invitation, r.InvitationID = o.invitation, o.invitation.ID
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
func (w writing) members(ctx context.Context, invitees []invitee) (map[string]*access.InstanceRole, error) {
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
		w.instanceID(), w.to.Space.ID.UUID, pq.StringArray(keys))
	if err != nil {
		return nil, err
	}
	members := make(map[string]*access.InstanceRole, len(rows))
	for _, r := range rows {
		role := access.Viewer
		if r.Editor {
			role = access.Editor
		}
		members[r.EmailKey] = &role
		if w.role == nil {
			members[r.EmailKey] = nil
		}
	}
	return members, nil
}

// instanceID and spaceID are the columns of an invitation: one of them is null.
func (w writing) instanceID() (id uuid.NullUUID) {
	if w.to.Instance != nil {
		id = uuid.NullUUID{UUID: w.to.Instance.ID.UUID, Valid: true}
	}
	return id
}

func (w writing) spaceID() (id uuid.NullUUID) {
	if w.to.Instance == nil {
		id = uuid.NullUUID{UUID: w.to.Space.ID.UUID, Valid: true}
	}
	return id
}

var (
	insertQueries = byPlace(`
		insert into invitation (id, instance_id, space_id, email, email_key, role, token_hash, message, invited_by, expires_at)
		select n.id, $1, $2, n.email, n.email_key, $3, n.token_hash, $4, $5, clock_timestamp() + $6 * interval '1 second'
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
func (w writing) insert(ctx context.Context, offers []*offer, offered map[string]*offer) error {
	if len(offers) == 0 {
		return nil
	}
	ids := make([]globalid.ID, len(offers))
	emails, keys, hashes := make([]string, len(offers)), make([]string, len(offers)), make([][]byte, len(offers))
	for k, o := range offers {
		ids[k], emails[k], keys[k], hashes[k] = o.id, o.address.String(), o.key, o.hash
	}
	kind := w.to.id().Kind
	var inserted []row
	err := w.tx.Select(ctx, &inserted, insertQueries[kind],
		w.instanceID(), w.spaceID(), w.role, w.message, w.actor.ID.UUID, w.ttl.Seconds(),
		globalid.Array(ids), pq.StringArray(emails), pq.StringArray(keys), pq.ByteaArray(hashes))
	if err != nil {
		return err
	}
	for k := range inserted {
		r := &inserted[k]
		r.InviterName, r.InviterEmail = w.actor.Name, w.actor.Email
		r.SpaceName, r.OrganizationName = w.to.Space.Name, w.to.Space.Organization.Name
		if w.to.Instance != nil {
			r.InstanceName = &w.to.Instance.Name
		}
		o := offered[r.EmailKey]
		o.invitation, o.outcome = r.invitation().administrated(w.to.Instance), Invited
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
	for k := range present {
		if o := offered[present[k].EmailKey]; o.invitation == nil {
			o.invitation, o.outcome = present[k].invitation().administrated(w.to.Instance), AlreadyInvited
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
		if !same(o.invitation.Role, w.role) || o.invitation.Status == Expired {
			ids, hashes = append(ids, o.invitation.ID), append(hashes, o.hash)
			changing[o.invitation.ID.UUID] = o
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var rows []struct {
		ID        uuid.UUID            `db:"id"`
		Previous  *access.InstanceRole `db:"previous"`
		Expired   bool                 `db:"expired"`
		ExpiresAt time.Time            `db:"expires_at"`
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
		globalid.Array(ids), hashes, w.role, w.message, w.actor.ID.UUID, w.ttl.Seconds())
	if err != nil {
		return err
	}
	inviter := w.actor.Contact()
	for _, r := range rows {
		o := changing[r.ID]
		v := o.invitation
		v.Role, v.Status, v.ExpiresAt = w.role, Pending, r.ExpiresAt
		if r.Expired {
			v.Message, v.InvitedBy, o.outcome = w.message, &inviter, Invited
		} else if !same(r.Previous, w.role) {
			o.outcome, o.previous = RoleChanged, r.Previous
		}
	}
	return nil
}

func same(a, b *access.InstanceRole) bool { return a == b || a != nil && b != nil && *a == *b }

// enqueue asks for the mails, and gives their number.
func (w writing) enqueue(ctx context.Context, offers []*offer) (int, error) {
	var tasks []outbox.Task
	for _, o := range offers {
		if o.outcome == Invited {
			tasks = append(tasks, outbox.Task{Subject: o.invitation.ID, Instance: w.to.id().As(globalid.Instance), Secret: o.token})
			o.invitation.Delivery = &Delivery{Status: Queued}
		}
	}
	if len(tasks) == 0 {
		return 0, nil
	}
	return len(tasks), outbox.Enqueue(ctx, w.tx, MailKind, tasks)
}

// byID reads invitations.
func byID(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
	var rows []row
	err := q.Select(ctx, &rows, `select `+columns+` from invitation v `+tables+` where v.id = any ($1::uuid[])`, globalid.Array(ids))
	if err != nil {
		return nil, err
	}
	invitations := make(map[globalid.ID]*Invitation, len(rows))
	for k := range rows {
		v := rows[k].invitation()
		invitations[v.ID] = v
	}
	return invitations, nil
}

const wanted = `($2 = '' or $2 = ` + status + `)`

var (
	countQueries = byPlace(`
		select v.PLACE as id, count(*) as n from invitation v
		where v.PLACE = any ($1::uuid[]) and ` + wanted + ` group by v.PLACE`)
	listQueries = byPlace(`
		select ` + columns + `
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from invitation v
			where v.PLACE = p.id and v.id < $3 and ` + wanted + ` order by v.id desc limit $4) v ` + tables + `
		order by p.id, v.id desc`)
)

// Of reads a page of the invitations to each of some instances or of some
// spaces, newest first; with one status, or with any (""). It is for their
// administrators; the caller puts in the instances.
func (s *Service) Of(ctx context.Context, places []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Invitation], error) {
	kind := places[0].Kind
	totals := map[uuid.UUID]int{}
	if page.Total {
		var err error
		if totals, err = postgres.Counts(ctx, s.DB, countQueries[kind], globalid.Array(places), string(status)); err != nil {
			return nil, err
		}
	}
	var rows []row
	err := s.DB.Select(ctx, &rows, listQueries[kind], globalid.Array(places), string(status), page.Before(), page.Limit())
	if err != nil {
		return nil, err
	}
	invitations := make(map[globalid.ID][]*Invitation, len(places))
	for k := range rows {
		of := rows[k].place()
		invitations[of] = append(invitations[of], rows[k].invitation().administrated(nil))
	}
	lists := make(map[globalid.ID]relay.List[*Invitation], len(places))
	for _, id := range places {
		lists[id] = relay.Cut(invitations[id], page, totals[id.UUID])
	}
	return lists, nil
}

// PendingFor reads a page of the invitations that a person can accept, newest
// first.
func (s *Service) PendingFor(ctx context.Context, actor access.Actor, page relay.Page) (list relay.List[*Invitation], err error) {
	const from = ` from invitation v ` + tables + `
		where v.email_key = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp() and i.deleted_at is null`
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, `select count(*)`+from, actor.EmailKey); err != nil {
			return list, err
		}
	}
	var rows []row
	err = s.DB.Select(ctx, &rows, `select `+columns+from+` and v.id < $2 order by v.id desc limit $3`,
		actor.EmailKey, page.Before(), page.Limit())
	if err != nil {
		return list, err
	}
	invitations := make([]*Invitation, len(rows))
	for k := range rows {
		invitations[k] = rows[k].invitation()
	}
	return relay.Cut(invitations, page, total), nil
}
