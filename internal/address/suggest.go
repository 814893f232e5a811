package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// repairs undo the slips whose remedy is plain, from the outside in. Each takes
// over what the one before has left, so that several slips at once are undone
// as well.
var repairs = []func(string) string{
	withPlainCharacters,
	withoutBrackets,
	withoutStrays,
	withoutScheme,
	withoutGaps,
	withSingleAtSigns,
	withDotsForCommas,
	withSingleDots,
	withTopLevel,
	withProvider,
}

// maxRepaired is the length in octets beyond which nothing is plain any more.
// The longest address and a scheme or brackets around it are within.
const maxRepaired = 320

// suggest gives the address that was plainly meant by a refused one, or "".
func suggest(refused string) string {
	if len(refused) > maxRepaired {
		return ""
	}
	candidate := refused
	for _, repair := range repairs {
		repaired := trim(repair(candidate))
		if repaired == candidate {
			continue
		}
		candidate = repaired
		if a, problem := judge(candidate); problem == nil {
			return a.String()
		}
	}
	return ""
}

// withPlainCharacters gives full-width letters their usual width, drops what
// cannot be seen, and undoes the typography of word processors.
func withPlainCharacters(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(plainCharacter, norm.NFKC.String(s))
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

// withoutBrackets gives what stands in angle brackets, closed or not, unless
// another address stands outside.
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

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// withoutStrays takes off the quotes, brackets and separators around an
// address.
func withoutStrays(s string) string {
	const strays = "<>()[]{}\"'`“”„‘‚«»‹›,;:|/\\ \t\r\n"
	return strings.Trim(s, strays)
}

// withoutScheme takes off a scheme such as mailto: before the address or
// http:// before the domain, and with it the query or path that follows.
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
		domain = before(domain, "/?#")
	}
	return local + "@" + domain
}

// isScheme is RFC 3986's scheme, with room for labels such as "E-Mail".
func isScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && r != '-'
	})
}

func before(s, terminators string) string {
	if i := strings.IndexAny(s, terminators); i >= 0 {
		return s[:i]
	}
	return s
}

// maxWords is how many pieces an address may have come into.
const maxWords = 8

// withoutGaps joins an address that white space has come into. Where words
// stand beside an address, joining would only mangle it.
func withoutGaps(s string) string {
	words := strings.Fields(s)
	if len(words) > maxWords {
		return s
	}
	joined, names := "", 0
	for _, word := range words {
		if isComplete(joined) && word[0] != '.' {
			return s
		}
		if separatesNames(joined, word) {
			names++
		}
		joined += word
	}
	if names > 1 {
		return s
	}
	return joined
}

func isComplete(s string) bool {
	_, problem := judge(trim(s))
	return problem == nil
}

// separatesNames tells whether the gap between two words parts two names of
// the local part: one such gap is a slip, and several are a sentence.
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

// withSingleDots takes off leading, trailing and doubled dots on either side
// of the at sign.
func withSingleDots(s string) string {
	local, domain, found := cutLast(s, "@")
	if !found {
		return s
	}
	return strings.Trim(withoutRuns(local, '.'), ".") + "@" + strings.Trim(withoutRuns(domain, '.'), ".")
}

// withoutRuns leaves one of several equal characters in a row.
func withoutRuns(s string, repeated rune) string {
	before := rune(-1)
	return strings.Map(func(r rune) rune {
		doubled := r == repeated && before == repeated
		before = r
		if doubled {
			return -1
		}
		return r
	}, s)
}
