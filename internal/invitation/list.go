package invitation

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// The queries of List. Each part of a list has its rows in an index in the order of the list:
// those of ended ones have their status, too.
var (
	ofAnyStatus = newListQueries(``, invitations(part, `0`, `true`), invitations(part, `1`, `true`), invitations(part, `2`, `true`))
	ofPending   = newListQueries(``, invitations(part, `1`, `v.expires_at > clock_timestamp()`))
	ofExpired   = newListQueries(withDue,
		invitations(part, `2`, `true`), // moving the time of the end removes the mark: invitation_renewed
		listPart{`from due v where (select count(*) from due) < ` + maxDue + ` and v.PLACE = p.id`, `v.id desc`},
		// Only where more are due than are read, which lasts until they are marked.
		invitations(part, `1`, `v.expires_at <= statement_timestamp() and (select count(*) from due) = `+maxDue))
	ofEnded = newListQueries(``, invitations(`v.status`, `STATUS`, `v.status <> 'PENDING'`))
)

const (
	// part is the expression of the indexes invitation_instance_part and
	// invitation_space_part: 0 where an invitation has ended, 1 where it is pending, and 2
	// where it is marked as expired. Other indexes do not have it, so that PostgreSQL
	// takes these even where it does not know how many rows there are.
	part = `case when v.status <> 'PENDING' then 0 when v.expired then 2 else 1 end`

	// NotEnded is the SQL condition that an invitation v is pending or has expired, for a
	// look into these indexes.
	NotEnded = part + ` between 1 and 2`

	// withDue selects the invitations that have expired, but are not marked: those of the
	// last minute, of all places. The order and the limit have PostgreSQL read them from
	// the index invitation_pending_expiry, whatever it knows about the times in the table.
	withDue = `
		with due as materialized (
			select * from invitation where status = 'PENDING' and not expired and expires_at <= statement_timestamp()
			order by expires_at limit ` + maxDue + `)`
	maxDue = `10000`
)

// listPart selects a part of a list, in an order.
type listPart struct{ from, order string }

// invitations are those to a place that have a value in the second column of an index, and
// meet a condition. BETWEEN, and the order by that column, keep PostgreSQL from reading the
// primary key in its order instead, in the hope that it soon meets enough of them.
func invitations(column, value, condition string) listPart {
	return listPart{
		`from invitation v where v.PLACE = p.id and ` + column + ` between ` + value + ` and ` + value + ` and ` + condition,
		column + ` desc, v.id desc`}
}

// listQueries count and list invitations of a kind; stored lists without the details that
// Filter.Stored leaves out.
type listQueries struct{ count, list, stored map[globalid.Kind]string }

// newListQueries makes the queries of the invitations in some parts of a list, which have
// none in common. STATUS stands for the parameter of the wanted status.
func newListQueries(with string, parts ...listPart) listQueries {
	all := func(columns string, end func(listPart) string) string {
		var selected []string
		for _, part := range parts {
			selected = append(selected, `(select `+columns+` `+part.from+end(part)+`)`)
		}
		return strings.Join(selected, ` union all `)
	}
	page := func(p listPart) string { return ` and v.id < $2 order by ` + p.order + ` limit $3` }
	counted := func(listPart) string { return fmt.Sprintf(` limit %d`, relay.MaxTotal) }
	queries := func(wanted, pattern string) map[globalid.Kind]string {
		return byPlace(strings.ReplaceAll(with+pattern, "STATUS", wanted))
	}
	list := func(columns, tables string) map[globalid.Kind]string {
		return queries("$4", `
		select `+columns+`
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from (`+all(`v.*`, page)+`) v order by v.id desc limit $3) v `+tables+`
		order by p.id, v.id desc`)
	}
	return listQueries{
		count: queries("$2", `
		select p.id, `+relay.CountSQL(`select from (`+all(``, counted)+`) v`)+` as n
		from unnest($1::uuid[]) as p (id)`),
		list:   list(columns, tables),
		stored: list(listedColumns, ``),
	}
}

