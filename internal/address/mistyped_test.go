package address

import (
	"strings"
	"testing"
)

func TestMistyped(t *testing.T) {
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
		{"ada@uni.example", []string{"", "@", "unix.example.", "-uni.example", "\xff"}, ""},
		{octets64 + "@" + domain189, []string{"b." + domain189, "b" + domain189[1:]}, octets64 + "@b" + domain189[1:]},
		{octets64 + "@" + domain189, []string{domain189 + "x"}, ""},
	}
	for _, test := range tests {
		if got := Mistyped(mustParse(t, test.input), test.domains); got != test.want {
			t.Errorf("Mistyped(%q, %q) = %q, want %q", test.input, test.domains, got, test.want)
		}
	}
}

func TestNoAddressIsMistyped(t *testing.T) {
	if got := Mistyped(Address{}, []string{"a.example"}); got != "" {
		t.Errorf("the zero address is taken for %q", got)
	}
}

func TestProvidersAreValidAndListedOnce(t *testing.T) {
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
