package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// Message is a mail to one person.
type Message struct {
	ID       string // the local part of the Message-ID; the same in every attempt
	To       address.Address
	ReplyTo  Mailbox // zero: nobody reads replies
	Subject  string
	Text     string
	HTML     string
	Language string // BCP 47

	Attempt int // 0 or 1: the first one
	// Submitted, unless nil, records that the server has the message and perhaps
	// accepts it, although the gateway does not learn that. It is called before the
	// message is given in a repeated attempt, and in the first one where the server does
	// not answer at once.
	Submitted func(context.Context) error
}

func (m Message) submitted(ctx context.Context) error {
	if m.Submitted == nil {
		return nil
	}
	return m.Submitted(ctx)
}

// Mailbox is the name and the address of a person or a service. The address is "" where
// the person cannot be written to.
type Mailbox struct{ Name, Email string }

// header returns the mailbox as a header has it, with the name quoted or encoded
// where necessary.
func (m Mailbox) header() string {
	return (&netmail.Address{Name: m.Name, Address: m.Email}).String()
}

// encoded is a message as SMTP sends it.
type encoded struct {
	from, to string // of the envelope
	content  []byte
	utf8     bool // it needs SMTPUTF8 (RFC 6531): there are addresses beyond ASCII
	eightBit bool // it needs 8BITMIME (RFC 6152)
}

// encode returns a message as SMTP sends it. Without SMTPUTF8, replies to an address
// that needs it are not asked for: the mail itself says the address. encode fails if
// an address cannot be written in a header.
func (s *Sender) encode(m Message, utf8 bool) (e encoded, err error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	err = errors.Join(
		setMailbox(msg, mail.HeaderFrom, s.from),
		msg.To(m.To.Envelope()),
	)
	if replyTo := m.ReplyTo; replyTo != (Mailbox{}) {
		if a, problem := address.Parse(replyTo.Email); problem == nil {
			replyTo.Email = a.Envelope() // every server accepts a domain in A-labels
		}
		if isASCII(replyTo.Email) || utf8 {
			err = errors.Join(err, setMailbox(msg, mail.HeaderReplyTo, replyTo))
		}
	}
	if err != nil {
		return e, err
	}
	msg.Subject(encodeLiterally(m.Subject))
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetDate()
	// No out-of-office replies (RFC 3834 section 5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderContentLang, m.Language)
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return e, err
	}
	e = encoded{from: s.from.Email, to: m.To.Envelope(), content: content.Bytes()}
	e.eightBit = !isASCII(content.String())
	e.utf8 = e.eightBit || !isASCII(e.from) || !isASCII(e.to) // the texts are encoded in ASCII
	return e, nil
}

// setMailbox writes a mailbox into a header.
func setMailbox(msg *mail.Msg, header mail.AddrHeader, m Mailbox) error {
	if !looksEncoded(m.Name) {
		return msg.SetAddrHeader(header, m.header())
	}
	email := Mailbox{Email: m.Email}.header()
	if !isASCII(email) { // go-mail would encode the address with the name
		return msg.SetAddrHeader(header, email)
	}
	msg.SetGenHeader(mail.Header(header), encodeLiterally(m.Name)+" "+email)
	return nil
}

// looksEncoded reports whether readers would take a part of the text for an encoded
// word (RFC 2047), although it is none. Many do even where quotation marks are around
// it. Text beyond ASCII is encoded anyway.
func looksEncoded(text string) bool {
	return strings.Contains(text, "=?") && mime.QEncoding.Encode("utf-8", text) == text
}

// encodeLiterally encodes text that looks encoded, so that readers show it as it is.
// Other text is encoded by go-mail where necessary.
func encodeLiterally(text string) string {
	if !looksEncoded(text) {
		return text
	}
	// An encoded word has at most 75 characters (RFC 2047 section 2). The text is
	// ASCII, or QEncoding would have changed it.
	const maxChunk = 45
	var words []string
	for chunk := range slices.Chunk([]byte(text), maxChunk) {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString(chunk)+"?=")
	}
	return strings.Join(words, " ")
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}
