package invitation

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// EndOf ends what the roles of a person that have ended leave behind: it revokes the
// pending invitations to the person that would return the roles, and revokes or takes
// over those that the person has sent and may not send any more. Expired ones are
// pending, too: they could be resent. It is membership.Service's OnEnd. The transaction
// has ended the roles, and has locked the place exclusively: a space with its
// instances.
func (s *Service) EndOf(ctx context.Context, tx *postgres.Tx, actor access.Actor, ended membership.EndedRoles) (n membership.EndedInvitations, err error) {
	to := destinationOf(ended.Place)
	kind := to.id().Kind
	revokeQuery := revokeEndedQueries[kind]
	if kind == globalid.Organization && ended.Left != 0 {
		revokeQuery = revokeHigherQuery
	}
	n.Revoked, err = endSelected(ctx, tx, actor, to, audit.InvitationRevoked, revokeQuery,
		to.id().UUID, ended.User.UUID, pq.StringArray(ended.Left.Stored(kind)), ended.Sent == membership.RevokeSent)
	// People who remove themselves have no right to take over what they sent. It stays,
	// and nobody can accept it until somebody else takes it over.
	if err != nil || ended.Sent != membership.TakeOverSent || ended.User == actor.ID {
		return n, err
	}
	n.TakenOver, err = endSelected(ctx, tx, actor, to, audit.InvitationTakenOver, takeOverQueries[kind],
		to.id().UUID, ended.User.UUID, actor.ID.UUID)
	return n, err
}

// RevokeFor revokes pending invitations to people in some places: an organization, spaces and
// instances. They have got their former roles back there, or the time of their memberships is
// over. Invitations to a higher role stay, and those that are newer than the end of the
// membership: somebody has decided so since. It is membership.Service's RevokeInvitations. The
// transaction has locked the places exclusively.
func (s *Service) RevokeFor(ctx context.Context, tx *postgres.Tx, actor access.Actor, users postgres.UUIDs, place tenant.Place, in postgres.UUIDs) (int, error) {
	return endSelected(ctx, tx, actor, destinationOf(place), audit.InvitationRevoked, revokeForQuery, in, users,
		pq.StringArray(tenant.RolesOf(tenant.AllRoles()...).Stored(globalid.Instance)), pq.StringArray(tenant.RolesOf(tenant.AllRoles()...).Stored(globalid.Organization)))
}

// $3 and $4 are the roles in instances and in organizations, the highest first.
var revokeForQuery = `
		with ended as materialized (
			select v.id from invitation v cross join lateral (select account_id from address_holder where email_key = v.email_key limit 1) h
			where v.status = 'PENDING' and v.email_key = any (array(select email_key from address_holder where account_id = any ($2::uuid[])))
			and coalesce(v.instance_id, v.space_id, v.organization_id) = any ($1::uuid[])
			and (` + postgres.Found(`space_administrator m where m.space_id = v.space_id and m.account_id = h.account_id`) + `
				or ` + postgres.Found(`instance_member m where m.instance_id = v.instance_id and m.account_id = h.account_id and `+tenant.Current("m")+`
					and array_position($3::text[], m.role) <= array_position($3::text[], v.role)`) + `
				or ` + postgres.Found(`organization_member m where m.organization_id = v.organization_id and m.account_id = h.account_id
					and array_position($4::text[], m.role) <= array_position($4::text[], v.role)`) + `
				or ` + postgres.Found(`ended_membership e where e.account_id = h.account_id and e.place_id = v.instance_id
					and e.reason = 'EXPIRED' and v.created_at <= e.until`) + `)
			order by v.email_key, v.instance_id, v.space_id, v.organization_id for no key update of v)
		update invitation v set status = 'REVOKED' where v.id = any (array(select id from ended))
		returning ` + endedColumns

