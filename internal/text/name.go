// Package text checks and normalizes what people write: the names of people and
// places, which stand in a line of text, and messages of several lines.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// NameLength is the greatest length of a name, in characters.
const NameLength = 200

// CleanName returns a name that fits in a line of text: in NFC, without control
// characters and characters that nobody sees, at most 200 characters long. It keeps
// joiners where they change how letters look.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), 8*NameLength)], "")
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case isJoiner(r):
			return r
		case !unicode.IsPrint(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), r == utf8.RuneError: // RuneError stands for invalid UTF-8
			return -1
		}
		return r
	}, name)
	// Normalize last: a removed character may have stood between a letter and its
	// accent.
	name = norm.NFC.String(dropIdleJoiners(name))
	runes := []rune(strings.Join(strings.Fields(name), " "))
	return strings.TrimFunc(string(runes[:min(len(runes), NameLength)]), func(r rune) bool { return r == ' ' || isJoiner(r) })
}

// ParseName reads a name that a person chose: in NFC, with single spaces, and
// without joiners that join nothing. ok is false where it is empty or too long, or
// has characters that are not printed.
func ParseName(text string) (name string, ok bool) {
	if len(text) > utf8.UTFMax*NameLength {
		return "", false
	}
	name = strings.Join(strings.Fields(norm.NFC.String(dropIdleJoiners(text))), " ")
	return name, NameKey(name) != "" && name == CleanName(name)
}

// CheckName returns a BAD_USER_INPUT where the name of a request is not valid. path is its
// path in the arguments.
func CheckName(text string, path ...any) fault.List {
	if _, ok := ParseName(text); !ok {
		return fault.List{fault.Input("A name must have 1 to 200 printable characters.", path...)}
	}
	return nil
}

// NameKey returns the form to compare names by: two names that people cannot tell
// apart, or that differ only in case, in spaces or in the width of letters, have the
// same key. It is in NFC, case-folded one letter to one, and without characters that
// nobody sees. It is its own key.
func NameKey(name string) string {
	folded := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector), r == brailleBlank:
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, width.Fold.String(norm.NFC.String(name)))
	return strings.Join(strings.Fields(norm.NFC.String(folded)), " ")
}

const (
	nonJoiner    = '\u200C'
	joiner       = '\u200D'
	brailleBlank = '\u2800' // printed as a space
)

func isJoiner(r rune) bool { return r == nonJoiner || r == joiner }

// dropIdleJoiners removes the joiners that join nothing: a joiner is a letter of the
// words of some scripts, between two letters or marks of them, and nobody sees it
// anywhere else (Unicode, section 23.2; UAX #31, section 2.3.1). The joiner that makes
// one picture of two stays as well.
func dropIdleJoiners(text string) string {
	if !strings.ContainsFunc(text, isJoiner) {
		return text
	}
	runes := []rune(text)
	kept := runes[:0]
	for i, r := range runes {
		if isJoiner(r) && (len(kept) == 0 || i+1 == len(runes) || !joins(kept[len(kept)-1], r, runes[i+1])) {
			continue
		}
		kept = append(kept, r)
	}
	return string(kept)
}

// joins reports whether a joiner changes how the characters around it look.
func joins(before, r, after rune) bool {
	if isWritten(before) && isWritten(after) && (unicode.In(before, joining...) || unicode.In(after, joining...)) {
		return true
	}
	picture := unicode.Is(unicode.So, before) || unicode.Is(unicode.Sk, before) || unicode.Is(unicode.Variation_Selector, before)
	return r == joiner && picture && unicode.Is(unicode.So, after)
}

func isWritten(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// joining are the scripts whose letters joiners connect or separate: those with
// cursive letters, and those with conjuncts (UAX #31, section 2.3.1).
var joining = []*unicode.RangeTable{
	unicode.Adlam, unicode.Arabic, unicode.Hanifi_Rohingya, unicode.Mandaic, unicode.Manichaean, unicode.Mongolian, unicode.Nko,
	unicode.Phags_Pa, unicode.Psalter_Pahlavi, unicode.Sogdian, unicode.Syriac,
	unicode.Balinese, unicode.Bengali, unicode.Brahmi, unicode.Chakma, unicode.Cham, unicode.Devanagari, unicode.Grantha, unicode.Gujarati,
	unicode.Gurmukhi, unicode.Javanese, unicode.Kaithi, unicode.Kannada, unicode.Khmer, unicode.Lao, unicode.Limbu, unicode.Malayalam,
	unicode.Meetei_Mayek, unicode.Myanmar, unicode.Newa, unicode.Oriya, unicode.Saurashtra, unicode.Sharada, unicode.Sinhala,
	unicode.Sundanese, unicode.Syloti_Nagri, unicode.Tai_Tham, unicode.Takri, unicode.Tamil, unicode.Telugu, unicode.Tibetan, unicode.Tirhuta,
}
