package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

const deleteGroup = `mutation($i: ID!) { deleteInstance(input: {instanceId: $i}) { deleted } }`

// holdLocks runs a statement and keeps its locks until release, which may be called
// more than once.
func (w *world) holdLocks(query string, args ...any) (release func()) {
	w.t.Helper()
	tx, err := w.Admin.Beginx()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return func() { _ = tx.Rollback() }
}

const holdGroups = `select from instance where name in ('Group 1', 'Group 4') for update`

// deletions are two waiting mutations, one over each kind of stream.
type deletions struct {
	socket
	events  chan []string
	release func() // lets them continue
}

// deleteOverStreams needs a Group 4.
func (p person) deleteOverStreams() deletions {
	w := p.world
	w.t.Helper()
	d := deletions{p.connect(), make(chan []string, 1), w.holdLocks(holdGroups)}
	d.subscribe("1", deleteGroup, map[string]any{"i": w.instance("Group 1")})
	group4 := map[string]any{"i": w.instance("Group 4")}
	go func() { d.events <- p.overEvents(deleteGroup, group4) }()
	w.Eventually("two mutations that wait", func() bool { return w.lockWaiters("instance") == 2 })
	return d
}

// finish lets them continue, and expects both answers and then the close code
// of the connection.
func (d deletions) finish(code int) {
	d.t.Helper()
	d.release()
	want := []string{`next {"data":{"deleteInstance":{"deleted":true}}}`, "complete "}
	if diff := cmp.Diff(want, <-d.events); diff != "" {
		d.t.Errorf("SSE: %s", diff)
	}
	if diff := cmp.Diff(want, d.outcome("1")); diff != "" {
		d.t.Errorf("WebSocket: %s", diff)
	}
	if got, _ := d.closed(); got != code {
		d.t.Errorf("closed with %d", got)
	}
}

// overEvents sends an operation over server-sent events and returns the events,
// one line each.
func (p person) overEvents(query string, variables map[string]any) (lines []string) {
	response := p.openSSE(context.Background(), query, variables)
	defer response.Body.Close()
	for e := range events(response.Body) {
		lines = append(lines, e.name+" "+e.data)
	}
	return lines
}

// outcome returns the messages of an operation over a WebSocket, up to the
// last.
func (s socket) outcome(id string) (lines []string) {
	s.t.Helper()
	for {
		m := s.receive()
		if m["id"] != id {
			continue
		}
		payload, _ := json.Marshal(m["payload"])
		lines = append(lines, fmt.Sprint(m["type"], " ", strings.TrimPrefix(string(payload), "null")))
		if m["type"] != "next" {
			return lines
		}
	}
}

// An operation over a stream that runs out of time answers UNAVAILABLE.
func TestTimeoutOfAnOperationOverAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.RequestTimeout = 10 * time.Second })
	ada := w.as("ada")
	s := ada.connect()
	group := map[string]any{"i": w.instance("Group 1")}
	w.holdLocks(holdGroups)
	s.subscribe("1", deleteGroup, group)
	for transport, lines := range map[string][]string{"SSE": ada.overEvents(deleteGroup, group), "WebSocket": s.outcome("1")} {
		if len(lines) != 2 || !strings.Contains(lines[0], `"code":"UNAVAILABLE"`) || lines[1] != "complete " {
			t.Errorf("%s: %q", transport, lines)
		}
	}
}

// A gateway that stops finishes the operations that it has started.
func TestStopFinishesOperationsOverStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := map[string]any{"i": w.instance("Master"), "id": w.instance("Master")}
	w.as("ada").createInstance("Group 4").OK()
	watching := w.as("ada").watchSSE(w.instance("Master"))
	d := w.as("ada").deleteOverStreams()
	d.subscribe("watch", invitationChanged, master)
	stopped := make(chan error, 1)
	go func() { stopped <- w.Gateway.Stop() }()
	if got := watching.next().end; got != "cut" {
		t.Errorf("who watches: %s", got)
	}
	d.subscribe("2", `mutation($i: ID!) { inviteUsers(input: {instanceId: $i, role: VIEWER, emails: ["late@new.example"]}) { results { email } } }`, master)
	d.finish(1001)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if w.Number(`select count(*) from invitation`) > 0 {
		t.Error("something was begun after the end")
	}
}

// A mutation is answered though its token expires in the meantime.
func TestExpiringTokenDoesNotCutAMutation(t *testing.T) {
	t.Parallel()
	// The mutation waits for a lock until the token has expired.
	w := newWorld(t, func(s *app.Settings) { s.StatementTimeout = s.RequestTimeout })
	w.as("ada").createInstance("Group 4").OK()
	// Of the leeway of 30 seconds 14 are left, in which all must begin. After 15 seconds
	// the gateway asks whether somebody still reads from the connection.
	brief := w.brief("ada", time.Now().Add(-16*time.Second))
	d := brief.deleteOverStreams()
	if code, _ := brief.connect().closed(); code != 4403 {
		t.Errorf("closed with %d", code)
	}
	d.finish(4403)
}

