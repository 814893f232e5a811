package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const ambiguous = "an address cannot contain invisible, full-width or other special forms of characters"

// normalizeUnicode returns the text in normalization form C. It refuses characters
// that the compatibility mapping (NFKC) would replace, and characters that nobody can
// see. Otherwise two addresses could look the same and yet have different keys.
func normalizeUnicode(typed string) (string, *Problem) {
	composed := norm.NFC.String(typed)
	if !norm.NFKC.IsNormalString(composed) || strings.ContainsFunc(composed, isAmbiguous) {
		return "", refuse(AmbiguousCharacter, ambiguous)
	}
	return composed, nil
}

// isAmbiguous reports whether a character is invisible, or is read as a dot, though
// NFKC keeps it.
func isAmbiguous(r rune) bool {
	return isInvisible(r) || r == ideographicFullStop
}

// ideographicFullStop separates labels as a dot does (UTS #46).
const ideographicFullStop = '。'

// isInvisible reports whether a character is invisible: zero-width and bidirectional
// controls, soft hyphens, fillers, tags, variation selectors. These are Unicode's
// default ignorable code points and the other format characters.
func isInvisible(r rune) bool {
	return r > unicode.MaxASCII &&
		unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// isWordCharacter reports whether a character beyond ASCII is a letter, a mark or a
// decimal digit.
func isWordCharacter(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd)
}
