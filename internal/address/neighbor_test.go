package address

import (
	"strings"
	"testing"
)

// byRank returns the domains of a list, the most frequent first.
func byRank(list []string) []*Domains {
	frequencies := make(map[string]int, len(list))
	for i, domain := range list {
		frequencies[domain] = len(list) - i
	}
	return []*Domains{NewDomains(frequencies)}
}

func TestSuggestDomain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		input   string
		domains []string
		want    string
	}{
		{"ada@gmial.com", nil, "ada@gmail.com"},
		{"ada@gmal.com", nil, "ada@gmail.com"},
		{"ada@gmaill.com", nil, "ada@gmail.com"},
		{"ada@gmail.co", nil, "ada@gmail.com"},
		{"ada@gmail.cmo", nil, "ada@gmail.com"},
		{"ada@gmail.con", nil, "ada@gmail.com"},
		{"Ada@GMAI.COM", nil, "Ada@gmail.com"},
		{"ada@gmаil.com", nil, "ada@gmail.com"},
		{"ada@hotmial.com", nil, "ada@hotmail.com"},
		{"ada@gmx.nt", nil, "ada@gmx.net"},

		{"ada@gmail.com", nil, ""},
		{"ada@ymail.com", nil, ""},
		{"ada@mail.com", nil, ""},
		{"ada@yahoo.be", nil, ""},
		{"ada@gl.com", nil, ""},
		{"ada@mgali.com", nil, ""},
		{"ada@uni.example", nil, ""},

		{"ada@uni.exmaple", []string{"uni.example"}, "ada@uni.example"},
		{"ada@uin.example", []string{"lab.example", "uni.example"}, "ada@uni.example"},
		{"ada@uni.example", []string{"unix.example"}, "ada@unix.example"},
		{"ada@uni.example", []string{"unix.example", "uni.example"}, ""},
		{"ada@gmial.com", []string{"gmial.com"}, ""},
		{"ada@gmial.com", []string{"gmia.com"}, "ada@gmia.com"},
		{"ada@uni.example", []string{"unia.example", "unib.example"}, "ada@unia.example"},
		{"ada@bucher.example", []string{"XN--BCHER-KVA.example"}, "ada@bücher.example"},
		{"ada@bucher.example", []string{"xn--bcher-kva.example"}, "ada@bücher.example"},
		{"ada@bucher.example", []string{"BÜCHER.example"}, "ada@bücher.example"},
		{"ada@xn--bcher-kva.example", []string{"bücher.example"}, ""},
		{"ada@bucher.example", []string{"lab.example", "bücher.example"}, "ada@bücher.example"},
		{"ada@büchre.example", []string{"xn--bcher-kva.example"}, "ada@bücher.example"},

		// Two edits, a character that moved further, or another domain of the same institution.
		{"ada@uin.exmaple", []string{"uni.example"}, ""},
		{"ada@niu.example", []string{"uni.example"}, ""},
		{"ada@un.exampl", []string{"uni.example"}, ""},
		{"ada@unniversity.exampel", []string{"university.example"}, ""},
		{"ada@inu.example", []string{"unix.example"}, ""},
		{"ada@cs.uni.example", []string{"uni.example"}, ""},
		{"ada@uni.example", []string{"cs.uni.example"}, ""},
		{"ada@uni.test", []string{"uni.example"}, ""},
		{"ada@buecher.example", []string{"bücher.example"}, ""},
		// One label less, and one character.
		{"ada@c.uni.example", []string{"cs.uni.example"}, "ada@cs.uni.example"},
		{"ada@csuni.example", []string{"cs.uni.example"}, "ada@cs.uni.example"},

		{"ada@uni.example", []string{"", "@", "unix.example.", "-uni.example", "\xff"}, ""},
		{octets64 + "@" + domain189, []string{"b." + domain189, "b" + domain189[1:]}, octets64 + "@b" + domain189[1:]},
		{octets64 + "@" + domain189, []string{domain189 + "x"}, ""},
	}
	for _, test := range tests {
		if got := SuggestDomain(mustParse(t, test.input), byRank(test.domains)); got != test.want {
			t.Errorf("SuggestDomain(%q, %q) = %q, want %q", test.input, test.domains, got, test.want)
		}
	}
}

func TestSuggestDomainPrefersFrequentDomains(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		input string
		given []map[string]int
		want  string
	}{
		{"ada@uni.example", []map[string]int{{"unia.example": 1, "unib.example": 2}}, "ada@unib.example"},
		{"ada@uni.example", []map[string]int{{"unib.example": 1, "unia.example": 1, "uniz.example": 1}}, "ada@unia.example"},
		{"ada@uni.example", []map[string]int{{"unia.example": 1}, {"unib.example": 2}}, "ada@unib.example"},
		{"ada@uni.example", []map[string]int{{"unib.example": 2}, {"unia.example": 2}}, "ada@unia.example"},
		{"ada@uni.example", []map[string]int{{"unia.example": 9}, {"uni.example": 1}}, ""},
		{"ada@uni.example", []map[string]int{{}, {"unia.example": 1}}, "ada@unia.example"},
		{"ada@gmial.com", []map[string]int{{"gmia.com": 1}}, "ada@gmia.com"},
		{"ada@outlook.dr", nil, "ada@outlook.de"},
	} {
		var given []*Domains
		for _, frequencies := range test.given {
			given = append(given, NewDomains(frequencies))
		}
		if got := SuggestDomain(mustParse(t, test.input), given); got != test.want {
			t.Errorf("SuggestDomain(%q, %v) = %q, want %q", test.input, test.given, got, test.want)
		}
	}
}

func TestSuggestDomainOfTheZeroAddress(t *testing.T) {
	t.Parallel()
	if got := SuggestDomain(Address{}, byRank([]string{"a.example"})); got != "" {
		t.Errorf("suggestion %q", got)
	}
}

func TestProvidersAreValidAndListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, provider := range providers {
		if a := mustParse(t, "ada@"+provider); a.Key() != "ada@"+provider {
			t.Errorf("%q is not written as it is compared", provider)
		}
		if seen[provider] {
			t.Errorf("%q is listed twice", provider)
		}
		seen[provider] = true
	}
}

func TestIsOneEdit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"", "", false},
		{"a", "", true},
		{"a", "a", false},
		{"a", "b", true},
		{"ab", "ba", true},
		{"aa", "aaa", true},
		{"abab", "abba", true},
		{"abc", "cba", false},
		{"ab", "cd", false},
		{"abcd", "ab", false},
		{"ü", "u", true},
		{"bü", "üb", true},
		{"é", "è", true},
		{strings.Repeat("a", 99), "a", false},
	}
	for _, test := range tests {
		if got := isOneEdit(test.a, test.b); got != test.want {
			t.Errorf("isOneEdit(%q, %q) = %t", test.a, test.b, got)
		}
		if got := isOneEdit(test.b, test.a); got != test.want {
			t.Errorf("isOneEdit(%q, %q) = %t", test.b, test.a, got)
		}
	}
}
