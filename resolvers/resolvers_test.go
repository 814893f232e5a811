package resolvers_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/internal/testworld"
	"alphacruncher.com/datahub-gateway/resolvers"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// api is the executable schema over a world, without HTTP.
type api struct {
	t     *testing.T
	world *testworld.World
	exec  *executor.Executor
}

func newAPI(t *testing.T) api {
	t.Helper()
	return newAPIOn(t, testworld.New(t))
}

// newAPIOn returns the executable schema over a world.
func newAPIOn(t *testing.T, w *testworld.World) api {
	t.Helper()
	s := w.Services()
	root := &resolvers.Root{
		DB:          w.DB,
		Spaces:      s.Spaces,
		Instances:   s.Instances,
		Memberships: s.Memberships,
		Invitations: s.Invitations,
		Links:       s.Links,
		Requests:    s.Requests,
		Rosters:     s.Rosters,
		Colleagues:  account.NewColleagues(w.DB),
		Client:      func(context.Context) string { return "" },
		Log:         slog.New(slog.DiscardHandler),
		PageSize:    100,
	}
	exec := executor.New(graph.NewExecutableSchema(root.Config()))
	exec.SetErrorPresenter(root.Present)
	exec.SetRecoverFunc(root.Recover)
	exec.Use(resolvers.Guard{
		Root:   root,
		Tokens: 2000,
		Limits: complexity.Limits{Depth: 15, Aliases: 50, Selections: 2000, Cost: 100_000},
		Known:  graphqlserver.NewDocumentCache(1<<20, func(context.Context) bool { return true }),
	})
	return api{t, w, exec}
}

// ask executes an operation as a person, or without a token (""). In the
// operation, {Name} stands for the id of an instance, and {space} and
// {organization} for those of Econometrics 2026 and its organization.
func (a api) ask(who, operation string) string {
	a.t.Helper()
	text, err := json.Marshal(execute(a.as(who), a.exec, a.withIDs(operation), nil))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// as returns the context of a person's operation; "" is nobody.
func (a api) as(who string) context.Context {
	if who == "" {
		return a.t.Context()
	}
	return access.WithActor(a.t.Context(), a.world.User(who))
}

// execute executes an operation, as a transport does.
func execute(ctx context.Context, exec graphql.GraphExecutor, document string, variables map[string]any) *graphql.Response {
	ctx = graphql.StartOperationTrace(ctx)
	operation, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: document, Variables: variables})
	if errs != nil {
		return exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs)
	}
	next, ctx := exec.DispatchOperation(ctx, operation)
	return next(ctx)
}

var placeholder = regexp.MustCompile(`\{(Master|Distributed|Group \d|space|organization|user:[\w@.]+)\}`)

func (a api) withIDs(operation string) string {
	return placeholder.ReplaceAllStringFunc(operation, func(name string) string {
		switch name = strings.Trim(name, "{}"); name {
		case "space":
			return a.world.Space("Econometrics 2026").String()
		case "organization":
			return a.world.Organization("University of Example").String()
		}
		if who, user := strings.CutPrefix(name, "user:"); user {
			return a.world.User(who).ID.String()
		}
		return a.world.Instance(name).String()
	})
}

// ok executes an operation without errors, and returns the value of the first
// of its string fields with a name.
func (a api) ok(who, operation, field string) string {
	a.t.Helper()
	text := a.ask(who, operation)
	if strings.Contains(text, `"errors"`) {
		a.t.Fatalf("%s: %s", operation, text)
	}
	found := regexp.MustCompile(`"` + field + `":"([^"]*)"`).FindStringSubmatch(text)
	if found == nil {
		a.t.Fatalf("%s: no %s in %s", operation, field, text)
	}
	return found[1]
}

