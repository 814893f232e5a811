package tenant

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

// Reading many people's roles at once returns what each person's own reading
// returns.
func TestEffectiveRolesOf(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	_, places, people := populate(t, db)
	var pairs []UserInInstance
	var want []Roles
	for i, p := range people {
		if i%7 != 0 { // a sample: all of them take long
			continue
		}
		for _, at := range places {
			instance, err := FindInstance(t.Context(), db, p.actor, at.id)
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, UserInInstance{p.actor.ID, at.id})
			if instance == nil {
				want = append(want, 0)
			} else {
				want = append(want, instance.Roles)
			}
		}
	}
	for _, nothing := range []globalid.ID{{}, globalid.New(globalid.Instance), {Kind: globalid.Space, UUID: places[0].id.UUID}} {
		pairs, want = append(pairs, UserInInstance{people[0].actor.ID, nothing}), append(want, 0)
	}
	got, err := EffectiveRolesOf(t.Context(), db, pairs)
	if err != nil {
		t.Fatal(err)
	}
	const visible = Roles(1<<SpaceAdministrator | 1<<InstanceEditor | 1<<InstanceViewer)
	for i, s := range pairs {
		// Who does not see an instance can have a role in its organization.
		if got[i]&visible != want[i]&visible || want[i] != 0 && got[i] != want[i] {
			t.Errorf("%+v: %v, want %v", s, got[i].List(), want[i].List())
		}
	}
	if none, err := EffectiveRolesOf(t.Context(), db, nil); len(none) != 0 || err != nil {
		t.Errorf("%v, %v", none, err)
	}
}

// Every kind of id stands for its place, and for nothing else.
func TestFindPlaces(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	space, places, people := populate(t, db)
	var administrator, stranger User
	for _, p := range people {
		switch {
		case p.administrator && p.organization == "MANAGER":
			administrator = p.actor
		case !p.administrator && p.organization == "" && p.memberships["Master"] == "" && p.memberships["Distributed"] == "" && p.memberships["Group"] == "" && p.memberships["Former group"] == "":
			stranger = p.actor
		}
	}
	toInstance, toSpace := globalid.New(globalid.Invitation), globalid.New(globalid.Invitation)
	execute(t, db, `insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		values ($1, $2, 'z@new.example', 'z@new.example', 'VIEWER', sha256('1'), $3, now())`, toInstance.UUID, places[2].id.UUID, administrator.ID.UUID)
	execute(t, db, `insert into invitation (id, space_id, email, email_key, token_hash, invited_by, expires_at)
		values ($1, $2, 'z@new.example', 'z@new.example', sha256('2'), $3, now())`, toSpace.UUID, space.UUID, administrator.ID.UUID)
	found, err := FindSpace(t.Context(), db, administrator, space)
	if err != nil {
		t.Fatal(err)
	}
	organization := found.Organization.ID
	ids := []globalid.ID{organization, space, toInstance, toSpace, {}, globalid.New(globalid.Instance), globalid.New(globalid.Invitation), administrator.ID,
		{Kind: globalid.Space, UUID: places[0].id.UUID}}
	for actor, want := range map[User][]globalid.ID{administrator: {organization, space, places[2].id, space, {}, {}, {}, {}, {}}, stranger: make([]globalid.ID, len(ids))} {
		of, err := FindPlaces(t.Context(), db, actor, ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			var got globalid.ID
			switch p := of[id].(type) {
			case *Organization:
				got = p.ID
			case *Space:
				got = p.ID
			case *Instance:
				got = p.ID
			}
			if got != want[i] {
				t.Errorf("%v stands for %v, want %v", id, got, want[i])
			}
		}
		// The place of an invitation was not asked for.
		if of[places[2].id] != nil {
			t.Error("an instance was found by an invitation's id")
		}
	}
}

// The conditions in SQL say of every person, place and set of roles what reading
// the place says.
func TestHasRoleInInstanceAndInSpace(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	space, places, people := populate(t, db)
	sets := []Roles{0, RolesOf(AllRoles()...), RolesOf(AllRoles()...) &^ rolesInOrganizations}
	for _, r := range AllRoles() {
		sets = append(sets, RolesOf(r))
	}
	for _, roles := range sets {
		for _, at := range places {
			var has []uuid.UUID
			err := db.Select(t.Context(), &has, `
				select a.id from account a, instance i join space s on s.id = i.space_id
				where i.id = $1 and `+HasRoleInInstance("a.id", roles), at.id.UUID)
			if err != nil {
				t.Fatal(err)
			}
			pairs := make([]UserInInstance, len(people))
			for i, p := range people {
				pairs[i] = UserInInstance{p.actor.ID, at.id}
			}
			effective, err := EffectiveRolesOf(t.Context(), db, pairs)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range people {
				if got, want := slices.Contains(has, p.actor.ID.UUID), effective[i]&roles != 0; got != want {
					t.Fatalf("%v in an instance of the kind %s: %t, want %t: %v", roles.List(), at.kind, got, want, effective[i].List())
				}
			}
		}
		var has []uuid.UUID
		if err := db.Select(t.Context(), &has, `select a.id from account a, space s where s.id = $1 and `+HasRoleInSpace("a.id", roles), space.UUID); err != nil {
			t.Fatal(err)
		}
		for i, p := range people {
			if i%7 != 0 { // a sample: all of them take long
				continue
			}
			var rows []spaceRow
			if err := db.Select(t.Context(), &rows, `select `+spaceColumns+` from `+spaceTables+` where s.id = $2`, p.actor.ID.UUID, space.UUID); err != nil {
				t.Fatal(err)
			}
			held := rows[0].space().EffectiveRoles()
			if got, want := slices.Contains(has, p.actor.ID.UUID), held&roles != 0; got != want {
				t.Fatalf("%v in the space: %t, want %t: %v", roles.List(), got, want, held.List())
			}
		}
	}
}
