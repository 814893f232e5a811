package tenant

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func execute(t *testing.T, db *postgres.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// place is an instance of the space in which everybody has their roles.
type place struct {
	id      globalid.ID
	name    string
	kind    Kind
	deleted bool
}

// person has one of the combinations of roles in the space.
type person struct {
	actor         User
	organization  string
	administrator bool
	memberships   map[string]InstanceRole // by the instance's name
}

func (p person) String() string {
	return fmt.Sprintf("organization %q, administrator %t, member of %v", p.organization, p.administrator, p.memberships)
}

// in returns the person's roles in an instance of the space.
func (p person) in(at place) facts {
	f := facts{organization: p.organization, administrator: p.administrator, kind: at.kind, membership: p.memberships[at.name]}
	for _, role := range p.memberships {
		f.edits = f.edits || role == Editor
		f.views = f.views || role == Viewer
	}
	return f
}

// populate makes a space, and people with every combination of roles in it. It also
// makes another space of the organization, and one of another organization, to
// which the roles must not extend.
func populate(t *testing.T, db *postgres.DB) (space globalid.ID, places []place, people []person) {
	t.Helper()
	organizations := []uuid.UUID{uuid.New(), uuid.New()}
	for i, id := range organizations {
		execute(t, db, `insert into organization (id, name) values ($1, $2)`, id, fmt.Sprint("organization ", i))
	}
	deleter := globalid.New(globalid.User)
	execute(t, db, `insert into account (id, email, email_key, name) values ($1, 'd@uni.example', 'd@uni.example', 'D')`, deleter.UUID)
	for i, organization := range []uuid.UUID{organizations[0], organizations[0], organizations[1]} {
		id := globalid.New(globalid.Space)
		made := []place{
			{globalid.New(globalid.Instance), "Master", Master, false},
			{globalid.New(globalid.Instance), "Distributed", Distributed, false},
			{globalid.New(globalid.Instance), "Group", Working, false},
			{globalid.New(globalid.Instance), "Former group", Working, true},
		}
		if err := db.InTx(t.Context(), func(tx *postgres.Tx) error {
			if _, err := tx.Exec(t.Context(), `insert into space (id, organization_id, name) values ($1, $2, $3)`,
				id.UUID, organization, fmt.Sprint("space ", i)); err != nil {
				return err
			}
			for _, at := range made {
				if _, err := tx.Exec(t.Context(), `
					insert into instance (id, space_id, name, kind, deleted_at, deleted_by, restorable_until)
					select $1, $2, $3, $4, d.at, case when $5 then $6::uuid end, d.at + interval '24 hours'
					from (select case when $5 then clock_timestamp() end as at) d`,
					at.id.UUID, id.UUID, at.name, string(at.kind), at.deleted, deleter.UUID); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			space, places = id, made
		}
	}

	roles := []InstanceRole{"", Editor, Viewer}
	for _, organization := range []string{"", "MANAGER", "FACULTY", "MEMBER"} {
		for _, administrator := range []bool{false, true} {
			for _, master := range roles[:2] {
				for _, distributed := range roles {
					for _, group := range roles {
						for _, former := range roles {
							p := person{User{ID: globalid.New(globalid.User)}, organization, administrator, map[string]InstanceRole{
								"Master": master, "Distributed": distributed, "Group": group, "Former group": former,
							}}
							people = append(people, p)
						}
					}
				}
			}
		}
	}
	if err := db.InTx(t.Context(), func(tx *postgres.Tx) error {
		for i, p := range people {
			if _, err := tx.Exec(t.Context(), `insert into account (id, email, email_key, name) values ($1, $2, $2, $2)`,
				p.actor.ID.UUID, fmt.Sprintf("p%d@uni.example", i)); err != nil {
				return err
			}
			if p.organization != "" {
				if _, err := tx.Exec(t.Context(), `insert into organization_member (organization_id, account_id, role) values ($1, $2, $3)`,
					organizations[0], p.actor.ID.UUID, p.organization); err != nil {
					return err
				}
			}
			if p.administrator {
				if _, err := tx.Exec(t.Context(), `insert into space_administrator (space_id, account_id) values ($1, $2)`,
					space.UUID, p.actor.ID.UUID); err != nil {
					return err
				}
			}
			for _, at := range places {
				if role := p.memberships[at.name]; role != "" {
					if _, err := tx.Exec(t.Context(), `insert into instance_member (instance_id, account_id, role) values ($1, $2, $3)`,
						at.id.UUID, p.actor.ID.UUID, string(role)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return space, places, people
}

// Reading one by one, listing and deriving agree for everybody.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	id, places, people := populate(t, db)
	page := relay.Page{First: 10, Total: true}
	for _, p := range people {
		space, err := FindSpace(ctx, db, p.actor, id)
		if err != nil || (space != nil) != p.in(places[0]).seesSpace() {
			t.Fatalf("%v finds the space %v, %v", p, space, err)
		}
		if space != nil {
			if diff := cmp.Diff(rolesWhere(p.in(places[0]).holdsSomewhere), names(space.ViewerRoles())); diff != "" {
				t.Errorf("%v: roles in the space: %s", p, diff)
			}
		}
		spaces, err := Spaces(ctx, db, p.actor, "", page)
		if err != nil || spaces.Total != len(spaces.Nodes) {
			t.Errorf("%v: %d spaces, a total of %d, %v", p, len(spaces.Nodes), spaces.Total, err)
		}
		wantSpaces := 0
		if space != nil {
			wantSpaces = 1
		}
		if p.organization == "MANAGER" {
			wantSpaces = 2
		}
		if len(spaces.Nodes) != wantSpaces {
			t.Errorf("%v sees %d spaces, want %d", p, len(spaces.Nodes), wantSpaces)
		}

		seen := map[State][]string{Active: {}, Deleted: {}}
		for _, at := range places {
			f := p.in(at)
			instance, err := FindInstance(ctx, db, p.actor, at.id)
			if err != nil || (instance != nil) != f.sees() {
				t.Errorf("%v finds %s %v, %v", p, at.name, instance, err)
			}
			if instance == nil {
				continue
			}
			if diff := cmp.Diff(rolesWhere(f.holds), names(instance.ViewerRoles())); diff != "" {
				t.Errorf("%v: roles in %s: %s", p, at.name, diff)
			}
			seen[instance.State()] = append(seen[instance.State()], at.name)
		}
		if space == nil {
			continue
		}
		for state, want := range map[State][]string{Active: seen[Active], Deleted: seen[Deleted], "": slices.Concat(seen[Active], seen[Deleted])} {
			list, err := space.Instances(ctx, db, p.actor, state, page)
			got := []string{}
			for _, i := range list.Nodes {
				got = append(got, i.Name)
				if diff := cmp.Diff(rolesWhere(p.in(placeOf(places, i.Name)).holds), names(i.ViewerRoles())); diff != "" {
					t.Errorf("%v: roles in %s as listed: %s", p, i.Name, diff)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil || list.Total != len(want) {
				t.Errorf("%v: instances in state %q, a total of %d, %v: %s", p, state, list.Total, err, diff)
			}
		}
	}
}

func placeOf(places []place, name string) place {
	return places[slices.IndexFunc(places, func(p place) bool { return p.name == name })]
}
