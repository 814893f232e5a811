package request_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Who can answer a request is decided by the rules of package access where somebody
// answers it, and by the SQL function request_answerers_1 elsewhere. Both agree, and
// so does everything that uses them, for each kind of request and each role.
func TestAnswerersAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	answerers := map[request.Kind][]string{
		request.Role:        {"ada", "eva", "space_administrator"},
		request.Invitations: {"ada", "eva", "space_administrator"},
		request.Restore:     {"ada", "ed", "eva", "instance_editor", "space_administrator"},
	}
	for _, kind := range request.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.newPeople()
			people := []string{"ada", "ed", "eva", "max", "mia", "sam", "rita"}
			for _, role := range tenant.AllRoles() { // a person with each role, in each place that it can be held in
				name := strings.ToLower(role.String())
				people = append(people, name)
				for _, place := range []globalid.ID{w.Organization("University of Example"), w.Space(testworld.Econometrics), w.Instance("Group 1"), w.Instance("Group 2")} {
					if place.Kind == role.HeldIn() {
						w.Grant(w.User(name), role, place)
					}
				}
			}
			id := w.request("vic", kind)
			check := func(what string, emails []string) {
				t.Helper()
				var got []string
				for _, email := range emails {
					got = append(got, strings.TrimSuffix(email, "@uni.example"))
				}
				slices.Sort(got)
				if diff := cmp.Diff(answerers[kind], got); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}

			check("the function", w.Lines(`
				select a.email from request r, request_answerers_1(r.kind, r.space_id, r.instance_id) may join account a on a.id = may.account_id where r.id = $1`, id.UUID))
			check("the function of the last release, by account", w.Lines(`
				select a.email from account a where $1 in (select request_id from request_answerers() where account_id = a.id and status = 'OPEN')`, id.UUID))
			check("the events", w.Lines(`
				select a.email from event e join account a on a.id = e.place_id
				where e.topic = 'REQUEST' and e.change = 'CREATED' and $1 = any (e.subjects) and a.name <> 'Vic'`, id.UUID))

			var mailed []string
			for _, m := range w.Mails() {
				mailed = append(mailed, m.To)
			}
			check("the mails", mailed)

			var listed, allowed []string
			for _, who := range people {
				list, err := w.Requests.ListToAnswer(t.Context(), w.User(who), relay.Page{First: 10, Total: true})
				if err != nil {
					t.Fatal(err)
				}
				if len(list.Nodes) != list.Total {
					t.Errorf("%s has %d requests to answer and %d are counted", who, len(list.Nodes), list.Total)
				}
				for _, r := range list.Nodes {
					if r.ID == id {
						listed = append(listed, who)
					}
				}
				switch got := w.decline(who, id); got {
				case "":
					allowed = append(allowed, who)
					w.reopen(id)
				case "NOT_FOUND":
				default:
					t.Errorf("%s is refused with %s", who, got)
				}
			}
			check("the lists", listed)
			check("the rules", allowed)
		})
	}
}

// The events of a request go to who made it and to who can answer it, once for
// all requests that a statement ends.
func TestEventsOfManyRequestsAreOneRowForEachPersonAndStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	vic, mia := w.request("vic", request.Restore), w.request("mia", request.Restore)
	role, invitations := w.request("vic", request.Role), w.request("ed", request.Invitations)
	w.Exec(`delete from event`)
	w.Exec(`
		update request set ended_at = clock_timestamp(), answered_by = $1, status = case kind when 'RESTORE' then 'APPROVED' else 'DECLINED' end
		where status = 'OPEN'`, w.User("ada").ID.UUID)
	name := map[string]string{
		vic.UUID.String(): "vic restores", mia.UUID.String(): "mia restores",
		role.UUID.String(): "vic's role", invitations.UUID.String(): "ed's invitations",
	}
	var got []string
	for _, line := range w.Lines(`
		select concat_ws(' ', a.name, e.change, array_to_string(e.subjects, ' ')) from event e join account a on a.id = e.place_id
		where e.topic = 'REQUEST' order by a.name, e.change`) {
		words := strings.Fields(line)
		var about []string
		for _, id := range words[2:] {
			about = append(about, name[id])
		}
		slices.Sort(about)
		got = append(got, words[0]+" "+words[1]+": "+strings.Join(about, ", "))
	}
	if diff := cmp.Diff([]string{
		"Ada APPROVED: mia restores, vic restores", "Ada DECLINED: ed's invitations, vic's role",
		"Ed APPROVED: mia restores, vic restores", "Ed DECLINED: ed's invitations",
		"Eva APPROVED: mia restores, vic restores", "Eva DECLINED: ed's invitations, vic's role",
		"Mia APPROVED: mia restores",
		"Vic APPROVED: vic restores", "Vic DECLINED: vic's role",
	}, got); diff != "" {
		t.Error(diff)
	}
	w.Exec(`delete from event`)
	w.Exec(`update request set expires_at = expires_at + interval '1 day'`)
	if n := w.Number(`select count(*) from event`); n != 0 {
		t.Errorf("%d events although no status has changed", n)
	}
}

// PostgreSQL puts the function's body in the place of its call. Only then can it use
// indexes for what the caller looks for.
func TestAnswerersFunctionIsInlined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`
		create function test_explain(query text) returns setof text language plpgsql as $$
		begin
			return query execute 'explain ' || query;
		end $$`)
	const id = `'01900000-0000-7000-8000-000000000000'::uuid` // a constant: a function with volatile arguments is not inlined
	for _, query := range []string{
		`select account_id from request_answerers_1('RESTORE', ` + id + `, ` + id + `)`,
		`select account_id from request_answerers_1('ROLE', ` + id + `, null) where account_id = gen_random_uuid()`,
		`select id from request r where exists (select from request_answerers_1(r.kind, r.space_id, r.instance_id) a where a.account_id = gen_random_uuid())`,
	} {
		if plan := strings.Join(w.Lines(`select * from test_explain($1)`, query), "\n"); strings.Contains(plan, "Function Scan") {
			t.Errorf("%s:\n%s", query, plan)
		}
	}
}
