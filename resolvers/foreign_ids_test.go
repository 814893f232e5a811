package resolvers_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// foreignID is an operation with the id $id of something that the person must not know
// of. OWN_… are ids of things that Ada administrates.
type foreignID struct {
	at        string // the field and the place of the id in its arguments
	kind      globalid.Kind
	operation string
	// own says that the person may do it but for this id: the gateway locks what is
	// theirs. Only the foreign rows are locked beforehand, and only Ada asks.
	own bool
}

// foreignIDs has every argument that takes an id, alone and beside the person's own.
var foreignIDs = []foreignID{
	{at: "space id", kind: globalid.Space, operation: `query($id: ID!) { space(id: $id) { id } }`},
	{at: "instance id", kind: globalid.Instance, operation: `query($id: ID!) { instance(id: $id) { id } }`},
	{at: "instance id", kind: globalid.Instance, operation: `query($id: ID!) { own: instance(id: "OWN_INSTANCE") { id } instance(id: $id) { members { totalCount } } }`},

	{at: "organization id", kind: globalid.Organization, operation: `query($id: ID!) { organization(id: $id) { id } }`},
	{at: "organization id", kind: globalid.Organization, operation: `query($id: ID!) { own: organization(id: "OWN_ORGANIZATION") { id } organization(id: $id) { members { totalCount } } }`},

	{at: "createSpace input.organizationId", kind: globalid.Organization, operation: `createSpace(input: {organizationId: $id, name: "New", idempotencyKey: $key}) { space { id } }`},
	{at: "deleteSpace input.spaceId", kind: globalid.Space, operation: `deleteSpace(input: {spaceId: $id, idempotencyKey: $key}) { deleted }`},
	{at: "restoreSpace input.spaceId", kind: globalid.Space, operation: `restoreSpace(input: {spaceId: $id, idempotencyKey: $key}) { restored }`},
	{at: "createInstance input.spaceId", kind: globalid.Space, operation: `createInstance(input: {spaceId: $id, name: "New", idempotencyKey: $key}) { instance { id } }`},
	{at: "deleteInstance input.instanceId", kind: globalid.Instance, operation: `deleteInstance(input: {instanceId: $id, idempotencyKey: $key}) { deleted }`},
	{at: "restoreInstance input.instanceId", kind: globalid.Instance, operation: `restoreInstance(input: {instanceId: $id, idempotencyKey: $key}) { restored }`},

	{at: "inviteUsers input.instanceId", kind: globalid.Instance, operation: `inviteUsers(input: {instanceId: $id, role: VIEWER, emails: ["a@new.example"], idempotencyKey: $key}) { results { email } }`},
	{at: "inviteUsers input.instanceId", kind: globalid.Instance, operation: `inviteUsers(input: {instanceId: $id, role: VIEWER, emails: ["x"], idempotencyKey: $key}) { results { email } }`},
	{at: "inviteSpaceAdministrators input.spaceId", kind: globalid.Space, operation: `inviteSpaceAdministrators(input: {spaceId: $id, emails: ["a@new.example"], idempotencyKey: $key}) { results { email } }`},
	{at: "inviteOrganizationMembers input.organizationId", kind: globalid.Organization, operation: `inviteOrganizationMembers(input: {organizationId: $id, role: MEMBER, emails: ["a@new.example"], idempotencyKey: $key}) { results { email } }`},
	{at: "inviteOrganizationMembers input.organizationId", kind: globalid.Organization, operation: `inviteOrganizationMembers(input: {organizationId: $id, role: MEMBER, emails: ["x"], idempotencyKey: $key}) { results { email } }`},
	{at: "acceptInvitation input.invitationId", kind: globalid.Invitation, operation: `acceptInvitation(input: {invitationId: $id, idempotencyKey: $key}) { invitation { id } }`},
	{at: "declineInvitation input.invitationId", kind: globalid.Invitation, operation: `declineInvitation(input: {invitationId: $id, idempotencyKey: $key}) { invitation { id } }`},
	{at: "revokeInvitations input.invitationIds", kind: globalid.Invitation, operation: `revokeInvitations(input: {invitationIds: [$id], idempotencyKey: $key}) { results { index } }`},
	{at: "revokeInvitations input.invitationIds", kind: globalid.Invitation, operation: `revokeInvitations(input: {invitationIds: ["OWN_INVITATION", $id], idempotencyKey: $key}) { results { index } }`},
	{at: "resendInvitations input.invitationIds", kind: globalid.Invitation, operation: `resendInvitations(input: {invitationIds: [$id], idempotencyKey: $key}) { results { index } }`},
	{at: "resendInvitations input.invitationIds", kind: globalid.Invitation, operation: `resendInvitations(input: {invitationIds: [$id, "OWN_INVITATION"], idempotencyKey: $key}) { results { index } }`},
	{at: "createInviteLink input.instanceId", kind: globalid.Instance, operation: `createInviteLink(input: {instanceId: $id, role: VIEWER, expiresAt: "2100-01-01T00:00:00Z", maxUses: 1, idempotencyKey: $key}) { link { id } }`},
	{at: "createInviteLink input.spaceId", kind: globalid.Space, operation: `createInviteLink(input: {spaceId: $id, role: VIEWER, expiresAt: "2100-01-01T00:00:00Z", maxUses: 1, idempotencyKey: $key}) { link { id } }`},
	{at: "refreshInviteLink input.linkId", kind: globalid.Link, operation: `refreshInviteLink(input: {linkId: $id, idempotencyKey: $key}) { link { id } }`},
	{at: "revokeInviteLink input.linkId", kind: globalid.Link, operation: `revokeInviteLink(input: {linkId: $id, idempotencyKey: $key}) { revoked }`},
	{at: "invitationChanged instanceId", kind: globalid.Instance, operation: `subscription($id: ID!) { invitationChanged(instanceId: $id) { change } }`},

	{at: "changeMemberRole input.instanceId", kind: globalid.Instance, operation: `changeMemberRole(input: {instanceId: $id, userId: "OWN_USER", role: EDITOR, idempotencyKey: $key}) { changed }`},
	{at: "changeMemberRole input.userId", kind: globalid.User, own: true, operation: `changeMemberRole(input: {instanceId: "OWN_INSTANCE", userId: $id, role: EDITOR, idempotencyKey: $key}) { changed }`},
	{at: "removeMember input.instanceId", kind: globalid.Instance, operation: `removeMember(input: {instanceId: $id, userId: "OWN_USER", idempotencyKey: $key}) { removed }`},
	{at: "removeMember input.spaceId", kind: globalid.Space, operation: `removeMember(input: {spaceId: $id, userId: "OWN_USER", idempotencyKey: $key}) { removed }`},
	{at: "removeMember input.spaceId", kind: globalid.Space, operation: `removeMember(input: {spaceId: $id, userId: "ADA", sentInvitations: TAKE_OVER, idempotencyKey: $key}) { removed }`},
	{at: "removeMember input.userId", kind: globalid.User, own: true, operation: `removeMember(input: {instanceId: "OWN_INSTANCE", userId: $id, idempotencyKey: $key}) { removed revokedInvitationCount takenOverInvitationCount }`},
	{at: "removeMember input.userId", kind: globalid.User, own: true, operation: `removeMember(input: {spaceId: "OWN_SPACE", userId: $id, sentInvitations: TAKE_OVER, idempotencyKey: $key}) { removed revokedInvitationCount takenOverInvitationCount }`},
	{at: "changeOrganizationRole input.organizationId", kind: globalid.Organization, operation: `changeOrganizationRole(input: {organizationId: $id, userId: "OWN_USER", role: FACULTY, idempotencyKey: $key}) { changed }`},
	{at: "changeOrganizationRole input.userId", kind: globalid.User, own: true, operation: `changeOrganizationRole(input: {organizationId: "OWN_ORGANIZATION", userId: $id, role: FACULTY, idempotencyKey: $key}) { changed }`},
	{at: "removeMember input.organizationId", kind: globalid.Organization, operation: `removeMember(input: {organizationId: $id, userId: "OWN_USER", idempotencyKey: $key}) { removed }`},
	{at: "removeMember input.userId", kind: globalid.User, own: true, operation: `removeMember(input: {organizationId: "OWN_ORGANIZATION", userId: $id, idempotencyKey: $key}) { removed revokedInvitationCount takenOverInvitationCount }`},
	{at: "reinstateMember input.instanceId", kind: globalid.Instance, operation: `reinstateMember(input: {instanceId: $id, userId: "OWN_USER", idempotencyKey: $key}) { reinstated }`},
	{at: "reinstateMember input.spaceId", kind: globalid.Space, operation: `reinstateMember(input: {spaceId: $id, userId: "OWN_USER", idempotencyKey: $key}) { reinstated }`},
	{at: "reinstateMember input.organizationId", kind: globalid.Organization, operation: `reinstateMember(input: {organizationId: $id, userId: "OWN_USER", idempotencyKey: $key}) { reinstated }`},
	{at: "reinstateMember input.userId", kind: globalid.User, own: true, operation: `reinstateMember(input: {instanceId: "OWN_INSTANCE", userId: $id, idempotencyKey: $key}) { reinstated }`},
	{at: "reinstateMember input.userId", kind: globalid.User, own: true, operation: `reinstateMember(input: {spaceId: "OWN_SPACE", userId: $id, idempotencyKey: $key}) { reinstated }`},
	{at: "reinstateMember input.userId", kind: globalid.User, own: true, operation: `reinstateMember(input: {organizationId: "OWN_ORGANIZATION", userId: $id, idempotencyKey: $key}) { reinstated }`},
	{at: "Instance.removing userId", kind: globalid.User, own: true, operation: `query($id: ID!) { instance(id: "OWN_INSTANCE") { removing(userId: $id) { allowed obstacles { message } } } }`},
	{at: "Space.removing userId", kind: globalid.User, own: true, operation: `query($id: ID!) { space(id: "OWN_SPACE") { removing(userId: $id) { allowed obstacles { message } } } }`},
	{at: "Organization.removing userId", kind: globalid.User, own: true, operation: `query($id: ID!) { organization(id: "OWN_ORGANIZATION") { removing(userId: $id) { allowed obstacles { message } } } }`},
	{at: "leaveOrganization input.organizationId", kind: globalid.Organization, operation: `leaveOrganization(input: {organizationId: $id, idempotencyKey: $key}) { left }`},
	{at: "leaveInstance input.instanceId", kind: globalid.Instance, operation: `leaveInstance(input: {instanceId: $id, idempotencyKey: $key}) { left }`},

	{at: "syncRoster input.spaceId", kind: globalid.Space, operation: `syncRoster(input: {spaceId: $id, entries: [{email: "a@new.example", role: VIEWER, instance: {joint: "New"}}], idempotencyKey: $key}) { results { email } }`},
	{at: "syncRoster input.spaceId", kind: globalid.Space, operation: `syncRoster(input: {spaceId: $id, entries: [{email: "x", role: VIEWER, instance: {id: "OWN_INSTANCE"}}], validateOnly: true, idempotencyKey: $key}) { results { email } }`},
	{at: "syncRoster input.entries.instance.id", kind: globalid.Instance, own: true, operation: `syncRoster(input: {spaceId: "OWN_SPACE", entries: [{email: "a@new.example", role: VIEWER, instance: {id: $id}}], idempotencyKey: $key}) { results { email } }`},
	{at: "syncRoster input.entries.instance.id", kind: globalid.Instance, own: true, operation: `syncRoster(input: {spaceId: "OWN_SPACE", entries: [{email: "x", role: VIEWER, instance: {id: "OWN_INSTANCE"}}, {email: "a@new.example", role: VIEWER, instance: {id: $id}}], others: REMOVE, validateOnly: true, idempotencyKey: $key}) { results { email } }`},

	{at: "requestRole input.instanceId", kind: globalid.Instance, operation: `requestRole(input: {instanceId: $id, role: INSTANCE_EDITOR, idempotencyKey: $key}) { created }`},
	{at: "requestRole input.spaceId", kind: globalid.Space, operation: `requestRole(input: {spaceId: $id, role: SPACE_ADMINISTRATOR, idempotencyKey: $key}) { created }`},
	{at: "requestRole input.organizationId", kind: globalid.Organization, operation: `requestRole(input: {organizationId: $id, role: ORGANIZATION_FACULTY, idempotencyKey: $key}) { created }`},
	{at: "requestInvitations input.instanceId", kind: globalid.Instance, operation: `requestInvitations(input: {instanceId: $id, role: VIEWER, emails: ["x"], idempotencyKey: $key}) { created }`},
	{at: "requestRestore input.instanceId", kind: globalid.Instance, operation: `requestRestore(input: {instanceId: $id, idempotencyKey: $key}) { created }`},
	{at: "requestRestore input.spaceId", kind: globalid.Space, operation: `requestRestore(input: {spaceId: $id, idempotencyKey: $key}) { created }`},
	{at: "approveRequest input.requestId", kind: globalid.Request, operation: `approveRequest(input: {requestId: $id, idempotencyKey: $key}) { request { id } }`},
	{at: "declineRequest input.requestId", kind: globalid.Request, operation: `declineRequest(input: {requestId: $id, idempotencyKey: $key}) { request { id } }`},
	{at: "withdrawRequest input.requestId", kind: globalid.Request, operation: `withdrawRequest(input: {requestId: $id, idempotencyKey: $key}) { request { id } }`},
}

