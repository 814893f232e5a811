package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
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

	// Text and HTML as quoted-printable, from a Composer; "": not encoded yet.
	quotedText, quotedHTML string

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

// headerSize is more than most messages need beside their texts.
const headerSize = 1500

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
	boundary := rand.Text() // nobody can know it, so that it is not in the parts
	msg.SetGenHeader(mail.HeaderContentType, "multipart/alternative; boundary="+boundary)
	var content bytes.Buffer
	content.Grow(headerSize + len(m.Text) + len(m.HTML) + (len(m.Text)+len(m.HTML))/8)
	if _, err := msg.WriteTo(&content); err != nil {
		return e, err
	}
	for _, p := range []struct{ mediaType, quoted, text string }{{"plain", m.quotedText, m.Text}, {"html", m.quotedHTML, m.HTML}} {
		content.WriteString("\r\n--" + boundary + "\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/" + p.mediaType + "; charset=UTF-8\r\n\r\n")
		if p.quoted == "" {
			p.quoted = quotedPrintable(p.text)
		}
		content.WriteString(p.quoted)
	}
	content.WriteString("\r\n--" + boundary + "--\r\n")
	e = encoded{from: s.from.Email, to: m.To.Envelope(), content: content.Bytes()}
	e.eightBit = !isASCII(content.Bytes())
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

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}

// softBreak ends a line of quoted-printable that is none of the text (RFC 2045 section
// 6.7).
const softBreak = "=\r\n"

// quotedPrintable encodes a text whose lines end with \n.
func quotedPrintable(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, text) // a Builder takes everything
	_ = w.Close()
	return b.String()
}
