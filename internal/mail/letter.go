package mail

import (
	"embed"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"alphacruncher.com/datahub-gateway/internal/address"
)

//go:embed letter.html letter.txt
var templates embed.FS

var (
	letterHTML = htmltemplate.Must(htmltemplate.ParseFS(templates, "letter.html"))
	letterText = texttemplate.Must(texttemplate.ParseFS(templates, "letter.txt"))
)

// letter is what a mail says. It is laid out as HTML and as plain text.
type letter struct {
	Language string // BCP 47
	Subject  string
	Opening  string
	Facts    []fact
	Colon    string // between a label and a value, or the button and the link, in plain text
	Quoting  string // introduces Quote
	Quote    string // what a person wrote; may be empty
	Button   string
	Link     string // where the button leads
	Fallback string // introduces the link, for readers whose button does not work
	Closing  string
}

type fact struct{ Label, Value string }

// Quoted returns the quote as plain text has it.
func (l letter) Quoted() string { return quote(l.Quote) }

// newLetter returns a letter with sentences whose placeholders are filled in. names
// and values are lists of placeholders and what replaces them. People choose the
// names; the subject has no other placeholders.
func (t texts) newLetter(s sentences, names, values []string) letter {
	// All placeholders are replaced in one pass, because a name may look like one.
	subject := strings.NewReplacer(names...).Replace(s.subject)
	for i := 1; i < len(names); i += 2 {
		names[i] = unlink(names[i])
	}
	fill := strings.NewReplacer(append(names, values...)...).Replace
	return letter{
		Language: t.tag.String(),
		Subject:  subject,
		Opening:  fill(s.opening),
		Colon:    t.colon,
		Quoting:  fill(t.quoting),
		Button:   s.button,
		Fallback: t.fallback,
		Closing:  fill(s.closing),
	}
}

// message lays the letter out. The error is a template's.
func (l letter) message(id string, to address.Address, replyTo Mailbox) (Message, error) {
	var text, html strings.Builder
	if err := letterText.Execute(&text, l); err != nil {
		return Message{}, err
	}
	if err := letterHTML.Execute(&html, l); err != nil {
		return Message{}, err
	}
	return Message{ID: id, To: to, ReplyTo: replyTo, Subject: l.Subject, Text: text.String(), HTML: html.String(), Language: l.Language}, nil
}