// queries returns the queries of the filter, and their arguments after the others.
func (f Filter) queries() (queries listQueries, args []any) {
	switch f.Status {
	case "":
		return ofAnyStatus, nil
	case Pending:
		return ofPending, nil
	case Expired:
		return ofExpired, nil
	}
	return ofEnded, []any{string(f.Status)}
}

// listedColumns are what Filter.Stored reads, as listed scans it.
const listedColumns = `p.id, v.id, v.email, ` + roleName + `, v.message, v.created_at, v.expires_at, ` + status

// listed is an invitation without its details, and the id of its place.
type listed struct {
	place      uuid.UUID
	role       tenant.Role
	invitation Invitation
}

func (l *listed) columns() []any {
	v := &l.invitation
	return []any{&l.place, &v.ID.UUID, &v.Email, &l.role, &v.Message, &v.CreatedAt, &v.ExpiresAt, &v.Status}
}

// Filter says which invitations List returns, and how much of them.
type Filter struct {
	Status Status // "": any
	// Stored leaves out who invited, the names of the place, and the mail: only the
	// fields of the table itself are read, at a third of the time.
	Stored bool
}

// List returns a page of the invitations to each of some places, newest first. The
// places are of one kind. Only those who invite to the places may see the invitations:
// the caller checks that, and adds the places with WithPlace.
func (s *Service) List(ctx context.Context, places []globalid.ID, filter Filter, page relay.Page) (map[globalid.ID]relay.List[*Invitation], error) {
	kind := places[0].Kind
	queries, args := filter.queries()
	listArgs := append([]any{postgres.IDs(places), page.Before(), page.Limit()}, args...)
	totals, err := postgres.Counts(ctx, s.DB, page.Total, queries.count[kind], append([]any{postgres.IDs(places)}, args...)...)
	if err != nil {
		return nil, err
	}
	invitations := make(map[uuid.UUID][]*Invitation, len(places))
	if filter.Stored {
		rows, err := postgres.Collect(ctx, s.DB, (*listed).columns, queries.stored[kind], listArgs...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			r.invitation.ID.Kind = globalid.Invitation
			r.invitation.Role, r.invitation.OrganizationRole = instanceRole(r.role), organizationRole(r.role)
			invitations[r.place] = append(invitations[r.place], &r.invitation)
		}
	} else {
		var rows []row
		if err := s.DB.Select(ctx, &rows, queries.list[kind], listArgs...); err != nil {
			return nil, err
		}
		for i := range rows {
			place := rows[i].placeID().UUID
			invitations[place] = append(invitations[place], rows[i].invitation())
		}
	}
	return relay.CutEach(places, invitations, page, totals), nil
}

// fromAcceptable selects from the invitations that account $2 can accept while it holds
// address $1.
var fromAcceptable = ` from invitation v ` + tables + `
	where v.email_key = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp() and i.deleted_at is null and s.deleted_at is null
	  and exists (select from address_holder h where h.email_key = $1 and h.account_id = $2) and ` + inviterMay

// ListPendingFor returns a page of the invitations that a person can accept,
// newest first.
func (s *Service) ListPendingFor(ctx context.Context, actor access.Actor, page relay.Page) (list relay.List[*Invitation], err error) {
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, `select `+relay.CountSQL(`select`+fromAcceptable), actor.EmailKey, actor.ID.UUID); err != nil {
			return list, err
		}
	}
	var rows []row
	err = s.DB.Select(ctx, &rows, `select `+columns+fromAcceptable+` and v.id < $3 order by v.id desc limit $4`,
		actor.EmailKey, actor.ID.UUID, page.Before(), page.Limit())
	if err != nil {
		return list, err
	}
	return relay.Cut(invitationsOf(rows), page, total), nil
}
