package mail

import (
	"embed"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/address"
)

//go:embed invitation.html invitation.txt
var templates embed.FS

var (
	invitationHTML = htmltemplate.Must(htmltemplate.ParseFS(templates, "invitation.html"))
	invitationText = texttemplate.Must(texttemplate.ParseFS(templates, "invitation.txt"))
)

// Invitation is what the mail to an invited person tells.
type Invitation struct {
	ID           string // see Message
	To           address.Address
	From         Mailbox // who invites
	Organization string
	Space        string
	Instance     string
	Editor       bool   // or viewer
	Message      string // from who invites; may be empty
	Link         string // where to review the invitation
	ExpiresAt    time.Time
}

// Role names the role as in a sentence.
func (i Invitation) Role() string {
	if i.Editor {
		return "editor"
	}
	return "viewer"
}

// Expiry is the last day of the invitation, UTC.
func (i Invitation) Expiry() string { return i.ExpiresAt.UTC().Format("2 January 2006, 15:04 UTC") }

// Quoted is the message as plain text quotes it, so that no line of it can pass
// for one of the gateway's.
func (i Invitation) Quoted() string {
	return "> " + strings.ReplaceAll(lineEnds.Replace(i.Message), "\n", "\n> ")
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

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

// Compose writes the mail.
func (i Invitation) Compose() (Message, error) {
	for _, name := range []*string{&i.From.Name, &i.Organization, &i.Space, &i.Instance} {
		*name = oneLine(*name)
	}
	var text, html strings.Builder
	if err := invitationText.Execute(&text, i); err != nil {
		return Message{}, err
	}
	if err := invitationHTML.Execute(&html, i); err != nil {
		return Message{}, err
	}
	return Message{
		ID:       i.ID,
		To:       i.To,
		ReplyTo:  i.From,
		Subject:  "DataHub " + i.From.Name + " has sent you an invitation",
		Text:     text.String(),
		HTML:     html.String(),
		Language: "en",
	}, nil
}
