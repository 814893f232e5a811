package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// byHash returns a request with the hash of an operation, as Apollo Client
// sends it, and with its text unless that is empty.
func byHash(id, text string) map[string]any {
	fields := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": id}}}
	if text != "" {
		fields["query"] = text
	}
	return fields
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ways are all transports of an operation. Each returns the answer as text.
var ways = map[string]func(p person, fields map[string]any) string{
	"POST": func(p person, fields map[string]any) string { return p.Send(p.Post(fields)).Body },
	"GET": func(p person, fields map[string]any) string {
		values := url.Values{}
		for name, value := range fields {
			text, isText := value.(string)
			if !isText {
				encoded, _ := json.Marshal(value)
				text = string(encoded)
			}
			values.Set(name, text)
		}
		r, err := http.NewRequest(http.MethodGet, p.URL+"/graphql?"+values.Encode(), nil)
		if err != nil {
			p.world.t.Fatal(err)
		}
		return p.Send(r).Body
	},
	"server-sent events": func(p person, fields map[string]any) string {
		r := p.Post(fields)
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Authorization", "Bearer "+p.Token)
		response, err := p.World.HTTP.Do(r)
		if err != nil {
			p.world.t.Fatal(err)
		}
		defer response.Body.Close()
		var b strings.Builder
		for e := range events(response.Body) {
			b.WriteString(e.data)
		}
		return b.String()
	},
	"WebSocket": func(p person, fields map[string]any) string {
		s := p.connect()
		s.send(map[string]any{"id": "1", "type": "subscribe", "payload": fields})
		return strings.Join(s.outcome("1"), "\n")
	},
}

func TestAutomaticPersistedQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for way, send := range ways {
		query := "{ viewer { name } } #" + way
		id := hashOf(query)
		for _, step := range []struct {
			what   string
			by     person
			fields map[string]any
			want   string
		}{
			{"an unknown hash", w.as("ada"), byHash(id, ""), `"message":"PersistedQueryNotFound"`},
			{"a wrong hash", w.as("ada"), byHash(hashOf("x"), query), `BAD_REQUEST`},
			{"still an unknown hash", w.as("ada"), byHash(id, ""), `PERSISTED_QUERY_NOT_FOUND`},
			{"hash and text", w.as("ada"), byHash(id, query), `"name":"Ada"`},
			{"the hash alone", w.as("ada"), byHash(id, ""), `"name":"Ada"`},
			{"by somebody else", w.as("vic"), byHash(id, ""), `"name":"Vic"`},
			{"a draft's documentId", w.as("vic"), map[string]any{"documentId": "sha256:" + id}, `"name":"Vic"`},
			{"another version", w.as("ada"), map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 2, "sha256Hash": id}}}, "BAD_REQUEST"},
			{"no hash", w.as("ada"), map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1}}}, "BAD_REQUEST"},
			{"no object", w.as("ada"), map[string]any{"extensions": map[string]any{"persistedQuery": id}}, "BAD_REQUEST"},
		} {
			if got := send(step.by, step.fields); !strings.Contains(got, step.want) {
				t.Errorf("%s, %s: %s, want %s", way, step.what, got, step.want)
			}
		}
	}
}

// Documents that are not valid, or that come without a token, are not stored.
func TestInvalidDocumentsAreNotPersisted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, nobody := w.as("ada"), w.with("")
	const wrong, public = `{ nothing }`, `{ invitation(token: "x") { email } }`
	ada.Send(ada.Post(byHash(hashOf(wrong), wrong))).Refused("GRAPHQL_VALIDATION_FAILED")
	ada.Send(ada.Post(byHash(hashOf(wrong), ""))).Refused("PERSISTED_QUERY_NOT_FOUND")
	nobody.Send(nobody.Post(byHash(hashOf(public), public))).OK()
	nobody.Send(nobody.Post(byHash(hashOf(public), ""))).Refused("PERSISTED_QUERY_NOT_FOUND")
	ada.Send(ada.Post(byHash(hashOf(public), public))).OK()
	nobody.Send(nobody.Post(byHash(hashOf(public), ""))).OK()
}

