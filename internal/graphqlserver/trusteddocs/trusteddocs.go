// Package trusteddocs resolves operations that clients name by an id instead of
// sending their text. There are two kinds, of which a gateway has one:
//
//   - [Automatic]: clients register the operations that they send, by hash, as
//     Apollo's automatic persisted queries do.
//   - [Registered]: an operator registers operations in a file, and no others
//     are executed.
package trusteddocs

import (
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// extension is the request extension that holds the id of an operation, as
// Apollo's clients send it.
const extension = "persistedQuery"

// SetID sets the id of the operation in the parameters of a request.
func SetID(params *graphql.RawParams, id string) {
	if params.Extensions == nil {
		params.Extensions = map[string]any{}
	}
	params.Extensions[extension] = map[string]any{"version": json.Number("1"), "sha256Hash": id}
}

// HasID reports whether the parameters of a request have the id of an operation.
func HasID(params *graphql.RawParams) bool { return params.Extensions[extension] != nil }

// idOf returns the id of the operation. It fails with BAD_REQUEST where the
// extension has the wrong form.
func idOf(params *graphql.RawParams) (string, *fault.Fault) {
	fields, _ := params.Extensions[extension].(map[string]any)
	version, _ := fields["version"].(json.Number)
	id, ok := fields["sha256Hash"].(string)
	if version != "1" || !ok {
		return "", fault.New(fault.BadRequest, "In the extension persistedQuery, version must be 1 and sha256Hash must be a string.")
	}
	return id, nil
}

// notFound returns the error for an unknown id. Apollo Client compares this
// message, and then sends the text.
func notFound(remedy string) *fault.Fault {
	return &fault.Fault{Code: fault.PersistedQueryNotFound, Message: "PersistedQueryNotFound", Remedy: remedy}
}
