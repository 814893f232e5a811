package address

import "testing"

func TestDoubts(t *testing.T) {
	t.Parallel()
	const ada = "ada@uni.example"
	for _, test := range []struct{ input, suggestion string }{
		// Marks at the ends of the local part.
		{"'ada@uni.example", ada},
		{"''ada@uni.example", ada},
		{"ada'@uni.example", ada},
		{"'ada'@uni.example", ada},
		{"`ada@uni.example", ada},
		{"|ada@uni.example", ada},
		{"ada|@uni.example", ada},
		{"||ada@uni.example", ada},
		{"Ada|ada@uni.example", ada},
		{"*ada@uni.example", ada},
		{"**ada**@uni.example", ada},
		{"*_ada_*@uni.example", ada},
		{"=ada@uni.example", ada},
		{"+ada@uni.example", ada},
		{"-ada@uni.example", ada},
		{"--ada@uni.example", ada},
		{"/ada@uni.example", ada},
		{"//ada@uni.example", ada},
		{"#ada@uni.example", ada},
		{"?ada@uni.example", ada},
		{"ada?@uni.example", ada},
		{"!ada@uni.example", ada},
		{"&ada@uni.example", ada},
		{"$ada@uni.example", ada},
		{"~ada@uni.example", ada},
		{"^ada@uni.example", ada},
		{"{ada}@uni.example", ada},
		{"ada+@uni.example", ada},
		{"'o'brien@uni.example", "o'brien@uni.example"},
		{"Ada <'ada@uni.example>", ada},
		{"'@uni.example", ""},
		// Percent-encoding of links.
		{"%20ada@uni.example", ada},
		{"%20%20ada@uni.example", ada},
		{"ada%20@uni.example", ada},
		{"%3Cada@uni.example", ada},
		{"%27ada@uni.example", ada},
		{"%C2%A0ada@uni.example", ada},
		{"ada%2Blab@uni.example", "ada+lab@uni.example"},
		// Letters of several scripts in one word.
		{"\u0430da@uni.example", ada},
		{"ad\u0430@uni.example", ada},
		{"ad\u03b1@uni.example", ada},
		{"ada@\u0443ni.example", "ada@yni.example"},
		{"\u043f\u0440\u0438\u0432a@uni.example", "\u043f\u0440\u0438\u0432\u0430@uni.example"},
		{"adж@uni.example", ""},
		{"ωж@uni.example", ""},
		// One slip from a known domain.
		{"ada@gmial.com", "ada@gmail.com"},
	} {
		doubt := Doubts(mustParse(t, test.input), nil)
		if doubt == nil {
			t.Errorf("%q is not doubted", test.input)
			continue
		}
		if doubt.Detail == "" || doubt.Suggestion != test.suggestion {
			t.Errorf("%q: suggestion %q (%s), want %q", test.input, doubt.Suggestion, doubt.Detail, test.suggestion)
		}
	}
}

func TestLikelyAddressesAreNotDoubted(t *testing.T) {
	t.Parallel()
	for _, input := range []string{
		"ada@uni.example", "o'brien@uni.example", "d'arcy.o'neil@uni.example", "ada+lab@uni.example", "a.d.a@gmail.com", "ada-b@x.org",
		"_ada@uni.example", "ada_@uni.example", "_ada_@uni.example", "ada-@uni.example", "ada__b@uni.example", "1.ada@uni.example", "12345@uni.example",
		"ada=uni.example@lists.example", "prvs=abc=ada@uni.example", "ada/lab@uni.example", "50%off@uni.example", "ada&bob@uni.example",
		"ada@uni.travelersinsurance", "ada@a.b.c.d.uni.example", "jürgen@uni.example", "عادل@مثال.السعودية", "用户@例子.公司", "ada@bücher.example",
		"田中たろう@uni.example", "カタカナ漢字ひらがな@uni.example", "김철수@uni.example", "nttドコモ@uni.example", "अदा@uni.example", "ada١٢@uni.example",
		"мария@пример.рф", "ада.lovelace@uni.example", "мария-ada@uni.example", "ada@пример.com", "Ωμέγα@uni.example", "ଆଦା@uni.example", "x\u0302y@uni.example", "ジェー@uni.example",
	} {
		if doubt := Doubts(mustParse(t, input), nil); doubt != nil {
			t.Errorf("%q is doubted: %s", input, doubt.Detail)
		}
	}
}