// Each field returns what the domain returns for the person who asks.
func TestQueries(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for name, test := range map[string]struct{ who, operation, want string }{
		"viewer": {"vic", `{ viewer { name email spaces { totalCount nodes { name } } organizations { totalCount } } }`,
			`{"viewer":{"name":"Vic","email":"vic@uni.example","spaces":{"totalCount":1,"nodes":[{"name":"Econometrics 2026"}]},"organizations":{"totalCount":0}}}`},
		"no viewer without a token": {"", `{ __typename }`, `{"__typename":"Query"}`},
		"space": {"ada", `{ space(id: "{space}") { name viewerRoles organization { name } administrators { name } instances(first: 2) { nodes { name kind state } edges { node { name } } pageInfo { hasNextPage hasPreviousPage } } } }`,
			`{"space":{"name":"Econometrics 2026","viewerRoles":["SPACE_ADMINISTRATOR","INSTANCE_EDITOR","INSTANCE_VIEWER"],"organization":{"name":"University of Example"},"administrators":[{"name":"Ada"}],
			"instances":{"nodes":[{"name":"Master","kind":"MASTER","state":"ACTIVE"},{"name":"Distributed","kind":"DISTRIBUTED","state":"ACTIVE"}],"edges":[{"node":{"name":"Master"}},{"node":{"name":"Distributed"}}],"pageInfo":{"hasNextPage":true,"hasPreviousPage":false}}}}`},
		"a foreign space":   {"sam", `{ space(id: "{space}") { name } }`, `{"space":null}`},
		"a malformed id":    {"ada", `{ instance(id: "7") { name } }`, `{"instance":null}`},
		"deleted instances": {"ed", `{ space(id: "{space}") { instances(state: DELETED) { nodes { name deletedBy { name } restoring { allowed obstacles { code } } } } } }`, `{"space":{"instances":{"nodes":[{"name":"Group 2","deletedBy":{"name":"Ada"},"restoring":{"allowed":true,"obstacles":[]}},{"name":"Group 3","deletedBy":{"name":"Ada"},"restoring":{"allowed":false,"obstacles":[{"code":"RESTORE_WINDOW_EXPIRED"}]}}]}}}`},
		"readiness": {"vic", `{ instance(id: "{Group 1}") { inviting { allowed obstacles { code request contacts { name } reason retryAfter } } } }`,
			`{"instance":{"inviting":{"allowed":false,"obstacles":[{"code":"FORBIDDEN","request":"requestInvitations","contacts":[{"name":"Ada"}],"reason":null,"retryAfter":null}]}}}`},
		"members of an instance": {"ed", `{ instance(id: "{Group 1}") { members { totalCount nodes { user { name } role } } } }`,
			`{"instance":{"members":{"totalCount":2,"nodes":[{"user":{"name":"Ed"},"role":"EDITOR"},{"user":{"name":"Vic"},"role":"VIEWER"}]}}}`},
		"members of a space": {"ada", `{ space(id: "{space}") { members { totalCount nodes { user { name } roles } } } }`,
			`{"space":{"members":{"totalCount":3,"nodes":[{"user":{"name":"Ada"},"roles":["SPACE_ADMINISTRATOR"]},{"user":{"name":"Ed"},"roles":["INSTANCE_EDITOR"]},{"user":{"name":"Vic"},"roles":["INSTANCE_VIEWER"]}]}}}`},
		"empty lists": {"ada", `{ space(id: "{space}") { invitations { totalCount } requests { totalCount } auditLog { totalCount } } instance(id: "{Group 1}") { invitations(status: PENDING) { nodes { id } } } viewer { invitations { totalCount } requests { totalCount } requestsToAnswer { totalCount } } }`,
			`{"space":{"invitations":{"totalCount":0},"requests":{"totalCount":0},"auditLog":{"totalCount":0}},"instance":{"invitations":{"nodes":[]}},"viewer":{"invitations":{"totalCount":0},"requests":{"totalCount":0},"requestsToAnswer":{"totalCount":0}}}`},
		"an unknown token": {"", `{ invitation(token: "unknown") { email } }`, `{"invitation":null}`},
		"checked addresses": {"ada", `{ checkEmails(emails: ["Zoe <zoe@new.example>", "myemail@.uni.edu.com"]) { index email valid reason suggestion } }`,
			`{"checkEmails":[{"index":0,"email":"zoe@new.example","valid":true,"reason":null,"suggestion":null},{"index":1,"email":null,"valid":false,"reason":"DOMAIN_LABEL_EMPTY","suggestion":"myemail@uni.edu.com"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := a
			b.t = t
			got := b.ask(test.who, test.operation)
			if !sameJSON(t, got, `{"data":`+test.want+`}`) {
				t.Errorf("%s returned\n%s, want\n%s", test.operation, got, test.want)
			}
		})
	}
}

// sameJSON compares two JSON texts as values.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	decode := func(text string) (value any) {
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return value
	}
	return reflect.DeepEqual(decode(got), decode(want))
}

// Operations that are refused say so with a code, before or in the domain.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for name, test := range map[string]struct{ who, operation, code string }{
		"without a token":            {"", `{ viewer { name } }`, "UNAUTHENTICATED"},
		"not GraphQL":                {"ada", `{`, "GRAPHQL_PARSE_FAILED"},
		"not in the schema":          {"ada", `{ nothing }`, "GRAPHQL_VALIDATION_FAILED"},
		"introspection":              {"ada", `{ __schema { types { name } } }`, "GRAPHQL_VALIDATION_FAILED"},
		"too deep a cost":            {"ada", `{ viewer { spaces(first: 100) { nodes { instances(first: 100) { nodes { members(first: 100) { nodes { role } } } } } } } }`, "QUERY_TOO_COMPLEX"},
		"too large a page":           {"ada", `{ viewer { spaces(first: 101) { nodes { name } } } }`, "BAD_USER_INPUT"},
		"a cursor of another list":   {"ada", `{ viewer { spaces(after: "x") { nodes { name } } } }`, "BAD_USER_INPUT"},
		"no role for the mutation":   {"vic", `mutation { inviteUsers(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["a@new.example"]}) { results { email } } }`, "FORBIDDEN"},
		"a place that is not seen":   {"sam", `mutation { deleteInstance(input: {instanceId: "{Group 1}"}) { deleted } }`, "NOT_FOUND"},
		"the Distributed instance":   {"ada", `mutation { inviteUsers(input: {instanceId: "{Distributed}", role: VIEWER, emails: ["a@new.example"]}) { results { email } } }`, "INSTANCE_DISTRIBUTED"},
		"a protected instance":       {"ada", `mutation { deleteInstance(input: {instanceId: "{Master}"}) { deleted } }`, "INSTANCE_PROTECTED"},
		"an invalid address":         {"ada", `mutation { inviteUsers(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["@"]}) { results { email } } }`, "INVALID_EMAIL"},
		"no instance of a roster":    {"ada", `mutation { syncRoster(input: {spaceId: "{space}", entries: [{email: "a@new.example", role: VIEWER, instance: {}}]}) { results { email } } }`, "GRAPHQL_VALIDATION_FAILED"},
		"a name of spaces":           {"ada", `mutation { createInstance(input: {spaceId: "{space}", name: " "}) { instance { name } } }`, "BAD_USER_INPUT"},
		"a token without invitation": {"ada", `mutation { acceptInvitation(input: {token: "unknown"}) { invitation { id } } }`, "INVITATION_NOT_USABLE"},
		"an unknown request":         {"ada", `mutation { approveRequest(input: {requestId: "request_7"}) { request { id } } }`, "NOT_FOUND"},
		"@defer":                     {"ada", `{ viewer { ... @defer { name } } }`, "GRAPHQL_VALIDATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := a
			b.t = t
			got := b.ask(test.who, test.operation)
			if !strings.Contains(got, `"code":"`+test.code+`"`) {
				t.Errorf("%s returned %s, want %s", test.operation, got, test.code)
			}
		})
	}
}

// Every mutation reaches its service: the life of an invitation, of an instance
// and of a request, each step by the person who may.
func TestMutations(t *testing.T) {
	t.Parallel()
	a := newAPI(t)

	zoe := a.ok("ada", `mutation { inviteUsers(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["zoe@new.example"]}) { instance { name } results { outcome invitation { id delivery { status } instance { name } space { name } } } } }`, "id")
	a.ok("ada", `mutation { resendInvitations(input: {invitationIds: ["`+zoe+`"]}) { results { outcome } } }`, "outcome")
	token := a.world.Token("zoe@new.example")
	a.ok("", `{ invitation(token: "`+token+`") { email accepting { obstacles { code } } } }`, "email")
	a.ok("zoe@new.example", `{ viewer { invitations { nodes { email } } } }`, "email")
	a.ok("zoe@new.example", `mutation { acceptInvitation(input: {token: "`+token+`"}) { instance { name } invitation { status } } }`, "status")
	kim := a.ok("ada", `mutation { inviteSpaceAdministrators(input: {spaceId: "{space}", emails: ["kim@new.example", "lea@new.example"]}) { space { name } results { invitation { id } } } }`, "id")
	a.ok("ada", `mutation { revokeInvitations(input: {invitationIds: ["`+kim+`"]}) { results { outcome } } }`, "outcome")
	lea := a.world.Token("lea@new.example")
	a.ok("lea@new.example", `mutation { declineInvitation(input: {token: "`+lea+`"}) { invitation { status } } }`, "status")

	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	url := a.ok("ada", `mutation { createInviteLink(input: {instanceId: "{Group 1}", role: VIEWER, expiresAt: "`+tomorrow+`", maxUses: 5, allowedDomains: ["new.example"]}) { link { id state space { name } instance { name } ownInstance role maxUses uses createdBy { name } createdAt url } } }`, "url")
	course := a.ok("ada", `{ instance(id: "{Group 1}") { inviteLinks { totalCount nodes { id state } edges { cursor node { url } } } space { inviteLinks { nodes { id instance { name viewerRoles } } } } } }`, "id")
	_, onSlide, _ := strings.Cut(url, "#")
	a.ok("", `{ inviteLink(token: "`+onSlide+`") { state space { name organizationName } instanceName instance { id } role inviterName allowedDomains expiresAt url uses } }`, "inviterName")
	a.ok("", `mutation { joinByLink(input: {token: "`+onSlide+`", email: "uma@new.example"}) { email } }`, "email")
	a.ok("uma@new.example", `mutation { acceptInvitation(input: {token: "`+a.world.Token("uma@new.example")+`"}) { invitation { status } } }`, "status")
	a.ok("ada", `mutation { refreshInviteLink(input: {linkId: "`+course+`", maxUses: 3}) { link { state maxUses uses expiresAt } } }`, "state")
	a.ok("ada", `mutation { revokeInviteLink(input: {linkId: "`+course+`"}) { revoked link { state revokedAt } } }`, "state")
	own := a.ok("ada", `mutation { createInviteLink(input: {spaceId: "{space}", ownInstanceName: "Work", role: EDITOR, expiresAt: "`+tomorrow+`", maxUses: 5}) { link { ownInstance ownInstanceName instance { id } url } } }`, "url")
	_, onSlide, _ = strings.Cut(own, "#")
	a.ok("", `mutation { joinByLink(input: {token: "`+onSlide+`", email: "uma@new.example"}) { email } }`, "email")

	a.ok("ada", `mutation { changeMemberRole(input: {instanceId: "{Group 1}", userId: "{user:vic}", role: EDITOR, until: "2030-01-01T00:00:00Z"}) { previousRole member { role until } } }`, "previousRole")
	a.ok("ada", `mutation { changeMemberRole(input: {instanceId: "{Group 1}", userId: "{user:vic}", role: VIEWER, until: null}) { member { role until } } }`, "role")
	a.ok("zoe@new.example", `mutation { leaveInstance(input: {instanceId: "{Group 1}"}) { left __typename } }`, "__typename")
	a.ok("ada", `mutation { removeMember(input: {instanceId: "{Group 1}", userId: "{user:ed}"}) { removed __typename } }`, "__typename")
	a.ok("ada", `{ instance(id: "{Group 1}") { formerMembers { totalCount nodes { id user { name } roles since endedAt endedBy { name } reason reinstatableUntil reinstating { allowed } } } } space(id: "{space}") { formerMembers { nodes { id } } } }`, "reason")
	a.ok("ada", `mutation { reinstateMember(input: {instanceId: "{Group 1}", userId: "{user:ed}"}) { reinstated restoredRoleCount __typename } }`, "__typename")
	a.ok("ada", `mutation { removeMember(input: {instanceId: "{Group 1}", userId: "{user:ed}"}) { removed __typename } }`, "__typename")
	a.ok("ada", `mutation { createInstance(input: {spaceId: "{space}", name: "Group 9"}) { instance { name } } }`, "name")
	a.ok("ada", `mutation { syncRoster(input: {spaceId: "{space}", others: REMOVE, entries: [
		{email: "vic@uni.example", role: VIEWER, instance: {id: "{Group 1}"}},
		{email: "tom@new.example", name: "Tom", role: EDITOR, instance: {own: "Homework of {name}"}},
		{email: "tom@new.example", role: VIEWER, instance: {joint: "Group 9"}}]}) {
		space { name } createdInstances { id name members { totalCount } } removed { user { name } roles since } revoked { email status }
		results { index email outcome role previousRole invitation { id status delivery { status } } member { user { name } role } instance { name } } } }`, "outcome")
	a.ok("ada", `{ space(id: "{space}") { auditLog(first: 1) { nodes { summary emails roster { changes { kind email userId instanceId instanceName role previousRole } createdInstances } } } } }`, "summary")
	nina := a.ok("mia", `mutation { inviteOrganizationMembers(input: {organizationId: "{organization}", role: FACULTY, emails: ["nina@new.example"]}) { organization { name } results { index email outcome role previousRole invitation { id role organizationRole organization { name } space { name organizationName } delivery { status } } } } }`, "id")
	a.ok("nina@new.example", `mutation { acceptInvitation(input: {token: "`+a.world.Token("nina@new.example")+`"}) { organization { name viewerRoles } space { name } invitation { status } } }`, "status")
	a.ok("mia", `mutation { changeOrganizationRole(input: {organizationId: "{organization}", userId: "{user:nina@new.example}", role: MEMBER}) { previousRole changed member { role since user { name } } } }`, "role")
	a.ok("nina@new.example", `mutation { leaveOrganization(input: {organizationId: "{organization}"}) { left revokedInvitationCount __typename } }`, "__typename")
	a.ok("mia", `mutation { removeMember(input: {organizationId: "{organization}", userId: "{user:nina@new.example}"}) { removed __typename } }`, "__typename")
	a.ok("mia", `mutation { inviteSpaceAdministrators(input: {spaceId: "{space}", emails: ["olga@new.example"]}) { results { outcome } } }`, "outcome")
	a.ok("mia", `{ organization(id: "{organization}") { inviting { allowed } members { nodes { role user { name } } } invitations { nodes { id status organizationRole } } spaces { nodes { name inviting { allowed } invitations { nodes { email } } } } auditLog { nodes { action summary organizationRole previousOrganizationRole } } } }`, "summary")
	if nina == "" {
		t.Error("the invitation has no id")
	}
	a.ok("mia", `mutation { createSpace(input: {organizationId: "{organization}", name: "Statistics"}) { space { name } } }`, "name")
	a.ok("ada", `mutation { deleteInstance(input: {instanceId: "{Group 1}"}) { instance { name } deleted } }`, "name")
	a.ok("ada", `mutation { restoreInstance(input: {instanceId: "{Group 1}"}) { instance { name } restored } }`, "name")

	a.ok("ada", `mutation { deleteSpace(input: {spaceId: "{space}"}) { deleted space { name state deletedAt deletedBy { name } restorableUntil restoring { allowed } } } }`, "name")
	a.ok("ada", `{ viewer { spaces(state: DELETED) { nodes { name state } } } }`, "name")
	a.ok("mia", `{ organization(id: "{organization}") { spaces(state: DELETED) { nodes { name } } } }`, "name")
	space := a.ok("vic", `mutation { requestRestore(input: {spaceId: "{space}"}) { request { id kind spaceName instanceName space { name } } created } }`, "id")
	a.ok("vic", `mutation { withdrawRequest(input: {requestId: "`+space+`"}) { request { status } } }`, "status")
	a.ok("mia", `mutation { restoreSpace(input: {spaceId: "{space}"}) { restored space { name state deletedAt } } }`, "name")

	restore := a.ok("vic", `mutation { requestRestore(input: {instanceId: "{Group 2}", message: "My data is in it."}) { request { id kind } created } }`, "id")
	a.ok("ada", `mutation { approveRequest(input: {requestId: "`+restore+`"}) { request { status answeredBy { name } answer instance { name } space { name } } } }`, "status")
	role := a.ok("vic", `mutation { requestRole(input: {instanceId: "{Group 1}", role: INSTANCE_EDITOR}) { request { id role } } }`, "id")
	a.ok("ada", `mutation { declineRequest(input: {requestId: "`+role+`", message: "Not now."}) { request { status answer } } }`, "answer")
	people := a.ok("vic", `mutation { requestInvitations(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["noa@new.example"]}) { request { id emails approvedEmails } } }`, "id")
	a.ok("vic", `mutation { withdrawRequest(input: {requestId: "`+people+`"}) { request { status endReason } } }`, "status")

	faculty := a.ok("vic", `mutation { requestRole(input: {organizationId: "{organization}", role: ORGANIZATION_FACULTY}) { request { id role spaceName space { name } organizationName organization { name } } } }`, "id")
	a.ok("mia", `{ organization(id: "{organization}") { requests(status: OPEN) { totalCount nodes { kind organizationName } } } viewer { requestsToAnswer { nodes { role } } } }`, "role")
	a.ok("mia", `mutation { approveRequest(input: {requestId: "`+faculty+`"}) { request { status answeredBy { name } organization { viewerRoles } } } }`, "status")

	a.ok("ada", `{ space(id: "{space}") { auditLog { nodes { action summary actorName } } requests(status: DECLINED) { nodes { kind } } invitations { nodes { status } } } }`, "summary")
	a.ok("vic", `{ viewer { requests { nodes { kind status requestedBy { name } } } } }`, "kind")
}

// A subscription needs the role that its rule demands.
func TestSubscriptionNeedsItsRole(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	if got := a.ask("vic", `subscription { invitationChanged(instanceId: "{Group 1}") { change } }`); !strings.Contains(got, `"code":"FORBIDDEN"`) {
		t.Errorf("Vic may watch: %s", got)
	}
}
