package address

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// Converting a long domain would take seconds for one request.
func TestLengthsAreCheckedBeforeConversion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		domain string
		want   Reason
	}{
		{strings.Repeat("ü", 59) + ".example", ""},
		{strings.Repeat("ü", 60) + ".example", DomainLabelTooLong},
		{strings.Repeat("漢", 330) + ".example", DomainLabelTooLong},
		{strings.Repeat("W\u030a", 59) + ".example", ""},
		{strings.Repeat("W\u030a", 60) + ".example", DomainLabelTooLong},
		{strings.Repeat("ü.", 40) + "example", ""},
		{strings.Repeat("ü.", 42) + "example", TooLong},
		{strings.Repeat("xn--mnster-3ya.", 16) + "example", ""},
		{strings.Repeat("xn--mnster-3ya.", 17) + "example", TooLong},
	} {
		reason := Reason("")
		if problem := checkLengths(test.domain); problem != nil {
			reason = problem.Reason
		}
		if reason != test.want {
			t.Errorf("%.20s… (%d octets): %q, want %q", test.domain, len(test.domain), reason, test.want)
		}
		if _, problem := Parse("a@" + test.domain); test.want != "" && (problem == nil || problem.Reason != test.want) {
			t.Errorf("Parse(a@%.20s…): %v, want %s", test.domain, problem, test.want)
		}
	}
}

// What is refused by its length alone has no form with A-labels that is short enough.
func TestLengthsRefuseNothingThatIsValid(t *testing.T) {
	t.Parallel()
	letters := []rune("aẘẙǰẖẗΐüÜıİßσΣ漢字한ひカаЯאب\u0301\u0323\u0308\u030a")
	rapid.Check(t, func(t *rapid.T) {
		label := strings.Map(func(r rune) rune {
			if rapid.Bool().Draw(t, "upper") {
				return unicode.ToUpper(r)
			}
			return r
		}, string(rapid.SliceOfN(rapid.SampledFrom(letters), 1, 70).Draw(t, "label")))
		ascii, err := profile.ToASCII(label)
		if err != nil {
			t.Skip("not a label")
		}
		if n := minALabel(label); n > len(ascii) {
			t.Fatalf("%q has %d octets as an A-label, and not at least %d", label, len(ascii), n)
		}
	})
}

func TestLongTextsAreNotRepaired(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, suggestion string }{
		{strings.Repeat("é", 30) + "a[at]uni.example", strings.Repeat("é", 30) + "a@uni.example"},
		{strings.Repeat("é ", 65) + "ada[at]uni.example", ""},
		{strings.Repeat("ﷺ", 32) + " ada@uni.example", "ada@uni.example"}, // eighteen characters each, if they were repaired
		{strings.Repeat("ada@uni.example, ", 8), "ada@uni.example"},
		{strings.Repeat("ada@uni.example, ", 9), ""},
		{"ada@.uni.example" + strings.Repeat(" ", 400) + ".", ""},
	} {
		_, problem := Parse(test.text)
		if problem == nil || problem.Suggestion != test.suggestion {
			t.Errorf("Parse(%.30q…): %+v, want the suggestion %q", test.text, problem, test.suggestion)
		}
	}
}

// The dearest texts that were found by trying millions, for their octets.
func BenchmarkParseDearest(b *testing.B) {
	known := []*Domains{NewDomains(thousandDomains())}
	for name, text := range map[string]string{
		"rings":    strings.Repeat("W\u030a", 15) + "@" + strings.Repeat("W\u030a", 48) + ".example",
		"umlauts":  "a@" + strings.Repeat("ü.", 40) + "example",
		"han":      "a@" + strings.Repeat("漢字", 29) + ".example",
		"too long": "a@" + strings.Repeat("漢", 330) + ".example",
		"A-labels": "a@" + strings.Repeat("xn--mnster-3ya.", 16) + "example",
		"accents":  "a" + strings.Repeat("\u0301\u0323", 250) + "@uni.example",
		"ligature": strings.Repeat("ﷺ", 60) + "@uni.example",
		"several":  strings.Repeat("ü@bü.de,", 8) + strings.Repeat("[ ", 80),
		"entities": strings.Repeat("&lt;", 70) + "@uni.example",
		"mixed":    "a@" + strings.Repeat("аa.", 60) + "example",
		"neighbor": "a@institute-1.uni.exmaple",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if a, problem := Parse(text); problem == nil {
					Doubts(a, known)
				}
			}
		})
	}
}
