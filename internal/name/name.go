// Package name knows what people, organizations, spaces and instances can be
// called: something that stands in a line of text.
package name

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// Length is how many characters a name has at most.
const Length = 200

// Clean makes a name fit to stand in a line of text: in NFC, without
// control characters, of 200 characters at most.
func Clean(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), 8*Length)], "")
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == utf8.RuneError: // the latter is what was no character
			return -1
		}
		return r
	}, name)
	// Only now: what is left out can have stood between a letter and its accent.
	runes := []rune(strings.Join(strings.Fields(norm.NFC.String(name)), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), Length)]))
}

// Parse reads a name that somebody chose: in NFC, white space made single
// blanks. It is not one where nothing is left, where it is too long, or where
// it holds characters that are not printed.
func Parse(text string) (name string, ok bool) {
	if len(text) > utf8.UTFMax*Length {
		return "", false
	}
	name = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return name, name != "" && name == Clean(name)
}

// Check decides whether a request's name is one.
func Check(text string) fault.List {
	if _, ok := Parse(text); !ok {
		return fault.List{fault.Input("A name must have 1 to 200 printable characters.", "input", "name")}
	}
	return nil
}
