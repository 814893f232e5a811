package graphqlserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// peer is the client of a WebSocket connection.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

// dial opens a connection, with a good token in its request unless header says
// otherwise.
func (s *server) dial(header http.Header, subprotocols ...string) peer {
	s.t.Helper()
	if header == nil {
		header = http.Header{"Authorization": {"Bearer good"}}
	}
	conn, _, err := websocket.Dial(s.t.Context(), "ws://gateway/graphql", &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: header, Subprotocols: subprotocols})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return peer{s.t, conn}
}

// connect opens a connection and initialises it.
func (s *server) connect() peer {
	s.t.Helper()
	p := s.dial(nil, subprotocol)
	p.send(`{"type":"connection_init"}`)
	p.want(`{"type":"connection_ack"}`)
	return p
}

func (p peer) send(messages ...string) {
	p.t.Helper()
	for _, m := range messages {
		if err := p.conn.Write(p.t.Context(), websocket.MessageText, []byte(m)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// subscribe sends a message that starts an operation.
func (p peer) subscribe(id, query string) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":%s}`, id, body(query)))
}

// receive returns the next message.
func (p peer) receive() string {
	p.t.Helper()
	_, content, err := p.conn.Read(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

// want fails the test where the next messages are others.
func (p peer) want(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		if got := p.receive(); got != want {
			p.t.Errorf("got %s, want %s", got, want)
		}
	}
}

// wantClose fails the test where anything but an end of the connection comes
// next.
func (p peer) wantClose(code websocket.StatusCode, reason string) {
	p.t.Helper()
	_, content, err := p.conn.Read(p.t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		p.t.Errorf("got %s %v, want %d %s", content, err, code, reason)
	}
}

func next(id, field, value string) string {
	return fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{%q:%q}}}`, id, field, value)
}

func complete(id string) string { return fmt.Sprintf(`{"id":%q,"type":"complete"}`, id) }

func TestUpgradeIsForWebSocketsOnly(t *testing.T) {
	t.Parallel()
	for upgrade, want := range map[string]bool{"": false, "websocket": true, "WebSocket": true, "h2c, websocket": true, "h2c": false, "websocket2": false} {
		r := &http.Request{Header: http.Header{"Upgrade": {upgrade}}}
		if got := (WebSocket{}).Supports(r); got != want {
			t.Errorf("%q: %t", upgrade, got)
		}
	}
	s := newServer(t)
	if got, body := s.send(s.request(http.MethodGet, "", "", "Connection", "Upgrade", "Upgrade", "websocket", "Accept", responseJSON)); got.StatusCode/100 != 4 ||
		got.Header.Get("Content-Type") != responseJSON+"; charset=utf-8" || !strings.Contains(body, `"BAD_REQUEST"`) {
		t.Errorf("an upgrade without a key: %d %v %s", got.StatusCode, got.Header, body)
	}
	if got, body := s.send(s.request(http.MethodPost, "", body("{name}"), "Content-Type", "application/json", "Connection", "Upgrade", "Upgrade", "h2c")); got.StatusCode != http.StatusOK {
		t.Errorf("an upgrade to another protocol: %d %s", got.StatusCode, body)
	}
}

func TestOperationsOverAWebSocket(t *testing.T) {
	t.Parallel()
	p := newServer(t).connect()
	p.subscribe("1", "{name}")
	p.want(next("1", "name", "Ada"), complete("1"))
	p.subscribe("1", "query A{fail}") // the id is free again
	p.want(`{"id":"1","type":"next","payload":{"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}],"data":{"fail":null}}}`, complete("1"))
	p.subscribe("2", "{nothing}")
	if got := p.receive(); !strings.HasPrefix(got, `{"id":"2","type":"error","payload":[{"message":`) {
		t.Error(got)
	}
	p.send(`{"id":"3","type":"subscribe","payload":{"query":"{name}","variables":{"a":[` + strings.Repeat("0,", maxValues) + `0]}}}`)
	if got := p.receive(); !strings.HasPrefix(got, `{"id":"3","type":"error","payload":[{"message":"The request has more than 100 values."`) {
		t.Error(got)
	}
	for _, ping := range []string{`{"type":"ping"}`, `{"type":"ping","payload":{"a":1}}`} {
		p.send(`{"type":"pong","payload":{}}`, ping)
		p.want(`{"type":"pong"}`)
	}
}

func TestSubscriptionOverAWebSocket(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.connect()
	p.subscribe("1", "subscription{ticks}")
	s.ticks <- "one"
	p.want(next("1", "ticks", "one"))
	p.subscribe("2", "{name}")
	p.want(next("2", "name", "Ada"), complete("2"))
	s.ticks <- "two"
	p.want(next("1", "ticks", "two"))
	s.ticks <- ""
	p.want(complete("1"))

	err := error(fault.New(fault.Forbidden, "the role has ended"))
	s.ending.Store(&err)
	p.subscribe("1", "subscription{ticks}")
	s.ticks <- ""
	p.want(`{"id":"1","type":"error","payload":[{"message":"the role has ended","extensions":{"code":"FORBIDDEN"}}]}`)

	s.ending.Store(nil)
	p.subscribe("1", "subscription{panic}")
	if got := p.receive(); !strings.Contains(got, `"type":"next"`) || !strings.Contains(got, "INTERNAL_SERVER_ERROR") {
		t.Error(got)
	}
	p.want(complete("1"))
}

func TestCompletedSubscriptionSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := s.connect()
		p.subscribe("1", "subscription{ticks}")
		s.ticks <- "one"
		p.want(next("1", "ticks", "one"))
		p.send(complete("1"), complete("unknown"))
		synctest.Wait()
		select {
		case s.ticks <- "two":
			t.Error("the subscription goes on")
		default:
		}
		p.send(`{"type":"ping"}`)
		p.want(`{"type":"pong"}`)
	})
}

func TestOperationsStartInOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.connect()
	for i := range 50 {
		p.subscribe("1", fmt.Sprintf("query A%d{name}", i))
		p.want(next("1", "name", "Ada"), complete("1"))
		if got := <-s.started; got != fmt.Sprint("A", i) {
			t.Errorf("%s has started as operation %d", got, i)
		}
	}
	// Two of them sent together.
	p.subscribe("1", "subscription First{ticks}")
	p.subscribe("2", "query Second{name}")
	p.want(next("2", "name", "Ada"), complete("2"))
	if first, second := <-s.started, <-s.started; first != "First" || second != "Second" {
		t.Errorf("%s has started before %s", first, second)
	}
}

func TestOperationWithAKeyTwiceIsRefusedAlone(t *testing.T) {
	t.Parallel()
	p := newServer(t).connect()
	for _, payload := range []string{`{"query":"{name}","query":"{fail}"}`, `{"query":"{name}","variables":{"a":1,"A":2}}`, `{"Query":"{name}"}`} {
		p.send(`{"id":"1","type":"subscribe","payload":` + payload + `}`)
		if got := p.receive(); !strings.HasPrefix(got, `{"id":"1","type":"error","payload":[{"message":"In the JSON, `) || !strings.Contains(got, "BAD_USER_INPUT") {
			t.Errorf("%s: %s", payload, got)
		}
	}
	p.subscribe("1", "{name}")
	p.want(next("1", "name", "Ada"), complete("1"))
}

func TestConnectionLimitsItsOperations(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.connect()
	for i := range maxOperations {
		p.subscribe(fmt.Sprint(i), "query{wait}")
		<-s.started
	}
	p.subscribe("more", "{name}")
	if got := p.receive(); !strings.Contains(got, `{"id":"more","type":"error","payload":[{"message":"This connection has too many operations at once."`) {
		t.Error(got)
	}
	s.release <- struct{}{}
	if got := p.receive(); !strings.Contains(got, `"wait":"Ada"`) {
		t.Error(got)
	}
	if got := p.receive(); !strings.Contains(got, `"complete"`) {
		t.Error(got)
	}
	p.subscribe("more", "{name}")
	p.want(next("more", "name", "Ada"), complete("more"))
}

// Completing an operation frees its place only when it has ended: a client that
// subscribes and completes in a loop must not start any number of them.
func TestCompletedOperationsCountUntilTheyEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := s.connect()
	for i := range 20 * maxOperations {
		p.subscribe(fmt.Sprint(i), "subscription{ticks}")
		p.send(complete(fmt.Sprint(i)))
	}
	p.subscribe("last", "{name}")
	p.want(next("last", "name", "Ada"), complete("last"))
}

func TestOperationWithoutASlotIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.busy.Store(true)
	p := s.connect()
	p.subscribe("1", "{name}")
	p.want(`{"id":"1","type":"error","payload":[{"message":"no slot","extensions":{"code":"RATE_LIMITED"}}]}`)
}

