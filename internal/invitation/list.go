package invitation

import (
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// The queries of List: with any status, with one, and with one of an ended invitation.
// The last ones say that it is not pending, because the indexes by status have only those.
var (
	ofAnyStatus = newListQueries(func(string) string { return `true` })
	ofStatus    = newListQueries(func(wanted string) string { return status + ` = ` + wanted })
	ofEnded     = newListQueries(func(wanted string) string { return `v.status <> 'PENDING' and v.status = ` + wanted })
)

// listQueries count and list invitations that meet a condition; stored lists without the
// details that Filter.Stored leaves out.
type listQueries struct{ count, list, stored map[globalid.Kind]string }

// newListQueries makes the queries of a condition, which gets the parameter of the wanted
// status.
func newListQueries(condition func(wanted string) string) listQueries {
	list := func(columns, tables string) map[globalid.Kind]string {
		return byPlace(`
		select ` + columns + `
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from invitation v
			where v.PLACE = p.id and v.id < $2 and ` + condition("$4") + ` order by v.id desc limit $3) v ` + tables + `
		order by p.id, v.id desc`)
	}
	return listQueries{
		count: byPlace(`
		select v.PLACE as id, count(*) as n from invitation v
		where v.PLACE = any ($1::uuid[]) and ` + condition("$2") + ` group by v.PLACE`),
		list:   list(columns, tables),
		stored: list(listedColumns, ``),
	}
}

func (f Filter) queries() listQueries {
	switch f.Status {
	case "":
		return ofAnyStatus
	case Pending, Expired:
		return ofStatus
	}
	return ofEnded
}

// listedColumns are what Filter.Stored reads, as listed scans it.
const listedColumns = `p.id, v.id, v.email, v.role, v.message, v.created_at, v.expires_at, ` + status

// listed is an invitation without its details, and the id of its place.
type listed struct {
	place      uuid.UUID
	invitation Invitation
}

func (l *listed) columns() []any {
	v := &l.invitation
	return []any{&l.place, &v.ID.UUID, &v.Email, &v.Role, &v.Message, &v.CreatedAt, &v.ExpiresAt, &v.Status}
}

// Filter says which invitations List returns, and how much of them.
type Filter struct {
	Status Status // "": any
	// Stored leaves out who invited, the names of the place, and the mail: only the
	// fields of the table itself are read, at a third of the time.
	Stored bool
}

// List returns a page of the invitations to each of some places, newest first. The
// places are all instances or all spaces. Only administrators of the places may see the
// invitations: the caller checks that, and adds the places with WithPlace.
func (s *Service) List(ctx context.Context, places []globalid.ID, filter Filter, page relay.Page) (map[globalid.ID]relay.List[*Invitation], error) {
	kind, queries := places[0].Kind, filter.queries()
	countArgs, listArgs := []any{postgres.IDs(places)}, []any{postgres.IDs(places), page.Before(), page.Limit()}
	if filter.Status != "" {
		countArgs, listArgs = append(countArgs, string(filter.Status)), append(listArgs, string(filter.Status))
	}
	totals, err := postgres.Counts(ctx, s.DB, page.Total, queries.count[kind], countArgs...)
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
	where v.email_key = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp() and i.deleted_at is null
	  and exists (select from address_holder h where h.email_key = $1 and h.account_id = $2) and ` + inviterMay

// ListPendingFor returns a page of the invitations that a person can accept,
// newest first.
func (s *Service) ListPendingFor(ctx context.Context, actor access.Actor, page relay.Page) (list relay.List[*Invitation], err error) {
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, `select count(*)`+fromAcceptable, actor.EmailKey, actor.ID.UUID); err != nil {
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
