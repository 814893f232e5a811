//go:build plans

package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// growing are the tables that get a row for what people do.
var growing = []string{"account", "address_holder", "audit_log", "ended_membership", "event", "idempotency_key", "instance_member", "invitation",
	"invitation_refusal", "invitation_resend", "invite_link", "invite_link_use", "membership_reminder", "organization_member", "outbox", "rate_limit", "request", "request_notice"}

// small are the partial indexes that have few rows however large the table is. They may
// be read as a whole.
var small = []string{"instance_without_name_key", "space_deleted", "space_purge", "outbox_due", "outbox_held"}

// reasonOf returns the reason of a refusal.
func reasonOf(err error) string {
	if f := (*fault.Fault)(nil); errors.As(err, &f) {
		return f.Reason
	}
	return ""
}

// Each statement of the reads below finds its rows of a growing table by an index, for
// any arguments: with the plan that a gateway uses. To check another read, call it here.
func TestReadsUseIndexes(t *testing.T) {
	t.Parallel()
	for name, places := range map[string]int{"many places": 2000, "most rows are of one place": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testReadsUseIndexes(t, places)
		})
	}
}

func testReadsUseIndexes(t *testing.T, places int) {
	w := testworld.New(t)
	createPlanner(w)
	grow(w, places)
	db, services, sent := observeStatements(t, w)

	ada, page := w.User("ada"), relay.Page{First: 10, Total: true}
	ids := func(ids ...globalid.ID) []globalid.ID { return ids }
	organization, space, instance := w.Organization("University of Example"), w.Space(testworld.Econometrics), w.Instance("Group 1")
	reads := map[string]func(context.Context) error{
		"the places of ids": func(ctx context.Context) error {
			_, err := tenant.FindPlaces(ctx, db, ada, ids(organization, space, instance, globalid.ID{Kind: globalid.Invitation, UUID: uuid.New()}, globalid.ID{Kind: globalid.Link, UUID: uuid.New()}))
			return err
		},
		"the roles of many people": func(ctx context.Context) error {
			_, err := tenant.EffectiveRolesOf(ctx, db, []tenant.UserInInstance{{User: ada.ID, Instance: instance}})
			return err
		},
		"a roster": func(ctx context.Context) error {
			_, err := services.Rosters.Sync(ctx, ada, roster.SyncRosterInput{SpaceID: space, ValidateOnly: new(true), Others: roster.Remove, RemoveAtMost: new(0), Entries: []*roster.Entry{
				{Email: "vic@uni.example", Role: tenant.Editor, Instance: roster.Where{ID: &instance}},
				{Email: "zoe@new.example", Role: tenant.Editor, Instance: roster.Where{Own: new("Group 1")}}}})
			if err != nil && fault.RemovesTooMany != reasonOf(err) {
				return err
			}
			_, err = services.Rosters.Sync(ctx, ada, roster.SyncRosterInput{SpaceID: space, ValidateOnly: new(true), Others: roster.Remove, Entries: []*roster.Entry{
				{Email: "vic@uni.example", Role: tenant.Editor, Instance: roster.Where{ID: &instance}}}})
			if err != nil && fault.RemovesTooMany != reasonOf(err) {
				return err
			}
			return nil
		},
		"the spaces of a person": func(ctx context.Context) error {
			_, err := tenant.Spaces(ctx, db, ada, tenant.Active, page)
			return err
		},
		"the deleted spaces of a person": func(ctx context.Context) error {
			_, err := tenant.Spaces(ctx, db, ada, tenant.Deleted, page)
			return err
		},
		"the deleted spaces of an organization": func(ctx context.Context) error {
			o, err := tenant.FindOrganization(ctx, db, w.User("mia"), organization)
			if err == nil {
				_, err = o.Spaces(ctx, db, w.User("mia"), tenant.Deleted, page)
			}
			return err
		},
		"the instances of a space": func(ctx context.Context) error {
			s, err := tenant.FindSpace(ctx, db, ada, space)
			if err == nil {
				_, err = s.Instances(ctx, db, ada, "", page)
			}
			return err
		},
		"the members of an instance": func(ctx context.Context) error {
			_, err := services.Memberships.ListInInstances(ctx, ids(instance), page)
			return err
		},
		"the people of a space": func(ctx context.Context) error {
			_, err := services.Memberships.ListInSpaces(ctx, ids(space), page)
			return err
		},
		"the invitations that a person can accept": func(ctx context.Context) error {
			_, err := services.Invitations.ListPendingFor(ctx, ada, page)
			return err
		},
		"the requests that a person can answer": func(ctx context.Context) error {
			_, err := services.Requests.ListToAnswer(ctx, ada, page)
			return err
		},
		"the course links of an instance": func(ctx context.Context) error {
			_, err := services.Links.List(ctx, ids(instance), page)
			return err
		},
		"the course links of a space": func(ctx context.Context) error {
			_, err := services.Links.List(ctx, ids(space), page)
			return err
		},
		"the course link of an address": func(ctx context.Context) error {
			_, err := services.Links.ByToken(ctx, "x")
			return err
		},
		"the members of an organization": func(ctx context.Context) error {
			_, err := services.Memberships.ListInOrganizations(ctx, ids(organization), page)
			return err
		},
		"the spaces of an organization": func(ctx context.Context) error {
			o, err := tenant.FindOrganization(ctx, db, w.User("mia"), organization)
			if err == nil {
				_, err = o.Spaces(ctx, db, w.User("mia"), tenant.Active, page)
			}
			return err
		},
		"whom to ask in an organization": func(ctx context.Context) error {
			o, err := tenant.FindOrganization(ctx, db, w.User("mia"), organization)
			if err == nil {
				_, err = o.Contacts(ctx, db, tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty))
			}
			return err
		},
		"the trail of an organization": func(ctx context.Context) error {
			_, err := audit.List(ctx, db, ids(organization), page)
			return err
		},
		"the trail of a space": func(ctx context.Context) error {
			_, err := audit.List(ctx, db, ids(space), page)
			return err
		},
		"the former members of places": func(ctx context.Context) error {
			for _, place := range ids(instance, space, organization) {
				if _, err := services.Memberships.ListFormer(ctx, ids(place), page); err != nil {
					return err
				}
			}
			return nil
		},
		"what prevents a removal": func(ctx context.Context) error {
			for actor, place := range map[string]globalid.ID{"ada": instance, "mia": organization} {
				a := w.User(actor)
				places, err := tenant.FindPlaces(ctx, db, a, ids(place))
				if err != nil {
					return err
				}
				for _, user := range []tenant.User{ada, w.User("mia")} {
					if _, err := services.Memberships.Removing(ctx, a, places[place], user.ID); err != nil {
						return err
					}
				}
			}
			return nil
		},
		"whom to remind of ends": func(ctx context.Context) error {
			if n, err := services.Memberships.RemindDue(ctx); n == 0 || err != nil {
				return fmt.Errorf("%d are due, %w", n, err)
			}
			_, err := membership.DeleteReminders(ctx, db)
			return err
		},
		"what reminders say": func(ctx context.Context) error {
			_, err := (&membership.Mailer{DB: db}).Read(ctx, []outbox.Job{{Subject: uuid.New()}})
			return err
		},
		"the backlog": func(ctx context.Context) error {
			_, err := outbox.ReadBacklog(ctx, db)
			return err
		},
	}
	for _, status := range []invitation.Status{"", invitation.Pending, invitation.Expired, invitation.Accepted, invitation.Declined, invitation.Revoked} {
		for _, place := range ids(instance, space, organization) {
			for name, stored := range map[string]bool{"": false, ", only what is stored": true} {
				reads["the invitations to a place of the kind "+string(place.Kind)+", status "+string(status)+name] = func(ctx context.Context) error {
					_, err := services.Invitations.List(ctx, ids(place), invitation.Filter{Status: status, Stored: stored}, page)
					return err
				}
			}
		}
	}
	for _, status := range append([]request.Status{""}, request.Statuses...) {
		reads["the requests that a person made, "+string(status)] = func(ctx context.Context) error {
			_, err := services.Requests.ListMadeBy(ctx, ada, status, page)
			return err
		}
		reads["the requests about an organization, "+string(status)] = func(ctx context.Context) error {
			_, err := services.Requests.ListInOrganizations(ctx, ids(organization), status, page)
			return err
		}
		reads["the requests in a space, "+string(status)] = func(ctx context.Context) error {
			_, err := services.Requests.ListInSpaces(ctx, ids(space), status, page)
			return err
		}
	}
	for name, read := range reads {
		sent.reset()
		if err := read(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(sent.queries) == 0 {
			t.Errorf("%s: no statement", name)
		}
		for _, query := range sent.queries {
			checkPlan(t, w, name, query)
		}
	}

	// An invitation of a status is found without a look at those of others.
	for _, status := range []invitation.Status{invitation.Accepted, invitation.Declined, invitation.Revoked} {
		sent.reset()
		if _, err := services.Invitations.List(t.Context(), ids(instance), invitation.Filter{Status: status, Stored: true}, page); err != nil {
			t.Fatal(err)
		}
		for _, query := range sent.queries {
			plan := w.Text(`select test_plan($1, $2)`, query, parameters(query))
			if !statusInIndex.MatchString(plan) {
				t.Errorf("no condition of an index on the status %s:\n%s", status, plan)
			}
		}
	}
}

