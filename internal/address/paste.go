package address

import (
	"strings"
	"unicode"
)

// trim removes white space on both sides, and separators at the end: an address that
// was copied from a list often has one.
func trim(s string) string {
	s = strings.TrimLeftFunc(s, isSpace)
	return strings.TrimRightFunc(s, func(r rune) bool {
		return r == ',' || r == ';' || isSpace(r)
	})
}

// isSpace reports whether a character is white space (Unicode's category Z, tabs and
// line ends). The other control characters that Unicode counts as white space are
// refused as control characters.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n':
		return true
	default:
		return r > unicode.MaxASCII && unicode.Is(unicode.Z, r)
	}
}

// isControl is unicode.IsControl, faster for the usual characters.
func isControl(r rune) bool {
	return r < ' ' || r > '~' && unicode.IsControl(r)
}

// unwrap returns addr for "Name <addr>", and other text unchanged. If what stands
// before the brackets is no name, it may be a second address. It is then left in
// place, so that the whole is refused and nobody is left out unnoticed.
func unwrap(pasted string) string {
	inside, closed := strings.CutSuffix(pasted, ">")
	open := strings.LastIndexByte(inside, '<')
	if !closed || open < 0 {
		return pasted
	}
	name, address := trim(inside[:open]), trim(inside[open+1:])
	if !isDisplayName(name, address) {
		return pasted
	}
	return address
}

// isDisplayName reports whether a text before an address is its display name.
func isDisplayName(name, address string) bool {
	switch {
	case strings.ContainsFunc(name, isControl):
		return false
	case isQuotedString(name):
		return true
	default:
		return !strings.ContainsAny(name, "@<>") || repeatsAddress(name, address)
	}
}

// repeatsAddress reports whether a name is the address. Mail programs write this if
// they know no name.
func repeatsAddress(name, address string) bool {
	return strings.EqualFold(name, address) || strings.EqualFold(strings.Trim(name, "'"), address)
}

// isQuotedString reports whether a text is one quoted string (RFC 5322 section 3.2.4).
func isQuotedString(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	inside := strings.NewReplacer(`\\`, "", `\"`, "").Replace(s[1 : len(s)-1])
	return !strings.ContainsAny(inside, `"\`)
}