// Clients retry by themselves after close code 1013, but not after 4403.
func TestWebSocketAsksToRetryWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	// Less than the 10 seconds that a connection may take to be initialised.
	w := newWorld(t, func(s *app.Settings) { s.RequestTimeout = 6 * time.Second })
	zoe := w.as("zoe@new.example")
	release := w.holdLocks(`lock table account`)
	s := zoe.dial()
	s.send(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + zoe.Token}})
	if code, reason := s.closed(); code != 1013 {
		t.Errorf("closed with %d %s", code, reason)
	}
	release()
	zoe.connect()

	// A gateway that stops does not wait for a sign-in.
	slow, _ := w.Start(func(s *app.Settings) { s.RequestTimeout = 2 * apptest.Patience })
	bob := w.as("bob@new.example")
	bob.URL = slow.URL()
	release = w.holdLocks(`lock table account`)
	s = bob.dial()
	s.send(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + bob.Token}})
	w.Eventually("a sign-in that waits", func() bool { return w.lockWaiters("account") > 0 })
	stopped := make(chan error, 1)
	go func() { stopped <- slow.Stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(apptest.Patience):
		t.Error("it does not stop")
	}
	release()
}

// A server may ignore an upgrade to another protocol (RFC 9110, section 7.8).
func TestUnknownUpgradesAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, protocol := range []string{"h2c", "foo/1, bar"} {
		r := w.as("ada").Request(`{ viewer { name } }`, nil)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", protocol)
		if got := w.as("ada").Send(r).OK().At("viewer", "name"); got != "Ada" {
			t.Errorf("%s: %v", protocol, got)
		}
	}
}

// A client that has the head of the response misses no event.
func TestSubscriptionStartsBeforeItsResponseHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.holdLocks(`lock table event`)
	begun := make(chan *http.Response, 1)
	go func() {
		begun <- w.as("ada").openSSE(context.Background(), invitationChanged, map[string]any{"id": w.instance("Group 1")})
	}()
	w.Eventually("a subscription that waits", func() bool { return w.lockWaiters("pg_current_snapshot()") > 0 })
	select {
	case <-begun:
		t.Error("the head came before the subscription had begun")
	default:
	}
	release()
	response := <-begun
	response.Body.Close()
}

// A subscription starts before the operations that follow it on the connection.
func TestWebSocketOperationsStartInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.as("ada").connect()
	release := w.holdLocks(`lock table event`)
	s.subscribe("watch", invitationChanged, map[string]any{"id": w.instance("Group 1")})
	s.subscribe("ask", `{ viewer { name } }`, nil)
	s.send(map[string]any{"type": "ping"})
	w.Eventually("a subscription that waits", func() bool { return w.lockWaiters("pg_current_snapshot()") > 0 })
	if got := s.receive()["type"]; got != "pong" {
		t.Errorf("heard %v", got)
	}
	release()
	if got := s.receive(); got["id"] != "ask" {
		t.Errorf("heard %v", got)
	}
}

// A subscription has exactly one root field, in every form (GraphQL
// specification, "Single Root Field").
func TestSubscriptionHasExactlyOneField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	field := `invitationChanged(instanceId: "` + w.instance("Group 1") + `")`
	for what, query := range map[string]string{
		"none that is left":     `subscription { ` + field + ` @skip(if: true) { change } }`,
		"two under other names": `subscription { a: ` + field + ` { change } b: ` + field + ` { change } }`,
		"two by a fragment":     `subscription { ...F } fragment F on Subscription { a: ` + field + ` { change } b: ` + field + ` { change } }`,
		"its type":              `subscription { __typename }`,
	} {
		if lines := ada.overEvents(query, nil); len(lines) != 2 || !strings.Contains(lines[0], "GRAPHQL_VALIDATION_FAILED") {
			t.Errorf("%s: %q", what, lines)
		}
	}
}

// A person can have 100 subscriptions.
func TestSubscriptionsOfAPersonAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxOperations = 200 })
	ada := w.as("ada")
	s := ada.connect()
	for i := range 101 {
		s.subscribe(fmt.Sprint(i), invitationChanged, map[string]any{"id": w.instance("Group 1")})
	}
	if lines := s.outcome("100"); !strings.Contains(strings.Join(lines, ""), "RATE_LIMITED") {
		t.Errorf("%q", lines)
	}
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	events := map[string]bool{}
	for len(events) < 100 {
		m := s.receive()
		if m["type"] != "next" {
			t.Fatalf("%v", m)
		}
		events[fmt.Sprint(m["id"])] = true
	}
}

// A completed subscription makes room for another, at any time.
func TestCompletedSubscriptionsMakeRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxOperations = 2 })
	s := w.as("ada").connect()
	for i := range 300 {
		s.subscribe(fmt.Sprint(i), invitationChanged, map[string]any{"id": w.instance("Group 1")})
		s.send(map[string]any{"type": "complete", "id": fmt.Sprint(i)})
	}
	s.subscribe("last", `{ viewer { name } }`, nil)
	if diff := cmp.Diff([]string{`next {"data":{"viewer":{"name":"Ada"}}}`, "complete "}, s.outcome("last")); diff != "" {
		t.Error(diff)
	}
}

// The languages of a WebSocket client are stored, like those of any request.
func TestWebSocketStoresTheLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zoe := w.as("zoe@new.example")
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(zoe.URL, "http", "ws", 1)+"/graphql",
		&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Accept-Language": {"de"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	s := socket{t, conn}
	s.send(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + zoe.Token}})
	if got := s.receive()["type"]; got != "connection_ack" {
		t.Errorf("%v", got)
	}
	var locales []string
	if err := w.Admin.Select(&locales, `select locale from account where email = 'zoe@new.example'`); err != nil || !slices.Equal(locales, []string{"de"}) {
		t.Errorf("%q, %v", locales, err)
	}
}
