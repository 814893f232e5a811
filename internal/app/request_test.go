package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
)

const requestFields = `id kind status role emails approvedEmails message spaceName instanceName space { name } instance { name }
	requestedBy { name } answeredBy { name } answer createdAt expiresAt endedAt endReason`

// requested sends one of the mutations that make a request.
func (p person) requested(mutation string, fields ...any) answer {
	p.world.t.Helper()
	input := map[string]string{"requestRole": "RequestRoleInput", "requestInvitations": "RequestInvitationsInput", "requestRestore": "RequestRestoreInput"}[mutation]
	return p.Ask(`mutation($input: `+input+`!) { `+mutation+`(input: $input) { created request { `+requestFields+` } } }`, map[string]any{"input": object(fields...)})
}

func (p person) requestRole(instance, role string, more ...any) answer {
	p.world.t.Helper()
	if role == "SPACE_ADMINISTRATOR" {
		return p.requested("requestRole", append(more, "spaceId", p.world.space("Econometrics 2026"), "role", role)...)
	}
	return p.requested("requestRole", append(more, "instanceId", p.world.instance(instance), "role", role)...)
}

func (p person) requestInvitations(instance, role string, emails []string, more ...any) answer {
	p.world.t.Helper()
	return p.requested("requestInvitations", append(more, "instanceId", p.world.instance(instance), "role", role, "emails", emails)...)
}

func (p person) requestRestore(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.requested("requestRestore", append(more, "instanceId", p.world.instance(instance))...)
}

