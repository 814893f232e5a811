package mail

import (
	"regexp"
	"strings"
	"unicode"
)

// Names and messages come from people and identity providers. The functions of this
// file keep them from changing what the gateway says.

// oneLine returns a name that can be part of a sentence: without line breaks, and
// without characters that change the direction of text.
func oneLine(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	return strings.Join(strings.Fields(name), " ")
}

// linkLike finds words that mail programs may turn into links: those with a scheme,
// a domain or an address in them.
var linkLike = regexp.MustCompile(`(?i)\S*(?::/|\bmailto:|\btel:|@|[\pL\pN-]\.\pL{2})\S*`)

var linkSigns = strings.NewReplacer(":", ":\u200b", ".", ".\u200b", "@", "@\u200b")

// unlink puts zero-width spaces into link-like words, so that mail programs do not
// turn them into links: the only link of a mail is the gateway's.
func unlink(text string) string { return linkLike.ReplaceAllStringFunc(text, linkSigns.Replace) }

// lineBreaks are the characters that mail programs may show as line breaks.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// quote returns text with "> " before each line, so that no line of it looks like
// one of the gateway's.
func quote(text string) string {
	return "> " + strings.ReplaceAll(lineBreaks.Replace(text), "\n", "\n> ")
}