// idArguments returns every place in the arguments of fields that takes an id: of root
// fields by their name, of others with their type.
func idArguments() (places []string) {
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	var walk func(path string, of *ast.Type, outer []string)
	walk = func(path string, of *ast.Type, outer []string) {
		if of.Name() == "ID" {
			places = append(places, path)
		}
		if slices.Contains(outer, of.Name()) {
			return // an input in itself
		}
		for _, f := range schema.Types[of.Name()].Fields {
			walk(path+"."+f.Name, f.Type, append(outer, of.Name()))
		}
	}
	for name, definition := range schema.Types {
		if strings.HasPrefix(name, "__") || definition.Kind != ast.Object {
			continue
		}
		of := name + "."
		if slices.Contains([]*ast.Definition{schema.Query, schema.Mutation, schema.Subscription}, definition) {
			of = ""
		}
		for _, field := range definition.Fields {
			for _, a := range field.Arguments {
				walk(of+field.Name+" "+a.Name, a.Type, nil)
			}
		}
	}
	return places
}

func TestEveryArgumentWithAnIDIsSentForeignOnes(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, c := range foreignIDs {
		tried[c.at] = true
	}
	for _, place := range idArguments() {
		if !tried[place] {
			t.Errorf("%s takes an id, and nobody has shown that a foreign one answers like an unknown one: add an operation to foreignIDs in foreign_ids_test.go", place)
		}
		delete(tried, place)
	}
	for place := range tried {
		t.Errorf("foreignIDs has %s, which the schema does not have", place)
	}
}

