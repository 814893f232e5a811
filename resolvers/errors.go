package resolvers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
)

// Support is the address to write to, with the request's id, when nothing else
// helps.
const Support = fault.Support

// Present returns an error as clients see it. All errors of the domain and of
// gqlgen pass through it. A list becomes several errors: Present adds all but the
// last to the response, and returns that one.
func (r *Root) Present(ctx context.Context, err error) *gqlerror.Error {
	var several gqlerror.List
	var list fault.List
	var one *fault.Fault
	switch {
	case errors.As(err, &several) && len(several) > 0:
		for _, e := range several[:len(several)-1] {
			graphql.AddError(ctx, e)
		}
		return r.Present(ctx, several[len(several)-1])
	case errors.As(err, &list):
		for _, f := range list[:len(list)-1] {
			graphql.AddError(ctx, &gqlerror.Error{Err: f, Locations: locations(err)})
		}
		one = list[len(list)-1]
	case errors.As(err, &one):
	default:
		one = r.faultOf(ctx, err)
	}
	return present(ctx, err, one)
}

// Recover logs a panic, and returns the error for the client.
func (r *Root) Recover(ctx context.Context, panicked any) error {
	recovery.Log(ctx, r.Log, "request", panicked)
	return internal(nil)
}

// faultOf returns the fault for an error that the domain did not make: one of
// gqlgen about the request, or an unexpected one, which it logs.
func (r *Root) faultOf(ctx context.Context, err error) *fault.Fault {
	var g *gqlerror.Error
	if errors.As(err, &g) && (g.Err == nil || isInput(ctx, g)) {
		return r.requestFault(ctx, g)
	}
	f := internal(err)
	if postgres.IsUnavailable(err) || errors.Is(err, context.Canceled) {
		f = &fault.Fault{
			Code:    fault.Unavailable,
			Message: "DataHub cannot do this at the moment. Nothing was done.",
			Remedy:  "Wait a little and send the request again, with the same idempotency key.",
			Cause:   err,
		}
	}
	switch {
	case postgres.IsLocked(err):
		f.Message = "Somebody else is changing the same place or the same role at the moment. Nothing was done."
	case postgres.IsReadOnly(err):
		f.Message = "DataHub's database can only be read at the moment. Nothing was done."
	case errors.Is(err, postgres.ErrCommitUnknown):
		f.Reason = fault.OutcomeUnknown
		f.Message = "The connection to the database was lost when the change was made. It may have been done."
		f.Remedy = "Send the same request with its idempotency key to find out: it is done once. Without a key, look whether it was done before you send it again."
	}
	if afterMutation(ctx) {
		f.Message = "The change was made, but the fields that you selected of the result cannot be read at the moment."
	}
	if !errors.Is(err, context.Canceled) && !Cancelled(ctx, err) {
		r.Log.LogAttrs(ctx, slog.LevelError, "request failed", slog.String("requestId", requestid.Of(ctx)),
			slog.String("code", string(f.Code)), slog.String("error", postgres.LogSafe(err)))
	}
	return f
}

// Cancelled reports whether an error comes from the end of a request that its client has
// cancelled. Nobody reads the answer, and nothing is wrong.
func Cancelled(ctx context.Context, err error) bool { return postgres.IsCancelled(ctx, err) }

// afterMutation reports whether an error occurred in the selected fields of a
// mutation's result, when the mutation was executed already.
func afterMutation(ctx context.Context) bool {
	return graphql.HasOperationContext(ctx) && len(graphql.GetPath(ctx)) > 1 &&
		graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation
}

func internal(cause error) *fault.Fault {
	return &fault.Fault{
		Code:    fault.InternalServerError,
		Message: "Something went wrong in DataHub. Nothing was done.",
		Remedy:  "Wait a few minutes and send the request again. If it fails again, write to " + Support + " with the request's id.",
		Cause:   cause,
	}
}

// requestFault returns the fault for an error of gqlgen about the request.
func (r *Root) requestFault(ctx context.Context, g *gqlerror.Error) *fault.Fault {
	f := fault.New(fault.BadUserInput, r.reword(g.Message))
	switch code, _ := g.Extensions["code"].(string); {
	case strings.Contains(g.Message, "exceeded token limit"):
		f.Code = fault.QueryTooComplex
	case code == errcode.ParseFailed:
		f.Code = fault.GraphQLParseFailed
	case len(g.Path) > 1 && g.Path[0] == ast.PathName("variable"):
		name, _ := g.Path[1].(ast.PathName)
		f.InputPath = append(variablePath(graphql.GetOperationContext(ctx).Operation, string(name)), inputPath(g.Path[2:])...)
	case code == errcode.ValidationFailed:
		f.Code = fault.GraphQLValidationFailed
	case code != "":
		f.Code = fault.Code(code)
	case isInput(ctx, g):
		f.InputPath = inputPath(g.Path[len(graphql.GetPath(ctx)):])
		f.Message = pathText(f.InputPath) + ": " + strings.TrimSuffix(f.Message, ".") + "."
	}
	return f
}

func inputPath(path ast.Path) []any {
	elements := make([]any, len(path))
	for i, element := range path {
		elements[i] = element
		if name, ok := element.(ast.PathName); ok { // as the client sent it, of any length
			elements[i] = shorten(string(name), maxEcho)
		}
	}
	return elements
}

// pathText writes a place in the input as input.emails[3].
func pathText(path []any) string {
	var b strings.Builder
	for i, element := range path {
		index, isIndex := element.(ast.PathIndex)
		switch {
		case isIndex:
			fmt.Fprintf(&b, "[%d]", index)
		case i > 0:
			fmt.Fprintf(&b, ".%v", element)
		default:
			fmt.Fprint(&b, element)
		}
	}
	return b.String()
}

// isInput reports whether an error of gqlgen is about the arguments of a field:
// its path is then the field's, followed by the place in the arguments.
func isInput(ctx context.Context, g *gqlerror.Error) bool {
	return len(g.Path) > len(graphql.GetPath(ctx))
}

func present(ctx context.Context, err error, f *fault.Fault) *gqlerror.Error {
	extensions := map[string]any{
		"code":      f.Code,
		"retryable": f.Retryable(),
		"requestId": requestid.Of(ctx),
	}
	add := func(name string, value any, given bool) {
		if given {
			extensions[name] = value
		}
	}
	add("reason", f.Reason, f.Reason != "")
	add("inputPath", f.InputPath, f.InputPath != nil)
	add("index", f.Index, f.Index != nil)
	add("email", f.Email, f.Code == fault.InvalidEmail || f.Email != "")
	add("suggestion", f.Suggestion, f.Suggestion != "")
	add("remedy", f.Remedy, f.Remedy != "")
	add("contacts", f.Contacts, len(f.Contacts) > 0)
	add("request", f.Request, f.Request != "")
	add("instances", f.Instances, len(f.Instances) > 0)
	if f.DeletedAt != nil {
		extensions["deletedAt"], extensions["restorableUntil"] = f.DeletedAt.UTC(), f.RestorableUntil.UTC()
	}
	add("retryAfter", int(f.RetryAfter.Seconds()), f.RetryAfter > 0)
	add("support", Support, f.Code == fault.Unavailable || f.Code == fault.InternalServerError || f.Code == fault.Unauthenticated && f.Reason != "")
	return &gqlerror.Error{Message: f.Message, Path: graphql.GetPath(ctx), Locations: locations(err), Extensions: extensions}
}

func locations(err error) []gqlerror.Location {
	var g *gqlerror.Error
	if errors.As(err, &g) {
		return g.Locations
	}
	return nil
}
