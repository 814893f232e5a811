package address

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Labels and local parts at the limits, written once.
var (
	octets63 = strings.Repeat("a", 63)
	octets64 = strings.Repeat("a", 64)
	octets65 = strings.Repeat("a", 65)
	// domain189 together with a local part of 64 octets makes 254.
	domain189 = octets63 + "." + octets63 + "." + strings.Repeat("a", 53) + ".example"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	type forms struct{ Text, Key, Envelope, Domain string }
	plain := func(address string) forms {
		_, domain, _ := strings.Cut(address, "@")
		return forms{address, address, address, domain}
	}
	ada := plain("ada@uni.example")

	tests := map[string]struct {
		input string
		want  forms
	}{
		"plain":                          {"ada@uni.example", ada},
		"capitals are kept and compared": {"Ada.Lovelace@Uni.EXAMPLE", forms{"Ada.Lovelace@uni.example", "ada.lovelace@uni.example", "Ada.Lovelace@uni.example", "uni.example"}},
		"capitals in the domain only":    {"ada@UNI.example", ada},
		"one character":                  {"a@b.ch", plain("a@b.ch")},
		"every atext":                    {"!#$%&'*+-/=?^_`{|}~@uni.example", plain("!#$%&'*+-/=?^_`{|}~@uni.example")},
		"plus":                           {"ada+lab@uni.example", plain("ada+lab@uni.example")},
		"digits":                         {"123@456.example", plain("123@456.example")},
		"hyphens inside":                 {"ada@a-b--c.example", plain("ada@a-b--c.example")},
		"many labels":                    {"ada@a.b.c.d.e.uni.example", plain("ada@a.b.c.d.e.uni.example")},
		"a digit in the top level":       {"ada@uni.ab1", plain("ada@uni.ab1")},
		"64 octets before the at sign":   {octets64 + "@uni.example", plain(octets64 + "@uni.example")},
		"a label of 63 octets":           {"a@" + octets63 + ".example", plain("a@" + octets63 + ".example")},
		"254 octets":                     {octets64 + "@" + domain189, plain(octets64 + "@" + domain189)},

		"spaces around":                   {"  ada@uni.example ", ada},
		"tabs and line ends around":       {"\t\r\nada@uni.example\r\n\t", ada},
		"no-break space around":           {"\u00a0ada@uni.example\u00a0", ada},
		"ideographic space around":        {"\u3000ada@uni.example\u3000", ada},
		"line separator around":           {"\u2028ada@uni.example\u2029", ada},
		"trailing comma":                  {"ada@uni.example,", ada},
		"trailing semicolon":              {"ada@uni.example;", ada},
		"trailing separators with spaces": {"ada@uni.example ; , ;; ", ada},
		"megabytes of space around":       {strings.Repeat(" ", 1<<21) + "ada@uni.example" + strings.Repeat(" ", 1<<21), ada},

		"bare brackets":                   {"<ada@uni.example>", ada},
		"spaces in brackets":              {" < ada@uni.example > ", ada},
		"a name":                          {"Ada <ada@uni.example>", ada},
		"a name without a space":          {"Ada<ada@uni.example>", ada},
		"a name with a comma":             {"Lovelace, Ada <ada@uni.example>", ada},
		"a quoted name":                   {`"Lovelace, Ada" <ada@uni.example>`, ada},
		"a quoted name with a quote":      {`"Ada \"Byron\" Lovelace" <ada@uni.example>`, ada},
		"a quoted name with an at sign":   {`"Ada @ Uni" <ada@uni.example>`, ada},
		"a quoted name with brackets":     {`"Ada <Uni>" <ada@uni.example>`, ada},
		"the address for a name":          {"ada@uni.example <ada@uni.example>", ada},
		"the address in quotes for one":   {"'Ada@uni.example' <ada@uni.example>", ada},
		"a name in other letters":         {"愛達 ＡＤＡ <ada@uni.example>", ada},
		"a name, brackets and separators": {"Ada <ada@uni.example>, ;", ada},
		"a tab after the name":            {"Ada\t<ada@uni.example>", ada},

		"accents":                       {"Élodie@uni.example", forms{"Élodie@uni.example", "élodie@uni.example", "Élodie@uni.example", "uni.example"}},
		"decomposed accents":            {"E\u0301lodie@uni.example", forms{"\u00c9lodie@uni.example", "\u00e9lodie@uni.example", "\u00c9lodie@uni.example", "uni.example"}},
		"sharp s is not ss":             {"Groß@uni.example", forms{"Groß@uni.example", "groß@uni.example", "Groß@uni.example", "uni.example"}},
		"capital sharp s":               {"GROẞ@uni.example", forms{"GROẞ@uni.example", "groß@uni.example", "GROẞ@uni.example", "uni.example"}},
		"dotless i is itself":           {"ılgaz@uni.example", forms{"ılgaz@uni.example", "ılgaz@uni.example", "ılgaz@uni.example", "uni.example"}},
		"dotted capital i":              {"İpek@uni.example", forms{"İpek@uni.example", "İpek@uni.example", "İpek@uni.example", "uni.example"}},
		"final sigma":                   {"Οδυσσεύς@uni.example", forms{"Οδυσσεύς@uni.example", "οδυσσεύσ@uni.example", "Οδυσσεύς@uni.example", "uni.example"}},
		"Devanagari":                    {"अदा@uni.example", plain("अदा@uni.example")},
		"Arabic digits":                 {"ada١٢@uni.example", plain("ada١٢@uni.example")},
		"canonical kelvin":              {"\u212aelvin@uni.example", forms{"Kelvin@uni.example", "kelvin@uni.example", "Kelvin@uni.example", "uni.example"}},
		"a mark within an atom":         {"x\u0302y@uni.example", plain("x\u0302y@uni.example")},
		"idn":                           {"ada@bücher.example", forms{"ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "bücher.example"}},
		"idn in capitals":               {"ada@BÜCHER.example", forms{"ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "bücher.example"}},
		"idn decomposed":                {"ada@bu\u0308cher.example", forms{"ada@b\u00fccher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "b\u00fccher.example"}},
		"A-label":                       {"ada@xn--bcher-kva.example", forms{"ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "bücher.example"}},
		"A-label in capitals":           {"ada@XN--BCHER-KVA.example", forms{"ada@bücher.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "bücher.example"}},
		"idn top level":                 {"ada@uni.рф", forms{"ada@uni.рф", "ada@uni.xn--p1ai", "ada@uni.xn--p1ai", "uni.рф"}},
		"A-label top level":             {"ada@uni.xn--p1ai", forms{"ada@uni.рф", "ada@uni.xn--p1ai", "ada@uni.xn--p1ai", "uni.рф"}},
		"sharp s in a domain":           {"ada@straße.example", forms{"ada@straße.example", "ada@xn--strae-oqa.example", "ada@xn--strae-oqa.example", "straße.example"}},
		"final sigma in domains":        {"ada@ς.example", forms{"ada@ς.example", "ada@xn--3xa.example", "ada@xn--3xa.example", "ς.example"}},
		"right to left":                 {"ada@דוגמה.example", forms{"ada@דוגמה.example", "ada@xn--6dbbec0c.example", "ada@xn--6dbbec0c.example", "דוגמה.example"}},
		"katakana with its dot":         {"ada@ジェー・ピー.example", forms{"ada@ジェー・ピー.example", "ada@xn--hck7a7e3gec.example", "ada@xn--hck7a7e3gec.example", "ジェー・ピー.example"}},
		"both":                          {"Élodie@BÜCHER.рф", forms{"Élodie@bücher.рф", "élodie@xn--bcher-kva.xn--p1ai", "Élodie@xn--bcher-kva.xn--p1ai", "bücher.рф"}},
		"a label of 90 octets in UTF-8": {"ada@ああああああああああああああああああああああああああああああ.example", forms{"ada@ああああああああああああああああああああああああああああああ.example", "ada@xn--l8jaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", "ada@xn--l8jaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", "ああああああああああああああああああああああああああああああ.example"}},
		"hyphens by characters":         {"ada@ü--x.example", forms{"ada@ü--x.example", "ada@xn----x-goa.example", "ada@xn----x-goa.example", "ü--x.example"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, problem := Parse(test.input)
			if problem != nil {
				t.Fatalf("refused: %v (%s)", problem, problem.Reason)
			}
			got := forms{a.String(), a.Key(), a.Envelope(), a.Domain()}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("forms (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const ada = "ada@uni.example"

	tests := []struct {
		input      string
		reason     Reason
		suggestion string
	}{
		{"", Empty, ""},
		{" \t\r\n\u00a0", Empty, ""},
		{",;, ;", Empty, ""},
		{"<>", Empty, ""},
		{"Ada <>", Empty, ""},
		{strings.Repeat(" ", 1<<20), Empty, ""},

		{strings.Repeat("a", 1<<22), TooLong, ""},
		{strings.Repeat("a@", 1<<20), TooLong, ""},
		{strings.Repeat("é", 600) + "@uni.example", TooLong, ""},
		{strings.Repeat("Ada ", 300) + "<ada@uni.example>", TooLong, ""},
		{octets64 + "@a" + domain189, DomainLabelTooLong, ""},
		{octets64 + "@a." + domain189, TooLong, ""},
		{"a@" + strings.Repeat("a.", 123) + "example", TooLong, ""},
		{"a@" + strings.Repeat("ü.", 40) + "example", TooLong, ""},

		{"ada\x00@uni.example", ControlCharacter, ""},
		{"ada@uni\x7f.example", ControlCharacter, ""},
		{"ada@uni\u0085.example", ControlCharacter, ada},
		{"\u0085ada@uni.example", ControlCharacter, ada},
		{"\vada@uni.example", ControlCharacter, ada},
		{"ada\u009f@uni.example", ControlCharacter, ""},
		{"ada\t@uni.example", ControlCharacter, ada},
		{"ada@uni.\nexample", ControlCharacter, ada},
		{"ada@uni.example\r\nBcc: eve@uni.example", ControlCharacter, ""},
		{"Ada\x00 <ada@uni.example>", ControlCharacter, ada},
		{"\x1b[1mada@uni.example", ControlCharacter, ""},

		{"ａｄａ@uni.example", AmbiguousCharacter, ada},
		{"ada@ｕｎｉ.example", AmbiguousCharacter, ada},
		{"ada＠uni.example", AmbiguousCharacter, ada},
		{"ada@uni．example", AmbiguousCharacter, ada},
		{"ada@uni。example", AmbiguousCharacter, ada},
		{"ada@uni｡example", AmbiguousCharacter, ada},
		{"ada@uni.example，", AmbiguousCharacter, ada},
		{"ada\u200b@uni.example", AmbiguousCharacter, ada},
		{"\ufeffada@uni.example", AmbiguousCharacter, ada},
		{"ada@uni\u00ad.example", AmbiguousCharacter, ada},
		{"ada@\u200duni.example", AmbiguousCharacter, ada},
		{"ada@uni.\u202eexample", AmbiguousCharacter, ada},
		{"\u202aada@uni.example\u202c", AmbiguousCharacter, ada},
		{"ada\u00a0@uni.example", AmbiguousCharacter, ada},
		{"ada\ufe0f@uni.example", AmbiguousCharacter, ada},
		{"ada\u034f@uni.example", AmbiguousCharacter, ada},
		{"ada\u3164@uni.example", AmbiguousCharacter, ada},
		{"ﬁn@uni.example", AmbiguousCharacter, "fin@uni.example"},
		{"ſara@uni.example", AmbiguousCharacter, "sara@uni.example"},
		{"x²@uni.example", AmbiguousCharacter, "x2@uni.example"},
		{"ada@uni…example", AmbiguousCharacter, ada},
		{"ada@STRAẞE.example", AmbiguousCharacter, ""},
		{"ada@x\u0345.example", AmbiguousCharacter, ""},
		{"ada@ᾳ.example", AmbiguousCharacter, ""},
		{"ada@xn--a-ecp.ru", DomainCharacter, ""},
		{"ada@نامه\u200cای.example", AmbiguousCharacter, "ada@نامهای.example"},
		{"ada@xn--mgba3gch31f060k.example", AmbiguousCharacter, ""},
		{"a" + strings.Repeat("\u0301", 40) + "@uni.example", AmbiguousCharacter, ""},

		{"ada", AtSignMissing, ""},
		{"ada.uni.example", AtSignMissing, ""},
		{"Ada <ada.uni.example>", AtSignMissing, ""},
		{"\xff", AtSignMissing, ""},
		{"mailto:", AtSignMissing, ""},

		{"ada@@uni.example", AtSignRepeated, ada},
		{"ada@ @uni.example", AtSignRepeated, ada},
		{"ada@@@uni,example", AtSignRepeated, ada},
		{"ada@lab@uni.example", AtSignRepeated, ""},
		{"ada@uni.example, bob@uni.example", AtSignRepeated, ""},
		{"ada@uni.example;bob@uni.example", AtSignRepeated, ""},
		{"ada@uni.example bob@uni.example", AtSignRepeated, ""},
		{"bob@uni.example, Ada <ada@uni.example>", AtSignRepeated, ""},
		{"<bob@uni.example>, <ada@uni.example>", AtSignRepeated, ""},
		{`"bob" bob@uni.example "x" <ada@uni.example>`, AtSignRepeated, ""},
		{`"a@b"@uni.example`, AtSignRepeated, ""},
		{"@@", AtSignRepeated, ""},

		{"@uni.example", LocalPartEmpty, ""},
		{"@", LocalPartEmpty, ""},
		{"Ada <@uni.example>", LocalPartEmpty, ""},

		{".ada@uni.example", LocalPartDot, ada},
		{"ada.@uni.example", LocalPartDot, ada},
		{"ada..lovelace@uni.example", LocalPartDot, "ada.lovelace@uni.example"},
		{"..ada...b..@uni..example.", LocalPartDot, "ada.b@uni.example"},
		{".@uni.example", LocalPartDot, ""},

		{"ada @uni.example", LocalPartCharacter, ada},
		{"a da@uni.example", LocalPartCharacter, ada},
		{"ada lovelace@uni.example", LocalPartCharacter, ""},
		{"ada . lovelace @ uni . example", LocalPartCharacter, "ada.lovelace@uni.example"},
		{"Ada King Lovelace ada@uni.example", LocalPartCharacter, ada},
		{`"ada"@uni.example`, LocalPartCharacter, ""},
		{`"ada lovelace"@uni.example`, LocalPartCharacter, ""},
		{`"ada@uni.example"`, LocalPartCharacter, ada},
		{"“ada@uni.example”", LocalPartCharacter, ada},
		{"(ada@uni.example)", LocalPartCharacter, ada},
		{"[ada@uni.example]", LocalPartCharacter, ada},
		{"<<ada@uni.example>>", LocalPartCharacter, ada},
		{"<ada@uni.example", LocalPartCharacter, ada},
		{"Ada <ada@uni.example", LocalPartCharacter, ada},
		{"Ada <ada@uni.example> (work)", LocalPartCharacter, ada},
		{"ada(work)@uni.example", LocalPartCharacter, ""},
		{"mailto:ada@uni.example", LocalPartCharacter, ada},
		{"MAILTO:Ada@uni.example", LocalPartCharacter, "Ada@uni.example"},
		{"mailto:ada@uni.example?subject=Hello", LocalPartCharacter, ada},
		{"Ada <mailto:ada@uni.example>", LocalPartCharacter, ada},
		{"http://ada@uni.example/", LocalPartCharacter, ada},
		{"E-Mail: ada@uni.example", LocalPartCharacter, ada},
		{"1:ada@uni.example", LocalPartCharacter, ada},
		{",ada@uni.example", LocalPartCharacter, ada},
		{"ada,lovelace@uni.example", LocalPartCharacter, ""},
		{`ada\@uni.example`, LocalPartCharacter, ""},
		{"o’neil@uni.example", LocalPartCharacter, "o'neil@uni.example"},
		{"☕@uni.example", LocalPartCharacter, ""},
		{"ad\xffa@uni.example", LocalPartCharacter, ""},
		{"ad\ufffda@uni.example", LocalPartCharacter, ""},
		{"\u0301ada@uni.example", LocalPartCharacter, ""},
		{"ada.\u0301b@uni.example", LocalPartCharacter, ""},

		{octets65 + "@uni.example", LocalPartTooLong, ""},
		{strings.Repeat("é", 33) + "@uni.example", LocalPartTooLong, ""},
		{strings.Repeat("Ⱥ", 32) + "@uni.example", LocalPartTooLong, ""},

		{"ada@", DomainEmpty, ""},
		{"ada@ ,", DomainEmpty, ""},

		{"ada@[1.2.3.4]", DomainLiteral, ""},
		{"ada@[IPv6:::1]", DomainLiteral, ""},
		{"ada@[uni.example]", DomainLiteral, ""},

		{"myemail@.uni.edu.com", DomainLabelEmpty, "myemail@uni.edu.com"},
		{"ada@uni.example.", DomainLabelEmpty, ada},
		{"ada@uni..example", DomainLabelEmpty, ada},
		{"ada@gmail.", DomainLabelEmpty, "ada@gmail.com"},
		{"ada@.", DomainLabelEmpty, ""},
		{"ada@..", DomainLabelEmpty, ""},

		{"ada@uni,example", DomainCharacter, ada},
		{"ada@cs,uni,example", DomainCharacter, "ada@cs.uni.example"},
		{"ada@gmail,com", DomainCharacter, "ada@gmail.com"},
		{"ada@ uni.example", DomainCharacter, ada},
		{"ada@uni .example", DomainCharacter, ada},
		{"ada@un i.example", DomainCharacter, ada},
		{"ada@uni.example Ada", DomainCharacter, ada},
		{"ada@uni.example, Ada", DomainCharacter, ada},
		{"ada@uni.example <Ada>", DomainCharacter, ada},
		{"ada@uni_lab.example", DomainCharacter, ""},
		{"ada@uni.example>", DomainCharacter, ada},
		{"'ada@uni.example'", DomainCharacter, ada},
		{"ada@uni.example:", DomainCharacter, ada},
		{"ada@uni.example/", DomainCharacter, ada},
		{"ada@http://uni.example/ada", DomainCharacter, ada},
		{"ada@uni.example:25", DomainCharacter, ada},
		{"ada@uni–lab.example", DomainCharacter, "ada@uni-lab.example"},
		{"ada@☕.example", DomainCharacter, ""},
		{"ada@xn--53h.example", DomainCharacter, ""},
		{"ada@uni\xff.example", DomainCharacter, ""},
		{"ada@uni\ufffd.example", DomainCharacter, ""},
		{"ada@\u0378.example", DomainCharacter, ""},
		{"ada@\u0301uni.example", DomainCharacter, ""},
		{"ada@xn--.example", DomainCharacter, ""},
		{"ada@xn--a.example", DomainCharacter, ""},
		{"ada@xn--uni-.example", DomainCharacter, ""},
		{"ada@xn--99999999.example", DomainCharacter, ""},
		{"ada@uni.xn--zzzzzz", DomainCharacter, ""},
		{"ada@XN--BCHER-KVAÜ.example", DomainCharacter, ""},
		{"ada@xn--BCHER-KVA\u200b.example", AmbiguousCharacter, "ada@bücher.example"},
		{"ada@xn--strasse-.example", DomainCharacter, ""},
		{"ada@אa.example", DomainCharacter, ""},
		{"ada@gmail.c_m", DomainCharacter, "ada@gmail.com"},

		{"ada@-uni.example", DomainHyphen, ""},
		{"ada@uni-.example", DomainHyphen, ""},
		{"ada@ab--cd.example", DomainHyphen, ""},
		{"ada@-.example", DomainHyphen, ""},
		{"ada@üb--cd.example", DomainHyphen, ""},
		{"ada@-gmail.com", DomainHyphen, "ada@gmail.com"},

		{"ada@" + octets64 + ".example", DomainLabelTooLong, ""},
		{"ada@" + strings.Repeat("ü", 60) + ".example", DomainLabelTooLong, ""},
		{"ada@xn--" + octets64 + ".example", DomainLabelTooLong, ""},

		{"ada@uni", DomainTopLevel, ""},
		{"ada@localhost", DomainTopLevel, ""},
		{"ada@bücher", DomainTopLevel, ""},
		{"ada@1.2.3.4", DomainTopLevel, ""},
		{"ada@uni.123", DomainTopLevel, ""},
		{"ada@uni.e", DomainTopLevel, ""},
		{"ada@uni.1e", DomainTopLevel, ""},
		{"ada@gmail", DomainTopLevel, "ada@gmail.com"},
		{"Ada@GMAIL", DomainTopLevel, "Ada@gmail.com"},
		{"ada@web", DomainTopLevel, "ada@web.de"},
		{"ada@gmailcom", DomainTopLevel, "ada@gmail.com"},
		{"ada@outlook,c", DomainCharacter, ""},
		{"ada@1.1", DomainTopLevel, ""},
	}
	for _, test := range tests {
		t.Run(abridged(test.input), func(t *testing.T) {
			a, problem := Parse(test.input)
			if problem == nil {
				t.Fatalf("accepted as %q", a)
			}
			if a != (Address{}) {
				t.Errorf("a refused address is %q", a)
			}
			if problem.Reason != test.reason {
				t.Errorf("reason %s, want %s", problem.Reason, test.reason)
			}
			if problem.Suggestion != test.suggestion {
				t.Errorf("suggestion %q, want %q", problem.Suggestion, test.suggestion)
			}
		})
	}
}

// abridged returns a short name for a test.
func abridged(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func TestDetailIsAClause(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"myemail@.uni.edu.com": "a domain cannot begin with a dot",
		"ada@uni.example.":     "a domain cannot end with a dot",
		"ada@uni..example":     "a domain cannot contain two dots in a row",
		"ada@uni,example":      "a domain cannot contain a comma",
		"ada@uni_lab.example":  "a domain cannot contain an underscore",
		"ada@uni lab.example":  "a domain cannot contain spaces",
		"ada lab@uni.example":  "the part before the at sign cannot contain spaces",
		"ada@1.2.3.4":          "a domain cannot end in a number",
		"ada@uni":              "a domain needs an ending such as .com or .org",
		"ada@uni.e":            "the ending of a domain has at least two letters",
	}
	for input, want := range tests {
		_, problem := Parse(input)
		if problem == nil {
			t.Errorf("%q is accepted", input)
			continue
		}
		if problem.Detail != want {
			t.Errorf("%q: %q, want %q", input, problem.Detail, want)
		}
		if want := "invalid e-mail address: " + want; problem.Error() != want {
			t.Errorf("%q: error %q, want %q", input, problem.Error(), want)
		}
	}
}

func TestReasonsAreListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, reason := range Reasons {
		if seen[reason] {
			t.Errorf("%s is listed twice", reason)
		}
		seen[reason] = true
	}
	want := strings.Fields(`EMPTY TOO_LONG AT_SIGN_MISSING AT_SIGN_REPEATED
		LOCAL_PART_EMPTY LOCAL_PART_TOO_LONG LOCAL_PART_DOT LOCAL_PART_CHARACTER
		DOMAIN_EMPTY DOMAIN_LABEL_EMPTY DOMAIN_LABEL_TOO_LONG DOMAIN_CHARACTER DOMAIN_HYPHEN DOMAIN_TOP_LEVEL DOMAIN_LITERAL
		CONTROL_CHARACTER AMBIGUOUS_CHARACTER`)
	for _, reason := range want {
		if !seen[Reason(reason)] {
			t.Errorf("%s is missing", reason)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d reasons, want %d", len(seen), len(want))
	}
}

func TestKeysOfTwoAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		same bool
	}{
		{"Ada@Uni.Example", "ada@uni.example", true},
		{"ÉLODIE@uni.example", "e\u0301lodie@uni.example", true},
		{"STRASSE@uni.example", "straße@uni.example", false},
		{"STRAẞE@uni.example", "straße@uni.example", true},
		{"ΟΔΥΣΣΕΎΣ@uni.example", "οδυσσεύς@uni.example", true},
		{"ada@BÜCHER.example", "ada@xn--bcher-kva.example", true},
		{"ꭰꮃꭹ@uni.example", "ᎠᎳᎩ@uni.example", true},
		{"ada@ꭰꮃꭹ.example", "ada@ᎠᎳᎩ.example", true},
		{"INCI@uni.example", "inci@uni.example", true},
		{"ınci@uni.example", "inci@uni.example", false},
		{"İnci@uni.example", "inci@uni.example", false},
		{"İnci@uni.example", "i\u0307nci@uni.example", false},
		{"ᾼδης@uni.example", "ᾳδης@uni.example", true},
		{"ᾳδης@uni.example", "αιδης@uni.example", false},
		{"ΰ@uni.example", "Ϋ\u0301@uni.example", true}, // one character in lower case alone
		{"ẖ@uni.example", "H\u0331@uni.example", true},
		{"ada@straße.example", "ada@strasse.example", false},
		{"ada@ς.example", "ada@σ.example", false},
		{"ada.b@uni.example", "adab@uni.example", false},
		{"ada+b@uni.example", "ada@uni.example", false},
		{"élodie@uni.example", "elodie@uni.example", false},
	}
	for _, test := range tests {
		if a, b := mustParse(t, test.a), mustParse(t, test.b); (a.Key() == b.Key()) != test.same {
			t.Errorf("%q has key %q, %q has %q; the same: want %t", test.a, a.Key(), test.b, b.Key(), test.same)
		}
	}
}

func TestZeroAddress(t *testing.T) {
	t.Parallel()
	var a Address
	if a.String()+a.Key()+a.Envelope()+a.Domain() != "" {
		t.Errorf("the zero address has forms: %q %q %q %q", a, a.Key(), a.Envelope(), a.Domain())
	}
}

func mustParse(t testing.TB, input string) Address {
	t.Helper()
	a, problem := Parse(input)
	if problem != nil {
		t.Fatalf("%q is refused: %v", input, problem)
	}
	return a
}