// statementsSent are the queries that a pool has sent.
type statementsSent struct {
	mu      sync.Mutex
	queries []string
}

// Each statement of the writes beside long lists does so, too, and those of the
// housekeeping. To check another one, add it to writesOf or housekeepingOf.
func TestWritesUseIndexes(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	createFill(w)
	fillWith(w, 1, inShortLists)
	createPlanner(w)
	db, services, sent := observeStatements(t, w)
	services.Instances.DB = db
	queries := map[string]string{} // with a name
	mails := map[string]func(context.Context, int) error{"sending mails": func(ctx context.Context, _ int) error { return sendMails(ctx, w, db) }}
	for _, tasks := range []map[string]func(context.Context, int) error{writesOf(w, services), housekeepingOf(db, services), mails} {
		for name, task := range tasks {
			sent.reset()
			if err := task(t.Context(), inShortLists/2); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(sent.queries) == 0 {
				t.Errorf("%s: no statement", name)
			}
			for _, query := range sent.queries {
				queries[query] = name
			}
		}
	}
	grow(w, 1)
	for query, name := range queries {
		checkPlan(t, w, name, query)
	}
}

// sendMails works on a queue of mails until one is sent.
func sendMails(ctx context.Context, w *testworld.World, db *postgres.DB) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w.Exec(`update outbox set state = 'QUEUED', next_attempt_at = clock_timestamp() where id in (select id from outbox limit 1)`)
	queue := outbox.Queue{DB: db, Kind: invitation.MailKind, Log: slog.New(slog.DiscardHandler), Observer: sent{stop},
		Work: func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
			for i := range jobs {
				report(i, nil)
			}
		}}
	queue.Run(ctx)
	return nil
}