func TestProtocolViolationsCloseTheConnection(t *testing.T) {
	t.Parallel()
	invalid := func(messages ...string) func(peer) {
		return func(p peer) { p.send(messages...) }
	}
	subscribe := func(id string) string {
		return fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":"subscription{ticks}"}}`, id)
	}
	for what, c := range map[string]struct {
		initialised bool
		do          func(peer)
		code        websocket.StatusCode
		reason      string
	}{
		"no JSON":                   {false, invalid(`hello`), 4400, "Invalid message received"},
		"two messages in one":       {false, invalid(`{"type":"ping"}{"type":"ping"}`), 4400, "Invalid message received"},
		"an unknown type":           {true, invalid(`{"type":"start"}`), 4400, "Invalid message received"},
		"a type of the server":      {true, invalid(`{"type":"next","id":"1","payload":{}}`), 4400, "Invalid message received"},
		"a binary message":          {false, func(p peer) { _ = p.conn.Write(p.t.Context(), websocket.MessageBinary, []byte(`{"type":"ping"}`)) }, 4400, "Invalid message received"},
		"a payload that is a list":  {false, invalid(`{"type":"connection_init","payload":[1]}`), 4400, "Invalid message received"},
		"subscribe before init":     {false, invalid(subscribe("1")), 4401, "Unauthorized"},
		"two inits":                 {true, invalid(`{"type":"connection_init"}`), 4429, "Too many initialisation requests"},
		"an id in use":              {true, invalid(subscribe("a"), subscribe("a")), 4409, "Subscriber for a already exists"},
		"no id":                     {true, invalid(subscribe("")), 4400, "Invalid message received"},
		"a long id":                 {true, invalid(subscribe(strings.Repeat("x", maxIDLength+1))), 4400, "Invalid message received"},
		"no payload":                {true, invalid(`{"id":"1","type":"subscribe"}`), 4400, "Invalid message received"},
		"no query":                  {true, invalid(`{"id":"1","type":"subscribe","payload":{}}`), 4400, "Invalid message received"},
		"a query of another type":   {true, invalid(`{"id":"1","type":"subscribe","payload":{"query":1}}`), 4400, "Invalid message received"},
		"a type twice":              {false, invalid(`{"type":"ping","type":"connection_init"}`), 4400, "Invalid message received"},
		"a type in another case":    {false, invalid(`{"Type":"connection_init"}`), 4400, "Invalid message received"},
		"two tokens":                {false, invalid(`{"type":"connection_init","payload":{"Authorization":"Bearer good","authorization":"Bearer bad"}}`), 4400, "Invalid message received"},
		"an id twice":               {true, invalid(`{"id":"1","id":"2","type":"subscribe","payload":{"query":"{name}"}}`), 4400, "Invalid message received"},
		"a payload twice":           {true, invalid(`{"id":"1","type":"subscribe","payload":{"query":"{name}"},"payload":{"query":"{name}"}}`), 4400, "Invalid message received"},
		"after a key twice":         {true, invalid(`{"id":"1","type":"subscribe","payload":{"query":"{fail}","query":"{fail}"},"payload":{"query":"{name}"}}`), 4400, "Invalid message received"},
		"in another case after one": {true, invalid(`{"id":"1","type":"subscribe","payload":{"query":"{fail}","query":"{fail}"},"Payload":{"query":"{name}"}}`), 4400, "Invalid message received"},
		"a message that is too big": {true, invalid(`{"type":"ping","payload":{"a":"` + strings.Repeat("x", maxBody) + `"}}`), websocket.StatusMessageTooBig, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			p := s.dial(nil, subprotocol)
			if c.initialised {
				p = s.connect()
			}
			c.do(p)
			if c.code == websocket.StatusMessageTooBig {
				if _, _, err := p.conn.Read(t.Context()); websocket.CloseStatus(err) != c.code {
					t.Errorf("%v", err)
				}
				return
			}
			p.wantClose(c.code, c.reason)
		})
	}
}

func TestOtherSubprotocolsAreRefused(t *testing.T) {
	t.Parallel()
	for _, subprotocols := range [][]string{nil, {"graphql-ws"}} {
		newServer(t).dial(nil, subprotocols...).wantClose(4406, "Subprotocol not acceptable")
	}
	p := newServer(t).dial(nil, "graphql-ws", subprotocol)
	if p.conn.Subprotocol() != subprotocol {
		t.Errorf("subprotocol %q", p.conn.Subprotocol())
	}
}