func (p person) approveRequest(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: ApproveRequestInput!) { approveRequest(input: $input) { request { `+requestFields+` } results { email outcome role invitation { status requestedBy { name } invitedBy { name } } } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

func (p person) declineRequest(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: DeclineRequestInput!) { declineRequest(input: $input) { request { `+requestFields+` } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

func (p person) withdrawRequest(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: WithdrawRequestInput!) { withdrawRequest(input: $input) { request { `+requestFields+` } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

// inbox returns the requests of a list, as text.
func (p person) inbox(list string) (requests []string) {
	p.world.t.Helper()
	for _, node := range p.Ask(`{ viewer { `+list+` { nodes { kind status role instanceName requestedBy { name } } } } }`, nil).OK().At("viewer", list, "nodes").([]any) {
		n := node.(map[string]any)
		requests = append(requests, fmt.Sprint(n["requestedBy"].(map[string]any)["name"], " ", n["kind"], " ", n["status"]))
	}
	return requests
}

// trail returns the summaries of the audit log, oldest first.
func (w *world) trail() (summaries []string) {
	w.t.Helper()
	for _, s := range w.as("ada").Ask(`query($s: ID!) { space(id: $s) { auditLog(first: 100) { nodes { summary } } } }`,
		map[string]any{"s": w.space("Econometrics 2026")}).OK().Every("summary", "space", "auditLog", "nodes") {
		summaries = append([]string{s}, summaries...)
	}
	return summaries
}

func TestRequestRoleInASpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.as("vic")
	asked := vic.requestRole("", "SPACE_ADMINISTRATOR", "message", "Ada is on leave. <b>Let me help!</b>").OK()
	id := asked.RequestID()
	if again := vic.requestRole("", "SPACE_ADMINISTRATOR", "message", "Please!").OK(); again.RequestID() != id || again.At("requestRole", "created") != false {
		t.Errorf("asked again: %s", again.Body)
	}
	// The space can be given by one of its instances, too.
	if again := vic.requested("requestRole", "instanceId", w.instance("Group 1"), "role", "SPACE_ADMINISTRATOR"); again.RequestID() != id {
		t.Errorf("asked by way of an instance: %s", again.Body)
	}
	m := w.AwaitMail("ada@uni.example", "DataHub Vic asks you for a role", "Vic (vic@uni.example)", "Econometrics 2026", "administrator of the space", "Ada is on leave. <b>Let me help!</b>")
	if !strings.HasSuffix(m.Link, "/app/request#"+id) {
		t.Errorf("the link is %s", m.Link)
	}
	response, err := w.HTTP.Get(m.Link)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("behind the link: %d", response.StatusCode)
	}
	if diff := cmp.Diff([]string{"Vic ROLE OPEN"}, ada.inbox("requestsToAnswer")); diff != "" {
		t.Errorf("Ada's inbox: %s", diff)
	}
	if diff := cmp.Diff([]string{"Vic ROLE OPEN"}, vic.inbox("requests")); diff != "" {
		t.Errorf("Vic's requests: %s", diff)
	}
	for _, who := range []string{"vic", "ed", "mia", "sam", "rita"} {
		if got := w.as(who).inbox("requestsToAnswer"); got != nil {
			t.Errorf("%s could answer %v", who, got)
		}
	}

	a := ada.approveRequest(id, "message", "Welcome!", "idempotencyKey", "k").OK()
	r := a.At("approveRequest", "request").(map[string]any)
	if r["status"] != "APPROVED" || r["answer"] != "Welcome!" || !cmp.Equal(r["answeredBy"], any(map[string]any{"name": "Ada"})) || r["endedAt"] == nil || a.At("approveRequest", "results") != nil {
		t.Errorf("%s", a.Body)
	}
	if again := ada.approveRequest(id, "message", "Welcome!", "idempotencyKey", "k").OK(); again.Body != a.Body {
		t.Errorf("again: %s", again.Body)
	}
	w.AwaitMail("vic@uni.example", "DataHub Ada has approved your request", "Ada (ada@uni.example)", "Welcome!", "administrator of the space")
	vic.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	if e := ada.approveRequest(id).Refused("CONFLICT"); e.Reason() != "REQUEST_APPROVED" || !strings.Contains(e.Message, "Ada") {
		t.Errorf("%v", e)
	}
	if diff := cmp.Diff([]string{
		"Vic asked to be an administrator of Econometrics 2026.",
		"Ada made Vic an administrator of Econometrics 2026.",
		"Ada approved the request of Vic to be an administrator of Econometrics 2026.",
		"Vic invited zoe@new.example to Group 1 as a viewer.",
	}, w.trail()); diff != "" {
		t.Errorf("the trail: %s", diff)
	}
	w.AwaitMails(3)
}

func TestRequestRoleInAnInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.as("vic")
	id := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.AwaitMail("ada@uni.example", "DataHub Vic asks you for a role", "Group 1", "editor")
	if n := len(w.Mailbox()); n != 1 {
		t.Errorf("%d mails: the editors cannot answer", n)
	}
	ada.approveRequest(id).OK()
	if got := vic.Ask(`query($i: ID!) { instance(id: $i) { viewerRoles } }`, map[string]any{"i": w.instance("Group 1")}).OK().At("instance", "viewerRoles"); !cmp.Equal(got, any([]any{"INSTANCE_EDITOR"})) {
		t.Errorf("Vic is %v", got)
	}
	// Approving never lowers a role.
	id = w.as("mia").requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'EDITOR' from instance i, account a where i.name = 'Group 1' and a.name = 'Mia'`)
	ada.approveRequest(id).OK()
	if got := w.Text(`select string_agg(a.name || ' ' || m.role, ', ' order by a.name) from instance_member m join account a on a.id = m.account_id join instance i on i.id = m.instance_id where i.name = 'Group 1'`); got != "Ed EDITOR, Mia EDITOR, Vic EDITOR" {
		t.Errorf("members are %s", got)
	}
}

func TestRequestInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed := w.as("ada"), w.as("ed")
	bad := ed.requestInvitations("Group 1", "VIEWER", []string{"zoe@new.example", "myemail@.uni.edu.com", "a b@c"})
	if got := bad.Codes(); !slices.Equal(got, []string{"INVALID_EMAIL", "INVALID_EMAIL"}) || bad.Errors[0].Extensions["suggestion"] != "myemail@uni.edu.com" || bad.Errors[0].Extensions["index"] != 1.0 ||
		!strings.HasSuffix(bad.Errors[0].Message, ". Nobody was asked.") {
		t.Errorf("%s", bad.Body)
	}
	asked := ed.requestInvitations("Group 1", "VIEWER", []string{"Zoe <zoe@new.example>", "bob@new.example", "ZOE@new.example", "kim@new.example", "vic@uni.example"}, "message", "They join the project.").OK()
	id := asked.RequestID()
	if got := asked.At("requestInvitations", "request", "emails"); !cmp.Equal(got, any([]any{"zoe@new.example", "bob@new.example", "kim@new.example", "vic@uni.example"})) {
		t.Errorf("addresses %v", got)
	}
	w.AwaitMail("ada@uni.example", "DataHub Ed asks you to invite people", "Group 1", "viewer", "zoe@new.example", "kim@new.example", "They join the project.")
	if w.Number(`select count(*) from invitation`) != 0 {
		t.Error("somebody was invited before anybody approved it")
	}

	if e := ada.approveRequest(id, "emails", []string{"zoe@new.example", "eve@new.example"}).Refused("BAD_USER_INPUT"); !cmp.Equal(e.Extensions["inputPath"], any([]any{"input", "emails", 1.0})) {
		t.Errorf("%v", e)
	}
	ada.approveRequest(id, "emails", []string{}).Refused("BAD_USER_INPUT")
	a := ada.approveRequest(id, "emails", []string{"Zoe@new.example", "vic@uni.example", "bob@new.example"}, "idempotencyKey", "k").OK()
	results := a.At("approveRequest", "results").([]any)
	var got []string
	for _, r := range results {
		r := r.(map[string]any)
		got = append(got, fmt.Sprint(r["email"], " ", r["outcome"], " ", r["role"]))
	}
	if diff := cmp.Diff([]string{"zoe@new.example INVITED VIEWER", "vic@uni.example ALREADY_MEMBER VIEWER", "bob@new.example INVITED VIEWER"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(any(map[string]any{"status": "PENDING", "requestedBy": map[string]any{"name": "Ed"}, "invitedBy": map[string]any{"name": "Ada"}}), results[0].(map[string]any)["invitation"]); diff != "" {
		t.Error(diff)
	}
	few := ed.Ask(`query($n: Int) { viewer { requests { nodes { emails(first: 2) all: emails(first: $n) none: emails(first: 0) approvedEmails(first: 1) } } } }`, map[string]any{"n": nil}).OK()
	if diff := cmp.Diff(any(map[string]any{"emails": []any{"zoe@new.example", "bob@new.example"}, "none": []any{}, "approvedEmails": []any{"zoe@new.example"},
		"all": []any{"zoe@new.example", "bob@new.example", "kim@new.example", "vic@uni.example"}}), few.At("viewer", "requests", "nodes", 0)); diff != "" {
		t.Error(diff)
	}
	if got := a.At("approveRequest", "request", "approvedEmails"); !cmp.Equal(got, any([]any{"zoe@new.example", "vic@uni.example", "bob@new.example"})) {
		t.Errorf("approved %v", got)
	}
	if again := ada.approveRequest(id, "emails", []string{"Zoe@new.example", "vic@uni.example", "bob@new.example"}, "idempotencyKey", "k").OK(); again.Body != a.Body {
		t.Errorf("again: %s", again.Body)
	}
	w.AwaitMail("zoe@new.example", "DataHub Ada has sent you an invitation", "Ada (ada@uni.example) invites you to DataHub, at the request of Ed (ed@uni.example).", "Ed writes:", "They join the project.")
	w.AwaitMail("ed@uni.example", "DataHub Ada has approved your request", "zoe@new.example")
	w.as("zoe@new.example").accept("token", w.AwaitToken("zoe@new.example")).OK()
	w.AwaitMails(4) // none to Kim, who was not approved
	if diff := cmp.Diff([]string{
		"Ed asked to have zoe@new.example, bob@new.example, kim@new.example, 1 more invited to Group 1 as a viewer.",
		"Ada invited zoe@new.example, bob@new.example to Group 1 as a viewer.",
		"Ada approved the request of Ed to have zoe@new.example, bob@new.example, vic@uni.example invited to Group 1 as a viewer.",
		"Zoe accepted the invitation of zoe@new.example to Group 1 as a viewer.",
	}, w.trail()); diff != "" {
		t.Errorf("the trail: %s", diff)
	}
}

func TestRequestRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ed, vic := w.as("ed"), w.as("vic")
	id := vic.requestRestore("Group 2", "message", "My data is in there.").RequestID()
	w.as("mia").requestRestore("Group 2").OK()
	until := w.Text(`select to_char(restorable_until at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI "UTC"') from instance where name = 'Group 2'`)
	for _, who := range []string{"ada@uni.example", "ed@uni.example"} {
		w.AwaitMail(who, "DataHub Vic asks you to restore Group 2", until, "My data is in there.")
	}
	w.AwaitMails(4)
	if diff := cmp.Diff([]string{"Mia RESTORE OPEN", "Vic RESTORE OPEN"}, ed.inbox("requestsToAnswer")); diff != "" {
		t.Errorf("Ed's inbox: %s", diff)
	}
	// One approval answers all requests to restore the instance.
	ed.approveRequest(id, "message", "There it is.").OK()
	vic.Ask(`query($i: ID!) { instance(id: $i) { state } }`, map[string]any{"i": w.instance("Group 2")}).OK()
	if got := w.Text(`select string_agg(q.name || ' ' || r.status || ' ' || a.name || ' ' || coalesce(r.answer, '-'), ', ' order by q.name)
		from request r join account q on q.id = r.requested_by join account a on a.id = r.answered_by`); got != "Mia APPROVED Ed -, Vic APPROVED Ed There it is." {
		t.Errorf("requests: %s", got)
	}
	w.AwaitMail("vic@uni.example", "DataHub Ed has approved your request", "Group 2", "There it is.")
	w.AwaitMail("mia@uni.example", "DataHub Ed has approved your request", "Group 2")
	if diff := cmp.Diff([]string{
		"Vic asked to have Group 2 restored.", "Mia asked to have Group 2 restored.",
		"Ed approved the request of Vic to have Group 2 restored.", "Ed approved the request of Mia to have Group 2 restored.", "Ed restored Group 2.",
	}, w.trail()); diff != "" {
		t.Errorf("the trail: %s", diff)
	}
	// A restoration without an approval answers them, too.
	w.as("ada").delete("Group 2").OK()
	vic.requestRestore("Group 2").OK()
	w.as("ada").restore("Group 2").OK()
	if got := vic.inbox("requests"); !slices.Equal(got, []string{"Vic RESTORE APPROVED", "Vic RESTORE APPROVED"}) {
		t.Errorf("%v", got)
	}
}

// Requests that nobody answers in time expire with a reason and a mail to the
// requester.
func TestRequestsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.as("vic")
	restore, role := vic.requestRestore("Group 2").RequestID(), vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.AwaitMails(3)
	w.Exec(`update request set lasts_until = t.at, expires_at = t.at from (select clock_timestamp() as at) t where kind = 'ROLE'`)
	w.setDeleted("Group 2", 25*time.Hour)
	w.Exec(`update request r set expires_at = i.restorable_until from instance i where i.id = r.instance_id and r.kind = 'RESTORE'`)
	// They are expired at once, before maintenance stores it.
	want := []string{"Vic ROLE EXPIRED", "Vic RESTORE EXPIRED"}
	if got := vic.inbox("requests"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := ada.inbox("requestsToAnswer"); got != nil {
		t.Errorf("Ada is to answer %v", got)
	}
	if e := ada.approveRequest(role).Refused("CONFLICT"); e.Reason() != "REQUEST_EXPIRED" {
		t.Errorf("%v", e)
	}
	if e := ada.declineRequest(role).Refused("CONFLICT"); e.Reason() != "REQUEST_EXPIRED" {
		t.Errorf("%v", e)
	}
	ada.approveRequest(restore).Refused("RESTORE_WINDOW_EXPIRED")
	reasons := vic.Ask(`{ viewer { requests(status: EXPIRED) { totalCount nodes { endReason endedAt expiresAt } } } }`, nil).OK()
	if got := reasons.Every("endReason", "viewer", "requests", "nodes"); !slices.Equal(got, []string{"EXPIRED", "RESTORE_WINDOW_EXPIRED"}) || reasons.At("viewer", "requests", "totalCount") != 2.0 {
		t.Errorf("%s", reasons.Body)
	}
	// A role can be requested again, a restoration cannot.
	again := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	vic.requestRestore("Group 2").Refused("RESTORE_WINDOW_EXPIRED")
	vic.withdrawRequest(again).OK()

	if _, err := w.requests().EndExpired(t.Context()); err != nil { // unless the gateway has just done it
		t.Error(err)
	}
	if n := w.Number(`select count(*) from request where status = 'EXPIRED'`); n != 2 {
		t.Errorf("%d are written down", n)
	}
	w.AwaitMail("vic@uni.example", "DataHub Your request was not answered", "Group 1")
	w.AwaitMail("vic@uni.example", "DataHub Your request was not answered", "Group 2", "24 hours")
	if got := w.trail(); !slices.Contains(got, "The request of Vic to have Group 2 restored expired.") || !slices.Contains(got, "The request of Vic to be an editor of Group 1 expired.") {
		t.Errorf("the trail: %v", got)
	}
}

// A request about a deleted instance expires with it, unless the instance is
// restored.
func TestRequestsEndWithTheirInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, neverPurging)
	ada, ed := w.as("ada"), w.as("ed")
	id := ed.requestInvitations("Group 1", "VIEWER", []string{"zoe@new.example"}).RequestID()
	until := w.Text(`select expires_at::text from request`)
	ada.delete("Group 1").OK()
	if got := w.Number(`select count(*) from request r join instance i on i.id = r.instance_id where r.expires_at = i.restorable_until`); got != 1 {
		t.Error("it can be answered longer than the instance can be restored")
	}
	ada.restore("Group 1").OK()
	if got := w.Text(`select expires_at::text from request`); got != until {
		t.Errorf("it expires at %s, and did at %s", got, until)
	}
	ada.delete("Group 1").OK()
	w.setDeleted("Group 1", 25*time.Hour)
	w.Exec(`update request r set expires_at = i.restorable_until from instance i where i.id = r.instance_id`)
	if e := ada.approveRequest(id).Refused("CONFLICT"); e.Reason() != "REQUEST_EXPIRED" || !strings.Contains(e.Message, "24 hours") {
		t.Errorf("%v", e)
	}
	if got := ed.Ask(`{ viewer { requests { nodes { status endReason } } } }`, nil).OK().At("viewer", "requests", "nodes", 0); !cmp.Equal(got, any(map[string]any{"status": "EXPIRED", "endReason": "RESTORE_WINDOW_EXPIRED"})) {
		t.Errorf("%v", got)
	}
	if _, err := w.requests().EndExpired(t.Context()); err != nil { // unless the gateway has just done it
		t.Error(err)
	}
	w.AwaitMail("ed@uni.example", "DataHub Your request was not answered", "Group 1")
	// The purge removes the requests and mails of the instance.
	w.setDeleted("Group 1", 9*24*time.Hour)
	if n, err := instance.Purge(t.Context(), w.gatewayDB(), 7*24*time.Hour); n != 1 || err != nil {
		t.Errorf("%d purged, %v", n, err)
	}
	if n := w.Number(`select (select count(*) from request) + (select count(*) from request_notice) + (select count(*) from outbox)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A former member learns nothing more of a space and the people in it.
func TestFormerMemberLearnsNothingNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.as("vic")
	role := vic.requestRole("", "SPACE_ADMINISTRATOR").RequestID()
	vic.requestRestore("Group 2").OK()
	s := vic.subscribe(requestChanged)
	w.AwaitOutbox()
	group2 := w.instance("Group 2")
	ada.remove("", w.user("Vic")).OK()
	w.Exec(`update space set name = 'Secret' where name = 'Econometrics 2026'`)
	ada.declineRequest(role, "message", "We do not know him any more.").OK()
	ada.restore(group2).OK()
	a := vic.Ask(`{ viewer { requests { nodes { `+requestFields+` } } } }`, nil).OK()
	if got := a.Every("status", "viewer", "requests", "nodes"); !slices.Equal(got, []string{"APPROVED", "DECLINED"}) {
		t.Errorf("%s", a.Body)
	}
	for _, secret := range []string{"Secret", "Ada", "any more"} {
		if strings.Contains(a.Body, secret) {
			t.Errorf("he learns of %s: %s", secret, a.Body)
		}
	}
	if got := s.next().requestChange(); got != "DECLINED ROLE Vic" {
		t.Errorf("the event is %s", got)
	}
	w.AwaitOutbox()
	for _, m := range w.Mailbox() {
		if m.To == "vic@uni.example" {
			t.Errorf("he gets a mail about %q", m.Subject)
		}
	}
}

// Each mail about a request is delivered in spite of a busy mail server.
func TestMailsAboutRequestsSurviveABusyMailServer(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	var busy atomic.Int64
	s.OnData(func(apptest.Attempt) error {
		if busy.Add(1)%2 == 1 {
			return apptest.Reply(451, "later")
		}
		return nil
	})
	w := newWorld(t, s.Use)
	ada, vic := w.as("ada"), w.as("vic")
	send := func() {
		t.Helper()
		w.Await("all mails", func() bool {
			w.tryNow()
			return w.Number(`select count(*) from outbox where state = 'QUEUED'`) == 0
		})
	}
	role := vic.requestRole("", "SPACE_ADMINISTRATOR", "message", "Please!").RequestID()
	invitations := w.as("ed").requestInvitations("Group 1", "VIEWER", []string{"zoe@new.example"}).RequestID()
	restore := w.as("mia").requestRestore("Group 2").RequestID()
	send()
	ada.approveRequest(role).OK()
	ada.approveRequest(invitations).OK()
	w.as("ed").approveRequest(restore).OK()
	send()
	got := map[string][]string{}
	ids := map[string]string{}
	for _, a := range s.Attempts() {
		if of, known := ids[a.MessageID]; known && of != a.To {
			t.Errorf("%s has the Message-ID of one to %s", a.To, of)
		}
		ids[a.MessageID] = a.To
		if a.Taken {
			got[a.To] = append(got[a.To], a.Subject)
		}
	}
	for _, subjects := range got {
		slices.Sort(subjects)
	}
	if diff := cmp.Diff(map[string][]string{
		"ada@uni.example": {"DataHub Ed asks you to invite people", "DataHub Mia asks you to restore Group 2", "DataHub Vic asks you for a role"},
		"ed@uni.example":  {"DataHub Ada has approved your request", "DataHub Mia asks you to restore Group 2"},
		"vic@uni.example": {"DataHub Ada has approved your request"},
		"mia@uni.example": {"DataHub Ed has approved your request"},
		"zoe@new.example": {"DataHub Ada has sent you an invitation"},
	}, got); diff != "" {
		t.Error(diff)
	}
	if n := w.Number(`select count(*) from outbox where state <> 'SENT' or secret is not null`); n != 0 {
		t.Errorf("%d mails are not noted as sent", n)
	}
}

// A person who is removed from a space gets no role by a request that is
// approved at the same time.
func TestApprovingRacesWithRemoving(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimited)
	w.grantAdministrator("Rita")
	ada, rita, vic := w.as("ada"), w.as("rita"), w.as("vic")
	var r racetest.Race
	for n := range racetest.Trials {
		w.addViewers("Group 1", "Vic")
		id := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
		var approved, removed answer
		r.Run(func() { approved = ada.approveRequest(id) }, func() { removed = rita.remove("", w.user("Vic")) })
		r.Record(len(approved.Errors) == 0)
		removed.OK()
		if n := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.name = 'Vic'`); n != 0 {
			t.Fatalf("trial %d: Vic has a role; %s", n, approved.Body)
		}
		if len(approved.Errors) > 0 {
			if e := approved.Refused("CONFLICT"); e.Reason() != "REQUESTER_LEFT" {
				t.Fatalf("trial %d: %v", n, e)
			}
			ada.declineRequest(id).OK()
		}
	}
	r.End(t)
}

// A person who requests again during the answer gets either the first request
// or a new one.
func TestRequestingRacesWithDeclining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimited)
	ada, vic := w.as("ada"), w.as("vic")
	var r racetest.Race
	for range racetest.Trials {
		id := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
		var asked answer
		r.Run(func() { asked = vic.requestRole("Group 1", "INSTANCE_EDITOR") }, func() { ada.declineRequest(id).OK() })
		r.Record(asked.RequestID() == id)
		if asked.RequestID() != id {
			ada.declineRequest(asked.RequestID()).OK()
		}
	}
	r.End(t)
}

func TestRestoringAnswersThousandsOfRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`
		with a as (
			insert into account (id, subject, email, email_key, name)
			select gen_random_uuid(), 'x' || n, 'x' || n || '@new.example', 'x' || n || '@new.example', 'X' || n from generate_series(1, 10000) n returning id),
		m as (insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, a where i.name = 'Group 2')
		insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, lasts_until, expires_at)
		select gen_random_uuid(), 'RESTORE', i.space_id, 'S', i.id, i.name, a.id, i.restorable_until, i.restorable_until from instance i, a where i.name = 'Group 2'`)
	w.as("ada").restore("Group 2").OK()
	if n := w.Number(`select count(*) from request where status = 'APPROVED'`); n != 10_000 {
		t.Errorf("%d are answered", n)
	}
}

// requests returns a service beside the gateways.
func (w *world) requests() *request.Service { return &request.Service{DB: w.gatewayDB()} }

func TestDeclineAndWithdrawRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, vic := w.as("ada"), w.as("vic")
	first := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.AwaitMails(1)
	a := ada.declineRequest(first, "message", "Not yet.", "idempotencyKey", "k").OK()
	if got := a.At("declineRequest", "request", "status"); got != "DECLINED" {
		t.Errorf("%s", a.Body)
	}
	if again := ada.declineRequest(first, "message", "Not yet.", "idempotencyKey", "k").OK(); again.Body != a.Body {
		t.Errorf("again: %s", again.Body)
	}
	w.AwaitMail("vic@uni.example", "DataHub Ada has declined your request", "Not yet.")
	second := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.AwaitMails(3)
	if second == first {
		t.Error("an ended request was taken for an open one")
	}
	// Those who can answer cannot withdraw, and the other way round.
	if e := ada.withdrawRequest(second).Refused("FORBIDDEN"); !cmp.Equal(e.Extensions["contacts"], any([]any{map[string]any{"name": "Vic", "email": "vic@uni.example"}})) {
		t.Errorf("%v", e)
	}
	vic.approveRequest(second).Refused("FORBIDDEN")
	vic.declineRequest(second).Refused("FORBIDDEN")
	b := vic.withdrawRequest(second, "idempotencyKey", "k").OK()
	if got := b.At("withdrawRequest", "request").(map[string]any); got["status"] != "WITHDRAWN" || got["endReason"] != "WITHDRAWN" || got["answeredBy"] != nil {
		t.Errorf("%s", b.Body)
	}
	if again := vic.withdrawRequest(second, "idempotencyKey", "k").OK(); again.Body != b.Body {
		t.Errorf("again: %s", again.Body)
	}
	for id, reason := range map[string]string{first: "REQUEST_DECLINED", second: "REQUEST_WITHDRAWN"} {
		for what, a := range map[string]answer{"approve": ada.approveRequest(id), "decline": ada.declineRequest(id), "withdraw": vic.withdrawRequest(id)} {
			if e := a.Refused("CONFLICT"); e.Reason() != reason {
				t.Errorf("%s: %v", what, e)
			}
		}
	}
	w.AwaitMails(3) // none about the withdrawn request
	if got := w.trail(); len(got) != 4 || got[3] != "Vic withdrew the request to be an editor of Group 1." {
		t.Errorf("the trail: %v", got)
	}
}

