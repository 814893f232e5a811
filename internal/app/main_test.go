package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// Every test has its own database with the demo world, and talks to gateways
// over HTTP.
func TestMain(m *testing.M) {
	beProgram()
	apptest.Main(m)
}

// world is a world with a gateway, and what these tests do there.
type world struct {
	*apptest.World
	t testing.TB
}

func newWorld(t testing.TB, change ...func(*app.Settings)) *world {
	t.Helper()
	return &world{apptest.New(t, change...), t}
}

// person is somebody in front of a gateway, and what these tests have them do.
type person struct {
	apptest.Person
	world *world
}

// as returns a person; see apptest.World.As.
func (w *world) as(who string) person {
	w.t.Helper()
	return person{w.As(who), w}
}

// with returns the holder of a token; "" is nobody.
func (w *world) with(token string) person { return person{w.With(token), w} }

type (
	answer       = apptest.Answer
	graphqlError = apptest.Error
)

// instance returns the id of an instance of Econometrics 2026.
func (w *world) instance(name string) string {
	w.t.Helper()
	return w.id("instance", `select i.id from instance i join space s on s.id = i.space_id where s.name = 'Econometrics 2026' and i.name = $1`, name)
}

func (w *world) space(name string) string {
	w.t.Helper()
	return w.id("space", `select id from space where name = $1`, name)
}

func (w *world) id(kind, query string, args ...any) string {
	w.t.Helper()
	return kind + "_" + strings.ReplaceAll(w.Text(query, args...), "-", "")
}

// grantAdministrator makes somebody a further administrator of Econometrics 2026.
func (w *world) grantAdministrator(name string) {
	w.t.Helper()
	w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.name = $1`, name)
}

// revokeAdministrator ends the role of an administrator of Econometrics 2026. Rita becomes
// one, because a space cannot be without.
func (w *world) revokeAdministrator(name string) {
	w.t.Helper()
	w.grantAdministrator("Rita")
	w.Exec(`delete from space_administrator using account a where account_id = a.id and a.name = $1`, name)
}

const inviteUsers = `
	mutation Invite($input: InviteUsersInput!) {
		inviteUsers(input: $input) {
			instance { id name state }
			results { index email outcome role previousRole invitation { id email role status expiresAt } }
		}
	}`

// invite invites addresses to an instance of Econometrics 2026.
func (p person) invite(instance, role string, emails []string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(inviteUsers, map[string]any{"input": p.input(instance, append([]any{"role", role, "emails", emails}, more...)...)})
}

func (p person) delete(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: DeleteInstanceInput!) { deleteInstance(input: $input) { deleted instance { name state deletedAt restorableUntil deletedBy { name } } } }`,
		map[string]any{"input": p.input(instance, more...)})
}

func (p person) restore(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: RestoreInstanceInput!) { restoreInstance(input: $input) { restored instance { name state deletedAt } } }`,
		map[string]any{"input": p.input(instance, more...)})
}

func (p person) leave(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: LeaveInstanceInput!) { leaveInstance(input: $input) { left } }`, map[string]any{"input": p.input(instance, more...)})
}

// input returns an input object with the id of an instance, given by name or
// id, and further fields.
func (p person) input(instance string, fields ...any) map[string]any {
	p.world.t.Helper()
	if !strings.Contains(instance, "_") {
		instance = p.world.instance(instance)
	}
	input := map[string]any{"instanceId": instance}
	for i := 0; i < len(fields); i += 2 {
		input[fields[i].(string)] = fields[i+1]
	}
	return input
}

// readKey returns the secret of the world's development key.
func readKey(t testing.TB, w *world) []byte {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(w.DataDir, "signing-key"))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
