package mail_test

import (
	"bytes"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

const link = "https://datahub.example/base/app/invitation#Zm9v-YmFy_YmF6-cXV4_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ"

// invitation is one in which every text that people choose is the same.
func invitation(t testing.TB, text string) mail.Invitation {
	return mail.Invitation{
		ID:           "01a20794-0000-7000-8000-000000000001",
		To:           parse(t, "zoe@new.example"),
		From:         mail.Mailbox{Name: text, Email: "ada@uni.example"},
		Organization: text,
		Space:        text,
		Instance:     text,
		Role:         tenant.InstanceViewer,
		Message:      text,
		Link:         link,
		ExpiresAt:    time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("NZDT", 13*60*60)),
	}
}

// hostile are texts that people choose, and what becomes of one as a name; ""
// where it stays as it is.
var hostile = map[string]struct{ text, name string }{
	"plain":                  {"Ada", ""},
	"quotes":                 {`Ada "Countess" Lovelace`, ""},
	"one quote":              {`Ada "`, ""},
	"backslash":              {`Ada \`, ""},
	"another mailbox":        {`Ada" <eve@evil.example>, "`, ""},
	"angle brackets":         {"Ada <eve@evil.example>", ""},
	"comma":                  {"Lovelace, Ada", ""},
	"script":                 {"<script>alert(1)</script>", ""},
	"end of the attribute":   {`"><img src=x onerror=alert(1)>`, ""},
	"end of the document":    {"</title></style></body></html>--><h1>", ""},
	"entities":               {"&lt;b&gt; &amp;amp; &#x202e;", ""},
	"template":               {"{{.Link}} %s %!s ${x}", ""},
	"header after CRLF":      {"Name\r\nBcc: x@y.example", "Name Bcc: x@y.example"},
	"header after LF":        {"Name\nBcc: x@y.example\n\nbody", "Name Bcc: x@y.example body"},
	"header after CR":        {"Name\rBcc: x@y.example", "Name Bcc: x@y.example"},
	"header after U+2028":    {"Name\u2028Bcc: x@y.example", "Name Bcc: x@y.example"},
	"end of the mail":        {"Name\r\n.\r\nMAIL FROM:<x@y.example>", "Name . MAIL FROM:<x@y.example>"},
	"only a dot":             {".", ""},
	"boundary":               {"--\r\n\r\n--=_", "-- --=_"},
	"encoded word":           {"=?utf-8?q?Eve=0D=0ABcc:_x@y.example?=", ""},
	"long encoded word":      {strings.Repeat("=?utf-8?b?RXZl?= ", 11) + "x", ""},
	"encoded word and more":  {"Zoë =?utf-8?q?Eve?=", ""},
	"link of one's own":      {"https://evil.example/app/invitation#x", ""},
	"the gateway's words":    {"Hi\n\nReview invitation:\nhttps://evil.example/app/invitation#x\n", "Hi Review invitation: https://evil.example/app/invitation#x"},
	"Chinese":                {strings.Repeat("漢", 200), ""},
	"beyond the first plane": {strings.Repeat("👩🏽‍🚀", 50), ""},
	"long, without a space":  {strings.Repeat("a", 200), ""},
	"long, with spaces":      {strings.Repeat("abcdefg ", 24) + "z", ""},
	"combining":              {"Zo\u0308e" + strings.Repeat("\u0301", 60), ""},
	"Hebrew":                 {"שָׂרָה כהן", ""},
	"Arabic":                 {"مريم الأسطرلابي", ""},
	"turned around":          {"Ada \u202egpj.\u202c \u2067x\u2069", "Ada gpj. x"},
	"spaces":                 {"  Ada \t  Lovelace\u00a0", "Ada Lovelace"},
	"blanks":                 {"{address} {person}{until} {asks} {to}", ""},
	"equals signs":           {strings.Repeat("=3D= ", 30) + "=", ""},
}

// Names reach the mail from people and identity providers. Whatever they are,
// the mail is the same but for them, and goes to the invited person alone.
func TestHostileNamesAndMessages(t *testing.T) {
	plain := sent(t, invitation(t, "Ada"))
	for what, c := range hostile {
		t.Run(what, func(t *testing.T) {
			if c.name == "" {
				c.name = c.text
			}
			i := invitation(t, c.text)
			m := sent(t, i)

			if got := slices.Sorted(maps.Keys(m.header)); !slices.Equal(got, []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date",
				"From", "Message-Id", "Mime-Version", "Reply-To", "Subject", "To"}) {
				t.Errorf("headers %v", got)
			}
			for name, values := range m.header {
				if len(values) != 1 {
					t.Errorf("%s: %q", name, values)
				}
			}
			if !slices.Equal(m.recipients, []string{"zoe@new.example"}) {
				t.Errorf("it went to %v", m.recipients)
			}
			for name, want := range map[string]*netmail.Address{
				"From":     {Name: "DataHub", Address: "no-reply@datahub.example"},
				"To":       {Address: "zoe@new.example"},
				"Reply-To": {Name: c.name, Address: "ada@uni.example"},
			} {
				got, err := m.header.AddressList(name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if diff := cmp.Diff([]*netmail.Address{want}, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
			if want := "DataHub " + c.name + " has sent you an invitation"; err != nil || subject != want {
				t.Errorf("subject %q, %v, want %q", subject, err, want)
			}
			if got := m.header.Get("Message-Id"); got != "<01a20794-0000-7000-8000-000000000001@datahub.example>" {
				t.Errorf("Message-ID %q", got)
			}
			for line := range strings.Lines(m.raw) {
				if line = strings.TrimSuffix(line, "\r\n"); len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
					t.Errorf("this line is none of RFC 5322's: %q", line)
				}
			}

			if diff := cmp.Diff(skeleton(t, plain.html), skeleton(t, m.html)); diff != "" {
				t.Errorf("the HTML is made of something else: %s", diff)
			}
			words := visible(t, m.html)
			for part, text := range map[string]string{"text": strings.ReplaceAll(m.text, "\n> ", "\n"), "HTML": words} {
				text = strings.ReplaceAll(text, "\u200b", "")
				for _, said := range []string{c.name + " (ada@uni.example) invites you", "Instance", "Space", "Role", "viewer", c.name + ", " + c.name,
					c.name + " writes:", c.text, "Review invitation", link, "for zoe@new.example", "until 1 March 2026, 10:30 UTC", "If you do not know " + c.name + ","} {
					if !strings.Contains(squeeze(text), squeeze(said)) {
						t.Errorf("the %s part does not say %q:\n%s", part, said, text)
					}
				}
			}
			// Of the gateway's own lines the person of the name makes none.
			got, want := ownLines(m.text), ownLines(plain.text)
			if at := slices.Index(got, link); len(got) != len(want) || at < 1 || got[at-1] != "Review invitation:" {
				t.Errorf("the text part:\n%s", m.text)
			}
			if got := hrefs(t, m.html); !slices.Equal(got, []string{link}) {
				t.Errorf("links %q", got)
			}
			for part, text := range map[string]string{"text": m.text, "HTML": words} {
				if got := linked(text); len(got) > 0 {
					t.Errorf("a mail program makes links of the %s part: %q", part, got)
				}
			}
		})
	}
}

// autolink finds what mail programs make links of.
var autolink = regexp.MustCompile(`(?i)(?:[a-z]+:/*|\bmailto:|\btel:)?[^\s\x{200b}()<>,]*(?:[\pL\pN-]\.\pL{2,}|:/[^\s\x{200b}]|@[\pL\pN])[^\s\x{200b}()<>,]*`)

// linked are the links that a mail program sees in a text, beside the
// gateway's own.
func linked(text string) []string {
	return slices.DeleteFunc(autolink.FindAllString(text, -1), func(l string) bool {
		return l == link || l == "ada@uni.example" || l == "vic@uni.example" || l == "zoe@new.example"
	})
}

func TestNothingThatPeopleWroteBecomesALink(t *testing.T) {
	for _, text := range []string{
		"https://evil.example/x", "http://evil.example", "www.evil.example", "evil.example", "evil.example/path?x=y",
		"mailto:eve@evil.example", "eve@evil.example", "tel:+123", "HTTPS://EVIL.EXAMPLE", "see (https://evil.example).", "ftp://evil",
		"bücher.example", "file:///etc/passwd",
	} {
		i := invitation(t, "Ada")
		i.Message, i.Space = text, text
		m := sent(t, i)
		for part, got := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
			if !strings.Contains(strings.ReplaceAll(got, "\u200b", ""), text) {
				t.Errorf("the %s part does not say %q", part, text)
			}
			if l := linked(got); len(l) > 0 {
				t.Errorf("the %s part has the links %q", part, l)
			}
		}
	}
	// What is no link is left as it is.
	for _, text := range []string{"See you at 10:30, room 3.14: bring A&B (e.g. pencils).", "1.5 h", "a:b", "…"} {
		i := invitation(t, "Ada")
		i.Message = text
		if m := sent(t, i); !strings.Contains(m.text, text) {
			t.Errorf("%q became\n%s", text, m.text)
		}
	}
}

func TestTheRecipientsLanguage(t *testing.T) {
	for locale, want := range map[string]struct{ language, subject, button, said string }{
		"":        {"en", "DataHub Ada has sent you an invitation", "Review invitation", "until 1 March 2026, 10:30 UTC"},
		"en-GB":   {"en", "DataHub Ada has sent you an invitation", "Review invitation", "viewer"},
		"de":      {"de", "DataHub Ada hat Ihnen eine Einladung geschickt", "Einladung ansehen", "bis zum 1. März 2026, 10:30 UTC"},
		"de-CH":   {"de", "DataHub Ada hat Ihnen eine Einladung geschickt", "Einladung ansehen", "Ada schreibt:"},
		"fr_CA":   {"fr", "DataHub Ada vous a envoyé une invitation", "Voir l’invitation", "1er mars 2026 à 10:30 UTC"},
		"rm":      {"de", "DataHub Ada hat Ihnen eine Einladung geschickt", "Einladung ansehen", "Ada schreibt:"},
		"ja":      {"en", "DataHub Ada has sent you an invitation", "Review invitation", "Ada writes:"},
		"{{x}}\r": {"en", "DataHub Ada has sent you an invitation", "Review invitation", "Ada writes:"},
	} {
		i := invitation(t, "Ada")
		i.Locale = locale
		m := sent(t, i)
		subject, _ := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
		if subject != want.subject || m.header.Get("Content-Language") != want.language || !strings.Contains(m.html, `<html lang="`+want.language+`">`) {
			t.Errorf("%s: %s %q", locale, m.header.Get("Content-Language"), subject)
		}
		for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
			for _, said := range []string{want.button, want.said, link} {
				if !strings.Contains(text, said) {
					t.Errorf("%s: the %s part does not say %q:\n%s", locale, part, said, text)
				}
			}
			if strings.ContainsAny(text, "{}") {
				t.Errorf("%s: something is not filled in:\n%s", locale, text)
			}
		}
	}
}

