// Package trusteddocs knows operations by the ids that clients send in their
// stead: those that clients have sent before (Apollo's automatic persisted
// queries) or, where an operator registers them, those alone.
package trusteddocs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/fault"
)

// extension is where clients put the id of an operation.
const extension = "persistedQuery"

// Name has an operation's parameters name it by its id.
func Name(params *graphql.RawParams, id string) {
	if params.Extensions == nil {
		params.Extensions = map[string]any{}
	}
	params.Extensions[extension] = map[string]any{"version": json.Number("1"), "sha256Hash": id}
}

// Named reports whether parameters name an operation by its id.
func Named(params *graphql.RawParams) bool { return params.Extensions[extension] != nil }

// id reads the id by which parameters name an operation.
func id(params *graphql.RawParams) (string, *fault.Fault) {
	fields, _ := params.Extensions[extension].(map[string]any)
	version, _ := fields["version"].(json.Number)
	id, ok := fields["sha256Hash"].(string)
	if version != "1" || !ok {
		return "", fault.New(fault.BadRequest, "In the extension persistedQuery, version must be 1, and sha256Hash a text.")
	}
	return id, nil
}

// notFound is the refusal of an id that is not known. Clients look for these
// very words.
func notFound(remedy string) *fault.Fault {
	return &fault.Fault{Code: fault.PersistedQueryNotFound, Message: "PersistedQueryNotFound", Remedy: remedy}
}

// Automatic finds the operations that clients have sent before with their
// hashes, and keeps those of whom Trusts says so.
type Automatic struct {
	Trusts func(context.Context) bool
	texts  *cache.Cache[string]
}

var (
	_ graphql.HandlerExtension          = Automatic{}
	_ graphql.OperationParameterMutator = Automatic{}
	_ graphql.OperationContextMutator   = Automatic{}
)

// NewAutomatic keeps texts of so many octets together.
func NewAutomatic(most int, trusts func(context.Context) bool) Automatic {
	return Automatic{trusts, cache.New(most, func(id, text string) int { return len(id) + len(text) + 200 })}
}

// ExtensionName implements graphql.HandlerExtension.
func (Automatic) ExtensionName() string { return "automatic persisted queries" }

// Validate implements graphql.HandlerExtension.
func (Automatic) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters finds the text of an operation that is named by its
// hash alone.
func (a Automatic) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if !Named(params) {
		return nil
	}
	id, wrong := id(params)
	switch {
	case wrong != nil:
		return &gqlerror.Error{Err: wrong}
	case params.Query == "":
		text, known := a.texts.Get(ctx, id)
		if !known {
			return &gqlerror.Error{Err: notFound("Send the operation's text beside its hash.")}
		}
		params.Query = text
	case hash(params.Query) != id:
		return &gqlerror.Error{Err: fault.New(fault.BadRequest, "The extension's sha256Hash is not the hash of the query.")}
	}
	return nil
}

// MutateOperationContext keeps the text of a valid operation that came with its
// hash.
func (a Automatic) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Extensions[extension] != nil && a.Trusts(ctx) {
		a.texts.Add(ctx, hash(operation.RawQuery), operation.RawQuery)
	}
	return nil
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
