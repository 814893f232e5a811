package mailbox

import (
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/mail"
)

// maxNesting is how deep the parts of a mail may be nested. The gateway's own mails
// have one level.
const maxNesting = 10

// Mail is a mail as its reader sees it.
type Mail struct {
	To        string `json:"to"`
	Subject   string `json:"subject"`
	Text      string `json:"text"`
	HTML      string `json:"html"`
	MessageID string `json:"messageId"` // with its angle brackets
	Link      string `json:"link"`      // where the button leads; "" where there is none
	Date      string `json:"-"`         // as in the header
}

// linkLine finds the link of the button, which is a line of its own in the text.
// Quoted lines, which a person wrote, begin with "> ".
var linkLine = regexp.MustCompile(`(?m)^https?://\S+/app/\S*$`)

// parse reads a mail (RFC 5322, MIME). It leaves out parts that are not text.
func parse(r io.Reader) (Mail, error) {
	entity, err := message.Read(r)
	if isBroken(err) {
		return Mail{}, err
	}
	header := mail.Header{Header: entity.Header}
	m := Mail{MessageID: header.Get("Message-Id"), Date: header.Get("Date")}
	if m.Subject, err = header.Subject(); err != nil {
		return Mail{}, err
	}
	to, err := header.AddressList("To")
	if err != nil {
		return Mail{}, err
	}
	if len(to) == 0 {
		return Mail{}, errors.New("it has no recipient")
	}
	m.To = to[0].Address
	if err := entity.Walk(m.readPart); err != nil {
		return Mail{}, err
	}
	m.Link = linkLine.FindString(m.Text)
	return m, nil
}

// readPart reads a part, and the whole mail where it has no parts.
func (m *Mail) readPart(path []int, part *message.Entity, err error) error {
	if isBroken(err) {
		return err
	}
	if len(path) > maxNesting {
		return errors.New("its parts are nested too deeply")
	}
	mediaType, _, err := part.Header.ContentType()
	if err != nil {
		return err
	}
	var text *string
	switch mediaType {
	case "text/plain":
		text = &m.Text
	case "text/html":
		text = &m.HTML
	default:
		return nil
	}
	content, err := io.ReadAll(part.Body)
	*text = strings.ReplaceAll(string(content), "\r\n", "\n")
	return err
}

// isBroken reports whether an error leaves nothing to show. Text in an unknown
// charset or encoding is shown as it is.
func isBroken(err error) bool {
	return err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err)
}
