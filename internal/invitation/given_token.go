package invitation

import (
	"net/url"
	"regexp"
)

// tokenPattern matches a token as newToken returns it: 32 octets in base64url
// without padding (RFC 4648, section 5).
var tokenPattern = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)

// givenTokenHash returns the hash of a token that a client gives. Mail programs and
// people add marks around a link, some of them percent-encoded: `.`, `)`, `>`, `%3E`
// or a space. They are not part of the token.
func givenTokenHash(given string) []byte {
	if decoded, err := url.PathUnescape(given); err == nil {
		given = decoded
	}
	if token := tokenPattern.FindString(given); token != "" {
		return tokenHash(token)
	}
	return tokenHash(given)
}
