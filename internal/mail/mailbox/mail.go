package mailbox

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
)

// Mail is a mail as its reader sees it.
type Mail struct {
	To        string `json:"to"`
	Subject   string `json:"subject"`
	Text      string `json:"text"`
	HTML      string `json:"html"`
	MessageID string `json:"messageId"` // with its angle brackets
	Link      string `json:"link"`      // what the mail's button opens; empty where it has none
	Date      string `json:"-"`
}

// link finds the invitation's address, which stands on a line of its own.
var link = regexp.MustCompile(`(?m)^https?://\S+/app/\S+$`)

func parse(r io.Reader) (Mail, error) {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return Mail{}, err
	}
	var decoder mime.WordDecoder
	m := Mail{MessageID: msg.Header.Get("Message-Id"), Date: msg.Header.Get("Date")}
	if m.Subject, err = decoder.DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return Mail{}, err
	}
	if m.To, err = recipient(msg.Header); err != nil {
		return Mail{}, err
	}
	if err := m.read(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body); err != nil {
		return Mail{}, err
	}
	m.Link = strings.TrimSpace(link.FindString(m.Text))
	return m, nil
}

func recipient(h mail.Header) (string, error) {
	to, err := h.AddressList("To")
	if err != nil {
		return "", err
	}
	return to[0].Address, nil
}

func (m *Mail) read(contentType, encoding string, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.read(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
				return err
			}
		}
	}
	content, err := io.ReadAll(decode(encoding, body))
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	switch mediaType {
	case "text/plain":
		m.Text = text
	case "text/html":
		m.HTML = text
	default:
		return fmt.Errorf("a part of type %s", mediaType)
	}
	return nil
}

func decode(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	}
	return body
}
