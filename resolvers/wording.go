package resolvers

import (
	"regexp"
	"strings"
)

// longestEcho is how many octets of a name in a request an error repeats, and
// longestMessage how many it has in all.
const longestEcho, longestMessage = 40, 500

// quotations are where gqlgen and its parser quote a request. What they quote may
// be a secret, or long.
var quotations = []struct {
	quotes  *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?s)^(Expected value of type "[^"]*"), found .*$`), "$1."},
	{regexp.MustCompile(`(?s)^(Expected .*, found [A-Za-z]+|Unexpected [A-Za-z]+) ".*$`), "$1."},
	{regexp.MustCompile(`(?s)^(.* cannot represent .* value): .*$`), "$1."},
	{regexp.MustCompile(`(?s)^.* is not a valid (\w+)$`), "It is not a valid $1."},
	{regexp.MustCompile(`(?s)^operation .* not found$`), "The document has no operation of this name."},
	{regexp.MustCompile(`(?s)"[^"]{41,}"`), `"…"`},
}

// hint is where validation tells of names in the schema that were not asked for.
var hint = regexp.MustCompile(`(?s) Did you mean .*$`)

// reword says what gqlgen says of a request, without quoting its values.
func (r *Root) reword(message string) string {
	for _, q := range quotations {
		message = q.quotes.ReplaceAllString(message, q.instead)
	}
	if !r.Hints {
		message = hint.ReplaceAllString(message, "")
	}
	return shorten(message, longestMessage)
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
