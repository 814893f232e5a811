package resolvers

import (
	"regexp"
	"strings"
)

// maxEcho limits how much of a name in a request an error repeats, and maxMessage
// the whole message, in octets.
const maxEcho, maxMessage = 40, 500

// quotations are the messages of gqlgen and its parser that quote a request. The
// quoted text may be secret, or long.
var quotations = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`(?s)^(Expected value of type "[^"]*"), found .*$`), "$1."},
	{regexp.MustCompile(`(?s)^(Expected .*, found [A-Za-z]+|Unexpected [A-Za-z]+) ".*$`), "$1."},
	{regexp.MustCompile(`(?s)^(.* cannot represent .* value): .*$`), "$1."},
	{regexp.MustCompile(`(?s)^Value ".*" does not exist in ("[^"]*") enum\.`), "Expected a value of the enum $1."},
	{regexp.MustCompile(`(?s)^operation .* not found$`), "The document has no operation of this name."},
	{regexp.MustCompile(`(?s)"[^"]{41,}"`), `"…"`},
}

// hint is the end of a message of the validation that suggests names of the
// schema.
var hint = regexp.MustCompile(`(?s) Did you mean .*$`)

// reword returns a message of gqlgen without what it quotes of the request.
func (r *Root) reword(message string) string {
	for _, q := range quotations {
		message = q.pattern.ReplaceAllString(message, q.replacement)
	}
	if !r.Hints {
		message = hint.ReplaceAllString(message, "")
	}
	return shorten(message, maxMessage)
}

// shorten cuts a text to a number of octets.
func shorten(s string, octets int) string {
	if len(s) <= octets {
		return s
	}
	return strings.ToValidUTF8(s[:octets], "") + "…"
}