// foreignWorld is a world with an organization that nobody of the demo world belongs to.
type foreignWorld struct {
	api
	locker  *postgres.DB // of the superuser
	actors  map[string]access.Actor
	foreign map[globalid.Kind][]globalid.ID
	own     *strings.Replacer
}

func newForeignWorld(t *testing.T) *foreignWorld {
	t.Helper()
	world := testworld.New(t)
	var err error
	if world.DB, err = postgres.Open(world.GatewayDSN(), postgres.Options{MaxConnections: 4, StatementTimeout: time.Minute, Statement: recordStatement}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { world.DB.Close() })
	w := &foreignWorld{api: newAPIOn(t, world), locker: world.Open(world.DSN)}
	organization := world.NewOrganization("Elsewhere")
	space := world.NewSpace(organization, "Abroad")
	away, deleted := world.NewInstance(space, "Away"), world.NewInstance(space, "Former")
	fay, gus := world.User("fay@else.example"), world.User("gus@else.example")
	world.Grant(fay, tenant.SpaceAdministrator, space)
	world.Grant(gus, tenant.InstanceViewer, away)
	world.Grant(gus, tenant.InstanceViewer, deleted)
	world.DeleteInstance(deleted, fay)
	world.Exec(`insert into ended_membership (removal, account_id, instance_id, role, since, reason) values ($1, $2, $3, 'VIEWER', clock_timestamp(), 'REMOVED')`,
		uuid.New(), fay.ID.UUID, away.UUID)
	own := world.NewOrganization("Own")
	world.Grant(world.User("ada"), tenant.OrganizationManager, own)
	world.Grant(fay, tenant.OrganizationManager, organization)
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	for who, operations := range map[string][]string{
		"fay@else.example": {
			`inviteUsers(input: {instanceId: "` + away.String() + `", role: VIEWER, emails: ["hal@else.example"]}) { results { index } }`,
			`createInviteLink(input: {instanceId: "` + away.String() + `", role: VIEWER, expiresAt: "` + tomorrow + `", maxUses: 1}) { link { id } }`,
			`createInviteLink(input: {spaceId: "` + space.String() + `", role: VIEWER, expiresAt: "` + tomorrow + `", maxUses: 1}) { link { id } }`,
			`inviteSpaceAdministrators(input: {spaceId: "` + space.String() + `", emails: ["ida@else.example"]}) { results { index } }`,
			`inviteOrganizationMembers(input: {organizationId: "` + organization.String() + `", role: MEMBER, emails: ["jan@else.example"]}) { results { index } }`},
		"gus@else.example": {
			`requestRole(input: {instanceId: "` + away.String() + `", role: INSTANCE_EDITOR}) { created }`,
			`requestRole(input: {spaceId: "` + space.String() + `", role: SPACE_ADMINISTRATOR}) { created }`,
			`requestRestore(input: {instanceId: "` + deleted.String() + `"}) { created }`},
		"ada": {
			`inviteUsers(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["zoe@new.example"]}) { results { index } }`,
			`allowInvitations(input: {idempotencyKey: "used"}) { viewer { id } }`},
		"sam": {`allowInvitations(input: {idempotencyKey: "used"}) { viewer { id } }`},
	} {
		for _, operation := range operations {
			if answer := w.ask(who, `mutation { `+operation+` }`); strings.Contains(answer, `"errors"`) {
				t.Fatal(answer)
			}
		}
	}
	w.foreign = map[globalid.Kind][]globalid.ID{
		globalid.Organization: {organization},
		globalid.Space:        {space},
		globalid.Instance:     {away, deleted},
		globalid.User:         {fay.ID, gus.ID},
		globalid.Invitation:   {world.Invitation("hal@else.example"), world.Invitation("ida@else.example"), world.Invitation("jan@else.example")},
		globalid.Link:         w.ids(globalid.Link, `select id::text from invite_link order by id`),
		globalid.Request:      w.ids(globalid.Request, `select id::text from request order by id`),
		globalid.FormerMember: w.ids(globalid.FormerMember, `select id::text from ended_membership order by id`),
		globalid.AuditEntry:   w.ids(globalid.AuditEntry, `select id::text from audit_log where space_name = 'Abroad' order by id limit 1`),
	}
	// Reading them later could wait for a lock of the test.
	w.actors = map[string]access.Actor{"ada": world.User("ada"), "sam": world.User("sam"), "gus": gus}
	w.own = strings.NewReplacer("OWN_ORGANIZATION", own.String(), "OWN_INSTANCE", world.Instance("Group 1").String(), "OWN_SPACE", world.Space(testworld.Econometrics).String(),
		"OWN_INVITATION", world.Invitation("zoe@new.example").String(), "OWN_USER", world.User("vic").ID.String(), "ADA", world.User("ada").ID.String())
	return w
}