const ownName, ownSpaces = `query OwnName { viewer { name } }`, `query OwnSpaces { viewer { spaces { nodes { name } } } }`

func apolloManifest(format string, version int, ids ...string) string {
	var operations []map[string]string
	for i, text := range []string{ownName, ownSpaces} {
		operations = append(operations, map[string]string{"id": ids[i], "name": "x", "type": "query", "body": text})
	}
	manifest, _ := json.Marshal(map[string]any{"format": format, "version": version, "operations": operations})
	return string(manifest)
}

func relayMap(texts ...string) string {
	operations := map[string]string{}
	for i, text := range texts {
		operations[fmt.Sprint("id", i)] = text
	}
	content, _ := json.Marshal(operations)
	return string(content)
}

// registering has a gateway run only the operations of a file.
func registering(t *testing.T, content string) func(*app.Settings) {
	file := filepath.Join(t.TempDir(), "operations.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(s *app.Settings) { s.Operations = file }
}

func TestOnlyRegisteredOperationsRun(t *testing.T) {
	t.Parallel()
	for file, content := range map[string]string{
		"Apollo's manifest": apolloManifest("apollo-persisted-query-manifest", 1, "id0", "id1"),
		"Relay's map":       relayMap(ownName, ownSpaces),
	} {
		w := newWorld(t, registering(t, content))
		for way, send := range ways {
			for _, step := range []struct {
				what   string
				fields map[string]any
				want   string
			}{
				{"Apollo's id", byHash("id0", ""), `"name":"Ada"`},
				{"Relay's id", map[string]any{"doc_id": "id1"}, `"name":"Econometrics 2026"`},
				{"the draft's id", map[string]any{"documentId": "id1"}, `"name":"Econometrics 2026"`},
				{"the text", map[string]any{"query": ownName}, `"name":"Ada"`},
				{"another text", map[string]any{"query": ownName + " "}, `registered operations only`},
				{"another text by its hash", byHash(hashOf(`{ __typename }`), `{ __typename }`), `BAD_REQUEST`},
				{"another text by a registered id", byHash("id0", `{ __typename }`), `BAD_REQUEST`},
				{"introspection", map[string]any{"query": `{ __schema { types { name } } }`}, `BAD_REQUEST`},
				{"an unknown id", byHash("id2", ""), `PERSISTED_QUERY_NOT_FOUND`},
				{"the hash of a text", byHash(hashOf(ownName), ""), `PERSISTED_QUERY_NOT_FOUND`},
			} {
				if got := send(w.as("ada"), step.fields); !strings.Contains(got, step.want) {
					t.Errorf("%s by %s, %s: %s, want %s", file, way, step.what, got, step.want)
				}
			}
		}
	}
}

func TestWrongRegistryStopsTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for content, want := range map[string]string{
		``: "neither",
		`{"format":"another","version":1,"operations":[]}`: "neither",
		`{}`: "no operations",
		`[]`: "neither",
		apolloManifest("apollo-persisted-query-manifest", 2, "id0", "id1"):        "version is 2",
		apolloManifest("apollo-persisted-query-manifest", 1, "id0", "id0"):        "occurs twice",
		apolloManifest("apollo-persisted-query-manifest", 1, "", "id1"):           "is empty",
		relayMap(ownName, `{ nothing }`):                                          `operation "id1"`,
		relayMap(`{ viewer { `):                                                   `operation "id0"`,
		relayMap("{" + repeated(51, "viewer { id }") + "}"):                       "51 aliases",
		relayMap(`{ viewer { ...F } } fragment F on User { ...F }`):               "selections",
		`{"id0": "{ viewer { name } }"} {"id0": "{ viewer { name } }"}`:           "neither",
		`{"format":"apollo-persisted-query-manifest","version":1,"operations":5}`: "neither",
	} {
		g, err := app.Start(context.Background(), w.Settings(registering(t, content)), slog.New(slog.DiscardHandler))
		if err == nil {
			_ = g.Stop()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "DATAHUB_OPERATIONS: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}
