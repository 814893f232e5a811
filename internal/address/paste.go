package address

import (
	"strings"
	"unicode"
)

// trim takes off white space on both sides, and the separators that trail an
// address copied from a list.
func trim(s string) string {
	s = strings.TrimLeftFunc(s, isSpace)
	return strings.TrimRightFunc(s, func(r rune) bool {
		return r == ',' || r == ';' || isSpace(r)
	})
}

// isSpace knows Unicode's white space without the control characters among it,
// of which only tabs and line ends are worth forgiving.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n':
		return true
	default:
		return r > unicode.MaxASCII && unicode.Is(unicode.Z, r)
	}
}

// isControl is unicode.IsControl, quick for the characters that addresses are
// made of.
func isControl(r rune) bool {
	return r < ' ' || r > '~' && unicode.IsControl(r)
}

// unwrap gives the addr in "Name <addr>", and everything else as it is. What
// does not look like a name stays on, to be judged and refused with the rest:
// it may be a second address, and nobody may be dropped silently.
func unwrap(pasted string) string {
	inside, closed := strings.CutSuffix(pasted, ">")
	open := strings.LastIndexByte(inside, '<')
	if !closed || open < 0 {
		return pasted
	}
	name, address := trim(inside[:open]), trim(inside[open+1:])
	if !isName(name, address) {
		return pasted
	}
	return address
}

// isName tells whether a display name may stand before an address.
func isName(name, address string) bool {
	switch {
	case strings.ContainsFunc(name, isControl):
		return false
	case isQuoted(name):
		return true
	default:
		return !strings.ContainsAny(name, "@<>") || repeats(name, address)
	}
}

// repeats tells whether a name is the address again, as mail programs write it
// that know no name.
func repeats(name, address string) bool {
	return strings.EqualFold(name, address) || strings.EqualFold(strings.Trim(name, "'"), address)
}

// isQuoted tells whether all of the text is one quoted string (RFC 5322 §3.2.4).
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	inside := strings.NewReplacer(`\\`, "", `\"`, "").Replace(s[1 : len(s)-1])
	return !strings.ContainsAny(inside, `"\`)
}
