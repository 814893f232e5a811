package graphqltypes

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalSlice marshals the elements of a list one after the other, each with its index
// in the path of errors. An element that panics is null, with an error. It does what
// graphql.MarshalSliceConcurrently does in a goroutine for each element; see
// internal/graphqlserver/generate.
func MarshalSlice(ctx context.Context, length int, marshalElement func(ctx context.Context, i int) graphql.Marshaler) graphql.Array {
	elements := make(graphql.Array, length)
	for i := range length {
		elements[i] = marshalElementAt(graphql.WithFieldContext(ctx, &graphql.FieldContext{Index: &i}), i, marshalElement)
	}
	return elements
}

func marshalElementAt(ctx context.Context, i int, marshalElement func(ctx context.Context, i int) graphql.Marshaler) (element graphql.Marshaler) {
	defer func() {
		if r := recover(); r != nil {
			graphql.AddError(ctx, graphql.Recover(ctx, r))
			element = graphql.Null
		}
	}()
	return marshalElement(ctx, i)
}
