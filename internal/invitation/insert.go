package invitation

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// terms are what all invitations of one request have in common.
type terms struct {
	actor     access.Actor
	requester *tenant.User // whose request the actor approved; nil: none
	message   *string
	until     *time.Time // of the memberships; nil: without an end
	ttl       time.Duration
	link      uuid.UUID     // the course link by which the person asked; uuid.Nil: none
	caller    *access.Actor // who has given the address at the link; nil: nobody is signed in
}

// termsTable names the parameters $1 to $6 of a query: the values of terms.args.
const termsTable = `
	(select $1::text as message, $2::uuid as invited_by, $3::uuid as requested_by, $4::float8 * interval '1 second' as ttl, $5::uuid as link_id, $6::timestamptz as until) t`

// args returns the arguments of a query that reads termsTable. Those in more
// begin with $7.
func (t terms) args(more ...any) []any {
	return append([]any{t.message, t.actor.ID.UUID, t.requesterID(), t.ttl.Seconds(), uuid.NullUUID{UUID: t.link, Valid: t.link != uuid.Nil}, t.until}, more...)
}

// offer is what an address is invited to.
type offer struct {
	to   destination
	role tenant.Role
}

// storedRole returns the role as an invitation has it: null for administrators of a space.
func (o offer) storedRole() (role sql.NullString) {
	return sql.NullString{String: o.role.Stored(), Valid: o.role.Stored() != ""}
}

func (t terms) requesterID() (id uuid.NullUUID) {
	if t.requester != nil {
		id = uuid.NullUUID{UUID: t.requester.ID.UUID, Valid: true}
	}
	return id
}

// newRow returns a new invitation with its names.
func (t terms) newRow(to destination, stored storedRow) *row {
	r := &row{storedRow: stored, OrganizationID: to.Organization.ID.UUID, OrganizationName: to.Organization.Name}
	if to.Space != nil {
		r.ParentSpaceID, r.SpaceName = to.Space.ID.UUID, to.Space.Name
	}
	if to.Instance != nil {
		r.InstanceName = &to.Instance.Name
	}
	t.name(r)
	return r
}

// name sets the names of those who invite, which a stored row has by id only.
func (t terms) name(r *row) {
	t.nameInviter(r)
	r.RequesterName, r.RequesterEmail = nil, nil
	if t.requester != nil {
		requester := t.requester.Contact()
		r.RequesterName, r.RequesterEmail = &requester.Name, &requester.Email
	}
}

// nameInviter sets the name of the actor, who may invite.
func (t terms) nameInviter(r *row) {
	r.InviterName, r.InviterEmail, r.InviterMay = t.actor.Name, t.actor.Contact().Email, true
}

// candidate is an address without membership: it will have a pending invitation,
// a new one or the one that it has.
type candidate struct {
	invitee
	offer
	id    globalid.ID // of a new invitation
	token string      // of a new or renewed invitation
	hash  []byte      // of token

	mailID uuid.UUID // of the mail of a new invitation, where inviteNew enqueues it
	// refusalHash stands for the address in the table invitation_refusal.
	refusalHash []byte
	refuses     bool // invitations by mail, when it was planned

	// What insertRows and replaceRows did.
	row          *row
	outcome      InviteOutcome
	previousRole tenant.Role // of RoleChanged
	takenOver    bool        // of AlreadyInvited: from somebody who may not invite any more
}

func newCandidate(i invitee, o offer) *candidate {
	token, hash := newToken()
	return &candidate{invitee: i, offer: o, id: globalid.New(globalid.Invitation), token: token, hash: hash}
}

// pendingKey identifies a pending invitation: there is one at most.
type pendingKey struct {
	place    uuid.UUID
	emailKey string
}

func (c *candidate) pendingKey() pendingKey { return pendingKey{c.to.id().UUID, c.key} }

func (r *row) pendingKey() pendingKey { return pendingKey{r.placeID().UUID, r.EmailKey} }

// newToken returns the secret in an invitation's link, which is 256 random bits,
// and the hash that the database stores instead.
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

// The order of email_key in insertQueries keeps two transactions with the same
// addresses from a deadlock: both lock them in the same order.
var (
	insertQueries = byPlace(`
		insert into invitation as v (id, PLACE, email, email_key, role, token_hash, message, invited_by, requested_by, until, expires_at, link_id, mail_refused)
		select c.id, c.place_id, c.email, c.email_key, c.role, c.token_hash, t.message, t.invited_by, t.requested_by, t.until, least(clock_timestamp() + t.ttl, t.until), t.link_id,
		       ` + refusedBy(`c.refusal_hash`) + `
		from ` + termsTable + `
		cross join unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[])
			as c (id, place_id, role, email, email_key, token_hash, refusal_hash)
		order by c.email_key, c.place_id
		on conflict (email_key, PLACE) where status = 'PENDING' and PLACE is not null do nothing
		returning ` + storedColumns)

	// Rows are compared, because only the index of pending invitations has their order: that
	// of the places can seem better, and reads all invitations to the place.
	pendingQueries = byPlace(`
		select ` + columns + `
		from unnest($1::uuid[], $2::text[]) as e (place_id, email_key)
		cross join lateral (
			select * from invitation
			where (email_key, PLACE) >= (e.email_key, e.place_id) and (email_key, PLACE) <= (e.email_key, e.place_id)
			and PLACE is not null and status = 'PENDING' limit 1) v
		` + tables)
)

