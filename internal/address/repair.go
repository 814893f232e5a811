package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// repairs correct the mistakes whose correction is evident, those around an address
// first. Each works on the result of the one before, so that several mistakes in one
// address are corrected, too.
var repairs = []func(string) string{
	withPlainCharacters,
	withoutEncoding,
	withAtSign,
	withoutOtherText,
	withoutBrackets,
	withoutSurroundingMarks,
	withoutScheme,
	withoutGaps,
	withSingleAtSigns,
	withDotsForCommas,
	withSingleDots,
	withTopLevel,
	withProvider,
}

// maxRepaired is the length in octets of the longest text that is repaired. It leaves
// room for a scheme and brackets around the longest address.
const maxRepaired = 320

// maxRepairedUnicode is how many characters beyond ASCII a text has that is repaired.
// Each repair normalizes them again.
const maxRepairedUnicode = 64

// suggest returns the valid address that was evidently meant by a refused one, or "".
// A repair that leaves an odd form, such as a mark at an end, is no suggestion.
func suggest(refused string) string {
	if len(refused) > maxRepaired || countBeyondASCII(refused) > maxRepairedUnicode {
		return ""
	}
	candidate := refused
	for _, repair := range repairs {
		repaired := trim(repair(candidate))
		if repaired == candidate {
			continue
		}
		candidate = repaired
		a, problem := check(candidate)
		if problem != nil {
			continue
		}
		if hasForeignMarks(a.text) {
			return ""
		}
		if doubt := doubtOfForm(a.text); doubt != nil {
			return doubt.Suggestion
		}
		return a.text
	}
	return ""
}

func countBeyondASCII(s string) (n int) {
	for _, r := range s {
		if r > unicode.MaxASCII {
			n++
		}
	}
	return n
}

// withPlainCharacters replaces full-width and other special forms by the usual
// characters, typographic apostrophes and dashes by those of ASCII, and removes
// invisible characters.
func withPlainCharacters(s string) string {
	if isASCII(s) {
		return s
	}
	var plain []byte
	var characters norm.Iter
	for characters.InitString(norm.NFKC, s); !characters.Done(); {
		if plain = append(plain, characters.Next()...); len(plain) > maxRepaired {
			return s // one character can become eighteen
		}
	}
	return strings.Map(plainCharacter, string(plain))
}

func plainCharacter(r rune) rune {
	switch {
	case isInvisible(r):
		return -1
	case r == ideographicFullStop:
		return '.'
	case r == '’':
		return '\''
	case unicode.Is(unicode.Pd, r):
		return '-'
	default:
		return r
	}
}

// withoutBrackets returns the text in angle brackets, which need not be closed, unless
// there is another address outside.
func withoutBrackets(s string) string {
	before, rest, found := cutLast(s, "<")
	if !found {
		return s
	}
	inside, after, _ := strings.Cut(rest, ">")
	if strings.Contains(before, "@") || strings.Contains(after, "@") {
		return s
	}
	return inside
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// withoutSurroundingMarks removes quotes, brackets and separators around an address.
func withoutSurroundingMarks(s string) string {
	return strings.Trim(s, surroundingMarks)
}

const surroundingMarks = "<>()[]{}\"'`“”„‘‚’«»‹›,;:|/\\ \t\r\n"

// withoutScheme removes a scheme such as mailto: before the address, or http:// before
// the domain, and the query or path after it.
func withoutScheme(s string) string {
	local, domain, found := strings.Cut(s, "@")
	if !found {
		return s
	}
	scheme, rest, hasScheme := strings.Cut(local, ":")
	if hasScheme && isScheme(scheme) {
		local = strings.TrimLeft(rest, "/ ")
	}
	scheme, rest, hasHost := strings.Cut(domain, "://")
	if hasHost && isScheme(scheme) {
		domain = rest
	}
	if hasScheme || hasHost {
		domain = upToAny(domain, "/?#")
	}
	return local + "@" + domain
}

// isScheme reports whether a text is a scheme of letters (RFC 3986 section 3.1) or a
// label such as "E-Mail".
func isScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && r != '-'
	})
}

// upToAny returns the text before the first of some characters.
func upToAny(s, characters string) string {
	if i := strings.IndexAny(s, characters); i >= 0 {
		return s[:i]
	}
	return s
}

// maxPieces is how many pieces white space may have divided an address into.
const maxPieces = 8

// withoutGaps removes white space within an address. It leaves text alone in which
// other words stand beside an address.
func withoutGaps(s string) string {
	words := strings.Fields(s)
	if len(words) > maxPieces {
		return s
	}
	joined, gaps := "", 0
	for _, word := range words {
		if isValid(joined) && word[0] != '.' {
			return s
		}
		if separatesNames(joined, word) {
			// Longer words can be a name beside the address.
			if len(joined) > 1 {
				return s
			}
			gaps++
		}
		joined += word
	}
	if gaps > 1 {
		return s
	}
	return joined
}

func isValid(s string) bool {
	_, problem := check(trim(s))
	return problem == nil
}

// separatesNames reports whether the gap between two texts separates two names in the
// local part. One such gap is a mistake; several are a sentence.
func separatesNames(before, after string) bool {
	return before != "" && !strings.ContainsAny(before, "@") &&
		before[len(before)-1] != '.' && after[0] != '.' && after[0] != '@'
}

func withSingleAtSigns(s string) string { return withoutRuns(s, '@') }

func withDotsForCommas(s string) string {
	local, domain, found := cutLast(s, "@")
	if !found {
		return s
	}
	return local + "@" + strings.ReplaceAll(domain, ",", ".")
}

// withSingleDots removes leading, trailing and doubled dots on both sides of the at
// sign.
func withSingleDots(s string) string {
	local, domain, found := cutLast(s, "@")
	if !found {
		return s
	}
	return strings.Trim(withoutRuns(local, '.'), ".") + "@" + strings.Trim(withoutRuns(domain, '.'), ".")
}

// withoutRuns replaces each run of a character by one.
func withoutRuns(s string, repeated rune) string {
	previous := rune(-1)
	return strings.Map(func(r rune) rune {
		again := r == repeated && previous == repeated
		previous = r
		if again {
			return -1
		}
		return r
	}, s)
}