func (w *foreignWorld) ids(kind globalid.Kind, query string) (ids []globalid.ID) {
	w.t.Helper()
	for _, id := range w.world.Lines(query) {
		ids = append(ids, globalid.ID{Kind: kind, UUID: uuid.MustParse(id)})
	}
	return ids
}

// whileLocked calls do while another transaction holds the locks of a statement.
func (w *foreignWorld) whileLocked(lock string, do func()) {
	w.t.Helper()
	rollback := errors.New("rollback")
	err := w.locker.InTx(w.t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(w.t.Context(), lock); err != nil {
			return err
		}
		do()
		return rollback
	})
	if !errors.Is(err, rollback) {
		w.t.Fatal(err)
	}
}

const (
	// lockAll lets others read, and makes everybody wait who changes or locks a row of
	// any table.
	lockAll = `do $$ declare tables text; begin
		select string_agg(format('%I', table_name), ', ') into tables from information_schema.tables
		where table_schema = 'public' and table_type = 'BASE TABLE';
		execute 'lock table ' || tables || ' in exclusive mode';
	end $$`

	// lockForeign locks the rows of all that is foreign.
	lockForeign = `do $$ begin
		perform from organization where name = 'Elsewhere' for update;
		perform from space where name = 'Abroad' for update;
		perform from instance where name in ('Away', 'Former') for update;
		perform from account where email like '%@else.example' for update;
		perform from instance_member m join account a on a.id = m.account_id where a.email like '%@else.example' for update of m;
		perform from organization_member m join account a on a.id = m.account_id where a.email like '%@else.example' for update of m;
		perform from space_administrator m join account a on a.id = m.account_id where a.email like '%@else.example' for update of m;
		perform from invitation where email like '%@else.example' for update;
		perform from request r join account a on a.id = r.requested_by where a.email like '%@else.example' for update of r;
	end $$`
)

