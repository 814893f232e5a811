package migrations

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// Every letter that changes the key of an address is read by the migration.
func TestSeveralLettersAreThoseThatFullFoldingReplaces(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		a, problem := address.ParseExact("a" + string(r) + "@uni.example")
		if problem != nil || r < utf8.RuneSelf || unicode.Is(unicode.Cherokee, r) {
			continue
		}
		full := norm.NFC.String(cases.Fold().String("a" + string(r)))
		if got, want := strings.ContainsRune(severalLetters, r), a.Key() != full+"@uni.example"; got != want {
			t.Errorf("%c %U: among severalLetters %t, want %t", r, r, got, want)
		}
	}
}