func TestAnInvitationToAdministrateASpace(t *testing.T) {
	i := invitation(t, "Ada")
	i.Role, i.Instance = tenant.SpaceAdministrator, ""
	m := sent(t, i)
	for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
		if !strings.Contains(text, "administrator of the space") || strings.Contains(text, "Instance") {
			t.Errorf("the %s part:\n%s", part, text)
		}
	}
}

func TestAnInvitationWithoutAMessage(t *testing.T) {
	i := invitation(t, "Ada")
	i.Message, i.Role = "", tenant.InstanceEditor
	m := sent(t, i)
	for part, text := range map[string]string{"text": m.text, "HTML": m.html} {
		if strings.Contains(text, "writes") || strings.Contains(text, "blockquote") || !strings.Contains(text, "editor") || strings.Contains(text, "viewer") {
			t.Errorf("the %s part:\n%s", part, text)
		}
	}
}

func TestAnInvitationAtSomebodysRequest(t *testing.T) {
	for locale, want := range map[string]string{
		"en": "Ada (ada@uni.example) invites you to DataHub, at the request of Vic (vic@uni.example).",
		"de": "Ada (ada@uni.example) lädt Sie zu DataHub ein, auf Bitte von Vic (vic@uni.example).",
		"fr": "Ada (ada@uni.example) vous invite sur DataHub, à la demande de Vic (vic@uni.example).",
	} {
		i := invitation(t, "Ada")
		i.Locale, i.Requester = locale, mail.Mailbox{Name: "Vic", Email: "vic@uni.example"}
		m := sent(t, i)
		for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
			if !strings.Contains(text, want) || strings.ContainsAny(text, "{}") {
				t.Errorf("%s: the %s part:\n%s", locale, part, text)
			}
		}
		if to, err := m.header.AddressList("Reply-To"); err != nil || len(to) != 1 || to[0].Address != "ada@uni.example" {
			t.Errorf("%s: Reply-To %v, %v", locale, to, err)
		}
	}
	for what, c := range hostile {
		i := invitation(t, "Ada")
		i.Requester = mail.Mailbox{Name: c.text, Email: "vic@uni.example"}
		if c.name == "" {
			c.name = c.text
		}
		m := sent(t, i)
		if got := hrefs(t, m.html); !slices.Equal(got, []string{link}) {
			t.Errorf("%s: links %q", what, got)
		}
		for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
			if got := linked(text); len(got) > 0 {
				t.Errorf("%s: a mail program makes links of the %s part: %q", what, part, got)
			}
			if text, said := strings.ReplaceAll(text, "\u200b", ""), "at the request of "+c.name+" (vic@uni.example)."; !strings.Contains(squeeze(text), squeeze(said)) {
				t.Errorf("%s: the %s part does not say %q:\n%s", what, part, said, text)
			}
		}
	}
}

