package resolvers

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func schema() *ast.Schema { return graph.NewExecutableSchema(graph.Config{}).Schema() }

// rules are the directives that say who may.
var rules = []string{"role", "authenticated", "public"}

func TestEveryRootFieldDeclaresWhoMay(t *testing.T) {
	s := schema()
	for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			declared := 0
			for _, rule := range rules {
				declared += len(field.Directives.ForNames(rule))
			}
			if declared != 1 {
				t.Errorf("%s.%s declares %d of @%s", root.Name, field.Name, declared, strings.Join(rules, ", @"))
			}
			if last := field.Directives[len(field.Directives)-1].Name; !slices.Contains(rules, last) {
				t.Errorf("%s.%s: @%s runs before it is known who may", root.Name, field.Name, last)
			}
		}
	}
}

// An input without a method Validate would be let through unchecked.
func TestEveryMutationInputValidatesItself(t *testing.T) {
	t.Parallel()
	resolver := reflect.TypeFor[graph.MutationResolver]()
	for i := range resolver.NumMethod() {
		method := resolver.Method(i)
		given := method.Type.In(method.Type.NumIn() - 1)
		if !given.Implements(reflect.TypeFor[input]()) && !given.Implements(reflect.TypeFor[limitedInput]()) {
			t.Errorf("the input of %s, %v, has no method Validate that @role and @authenticated call", method.Name, given)
		}
	}
}

// Partners know the gateway by its schema alone.
func TestEverythingIsDescribed(t *testing.T) {
	s := schema()
	for name, d := range s.Types {
		if d.BuiltIn {
			continue
		}
		if d.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for _, field := range d.Fields {
			if field.Description == "" && !strings.HasPrefix(field.Name, "__") {
				t.Errorf("%s.%s has no description", name, field.Name)
			}
		}
		for _, value := range d.EnumValues {
			if value.Description == "" {
				t.Errorf("%s.%s has no description", name, value.Name)
			}
		}
	}
}

// What the schema declares is what the domain decides by, inside the
// transaction.
func TestTheSchemaDeclaresTheDomainsRules(t *testing.T) {
	fields := slices.Concat(schema().Mutation.Fields, schema().Subscription.Fields)
	for name, rule := range map[string]access.Rule{
		"inviteUsers":               access.Inviting,
		"deleteInstance":            access.Deleting,
		"restoreInstance":           access.Restoring,
		"inviteSpaceAdministrators": access.Administering,
		"revokeInvitations":         access.Administering,
		"resendInvitations":         {Roles: access.Resending.Roles}, // the states of many instances are the domain's alone
		"changeMemberRole":          access.Administering,
		"removeMember":              access.Administering,
		"leaveInstance":             access.Leaving,
		"createInstance":            access.Administering,
		"requestRole":               access.Asking,
		"requestInvitations":        access.Asking,
		"requestRestore":            access.Asking,
		"createSpace":               access.CreatingSpaces,
		"invitationChanged":         access.Administering,
	} {
		field := fields.ForName(name)
		var roles tenant.Roles
		for _, role := range argumentOf(field, "role", "any") {
			var r tenant.Role
			if err := r.UnmarshalGQL(role); err != nil {
				t.Fatal(err)
			}
			roles |= tenant.RolesOf(r)
		}
		if roles != rule.Roles {
			t.Errorf("%s: @role declares %v, the domain has %v", name, roles.List(), rule.Roles.List())
		}
		kinds, states := argumentOf(field, "instance", "kinds"), argumentOf(field, "instance", "states")
		if !slices.Equal(kinds, texts(rule.Kinds)) || !slices.Equal(states, texts(rule.States)) {
			t.Errorf("%s: @instance declares %v %v, the domain has %v %v", name, kinds, states, rule.Kinds, rule.States)
		}
	}
}

func argumentOf(field *ast.FieldDefinition, directive, name string) (values []string) {
	d := field.Directives.ForName(directive)
	if d == nil {
		return nil
	}
	argument := d.Arguments.ForName(name)
	if argument == nil {
		return nil
	}
	for _, child := range argument.Value.Children {
		values = append(values, child.Value.Raw)
	}
	return values
}

func texts[T ~string](values []T) (texts []string) {
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return texts
}

func TestEnumsAreTheDomains(t *testing.T) {
	var roles []string
	for r := tenant.OrganizationManager; r <= tenant.InstanceViewer; r++ {
		roles = append(roles, r.String())
	}
	for name, want := range map[string][]string{
		"Role":                      roles,
		"InstanceRole":              texts([]tenant.InstanceRole{tenant.Editor, tenant.Viewer}),
		"InstanceKind":              texts([]tenant.Kind{tenant.Master, tenant.Distributed, tenant.Working}),
		"InstanceState":             texts([]tenant.State{tenant.Active, tenant.Deleted}),
		"InvitationStatus":          texts([]invitation.Status{invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Revoked, invitation.Expired}),
		"DeliveryStatus":            texts([]invitation.DeliveryStatus{invitation.Queued, invitation.Sent, invitation.Delayed, invitation.Failed}),
		"InvitationChange":          texts(invitation.Changes),
		"RevokeOutcome":             texts([]invitation.SelectionOutcome{invitation.OutcomeRevoked, invitation.OutcomeAlreadyEnded}),
		"ResendOutcome":             texts([]invitation.SelectionOutcome{invitation.OutcomeResent, invitation.OutcomeAlreadyEnded}),
		"AuditAction":               texts(audit.Actions),
		"ConflictReason":            fault.ConflictReasons,
		"RateLimitReason":           fault.RateLimitReasons,
		"RequestKind":               texts(request.Kinds),
		"RequestStatus":             texts(request.Statuses),
		"RequestEndReason":          texts(request.EndReasons),
		"RequestChange":             texts(request.Changes),
		"InvitationNotUsableReason": invitation.UnusableReasons,
		"InviteOutcome":             texts([]invitation.InviteOutcome{invitation.Invited, invitation.AlreadyInvited, invitation.AlreadyMember, invitation.RoleChanged, invitation.Duplicate}),
		"EmailReason":               texts(address.Reasons),
		"ErrorCode": texts([]fault.Code{fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.BadUserInput, fault.InvalidEmail,
			fault.InstanceDistributed, fault.InstanceDeleted, fault.InstanceProtected, fault.RestoreWindowExpired, fault.InvitationNotUsable,
			fault.Conflict, fault.IdempotencyKeyReused, fault.RateLimited, fault.QueryTooComplex, fault.Unavailable, fault.InternalServerError,
			fault.GraphQLParseFailed, fault.GraphQLValidationFailed, fault.BadRequest, fault.PersistedQueryNotFound}),
	} {
		var declared []string
		for _, value := range schema().Types[name].EnumValues {
			declared = append(declared, value.Name)
		}
		slices.Sort(declared)
		slices.Sort(want)
		if !slices.Equal(declared, want) {
			t.Errorf("%s: the schema has %v, the domain %v", name, declared, want)
		}
	}
}
