package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const ambiguous = "an address cannot contain invisible, full-width or other special forms of characters"

// unambiguous gives the text in normalization form C. It refuses whatever the
// compatibility mapping (NFKC) would replace and whatever cannot be seen:
// accepted, two addresses could look alike and compare as different.
func unambiguous(typed string) (string, *Problem) {
	composed := norm.NFC.String(typed)
	if !norm.NFKC.IsNormalString(composed) || strings.ContainsFunc(composed, isTreacherous) {
		return "", refuse(AmbiguousCharacter, ambiguous)
	}
	return composed, nil
}

// isTreacherous knows the characters that NFKC keeps and that deceive the eye
// all the same.
func isTreacherous(r rune) bool {
	return isInvisible(r) || r == ideographicFullStop
}

// ideographicFullStop separates labels in UTS #46, as the dot does.
const ideographicFullStop = '。'

// isInvisible covers zero-width and bidirectional controls, soft hyphens,
// fillers, tags and variation selectors: Unicode's default ignorable code
// points, and a few other format characters.
func isInvisible(r rune) bool {
	return r > unicode.MaxASCII &&
		unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// isWord tells whether a character beyond ASCII is one that words are written
// with.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd)
}