func TestSignInOverAWebSocket(t *testing.T) {
	t.Parallel()
	const forbidden, later = 4403, websocket.StatusTryAgainLater
	for what, c := range map[string]struct {
		header  string // Authorization of the request; "": none
		payload string
		code    websocket.StatusCode // 0: accepted
	}{
		"by the request":                        {"Bearer good", `{}`, 0},
		"by the request, without a payload":     {"Bearer good", ``, 0},
		"by the request, a payload of null":     {"Bearer good", `null`, 0},
		"by the payload":                        {"", `{"Authorization":"Bearer good"}`, 0},
		"by the payload in lower case":          {"", `{"authorization":"Bearer good"}`, 0},
		"by the payload rather":                 {"Bearer bad", `{"Authorization":"Bearer good"}`, 0},
		"a bad token in the payload":            {"", `{"Authorization":"Bearer bad"}`, forbidden},
		"a bad token in the payload rather":     {"Bearer good", `{"Authorization":"Bearer bad"}`, forbidden},
		"no token":                              {"", `{}`, forbidden},
		"a payload of other names":              {"", `{"token":"Bearer good"}`, forbidden},
		"a token that is no string":             {"", `{"Authorization":1}`, forbidden},
		"an address that is not verified":       {"", `{"Authorization":"Bearer unverified"}`, forbidden},
		"a token that cannot be verified today": {"", `{"Authorization":"Bearer later"}`, later},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if c.header != "" {
				header.Set("Authorization", c.header)
			}
			p := newServer(t).dial(header, subprotocol)
			init := message{Type: "connection_init", Payload: json.RawMessage(c.payload)}
			if c.payload == "" {
				init.Payload = nil
			}
			content, err := json.Marshal(init)
			if err != nil {
				t.Fatal(err)
			}
			p.send(string(content))
			switch c.code {
			case 0:
				p.want(`{"type":"connection_ack"}`)
				p.subscribe("1", "{name}")
				p.want(next("1", "name", "Ada"))
			case forbidden:
				reason := "Forbidden: UNAUTHENTICATED"
				if strings.Contains(c.payload, "unverified") {
					reason += " EMAIL_NOT_VERIFIED"
				}
				p.wantClose(forbidden, reason)
			default:
				p.wantClose(later, "DataHub cannot do this at the moment")
			}
		})
	}
}

func TestConnectionMustBeInitialisedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		newServer(t).dial(nil, subprotocol).wantClose(4408, "Connection initialisation timeout")
		if took := time.Since(start); took != initTimeout {
			t.Errorf("it was closed after %v", took)
		}
	})
}

func TestConnectionEndsWithTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		expiry := time.Now().Add(5 * time.Second)
		s.expiry.Store(&expiry)
		p := s.connect()
		p.subscribe("1", "subscription{ticks}")
		p.subscribe("2", "mutation{wait}")
		time.AfterFunc(8*time.Second, func() { s.release <- struct{}{} })
		// The mutation has started, and is answered.
		p.want(next("2", "wait", "Ada"), complete("2"))
		p.wantClose(4403, "The token has expired")
	})
}

func TestConnectionEndsWhenTheGatewayStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := s.connect()
		p.subscribe("1", "subscription{ticks}")
		p.subscribe("2", "mutation{wait}")
		<-s.started
		<-s.started
		close(s.stopping)
		synctest.Wait()
		p.subscribe("3", "{name}") // it is not started any more
		s.release <- struct{}{}
		p.want(next("2", "wait", "Ada"), complete("2"))
		p.wantClose(websocket.StatusGoingAway, "The gateway is stopping")
	})
}

func TestStoppingDoesNotWaitLongForOperations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := s.connect()
		p.subscribe("1", "mutation{wait}")
		<-s.started
		start := time.Now()
		close(s.stopping)
		p.wantClose(websocket.StatusGoingAway, "The gateway is stopping")
		if took := time.Since(start); took != drainTimeout {
			t.Errorf("it was closed after %v", took)
		}
	})
}

func TestConnectionOfASilentClientIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := s.connect()
		p.subscribe("1", "subscription{ticks}")
		<-s.started
		// The client does not read, and so does not answer the ping.
		<-time.After(keepAlive + writeTimeout + time.Second)
		synctest.Wait()
		select {
		case s.ticks <- "one":
			t.Error("the subscription goes on")
		default:
		}
		if _, _, err := p.conn.Read(t.Context()); err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestClientThatReadsStaysConnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := s.connect()
		p.subscribe("1", "subscription{ticks}")
		time.AfterFunc(10*keepAlive, func() { s.ticks <- "one" })
		p.want(next("1", "ticks", "one")) // reading answers pings
	})
}

// An operation that got its slot before the gateway stops, and is not executed
// yet, is not executed any more.
func TestOperationDoesNotStartWhileTheConnectionDrains(t *testing.T) {
	t.Parallel()
	for _, draining := range []bool{false, true} {
		c := newConnection(WebSocket{MaxOperations: 1}, nil, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		run := &running{id: "1", cancel: cancel}
		if err := c.add(ctx, run); err != nil {
			t.Fatal(err)
		}
		c.draining = draining
		operation := &graphql.OperationContext{Operation: &ast.OperationDefinition{Operation: ast.Query}}
		if c.confirm(run, operation) == draining || (ctx.Err() != nil) != draining || c.remove(run) == draining {
			t.Errorf("draining: %t, context %v", draining, ctx.Err())
		}
	}
}

func TestPanicOutsideOfAnExecutionEndsTheOperation(t *testing.T) {
	t.Parallel()
	c := newConnection(WebSocket{Operations: Operations{Present: present, Recover: recoverPanic}, MaxOperations: 1}, nil, nil, nil)
	run := &running{id: "1", cancel: func() {}}
	func() {
		defer c.recoverPanic(context.Background(), run) // the client does not listen: nothing is sent
		panic("on purpose")
	}()
}