// statements are those of one operation.
type statements struct {
	mu   sync.Mutex // resolvers run at the same time
	list []string
}

type statementsKey struct{}

// recordStatement adds a statement to those of its context.
func recordStatement(ctx context.Context, statement string) func(error) {
	if s, ok := ctx.Value(statementsKey{}).(*statements); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, statement)
	}
	return func(error) {}
}

// observed is an answer and the statements behind it.
type observed struct {
	Answer     string
	Statements []string
}

// observe executes an operation as somebody.
func (w *foreignWorld) observe(who, operation string, variables map[string]any) observed {
	w.t.Helper()
	var behind statements
	ctx := access.WithActor(context.WithValue(w.t.Context(), statementsKey{}, &behind), w.actors[who])
	text, err := json.Marshal(execute(ctx, w.exec, operation, variables))
	if err != nil {
		w.t.Fatal(err)
	}
	return observed{string(text), behind.list}
}

// A foreign id, an unknown and a malformed one have the same answer, after the same
// statements. None of these waits for a lock, and so none locks anything before it is
// decided what the person may.
func TestForeignIDsAnswerLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	w := newForeignWorld(t)
	for _, c := range foreignIDs {
		operation := c.operation
		if strings.Contains(operation, "$key") {
			operation = `mutation($id: ID!, $key: String) { ` + operation + ` }`
		}
		operation = w.own.Replace(operation)
		ids := []string{globalid.New(c.kind).String()}
		for _, id := range w.foreign[c.kind] {
			ids = append(ids, id.String())
		}
		ids = append(ids, "x", "", "audit_"+strings.Repeat("0", 31)+"1", string(c.kind)+"_"+strings.Repeat("0", 32))
		people, keys, lock := []string{"ada", "sam"}, []string{"none", "new", "used"}, lockAll
		if c.own {
			people, lock = people[:1], lockForeign
		}
		if !strings.Contains(operation, "$key") {
			keys = keys[:1]
		}
		for _, who := range people {
			for _, key := range keys {
				answers := make([]observed, len(ids))
				w.whileLocked(lock, func() {
					for i, id := range ids {
						variables := map[string]any{"id": id}
						switch key {
						case "new":
							variables["key"] = uuid.NewString()
						case "used":
							variables["key"] = "used"
						}
						answers[i] = w.observe(who, operation, variables)
					}
				})
				name := fmt.Sprintf("%s by %s, key: %s: %s", c.at, who, key, c.operation)
				unknown := answers[0]
				if !c.own && strings.Count(unknown.Answer, `"code"`) != strings.Count(unknown.Answer, `"code":"NOT_FOUND"`) || len(unknown.Statements) == 0 {
					t.Errorf("%s: an unknown id: %s after %d statements", name, unknown.Answer, len(unknown.Statements))
				}
				for i, id := range ids[1:] {
					if diff := cmp.Diff(unknown, answers[i+1]); diff != "" {
						t.Errorf("%s: %q answers unlike an unknown id (-unknown +this): %s", name, id, diff)
					}
				}
			}
		}
	}
}