func TestDoubtsOfTheZeroAddress(t *testing.T) {
	t.Parallel()
	if doubt := Doubts(Address{}, nil); doubt != nil {
		t.Error(doubt.Detail)
	}
}

// The addresses are pasted as people do it, and refused. The only address within is
// suggested, and none if that is not evident.
func TestPastedTextSuggestsTheAddressWithin(t *testing.T) {
	t.Parallel()
	const ada = "ada@uni.example"
	for _, test := range []struct{ input, suggestion string }{
		// Numbers and bullets.
		{"1. ada@uni.example", ada},
		{"12. ada@uni.example", ada},
		{"1) ada@uni.example", ada},
		{"1)ada@uni.example", ada},
		{"(1) ada@uni.example", ada},
		{"[1] ada@uni.example", ada},
		{"#1 ada@uni.example", ada},
		{"1 ada@uni.example", ada},
		{"a) ada@uni.example", ada},
		{"a. ada@uni.example", ada},
		{"1.\tada@uni.example", ada},
		{"• ada@uni.example", ada},
		{"•ada@uni.example", ada},
		{"· ada@uni.example", ada},
		{"- ada@uni.example", ada},
		{"– ada@uni.example", ada},
		{"–ada@uni.example", ada},
		{"* ada@uni.example", ada},
		{"→ ada@uni.example", ada},
		{"✓ ada@uni.example", ada},
		{"☐ ada@uni.example", ada},
		{"> ada@uni.example", ada},
		{"- [ ] ada@uni.example", ada},
		// Names and other words.
		{"Ada (ada@uni.example)", ada},
		{"Ada Lovelace (ada@uni.example)", ada},
		{"Ada [ada@uni.example]", ada},
		{"Ada: ada@uni.example", ada},
		{"Ada, ada@uni.example", ada},
		{"Lovelace,Ada,ada@uni.example", ada},
		{"Lovelace;Ada;ada@uni.example;student", ada},
		{"Ada Lovelace ada@uni.example", ada},
		{"Ada ada@uni.example", ada},
		{"ada ada@uni.example", ada},
		{"Dr. ada@uni.example", ada},
		{"ada@uni.example (Ada)", ada},
		{"ada@uni.example - Ada Lovelace", ada},
		{"ada@uni.example,Ada,Lovelace", ada},
		{"ada@uni.example\tstudent", ada},
		{"Ada | ada@uni.example | student", ada},
		{"| ada@uni.example |", ada},
		{"email ada@uni.example", ada},
		{"E-Mail: ada@uni.example.", ada},
		{"Please write to ada@uni.example.", ada},
		{"ada@uni.example <ada@uni.example> (Ada)", ada},
		{"1. Ada <ada@uni.example> (work)", ada},
		// Links.
		{"<mailto:ada@uni.example>", ada},
		{"[ada@uni.example](mailto:ada@uni.example)", ada},
		{`<a href="mailto:ada@uni.example">ada@uni.example</a>`, ada},
		{`<a href="mailto:ada@uni.example">Ada</a>`, ada},
		{"mailto:%20ada@uni.example", ada},
		{"mailto:ada%40uni.example", ada},
		{"ada%40uni.example", ada},
		{"&lt;ada@uni.example&gt;", ada},
		{"ada&#64;uni.example", ada},
		{"&nbsp;ada@uni.example", ada},
		// Marks at both ends.
		{"'ada@uni.example'", ada},
		{"*ada@uni.example*", ada},
		{"**ada@uni.example**", ada},
		{"_ada@uni.example_", "_ada@uni.example"},
		{"`ada@uni.example`", ada},
		{"|ada@uni.example|", ada},
		{"=\"ada@uni.example\"", ada},
		{"%20ada@uni.example%20", ada},
		{"'ada@uni.example", ""},
		// At signs and dots in words.
		{"ada[at]uni.example", ada},
		{"ada(at)uni.example", ada},
		{"ada {at} uni.example", ada},
		{"ada <at> uni.example", ada},
		{"ada [AT] uni [DOT] example", ada},
		{"ada(at)uni(dot)example", ada},
		{"ada [dot] b [at] uni [dot] example", "ada.b@uni.example"},
		{"ada[@]uni.example", ada},
		{"Ada: ada[at]uni.example", ada},
		{"ada at uni dot example", ada},
		{"ada AT uni.example", ada},
		{"ada at uni.example", ada},
		{"meet me at uni.example", ""},
		{"ada is at work", ""},
		// Where the address begins or ends is not evident.
		{"ada lovelace@uni.example", ""},
		{"ada,lovelace@uni.example", ""},
		{"ada@cs.uni,example", "ada@cs.uni.example"},
		{"ada@bbc.co,uk", "ada@bbc.co.uk"},
		{"ada@uni.example bob@uni.example", ""},
		{"Ada (ada@uni.example), Bob (bob@uni.example)", ""},
		{"ad☕a@uni.example", ""},
		{"https://hub.example/?to=ada@uni.example", ""},
	} {
		a, problem := Parse(test.input)
		if problem == nil {
			if test.suggestion != "" {
				t.Errorf("%q is accepted as %q", test.input, a)
			}
			continue
		}
		if problem.Suggestion != test.suggestion {
			t.Errorf("%q: suggestion %q, want %q", test.input, problem.Suggestion, test.suggestion)
		}
	}
}