// The queries lock in the order of insertQueries. $1 is the place, $2 the person.
var (
	revokeEndedQueries = inPlaceOf(revokeEnded)

	// revokeHigherQuery revokes invitations to an organization itself: those to places
	// inside have other roles.
	revokeHigherQuery = strings.ReplaceAll(revokeEnded, "PLACE", "v.organization_id = $1")

	// $3 is who takes them over, where they may invite themselves: managers do not invite
	// to instances.
	takeOverQueries = inPlaceOf(`
		with sent as materialized (
			select v.id from invitation v ` + placeTables + `
			where PLACE and v.status = 'PENDING' and v.invited_by = $2 and not ` + inviterMay + ` and ` + mayInvite("$3") + `
			order by v.email_key, v.instance_id, v.space_id, v.organization_id for no key update of v)
		update invitation v set invited_by = $3 where v.id = any (array(select id from sent))
		returning ` + endedColumns)

	// Of the invitations to the person, those stay whose role they still hold: $3. $4
	// says whether those that the person has sent are revoked, too. The array has the ids of
	// both by indexes, so that the others of the place are not read.
	revokeEnded = `
		with ended as materialized (
			select v.id from invitation v ` + placeTables + `
			where PLACE and v.status = 'PENDING' and v.id = any (array(
				select id from invitation where status = 'PENDING' and email_key = (select email_key from address_holder where account_id = $2)
				union all
				select id from invitation where $4 and status = 'PENDING' and invited_by = $2))
			and (v.email_key = (select email_key from address_holder where account_id = $2) and coalesce(v.role <> all ($3::text[]), true)
				or $4 and v.invited_by = $2 and not ` + inviterMay + `)
			order by v.email_key, v.instance_id, v.space_id, v.organization_id for no key update of v)
		update invitation v set status = 'REVOKED' where v.id = any (array(select id from ended))
		returning ` + endedColumns
)

const (
	// placeTables joins what inviterMay is about.
	placeTables = `
	left join instance i on i.id = v.instance_id
	left join space s on s.id = coalesce(v.space_id, i.space_id)`

	// endedColumns are the address of an invitation, and the place that it leads to.
	endedColumns = `v.email, v.instance_id, (select name from instance where id = v.instance_id) as instance_name,
		` + endedSpace + ` as space_id, (select name from space where id = ` + endedSpace + `) as space_name`
	endedSpace = `coalesce(v.space_id, (select space_id from instance where id = v.instance_id))`
)

// inPlaceOf returns a query about the invitations to an instance, one about those to a
// space and all its instances, and one about those to an organization and everything
// inside, from a pattern in which PLACE stands for the condition.
func inPlaceOf(pattern string) map[globalid.Kind]string {
	return map[globalid.Kind]string{
		globalid.Instance:     strings.ReplaceAll(pattern, "PLACE", "v.instance_id = $1"),
		globalid.Space:        strings.ReplaceAll(pattern, "PLACE", "s.id = $1"),
		globalid.Organization: strings.ReplaceAll(pattern, "PLACE", "coalesce(v.organization_id, s.organization_id) = $1"),
	}
}

// endSelected runs a query that changes invitations, writes the trail of each place,
// and returns the number of invitations.
func endSelected(ctx context.Context, tx *postgres.Tx, actor access.Actor, to destination, action audit.Action, query string, args ...any) (int, error) {
	var rows []struct {
		Email        string        `db:"email"`
		InstanceID   uuid.NullUUID `db:"instance_id"`
		InstanceName *string       `db:"instance_name"`
		SpaceID      uuid.NullUUID `db:"space_id"`
		SpaceName    *string       `db:"space_name"`
	}
	if err := tx.Select(ctx, &rows, query, args...); err != nil {
		return 0, err
	}
	emails := map[audit.Target][]string{}
	for _, r := range rows {
		var target audit.Target
		switch {
		case !r.SpaceID.Valid:
			target = audit.OnOrganization(to.Organization)
		case r.InstanceID.Valid:
			target.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
			fallthrough
		default:
			target.Space = audit.Name{ID: r.SpaceID.UUID, Name: *r.SpaceName}
		}
		emails[target] = append(emails[target], r.Email)
	}
	const maxEmails = 1000 // of a record, as of one that revokeInvitations writes
	var records []audit.Record
	for target, emails := range emails {
		slices.Sort(emails)
		for some := range slices.Chunk(emails, maxEmails) {
			records = append(records, audit.Record{Action: action, Actor: actor, Target: target, Details: audit.Details{Emails: some}})
		}
	}
	slices.SortFunc(records, func(a, b audit.Record) int {
		return cmp.Or(strings.Compare(a.Space.Name, b.Space.Name), strings.Compare(a.Instance.Name+a.Emails[0], b.Instance.Name+b.Emails[0]))
	})
	return len(rows), audit.Write(ctx, tx, records...)
}
