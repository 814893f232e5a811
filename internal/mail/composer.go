package mail

import (
	"crypto/rand"
	htmltemplate "html/template"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// Composer composes the invitations of a batch. It lays out once those that differ in no
// more than the recipient and the token of the links: the templates take most of the time.
type Composer struct {
	layouts map[Invitation]*layout
}

// layout is an invitation without its recipient and its token.
type layout struct {
	message    Message
	text, html []part
}

// part is a piece of a layout, and what follows it.
type part struct {
	text   string
	quoted string // as quoted-printable, in lines of its own
	then   then
}

type then int

const (
	nothing then = iota
	recipient
	token
)

// What stands for the recipient and the token while an invitation is laid out. Nobody can
// know them, so that no name or message contains them. Both consist of letters and digits
// that no layout escapes.
var recipientMark, tokenMark = rand.Text(), rand.Text()

// Compose writes the mail that the invitation's own Compose writes.
func (c *Composer) Compose(i Invitation) (Message, error) {
	if strings.ContainsFunc(i.Token, escaped) {
		return i.Compose()
	}
	l, err := c.layout(i)
	if err != nil {
		return Message{}, err
	}
	to := i.To.String()
	m := l.message
	m.ID, m.To = i.ID, i.To
	m.Text, m.quotedText = fill(l.text, to, i.Token)
	m.HTML, m.quotedHTML = fill(l.html, htmltemplate.HTMLEscapeString(to), i.Token)
	return m, nil
}

// escaped reports whether a layout may not have a character of a token as it is. It has those of
// base64url.
func escaped(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
}

func (c *Composer) layout(i Invitation) (*layout, error) {
	i.ID, i.To, i.Token = "", address.Address{}, tokenMark
	// A mail says the minute and the days.
	for _, at := range []*time.Time{&i.ExpiresAt, &i.KeptUntil, &i.LoggedUntil} {
		*at = at.UTC().Truncate(time.Minute)
	}
	if l := c.layouts[i]; l != nil {
		return l, nil
	}
	m, err := i.compose(recipientMark)
	if err != nil {
		return nil, err
	}
	l := &layout{message: m, text: split(m.Text), html: split(m.HTML)}
	if c.layouts == nil {
		c.layouts = map[Invitation]*layout{}
	}
	c.layouts[i] = l
	return l, nil
}

// split cuts a layout at the marks.
func split(text string) (parts []part) {
	for {
		end, length, then := len(text), 0, nothing
		if i := strings.Index(text, recipientMark); i >= 0 {
			end, length, then = i, len(recipientMark), recipient
		}
		if i := strings.Index(text[:end], tokenMark); i >= 0 {
			end, length, then = i, len(tokenMark), token
		}
		if then == nothing {
			return append(parts, part{text, quotedPrintable(text), nothing})
		}
		parts = append(parts, part{text[:end], quotedLines(text[:end]), then})
		text = text[end+length:]
	}
}

// quotedLines returns text as quoted-printable whose last line goes on in what follows.
func quotedLines(text string) string {
	quoted := quotedPrintable(text)
	if quoted == "" || strings.HasSuffix(quoted, "\r\n") {
		return quoted
	}
	return quoted + softBreak
}

// fill returns a text, and the same as quoted-printable.
func fill(parts []part, to, secret string) (text, quoted string) {
	var plain, encoded strings.Builder
	quotedTo, quotedSecret := quotedLines(to), quotedLines(secret)
	size, encodedSize := 0, 0
	for _, p := range parts {
		size += len(p.text) + max(len(to), len(secret))
		encodedSize += len(p.quoted) + max(len(quotedTo), len(quotedSecret))
	}
	plain.Grow(size)
	encoded.Grow(encodedSize)
	for _, p := range parts {
		plain.WriteString(p.text)
		encoded.WriteString(p.quoted)
		switch p.then {
		case recipient:
			plain.WriteString(to)
			encoded.WriteString(quotedTo)
		case token:
			plain.WriteString(secret)
			encoded.WriteString(quotedSecret)
		}
	}
	return plain.String(), encoded.String()
}