// A person who does not see a place does not see requests about it.
func TestRequestsAreHiddenFromOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, a := range map[string]answer{
		"a role":                            w.as("sam").requestRole("", "SPACE_ADMINISTRATOR"),
		"one inside":                        w.as("rita").requestRole("Group 1", "INSTANCE_VIEWER"),
		"invitations":                       w.as("sam").requestInvitations("Group 1", "VIEWER", []string{"no address"}),
		"restorations":                      w.as("sam").requestRestore("Group 2"),
		"an instance that one does not see": w.as("vic").requestInvitations("Master", "VIEWER", []string{"zoe@new.example"}),
		"an id of another kind":             w.as("ada").requested("requestRestore", "instanceId", w.space("Econometrics 2026")),
		"a space as an instance":            w.as("vic").requested("requestRole", "instanceId", w.space("Econometrics 2026"), "role", "INSTANCE_EDITOR"),
		"an organization":                   w.as("mia").requested("requestRole", "spaceId", w.organization("University of Example"), "role", "SPACE_ADMINISTRATOR"),
		"an instance as a space":            w.as("vic").requested("requestRole", "spaceId", w.instance("Group 1"), "role", "SPACE_ADMINISTRATOR"),
	} {
		a.Refused("NOT_FOUND")
		if t.Failed() {
			t.Fatal(what)
		}
	}
	role, restore := w.as("vic").requestRole("Group 1", "INSTANCE_EDITOR").RequestID(), w.as("vic").requestRestore("Group 2").RequestID()
	unknown := w.as("sam").approveRequest("request_00000000000000000000000000000000").Refused("NOT_FOUND")
	for _, who := range []string{"sam", "rita", "mia", "ed"} {
		p := w.as(who)
		for _, id := range []string{role, restore, "x", w.instance("Group 1")} {
			if who == "ed" && id == restore {
				continue // Ed can answer it
			}
			for what, a := range map[string]answer{"approve": p.approveRequest(id), "decline": p.declineRequest(id), "withdraw": p.withdrawRequest(id)} {
				if e := a.Refused("NOT_FOUND"); e.Message != unknown.Message || !cmp.Equal(e.Extensions["remedy"], unknown.Extensions["remedy"]) {
					t.Errorf("%s, %s: %v", who, what, e)
				}
			}
		}
	}
	requests := `query($s: ID!) { space(id: $s) { requests(status: OPEN) { totalCount nodes { kind } } } }`
	of := map[string]any{"s": w.space("Econometrics 2026")}
	for _, who := range []string{"vic", "ed", "mia"} {
		w.as(who).Ask(requests, of).Refused("FORBIDDEN")
	}
	if got := w.as("ada").Ask(requests, of).OK().At("space", "requests", "totalCount"); got != 2.0 {
		t.Errorf("Ada sees %v", got)
	}
	if got := w.as("ed").inbox("requestsToAnswer"); !slices.Equal(got, []string{"Vic RESTORE OPEN"}) {
		t.Errorf("Ed is to answer %v", got)
	}
	// Nobody sees the lists of others.
	a := w.as("ada").Ask(`query($i: ID!) { instance(id: $i) { members { nodes { user { requests { totalCount } } } } } }`, map[string]any{"i": w.instance("Group 1")})
	if got := a.Codes(); !slices.Contains(got, "FORBIDDEN") {
		t.Errorf("%s", a.Body)
	}
}

