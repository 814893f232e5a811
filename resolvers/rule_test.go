package resolvers

import (
	"context"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// A field without a rule is refused, not let through.
func TestAFieldWithoutARuleIsAnError(t *testing.T) {
	t.Parallel()
	root := &Root{Invitations: &invitation.Service{}}
	ctx := graphql.WithFieldContext(t.Context(), &graphql.FieldContext{Object: "Instance", Field: graphql.CollectedField{Field: &ast.Field{Name: "secrets"}}})
	resolved := false
	next := func(context.Context) (any, error) { resolved = true; return nil, nil }
	i := &tenant.Instance{Space: &tenant.Space{}, Roles: tenant.RolesOf(tenant.SpaceAdministrator)}
	if _, err := root.role(ctx, i, next, nil, "id"); err == nil || err.Error() != "Instance.secrets has no rule: add it to internal/access/rules.go" || resolved {
		t.Errorf("resolved %t, %v", resolved, err)
	}
}