func TestAnInvitationToAnInternationalAddress(t *testing.T) {
	i := invitation(t, "Ada")
	i.To, i.From.Email = parse(t, "josé@bücher.example"), "zoë@bücher.example"
	m := sent(t, i)
	if !slices.Equal(m.recipients, []string{"josé@xn--bcher-kva.example"}) {
		t.Errorf("it went to %v", m.recipients)
	}
	for name, want := range map[string]string{"To": "josé@xn--bcher-kva.example", "Reply-To": "zoë@xn--bcher-kva.example"} {
		if got, err := m.header.AddressList(name); err != nil || len(got) != 1 || got[0].Address != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if !strings.Contains(m.text, "josé@bücher.example") || !strings.Contains(m.html, "josé@bücher.example") {
		t.Errorf("the mail does not name the address as people write it:\n%s", m.text)
	}
}

// readMail is a mail as it came over SMTP, taken apart.
type readMail struct {
	recipients []string
	raw        string
	header     netmail.Header
	text, html string
}

// sent is what an invitation's mail looks like to the mail server.
func sent(t testing.TB, i mail.Invitation) readMail {
	t.Helper()
	m, err := i.Compose()
	if err != nil {
		t.Fatal(err)
	}
	return send(t, m)
}

func send(t testing.TB, m mail.Message) readMail {
	t.Helper()
	s := newServer(t, script{})
	if errs := handOver(s.sender(t), t.Context(), []mail.Message{m}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	mails, _ := s.mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	msg, err := netmail.ReadMessage(strings.NewReader(mails[0].content))
	if err != nil {
		t.Fatal(err)
	}
	read := readMail{recipients: mails[0].to, raw: mails[0].content, header: msg.Header}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for _, p := range []struct {
		kind string
		text *string
	}{{"text/plain; charset=UTF-8", &read.text}, {"text/html; charset=UTF-8", &read.html}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got := part.Header.Get("Content-Type"); got != p.kind || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
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

// squeeze makes every white space one blank, as HTML does.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// lineEnds are whatever a mail program may show as the end of a line.
var lineEnds = regexp.MustCompile(`\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}]`)

// ownLines are the lines that quote nobody.
func ownLines(text string) []string {
	return slices.DeleteFunc(lineEnds.Split(text, -1), func(line string) bool { return strings.HasPrefix(line, ">") })
}

// skeleton is a document without its texts.
func skeleton(t testing.TB, document string) (tags []string) {
	t.Helper()
	walk(t, document, func(n *html.Node) {
		if n.Type == html.ElementNode {
			tag := n.Data
			for _, a := range n.Attr {
				tag += " " + a.Key + "=" + a.Val
			}
			tags = append(tags, tag)
		} else if n.Type != html.TextNode {
			tags = append(tags, "", n.Data)
		}
	})
	return tags
}

func visible(t testing.TB, document string) string {
	t.Helper()
	var text strings.Builder
	walk(t, document, func(n *html.Node) {
		if n.Type == html.TextNode && n.Parent.Data != "title" {
			text.WriteString(n.Data + "\n")
		}
	})
	return text.String()
}

func hrefs(t testing.TB, document string) (links []string) {
	t.Helper()
	walk(t, document, func(n *html.Node) {
		for _, a := range n.Attr {
			if a.Key == "href" {
				links = append(links, a.Val)
			}
		}
	})
	return links
}

func walk(t testing.TB, document string, visit func(*html.Node)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		visit(n)
	}
}
