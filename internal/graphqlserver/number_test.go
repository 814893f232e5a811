package graphqlserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariablesHaveWholeNumbersByTheirValue(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`{"n":1.0}`:                     `{"n":1}`,
		`{"n":1e1}`:                     `{"n":10}`,
		`{"n":-20E-1}`:                  `{"n":-2}`,
		`{"n":-0.0}`:                    `{"n":0}`,
		`{"n":1.5}`:                     `{"n":1.5}`,
		`{"n":2147483647.0}`:            `{"n":2147483647}`,
		`{"n":2147483648.0}`:            `{"n":2147483648.0}`,
		`{"n":1e999999999}`:             `{"n":1e999999999}`,
		`{"i":{"n":[1.0,{"m":2.0}]}}`:   `{"i":{"n":[1,{"m":2}]}}`,
		`{"s":"1.0","b":true,"x":null}`: `{"s":"1.0","b":true,"x":null}`,
	} {
		var variables, expected map[string]any
		if err := decode([]byte(given), &variables); err != nil {
			t.Fatal(err)
		}
		if err := decode([]byte(want), &expected); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expected, withWholeNumbers(variables)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", given, diff)
		}
	}
}
