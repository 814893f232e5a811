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

// cover applies the end to earlier ends of the person's roles inside of a space or an
// organization. Who leaves a place leaves everything inside, and is not brought back to any
// of it without being asked. What was ended before a removal is given back by itself only,
// and not by an older, wider undo.
func (e ending) cover(ctx context.Context, tx *postgres.Tx, user, place globalid.ID) error {
	query := cutOffEnded[place.Kind]
	args := []any{e.removal, user.UUID, place.UUID}
	if e.reason == Left {
		query = leaveEnded[place.Kind]
		args = append(args, e.by)
	}
	_, err := tx.Exec(ctx, query, args...)
	return err
}

// forgetEnded makes sure that an earlier role of an account in a place is not given back any
// more. The row of a space or an organization stays without its role: by it, roles inside can
// still be given back together.
func forgetEnded(ctx context.Context, tx *postgres.Tx, account uuid.UUID, place globalid.ID) error {
	query := `update ended_membership set role = null, since = null, guest = false where account_id = $1 and place_id = $2`
	if place.Kind == globalid.Instance {
		query = `delete from ended_membership where account_id = $1 and place_id = $2`
	}
	return tx.Later(ctx, query, account, place.UUID)
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
	endInside      = endQuery(`instance_member where space_id = any ($5::uuid[])`, ofInstance)
	endInInstances = endQuery(`instance_member where instance_id = any ($5::uuid[])`, ofInstance)

	// markEnded writes down that the removal was from the spaces $5 or, $6, from an
	// organization, where no role of the person has ended in these themselves.
	markEnded = `
		insert into ended_membership as e (removal, account_id, organization_id, space_id, ended_by, reason, email_hash)
		select $1::uuid, $4::uuid, p.organization_id, p.space_id, $2::uuid, $3::text, ` + emailHash("$4") + `
		from (
			select null::uuid as organization_id, s.id as space_id from unnest($5::uuid[]) as s (id)
			union all
			select o.id, null from (select $6::uuid) as o (id) where o.id is not null) p` + endedAgain + `
		where e.removal <> excluded.removal`

	// The rows of account $2 inside of place $3 that are not of the removal $1. $4 is who leaves.
	leaveEnded = coverQueries(`
		set id = uuid_v7(clock_timestamp()), removal = $1, ended_at = clock_timestamp(), ended_by = $4, reason = 'LEFT', email_hash = ` + emailHash("$2"))
	cutOffEnded = coverQueries(`
		set removal = gen_random_uuid()`)
)

// coverQueries makes a query for spaces, and one for organizations.
func coverQueries(set string) map[globalid.Kind]string {
	query := func(condition string) string {
		return `
		update ended_membership` + set + `
		where id = any (array(
			select e.id from ended_membership e
			left join lateral (select space_id from instance where id = e.instance_id limit 1) i on true
			left join lateral (select organization_id from space where id = coalesce(e.space_id, i.space_id) limit 1) s on true
			where e.account_id = $2 and e.removal <> $1 and ` + condition + ` order by e.account_id, e.place_id for update of e))`
	}
	return map[globalid.Kind]string{
		globalid.Space:        query(`coalesce(e.space_id, i.space_id) = $3`),
		globalid.Organization: query(`coalesce(e.organization_id, s.organization_id) = $3`),
	}
}

// emailHash returns an SQL expression for what is kept of an account's address at the end of
// a role: see newFormerQueries. account is an SQL expression.
func emailHash(account string) string {
	return `(select sha256(convert_to(email_key, 'UTF8')) from account where id = ` + account + `)`
}

// endQuery makes a query of the roles that end, and their columns: see recordEnded.
func endQuery(roles, columns string) string {
	return `
		with ended as (delete from ` + roles + ` and account_id = $4 returning *)` +
		recordEnded(`$1::uuid`, `$4::uuid`, columns, `$2::uuid`, `$3::text`)
}

// recordEnded is the end of a query that has deleted the roles in its part ended: it writes
// them down. Each argument is an SQL expression; columns are organization_id, space_id,
// instance_id, role, guest and until.
func recordEnded(removal, account, columns, by, reason string) string {
	return `
		insert into ended_membership as e (removal, account_id, organization_id, space_id, instance_id, role, guest, until, since, ended_by, reason, email_hash)
		select ` + removal + `, ` + account + `, ` + columns + `, since, ` + by + `, ` + reason + `, ` + emailHash(account) + ` from ended` + endedAgain
}

// ofInstance are the columns of a row of instance_member: see recordEnded.
const ofInstance = `null::uuid, null::uuid, instance_id, role, false, until`

// endedAgain replaces what is kept of an earlier end in the same place.
const endedAgain = `
		on conflict on constraint ended_membership_key do update
		set id = excluded.id, removal = excluded.removal, role = excluded.role, guest = excluded.guest, since = excluded.since, until = excluded.until,
		    ended_at = excluded.ended_at, ended_by = excluded.ended_by, reason = excluded.reason,
		    email_hash = excluded.email_hash`

// DeleteEnded forgets the roles that ended longer than a retention time ago, 1,000 at most,
// and returns their number. Several gateways can do it at the same time.
func DeleteEnded(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		delete from ended_membership where id = any (array(
			select id from ended_membership where ended_at <= statement_timestamp() - $1 * interval '1 second'
			order by ended_at limit 1000 for update skip locked))`, retention.Seconds())
}
