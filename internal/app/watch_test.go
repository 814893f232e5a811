package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

const invitationChanged = `subscription($id: ID!) { invitationChanged(instanceId: $id) { change at invitation { email status role instance { name } delivery { status } } } }`

// update is an event of a subscription: a response, or its end.
type update struct {
	answer
	end string // how it ended, else ""
}

// change returns the change in the response, as text.
func (m update) change() string {
	if m.end != "" {
		return m.end
	}
	if len(m.Errors) > 0 {
		return "error " + strings.Join(m.Codes(), " ")
	}
	e := m.At("invitationChanged").(map[string]any)
	return fmt.Sprint(e["change"], " ", e["invitation"].(map[string]any)["email"])
}

// stream is an open subscription.
type stream struct {
	t       testing.TB
	updates chan update
	stop    func()
}

// next waits for the next event.
func (s stream) next() update {
	s.t.Helper()
	select {
	case m := <-s.updates:
		return m
	case <-time.After(apptest.Patience):
		s.t.Fatal("no event arrived")
		return update{}
	}
}

// expect waits for changes, in any order.
func (s stream) expect(changes ...string) {
	s.t.Helper()
	var got []string
	for range changes {
		got = append(got, s.next().change())
	}
	slices.Sort(got)
	slices.Sort(changes)
	if diff := cmp.Diff(changes, got); diff != "" {
		s.t.Fatalf("events: %s", diff)
	}
}

// watchers subscribe over each of the transports.
var watchers = map[string]func(p person, instance string) stream{"SSE": person.watchSSE, "WebSocket": person.watchSocket}

// watchSSE subscribes with server-sent events.
func (p person) watchSSE(instance string) stream {
	p.world.t.Helper()
	return p.subscribe(invitationChanged, "id", instance)
}

// subscribe subscribes with server-sent events, with variables given as names and
// values.
func (p person) subscribe(query string, variables ...any) stream {
	t := p.world.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	response := p.openSSE(ctx, query, object(variables...))
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%d %v %s", response.StatusCode, response.Header, body)
	}
	s := stream{t, make(chan update, 10_000), func() {}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer response.Body.Close()
		for event := range events(response.Body) {
			switch event.name {
			case "next":
				s.updates <- update{answer: apptest.ParseAnswer(t, []byte(event.data))}
			case "complete":
				s.updates <- update{end: "complete"}
				return
			}
		}
		s.updates <- update{end: "cut"}
	}()
	s.stop = func() { cancel(); <-ended }
	t.Cleanup(s.stop)
	return s
}

func (p person) openSSE(ctx context.Context, query string, variables map[string]any) *http.Response {
	t := p.world.t
	t.Helper()
	r := p.Request(query, variables).WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	if p.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.Token)
	}
	response, err := p.World.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

type sseEvent struct{ name, data string }

// events reads server-sent events (WHATWG HTML, section 9.2).
func events(r io.Reader) func(yield func(sseEvent) bool) {
	return func(yield func(sseEvent) bool) {
		var event sseEvent
		for lines := bufio.NewReader(r); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			switch line = strings.TrimSuffix(line, "\n"); {
			case line == "":
				if event.name != "" && !yield(event) {
					return
				}
				event = sseEvent{}
			case strings.HasPrefix(line, "event: "):
				event.name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				event.data += line[len("data: "):]
			}
		}
	}
}

// socket is a connection over graphql-transport-ws.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
}

// dial opens a connection without saying anything.
func (p person) dial(subprotocols ...string) socket {
	p.world.t.Helper()
	if subprotocols == nil {
		subprotocols = []string{"graphql-transport-ws"}
	}
	conn, _, err := websocket.Dial(context.Background(), strings.Replace(p.URL, "http", "ws", 1)+"/graphql", &websocket.DialOptions{Subprotocols: subprotocols})
	if err != nil {
		p.world.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	p.world.t.Cleanup(func() { conn.CloseNow() })
	return socket{p.world.t, conn}
}

// connect opens a connection and signs in.
func (p person) connect() socket {
	p.world.t.Helper()
	s := p.dial()
	s.send(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + p.Token}})
	if got := s.receive()["type"]; got != "connection_ack" {
		p.world.t.Fatalf("the gateway says %v", got)
	}
	return s
}

