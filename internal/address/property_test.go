package address

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// registrable is the strictest profile: it maps nothing, and checks the lengths that
// the DNS permits.
var registrable = idna.New(idna.ValidateForRegistration(), idna.CheckHyphens(false))

// checkValid checks what the package promises about a valid address.
func checkValid(t rapid.TB, a Address) {
	t.Helper()
	for form, text := range map[string]string{"text": a.String(), "key": a.Key(), "envelope": a.Envelope()} {
		local, domain, _ := strings.Cut(text, "@")
		switch {
		case !utf8.ValidString(text) || !norm.NFC.IsNormalString(text):
			t.Errorf("%s %q is not in normalization form C", form, text)
		case len(text) > 254 || len(local) > 64 || len(local) == 0:
			t.Errorf("%s %q is %d octets long, %d before the at sign", form, text, len(text), len(local))
		case strings.Count(text, "@") != 1:
			t.Errorf("%s %q has not one at sign", form, text)
		case strings.ContainsFunc(text, forbidden):
			t.Errorf("%s %q has a forbidden character", form, text)
		case !strings.Contains(domain, "."):
			t.Errorf("%s %q has no top level", form, text)
		}
		again, problem := Parse(text)
		if problem != nil {
			t.Errorf("%s %q is refused: %v", form, text, problem)
		}
		if again.Key() != a.Key() {
			t.Errorf("%s %q has key %q, want %q", form, text, again.Key(), a.Key())
		}
		if form != "key" && again != a {
			t.Errorf("%s %q is read as another address than %q", form, text, a)
		}
	}
	checkDNS(t, a)
}

// checkDNS checks the domain by the rules and lengths of x/net/idna.
func checkDNS(t rapid.TB, a Address) {
	t.Helper()
	_, ascii, _ := strings.Cut(a.Envelope(), "@")
	if a.Domain() == "" || !strings.HasSuffix(a.String(), "@"+a.Domain()) {
		t.Errorf("%q has domain %q", a, a.Domain())
	}
	if got, err := registrable.ToASCII(a.Domain()); err != nil || got != ascii {
		t.Errorf("domain %q is %q to the library (%v), %q here", a.Domain(), got, err, ascii)
	}
}

func forbidden(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError ||
		strings.ContainsRune(`"(),:;<>[\]`, r)
}

// checkRefused checks what the package promises about a problem.
func checkRefused(t rapid.TB, input string, problem *Problem) {
	t.Helper()
	if !isReason(problem.Reason) {
		t.Errorf("%q is refused for the unknown reason %q", input, problem.Reason)
	}
	if problem.Detail == "" || strings.HasSuffix(problem.Detail, ".") {
		t.Errorf("%q is refused with the detail %q, which is no clause", input, problem.Detail)
	}
	if problem.Suggestion == "" {
		return
	}
	if problem.Suggestion == input {
		t.Errorf("%q is refused and suggested", input)
	}
	a, again := Parse(problem.Suggestion)
	if again != nil {
		t.Fatalf("%q suggests %q, which is refused: %v", input, problem.Suggestion, again)
	}
	if a.String() != problem.Suggestion {
		t.Errorf("%q suggests %q, which reads %q", input, problem.Suggestion, a)
	}
}

func isReason(reason Reason) bool {
	for _, known := range Reasons {
		if reason == known {
			return true
		}
	}
	return false
}

// checkPromises checks what Parse returns for an input.
func checkPromises(t rapid.TB, input string) {
	t.Helper()
	if a, problem := Parse(input); problem == nil {
		checkValid(t, a)
	} else {
		checkRefused(t, input, problem)
	}
}

// The alphabets are small, so that the inputs often come close to a rule.
var (
	atoms  = rapid.StringMatching(`[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]{1,12}`)
	words  = rapid.StringOfN(rapid.SampledFrom([]rune("aZ9éÉüÜßıİσςΣאбБ中ー\u0301\u0308\u0323")), 1, 8, -1)
	labels = rapid.StringMatching(`[a-zA-Z0-9]([a-zA-Z0-9]{0,8}[a-zA-Z0-9])?`)
	tops   = rapid.SampledFrom([]string{"example", "ch", "COM", "xn--p1ai", "рф"})
	edges  = rapid.StringOfN(rapid.SampledFrom([]rune(" \t\r\n\u00a0\u2003\u3000")), 0, 4, -1)
	noise  = rapid.StringOfN(rapid.SampledFrom([]rune("aA1é.@@ ,;<>\"'()[]:/-_xn\t\x00\u0085\u00a0\u00ad\u0301\u0345\u034f\u200b\u200dßẞİſᾳ。．ａ＠☕\U000e0100\ufeff\ufffd")), 0, 40, -1)
)

