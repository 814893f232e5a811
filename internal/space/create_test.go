package space_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/organization"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// member adds a person to an organization; "" adds only the account.
func member(t *testing.T, db *postgres.DB, organization globalid.ID, name, role string) tenant.User {
	t.Helper()
	user := tenant.User{ID: globalid.New(globalid.User), Name: name, Email: strings.ToLower(name) + "@uni.example"}
	exec(t, db, `insert into account (id, email, email_key, name) values ($1, $2, $2, $3)`, user.ID.UUID, user.Email, name)
	if role != "" {
		exec(t, db, `insert into organization_member (organization_id, account_id, role) values ($1, $2, $3)`, organization.UUID, user.ID.UUID, role)
	}
	return user
}

func exec(t *testing.T, db *postgres.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// newOrganization creates the organization "University".
func newOrganization(t *testing.T, db *postgres.DB) globalid.ID {
	t.Helper()
	var id globalid.ID
	if err := db.InTx(t.Context(), func(tx *postgres.Tx) (err error) {
		id, _, err = organization.Ensure(t.Context(), tx, "University")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestWhoCanCreateSpaces(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	organization := newOrganization(t, db)
	spaces := &space.Service{DB: db}
	for name, test := range map[string]struct{ role, refusal string }{
		"Mia": {"MANAGER", ""}, "Fay": {"FACULTY", ""}, "Max": {"MEMBER", "FORBIDDEN"}, "Sam": {"", "NOT_FOUND"},
	} {
		actor := member(t, db, organization, name, test.role)
		created, err := spaces.Create(t.Context(), actor, space.CreateSpaceInput{OrganizationID: organization, Name: "Space of " + name})
		if got := testworld.Refusal(err); got != test.refusal {
			t.Errorf("%s: %q, want %q", name, got, test.refusal)
		}
		if err == nil && (created.Space.Name != "Space of "+name || !created.Space.EffectiveRoles().Has(tenant.SpaceAdministrator)) {
			t.Errorf("%s: %+v", name, created.Space)
		}
		for what, id := range map[string]globalid.ID{"an unknown id": globalid.New(globalid.Organization), "an id of another kind": {Kind: globalid.Space, UUID: organization.UUID}} {
			if _, err := spaces.Create(t.Context(), actor, space.CreateSpaceInput{OrganizationID: id, Name: "X"}); testworld.Refusal(err) != "NOT_FOUND" {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestCreatedSpaceHasItsInstancesAndItsAdministrator(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	organization := newOrganization(t, db)
	mia := member(t, db, organization, "Mia", "MANAGER")
	if _, err := (&space.Service{DB: db}).Create(t.Context(), mia, space.CreateSpaceInput{OrganizationID: organization, Name: "  Econo \t metrics "}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"account - mia@uni.example Mia",
		"administrator mia@uni.example of Econo metrics",
		"instance Distributed DISTRIBUTED of Econo metrics",
		"instance Master MASTER of Econo metrics",
		"organization University",
		"space Econo metrics of University",
	}, stored(t, db)); diff != "" {
		t.Error(diff)
	}
	var trail []string
	if err := db.Select(t.Context(), &trail, `select actor_name || ' ' || action || ' ' || space_name from audit_log`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Mia SPACE_CREATED Econo metrics"}, trail); diff != "" {
		t.Error(diff)
	}
}

// Spaces of one organization may have the same name, and the person who creates one
// does not learn of the others. A repeated request creates nothing.
func TestSpacesWithTheSameName(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	organization := newOrganization(t, db)
	mia := member(t, db, organization, "Mia", "MANAGER")
	spaces := &space.Service{DB: db}
	create := func(name string, key *string) (globalid.ID, string) {
		t.Helper()
		created, err := spaces.Create(t.Context(), mia, space.CreateSpaceInput{OrganizationID: organization, Name: name, IdempotencyKey: key})
		if created.Space == nil {
			return globalid.ID{}, testworld.Refusal(err)
		}
		return created.Space.ID, testworld.Refusal(err)
	}
	first, refusal := create("Econometrics", new("key"))
	if refusal != "" {
		t.Fatal(refusal)
	}
	if again, refusal := create("Econometrics", new("key")); again != first || refusal != "" {
		t.Errorf("the repeated request: %v, %q; want %v", again, refusal, first)
	}
	if second, refusal := create("Econometrics", nil); second == first || second.UUID == uuid.Nil || refusal != "" {
		t.Errorf("a second one: %v, %q", second, refusal)
	}
	if _, refusal := create("Finance", new("key")); refusal != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another request with the key: %q", refusal)
	}
	// The creator leaves the space to another administrator, and the organization to
	// another manager.
	other := member(t, db, organization, "Ada", "MANAGER")
	exec(t, db, `insert into space_administrator (space_id, account_id) values ($1, $2)`, first.UUID, other.ID.UUID)
	exec(t, db, `delete from space_administrator where space_id = $1 and account_id = $2`, first.UUID, mia.ID.UUID)
	exec(t, db, `update organization_member set role = 'FACULTY' where account_id = $1`, mia.ID.UUID)
	if again, refusal := create("Econometrics", new("key")); again != (globalid.ID{}) || refusal != "" {
		t.Errorf("after leaving: %v, %q", again, refusal)
	}
}

func TestInputIsValidated(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		in space.CreateSpaceInput
		ok bool
	}{
		"a name":          {space.CreateSpaceInput{Name: "Econometrics"}, true},
		"no name":         {space.CreateSpaceInput{Name: " \n"}, false},
		"a name too long": {space.CreateSpaceInput{Name: strings.Repeat("x", 201)}, false},
		"an empty key":    {space.CreateSpaceInput{Name: "Econometrics", IdempotencyKey: new("")}, false},
	} {
		if faults := test.in.Validate(); (len(faults) == 0) != test.ok {
			t.Errorf("%s: %v", what, faults)
		}
	}
}
