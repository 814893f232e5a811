package trusteddocs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

const (
	viewerName   = `query ViewerName { viewer { name } }`
	viewerSpaces = `query ViewerSpaces { viewer { spaces { nodes { name } } } }`
)

// request returns the parameters of a request as a transport reads them.
func request(query string, extensions any) *graphql.RawParams {
	params := &graphql.RawParams{Query: query}
	if extensions != nil {
		params.Extensions = map[string]any{extension: extensions}
	}
	return params
}

func byID(id any) map[string]any {
	return map[string]any{"version": json.Number("1"), "sha256Hash": id}
}

// codeOf returns the code of an error, or "".
func codeOf(t *testing.T, err *gqlerror.Error) fault.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var f *fault.Fault
	if !errors.As(err, &f) {
		t.Fatalf("%v has no code", err)
	}
	return f.Code
}

// send passes a request through the extension as gqlgen does for an operation
// that is valid.
func send(ctx context.Context, a Automatic, params *graphql.RawParams) *gqlerror.Error {
	if err := a.MutateOperationParameters(ctx, params); err != nil {
		return err
	}
	return a.MutateOperationContext(ctx, &graphql.OperationContext{RawQuery: params.Query, Extensions: params.Extensions})
}

func everyone(context.Context) bool { return true }

func TestAutomaticResolvesTheHashOfAStoredOperation(t *testing.T) {
	t.Parallel()
	a := NewAutomatic(1<<20, everyone)
	id := hash(viewerName)
	// In this order.
	for _, c := range []struct {
		what  string
		given *graphql.RawParams
		code  fault.Code
		query string
	}{
		{"a request without an id", request(viewerName, nil), "", viewerName},
		{"an unknown hash", request("", byID(id)), fault.PersistedQueryNotFound, ""},
		{"the hash of another text", request(viewerName, byID(hash(viewerSpaces))), fault.BadRequest, viewerName},
		{"a hash in upper case", request(viewerName, byID(strings.ToUpper(id))), fault.BadRequest, viewerName},
		{"a hash that is still unknown", request("", byID(id)), fault.PersistedQueryNotFound, ""},
		{"a hash with its text", request(viewerName, byID(id)), "", viewerName},
		{"a known hash", request("", byID(id)), "", viewerName},
		{"another version", request("", map[string]any{"version": json.Number("2"), "sha256Hash": id}), fault.BadRequest, ""},
		{"no version", request("", map[string]any{"sha256Hash": id}), fault.BadRequest, ""},
		{"no hash", request("", map[string]any{"version": json.Number("1")}), fault.BadRequest, ""},
		{"a hash that is not a string", request("", byID(json.Number("7"))), fault.BadRequest, ""},
		{"an extension that is not an object", request("", id), fault.BadRequest, ""},
	} {
		if code := codeOf(t, send(t.Context(), a, c.given)); code != c.code || c.given.Query != c.query {
			t.Errorf("%s: code %q and query %q, want %q and %q", c.what, code, c.given.Query, c.code, c.query)
		}
	}
}

func TestAutomaticStoresOnlyOperationsOfTrustedPeople(t *testing.T) {
	t.Parallel()
	trusted := false
	a := NewAutomatic(1<<20, func(context.Context) bool { return trusted })
	for _, trusted = range []bool{false, true} {
		if err := send(t.Context(), a, request(viewerName, byID(hash(viewerName)))); err != nil {
			t.Fatal(err)
		}
		want := fault.PersistedQueryNotFound
		if trusted {
			want = ""
		}
		if code := codeOf(t, send(t.Context(), a, request("", byID(hash(viewerName))))); code != want {
			t.Errorf("trusted: %t, code %q", trusted, code)
		}
	}
}

