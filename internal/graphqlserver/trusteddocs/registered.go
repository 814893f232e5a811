package trusteddocs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// Registered executes the operations that an operator registered, and no others.
type Registered struct {
	texts   map[string]string   // by id
	allowed map[string]struct{} // texts
}

var (
	_ graphql.HandlerExtension          = Registered{}
	_ graphql.OperationParameterMutator = Registered{}
)

// ReadFile reads the operations of a file: the manifest that
// @apollo/generate-persisted-query-manifest writes (format
// "apollo-persisted-query-manifest", version 1), or the object of ids and texts
// that Relay's compiler writes. It fails where check fails with a text.
func ReadFile(path string, check func(text string) error) (Registered, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Registered{}, err
	}
	texts, err := parse(content)
	if err != nil {
		return Registered{}, err
	}
	if len(texts) == 0 {
		return Registered{}, errors.New("the file has no operations")
	}
	r := Registered{texts, make(map[string]struct{}, len(texts))}
	for id, text := range texts {
		if err := check(text); err != nil {
			return Registered{}, fmt.Errorf("operation %.80q: %w", id, err)
		}
		r.allowed[text] = struct{}{}
	}
	return r, nil
}

const apolloFormat = "apollo-persisted-query-manifest"

// parse returns the texts of a file's operations by their ids.
func parse(content []byte) (map[string]string, error) {
	var manifest struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	if json.Unmarshal(content, &manifest) != nil || manifest.Format != apolloFormat {
		return parseRelay(content)
	}
	if manifest.Version != 1 {
		return nil, fmt.Errorf("the manifest's version is %d, and must be 1", manifest.Version)
	}
	texts := make(map[string]string, len(manifest.Operations))
	for _, operation := range manifest.Operations {
		if _, duplicate := texts[operation.ID]; duplicate || operation.ID == "" {
			return nil, fmt.Errorf("the id %.80q is empty or occurs twice", operation.ID)
		}
		texts[operation.ID] = operation.Body
	}
	return texts, nil
}

func parseRelay(content []byte) (texts map[string]string, err error) {
	if json.Unmarshal(content, &texts) != nil || texts["format"] != "" {
		return nil, errors.New("the file is neither an Apollo manifest nor an object of ids and texts")
	}
	return texts, nil
}

// ExtensionName implements graphql.HandlerExtension.
func (Registered) ExtensionName() string { return "registered operations" }

// Validate implements graphql.HandlerExtension.
func (Registered) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters sets the text of an operation that is named by its
// id. It fails with PERSISTED_QUERY_NOT_FOUND where the id is unknown, and with
// BAD_REQUEST where a text is not registered.
func (r Registered) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	if params.Query == "" && HasID(params) {
		id, invalid := idOf(params)
		if invalid != nil {
			return &gqlerror.Error{Err: invalid}
		}
		text, known := r.texts[id]
		if !known {
			return &gqlerror.Error{Err: notFound("Register the operation with the gateway.")}
		}
		params.Query = text
		return nil
	}
	if _, allowed := r.allowed[params.Query]; !allowed {
		return &gqlerror.Error{Err: &fault.Fault{
			Code:    fault.BadRequest,
			Message: "This gateway executes registered operations only, and this operation is not registered.",
			Remedy:  "Send the id of a registered operation (extensions.persistedQuery.sha256Hash, or documentId), or its exact text.",
		}}
	}
	return nil
}
