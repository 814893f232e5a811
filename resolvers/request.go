package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type requestFields struct{ *Root }

var _ graph.RequestResolver = requestFields{}

func (f requestFields) Space(ctx context.Context, obj *request.Request) (*tenant.Space, error) {
	place, err := f.place(ctx, obj)
	switch p := place.(type) {
	case *tenant.Instance:
		return p.Space, err
	case *tenant.Space:
		return p, err
	}
	return nil, err
}

func (f requestFields) Instance(ctx context.Context, obj *request.Request) (*tenant.Instance, error) {
	place, err := f.place(ctx, obj)
	i, _ := place.(*tenant.Instance)
	return i, err
}

// mostAddresses is how many addresses of a request are shown at most: all.
const mostAddresses, defaultAddresses = 1000, 100

func addressesOf(first *int) int {
	if first == nil {
		return defaultAddresses
	}
	return min(max(0, *first), mostAddresses)
}

func (f requestFields) Emails(ctx context.Context, obj *request.Request, first *int) ([]string, error) {
	return f.Requests.Addresses(ctx, obj, false, addressesOf(first))
}

func (f requestFields) ApprovedEmails(ctx context.Context, obj *request.Request, first *int) ([]string, error) {
	return f.Requests.Addresses(ctx, obj, true, addressesOf(first))
}

func (f requestFields) AnsweredBy(ctx context.Context, obj *request.Request) (*fault.Contact, error) {
	if place, err := f.place(ctx, obj); place == nil || err != nil {
		return nil, err
	}
	return obj.AnsweredBy, nil
}

func (f requestFields) Answer(ctx context.Context, obj *request.Request) (*string, error) {
	if place, err := f.place(ctx, obj); place == nil || err != nil {
		return nil, err
	}
	return obj.Answer, nil
}

// place is what a request is about, as the person who asks sees it.
func (f requestFields) place(ctx context.Context, obj *request.Request) (tenant.Place, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return obj.Place(ctx, f.DB, a)
}

func (u user) Requests(ctx context.Context, obj *tenant.User, status *request.Status, first *int, after *string) (*request.Connection, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*request.Request], error) {
		return u.Root.Requests.ListMadeBy(ctx, a, anyUnless(status), page)
	})
	return requestConnection(list, page, err)
}

func (u user) RequestsToAnswer(ctx context.Context, obj *tenant.User, first *int, after *string) (*request.Connection, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*request.Request], error) {
		return u.Root.Requests.ListToAnswer(ctx, a, page)
	})
	return requestConnection(list, page, err)
}

func (s spaceFields) Requests(ctx context.Context, obj *tenant.Space, status *request.Status, first *int, after *string) (*request.Connection, error) {
	page, err := s.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	q := selectionOf(page, status)
	list, err := askSpaces(obj, q, func(ids []globalid.ID) (map[globalid.ID]relay.List[*request.Request], error) {
		return s.Root.Requests.ListInSpaces(ctx, ids, q.Status, page)
	})
	return requestConnection(list, page, err)
}

func requestConnection(list relay.List[*request.Request], page relay.Page, err error) (*request.Connection, error) {
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(r *request.Request) globalid.ID { return r.ID }), nil
}

type auditEntry struct{}

var _ graph.AuditEntryResolver = auditEntry{}

func (auditEntry) Request(_ context.Context, obj *audit.Entry) (*request.Kind, error) {
	if obj.Request == nil {
		return nil, nil
	}
	return new(request.Kind(*obj.Request)), nil
}
