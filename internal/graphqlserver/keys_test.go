package graphqlserver

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                              "",
		`[]`:                              "",
		`"a"`:                             "",
		`{"a":1,"b":1}`:                   "",
		`{"a":{"a":{"a":"a"}}}`:           "",
		`{"a":["a","a",{"a":1},{"a":1}]}`: "",
		`{"a":"b","b":"a"}`:               "",
		`{"query":"\"query","x":"{\"query\":1,\"query\":2}"}`: "",
		`{"x":{"Query":1}}`:            "", // the outermost object's keys are known, and no others
		`{"a":1,"a":1}`:                `In the JSON, an object has the key "a" twice.`,
		`{"a":1,"b":2,"a":3}`:          `In the JSON, an object has the key "a" twice.`,
		`{"a":[1,{"b":{}}],"a":3}`:     `In the JSON, an object has the key "a" twice.`,
		` { "a" : 1 , "\u0061" : 2 } `: `In the JSON, an object has the key "a" twice.`,
		`{"a":1,"A":1}`:                `In the JSON, an object has the keys "a" and "A", which differ only in case.`,
		`{"K":1,"\u212a":1}`:           "In the JSON, an object has the keys \"K\" and \"\u212a\", which differ only in case.",
		`{"x":[{"y":{"é":1,"É":1}}]}`:  `In the JSON, an object has the keys "é" and "É", which differ only in case.`,
		`{"":1,"":1}`:                  `In the JSON, an object has the key "" twice.`,
		`{"Query":1}`:                  `In the JSON, the key "Query" must be "query".`,
		`{"operationname":1}`:          `In the JSON, the key "operationname" must be "operationName".`,
		`{"` + strings.Repeat("a", 99) + `":1,"` + strings.Repeat("a", 99) + `":1}`: `In the JSON, an object has the key "` + strings.Repeat("a", 40) + `" twice.`,
	} {
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is not JSON", text)
		}
		got := ""
		if f := checkKeys([]byte(text), requestKeys...); f != nil {
			got = f.Message
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzCheckKeys(f *testing.F) {
	for _, seed := range []string{`{"a":1,"A":[{"b":"\"","b":2}]}`, `[[],{"a":{}}]`, `"\\\\"`, `{"\ud800":1,"\ud800":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var value any
		if decode(text, &value) != nil {
			return
		}
		// encoding/json keeps the last of repeated keys, so that writing the value again
		// repeats none. Keys in two cases stay.
		repeated := checkKeys(text)
		once, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		f := checkKeys(once)
		if f != nil && !strings.Contains(f.Message, "differ only in case") {
			t.Errorf("%s: %s", once, f.Message)
		}
		if f != nil && repeated == nil {
			t.Errorf("%s: the same value written again is refused: %s", text, f.Message)
		}
	})
}