func (s socket) send(message any) {
	s.t.Helper()
	content, ok := message.(string)
	if !ok {
		b, err := json.Marshal(message)
		if err != nil {
			s.t.Fatal(err)
		}
		content = string(b)
	}
	if err := s.conn.Write(context.Background(), websocket.MessageText, []byte(content)); err != nil {
		s.t.Fatal(err)
	}
}

func (s socket) subscribe(id, query string, variables map[string]any) {
	s.t.Helper()
	s.send(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query, "variables": variables}})
}

// receive waits for a message.
func (s socket) receive() (message map[string]any) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	defer cancel()
	_, content, err := s.conn.Read(ctx)
	if err != nil {
		s.t.Fatalf("nothing was heard: %v", err)
	}
	if err := json.Unmarshal(content, &message); err != nil {
		s.t.Fatal(err)
	}
	return message
}

// closed waits for the end of the connection, and returns its close code.
func (s socket) closed() (code int, reason string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	defer cancel()
	for {
		_, _, err := s.conn.Read(ctx)
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return int(closed.Code), closed.Reason
		}
		if err != nil {
			s.t.Fatalf("it was not closed: %v", err)
		}
	}
}

// watchSocket subscribes over a WebSocket.
func (p person) watchSocket(instance string) stream {
	t := p.world.t
	t.Helper()
	s := p.connect()
	s.subscribe("1", invitationChanged, map[string]any{"id": instance})
	// The subscription has started when the gateway has answered the operation
	// after it.
	s.subscribe("2", `{ __typename }`, nil)
	stream := stream{t, make(chan update, 10_000), func() { s.conn.CloseNow() }}
	begun := make(chan struct{})
	go func() {
		for {
			_, content, err := s.conn.Read(context.Background())
			if err != nil {
				stream.updates <- update{end: fmt.Sprint("cut ", int(websocket.CloseStatus(err)))}
				return
			}
			var m struct {
				ID, Type string
				Payload  json.RawMessage
			}
			if err := json.Unmarshal(content, &m); err != nil {
				t.Error(err)
			}
			switch {
			case m.ID == "2" && m.Type == "complete":
				close(begun)
			case m.ID == "2":
			case m.Type == "next":
				stream.updates <- update{answer: apptest.ParseAnswer(t, m.Payload)}
			case m.Type == "error":
				stream.updates <- update{answer: apptest.ParseAnswer(t, slices.Concat([]byte(`{"errors":`), m.Payload, []byte("}")))}
				stream.updates <- update{end: "complete"}
			case m.Type == "complete":
				stream.updates <- update{end: "complete"}
			}
		}
	}()
	<-begun
	t.Cleanup(stream.stop)
	return stream
}

func TestInvitationSubscription(t *testing.T) {
	t.Parallel()
	for transport, watch := range watchers {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ada := w.as("ada")
			ada.invite("Group 1", "VIEWER", []string{"before@new.example"}).OK()
			w.AwaitMails(1)
			s := watch(ada, w.instance("Group 1"))

			ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).OK()
			s.expect("CREATED zoe@new.example", "CREATED bob@new.example", "SENT zoe@new.example", "SENT bob@new.example")
			ada.invite("Master", "VIEWER", []string{"elsewhere@new.example"}).OK()
			began := time.Now().Truncate(time.Second)
			ada.invite("Group 1", "EDITOR", []string{"zoe@new.example"}).OK()
			m := s.next()
			if m.change() != "ROLE_CHANGED zoe@new.example" {
				t.Errorf("%s", m.Body)
			}
			if diff := cmp.Diff(any(map[string]any{"email": "zoe@new.example", "status": "PENDING", "role": "EDITOR",
				"instance": map[string]any{"name": "Group 1"}, "delivery": map[string]any{"status": "SENT"}}), m.At("invitationChanged", "invitation")); diff != "" {
				t.Error(diff)
			}
			if at, err := time.Parse(time.RFC3339, fmt.Sprint(m.At("invitationChanged", "at"))); err != nil || at.Before(began) || at.After(time.Now()) {
				t.Errorf("at %v, %v", at, err)
			}
			ada.resend([]string{w.invitationOf("bob@new.example")}).OK()
			s.expect("RENEWED bob@new.example", "SENT bob@new.example")
			w.as("zoe@new.example").accept("invitationId", w.invitationOf("zoe@new.example")).OK()
			s.expect("ACCEPTED zoe@new.example")
			w.as("bob@new.example").decline("invitationId", w.invitationOf("bob@new.example")).OK()
			s.expect("DECLINED bob@new.example")
			ada.revoke([]string{w.invitationOf("before@new.example")}).OK()
			s.expect("REVOKED before@new.example")
			ada.invite("Group 1", "VIEWER", []string{"late@new.example"}).OK()
			s.expect("CREATED late@new.example", "SENT late@new.example")
			// Subscribers learn of an end that comes after the change is committed.
			w.Exec(`update invitation set expires_at = clock_timestamp() + interval '3 seconds' where email = 'late@new.example'`)
			s.expect("EXPIRED late@new.example")
			// The subscription to a deleted instance goes on.
			ada.delete("Group 1").OK()
			ada.revoke([]string{w.invitationOf("late@new.example")}).OK()
			s.expect("REVOKED late@new.example")
		})
	}
}