// A request with an address that is not valid is refused by what one statement reads,
// which waits for nobody, once the person is known to have the right to invite.
func TestInvalidAddressesAreRefusedWithoutLocks(t *testing.T) {
	t.Parallel()
	w := newForeignWorld(t)
	for _, operation := range []string{
		`inviteUsers(input: {instanceId: "OWN_INSTANCE", role: VIEWER, emails: ["a@new.example", "x"], idempotencyKey: $key}) { results { email } }`,
		`inviteSpaceAdministrators(input: {spaceId: "OWN_SPACE", emails: ["a@new.example", "x"], idempotencyKey: $key}) { results { email } }`,
	} {
		refuse := `mutation($key: String) { ` + w.own.Replace(operation) + ` }`
		w.observe("ada", refuse, nil)
		for key, code := range map[any]string{nil: "INVALID_EMAIL", "new": "INVALID_EMAIL", "used": "IDEMPOTENCY_KEY_REUSED"} {
			w.whileLocked(lockAll, func() {
				got := w.observe("ada", refuse, map[string]any{"key": key})
				if !strings.Contains(got.Answer, `"code":"`+code+`"`) || len(got.Statements) != 1 {
					t.Errorf("key %v: %s after %d statements: %s", key, got.Answer, len(got.Statements), got.Statements)
				}
			})
		}
	}
}

