package access_test

import (
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Several transactions hold Shared; Exclusive excludes all others. Of the roles,
// the actor's own are locked.
func TestLockExcludesOthers(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	group1, group2, space, organization := w.Instance("Group 1"), w.Instance("Group 2"), w.Space(testworld.Econometrics), w.Organization("University of Example")
	ed, ada, mia := w.User("ed"), w.User("ada"), w.User("mia")
	const (
		instance = `select from instance where id = $1 for `
		ofSpace  = `select from space where id = $1 for `
	)
	role := func(user tenant.User) string {
		return `select from instance_member where instance_id = $1 and account_id = '` + user.ID.UUID.String() + `' for no key update`
	}
	for _, c := range []struct {
		name     string
		actor    access.Actor
		strength access.LockStrength
		places   []globalid.ID
		query    string
		id       globalid.ID
		waits    bool
	}{
		{"shared beside shared", ed, access.Shared, []globalid.ID{group1}, instance + `share`, group1, false},
		{"exclusive beside shared", ed, access.Shared, []globalid.ID{group1}, instance + `no key update`, group1, true},
		{"shared beside exclusive", ed, access.Exclusive, []globalid.ID{group1}, instance + `share`, group1, true},
		{"another instance", ed, access.Exclusive, []globalid.ID{group1}, instance + `no key update`, group2, false},
		{"the second of two", ed, access.Exclusive, []globalid.ID{group1, group2}, instance + `share`, group2, true},
		{"the space of an instance", ed, access.Exclusive, []globalid.ID{group1}, ofSpace + `no key update`, space, false},
		{"a space", ada, access.Exclusive, []globalid.ID{space}, ofSpace + `share`, space, true},
		{"an instance of a space", ada, access.Exclusive, []globalid.ID{space}, instance + `no key update`, group1, false},
		{"the actor's role", ed, access.Shared, []globalid.ID{group1}, role(ed), group1, true},
		{"somebody else's role", ed, access.Exclusive, []globalid.ID{group1}, role(w.User("vic")), group1, false},
		{"an administrator's role", ada, access.Shared, []globalid.ID{group1}, `select from space_administrator where space_id = $1 for no key update`, space, true},
		{"a role in the organization", mia, access.Shared, []globalid.ID{organization}, `select from organization_member where organization_id = $1 for no key update`, organization, true},
		{"no place", ed, access.Exclusive, []globalid.ID{{}}, instance + `no key update`, group1, false},
	} {
		admin := w.Open(w.DSN)
		err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
			if err := access.Lock(t.Context(), tx, c.actor, c.strength, c.places...); err != nil {
				return err
			}
			_, err := admin.Exec(t.Context(), c.query+` nowait`, c.id.UUID)
			if waits := pq.As(err, pqerror.LockNotAvailable) != nil; waits != c.waits {
				t.Errorf("%s: waits %t, %v", c.name, waits, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		admin.Close()
	}
}

// A place that the actor may not know of is not locked, also where an invitation leads
// to it, and so nobody waits for a lock on it.
func TestLockPlacesLocksOnlyWhatTheActorMayKnowOf(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	ada, vic, sam, admin := w.User("ada"), w.User("vic"), w.User("sam"), w.Open(w.DSN)
	group1, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	toInstance, toSpace := globalid.New(globalid.Invitation), globalid.New(globalid.Invitation)
	w.Exec(`insert into invitation (id, instance_id, space_id, email, email_key, role, token_hash, invited_by, expires_at) values
		($1, $2, null, 'z@new.example', 'z@new.example', 'VIEWER', sha256('1'), $5, now() + interval '1 day'),
		($3, null, $4, 'z@new.example', 'z@new.example', null, sha256('2'), $5, now() + interval '1 day')`,
		toInstance.UUID, group1.UUID, toSpace.UUID, space.UUID, ada.ID.UUID)
	for _, c := range []struct {
		name  string
		actor access.Actor
		id    globalid.ID
		query string
		row   globalid.ID
		locks bool
	}{
		{"an administrator", ada, group1, `select from instance where id = $1 for share nowait`, group1, true},
		{"a viewer", vic, group1, `select from instance where id = $1 for share nowait`, group1, true},
		{"a stranger", sam, group1, `select from instance where id = $1 for share nowait`, group1, false},
		{"an administrator of the space", ada, space, `select from space where id = $1 for share nowait`, space, true},
		{"a stranger to the space", sam, space, `select from space where id = $1 for share nowait`, space, false},
		{"an invitation", ada, toInstance, `select from instance where id = $1 for share nowait`, group1, true},
		{"an invitation to a space", ada, toSpace, `select from space where id = $1 for share nowait`, space, true},
		{"a stranger's invitation", sam, toInstance, `select from instance where id = $1 for share nowait`, group1, false},
		{"a stranger's invitation to a space", sam, toSpace, `select from space where id = $1 for share nowait`, space, false},
	} {
		err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
			places, err := access.LockPlaces(t.Context(), tx, c.actor, access.Exclusive, c.id)
			if err != nil {
				return err
			}
			if found := places[c.id] != nil; found != c.locks {
				t.Errorf("%s: found %t", c.name, found)
			}
			_, err = admin.Exec(t.Context(), c.query, c.row.UUID)
			if locked := pq.As(err, pqerror.LockNotAvailable) != nil; locked != c.locks {
				t.Errorf("%s: locked %t, %v", c.name, locked, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLockAndCheckRoleReturnsThePlaceOfItsType(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	instance, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	check := func(who string, do func(tx *postgres.Tx, actor access.Actor) error) fault.Code {
		t.Helper()
		return faultOf(t, w.DB.InTx(t.Context(), func(tx *postgres.Tx) error { return do(tx, w.User(who)) })).Code
	}
	inSpace := func(id globalid.ID) func(*postgres.Tx, access.Actor) error {
		return func(tx *postgres.Tx, actor access.Actor) error {
			p, err := access.LockAndCheckRole[*tenant.Space](t.Context(), tx, actor, id, access.RemoveMember, access.Exclusive)
			if err == nil && p.ID != space {
				t.Errorf("%v", p.ID)
			}
			return err
		}
	}
	inInstance := func(id globalid.ID) func(*postgres.Tx, access.Actor) error {
		return func(tx *postgres.Tx, actor access.Actor) error {
			p, err := access.LockAndCheckRole[*tenant.Instance](t.Context(), tx, actor, id, access.RemoveMember, access.Exclusive)
			if err == nil && p.ID != instance {
				t.Errorf("%v", p.ID)
			}
			return err
		}
	}
	for _, c := range []struct {
		name, who string
		do        func(*postgres.Tx, access.Actor) error
		want      fault.Code
	}{
		{"a space", "ada", inSpace(space), ""},
		{"an instance", "ada", inInstance(instance), ""},
		{"a space where an instance is meant", "ada", inInstance(space), fault.NotFound},
		{"an instance where a space is meant", "ada", inSpace(instance), fault.NotFound},
		{"a viewer", "vic", inSpace(space), fault.Forbidden},
		{"a stranger", "sam", inInstance(instance), fault.NotFound},
		{"an unknown id", "ada", inInstance(globalid.New(globalid.Instance)), fault.NotFound},
	} {
		if got := check(c.who, c.do); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
