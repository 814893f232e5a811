package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/text"
)

func TestClean(t *testing.T) {
	for what, test := range map[string]struct{ name, want string }{
		"nothing":                     {"", ""},
		"plain":                       {"Ada Lovelace", "Ada Lovelace"},
		"spaces around and within":    {"  Ada \t Lovelace\n", "Ada Lovelace"},
		"a no-break space":            {"Ada\u00a0Lovelace", "Ada Lovelace"},
		"only spaces":                 {" \t\n\u2028", ""},
		"a header that goes on":       {"Ada\r\nBcc: eve@uni.example", "Ada Bcc: eve@uni.example"},
		"NUL":                         {"A\x00da", "Ada"},
		"a bidirectional control":     {"Ada\u202eecalevoL", "AdaecalevoL"},
		"invisible characters":        {"A\u200bd\ufeffa", "Ada"},
		"a decomposed letter":         {"E\u0301lodie", "\u00c9lodie"},
		"one that was hidden":         {"E\u200b\u0301lodie", "\u00c9lodie"},
		"not UTF-8":                   {"A\xffda", "Ada"},
		"half of a surrogate pair":    {"A\ufffdda", "Ada"},
		"other scripts":               {"愛達 Ада עדה", "愛達 Ада עדה"},
		"an emoji":                    {"Ada 🧮", "Ada 🧮"},
		"200 characters":              {strings.Repeat("é", 200), strings.Repeat("é", 200)},
		"201 characters":              {strings.Repeat("é", 201), strings.Repeat("é", 200)},
		"a space at the limit":        {strings.Repeat("a", 199) + " bc", strings.Repeat("a", 199)},
		"megabytes":                   {strings.Repeat("a", 1<<21), strings.Repeat("a", 200)},
		"a letter at the octet limit": {strings.Repeat("\x00", 1599) + "é", ""},
	} {
		t.Run(what, func(t *testing.T) {
			if got := text.CleanName(test.name); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"", "Ada Lovelace", " \t\x00", "E\u200b\u0301lodie", "\u0301", "a \u0301", "\xff\xfe", "\u1100\u200b\u1161\u11a8", "ﬁ \u2028x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		got := text.CleanName(input)
		switch {
		case !utf8.ValidString(got) || !norm.NFC.IsNormalString(got):
			t.Errorf("%q becomes %q, which is not in normalization form C", input, got)
		case utf8.RuneCountInString(got) > 200:
			t.Errorf("%q is too long", got)
		case got != strings.Join(strings.Fields(got), " "):
			t.Errorf("%q becomes %q: spaces are left", input, got)
		case strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }):
			t.Errorf("%q becomes %q: it cannot be printed", input, got)
		case text.CleanName(got) != got:
			t.Errorf("%q becomes %q, and that %q", input, got, text.CleanName(got))
		}
	})
}

func TestParse(t *testing.T) {
	for input, want := range map[string]string{
		"Group 4":                      "Group 4",
		"  Group \t 4\n":               "Group 4",
		"E\u0301conome\u0301trie":      "Économétrie",
		"計量 📈":                         "計量 📈",
		strings.Repeat("é", 200):       strings.Repeat("é", 200),
		strings.Repeat("e\u0301", 200): strings.Repeat("é", 200),
		"":                             "",
		" \u00a0":                      "",
		strings.Repeat("é", 201):       "",
		strings.Repeat("x", 1<<20):     "",
		"Gro\x00up":                    "",
		"Gro\u200bup":                  "",
		"Gro\u202eup":                  "",
		"Gro\xffup":                    "",
	} {
		got, ok := text.ParseName(input)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%.20q: %q, %t", input, got, ok)
		}
	}
}