// A cursor is a place in the person's own list: what it names need not exist, and may
// be anybody's.
func TestForeignCursorsAnswerLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	w := newForeignWorld(t)
	within := map[string]string{
		"User":         `{ viewer { FIELD } }`,
		"Organization": `{ organization(id: "OWN_ORGANIZATION") { FIELD } }`,
		"Space":        `{ space(id: "OWN_SPACE") { FIELD } }`,
		"Instance":     `{ instance(id: "OWN_INSTANCE") { FIELD } }`,
	}
	ofPeople := []string{"InstanceMember", "SpaceMember", "OrganizationMember"}
	for name, definition := range graph.NewExecutableSchema(graph.Config{}).Schema().Types {
		for _, field := range definition.Fields {
			if definition.Kind != ast.Object || field.Arguments.ForName("after") == nil {
				continue
			}
			if within[name] == "" {
				t.Errorf("%s.%s takes a cursor, and nobody has shown that a foreign one answers like an unknown one: add a way to %s to within in foreign_ids_test.go", name, field.Name, name)
				continue
			}
			node := strings.TrimSuffix(field.Type.Name(), "Connection")
			kind := globalid.Kind(strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(node), "entry"), "invite"))
			if slices.Contains(ofPeople, node) {
				kind = globalid.User
			}
			if node == "FormerMember" {
				kind = globalid.FormerMember
			}
			query := w.own.Replace(`query($after: String) ` + strings.ReplaceAll(within[name], "FIELD", field.Name+`(after: $after) { totalCount nodes { __typename } pageInfo { hasNextPage hasPreviousPage } }`))
			if len(w.foreign[kind]) == 0 {
				t.Errorf("%s.%s: there is no foreign %s", name, field.Name, kind)
			}
			for _, foreign := range w.foreign[kind] {
				unknown := foreign
				unknown.UUID[15] ^= 1 // beside it in every order
				var answers [2]observed
				w.whileLocked(lockAll, func() {
					for i, id := range []globalid.ID{foreign, unknown} {
						answers[i] = w.observe("ada", query, map[string]any{"after": base64.RawURLEncoding.EncodeToString([]byte(id.String()))})
					}
				})
				if diff := cmp.Diff(answers[0], answers[1]); diff != "" || strings.Contains(answers[0].Answer, `"errors"`) {
					t.Errorf("%s.%s after %s: %s %s", name, field.Name, foreign, answers[0].Answer, diff)
				}
			}
		}
	}
}

// A person who has lost the role and sends an executed request again waits for nobody:
// what it is about is foreign by now.
func TestRepeatedRequestLocksNothingAfterTheRoleIsLost(t *testing.T) {
	t.Parallel()
	w := newForeignWorld(t)
	gus, away := w.world.User("gus@else.example"), w.foreign[globalid.Instance][0]
	w.world.Grant(gus, tenant.InstanceEditor, away)
	deletion := `mutation { deleteInstance(input: {instanceId: "` + away.String() + `", idempotencyKey: "1"}) { deleted } }`
	if deleted := w.observe("gus", deletion, nil); strings.Contains(deleted.Answer, `"errors"`) {
		t.Fatal(deleted.Answer)
	}
	w.world.Exec(`delete from instance_member where account_id = $1`, gus.ID.UUID)
	w.whileLocked(lockForeign, func() {
		if repeated := w.observe("gus", deletion, nil); !strings.Contains(repeated.Answer, `"NOT_FOUND"`) {
			t.Error(repeated.Answer)
		}
	})
}