func TestRealDomainsAreNotCorrected(t *testing.T) {
	t.Parallel()
	people := []*Domains{NewDomains(map[string]int{"outlook.it": 9, "live.de": 9, "mail.ru": 9})}
	for _, domain := range []string{
		"outlook.at", "outlook.be", "outlook.dk", "outlook.ie", "outlook.pt", "outlook.in", "outlook.com.br",
		"hotmail.at", "hotmail.no", "hotmail.dk", "hotmail.fi", "hotmail.ca", "hotmail.gr", "hotmail.com.tr",
		"live.se", "live.dk", "live.no", "live.at", "live.ie", "live.ca", "live.jp",
		"yahoo.ie", "yahoo.in", "yahoo.gr", "yahoo.se", "yahoo.dk", "yahoo.at", "yahoo.no", "yahoo.com.ar", "yahoo.com.tr", "yahoo.com.mx", "yahoo.co.id", "yahoo.co.nz", "yahoo.co.kr", "yahoo.com.tw",
		"gmx.li", "gmx.us", "gmx.fr", "gmx.es", "gmx.eu", "mai.ru", "mail.bg", "mail.ee", "mail.de", "email.de", "email.cz", "love.com", "aon.com", "cloud.com", "e-mail.com", "web.com", "max.com", "five.com",
		"orange.es", "orange.be", "free.fi", "main.ru", "mall.com", "line.com", "proton.ch", "pm.me", "me.com", "tuta.com", "ya.ru", "yandex.com", "qq.com", "uni.example",
	} {
		if got := SuggestDomain(mustParse(t, "ada@"+domain), people); got != "" {
			t.Errorf("%s: %q is suggested", domain, got)
		}
	}
}

func TestMistypedProvidersAreCorrected(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"gmial.com": "gmail.com", "gamil.com": "gmail.com", "gmai.com": "gmail.com", "gnail.com": "gmail.com", "gmail.co": "gmail.com", "gmail.cm": "gmail.com", "gmail.om": "gmail.com", "gmail.vom": "gmail.com",
		"hotmial.com": "hotmail.com", "hotmal.com": "hotmail.com", "hotmail.co": "hotmail.com", "hotmail.con": "hotmail.com", "yaho.com": "yahoo.com", "yahooo.com": "yahoo.com", "yahoo.cm": "yahoo.com",
		"outlok.com": "outlook.com", "outloook.com": "outlook.com", "outlook.co": "outlook.com", "iclod.com": "icloud.com", "protonmial.com": "protonmail.com",
		"gmx.nt": "gmx.net", "gmx.dee": "gmx.de", "gxm.de": "gmx.de", "gmxx.de": "gmx.de", "wbe.de": "web.de", "web.d-e": "web.de", "bluewni.ch": "bluewin.ch", "liive.com": "live.com",
	} {
		a, problem := Parse("ada@" + domain)
		if problem != nil {
			t.Errorf("%s: %v", domain, problem)
			continue
		}
		if got := SuggestDomain(a, nil); got != "ada@"+want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}

func TestRealDomainsAreListedAsTheyAreCompared(t *testing.T) {
	t.Parallel()
	for domain := range realDomains {
		if a := mustParse(t, "ada@"+domain); a.Key() != "ada@"+domain {
			t.Errorf("%q is not written as it is compared", domain)
		}
	}
}
