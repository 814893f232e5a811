package address

import "testing"

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "ada@uni.example", "Ada <ada@uni.example>,", `"Lovelace, \"Ada\"" <ada@uni.example>`,
		"mailto:ada@uni.example?subject=x", "ada@@uni..example", "ada @ uni , example", "ada@gmail", "ada@[1.2.3.4]",
		"Élodie@bücher.рф", "ada@XN--BCHER-KVA.example", "ada@xn--a-ecp.ru", "İſßς\u0345@ᾳẞ.example",
		"ａｄａ＠uni。example", "a\u200bda@uni.ex\u00adample", "\x00\x7f\u0085\xff\ufffd@x", "ada@דוגמה.example",
	} {
		f.Add(seed, "uni.example")
	}
	f.Fuzz(func(t *testing.T, input, domain string) {
		checkPromises(t, input)
		a, problem := Parse(input)
		if problem != nil {
			return
		}
		if meant := SuggestDomain(a, byRank([]string{domain})); meant != "" {
			if b := mustParse(t, meant); b == a || b.String() != meant {
				t.Errorf("%q: suggestion %q", a, meant)
			}
		}
	})
}