// A request for what the person can do, or for what is impossible, is refused.
func TestNeedlessRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := []string{"zoe@new.example"}
	for what, c := range map[string]struct {
		a            answer
		code, reason any
	}{
		"a role that one has":              {w.as("ada").requestRole("", "SPACE_ADMINISTRATOR"), "CONFLICT", "NOT_NEEDED"},
		"a role that an administrator has": {w.as("ada").requestRole("Group 1", "INSTANCE_EDITOR"), "CONFLICT", "NOT_NEEDED"},
		"a role that an editor has":        {w.as("ed").requestRole("Group 1", "INSTANCE_VIEWER"), "CONFLICT", "NOT_NEEDED"},
		"invitations by an administrator":  {w.as("ada").requestInvitations("Group 1", "VIEWER", one), "CONFLICT", "NOT_NEEDED"},
		"a restoration by an editor":       {w.as("ed").requestRestore("Group 2"), "CONFLICT", "NOT_NEEDED"},
		"a restoration of what is there":   {w.as("vic").requestRestore("Group 1"), "CONFLICT", "NOT_NEEDED"},
		"a restoration too late":           {w.as("mia").requestRestore("Group 3"), "RESTORE_WINDOW_EXPIRED", nil},
		"invitations to what is deleted":   {w.as("vic").requestInvitations("Group 2", "VIEWER", []string{"no address"}), "INSTANCE_DELETED", nil},
		"invitations to the Distributed":   {w.as("ed").requestInvitations("Distributed", "VIEWER", one), "INSTANCE_DISTRIBUTED", nil},
		"a role in what is deleted":        {w.as("vic").requestRole("Group 2", "INSTANCE_EDITOR"), "INSTANCE_DELETED", nil},
		"a role in the Distributed":        {w.as("ed").requestRole("Distributed", "INSTANCE_EDITOR"), "INSTANCE_DISTRIBUTED", nil},
		"a role in an organization":        {w.as("vic").requested("requestRole", "spaceId", w.space("Econometrics 2026"), "role", "ORGANIZATION_MANAGER"), "BAD_USER_INPUT", nil},
		"a role in an instance of a space": {w.as("vic").requested("requestRole", "spaceId", w.space("Econometrics 2026"), "role", "INSTANCE_EDITOR"), "BAD_USER_INPUT", nil},
		"a role nowhere":                   {w.as("vic").requested("requestRole", "role", "SPACE_ADMINISTRATOR"), "BAD_USER_INPUT", nil},
		"no addresses":                     {w.as("ed").requestInvitations("Group 1", "VIEWER", []string{}), "BAD_USER_INPUT", nil},
		"a message too long":               {w.as("vic").requestRestore("Group 2", "message", strings.Repeat("x", 2001)), "BAD_USER_INPUT", nil},
		"a message that controls":          {w.as("vic").requestRestore("Group 2", "message", "a\x00"), "BAD_USER_INPUT", nil},
		"an answer too long":               {w.as("ada").declineRequest("x", "message", strings.Repeat("x", 2001)), "BAD_USER_INPUT", nil},
		"an empty key":                     {w.as("vic").withdrawRequest("x", "idempotencyKey", ""), "BAD_USER_INPUT", nil},
	} {
		e := c.a.Refused(c.code.(string))
		if c.reason != nil && e.Reason() != c.reason || c.code == "CONFLICT" && e.Extensions["remedy"] == nil {
			t.Errorf("%s: %v", what, e)
		}
	}
	for what, first := range map[string]any{"negative": -1, "too many": 1001, "a string": "5"} {
		w.as("vic").Ask(`query($n: Int) { viewer { requests { nodes { emails(first: $n) } } } }`, map[string]any{"n": first}).Refused("BAD_USER_INPUT")
		if t.Failed() {
			t.Fatal(what)
		}
	}
	if n := w.Number(`select count(*) from request`); n != 0 {
		t.Errorf("%d requests", n)
	}
	w.AwaitMails(0)
	// A request whose role the person has got in the meantime can be approved.
	id := w.as("vic").requestRole("", "SPACE_ADMINISTRATOR").RequestID()
	w.grantAdministrator("Vic")
	w.as("ada").approveRequest(id).OK()
}

