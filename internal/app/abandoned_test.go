package app_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// hangUps send an operation, and return what closes its connection.
var hangUps = map[string]func(p person, query string, variables map[string]any) (hangUp func()){
	"HTTP": func(p person, query string, variables map[string]any) func() {
		return p.sendAndLeave(p.Request(query, variables))
	},
	"SSE": func(p person, query string, variables map[string]any) func() {
		r := p.Request(query, variables)
		r.Header.Set("Accept", "text/event-stream")
		return p.sendAndLeave(r)
	},
	"WebSocket": func(p person, query string, variables map[string]any) func() {
		s := p.connect()
		s.subscribe("1", query, variables)
		return func() { s.conn.CloseNow() }
	},
}

// sendAndLeave sends a request without waiting for the answer.
func (p person) sendAndLeave(r *http.Request) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	r.Header.Set("Authorization", "Bearer "+p.Token)
	var sending sync.WaitGroup
	sending.Go(func() {
		if response, err := p.world.HTTP.Do(r.WithContext(ctx)); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
	return func() { cancel(); sending.Wait() }
}

// A client that hangs up is neither an error nor an answer: its request is logged as what
// it is, and no alarm counts it.
func TestClientHangsUpDuringAStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, measured)
	ada := w.as("ada")
	for way, send := range hangUps {
		release := w.holdLocks(holdGroups)
		before := len(w.Log.Lines("request"))
		hangUp := send(ada, deleteGroup, map[string]any{"i": w.instance("Group 1")})
		w.Eventually("a statement that waits", func() bool { return w.lockWaiters("instance") == 1 })
		hangUp()
		w.Await(way+": the request's line", func() bool {
			for _, line := range w.Log.Lines("request")[before:] {
				if line["kind"] == "mutation" {
					if line["status"] != 499.0 || line["cause"] != "the client has cancelled the request" || line["codes"] != nil || line["level"] != "INFO" {
						t.Errorf("%s: %v", way, line)
					}
					return true
				}
			}
			return false
		})
		release()
	}
	if failed := w.Log.Lines("request failed"); failed != nil {
		t.Errorf("%v", failed)
	}
	counted := w.scrape()
	want := map[string]float64{
		`datahub_requests_total{kind="mutation",outcome="abandoned"}`: float64(len(hangUps)),
		`datahub_requests_total{kind="mutation",outcome="failed"}`:    0,
		`datahub_errors_total{code="UNAVAILABLE"}`:                    0,
		`datahub_statement_duration_seconds_count{outcome="failed"}`:  0,
		`datahub_panics_total`:                                        0,
	}
	// The outbox bounds its statements by ten seconds, which a busy machine can meet.
	if claims := w.Log.Lines("outbox"); claims != nil {
		t.Logf("claims failed: %v", claims)
		delete(want, `datahub_statement_duration_seconds_count{outcome="failed"}`)
	}
	for series, want := range want {
		if counted[series] != want {
			t.Errorf("%s: %v, want %v", series, counted[series], want)
		}
	}
	ada.delete("Group 1").OK()
}

// Clients hang up at any octet of their requests and of the answers. No request fails for
// that, none panics, and nothing is left behind.
func TestClientsHangUpAtAnyMoment(t *testing.T) {
	t.Parallel()
	const clients, requests = 8, 72
	// Those of clients that have gone may still be running on a busy machine.
	w := newWorld(t, func(s *app.Settings) { s.MaxParallel = clients * requests * 2 })
	ada, group := w.as("ada"), w.instance("Group 1")
	operations := []struct {
		query     string
		variables map[string]any
	}{
		{`{ viewer { name spaces { nodes { name instances { nodes { name members { nodes { role } } invitations { nodes { email } } } } } } requestsToAnswer { totalCount } } }`, nil},
		{inviteUsers, map[string]any{"input": map[string]any{"instanceId": group, "role": "VIEWER", "emails": []string{"zoe@new.example", "kim@new.example"}}}},
		{invitationChanged, map[string]any{"id": group}},
	}
	host := strings.TrimPrefix(w.Gateway.URL(), "http://")
	overHTTP := func(accept string, fields any) string {
		body, _ := json.Marshal(fields)
		return fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s",
			host, ada.Token, accept, len(body), body)
	}
	overWebSocket := func(fields any) string {
		return fmt.Sprintf("GET /graphql HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", host) +
			frame(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + ada.Token}}) +
			frame(map[string]any{"id": "1", "type": "subscribe", "payload": fields}) +
			frame(map[string]any{"id": "2", "type": "subscribe", "payload": fields}) +
			frame(map[string]any{"id": "1", "type": "complete"})
	}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for n := range requests {
				operation := operations[n%len(operations)]
				fields := map[string]any{"query": operation.query, "variables": operation.variables}
				request := [...]func() string{
					func() string { return overHTTP("application/json", fields) },
					func() string { return overHTTP("text/event-stream", fields) },
					func() string { return overWebSocket(fields) },
				}[n/len(operations)%3]()
				c, err := net.Dial("tcp", host)
				if err != nil {
					t.Error(err)
					return
				}
				sent := len(request)
				if n%4 == 0 {
					sent = rand.IntN(sent)
				}
				_, _ = io.WriteString(c, request[:sent])
				if n%4 == 1 {
					_, _ = io.CopyN(io.Discard, c, rand.Int64N(200))
				}
				c.Close()
			}
		})
	}
	all.Wait()
	ada.Ask(operations[0].query, nil).OK()
	if failed := w.Log.Lines("request failed"); failed != nil {
		t.Errorf("%d requests failed, such as %v", len(failed), failed[0])
	}
	outcomes := map[any]int{}
	for _, line := range w.Log.Lines("request") {
		outcomes[line["status"]]++
	}
	t.Logf("requests by status: %v", outcomes)
}

// Who sends a part of a body and still listens learns that the same request can be sent
// again.
func TestBodyThatDoesNotArriveCanBeSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := strings.TrimPrefix(w.Gateway.URL(), "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /graphql HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"query\": ",
		host, w.as("ada").Token)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"HTTP/1.1 400 ", `"BAD_REQUEST"`, `"retryable":true`, "with the same idempotencyKey"} {
		if !strings.Contains(string(answer), part) {
			t.Errorf("no %s in %s", part, answer)
		}
	}
}

// frame is a message as a client sends it over a WebSocket (RFC 6455, section 5.2).
func frame(message any) string {
	content, _ := json.Marshal(message)
	masked := "\x81\xfe" + string(binary.BigEndian.AppendUint16(nil, uint16(len(content)))) + "\x00\x00\x00\x00"
	if len(content) < 126 {
		masked = "\x81" + string([]byte{0x80 | byte(len(content))}) + "\x00\x00\x00\x00"
	}
	return masked + string(content)
}
