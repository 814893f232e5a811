package membership

import (
	"context"
	"io"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// EndReason says why roles have ended.
type EndReason string

// The reasons.
const (
	Removed EndReason = "REMOVED" // by somebody else
	Left    EndReason = "LEFT"    // by the person themselves
	Expired EndReason = "EXPIRED" // because the time of the membership was over
)

// EndReasons are all of them.
var EndReasons = []EndReason{Removed, Left, Expired}

// MarshalGQL writes the schema's enum MembershipEndReason.
func (r EndReason) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, r) }

// UnmarshalGQL reads the schema's enum MembershipEndReason.
func (r *EndReason) UnmarshalGQL(v any) (err error) {
	*r, err = graphqltypes.ReadEnum(v, EndReasons...)
	return err
}

// ending is one end of roles of a person. What it ends is written to ended_membership, so
// that Reinstate can give it back.
type ending struct {
	removal uuid.UUID // of all its rows
	by      uuid.NullUUID
	reason  EndReason
}

// newEnding returns the end of a person's roles by an actor: a removal, or where the actor
// is the person, that they leave.
func newEnding(actor access.Actor, user globalid.ID) ending {
	e := ending{uuid.Must(uuid.NewV7()), uuid.NullUUID{UUID: actor.ID.UUID, Valid: true}, Removed}
	if actor.ID == user {
		e.reason = Left
	}
	return e
}

// run runs a query of endQueries, and returns the number of roles that it has ended.
func (e ending) run(ctx context.Context, tx *postgres.Tx, query string, user globalid.ID, places ...uuid.UUID) (int64, error) {
	return tx.Exec(ctx, query, e.removal, e.by, string(e.reason), user.UUID, postgres.UUIDs(places))
}

// mark writes down from where a person was removed: see markEnded.
func (e ending) mark(ctx context.Context, tx *postgres.Tx, user globalid.ID, organization uuid.NullUUID, spaces ...uuid.UUID) error {
	_, err := tx.Exec(ctx, markEnded, e.removal, e.by, string(e.reason), user.UUID, postgres.UUIDs(spaces), organization)
	return err
}

// The queries that end roles of account $4 in the places $5, and write them down as ended
// by $2 for the reason $3, with the removal $1.
var (
	endInOrganizations = endQuery(`organization_member where organization_id = any ($5::uuid[])`, `organization_id, null::uuid, null::uuid, role, guest, null::timestamptz`)
	endInSpaces        = endQuery(`space_administrator where space_id = any ($5::uuid[])`, `null::uuid, space_id, null::uuid, 'ADMINISTRATOR', false, null::timestamptz`)
	// endInside ends roles in instances by their spaces, endInInstances by their own ids.
	endInside      = endQuery(`instance_member where space_id = any ($5::uuid[])`, `null::uuid, null::uuid, instance_id, role, false, until`)
	endInInstances = endQuery(`instance_member where instance_id = any ($5::uuid[])`, `null::uuid, null::uuid, instance_id, role, false, until`)

	// markEnded writes down that the removal was from the spaces $5 or, $6, from an
	// organization, where no role of the person has ended in these themselves.
	markEnded = `
		insert into ended_membership as e (removal, account_id, organization_id, space_id, ended_by, reason)
		select $1::uuid, $4::uuid, null::uuid, s.id, $2::uuid, $3::text from unnest($5::uuid[]) as s (id)
		union all
		select $1, $4, o.id, null, $2, $3 from (select $6::uuid) as o (id) where o.id is not null` + endedAgain + `
		where e.removal <> excluded.removal`
)

// endQuery makes a query of the roles that end, and their columns organization_id,
// space_id, instance_id, role, guest and until.
func endQuery(roles, columns string) string {
	return `
		with ended as (delete from ` + roles + ` and account_id = $4 returning *)
		insert into ended_membership as e (removal, account_id, organization_id, space_id, instance_id, role, guest, until, since, ended_by, reason)
		select $1::uuid, $4::uuid, ` + columns + `, since, $2::uuid, $3::text from ended` + endedAgain
}

// endedAgain replaces what is kept of an earlier end in the same place.
const endedAgain = `
		on conflict on constraint ended_membership_key do update
		set id = excluded.id, removal = excluded.removal, role = excluded.role, guest = excluded.guest, since = excluded.since, until = excluded.until,
		    ended_at = excluded.ended_at, ended_by = excluded.ended_by, reason = excluded.reason`

// DeleteEnded forgets the roles that ended longer than a retention time ago, 1,000 at most,
// and returns their number. Several gateways can do it at the same time.
func DeleteEnded(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		delete from ended_membership where id = any (array(
			select id from ended_membership where ended_at <= statement_timestamp() - $1 * interval '1 second'
			order by ended_at limit 1000 for update skip locked))`, retention.Seconds())
}