// plainAddresses are valid and ASCII.
var plainAddresses = rapid.Custom(func(t *rapid.T) string {
	local := strings.Join(rapid.SliceOfN(atoms, 1, 3).Draw(t, "local"), ".")
	domain := strings.Join(rapid.SliceOfN(labels, 1, 3).Draw(t, "domain"), ".")
	return local + "@" + domain + "." + rapid.SampledFrom([]string{"example", "ch", "COM"}).Draw(t, "top")
})

// internationalAddresses are valid more often than not.
var internationalAddresses = rapid.Custom(func(t *rapid.T) string {
	local := strings.Join(rapid.SliceOfN(rapid.OneOf(atoms, words), 1, 3).Draw(t, "local"), ".")
	domain := strings.Join(rapid.SliceOfN(rapid.OneOf(labels, words), 1, 2).Draw(t, "domain"), ".")
	return local + "@" + domain + "." + tops.Draw(t, "top")
})

func TestParseKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkPromises(t, rapid.OneOf(plainAddresses, internationalAddresses, noise, rapid.String()).Draw(t, "input"))
	})
}

func TestPlainAddressesAreAccepted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		input := plainAddresses.Draw(t, "input")
		a, problem := Parse(input)
		if problem != nil {
			t.Fatalf("%q is refused: %v", input, problem)
		}
		if a.Key() != strings.ToLower(input) || a.Envelope() != a.String() {
			t.Fatalf("%q has key %q and envelope %q", input, a.Key(), a.Envelope())
		}
	})
}

func TestNamesBracketsAndSeparatorsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		input := rapid.OneOf(plainAddresses, internationalAddresses).Draw(t, "input")
		bare, problem := Parse(input)
		if problem != nil {
			t.Skip("not valid")
		}
		wrapped := rapid.SampledFrom([]string{"%", "%,", "%;", "% , ;", "<%>", "Ada <%>", `"Ada, B" <%>`, "< % > ;", "% <%>"}).Draw(t, "wrapping")
		wrapped = edges.Draw(t, "left") + strings.ReplaceAll(wrapped, "%", input) + edges.Draw(t, "right")
		if a, problem := Parse(wrapped); problem != nil || a != bare {
			t.Fatalf("%q is %q (%v), bare %q", wrapped, a, problem, bare)
		}
	})
}

func TestSurroundingSpaceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		input := noise.Draw(t, "input")
		a, problem := Parse(input)
		b, again := Parse(edges.Draw(t, "left") + input + edges.Draw(t, "right"))
		if a != b || (problem == nil) != (again == nil) {
			t.Fatalf("%q is %q (%v), padded %q (%v)", input, a, problem, b, again)
		}
		if problem != nil && *problem != *again {
			t.Fatalf("%q: %+v, padded %+v", input, problem, again)
		}
	})
}

func TestKeyIsTheSameForEveryCase(t *testing.T) {
	t.Parallel()
	letters := rapid.StringOfN(rapid.SampledFrom([]rune("abzABZ059éÉàÀñÑüÜöÖбБжЖωΩ")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		input := letters.Draw(t, "local") + "@" + letters.Draw(t, "domain") + ".example"
		a, problem := Parse(input)
		if problem != nil {
			t.Fatalf("%q is refused: %v", input, problem)
		}
		for _, variant := range []string{strings.ToUpper(input), strings.ToLower(input), norm.NFD.String(input)} {
			if b, problem := Parse(variant); problem != nil || b.Key() != a.Key() {
				t.Fatalf("%q has key %q, its variant %q has %q (%v)", input, a.Key(), variant, b.Key(), problem)
			}
		}
	})
}

// Two local parts have one key exactly where they have the same letters in other cases,
// one for one.
func TestKeysFoldLetterByLetter(t *testing.T) {
	t.Parallel()
	letters := rapid.StringOfN(rapid.SampledFrom([]rune("sSßẞiIıİkKσςΣéÉᾳᾼαΑꭰᎠ\u0301")), 1, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, problem := Parse(letters.Draw(t, "a") + "@uni.example")
		b, again := Parse(letters.Draw(t, "b") + "@uni.example")
		if problem != nil || again != nil {
			t.Skip("not valid")
		}
		if got, want := a.Key() == b.Key(), strings.EqualFold(a.String(), b.String()); got != want {
			t.Fatalf("%q has key %q, %q has %q; the same: want %t", a, a.Key(), b, b.Key(), want)
		}
	})
}

// The characters that strings.EqualFold takes for the same fold to one of them, which is
// the one of CaseFolding.txt. x/text has its full folding: one character there is the
// simple folding, too.
func TestEveryCharacterFoldsToOne(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		folded := foldRune(r)
		if next := foldRune(unicode.SimpleFold(r)); next != folded || foldRune(folded) != folded || !strings.EqualFold(string(r), string(folded)) {
			t.Errorf("%U folds to %U, %U to %U, and that to %U", r, folded, unicode.SimpleFold(r), next, foldRune(folded))
		}
		// x/text swaps the case of Cherokee letters (golang.org/issue/46101).
		if full := []rune(cases.Fold().String(string(r))); len(full) == 1 && full[0] != folded && !unicode.Is(unicode.Cherokee, r) && utf8.ValidRune(r) {
			t.Errorf("%U folds to %U, in x/text to %U", r, folded, full[0])
		}
	}
}

