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
		"Persian":                     {"کتاب\u200cخانه", "کتاب\u200cخانه"},
		"Hindi":                       {"क्\u200dष क्\u200cष", "क्\u200dष क्\u200cष"},
		"Sinhala":                     {"ශ්\u200dරී", "ශ්\u200dරී"},
		"a joiner at the ends":        {"\u200cعلی\u200c رضا\u200d", "علی رضا"},
		"joiners one after another":   {"علی\u200c\u200d\u200cرضا", "علی\u200cرضا"},
		"a joiner beside the removed": {"علی\u200c\u200bرضا", "علی\u200cرضا"},
		"a joiner of Latin letters":   {"A\u200dd\u200ca", "Ada"},
		"a joiner before an accent":   {"E\u200d\u0301lodie", "\u00c9lodie"},
		"a joiner of digits":          {"1\u200c2", "12"},
		"a joiner of pictures":        {"👩🏽\u200d🏫 ❤\ufe0f\u200d🔥 👩\u200c🏫", "👩🏽\u200d🏫 ❤\ufe0f\u200d🔥 👩🏫"},
		"a joiner at the limit":       {strings.Repeat("ب", 199) + "\u200cب", strings.Repeat("ب", 199)},
		"letters that nobody sees":    {"A\u3164d\u115fa\u034f", "Ada"},
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
	for _, seed := range []string{"", "Ada Lovelace", " \t\x00", "E\u200b\u0301lodie", "\u0301", "a \u0301", "\xff\xfe", "\u1100\u200b\u1161\u11a8", "ﬁ \u2028x", "علی\u200c\u200bرضا", "क्\u200dष", "👩\u200d🏫", "\u3164", "İı ẞß Ǆ"} {
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
		case strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d' }):
			t.Errorf("%q becomes %q: it cannot be printed", input, got)
		case text.CleanName(got) != got:
			t.Errorf("%q becomes %q, and that %q", input, got, text.CleanName(got))
		}
		key := text.NameKey(got)
		if again := text.NameKey(key); again != key {
			t.Errorf("the key of %q is %q, and of that %q", got, key, again)
		}
		name, ok := text.ParseName(got)
		switch {
		case ok != (key != ""):
			t.Errorf("%q is a name: %t", got, ok)
		case ok && name != got:
			t.Errorf("%q is read as %q", got, name)
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
		"کتاب\u200cخانه":               "کتاب\u200cخانه",
		"ශ්\u200dරී":                   "ශ්\u200dරී",
		"Group\u200c 1\u200d":          "Group 1",
		"\u200c":                       "",
		"Gro\u200c\u200bup":            "",
		"\u3164":                       "",
		"\u2800":                       "",
		"\ufe0f":                       "",
	} {
		got, ok := text.ParseName(input)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%.20q: %q, %t", input, got, ok)
		}
	}
}

// Names that people cannot tell apart have one key, and others have not.
func TestNameKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"group 1", "Group 1", "GROUP 1", "  Group \t 1 ", "Group\u00a01", "Ｇｒｏｕｐ　１", "Gro\u200dup 1", "Group\u3164 1", "Group\ufe0f 1"},
		{"économétrie", "Économétrie", "E\u0301CONOME\u0301TRIE"},
		{"کتابخانه", "کتاب\u200cخانه"},
		{"οδοσ", "ΟΔΟΣ", "οδος"},
		{"straße", "STRAẞE"},
		{"strasse", "STRASSE"},
		{"ガ", "ｶﾞ"},
		{"group ①", "Group ①"},
		{"x²", "X²"},
		{"", " ", "\u200b", "\u3164", "\u2800"},
	} {
		for _, name := range same {
			if got := text.NameKey(name); got != text.NameKey(same[0]) {
				t.Errorf("%q has the key %q, and %q has %q", name, got, same[0], text.NameKey(same[0]))
			}
		}
	}
	keys := map[string]string{}
	for _, name := range []string{"Group 1", "Group 2", "Group1", "Group ①", "straße", "strasse", "x2", "x²", "کتابخانه", "École", "Ecole"} {
		key := text.NameKey(name)
		if other, taken := keys[key]; taken {
			t.Errorf("%q and %q have the same key", name, other)
		}
		keys[key] = name
	}
}
