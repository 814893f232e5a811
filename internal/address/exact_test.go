package address

import (
	"strings"
	"testing"
)

func TestParseExactToleratesNothingAroundAnAddress(t *testing.T) {
	t.Parallel()
	for _, input := range []string{
		`"x@evil.example" <ada@uni.example>`, "Ada <ada@uni.example>", "<ada@uni.example>",
		" ada@uni.example", "ada@uni.example ", "ada@uni.example,", "ada@uni.example;", "ada@uni.example\n", "\u00a0ada@uni.example",
		"ada@uni.example,eve@evil.example", "mailto:ada@uni.example <ada@uni.example>", "", "ada", strings.Repeat("a", 1<<20),
	} {
		if a, problem := ParseExact(input); problem == nil || a != (Address{}) {
			t.Errorf("%.80q is accepted as %q", input, a)
		} else if problem.Suggestion != "" {
			t.Errorf("%.80q: suggestion %q", input, problem.Suggestion)
		}
	}
}

func TestParseExactIsParseForAnAddressAlone(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"ada@uni.example", "Ada.Lovelace@UNI.example", "e\u0301lodie@b\u00fccher.example", "ada@xn--bcher-kva.example"} {
		got, problem := ParseExact(input)
		if want := mustParse(t, input); problem != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", input, got, problem, want)
		}
	}
}
