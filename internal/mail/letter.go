package mail

import (
	"embed"
	htmltemplate "html/template"
	"regexp"
	"strings"
	texttemplate "text/template"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/address"
)

//go:embed letter.html letter.txt
var templates embed.FS

var (
	letterHTML = htmltemplate.Must(htmltemplate.ParseFS(templates, "letter.html"))
	letterText = texttemplate.Must(texttemplate.ParseFS(templates, "letter.txt"))
)

// letter is what a mail says. It is laid out twice, as HTML and as plain text,
// so that both say the same.
type letter struct {
	Language string // BCP 47
	Title    string
	Opening  string
	Facts    []fact
	Quoting  string // introduces Quote
	Quote    string // what a person wrote; may be empty
	Button   string
	Link     string // where the button leads
	Fallback string // introduces the link, for whom the button does not work
	Closing  string
}

type fact struct{ Label, Value string }

// letter begins one with sentences whose blanks are filled in: {blank}, value,
// and so on. Names are those that people chose; a subject holds nothing else.
func (w words) letter(s sentences, names []string, others ...string) letter {
	// In one pass: a name may look like what is to be replaced.
	subject := strings.NewReplacer(names...).Replace(s.subject)
	for i := 1; i < len(names); i += 2 {
		names[i] = unlinked(names[i])
	}
	fill := strings.NewReplacer(append(names, others...)...).Replace
	return letter{
		Language: w.tag.String(),
		Title:    subject,
		Opening:  fill(s.opening),
		Quoting:  fill(w.quoting),
		Button:   s.button,
		Fallback: w.fallback,
		Closing:  fill(s.closing),
	}
}

// message is the mail that brings the letter, its title the subject. An error
// says that it could not be laid out.
func (l letter) message(id string, to address.Address, replyTo Mailbox) (Message, error) {
	text, html, err := l.layOut()
	return Message{ID: id, To: to, ReplyTo: replyTo, Subject: l.Title, Text: text, HTML: html, Language: l.Language}, err
}

// Quoted is the quote as plain text quotes it, so that no line of it can pass
// for one of the gateway's.
func (l letter) Quoted() string {
	return "> " + strings.ReplaceAll(lineEnds.Replace(l.Quote), "\n", "\n> ")
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// layOut gives the letter as plain text and as HTML.
func (l letter) layOut() (text, html string, err error) {
	var t, h strings.Builder
	if err := letterText.Execute(&t, l); err != nil {
		return "", "", err
	}
	if err := letterHTML.Execute(&h, l); err != nil {
		return "", "", err
	}
	return t.String(), h.String(), nil
}

// oneLine makes a name fit to stand in a sentence of the gateway's: it neither
// breaks the line nor turns its direction around.
func oneLine(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	return strings.Join(strings.Fields(name), " ")
}

// linkLike is a word that mail programs may make a link of: a scheme, a domain
// or an address stands in it.
var linkLike = regexp.MustCompile(`(?i)\S*(?::/|\bmailto:|\btel:|@|[\pL\pN-]\.\pL{2})\S*`)

// unlinked keeps mail programs from making links of what people wrote, by zero
// width spaces, which nobody sees: the one link of a mail is the gateway's.
func unlinked(text string) string {
	return linkLike.ReplaceAllStringFunc(text, func(word string) string {
		return linkSigns.Replace(word)
	})
}

var linkSigns = strings.NewReplacer(":", ":\u200b", ".", ".\u200b", "@", "@\u200b")
