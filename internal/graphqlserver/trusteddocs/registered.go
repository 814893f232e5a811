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

// Registered are the operations that an operator lets clients use, and no
// others.
type Registered struct {
	texts map[string]string // by their ids
	known map[string]bool   // texts
}

var (
	_ graphql.HandlerExtension          = Registered{}
	_ graphql.OperationParameterMutator = Registered{}
)

// Read reads a file of operations: a manifest as
// @apollo/generate-persisted-query-manifest writes it, or an object of ids and
// texts as Relay's compiler does. check says what is wrong with a text.
func Read(path string, check func(text string) error) (Registered, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Registered{}, err
	}
	texts, err := read(content)
	if err != nil {
		return Registered{}, err
	}
	if len(texts) == 0 {
		return Registered{}, errors.New("there are no operations in the file")
	}
	r := Registered{texts, map[string]bool{}}
	for id, text := range texts {
		if err := check(text); err != nil {
			return Registered{}, fmt.Errorf("operation %.80q: %w", id, err)
		}
		r.known[text] = true
	}
	return r, nil
}

const apollo = "apollo-persisted-query-manifest"

func read(content []byte) (map[string]string, error) {
	var manifest struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	if json.Unmarshal(content, &manifest) == nil && manifest.Format == apollo {
		if manifest.Version != 1 {
			return nil, fmt.Errorf("the manifest's version is %d, and must be 1", manifest.Version)
		}
		texts := map[string]string{}
		for _, operation := range manifest.Operations {
			if _, twice := texts[operation.ID]; twice || operation.ID == "" {
				return nil, fmt.Errorf("the id %.80q is empty, or there twice", operation.ID)
			}
			texts[operation.ID] = operation.Body
		}
		return texts, nil
	}
	var texts map[string]string
	if json.Unmarshal(content, &texts) != nil || texts["format"] != "" {
		return nil, errors.New("the file is neither a manifest of Apollo's nor an object of ids and texts")
	}
	return texts, nil
}

// ExtensionName implements graphql.HandlerExtension.
func (Registered) ExtensionName() string { return "registered operations" }

// Validate implements graphql.HandlerExtension.
func (Registered) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters finds the text of an operation that is named by its
// id, and lets no other text pass than those that are registered.
func (r Registered) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	if params.Query == "" && Named(params) {
		id, wrong := id(params)
		if wrong != nil {
			return &gqlerror.Error{Err: wrong}
		}
		text, known := r.texts[id]
		if !known {
			return &gqlerror.Error{Err: notFound("Register the operation with the gateway.")}
		}
		params.Query = text
		return nil
	}
	if !r.known[params.Query] {
		return &gqlerror.Error{Err: &fault.Fault{
			Code:    fault.BadRequest,
			Message: "This gateway carries out registered operations only, and this is none.",
			Remedy:  "Send the id of a registered operation (extensions.persistedQuery.sha256Hash, or documentId), or its exact text.",
		}}
	}
	return nil
}
