package resolvers

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
)

// gqlgen runs the directive that is listed last first, so in the schema @role
// stands last. Each of them refuses by itself, in whatever order they run.

// role is @role. What has the wrong form is refused before permission is
// asked about.
func (r *Root) role(ctx context.Context, obj any, next graphql.Resolver, roles []access.Role, of string) (any, error) {
	if err := r.wellFormed(ctx); err != nil {
		return nil, err
	}
	i, err := r.place(ctx, obj, of)
	if err != nil {
		return nil, err
	}
	if err := access.Permit(ctx, r.DB, i, access.Rule{Roles: access.RolesOf(roles...)}); err != nil {
		return nil, err
	}
	return next(context.WithValue(ctx, placeKey{}, i))
}

// instance is @instance. A request that was carried out before is let through
// to its answer, whatever has become of the instance since.
func (r *Root) instance(ctx context.Context, obj any, next graphql.Resolver, kinds []access.Kind, states []access.State, of string) (any, error) {
	if err := r.wellFormed(ctx); err != nil {
		return nil, err
	}
	i, err := r.place(ctx, obj, of)
	if err != nil {
		return nil, err
	}
	if i == nil {
		return nil, access.NotFound()
	}
	refusal := access.Admit(ctx, r.DB, i, access.Rule{Kinds: kinds, States: states})
	if refusal == nil {
		return next(ctx)
	}
	key, given := argument(ctx, "input.idempotencyKey")
	if !given {
		return nil, refusal
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	known, err := idempotency.Known(ctx, r.DB, a, key)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, refusal
	}
	return next(ctx)
}

// authenticated is @authenticated.
func (r *Root) authenticated(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if _, err := actor(ctx); err != nil {
		return nil, err
	}
	if err := r.wellFormed(ctx); err != nil {
		return nil, err
	}
	return next(ctx)
}

// public is @public.
func (r *Root) public(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if err := r.wellFormed(ctx); err != nil {
		return nil, err
	}
	return next(ctx)
}

// wellFormed decides about the form and size of a field's arguments.
func (r *Root) wellFormed(ctx context.Context) error {
	var faults fault.List
	for name, value := range graphql.GetFieldContext(ctx).Args {
		switch value := value.(type) {
		case invitation.Request:
			faults = append(faults, r.Invitations.Malformed(value)...)
		case []string:
			faults = append(faults, r.Invitations.MalformedEmails(value, name)...)
		case interface{ Malformed() fault.List }:
			faults = append(faults, value.Malformed()...)
		}
	}
	return faults.Err()
}

type placeKey struct{}

// place finds the instance that a rule is about; nil where there is none that
// the actor may know of. @role leaves what it found to @instance.
func (r *Root) place(ctx context.Context, obj any, of string) (*access.Instance, error) {
	if i, ok := obj.(*access.Instance); ok && of == "id" {
		return i, nil
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	text, _ := argument(ctx, of)
	id := globalid.Parse(text)
	if found, ok := ctx.Value(placeKey{}).(*access.Instance); ok && found.ID == id {
		return found, nil
	}
	return access.FindInstance(ctx, r.DB, a, id)
}

// argument reads a string at a path into the field's arguments, as sent.
func argument(ctx context.Context, path string) (string, bool) {
	variables := graphql.GetOperationContext(ctx).Variables
	name, rest, _ := strings.Cut(path, ".")
	arg := graphql.GetFieldContext(ctx).Field.Arguments.ForName(name)
	if arg == nil {
		return "", false
	}
	literal := arg.Value
	for rest != "" && literal != nil && literal.Kind == ast.ObjectValue {
		name, rest, _ = strings.Cut(rest, ".")
		literal = literal.Children.ForName(name)
	}
	if literal == nil {
		return "", false
	}
	value, err := literal.Value(variables)
	for rest != "" && err == nil {
		fields, _ := value.(map[string]any)
		name, rest, _ = strings.Cut(rest, ".")
		value = fields[name]
	}
	s, ok := value.(string)
	return s, ok && err == nil
}
