package mail

import (
	"embed"
	htmltemplate "html/template"
	"slices"
	"strings"
	texttemplate "text/template"

	"alphacruncher.com/datahub-gateway/internal/address"
)

//go:embed letter.html letter.txt
var templates embed.FS

var (
	letterHTML = htmltemplate.Must(htmltemplate.New("letter.html").Funcs(htmltemplate.FuncMap{"written": written, "isolated": isolated}).ParseFS(templates, "letter.html"))
	letterText = texttemplate.Must(texttemplate.ParseFS(templates, "letter.txt"))
)

// letter is what a mail says. It is laid out as HTML and as plain text.
type letter struct {
	Language string // BCP 47
	Subject  string
	Opening  sentence
	Facts    []fact
	Colon    string   // between a label and a value, or the button and the link, in plain text
	Quoting  sentence // introduces Quote
	Quote    string   // what a person wrote; may be empty
	Button   string
	Link     string // where the button leads
	Fallback string // introduces the link, for readers whose button does not work
	Closing  sentence
	// Notice says to somebody who was invited why the gateway has their address, and
	// for how long. RefuseLink, with the text Refuse, is where they can refuse to be
	// invited again; "" in other mails, which have no notice.
	Notice     sentence
	Refuse     string
	RefuseLink string
}

// sentence is a text of the gateway in which people's names are, for both layouts.
type sentence struct {
	Text string
	HTML htmltemplate.HTML
}

// fact is a line of what the mail is about. People may have written the values, each of
// which has a direction of its own.
type fact struct {
	Label  string
	Values []string
	More   string // follows the values; may be empty
}

// Value returns the values as plain text has them.
func (f fact) Value() string {
	return strings.TrimSpace(strings.Join(f.Values, ", ") + " " + f.More)
}

// Quoted returns the quote as plain text has it.
func (l letter) Quoted() string { return quote(l.Quote) }

// newLetter returns a letter with sentences whose placeholders are filled in. names,
// addresses and values are lists of placeholders and what replaces them. People choose
// the names and the addresses; the subject has names only.
func (t texts) newLetter(s sentences, names, addresses, values []string) letter {
	// Who cannot be written to is named without an address.
	for i := 0; i < len(addresses); i += 2 {
		if addresses[i+1] == "" {
			s.opening = strings.ReplaceAll(s.opening, " ("+addresses[i]+")", "")
		}
	}
	// All placeholders are replaced in one pass, because a name may look like one.
	text := slices.Concat(names, addresses, values)
	html := make([]string, 0, len(text))
	for i, words := range text {
		switch {
		case i%2 == 0: // a placeholder
		case i < len(names):
			words = string(isolated(words))
		case i < len(names)+len(addresses):
			words = string(isolatedAddress(words))
		default:
			words = htmltemplate.HTMLEscapeString(words)
		}
		html = append(html, words)
	}
	fill := func(s string) sentence {
		return sentence{
			Text: strings.NewReplacer(text...).Replace(s),
			HTML: htmltemplate.HTML(strings.NewReplacer(html...).Replace(htmltemplate.HTMLEscapeString(s))), // everything in it is escaped
		}
	}
	return letter{
		Language: t.tag.String(),
		Subject:  strings.NewReplacer(names...).Replace(s.subject),
		Opening:  fill(s.opening),
		Colon:    t.colon,
		Quoting:  fill(t.quoting),
		Button:   s.button,
		Fallback: t.fallback,
		Closing:  fill(s.closing),
		Notice:   fill(s.notice),
		Refuse:   s.refuse,
	}
}

// message lays the letter out. Nobody reads replies to a mailbox without an address. The
// error is a template's.
func (l letter) message(id string, to address.Address, replyTo Mailbox) (Message, error) {
	if replyTo.Email == "" {
		replyTo = Mailbox{}
	}
	var text, html strings.Builder
	if err := letterText.Execute(&text, l); err != nil {
		return Message{}, err
	}
	if err := letterHTML.Execute(&html, l); err != nil {
		return Message{}, err
	}
	return Message{ID: id, To: to, ReplyTo: replyTo, Subject: l.Subject, Text: text.String(), HTML: html.String(), Language: l.Language}, nil
}
