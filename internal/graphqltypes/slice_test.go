package graphqltypes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
)

// MarshalSlice does what gqlgen's function does: also for errors, their paths, and
// panics.
func TestMarshalSlice(t *testing.T) {
	t.Parallel()
	element := func(ctx context.Context, i int) graphql.Marshaler {
		switch i % 4 {
		case 1:
			graphql.AddError(ctx, errors.New("an error"))
			return graphql.Null
		case 2:
			panic(fmt.Sprint("element ", i))
		}
		return graphql.MarshalInt(i)
	}
	type result struct {
		JSON   string
		Errors map[string]string // by path
	}
	marshal := func(length int, slice func(context.Context, int) graphql.Array) (r result) {
		ctx := graphql.WithResponseContext(t.Context(), graphql.DefaultErrorPresenter, func(_ context.Context, err any) error { return fmt.Errorf("panic: %v", err) })
		ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Alias: "list"}}})
		ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{RecoverFunc: func(_ context.Context, err any) error { return fmt.Errorf("panic: %v", err) }})
		var b bytes.Buffer
		slice(ctx, length).MarshalGQL(&b)
		r = result{b.String(), map[string]string{}}
		for _, err := range graphql.GetErrors(ctx) {
			r.Errors[err.Path.String()] = err.Message
		}
		return r
	}
	for _, length := range []int{0, 1, 2, 3, 4, 11} {
		want := marshal(length, func(ctx context.Context, n int) graphql.Array {
			return graphql.MarshalSliceConcurrently(ctx, n, 0, false, element)
		})
		got := marshal(length, func(ctx context.Context, n int) graphql.Array { return graphqltypes.MarshalSlice(ctx, n, element) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d elements: %s", length, diff)
		}
	}
}
