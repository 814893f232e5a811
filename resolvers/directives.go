package resolvers

import (
	"context"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// gqlgen runs the directive that is listed last first, so @role is listed last in
// the schema. Each directive refuses by itself, whatever their order.

// role implements @role. It decides by the field's rule in package access; a test
// compares the schema's arguments with it. Input of the wrong form is refused
// first. A request that was carried out before passes: the person may have given up
// the role by it, and still gets the answer. The domain decides once more.
func (r *Root) role(ctx context.Context, obj any, next graphql.Resolver, _ []tenant.Role, of string) (any, error) {
	if err := r.validate(ctx); err != nil {
		return nil, err
	}
	rule, err := ruleOf(ctx)
	if err != nil {
		return nil, err
	}
	if place, ok := obj.(tenant.Place); ok && of == "id" {
		if err := access.CheckRole(ctx, r.DB, place, rule); err != nil {
			return nil, err
		}
		return next(ctx)
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	ids, path, listed := idsAt(ctx, of)
	var found map[globalid.ID]tenant.Place
	if in, invites := graphql.GetFieldContext(ctx).Args["input"].(invitation.InviteInput); invites {
		ctx, found, err = r.Invitations.FindPlace(ctx, a, ids[0], in)
	} else {
		found, err = tenant.FindPlaces(ctx, r.DB, a, ids)
	}
	if err != nil {
		return nil, err
	}
	var refusal error
	if listed {
		refusal = access.CheckRoles(ctx, r.DB, found, ids, rule, path...)
	} else {
		refusal = access.CheckRole(ctx, r.DB, found[ids[0]], rule)
	}
	// Nothing is said about the key of another request to a person without the role.
	if err := allowReplay(ctx, refusal, func(key string) (bool, error) {
		return idempotency.Executed(ctx, r.DB, idempotency.Request{
			Actor: a, Key: &key, Operation: rule.Field, Input: graphql.GetFieldContext(ctx).Args["input"]})
	}); err != nil {
		return nil, err
	}
	return next(access.WithPlaces(ctx, found))
}

// instance implements @instance. It decides by the field's rule, as @role does. A
// request that was carried out before passes, whatever has happened to the instance
// since.
func (r *Root) instance(ctx context.Context, _ any, next graphql.Resolver, _ []tenant.Kind, _ []tenant.State, of string) (any, error) {
	if err := r.validate(ctx); err != nil {
		return nil, err
	}
	rule, err := ruleOf(ctx)
	if err != nil {
		return nil, err
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	ids, _, _ := idsAt(ctx, of)
	place, err := access.FindPlace(ctx, r.DB, a, ids[0]) // @role may have read it
	if err != nil {
		return nil, err
	}
	var refusal error
	if i, ok := place.(*tenant.Instance); ok {
		refusal = access.CheckState(ctx, r.DB, i, rule)
	} else {
		refusal = access.NotFound()
	}
	// The domain refuses the key of another request: that comes before the state.
	if err := allowReplay(ctx, refusal, func(key string) (bool, error) { return idempotency.Known(ctx, r.DB, a, key) }); err != nil {
		return nil, err
	}
	return next(ctx)
}

// ruleOf returns the rule of the field that is being resolved.
func ruleOf(ctx context.Context) (access.Rule, error) {
	field := graphql.GetFieldContext(ctx)
	name := field.Field.Name
	if field.Object != "Mutation" && field.Object != "Subscription" {
		name = field.Object + "." + name
	}
	rule, known := access.RuleOf(name)
	if !known {
		return rule, fmt.Errorf("%s has no rule: add it to internal/access/rules.go", name)
	}
	return rule, nil
}

// allowReplay returns a refusal, or nil for a request whose key says that it was
// carried out before.
func allowReplay(ctx context.Context, refusal error, executed func(key string) (bool, error)) error {
	key, given := argument(ctx, "input.idempotencyKey").(string)
	if refusal == nil || !given {
		return refusal
	}
	switch known, err := executed(key); {
	case err != nil:
		return err
	case known:
		return nil
	}
	return refusal
}

// authenticated implements @authenticated.
func (r *Root) authenticated(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if _, err := actor(ctx); err != nil {
		return nil, err
	}
	if err := r.validate(ctx); err != nil {
		return nil, err
	}
	return next(ctx)
}

// public implements @public.
func (r *Root) public(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if err := r.validate(ctx); err != nil {
		return nil, err
	}
	return next(ctx)
}

// An input says what is wrong with its own form and size. Some need the limits
// that the operator has set.
type (
	input        interface{ Validate() fault.List }
	limitedInput interface {
		Validate(invitation.Limits) fault.List
	}
)

// validate checks the form and size of a field's arguments. It fails with
// BAD_USER_INPUT.
func (r *Root) validate(ctx context.Context) error {
	var faults fault.List
	for name, value := range graphql.GetFieldContext(ctx).Args {
		switch value := value.(type) {
		case []string:
			faults = append(faults, r.Invitations.Limits.ValidateEmails(value, name)...)
		case limitedInput:
			faults = append(faults, value.Validate(r.Invitations.Limits)...)
		case input:
			faults = append(faults, value.Validate()...)
		}
	}
	return faults.Err()
}

// idsAt returns the ids at a path into the field's arguments and, of several paths
// with | between them, at the first that has a value; also that path, and whether
// it leads to a list. There is always an id, of the kind that the path says: one that
// is not given, malformed or of another kind names nothing (globalid.ID.As).
func idsAt(ctx context.Context, of string) (ids []globalid.ID, path []any, listed bool) {
	var kind globalid.Kind
	for alternative := range strings.SplitSeq(of, "|") {
		kind = kindAt(alternative)
		value := argument(ctx, alternative)
		if value == nil {
			continue
		}
		for name := range strings.SplitSeq(alternative, ".") {
			path = append(path, name)
		}
		values, listed := value.([]any)
		if !listed {
			values = []any{value}
		}
		for _, v := range values {
			text, _ := v.(string)
			ids = append(ids, globalid.Parse(text).As(kind))
		}
		return ids, path, listed
	}
	return []globalid.ID{{Kind: kind}}, nil, false
}

// kindAt returns the kind of the ids at a path, which its last name says: instance of
// "input.instanceId", invitation of "input.invitationIds".
func kindAt(path string) globalid.Kind {
	name := path[strings.LastIndex(path, ".")+1:]
	return globalid.Kind(strings.TrimSuffix(strings.TrimSuffix(name, "s"), "Id"))
}

// argument returns the value at a path into the field's arguments, as it was sent;
// nil where there is none.
func argument(ctx context.Context, path string) any {
	variables := graphql.GetOperationContext(ctx).Variables
	name, rest, _ := strings.Cut(path, ".")
	arg := graphql.GetFieldContext(ctx).Field.Arguments.ForName(name)
	if arg == nil {
		return nil
	}
	literal := arg.Value
	for rest != "" && literal != nil && literal.Kind == ast.ObjectValue {
		name, rest, _ = strings.Cut(rest, ".")
		literal = literal.Children.ForName(name)
	}
	if literal == nil {
		return nil
	}
	value, err := literal.Value(variables)
	for rest != "" && err == nil {
		fields, _ := value.(map[string]any)
		name, rest, _ = strings.Cut(rest, ".")
		value = fields[name]
	}
	if err != nil {
		return nil
	}
	return value
}
