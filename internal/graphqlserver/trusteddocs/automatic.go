package trusteddocs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/fault"
)

// Automatic resolves the SHA-256 hashes of operations that clients sent before,
// in hexadecimal. The operations of people whom it does not trust are executed
// and not stored, so that strangers cannot fill the memory.
type Automatic struct {
	trusts func(context.Context) bool
	texts  *otter.Cache[string, string] // by hash
}

var (
	_ graphql.HandlerExtension          = Automatic{}
	_ graphql.OperationParameterMutator = Automatic{}
	_ graphql.OperationContextMutator   = Automatic{}
)

// entryOverhead estimates the memory of a stored operation beside its text and
// hash, in octets.
const entryOverhead = 200

// NewAutomatic returns an Automatic that stores texts of a size together, in
// octets, from people for whom trusts reports true.
func NewAutomatic(octets int, trusts func(context.Context) bool) Automatic {
	size := func(hash, text string) int { return len(hash) + len(text) + entryOverhead }
	return Automatic{trusts, cache.ByWeight(octets, size)}
}

// ExtensionName implements graphql.HandlerExtension.
func (Automatic) ExtensionName() string { return "automatic persisted queries" }

// Validate implements graphql.HandlerExtension.
func (Automatic) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters sets the text of an operation that is named by its
// hash alone. It fails with PERSISTED_QUERY_NOT_FOUND where the hash is unknown,
// and with BAD_REQUEST where it is not the hash of the text beside it.
func (a Automatic) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	if !HasID(params) {
		return nil
	}
	id, invalid := idOf(params)
	switch {
	case invalid != nil:
		return &gqlerror.Error{Err: invalid}
	case params.Query == "":
		text, known := a.texts.GetIfPresent(id)
		if !known {
			return &gqlerror.Error{Err: notFound("Send the operation's text together with its hash.")}
		}
		params.Query = text
	case hash(params.Query) != id:
		return &gqlerror.Error{Err: fault.New(fault.BadRequest, "The extension's sha256Hash is not the hash of the query.")}
	}
	return nil
}

// MutateOperationContext stores the text of a valid operation that came with its
// hash.
func (a Automatic) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if operation.Extensions[extension] != nil && a.trusts(ctx) {
		a.texts.SetIfAbsent(hash(operation.RawQuery), operation.RawQuery)
	}
	return nil
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
