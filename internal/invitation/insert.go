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
	to        destination
	role      tenant.Role
	message   *string
	ttl       time.Duration
}

// termsTable names the parameters $1 to $8 of a query: the values of terms.args.
const termsTable = `
	(select $1::uuid as instance_id, $2::uuid as space_id, $3::text as role, $4::text as message,
	        $5::uuid as invited_by, $6::uuid as requested_by, $7::float8 * interval '1 second' as ttl, $8::uuid as organization_id) t`

// args returns the arguments of a query that reads termsTable. Those in more
// begin with $9.
func (t terms) args(more ...any) []any {
	return append([]any{t.to.instanceID(), t.to.column(globalid.Space), t.storedRole(), t.message, t.actor.ID.UUID, t.requesterID(), t.ttl.Seconds(),
		t.to.column(globalid.Organization)}, more...)
}

// storedRole returns the role as an invitation has it: null for administrators of a space.
func (t terms) storedRole() (role sql.NullString) {
	return sql.NullString{String: t.role.Stored(), Valid: t.role.Stored() != ""}
}

func (t terms) requesterID() (id uuid.NullUUID) {
	if t.requester != nil {
		id = uuid.NullUUID{UUID: t.requester.ID.UUID, Valid: true}
	}
	return id
}

// newRow returns a new invitation with its names.
func (t terms) newRow(stored storedRow) *row {
	r := &row{storedRow: stored, OrganizationID: t.to.Organization.ID.UUID, OrganizationName: t.to.Organization.Name}
	if t.to.Space != nil {
		r.ParentSpaceID, r.SpaceName = t.to.Space.ID.UUID, t.to.Space.Name
	}
	if t.to.Instance != nil {
		r.InstanceName = &t.to.Instance.Name
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
	id    globalid.ID // of a new invitation
	token string      // of a new or renewed invitation
	hash  []byte      // of token

	mailID uuid.UUID // of the mail of a new invitation, where inviteNew enqueues it
	// refusalHash stands for the address in the table invitation_refusal.
	refusalHash []byte

	// What insertRows and replaceRows did.
	row          *row
	outcome      InviteOutcome
	previousRole tenant.Role // of RoleChanged
	takenOver    bool        // of AlreadyInvited: from somebody who may not invite any more
}

func newCandidate(i invitee) *candidate {
	token, hash := newToken()
	return &candidate{invitee: i, id: globalid.New(globalid.Invitation), token: token, hash: hash}
}

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
		insert into invitation as v (id, instance_id, space_id, organization_id, email, email_key, role, token_hash, message, invited_by, requested_by, expires_at, mail_refused)
		select c.id, t.instance_id, t.space_id, t.organization_id, c.email, c.email_key, t.role, c.token_hash, t.message, t.invited_by, t.requested_by, clock_timestamp() + t.ttl,
		       ` + refusedBy(`c.refusal_hash`) + `
		from ` + termsTable + `
		cross join unnest($9::uuid[], $10::text[], $11::text[], $12::bytea[], $13::bytea[]) as c (id, email, email_key, token_hash, refusal_hash)
		order by c.email_key
		on conflict (email_key, PLACE) where status = 'PENDING' and PLACE is not null do nothing
		returning ` + storedColumns)

	pendingQueries = byPlace(`
		select ` + columns + `
		from unnest($2::text[]) as e (email_key)
		cross join lateral (select * from invitation where PLACE = $1 and email_key = e.email_key and status = 'PENDING' limit 1) v
		` + tables)
)

// insertRows inserts the invitations of candidates that have no pending one, and
// reads the pending ones of the others.
func insertRows(ctx context.Context, tx *postgres.Tx, t terms, candidates []*candidate) error {
	if len(candidates) == 0 {
		return nil
	}
	byKey := make(map[string]*candidate, len(candidates))
	ids, hashes := make(postgres.UUIDs, len(candidates)), make(pq.ByteaArray, len(candidates))
	emails, keys := make(pq.StringArray, len(candidates)), make(pq.StringArray, len(candidates))
	refusals := make(pq.ByteaArray, len(candidates))
	for i, c := range candidates {
		byKey[c.key] = c
		ids[i], emails[i], keys[i], hashes[i] = c.id.UUID, c.address.String(), c.key, c.hash
		refusals[i] = c.refusalHash
	}
	var inserted []storedRow
	if err := tx.Select(ctx, &inserted, insertQueries[t.to.id().Kind], t.args(ids, emails, keys, hashes, refusals)...); err != nil {
		return err
	}
	for _, stored := range inserted {
		c := byKey[stored.EmailKey]
		c.row, c.outcome = t.newRow(stored), Invited
	}
	if len(inserted) == len(candidates) {
		return nil
	}

	// The insertion may have waited for a row of another transaction. Its snapshot
	// has neither that row nor the one that it replaced; a new statement sees it.
	pending, err := findPending(ctx, tx, t.to, keys)
	if err != nil {
		return err
	}
	for i := range pending {
		if c := byKey[pending[i].EmailKey]; c.row == nil {
			c.row, c.outcome = &pending[i], AlreadyInvited
		}
	}
	if len(pending) != len(candidates) {
		return errors.New("invitation: a pending invitation ended although its place is locked")
	}
	return nil
}

// findPending reads the pending invitations of addresses to a place, expired ones
// included.
func findPending(ctx context.Context, q postgres.Querier, to destination, keys []string) (rows []row, err error) {
	err = q.Select(ctx, &rows, pendingQueries[to.id().Kind], to.id().UUID, pq.StringArray(keys))
	return rows, err
}

// replaceQuery locks in the order of insertQueries. It decides again which
// invitations are expired: time has passed since they were read.
var replaceQuery = `
	update invitation v
	set role         = t.role,
	    token_hash   = case when old.expired then c.token_hash else v.token_hash end,
	    message      = case when old.expired then t.message else v.message end,
	    invited_by   = t.invited_by,
	    requested_by = case when old.expired then t.requested_by else v.requested_by end,
	    expires_at   = case when old.expired then clock_timestamp() + t.ttl else v.expires_at end,
	    mail_refused = case when old.expired then ` + refusedBy(`c.refusal_hash`) + ` else v.mail_refused end
	from ` + termsTable + `
	cross join (select v.id, ` + roleName + ` as role, v.expires_at <= clock_timestamp() as expired
	            from invitation v where v.id = any ($9::uuid[]) order by v.email_key for no key update) old
	join unnest($9::uuid[], $10::bytea[], $11::bytea[]) as c (id, token_hash, refusal_hash) on c.id = old.id
	where v.id = old.id and v.id = any ($9::uuid[])
	returning ` + storedColumns + `, old.role as previous_role, old.expired`

// replaceRows renews the candidates' expired invitations, and changes the role of
// those that have another one. The actor becomes the inviter of these, and of those
// whose inviter may not invite any more.
func replaceRows(ctx context.Context, tx *postgres.Tx, t terms, candidates []*candidate) error {
	var ids postgres.UUIDs
	var hashes, refusals pq.ByteaArray
	byID := map[uuid.UUID]*candidate{}
	for _, c := range candidates {
		if c.row.Role != t.role || c.row.Status == Expired || !c.row.InviterMay {
			ids, hashes = append(ids, c.row.ID), append(hashes, c.hash)
			refusals = append(refusals, c.refusalHash)
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
	if err := tx.Select(ctx, &replaced, replaceQuery, t.args(ids, hashes, refusals)...); err != nil {
		return err
	}
	for _, r := range replaced {
		c := byID[r.ID]
		c.takenOver = !r.Expired && !c.row.InviterMay && r.PreviousRole == t.role
		c.row.storedRow = r.storedRow
		t.nameInviter(c.row)
		switch {
		case r.Expired:
			c.outcome = Invited
			t.name(c.row)
		case r.PreviousRole != t.role:
			c.outcome, c.previousRole = RoleChanged, r.PreviousRole
		}
	}
	return nil
}
