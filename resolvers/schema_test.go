package resolvers

import (
	"fmt"
	"maps"
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
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func schema() *ast.Schema { return graph.NewExecutableSchema(graph.Config{}).Schema() }

// whoMay are the directives that say who may use a field.
var whoMay = []string{"role", "authenticated", "public"}

func TestEveryRootFieldDeclaresWhoMay(t *testing.T) {
	t.Parallel()
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
			for _, directive := range whoMay {
				declared += len(field.Directives.ForNames(directive))
			}
			if declared != 1 {
				t.Errorf("%s.%s declares %d of @%s", root.Name, field.Name, declared, strings.Join(whoMay, ", @"))
			}
			if last := field.Directives[len(field.Directives)-1].Name; !slices.Contains(whoMay, last) {
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
	t.Parallel()
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

// Who may do what is decided by the rules of package access, and told to the
// callers by the schema's directives. Both say the same.
func TestEveryMutationHasARuleThatTheSchemaDeclares(t *testing.T) {
	t.Parallel()
	fields := map[string]*ast.FieldDefinition{}
	for _, d := range schema().Types {
		for _, field := range d.Fields {
			switch {
			case d.Name == "Mutation", d.Name == "Subscription" && field.Directives.ForName("role") != nil:
				fields[field.Name] = field
			case field.Directives.ForName("role") != nil:
				fields[d.Name+"."+field.Name] = field
			}
		}
	}
	for _, message := range rulesMissing(fields, access.Rules) {
		t.Error(message)
	}
}

// A mutation without a rule, and a rule without a field, are named with the place
// to mend.
func TestAMissingRuleIsNamed(t *testing.T) {
	t.Parallel()
	fields := map[string]*ast.FieldDefinition{"renameInstance": {Name: "renameInstance"}}
	got := rulesMissing(fields, []access.Rule{{Field: "deleteOrganization"}})
	want := []string{
		"mutation renameInstance has no rule: add it to internal/access/rules.go",
		"the rule of deleteOrganization has no field in schema/: remove it from internal/access/rules.go, or add the field",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// stateInDomain are the fields whose rules have kinds or states of instances that
// @instance does not declare, because the field's place is not always one
// instance.
var stateInDomain = map[string]string{
	"resendInvitations":  "the invitations lead to many places",
	"createInviteLink":   "the place may be a space",
	"refreshInviteLink":  "the place may be a space",
	"requestRole":        "the place may be a space",
	"reinstateMember":    "the place may be a space or an organization",
	"requestInvitations": "it is decided as for requestRole",
}

// rulesMissing returns what is wrong between fields, by the names that rules have
// for them, and rules.
func rulesMissing(fields map[string]*ast.FieldDefinition, rules []access.Rule) (messages []string) {
	say := func(format string, args ...any) { messages = append(messages, fmt.Sprintf(format, args...)) }
	of := map[string]access.Rule{}
	for _, rule := range rules {
		if _, twice := of[rule.Field]; twice {
			say("%s has two rules in internal/access/rules.go", rule.Field)
		}
		of[rule.Field] = rule
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := fields[name]
		rule, has := of[name]
		if !has {
			kind := "mutation "
			if strings.Contains(name, ".") {
				kind = "field "
			}
			say("%s%s has no rule: add it to internal/access/rules.go", kind, name)
			continue
		}
		declared := argumentOf(field, "role", "any")
		if want := texts((rule.Roles | rule.OutsideInstances | rule.InOrganizations).List()); !sameSet(declared, want) {
			say("%s: @role declares %v, the rule in internal/access/rules.go has %v", name, declared, want)
		}
		if anyone := field.Directives.ForName("authenticated") != nil || field.Directives.ForName("public") != nil; anyone != (rule.Roles == 0) {
			say("%s: the rule in internal/access/rules.go has the roles %v, but the schema declares @authenticated or @public: %t", name, rule.Roles.List(), anyone)
		}
		kinds, states := texts(rule.Kinds), texts(rule.States)
		if stateInDomain[name] != "" {
			kinds, states = nil, nil
		}
		if k, s := argumentOf(field, "instance", "kinds"), argumentOf(field, "instance", "states"); !sameSet(k, kinds) || !sameSet(s, states) {
			say("%s: @instance declares %v %v, the rule in internal/access/rules.go has %v %v", name, k, s, kinds, states)
		}
	}
	for _, rule := range rules {
		if fields[rule.Field] == nil {
			say("the rule of %s has no field in schema/: remove it from internal/access/rules.go, or add the field", rule.Field)
		}
	}
	return messages
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
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

func texts[T any](values []T) (texts []string) {
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

func TestEnumsAreTheDomains(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"Role":                      texts(tenant.AllRoles()),
		"InstanceRole":              texts(tenant.AllInstanceRoles()),
		"OrganizationRole":          texts(tenant.AllOrganizationRoles()),
		"InstanceKind":              texts([]tenant.Kind{tenant.Master, tenant.Distributed, tenant.Working}),
		"SpaceState":                texts([]tenant.State{tenant.Active, tenant.Deleted}),
		"InstanceState":             texts([]tenant.State{tenant.Active, tenant.Deleted}),
		"InvitationStatus":          texts([]invitation.Status{invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Revoked, invitation.Expired}),
		"DeliveryStatus":            texts([]invitation.DeliveryStatus{invitation.Queued, invitation.Sent, invitation.Delayed, invitation.Failed, invitation.Uncertain, invitation.Suppressed}),
		"InvitationChange":          texts(invitation.Changes),
		"RevokeOutcome":             texts([]invitation.SelectionOutcome{invitation.OutcomeRevoked, invitation.OutcomeAlreadyEnded}),
		"ResendOutcome":             texts([]invitation.SelectionOutcome{invitation.OutcomeResent, invitation.OutcomeAlreadyEnded}),
		"AuditAction":               texts(audit.Actions),
		"UnauthenticatedReason":     fault.UnauthenticatedReasons,
		"ConflictReason":            fault.ConflictReasons,
		"RateLimitReason":           fault.RateLimitReasons,
		"UnavailableReason":         fault.UnavailableReasons,
		"RequestKind":               texts(request.Kinds),
		"RequestStatus":             texts(request.Statuses),
		"RequestEndReason":          texts(request.EndReasons),
		"RequestChange":             texts(request.Changes),
		"InvitationNotUsableReason": invitation.UnusableReasons,
		"InviteOutcome":             texts([]invitation.InviteOutcome{invitation.Invited, invitation.AlreadyInvited, invitation.AlreadyMember, invitation.RoleChanged, invitation.Duplicate}),
		"EmailReason":               append(texts(address.Reasons), link.DomainNotAllowed),
		"InviteLinkState":           texts(link.AllStates),
		"ErrorCode": texts([]fault.Code{fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.BadUserInput, fault.InvalidEmail,
			fault.InstanceDistributed, fault.InstanceDeleted, fault.SpaceDeleted, fault.InstanceProtected, fault.RestoreWindowExpired, fault.InvitationNotUsable,
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
