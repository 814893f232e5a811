package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
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

func (f requestFields) Organization(ctx context.Context, obj *request.Request) (*tenant.Organization, error) {
	place, err := f.place(ctx, obj)
	o, _ := place.(*tenant.Organization)
	return o, err
}

// maxAddresses is the limit of the addresses of a request in one list. A request
// has no more.
const maxAddresses, defaultAddresses = 1000, 100

func numberOfAddresses(first *int) int {
	if first == nil {
		return defaultAddresses
	}
	return min(max(0, *first), maxAddresses)
}

func (f requestFields) Emails(ctx context.Context, obj *request.Request, first *int) ([]string, error) {
	return f.Requests.Addresses(ctx, obj, false, numberOfAddresses(first))
}

func (f requestFields) ApprovedEmails(ctx context.Context, obj *request.Request, first *int) ([]string, error) {
	return f.Requests.Addresses(ctx, obj, true, numberOfAddresses(first))
}

func (f requestFields) AnsweredBy(ctx context.Context, obj *request.Request) (*fault.Contact, error) {
	place, err := f.place(ctx, obj)
	if place == nil || err != nil {
		return nil, err
	}
	return obj.AnsweredByIn(place), nil
}

func (f requestFields) Answer(ctx context.Context, obj *request.Request) (*string, error) {
	if place, err := f.place(ctx, obj); place == nil || err != nil {
		return nil, err
	}
	return obj.Answer, nil
}

// place returns the place of a request; nil where the person may not see it.
func (f requestFields) place(ctx context.Context, obj *request.Request) (tenant.Place, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return obj.Place(ctx, f.DB, a)
}

type auditEntry struct{}

var _ graph.AuditEntryResolver = auditEntry{}

func (auditEntry) Request(_ context.Context, obj *audit.Entry) (*request.Kind, error) {
	if obj.Request == nil {
		return nil, nil
	}
	return new(request.Kind(*obj.Request)), nil
}