// The permissions and states at the approval count, not those at the request.
func TestApprovingChecksPermissionAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed, vic := w.as("ada"), w.as("ed"), w.as("vic")
	id := ed.requestInvitations("Group 1", "VIEWER", []string{"zoe@new.example"}).RequestID()
	// The instance is deleted for a while.
	ada.delete("Group 1").OK()
	ada.approveRequest(id).Refused("INSTANCE_DELETED")
	ada.restore("Group 1").OK()
	// The requester has left.
	ed.leave("Group 1").OK()
	if e := ada.approveRequest(id).Refused("CONFLICT"); e.Reason() != "REQUESTER_LEFT" {
		t.Errorf("%v", e)
	}
	if got := w.Text(`select status from request`); got != "OPEN" {
		t.Errorf("it is %s", got)
	}
	ada.declineRequest(id).OK()
	// The approver has lost the role.
	id = vic.requestRole("", "SPACE_ADMINISTRATOR").RequestID()
	w.revokeAdministrator("Ada")
	ada.approveRequest(id).Refused("NOT_FOUND")
	w.as("rita").approveRequest(id).OK()
	if n := w.Number(`select count(*) from invitation`); n != 0 {
		t.Errorf("%d invitations", n)
	}
}

// A retry gets the first answer, with the state of now.
func TestRequestingIsIdempotent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.as("vic")
	a := vic.requestRestore("Group 2", "idempotencyKey", "k").OK()
	w.AwaitMails(2)
	w.as("ada").restore("Group 2").OK()
	again := vic.requestRestore("Group 2", "idempotencyKey", "k").OK()
	if again.RequestID() != a.RequestID() || again.At("requestRestore", "created") != true || again.At("requestRestore", "request", "status") != "APPROVED" {
		t.Errorf("%s", again.Body)
	}
	vic.requestRestore("Group 1", "idempotencyKey", "k").Refused("IDEMPOTENCY_KEY_REUSED")
	answers := make([]answer, 20)
	var asks []func()
	for i := range answers {
		asks = append(asks, func() {
			answers[i] = vic.requestRole("Group 1", "INSTANCE_EDITOR", "idempotencyKey", fmt.Sprint("many", i%2))
		})
	}
	racetest.Together(asks...)
	for _, a := range answers {
		if a.RequestID() != answers[0].RequestID() {
			t.Errorf("%s", a.Body)
		}
	}
	if n := w.Number(`select count(*) from request`); n != 2 {
		t.Errorf("%d requests", n)
	}
	w.AwaitMails(4)
}

func TestLimitsOfRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxRequests, s.MaxSpaceRequests = 4, 6 })
	vic, mia := w.as("vic"), w.as("mia")
	for range 3 {
		vic.withdrawRequest(vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()).OK()
	}
	vic.requestRole("", "SPACE_ADMINISTRATOR").OK()
	vic.requestRestore("Group 2").Limited("REQUESTS_BY_PERSON")
	vic.requestRole("", "SPACE_ADMINISTRATOR").OK() // is open already, and does not count
	// The limit answers before invalid addresses.
	vic.requestInvitations("Group 1", "VIEWER", []string{"no address"}).Refused("RATE_LIMITED")
	mia.requestRole("", "SPACE_ADMINISTRATOR").OK()
	mia.requestRestore("Group 2").OK()
	mia.requestRole("Group 1", "INSTANCE_EDITOR").Refused("RATE_LIMITED")
	w.anHourLater()
	vic.requestRestore("Group 2").OK()
}

// A thousand addresses need as many statements as one.
func TestRequestStatementsDoNotGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed := w.as("ada"), w.as("ed")
	ada.Ask(`{ viewer { id } }`, nil).OK()
	ed.Ask(`{ viewer { id } }`, nil).OK()
	measure := func(n int) (asking, approving int) {
		emails := make([]string, n)
		for i := range emails {
			emails[i] = fmt.Sprintf("p%d.%d@new.example", n, i)
		}
		asked := ed.requestInvitations("Group 1", "VIEWER", emails).OK()
		return w.statements(asked), w.statements(ada.approveRequest(asked.RequestID()).OK())
	}
	asking, approving := measure(1)
	t.Logf("asking: %d statements, approving: %d", asking, approving)
	if a, b := measure(1000); a != asking || b != approving || asking > 18 || approving > 27 {
		t.Errorf("asking: %d statements for one address, %d for many; approving: %d and %d", asking, a, approving, b)
	}
	const query = `{ viewer { requestsToAnswer(first: 100) { totalCount nodes { kind space { name } instance { name space { name } } } }
		spaces { nodes { requests(first: 100) { totalCount nodes { status space { name } instance { name } } } } } } }`
	few := w.statements(ada.Ask(query, nil).OK())
	for _, instance := range []string{"Master", "Group 1"} {
		w.as("mia").requestInvitations(instance, "VIEWER", []string{"zoe@new.example"}).OK()
		w.as("mia").requestRole(instance, "INSTANCE_EDITOR").OK()
	}
	w.as("vic").requestRestore("Group 2").OK()
	if many := w.statements(ada.Ask(query, nil).OK()); many > few+2 {
		t.Errorf("%d statements for few, %d for many", few, many)
	}
}

const requestChanged = `subscription { requestChanged { change at request { kind status requestedBy { name } } } }`

func (m update) requestChange() string {
	if m.end != "" || len(m.Errors) > 0 {
		return m.change()
	}
	e := m.At("requestChanged").(map[string]any)
	r := e["request"].(map[string]any)
	return fmt.Sprint(e["change"], " ", r["kind"], " ", r["requestedBy"].(map[string]any)["name"])
}

func TestRequestSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, _ := w.Start()
	ada, ed, vic := w.as("ada"), w.as("ed"), w.as("vic")
	elsewhere := ada
	elsewhere.URL = other.URL()
	streams := map[string]stream{"Ada": elsewhere.subscribe(requestChanged), "Ed": ed.subscribe(requestChanged), "Vic": vic.subscribe(requestChanged), "Sam": w.as("sam").subscribe(requestChanged)}
	expect := func(who string, changes ...string) {
		t.Helper()
		for _, want := range changes {
			if got := streams[who].next().requestChange(); got != want {
				t.Fatalf("%s got %q, want %q", who, got, want)
			}
		}
	}
	restore := vic.requestRestore("Group 2").RequestID()
	for _, who := range []string{"Ada", "Ed", "Vic"} {
		expect(who, "CREATED RESTORE Vic")
	}
	role := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	ada.declineRequest(role).OK()
	expect("Ada", "CREATED ROLE Vic", "DECLINED ROLE Vic")
	expect("Vic", "CREATED ROLE Vic", "DECLINED ROLE Vic")
	ed.approveRequest(restore).OK()
	for _, who := range []string{"Ada", "Ed", "Vic"} {
		expect(who, "APPROVED RESTORE Vic")
	}
	// Ada, who has lost the role, gets no more events.
	w.revokeAdministrator("Ada")
	vic.withdrawRequest(vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()).OK()
	expect("Vic", "CREATED ROLE Vic", "WITHDRAWN ROLE Vic")
	w.Exec(`update request set lasts_until = t.at, expires_at = t.at from (select clock_timestamp() as at) t where id = $1::uuid`, strings.TrimPrefix(vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID(), "request_"))
	if _, err := w.requests().EndExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("Vic", "CREATED ROLE Vic", "EXPIRED ROLE Vic")
	for _, who := range []string{"Ada", "Ed", "Sam"} {
		select {
		case m := <-streams[who].updates:
			t.Errorf("%s got %q", who, m.requestChange())
		default:
		}
	}
}

// A request is approved or declined, never both, and the second answer is told
// which.
func TestApprovingRacesWithDeclining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimited)
	w.grantAdministrator("Rita")
	ada, rita, vic := w.as("ada"), w.as("rita"), w.as("vic")
	var r racetest.Race
	for n := range racetest.Trials {
		w.Exec(`delete from instance_member m using account a where a.id = m.account_id and a.name = 'Vic'`)
		w.addViewers("Group 1", "Vic")
		id := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
		var approved, declined answer
		r.Run(func() { approved = ada.approveRequest(id) }, func() { declined = rita.declineRequest(id) })
		r.Record(len(approved.Errors) == 0)
		editor := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.name = 'Vic' and m.role = 'EDITOR'`) == 1
		switch status := w.Text(`select status from request where id = $1::uuid`, strings.TrimPrefix(id, "request_")); {
		case len(approved.Errors) == 0:
			if e := declined.Refused("CONFLICT"); e.Reason() != "REQUEST_APPROVED" || !strings.Contains(e.Message, "Ada") || !editor || status != "APPROVED" {
				t.Fatalf("trial %d: %s, editor %t: %v", n, status, editor, e)
			}
		default:
			if e := approved.Refused("CONFLICT"); e.Reason() != "REQUEST_DECLINED" || !strings.Contains(e.Message, "Rita") || editor || status != "DECLINED" {
				t.Fatalf("trial %d: %s, editor %t: %v", n, status, editor, e)
			}
			declined.OK()
		}
	}
	r.End(t)
}

func unlimited(s *app.Settings) {
	s.MaxRequests, s.MaxSpaceRequests, s.MaxInvitations, s.MaxSpaceInvitations = 1e6, 1e6, 1e6, 1e6
	s.MaxOrganizationRequests, s.MaxPersonOrganizationRequests = 1e6, 1e6
}

// A withdrawn request is not carried out, and an approved one not withdrawn.
func TestApprovingRacesWithWithdrawing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimited)
	ada, ed := w.as("ada"), w.as("ed")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		id := ed.requestInvitations("Group 1", "VIEWER", []string{email}).RequestID()
		var approved, withdrawn answer
		r.Run(func() { approved = ada.approveRequest(id) }, func() { withdrawn = ed.withdrawRequest(id) })
		r.Record(len(approved.Errors) == 0)
		invited := w.Number(`select count(*) from invitation where email = $1`, email)
		if len(approved.Errors) == 0 {
			if e := withdrawn.Refused("CONFLICT"); e.Reason() != "REQUEST_APPROVED" || invited != 1 {
				t.Fatalf("trial %d: %d invited, %v", n, invited, e)
			}
		} else if e := approved.Refused("CONFLICT"); e.Reason() != "REQUEST_WITHDRAWN" || invited != 0 {
			t.Fatalf("trial %d: %d invited, %v", n, invited, e)
		} else {
			withdrawn.OK()
		}
	}
	r.End(t)
}

// Nobody is invited by an approval after the answer to the deletion of the
// instance.
func TestApprovingRacesWithDeleting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimited)
	ada, ed := w.as("ada"), w.as("ed")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		id := ed.requestInvitations("Group 1", "VIEWER", []string{email}).RequestID()
		var approved, deleted answer
		r.Run(func() { approved = ada.approveRequest(id) }, func() { deleted = ed.delete("Group 1") })
		r.Record(len(approved.Errors) == 0)
		deleted.OK()
		invited := w.Number(`select count(*) from invitation where email = $1`, email)
		status := w.Text(`select status from request where id = $1::uuid`, strings.TrimPrefix(id, "request_"))
		if len(approved.Errors) == 0 {
			if invited != 1 || status != "APPROVED" {
				t.Fatalf("trial %d: %d invited, %s", n, invited, status)
			}
		} else if approved.Refused("INSTANCE_DELETED"); invited != 0 || status != "OPEN" {
			t.Fatalf("trial %d: %d invited, %s", n, invited, status)
		} else {
			ada.declineRequest(id).OK()
		}
		ada.restore("Group 1").OK()
	}
	r.End(t)
}