func TestAutomaticIsBounded(t *testing.T) {
	t.Parallel()
	const octets = 100_000
	a := NewAutomatic(octets, everyone)
	for i := range 1000 {
		text := fmt.Sprintf("# %d\n%s", i, viewerName)
		if err := send(t.Context(), a, request(text, byID(hash(text)))); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for id, text := range a.texts.All() {
		size += len(id) + len(text) + entryOverhead
	}
	if size == 0 || size > octets {
		t.Errorf("%d octets are stored of %d", size, octets)
	}
}

// apolloManifest returns a manifest with one operation for each id.
func apolloManifest(version int, ids ...string) string {
	operations := []map[string]string{}
	for i, id := range ids {
		operations = append(operations, map[string]string{"id": id, "name": "x", "type": "query", "body": []string{viewerName, viewerSpaces}[i]})
	}
	manifest, err := json.Marshal(map[string]any{"format": apolloFormat, "version": version, "operations": operations})
	if err != nil {
		panic(err)
	}
	return string(manifest)
}

// relayMap returns an object with the ids id0, id1 … of texts.
func relayMap(texts ...string) string {
	operations := map[string]string{}
	for i, text := range texts {
		operations[fmt.Sprint("id", i)] = text
	}
	content, err := json.Marshal(operations)
	if err != nil {
		panic(err)
	}
	return string(content)
}

func readFile(t *testing.T, content string) (Registered, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "operations.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadFile(file, func(text string) error {
		if text == "invalid" {
			return errors.New("it is not valid")
		}
		return nil
	})
}

func TestRegisteredExecutesRegisteredOperationsOnly(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"Apollo manifest": apolloManifest(1, "id0", "id1"),
		"Relay map":       relayMap(viewerName, viewerSpaces),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := readFile(t, content)
			if err != nil {
				t.Fatal(err)
			}
			for what, c := range map[string]struct {
				given *graphql.RawParams
				code  fault.Code
				query string
			}{
				"an id":                          {request("", byID("id0")), "", viewerName},
				"another id":                     {request("", byID("id1")), "", viewerSpaces},
				"an unknown id":                  {request("", byID("id2")), fault.PersistedQueryNotFound, ""},
				"the hash of a registered text":  {request("", byID(hash(viewerName))), fault.PersistedQueryNotFound, ""},
				"a registered text":              {request(viewerName, nil), "", viewerName},
				"a registered text with its id":  {request(viewerName, byID("id0")), "", viewerName},
				"another text":                   {request(viewerName+" ", nil), fault.BadRequest, viewerName + " "},
				"another text with its hash":     {request("{x}", byID(hash("{x}"))), fault.BadRequest, "{x}"},
				"another text with a known id":   {request("{x}", byID("id0")), fault.BadRequest, "{x}"},
				"neither text nor id":            {request("", nil), fault.BadRequest, ""},
				"an extension in the wrong form": {request("", "id0"), fault.BadRequest, ""},
			} {
				if code := codeOf(t, r.MutateOperationParameters(t.Context(), c.given)); code != c.code || c.given.Query != c.query {
					t.Errorf("%s: code %q and query %q, want %q and %q", what, code, c.given.Query, c.code, c.query)
				}
			}
		})
	}
}

func TestReadFileRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		``:   "neither an Apollo manifest nor an object",
		`[]`: "neither",
		`{}`: "no operations",
		`{"format":"another","version":1,"operations":[]}`:        "neither",
		`{"format":"` + apolloFormat + `","operations":5}`:        "neither",
		relayMap(viewerName) + relayMap(viewerName):               "neither",
		`{"format":"another format"}`:                             "neither",
		apolloManifest(1):                                         "no operations",
		apolloManifest(2, "id0"):                                  "version is 2, and must be 1",
		apolloManifest(1, "id0", "id0"):                           `"id0" is empty or occurs twice`,
		apolloManifest(1, ""):                                     `"" is empty or occurs twice`,
		relayMap(viewerName, "invalid"):                           `operation "id1": it is not valid`,
		`{"` + strings.Repeat("x", 1000) + `": "invalid"}`:        "it is not valid",
		strings.Replace(apolloManifest(1, "id0"), "{", "\x00", 1): "neither",
	} {
		if _, err := readFile(t, content); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.100s: %v, want %s", content, err, want)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "missing.json"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

func TestSetIDNamesTheOperation(t *testing.T) {
	t.Parallel()
	params := &graphql.RawParams{}
	if HasID(params) {
		t.Error("parameters without an extension have an id")
	}
	SetID(params, "id0")
	id, invalid := idOf(params)
	if !HasID(params) || id != "id0" || invalid != nil {
		t.Errorf("id %q, %v", id, invalid)
	}
}

func TestExtensionsAreNamed(t *testing.T) {
	t.Parallel()
	for _, e := range []graphql.HandlerExtension{Automatic{}, Registered{}} {
		if e.ExtensionName() == "" || e.Validate(nil) != nil {
			t.Errorf("%T: name %q, %v", e, e.ExtensionName(), e.Validate(nil))
		}
	}
}
