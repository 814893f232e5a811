package link

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// AddressHash returns what stands for an address in the table invite_link_use. It is the
// same for all links.
func AddressHash(key keyedhash.Key, emailKey string) []byte {
	return key.Sum("invite_link_use", emailKey)
}

// use is what is known of an address that is given at a link.
type use struct {
	Counted  bool          `db:"counted"`     // the address was given since the link was opened
	Instance uuid.NullUUID `db:"instance_id"` // the own one of the address; not valid: none
	// Administrator says that the address needs no own instance: it belongs to an
	// administrator of the space, who may use all instances.
	Administrator bool `db:"administrator"`
	// Barred says that since the link was opened, an invitation of the address there was
	// revoked, or its holder was removed.
	Barred bool `db:"barred"`
}

func (u use) instanceID() globalid.ID {
	return globalid.ID{Kind: globalid.Instance, UUID: u.Instance.UUID}
}

func (s *Service) findUse(ctx context.Context, q postgres.Querier, r *row, email address.Address) (u use, err error) {
	err = q.Get(ctx, &u, `
		select coalesce(u.at >= l.opened_at, false) as counted, u.instance_id,
		       exists (select from space_administrator a where a.space_id = l.space_id and a.account_id = h.account_id) as administrator,
		       exists (select from invitation v where v.email_key = $3 and v.status = 'REVOKED' and v.ended_at >= l.opened_at
		               and (v.link_id = l.id or v.instance_id = coalesce(l.instance_id, u.instance_id)))
		       or exists (select from audit_log r where r.action = 'MEMBER_REMOVED' and r.details ->> 'userId' = h.account_id::text and r.at >= l.opened_at
		                  and (r.space_id = l.space_id and (r.instance_id is null or r.instance_id = coalesce(l.instance_id, u.instance_id))
		                       or r.space_id is null and r.organization_id = $4)) as barred
		from (select * from invite_link where id = $1) l
		left join lateral (select * from invite_link_use where link_id = l.id and address_hash = $2 limit 1) u on true
		left join lateral (select account_id from address_holder where email_key = $3 limit 1) h on true`,
		r.ID, AddressHash(s.HashKey, email.Key()), email.Key(), r.OrganizationID)
	return u, err
}

// recordUse counts an address that was given, once since the link was opened, and
// remembers its own instance and the request. The transaction has locked the link.
func (s *Service) recordUse(ctx context.Context, tx *postgres.Tx, r *row, u use, j joining) error {
	requests := pq.ByteaArray{}
	if j.request != nil {
		requests = append(requests, j.request)
	}
	_, err := tx.Exec(ctx, `
		with used as (
			insert into invite_link_use as u (link_id, address_hash, request_hashes, instance_id) values ($1, $2, $3, $4)
			on conflict (link_id, address_hash) do update
			set at = case when $5 then u.at else clock_timestamp() end, instance_id = excluded.instance_id,
			    request_hashes = (excluded.request_hashes || u.request_hashes)[:10])
		update invite_link set uses = uses + case when $5 then 0 else 1 end where id = $1`,
		r.ID, AddressHash(s.HashKey, j.email.Key()), requests, u.Instance, u.Counted)
	return err
}

// repeated reports whether a request with the same key was answered that it was sent.
func (s *Service) repeated(ctx context.Context, r *row, j joining) (repeated bool, err error) {
	err = s.DB.Get(ctx, &repeated, `
		select exists (select from invite_link_use where link_id = $1 and address_hash = $2 and $3 = any (request_hashes))`,
		r.ID, AddressHash(s.HashKey, j.email.Key()), j.request)
	return repeated, err
}

// DeleteUses deletes what links have of addresses that have ended longer than a retention
// time ago, 5,000 rows at most, and returns their number.
func DeleteUses(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		delete from invite_link_use where ctid = any (array(
			select u.at_row
			from (select id from invite_link where `+ended+` order by least(expires_at, revoked_at) limit 500) l
			cross join lateral (select ctid as at_row from invite_link_use where link_id = l.id limit 5000) u
			limit 5000))`, retention.Seconds())
}

// ended is an SQL condition: a link has ended longer than $1 seconds ago.
const ended = `least(expires_at, revoked_at) <= statement_timestamp() - $1 * interval '1 second'`