// Subscribers get the changes that other gateways make.
func TestSubscriptionsSeeChangesOfOtherGateways(t *testing.T) {
	t.Parallel()
	for transport, watch := range watchers {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			other, _ := w.Start()
			ada := w.as("ada")
			elsewhere := ada
			elsewhere.URL = other.URL()
			s := watch(elsewhere, w.instance("Group 1"))
			longest := 0.0
			defer func() { t.Logf("an event arrived after %.2f s at most", longest) }()
			for n := range 5 {
				email := fmt.Sprintf("p%d@new.example", n)
				ada.invite("Group 1", "VIEWER", []string{email}).OK()
				for _, change := range []string{"CREATED", "SENT"} {
					m := s.next()
					if m.change() != change+" "+email {
						t.Fatalf("%s", m.Body)
					}
					var age float64
					if err := w.Admin.Get(&age, `select extract(epoch from clock_timestamp() - $1::timestamptz)`, m.At("invitationChanged", "at")); err != nil {
						t.Fatal(err)
					}
					longest = max(longest, age)
				}
			}
		})
	}
}

// The changes of a transaction that commits late are not lost.
func TestSubscriptionsLoseNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	s := ada.watchSSE(w.instance("Group 1"))
	insert := `insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), i.id, $1::text, $1::text, 'VIEWER', sha256($1::text::bytea), a.id, clock_timestamp() + interval '1 day' from instance i, account a where i.name = 'Group 1' and a.name = 'Ada'`
	late, err := w.Admin.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer late.Rollback()
	if _, err := late.Exec(insert, "late@new.example"); err != nil {
		t.Fatal(err)
	}
	lost, err := w.Admin.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lost.Exec(insert, "lost@new.example"); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		w.Exec(insert, fmt.Sprintf("p%d@new.example", n))
		s.expect(fmt.Sprintf("CREATED p%d@new.example", n))
	}
	if err := lost.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	s.expect("CREATED late@new.example")
	w.Exec(insert, "last@new.example")
	s.expect("CREATED last@new.example")
	// The database goes away and comes back.
	w.Exec(`alter table event rename to elsewhere`)
	w.Await("a complaint", func() bool { return len(w.Log.Lines("events")) > 0 })
	w.Exec(`alter table elsewhere rename to event`)
	w.Exec(insert, "afterwards@new.example")
	s.expect("CREATED afterwards@new.example")
}

func TestSubscribingNeedsAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for transport, watch := range watchers {
		for who, code := range map[string]string{"ed": "FORBIDDEN", "vic": "FORBIDDEN", "mia": "FORBIDDEN", "sam": "NOT_FOUND", "rita": "NOT_FOUND"} {
			s := watch(w.as(who), w.instance("Group 1"))
			if got := s.next().change(); got != "error "+code {
				t.Errorf("%s, %s: %s", transport, who, got)
			}
			if got := s.next().end; got != "complete" {
				t.Errorf("%s, %s: %s", transport, who, got)
			}
		}
		for _, wrong := range []string{"x", "instance_00000000000000000000000000000000", w.space("Econometrics 2026")} {
			if got := watch(w.as("ada"), wrong).next().change(); got != "error NOT_FOUND" {
				t.Errorf("%s, %s: %s", transport, wrong, got)
			}
		}
	}
	nobody := w.as("ada")
	nobody.Token = ""
	response := nobody.openSSE(t.Context(), invitationChanged, map[string]any{"id": w.instance("Group 1")})
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("nobody: %d", response.StatusCode)
	}
}

// A subscriber who loses the role gets no more events.
func TestSubscriptionEndsWithTheRole(t *testing.T) {
	t.Parallel()
	for transport, watch := range watchers {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grantAdministrator("Mia")
			w.grantAdministrator("Sam")
			ada, mia, sam := watch(w.as("ada"), w.instance("Group 1")), watch(w.as("mia"), w.instance("Group 1")), watch(w.as("sam"), w.instance("Group 1"))
			w.as("ada").remove("", w.user("Mia")).OK()
			w.as("ada").remove("", w.user("Sam")).OK()
			w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
			ada.expect("CREATED zoe@new.example", "SENT zoe@new.example")
			// Mia still sees the instance, as a manager.
			for who, c := range map[string]struct {
				s    stream
				code string
			}{"mia": {mia, "FORBIDDEN"}, "sam": {sam, "NOT_FOUND"}} {
				if got := c.s.next().change(); got != "error "+c.code {
					t.Errorf("%s: %s", who, got)
				}
				if got := c.s.next().end; got != "complete" {
					t.Errorf("%s: %s", who, got)
				}
			}
			// The subscription ends without an event, too.
			w.revokeAdministrator("Ada")
			if got := ada.next().change(); got != "error NOT_FOUND" {
				t.Errorf("ada: %s", got)
			}
		})
	}
}

// brief returns a person whose token expires at a time.
func (w *world) brief(who string, expires time.Time) person {
	w.t.Helper()
	p := w.as(who)
	email := who + "@uni.example"
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": apptest.Issuer.Name, "aud": apptest.Issuer.Audience, "sub": "development|" + email,
		"exp": expires.Unix(), "email": email, "email_verified": true}).SignedString(readKey(w.t, w))
	if err != nil {
		w.t.Fatal(err)
	}
	p.Token = signed
	return p
}

func TestSubscriptionEndsWithTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Of the leeway of 30 seconds 14 are left, in which both must begin. After 15 seconds
	// the gateway asks whether somebody still reads from the connection.
	expires := time.Now().Add(-16 * time.Second)
	sse, ws := w.brief("ada", expires).watchSSE(w.instance("Group 1")), w.brief("ada", expires).connect()
	if got := sse.next().change(); got != "error UNAUTHENTICATED" {
		t.Errorf("SSE: %s", got)
	}
	if got := sse.next().end; got != "complete" {
		t.Errorf("SSE: %s", got)
	}
	if code, reason := ws.closed(); code != 4403 {
		t.Errorf("WebSocket: %d %s", code, reason)
	}
}

// When the gateway stops, subscribers can tell that they are to reconnect.
func TestSubscriptionsEndWhenTheGatewayStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sse, ws := w.as("ada").watchSSE(w.instance("Group 1")), w.as("ada").watchSocket(w.instance("Group 1"))
	if err := w.Gateway.Stop(); err != nil { // it fails where it must cut connections
		t.Error(err)
	}
	if got := sse.next().end; got != "cut" {
		t.Errorf("SSE: %s", got)
	}
	if got := ws.next().end; got != "cut 1001" {
		t.Errorf("WebSocket: %s", got)
	}
}

