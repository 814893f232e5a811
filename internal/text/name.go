// Package text checks and normalizes what people write: the names of people and
// places, which stand in a line of text, and messages of several lines.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// NameLength is how many characters a name has at most.
const NameLength = 200

// CleanName makes a name fit to stand in a line of text: in NFC, without
// control characters, of 200 characters at most.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), 8*NameLength)], "")
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
	return strings.TrimSpace(string(runes[:min(len(runes), NameLength)]))
}

// ParseName reads a name that somebody chose: in NFC, white space made single
// blanks. It is not one where nothing is left, where it is too long, or where
// it holds characters that are not printed.
func ParseName(text string) (name string, ok bool) {
	if len(text) > utf8.UTFMax*NameLength {
		return "", false
	}
	name = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return name, name != "" && name == CleanName(name)
}

// CheckName decides whether a request's name is one.
func CheckName(text string) fault.List {
	if _, ok := ParseName(text); !ok {
		return fault.List{fault.Input("A name must have 1 to 200 printable characters.", "input", "name")}
	}
	return nil
}
