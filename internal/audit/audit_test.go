package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// target returns Group 1, as a target of records.
func target(w *testworld.World) audit.Target {
	space := &tenant.Space{ID: w.Space(testworld.Econometrics), Name: testworld.Econometrics}
	return audit.OnInstance(&tenant.Instance{ID: w.Instance("Group 1"), Name: "Group 1", Space: space})
}

func write(t *testing.T, w *testworld.World, records ...audit.Record) error {
	t.Helper()
	return w.DB.InTx(t.Context(), func(tx *postgres.Tx) error { return audit.Write(t.Context(), tx, records...) })
}

// list returns the page of a space's trail.
func list(t *testing.T, w *testworld.World, space globalid.ID, page relay.Page) relay.List[*audit.Entry] {
	t.Helper()
	lists, err := audit.List(t.Context(), w.DB, []globalid.ID{space}, page)
	if err != nil {
		t.Fatal(err)
	}
	return lists[space]
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	ada, vic, editor, viewer := w.User("ada"), w.User("vic"), tenant.Editor, tenant.Viewer
	space := tenant.Space{ID: w.Space(testworld.Econometrics), Name: testworld.Econometrics}
	about := uuid.NullUUID{UUID: vic.ID.UUID, Valid: true}
	if err := write(t, w,
		audit.Record{Action: audit.MemberRoleChanged, Actor: ada, Target: target(w),
			Details: audit.Details{UserID: about, UserName: "Vic", Role: &editor, PreviousRole: &viewer}},
		audit.Record{Action: audit.RequestMade, Actor: vic, Target: target(w),
			Details: audit.Details{UserID: about, UserName: "Vic", Request: "INVITATIONS", Role: &viewer, Emails: []string{"zoe@new.example"}, MoreEmails: 4}},
	); err != nil {
		t.Fatal(err)
	}
	if err := write(t, w, audit.Record{Action: audit.InvitationSent, Actor: ada, Target: audit.OnSpace(&space),
		Details: audit.Details{Emails: []string{"bob@new.example"}}}); err != nil {
		t.Fatal(err)
	}
	if err := write(t, w, audit.Record{Action: audit.InstancePurged, Target: target(w)}); err != nil {
		t.Fatal(err)
	}

	group1 := w.Instance("Group 1")
	want := []*audit.Entry{
		{Action: audit.InstancePurged, ActorName: "DataHub", SpaceName: space.Name, InstanceID: &group1, InstanceName: new("Group 1")},
		{Action: audit.InvitationSent, ActorID: &ada.ID, ActorName: "Ada", SpaceName: space.Name, Emails: []string{"bob@new.example"}},
		{Action: audit.RequestMade, ActorID: &vic.ID, ActorName: "Vic", SpaceName: space.Name, InstanceID: &group1, InstanceName: new("Group 1"),
			UserID: &vic.ID, UserName: new("Vic"), Emails: []string{"zoe@new.example"}, MoreEmails: 4, Role: &viewer, Request: new("INVITATIONS")},
		{Action: audit.MemberRoleChanged, ActorID: &ada.ID, ActorName: "Ada", SpaceName: space.Name, InstanceID: &group1, InstanceName: new("Group 1"),
			UserID: &vic.ID, UserName: new("Vic"), Role: &editor, PreviousRole: &viewer},
	}
	got := list(t, w, space.ID, relay.Page{First: 10}).Nodes
	for _, e := range got {
		if e.ID.Kind != globalid.AuditEntry || e.At.IsZero() {
			t.Errorf("id %v, at %v", e.ID, e.At)
		}
		e.ID, e.At = globalid.ID{}, want[0].At
	}
	// Those of one statement are written in the order of the records, up to the
	// resolution of the ids: a microsecond.
	slices.SortStableFunc(got[2:], func(a, b *audit.Entry) int { return -strings.Compare(string(a.Action), string(b.Action)) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTrailIsPaged(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	econometrics, private := w.Space(testworld.Econometrics), w.Space("Private Research")
	for i := range 5 {
		record := audit.Record{Action: audit.MemberLeft, Actor: access.Actor{ID: w.User("ed").ID, Name: fmt.Sprint("Ed ", i)}, Target: target(w)}
		if err := write(t, w, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(t, w, audit.Record{Action: audit.SpaceCreated, Actor: w.User("rita"), Target: audit.OnSpace(&tenant.Space{ID: private, Name: "Private Research"})}); err != nil {
		t.Fatal(err)
	}
	var pages []string
	page := relay.Page{First: 2, Total: true}
	for {
		l := list(t, w, econometrics, page)
		line := fmt.Sprint("of ", l.Total, ":")
		for _, e := range l.Nodes {
			line += " " + e.ActorName
			page.After = e.ID.UUID
		}
		pages = append(pages, line)
		if !l.HasNext {
			break
		}
	}
	if diff := cmp.Diff([]string{"of 5: Ed 4 Ed 3", "of 5: Ed 2 Ed 1", "of 5: Ed 0"}, pages); diff != "" {
		t.Error(diff)
	}
	lists, err := audit.List(t.Context(), w.DB, []globalid.ID{econometrics, private}, relay.Page{First: 3})
	if err != nil {
		t.Fatal(err)
	}
	if e, p := lists[econometrics], lists[private]; len(e.Nodes) != 3 || !e.HasNext || e.Total != 0 || len(p.Nodes) != 1 || p.HasNext {
		t.Errorf("%+v and %+v", e, p)
	}
}

// A record without something that its sentence names is not written.
func TestWriteRefusesIncompleteRecords(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	ada, editor := w.User("ada"), tenant.Editor
	space := audit.OnSpace(&tenant.Space{ID: w.Space(testworld.Econometrics), Name: testworld.Econometrics})
	for name, r := range map[string]audit.Record{
		"an unknown action":            {Action: "SPACE_ARCHIVED", Target: space},
		"no space":                     {Action: audit.SpaceCreated},
		"no place":                     {Action: audit.InstanceDeleted},
		"no member":                    {Action: audit.MemberRemoved, Target: space},
		"no addresses":                 {Action: audit.InvitationRevoked, Target: space},
		"no role in an instance":       {Action: audit.InvitationSent, Target: target(w), Details: audit.Details{Emails: []string{"zoe@new.example"}}},
		"no previous role":             {Action: audit.MemberRoleChanged, Target: target(w), Details: audit.Details{UserName: "Vic", Role: &editor}},
		"no kind of request":           {Action: audit.RequestMade, Target: target(w), Details: audit.Details{UserName: "Vic"}},
		"an unknown kind of request":   {Action: audit.RequestMade, Target: target(w), Details: audit.Details{UserName: "Vic", Request: "ADDRESS"}},
		"a role request without role":  {Action: audit.RequestMade, Target: target(w), Details: audit.Details{UserName: "Vic", Request: "ROLE"}},
		"invitations of no addresses":  {Action: audit.RequestApproved, Target: target(w), Details: audit.Details{UserName: "Vic", Request: "INVITATIONS", Role: &editor}},
		"a declined request of nobody": {Action: audit.RequestDeclined, Target: target(w), Details: audit.Details{Request: "RESTORE"}},
	} {
		r.Actor = ada
		if err := write(t, w, r); err == nil || !strings.HasPrefix(err.Error(), "audit: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.Number(`select count(*) from audit_log`); n != 0 {
		t.Errorf("%d entries", n)
	}
	if err := write(t, w); err != nil {
		t.Errorf("no records: %v", err)
	}
}

// A role that is not in the table of roles, as only a newer gateway writes it, is an
// error, and never shown as another role.
func TestUnknownRoleInTheTrailIsAnError(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	space := w.Space(testworld.Econometrics)
	w.Exec(`insert into audit_log (action, actor_name, space_id, space_name, details) values ('ROLE_GRANTED', 'Ada', $1, 'Econometrics', '{"role": "GARDENER"}')`, space.UUID)
	if _, err := audit.List(t.Context(), w.DB, []globalid.ID{space}, relay.Page{First: 10}); err == nil {
		t.Error("the trail was read")
	}
}

func TestTrailIsAppendOnly(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if err := write(t, w, audit.Record{Action: audit.InstanceDeleted, Actor: w.User("ada"), Target: target(w)}); err != nil {
		t.Fatal(err)
	}
	owner := w.Open(w.DSN)
	for _, statement := range []string{`update audit_log set actor_name = 'Ed'`, `delete from audit_log`, `truncate audit_log`} {
		if _, err := owner.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