// Plain ASCII does not go through x/net/idna, which would return the same.
func TestShortcutForASCIIDomainsAgreesWithTheConversion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		domain := rapid.StringMatching(`[a-zA-Z0-9.-]{1,20}`).Draw(t, "domain")
		if checkDomainDots(domain) != nil || checkLabels(domain) != nil || strings.Contains(domain, "--") {
			t.Skip("refused before it is translated")
		}
		short, problem := convert(domain)
		long, again := convertIDN(domain)
		if problem != nil || again != nil || short != long {
			t.Fatalf("%q is %v (%v) by the shortcut and %v (%v) without", domain, short, problem, long, again)
		}
	})
}

func TestASCIIDomainsAreRefusedAsByTheLibrary(t *testing.T) {
	t.Parallel()
	strict := idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.BidiRule())
	rapid.Check(t, func(t *rapid.T) {
		domain := rapid.StringMatching(`[a-zA-Z_ ,.-]{1,20}(\.[a-z-]{62,65})?\.(ch|example)`).Draw(t, "domain")
		_, problem := parseDomain(domain)
		_, err := strict.ToASCII(domain)
		if (problem == nil) != (err == nil) {
			t.Fatalf("%q: %v here, %v in the library", domain, problem, err)
		}
	})
}

// The search by hashes finds the same as a comparison with every domain.
func TestSuggestDomainFindsTheMostFrequentNeighbor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frequencies := map[string]int{}
		for _, address := range rapid.SliceOfN(rapid.OneOf(closeAddresses, internationalAddresses), 0, 20).Draw(t, "known") {
			if b, problem := Parse(address); problem == nil {
				frequencies[b.Domain()] = rapid.IntRange(1, 3).Draw(t, "frequency")
			}
		}
		input := rapid.OneOf(closeAddresses, internationalAddresses, rapid.Custom(func(t *rapid.T) string {
			known := rapid.SampledFrom(append(slices.Sorted(maps.Keys(frequencies)), providers...)).Draw(t, "known")
			return "ada@" + edited(t, known)
		})).Draw(t, "input")
		a, problem := Parse(input)
		if problem != nil {
			t.Skip("not valid")
		}

		want, best := "", 0
		for _, domain := range append(slices.Sorted(maps.Keys(frequencies)), providers...) {
			if domain == a.Domain() {
				want = ""
				break
			}
			local, _ := split(a.String())
			if isReal(a.Domain()) || slices.Contains(providers, domain) && !isSlip(a.Domain(), domain) {
				continue
			}
			if edits(a.Domain(), domain) == 1 && (want == "" || frequencies[domain] > best) {
				want, best = "", frequencies[domain]
				if meant, problem := check(local + "@" + domain); problem == nil {
					want = meant.String()
				}
			}
		}
		if got := SuggestDomain(a, []*Domains{NewDomains(frequencies)}); got != want {
			t.Fatalf("%q: suggestion %q, want %q", a, got, want)
		}
	})
}

// closeAddresses have domains that are few edits apart.
var closeAddresses = rapid.StringMatching(`ada@[ab]{1,4}(\.[ab])?\.ch`)

// edits returns the optimal string alignment distance of two texts: the number of
// edits between them, if no character is edited twice.
func edits(from, to string) int {
	a, b := []rune(from), []rune(to)
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			default:
				d[i][j] = 1 + min(d[i-1][j], d[i][j-1], d[i-1][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(a)][len(b)]
}

// edited returns a text with one character changed, or swapped with the next one.
func edited(t *rapid.T, s string) string {
	runes := []rune(s)
	at := rapid.IntRange(0, len(runes)-1).Draw(t, "at")
	if at > 0 && rapid.Bool().Draw(t, "swapped") {
		runes[at-1], runes[at] = runes[at], runes[at-1]
		return string(runes)
	}
	replacement := rapid.SampledFrom([]string{"", "x", "é", string(runes[at]) + "x"}).Draw(t, "replacement")
	return string(runes[:at]) + replacement + string(runes[at+1:])
}

// Every character is tried first in each part, and within it.
func TestEveryCharacterKeepsThePromises(t *testing.T) {
	t.Parallel()
	const planeSize = 1 << 16
	for first := rune(0); first <= unicode.MaxRune; first += planeSize {
		t.Run(fmt.Sprintf("%U", first), func(t *testing.T) {
			t.Parallel()
			for r := first; r < first+planeSize && !t.Failed(); r++ {
				c := string(r)
				for _, input := range []string{c + "@uni.example", "a" + c + "b@uni.example", "ada@" + c + ".example", "ada@a" + c + "b.example"} {
					if a, problem := check(input); problem == nil {
						checkValid(t, a)
					}
				}
			}
		})
	}
}