// A client that accepts only server-sent events gets them for every operation.
func TestOperationsOverServerSentEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for what, c := range map[string]struct {
		query string
		want  []string
	}{
		"a query":         {`{ viewer { name } }`, []string{`next {"data":{"viewer":{"name":"Ada"}}}`, "complete "}},
		"a parse error":   {`{`, []string{"next GRAPHQL_PARSE_FAILED", "complete "}},
		"an unknown name": {`subscription { nothing }`, []string{"next GRAPHQL_VALIDATION_FAILED", "complete "}},
	} {
		response := ada.openSSE(t.Context(), c.query, nil)
		var got []string
		for e := range events(response.Body) {
			data := e.data
			if _, rest, found := strings.Cut(data, `"code":"`); found {
				data, _, _ = strings.Cut(rest, `"`)
			}
			got = append(got, e.name+" "+data)
		}
		response.Body.Close()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	// A subscription by plain POST or GET is refused.
	a := ada.Ask(invitationChanged, map[string]any{"id": w.instance("Group 1")})
	if a.Status != http.StatusOK && a.Status != http.StatusNotAcceptable {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	r, _ := http.NewRequest(http.MethodPost, ada.URL+"/graphql", strings.NewReader(`{"query":"subscription { invitationChanged(instanceId: \"x\") { change } }"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if a := ada.Send(r); a.Status != http.StatusNotAcceptable || !slices.Equal(a.Codes(), []string{"BAD_REQUEST"}) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := ada.Get(`subscription { invitationChanged(instanceId: "x") { change } }`); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d %s", a.Status, a.Body)
	}
}

func TestWebSocketProtocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxOperations, s.MaxBodyBytes = 3, 16<<10 })
	ada := w.as("ada")
	init := func(authorization any) map[string]any {
		return map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": authorization}}
	}
	good := init("Bearer " + ada.Token)
	for what, c := range map[string]struct {
		say  []any
		code int
	}{
		"no JSON":                  {[]any{"{"}, 4400},
		"two values":               {[]any{`{"type":"ping"} {}`}, 4400},
		"no message":               {[]any{`[]`}, 4400},
		"an unknown type":          {[]any{map[string]any{"type": "start"}}, 4400},
		"a server's type":          {[]any{good, map[string]any{"type": "next", "id": "1"}}, 4400},
		"a bad token":              {[]any{init("Bearer x")}, 4403},
		"another scheme":           {[]any{init("Basic " + ada.Token)}, 4403},
		"no token":                 {[]any{`{"type":"connection_init"}`}, 4403},
		"an empty payload":         {[]any{`{"type":"connection_init","payload":{}}`}, 4403},
		"a payload of a number":    {[]any{`{"type":"connection_init","payload":5}`}, 4400},
		"a token that is a number": {[]any{init(5)}, 4403},
		"subscribing first":        {[]any{map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": "{__typename}"}}}, 4401},
		"two initialisations":      {[]any{good, good}, 4429},
		"no id":                    {[]any{good, map[string]any{"type": "subscribe", "payload": map[string]any{"query": "{__typename}"}}}, 4400},
		"a long id":                {[]any{good, map[string]any{"type": "subscribe", "id": strings.Repeat("x", 65), "payload": map[string]any{"query": "{__typename}"}}}, 4400},
		"no query":                 {[]any{good, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{}}}, 4400},
		"a query that is a number": {[]any{good, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": 5}}}, 4400},
		"an id that is taken":      {[]any{good, sub("1", w.instance("Group 1")), sub("1", w.instance("Group 1"))}, 4409},
		"a message too large":      {[]any{good, `{"type":"ping","payload":"` + strings.Repeat("x", 16<<10) + `"}`}, 1009},
	} {
		t.Run(what, func(t *testing.T) {
			s := ada.dial()
			s.t = t
			for _, m := range c.say {
				s.send(m)
			}
			if code, reason := s.closed(); code != c.code || strings.Contains(reason, "secret") {
				t.Errorf("closed with %d %s, want %d", code, reason, c.code)
			}
		})
	}
	for what, s := range map[string]socket{"the old protocol": ada.dial("graphql-ws"), "none": ada.dial("")} {
		if code, _ := s.closed(); code != 4406 {
			t.Errorf("%s: closed with %d", what, code)
		}
	}

	// A ping is answered before and after signing in, and a pong is not.
	s := ada.dial()
	s.send(map[string]any{"type": "ping"})
	if got := s.receive(); !cmp.Equal(got, map[string]any{"type": "pong"}) {
		t.Errorf("%v", got)
	}
	s.send(map[string]any{"type": "pong"})
	s.send(good)
	if got := s.receive(); !cmp.Equal(got, map[string]any{"type": "connection_ack"}) {
		t.Errorf("%v", got)
	}
	s.subscribe("q", `{ viewer { name } }`, nil)
	if got := s.receive(); !cmp.Equal(got, map[string]any{"type": "next", "id": "q", "payload": map[string]any{"data": map[string]any{"viewer": map[string]any{"name": "Ada"}}}}) {
		t.Errorf("%v", got)
	}
	if got := s.receive(); !cmp.Equal(got, map[string]any{"type": "complete", "id": "q"}) {
		t.Errorf("%v", got)
	}
	s.subscribe("q", `{ nothing }`, nil) // the id is free again
	if got := s.receive(); got["type"] != "error" || got["id"] != "q" || !strings.Contains(fmt.Sprint(got["payload"]), "GRAPHQL_VALIDATION_FAILED") {
		t.Errorf("%v", got)
	}
	s.subscribe("m", `mutation($i: ID!) { deleteInstance(input: {instanceId: $i}) { deleted } }`, map[string]any{"i": w.instance("Group 1")})
	if got := s.receive(); !strings.Contains(fmt.Sprint(got["payload"]), "deleted:true") {
		t.Errorf("%v", got)
	}
	s.receive() // complete

	// Three subscriptions are allowed, and a completed one makes room.
	for _, id := range []string{"1", "2", "3", "4"} {
		s.subscribe(id, invitationChanged, map[string]any{"id": w.instance("Master")})
	}
	if got := s.receive(); got["type"] != "error" || got["id"] != "4" || !strings.Contains(fmt.Sprint(got["payload"]), "RATE_LIMITED") {
		t.Errorf("%v", got)
	}
	s.send(map[string]any{"type": "complete", "id": "2"})
	s.send(map[string]any{"type": "complete", "id": "nothing"})
	s.subscribe("4", `{ __typename }`, nil)
	if got := s.receive(); got["type"] != "next" || got["id"] != "4" {
		t.Errorf("%v", got)
	}
	s.receive() // complete
	ada.invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	var ids []string
	for range 4 {
		ids = append(ids, fmt.Sprint(s.receive()["id"]))
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"1", "1", "3", "3"}) {
		t.Errorf("events of %v", ids)
	}
	// The upgrade request can carry the token, too.
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(ada.URL, "http", "ws", 1)+"/graphql",
		&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + ada.Token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	s = socket{t, conn}
	s.send(map[string]any{"type": "connection_init"})
	if got := s.receive()["type"]; got != "connection_ack" {
		t.Errorf("%v", got)
	}
	// Each operation has a line in the log.
	w.Await("a line of the mutation", func() bool {
		return slices.ContainsFunc(w.Log.Lines("request"), func(line map[string]any) bool {
			return line["method"] == "WEBSOCKET" && line["kind"] == "mutation" && line["actor"] == w.user("Ada")
		})
	})
	// A page of another origin is refused.
	if _, response, err := websocket.Dial(t.Context(), strings.Replace(ada.URL, "http", "ws", 1)+"/graphql",
		&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}}}); err == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("another origin: %v", err)
	}
}

func sub(id, instance string) map[string]any {
	return map[string]any{"type": "subscribe", "id": id, "payload": map[string]any{"query": invitationChanged, "variables": map[string]any{"id": instance}}}
}

// Of a thousand changes at once each arrives once.
func TestSubscriptionSeesAThousandChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	sse, ws := ada.watchSSE(w.instance("Group 1")), ada.watchSocket(w.instance("Group 1"))
	emails := make([]string, 1000)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
	}
	ada.invite("Group 1", "VIEWER", emails).OK()
	for _, s := range []stream{sse, ws} {
		got := map[string]int{}
		for range 2000 {
			got[s.next().change()]++
		}
		for _, email := range emails {
			if got["CREATED "+email] != 1 || got["SENT "+email] != 1 {
				t.Fatalf("%s: created %d times, sent %d times", email, got["CREATED "+email], got["SENT "+email])
			}
		}
	}
}
