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

// NameLength is the greatest length of a name, in characters.
const NameLength = 200

// CleanName returns a name that fits in a line of text: in NFC, without control
// characters, at most 200 characters long.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), 8*NameLength)], "")
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == utf8.RuneError: // RuneError stands for invalid UTF-8
			return -1
		}
		return r
	}, name)
	// Normalize last: a removed character may have stood between a letter and its
	// accent.
	runes := []rune(strings.Join(strings.Fields(norm.NFC.String(name)), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), NameLength)]))
}

// ParseName reads a name that a person chose: in NFC, with single spaces. ok is
// false where it is empty or too long, or has characters that are not printed.
func ParseName(text string) (name string, ok bool) {
	if len(text) > utf8.UTFMax*NameLength {
		return "", false
	}
	name = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return name, name != "" && name == CleanName(name)
}

// CheckName returns a BAD_USER_INPUT where the name of a request is not valid.
func CheckName(text string) fault.List {
	if _, ok := ParseName(text); !ok {
		return fault.List{fault.Input("A name must have 1 to 200 printable characters.", "input", "name")}
	}
	return nil
}
