package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// A panic is logged with the id of its request, and fails that request only.
func TestPanicFailsOneRequest(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	seen := instruments{metrics: telemetry.NewMetrics(nil)}
	log := slog.New(panicCounter{slog.NewJSONHandler(&lines, nil), seen.metrics})
	a := &api{settings: &Settings{}, log: log, root: &resolvers.Root{Log: log}, instruments: seen, lifecycle: newLifecycle()}
	begin := false
	server := httptest.NewServer(a.observed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if begin {
			_, _ = io.WriteString(w, "the first half")
			_ = http.NewResponseController(w).Flush()
		}
		panic("it cannot be")
	})))
	defer server.Close()

	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	id := response.Header.Get("X-Request-Id")
	if err != nil || response.StatusCode != http.StatusInternalServerError || len(id) != 32 ||
		!strings.Contains(string(body), `"code":"INTERNAL_SERVER_ERROR"`) || !strings.Contains(string(body), id) || strings.Contains(string(body), "it cannot be") {
		t.Errorf("%v %d %s", err, response.StatusCode, body)
	}
	if text := lines.String(); strings.Count(text, `"msg":"panic"`) != 1 || strings.Count(text, id) != 2 || !strings.Contains(text, `"codes":["INTERNAL_SERVER_ERROR"]`) {
		t.Error(text)
	}

	scraped := httptest.NewRecorder()
	seen.metrics.Handler(log).ServeHTTP(scraped, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(scraped.Body.String(), "\ndatahub_panics_total 1\n") {
		t.Error(scraped.Body)
	}

	// A response that was cut is an error for the client.
	begin = true
	if response, err = server.Client().Get(server.URL); err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err == nil {
		t.Errorf("%s", body)
	}
}

// A panicking resolver is an error over every transport, and the next operation
// is answered.
func TestPanickingResolverFailsOneOperation(t *testing.T) {
	t.Parallel()
	lines := &printed{}
	log := slog.New(slog.NewJSONHandler(lines, nil))
	settings := DefaultSettings()
	operations, err := newOperations(&settings.GraphQLSettings)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{settings: &settings, log: log, root: &resolvers.Root{Log: log, PageSize: 100}, // which has no services
		operations: operations, lifecycle: newLifecycle()}
	graphql := a.graphql()
	server := httptest.NewServer(a.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		graphql.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), access.Actor{})))
	})))
	defer server.Close()
	post := func(accept string) func(string) string {
		return func(query string) string {
			body, _ := json.Marshal(map[string]any{"query": query})
			r, err := http.NewRequest(http.MethodPost, server.URL+"/graphql", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", accept)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Error(err)
			}
			return string(text)
		}
	}
	conn, _, err := websocket.Dial(t.Context(), server.URL+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow() //nolint:errcheck // at the end
	ids := 0
	say := func(message map[string]any) string {
		content, _ := json.Marshal(message)
		if err := conn.Write(t.Context(), websocket.MessageText, content); err != nil {
			t.Fatal(err)
		}
		_, heard, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(heard)
	}
	say(map[string]any{"type": "connection_init"})
	socket := func(query string) string {
		ids++
		heard := say(map[string]any{"type": "subscribe", "id": fmt.Sprint(ids), "payload": map[string]any{"query": query}})
		if strings.Contains(heard, `"next"`) {
			_, _, _ = conn.Read(t.Context()) // complete
		}
		return heard
	}
	for what, c := range map[string]struct {
		ask   func(string) string
		query string
	}{
		"a query":                      {post("application/json"), `{ viewer { invitations { nodes { id } } } }`},
		"a mutation":                   {post("application/json"), `mutation { acceptInvitation(input: {token: "x"}) { instance { id } } }`},
		"a query over events":          {post("text/event-stream"), `{ invitation(token: "x") { email } }`},
		"a subscription over events":   {post("text/event-stream"), `subscription { requestChanged { change } }`},
		"a query over a socket":        {socket, `{ invitation(token: "x") { email } }`},
		"a subscription over a socket": {socket, `subscription { requestChanged { change } }`},
	} {
		before := strings.Count(lines.String(), `"msg":"panic"`)
		if text := c.ask(c.query); strings.Count(text, `"code":"INTERNAL_SERVER_ERROR"`) != 1 || !strings.Contains(text, `"requestId":"`) || strings.Contains(text, "nil pointer") {
			t.Errorf("%s: %s", what, text)
		}
		if n := strings.Count(lines.String(), `"msg":"panic"`) - before; n != 1 {
			t.Errorf("%s: %d panics are logged", what, n)
		}
		if text := c.ask(`{ __typename }`); !strings.Contains(text, `"Query"`) {
			t.Errorf("after %s: %s", what, text)
		}
	}
}
