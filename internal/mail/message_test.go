package mail_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// sentMail is a mail as the server received it.
type sentMail struct {
	recipients []string
	raw        string
	header     netmail.Header
	text, html string
}

// send sends messages through a mail server.
func send(t testing.TB, messages ...mail.Message) (sent []sentMail) {
	t.Helper()
	s := newServer(t, script{})
	for _, err := range sendAll(s.sender(t), t.Context(), messages) {
		if err != nil {
			t.Fatal(err)
		}
	}
	mails, _ := s.mails()
	if len(mails) != len(messages) {
		t.Fatalf("%d mails of %d messages", len(mails), len(messages))
	}
	for _, m := range mails {
		sent = append(sent, readSent(t, m))
	}
	return sent
}

// readSent takes a mail apart: one text part and one HTML part.
func readSent(t testing.TB, m received) sentMail {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.content))
	if err != nil {
		t.Fatal(err)
	}
	read := sentMail{recipients: m.to, raw: m.content, header: msg.Header}
	mediaType, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/alternative" {
		t.Fatalf("%s, %v", mediaType, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, p := range []struct {
		mediaType string
		text      *string
	}{{"text/plain; charset=UTF-8", &read.text}, {"text/html; charset=UTF-8", &read.html}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got := part.Header.Get("Content-Type"); got != p.mediaType || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("a part is %v", part.Header)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		*p.text = string(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("there are further parts: %v", err)
	}
	return read
}

func TestDomainsAreSentAsALabels(t *testing.T) {
	t.Parallel()
	i := invitation(t)
	i.To, i.From.Email = parse(t, "josé@bücher.example"), "zoë@bücher.example"
	m := send(t, compose(t, i))[0]
	if !slices.Equal(m.recipients, []string{"josé@xn--bcher-kva.example"}) {
		t.Errorf("it went to %v", m.recipients)
	}
	for name, want := range map[string]string{"To": "josé@xn--bcher-kva.example", "Reply-To": "zoë@xn--bcher-kva.example"} {
		if got, err := m.header.AddressList(name); err != nil || len(got) != 1 || got[0].Address != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if !strings.Contains(m.text, "josé@bücher.example") || !strings.Contains(m.html, "josé@bücher.example") {
		t.Errorf("the mail does not show the address as people write it:\n%s", m.text)
	}
}

// Many mail programs decode encoded words even within quotation marks.
func TestNamesThatLookEncodedAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	i := invitation(t)
	i.From.Name = "=?utf-8?q?Rector?= Ada"
	m := send(t, compose(t, i))[0]
	if got, err := m.header.AddressList("Reply-To"); err != nil || len(got) != 1 || *got[0] != (netmail.Address{Name: i.From.Name, Address: i.From.Email}) {
		t.Errorf("Reply-To: %v, %v", got, err)
	}
	if header, _, _ := strings.Cut(m.raw, "\r\n\r\n"); strings.Contains(header, "Rector") {
		t.Errorf("a mail program would decode the name:\n%s", header)
	}
}
