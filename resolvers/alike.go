package resolvers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// alikeFields are the fields below a subscription whose values are the same for
// everybody who may subscribe. A field that is not named here counts as the person's own,
// such as Instance.viewerRoles.
//
// Invitation.delivery is for those who may list the invitations to an instance, who are
// those who may subscribe to their changes.
var alikeFields = map[string][]string{
	"InvitationEvent":    {"invitation", "change", "at"},
	"Invitation":         {"id", "email", "role", "status", "instance", "space", "instanceName", "message", "invitedBy", "requestedBy", "createdAt", "until", "expiresAt", "keptUntil", "loggedUntil", "delivery"},
	"InvitationDelivery": {"status", "attempts", "lastAttemptAt", "nextAttemptAt", "explanation", "reply"},
	"SpaceSummary":       {"name", "organizationName"},
	"Contact":            {"name", "email"},
	"Instance":           {"id", "name", "kind", "state"},
}

// alikeKey identifies the subscriptions that respond alike to a change of a place.
type alikeKey [sha256.Size]byte

// alike returns the key of the subscription of the context; nil where its responses
// depend on the person.
func alike(ctx context.Context) *alikeKey {
	operation := graphql.GetOperationContext(ctx)
	for _, root := range operation.Operation.SelectionSet {
		field, ok := root.(*ast.Field)
		if !ok || field.Name != "invitationChanged" || !allAlike(field.SelectionSet) {
			return nil
		}
	}
	variables, err := json.Marshal(operation.Variables)
	if err != nil {
		return nil
	}
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(operation.RawQuery), []byte(operation.OperationName), variables} {
		sum := sha256.Sum256(part)
		hash.Write(sum[:])
	}
	key := alikeKey(hash.Sum(nil))
	return &key
}

func allAlike(selection ast.SelectionSet) bool {
	for _, s := range selection {
		switch s := s.(type) {
		case *ast.Field:
			if !isAlike(s.ObjectDefinition.Name, s.Name) || !allAlike(s.SelectionSet) {
				return false
			}
		case *ast.InlineFragment:
			if !allAlike(s.SelectionSet) {
				return false
			}
		case *ast.FragmentSpread:
			if !allAlike(s.Definition.SelectionSet) {
				return false
			}
		}
	}
	return true
}

func isAlike(object, field string) bool {
	return field == "__typename" || slices.Contains(alikeFields[object], field)
}
