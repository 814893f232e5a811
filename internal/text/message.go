package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// CheckMessage returns a BAD_USER_INPUT where a message has more than most
// characters, or control characters. path is its path in the arguments.
func CheckMessage(text *string, most int, path ...any) (faults fault.List) {
	if text == nil {
		return nil
	}
	if n := utf8.RuneCountInString(*text); n > most {
		faults = append(faults, fault.Input(fmt.Sprintf("The message has %d characters; it can have %d at most.", n, most), path...))
	}
	// Decoding replaces a lone surrogate by U+FFFD.
	if strings.ContainsFunc(*text, unprintable) || strings.ContainsRune(*text, utf8.RuneError) {
		faults = append(faults, fault.Input("The message contains control characters.", path...))
	}
	return faults
}

func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

// CleanMessage returns a message as it is stored; nil where it is empty.
func CleanMessage(text *string) *string {
	if text == nil {
		return nil
	}
	clean := strings.TrimSpace(strings.ReplaceAll(*text, "\r\n", "\n"))
	if clean == "" {
		return nil
	}
	return &clean
}
