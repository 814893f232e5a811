package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// CheckMessage decides whether a text, if there is one, has some characters at most,
// and none that control anything. path leads to it in the arguments.
func CheckMessage(text *string, most int, path ...any) (faults fault.List) {
	if text == nil {
		return nil
	}
	if n := utf8.RuneCountInString(*text); n > most {
		faults = append(faults, fault.Input(fmt.Sprintf("The message has %d characters; it can have %d at most.", n, most), path...))
	}
	// A lone surrogate has become U+FFFD, like every other one.
	if strings.ContainsFunc(*text, unprintable) || strings.ContainsRune(*text, utf8.RuneError) {
		faults = append(faults, fault.Input("The message contains control characters.", path...))
	}
	return faults
}

func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

// CleanMessage is a text as it is kept: nil where it says nothing.
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