// insertRows inserts the invitations of candidates that have no pending one, and
// reads the pending ones of the others. All lead to places of one kind.
func insertRows(ctx context.Context, tx *postgres.Tx, t terms, candidates []*candidate) error {
	if len(candidates) == 0 {
		return nil
	}
	kind := candidates[0].to.id().Kind
	byKey := make(map[pendingKey]*candidate, len(candidates))
	ids, places, hashes := make(postgres.UUIDs, len(candidates)), make(postgres.UUIDs, len(candidates)), make(pq.ByteaArray, len(candidates))
	emails, keys := make(pq.StringArray, len(candidates)), make(pq.StringArray, len(candidates))
	refusals := make(pq.ByteaArray, len(candidates))
	for i, c := range candidates {
		byKey[c.pendingKey()] = c
		ids[i], places[i], emails[i], keys[i], hashes[i] = c.id.UUID, c.to.id().UUID, c.address.String(), c.key, c.hash
		refusals[i] = c.refusalHash
	}
	var inserted []storedRow
	if err := tx.Select(ctx, &inserted, insertQueries[kind], t.args(ids, places, storedRoles(candidates), emails, keys, hashes, refusals)...); err != nil {
		return err
	}
	for _, stored := range inserted {
		r := row{storedRow: stored}
		c := byKey[r.pendingKey()]
		c.row, c.outcome = t.newRow(c.to, stored), Invited
	}
	if len(inserted) == len(candidates) {
		return nil
	}

	// The insertion may have waited for a row of another transaction. Its snapshot
	// has neither that row nor the one that it replaced; a new statement sees it.
	pending, err := findPending(ctx, tx, kind, places, keys)
	if err != nil {
		return err
	}
	for i := range pending {
		if c := byKey[pending[i].pendingKey()]; c.row == nil {
			c.row, c.outcome = &pending[i], AlreadyInvited
		}
	}
	if len(pending) != len(candidates) {
		return errors.New("invitation: a pending invitation ended although its place is locked")
	}
	return nil
}

// storedRoles returns the roles of candidates as invitations have them.
func storedRoles(candidates []*candidate) pq.GenericArray {
	roles := make([]sql.NullString, len(candidates))
	for i, c := range candidates {
		roles[i] = c.storedRole()
	}
	return pq.GenericArray{A: roles}
}

// findPending reads the pending invitations of addresses, each to the place at the same
// index, expired ones included. The places are of one kind.
func findPending(ctx context.Context, q postgres.Querier, kind globalid.Kind, places postgres.UUIDs, keys []string) (rows []row, err error) {
	err = q.Select(ctx, &rows, pendingQueries[kind], places, pq.StringArray(keys))
	return rows, err
}

// replaceQuery locks in the order of insertQueries. It decides again which
// invitations are expired: time has passed since they were read.
var replaceQuery = `
	update invitation v
	set role         = c.role,
	    token_hash   = case when old.expired then c.token_hash else v.token_hash end,
	    message      = case when old.expired then t.message else v.message end,
	    invited_by   = t.invited_by,
	    requested_by = case when old.expired then t.requested_by else v.requested_by end,
	    until        = case when old.expired then t.until else coalesce(t.until, v.until) end,
	    expires_at   = case when old.expired then least(clock_timestamp() + t.ttl, t.until) else least(v.expires_at, t.until) end,
	    link_id      = coalesce(t.link_id, v.link_id),
	    mail_refused = case when old.expired then ` + refusedBy(`c.refusal_hash`) + ` else v.mail_refused end
	from ` + termsTable + `
	cross join (select * from unnest($7::uuid[], $8::text[], $9::uuid[], $10::text[], $11::bytea[], $12::bytea[])
	            as c (id, email_key, place_id, role, token_hash, refusal_hash) order by email_key, place_id) c
	cross join lateral (select ` + roleName + ` as role, v.expires_at <= clock_timestamp() as expired
	                    from invitation v where v.id = c.id limit 1 for no key update) old
	where v.id = c.id and v.id = any ($7::uuid[])
	returning ` + storedColumns + `, old.role as previous_role, old.expired`

// replaces reports whether the pending invitation of a candidate is not left as it is. A
// course link only renews.
func (c *candidate) replaces(t terms) bool {
	return c.row.Status == Expired || t.link == uuid.Nil && (c.row.Role != c.role || !c.row.InviterMay || t.until != nil && (c.row.Until == nil || !c.row.Until.Equal(*t.until)))
}

// replaceRows renews the candidates' expired invitations, and changes the role and the end
// of the membership of those that have another one. The actor becomes the inviter of these, and of those
// whose inviter may not invite any more. A course link only renews: anyone can give
// the address of somebody else.
func replaceRows(ctx context.Context, tx *postgres.Tx, t terms, candidates []*candidate) error {
	var ids, places postgres.UUIDs
	var keys pq.StringArray
	var hashes, refusals pq.ByteaArray
	var changed []*candidate
	byID := map[uuid.UUID]*candidate{}
	for _, c := range candidates {
		if c.replaces(t) {
			ids, keys, places = append(ids, c.row.ID), append(keys, c.key), append(places, c.to.id().UUID)
			hashes, refusals, changed = append(hashes, c.hash), append(refusals, c.refusalHash), append(changed, c)
			byID[c.row.ID] = c
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var replaced []struct {
		storedRow
		PreviousRole tenant.Role `db:"previous_role"`
		Expired      bool        `db:"expired"`
	}
	if err := tx.Select(ctx, &replaced, replaceQuery, t.args(ids, keys, places, storedRoles(changed), hashes, refusals)...); err != nil {
		return err
	}
	for _, r := range replaced {
		c := byID[r.ID]
		c.takenOver = !r.Expired && !c.row.InviterMay && r.PreviousRole == c.role
		c.row.storedRow = r.storedRow
		t.nameInviter(c.row)
		switch {
		case r.Expired:
			c.outcome = Invited
			t.name(c.row)
		case r.PreviousRole != c.role:
			c.outcome, c.previousRole = RoleChanged, r.PreviousRole
		}
	}
	return nil
}