// sent is an outbox.Observer that waits for a mail.
type sent struct{ stop context.CancelFunc }

func (s sent) Batch(ctx context.Context, _ string, _ int) (context.Context, func()) {
	return ctx, func() {}
}

func (s sent) Job(context.Context, string, uuid.UUID, string, time.Duration) { s.stop() }

// checkPlan fails the test where the plan of a statement reads a growing table as a whole.
func checkPlan(t *testing.T, w *testworld.World, name, query string) {
	t.Helper()
	var plans []struct{ Plan planNode }
	plan := w.Text(`select test_plan($1, $2)`, query, parameters(query))
	if err := json.Unmarshal([]byte(plan), &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%s: %v", plan, err)
	}
	for _, wrong := range plans[0].Plan.withoutIndex() {
		t.Errorf("%s: %s\n%s", name, wrong, query)
	}
}

// observeStatements returns a pool of a world's database, the services that read through
// it, and what it sends.
func observeStatements(t *testing.T, w *testworld.World) (*postgres.DB, *testworld.Services, *statementsSent) {
	t.Helper()
	sent := new(statementsSent)
	db, err := postgres.Open(w.DSN, postgres.Options{MaxConnections: 5, StatementTimeout: time.Minute, Statement: sent.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	services := w.Services()
	services.Invitations.DB, services.Memberships.DB, services.Requests.DB, services.Spaces.DB, services.Rosters.DB, services.Links.DB = db, db, db, db, db, db
	return db, services, sent
}

func (s *statementsSent) add(_ context.Context, query string) func(error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fields := strings.Fields(query); len(fields) > 1 && slices.Contains([]string{"select", "with", "insert", "update", "delete"}, fields[0]) {
		s.queries = append(s.queries, query)
	}
	return func(error) {}
}

func (s *statementsSent) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = nil
}

var statusInIndex = regexp.MustCompile(`"Index Cond": "[^"]*\(status >= \$\d+\) AND \(status <= \$`)

var parameter = regexp.MustCompile(`\$\d+`)

// parameters returns as many nulls as a query has parameters: "(null,null)".
func parameters(query string) string {
	found := parameter.FindAllString(query, -1)
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 0 {
		return ""
	}
	return "(" + strings.Repeat("null,", len(found)-1) + "null)"
}

// planNode is a step of a plan, as EXPLAIN (FORMAT JSON) writes it.
type planNode struct {
	Type      string     `json:"Node Type"`
	Table     string     `json:"Relation Name"`
	Index     string     `json:"Index Name"`
	Condition string     `json:"Index Cond"`
	Filter    string     `json:"Filter"`
	Steps     []planNode `json:"Plans"`
}

// withoutIndex returns the steps that read a growing table as a whole.
func (n planNode) withoutIndex() (found []string) {
	whole := n.Type == "Seq Scan" || n.Index != "" && n.Condition == "" && !slices.Contains(small, n.Index)
	if whole && (slices.Contains(growing, n.Table) || n.Table == "" && n.Index != "") {
		found = append(found, strings.Join([]string{n.Type, n.Table, n.Index}, " "))
	}
	for _, step := range n.Steps {
		if n.Type == "Limit" && step.Index != "" && step.Filter == "" {
			continue // the first entries of an index
		}
		found = append(found, step.withoutIndex()...)
	}
	return found
}

// createPlanner creates the function test_plan, which returns the plan of a statement for
// any arguments. Where PostgreSQL can join with a table as a whole instead of looking its
// rows up, it does: in a larger database it may.
func createPlanner(w *testworld.World) {
	w.Exec(`
		create function test_plan(query text, parameters text) returns json language plpgsql
		set plan_cache_mode = force_generic_plan set enable_nestloop = off as $$
		declare
			plan json;
		begin
			execute 'prepare test_plan as ' || query;
			execute 'explain (format json) execute test_plan' || parameters into plan;
			deallocate test_plan;
			return plan;
		end $$`)
}

// grow adds so many rows that reading them all costs more than an index. Those about a
// place are about so many places.
func grow(w *testworld.World, places int) {
	w.Exec(`
		create function test_grow(places int) returns void language plpgsql set session_replication_role = replica as $$
		declare
			organization constant uuid := (select id from organization where name = 'University of Example');
			accounts  uuid[] := array(select gen_random_uuid() from generate_series(1, 20000));
			spaces    uuid[] := array(select gen_random_uuid() from generate_series(1, 500));
			instances uuid[] := array(select gen_random_uuid() from generate_series(1, 2000));
		begin
			insert into account (id, subject, email, email_key, name)
			select id, id, id || '@new.example', id || '@new.example', 'X' from unnest(accounts) id;
			insert into address_holder (email_key, account_id) select email_key, id from account on conflict do nothing;
			insert into organization (id, name) select gen_random_uuid(), 'O' || n from generate_series(1, 200) n;
			insert into space (id, organization_id, name) select id, organization, id::text from unnest(spaces) id;
			insert into organization_member (organization_id, account_id, role)
			select organization, accounts[n], case when n % 1000 = 0 then 'FACULTY' else 'MEMBER' end from generate_series(1, 20000) n;
			insert into space_administrator (space_id, account_id) select spaces[n], accounts[n % 100 + 1] from generate_series(1, 500) n;
			insert into instance (id, space_id, name, kind, deleted_at, deleted_by, restorable_until)
			select instances[n], spaces[n % 500 + 1], n::text, 'WORKING', d.at, case when d.at is not null then accounts[1] end, d.at + interval '1 day'
			from generate_series(1, 2000) n, lateral (select case when n % 4 = 0 then clock_timestamp() end as at) d;
			insert into instance_member (instance_id, space_id, account_id, role, until)
			select instances[n % places + 1], spaces[n % places % 500 + 1], accounts[n], 'VIEWER', case when n % 2 = 0 then clock_timestamp() + n * interval '1 minute' end
			from generate_series(1, 20000) n;
			insert into membership_reminder (account_id, space_id, others, first_until, until)
			select accounts[n], spaces[n % places % 500 + 1], false, at, at from generate_series(1, 20000) n, lateral (select clock_timestamp() + n * interval '1 minute' as at) x;
			insert into ended_membership (removal, account_id, instance_id, role, since, ended_by, reason, ended_at)
			select gen_random_uuid(), accounts[n], instances[n % places + 1], 'VIEWER', clock_timestamp(), accounts[n % 500 + 1], 'REMOVED', clock_timestamp() - n * interval '1 minute'
			from generate_series(1, 20000) n;
			insert into ended_membership (removal, account_id, space_id, ended_by, reason) select gen_random_uuid(), accounts[n], spaces[n % places % 500 + 1], accounts[1], 'REMOVED'
			from generate_series(1, 10000) n;
			insert into ended_membership (removal, account_id, organization_id, ended_by, reason) select gen_random_uuid(), accounts[n], organization, accounts[1], 'REMOVED'
			from generate_series(1, 10000) n;
			insert into invitation (id, instance_id, email, email_key, role, status, token_hash, invited_by, expires_at)
			select gen_random_uuid(), instances[n % places + 1], n || '@new.example', n || '@new.example', 'VIEWER',
			       (array['PENDING', 'ACCEPTED', 'REVOKED'])[n % 3 + 1], sha256(n::text::bytea), accounts[n % 500 + 1], clock_timestamp() + (n - 10000) * interval '1 minute'
			from generate_series(1, 20000) n;
			insert into invitation (id, space_id, email, email_key, status, token_hash, invited_by, expires_at)
			select gen_random_uuid(), spaces[n % places % 500 + 1], n || '@a.example', n || '@a.example',
			       (array['PENDING', 'ACCEPTED', 'REVOKED'])[n % 3 + 1], sha256((n || 'a')::bytea), accounts[n % 500 + 1], clock_timestamp() + (n - 5000) * interval '1 minute'
			from generate_series(1, 10000) n;
			insert into invitation (id, organization_id, email, email_key, role, status, token_hash, invited_by, expires_at)
			select gen_random_uuid(), organization, n || '@o.example', n || '@o.example', 'MEMBER',
			       (array['PENDING', 'ACCEPTED', 'REVOKED'])[n % 3 + 1], sha256((n || 'o')::bytea), accounts[n % 500 + 1], clock_timestamp() + (n - 5000) * interval '1 minute'
			from generate_series(1, 10000) n;
			update invitation set link_id = gen_random_uuid() where instance_id is not null;
			insert into invite_link (id, space_id, instance_id, role, token_hash, created_by, expires_at, max_uses)
			select gen_random_uuid(), spaces[n % places % 500 + 1], instances[n % places + 1], 'VIEWER', sha256(gen_random_uuid()::text::bytea), accounts[n % 500 + 1],
			       clock_timestamp() + (n % 1000 + 1) * interval '1 minute', 10
			from generate_series(1, 20000) n;
			insert into invite_link_use (link_id, address_hash, instance_id)
			select l.id, sha256(gen_random_uuid()::text::bytea), instances[n % places + 1]
			from (select id, row_number() over () as n from invite_link) l cross join generate_series(1, 2) k;
			insert into audit_log (action, actor_name, space_id, space_name, details)
			select 'MEMBER_REMOVED', 'X', spaces[n % places % 500 + 1], 'S', jsonb_build_object('userId', accounts[n % 500 + 1]) from generate_series(1, 5000) n;
			insert into outbox (id, kind, subject_id, state, instance_id)
			select gen_random_uuid(), 'INVITATION', id, case when email like '1@%' then 'QUEUED' else 'SENT' end, instance_id from invitation;
			insert into audit_log (action, actor_name, space_id, space_name)
			select 'INVITED', 'X', spaces[n % places % 500 + 1], 'S' from generate_series(1, 20000) n;
			insert into audit_log (action, actor_name, organization_id, organization_name)
			select 'INVITED', 'X', organization, 'O' from generate_series(1, 20000) n;
			insert into request (id, kind, space_id, instance_id, space_name, instance_name, requested_by, role, lasts_until, expires_at, status, ended_at, answered_by)
			select gen_random_uuid(), 'ROLE', spaces[n % places % 500 + 1], instances[n % places + 1], 'S', 'I', accounts[n], 'INSTANCE_VIEWER',
			       clock_timestamp() + interval '1 day', clock_timestamp() + interval '1 day',
			       status, case when status <> 'OPEN' then clock_timestamp() end, case when status in ('APPROVED', 'DECLINED') then accounts[n % 500 + 1] end
			from generate_series(1, 20000) n, lateral (select (array['OPEN', 'APPROVED', 'DECLINED', 'WITHDRAWN', 'EXPIRED'])[n % 5 + 1]) x (status);
			insert into idempotency_key (account_id, key, request_hash, response) select id, 'k', '', '[]' from unnest(accounts) id;
			insert into invitation_refusal (address_hash) select sha256(id::text::bytea) from unnest(accounts) id;
			insert into invitation_resend (space_id, email_key) select spaces[n % places % 500 + 1], n::text from generate_series(1, 20000) n;
			insert into request_notice (id, request_id, account_id) select id, id, requested_by from request on conflict do nothing;
			insert into event (topic, place_id, change, subjects) select 'INSTANCE', instances[n % places + 1], 'CREATED', '{}' from generate_series(1, 20000) n;
		end $$`)
	w.Exec(`select test_grow($1)`, places)
	for _, table := range append(slices.Clone(growing), "organization", "space", "space_administrator", "instance") {
		w.Exec(`vacuum analyze ` + table)
	}
}
