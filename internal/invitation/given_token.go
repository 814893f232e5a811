package invitation

import (
	"net/url"
	"regexp"
	"unicode/utf8"
)

// tokenWords are what marks divide a text into. A token is one of them: a letter or a digit
// beside it makes it another word.
var tokenWords = regexp.MustCompile(`[\p{L}\p{N}_-]+`)

// tokenPattern matches a token as newToken returns it: 32 octets in base64url
// without padding (RFC 4648, section 5).
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// givenTokenHash returns the hash of a token that a client gives.
func givenTokenHash(given string) []byte { return tokenHash(GivenToken(given)) }

// GivenToken returns the token in what a client gives. Mail programs and people add
// marks around a link, some of them percent-encoded: `.`, `)`, `>`, `%3E` or a space.
// They are not part of the token. A text without a token is returned as it is: no
// invitation has it. The page has the same rule (web/src/review/link.ts).
func GivenToken(given string) string {
	text := given
	if decoded, err := url.PathUnescape(given); err == nil && utf8.ValidString(decoded) {
		text = decoded
	}
	for _, word := range tokenWords.FindAllString(text, -1) {
		if tokenPattern.MatchString(word) {
			return word
		}
	}
	return given
}
