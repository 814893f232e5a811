package mail

import (
	"html/template"
	"regexp"
	"strings"
	"unicode"
)

// Names and messages come from people and identity providers. The functions of this
// file keep them from changing what the gateway says.

// hidden are characters that nobody sees: of zero width, so that what is copied from
// a mail is not what it seems to be, or overriding the direction of text. The joiners
// (U+200C, U+200D) are none of them: they are letters of Persian and Hindi, and parts
// of emoji.
var hidden = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, // soft hyphen
	{Lo: 0x180e, Hi: 0x180e, Stride: 1},
	{Lo: 0x200b, Hi: 0x200b, Stride: 1}, // zero-width space
	{Lo: 0x202a, Hi: 0x202e, Stride: 1}, // embeddings and overrides
	{Lo: 0x2060, Hi: 0x206f, Stride: 1}, // word joiner, isolates
	{Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, // byte order mark
}, LatinOffset: 1}

// oneLine returns a name that can be part of a sentence: without line breaks, hidden
// characters and marks of direction.
func oneLine(name string) string {
	return strings.Join(strings.Fields(without(name, hidden, unicode.Bidi_Control)), " ")
}

// withoutHidden returns a message without hidden characters. Marks of direction
// (U+200E, U+200F) stay: right-to-left texts need them.
func withoutHidden(message string) string { return without(message, hidden) }

func without(text string, tables ...*unicode.RangeTable) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, tables...) {
			return -1
		}
		return r
	}, text)
}

// linkLike finds words that mail programs may turn into links: those with a scheme,
// a domain or an address in them.
var linkLike = regexp.MustCompile(`(?i)\S*(?::/|\bmailto:|\btel:|@|[\pL\pN-]\.\pL{2})\S*`)

// linkSigns splits the signs of links off, as HTML. A line may break there, and what
// is copied has no other character.
var linkSigns = strings.NewReplacer(":", ":<wbr>", ".", ".<wbr>", "@", "@<wbr>")

// written returns what a person wrote as HTML, in which mail programs find no links:
// the only link of a mail is the gateway's. (In plain text, what keeps a word from
// becoming a link keeps it from being copied, too.)
func written(text string) template.HTML {
	var html strings.Builder
	end := 0
	for _, word := range linkLike.FindAllStringIndex(text, -1) {
		html.WriteString(template.HTMLEscapeString(text[end:word[0]]))
		html.WriteString(linkSigns.Replace(template.HTMLEscapeString(text[word[0]:word[1]])))
		end = word[1]
	}
	html.WriteString(template.HTMLEscapeString(text[end:]))
	return template.HTML(html.String()) // everything in it is escaped
}

// isolated is written for a part of a line: it has its own direction, and does not
// change the direction of what stands around it.
func isolated(text string) template.HTML {
	return `<span dir="auto">` + written(text) + `</span>`
}

// isolatedAddress is isolated for an address, which reads from left to right in every
// script. It may become a link.
func isolatedAddress(email string) template.HTML {
	return template.HTML(`<span dir="ltr">` + template.HTMLEscapeString(email) + `</span>`)
}

// lineBreaks are the characters that mail programs may show as line breaks.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// quote returns text with "> " before each line, so that no line of it looks like
// one of the gateway's.
func quote(text string) string {
	return "> " + strings.ReplaceAll(lineBreaks.Replace(text), "\n", "\n> ")
}
