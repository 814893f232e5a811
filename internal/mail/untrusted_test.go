package mail_test

import (
	"cmp"
	"fmt"
	"maps"
	"mime"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// hostile are texts that people can choose, and what each becomes as a name and as a
// message; "" where it stays the same.
var hostile = map[string]struct{ text, name, message string }{
	"plain":                  {"Ada", "", ""},
	"quotes":                 {`Ada "Countess" Lovelace`, "", ""},
	"one quote":              {`Ada "`, "", ""},
	"backslash":              {`Ada \`, "", ""},
	"another mailbox":        {`Ada" <eve@evil.example>, "`, "", ""},
	"angle brackets":         {"Ada <eve@evil.example>", "", ""},
	"comma":                  {"Lovelace, Ada", "", ""},
	"an address":             {"ada@evil.example", "", ""},
	"a group":                {"Staff: eve@evil.example;", "", ""},
	"a comment":              {"Ada (eve@evil.example)", "", ""},
	"all signs beyond ASCII": {`Zoë, "Ada" <eve@evil.example>; (x) \ [y]: =_?`, "", ""},
	"half an encoded word":   {"=?utf-8?q?Eve", "", ""},
	"a folded encoded word":  {"=?utf-8?q?Eve?= =?utf-8?q?_Evil?=, x", "", ""},
	"script":                 {"<script>alert(1)</script>", "", ""},
	"end of the attribute":   {`"><img src=x onerror=alert(1)>`, "", ""},
	"end of the document":    {"</title></style></body></html>--><h1>", "", ""},
	"entities":               {"&lt;b&gt; &amp;amp; &#x202e;", "", ""},
	"template":               {"{{.Link}} %s %!s ${x}", "", ""},
	"header after CRLF":      {"Name\r\nBcc: x@y.example", "Name Bcc: x@y.example", ""},
	"header after LF":        {"Name\nBcc: x@y.example\n\nbody", "Name Bcc: x@y.example body", ""},
	"header after CR":        {"Name\rBcc: x@y.example", "Name Bcc: x@y.example", ""},
	"header after U+2028":    {"Name\u2028Bcc: x@y.example", "Name Bcc: x@y.example", ""},
	"all line breaks":        {"a\rb\vc\fd\u0085e\u2028f\u2029g\r\nh\ni", "a b c d e f g h i", ""},
	"end of the mail":        {"Name\r\n.\r\nMAIL FROM:<x@y.example>", "Name . MAIL FROM:<x@y.example>", ""},
	"only a dot":             {".", "", ""},
	"boundary":               {"--\r\n\r\n--=_", "-- --=_", ""},
	"encoded word":           {"=?utf-8?q?Eve=0D=0ABcc:_x@y.example?=", "", ""},
	"long encoded word":      {strings.Repeat("=?utf-8?b?RXZl?= ", 11) + "x", "", ""},
	"encoded word and more":  {"Zoë =?utf-8?q?Eve?=", "", ""},
	"another link":           {"https://evil.example/app/invitation#x", "", ""},
	"the gateway's words":    {"Hi\n\nReview invitation:\nhttps://evil.example/app/invitation#x\n", "Hi Review invitation: https://evil.example/app/invitation#x", ""},
	"Chinese":                {strings.Repeat("漢", 200), "", ""},
	"beyond the first plane": {strings.Repeat("👩🏽‍🚀", 50), "", ""},
	"long, without a space":  {strings.Repeat("a", 200), "", ""},
	"long, with spaces":      {strings.Repeat("abcdefg ", 24) + "z", "", ""},
	"combining":              {"Zo\u0308e" + strings.Repeat("\u0301", 60), "", ""},
	"Hebrew":                 {"שָׂרָה כהן", "", ""},
	"Arabic":                 {"مريم الأسطرلابي", "", ""},
	"turned around":          {"Ada \u202egpj.\u202c \u2067x\u2069\u200e", "Ada gpj. x", "Ada gpj. x\u200e"},
	"zero width":             {"A\u200bd\u2060a \ufeffLove\u00adlace", "Ada Lovelace", "Ada Lovelace"},
	"joiners":                {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f680", "", ""},
	"spaces":                 {"  Ada \t  Lovelace\u00a0", "Ada Lovelace", ""},
	"placeholders":           {"{address} {person}{until} {asks} {to}", "", ""},
	"equals signs":           {strings.Repeat("=3D= ", 30) + "=", "", ""},
}

// mailWithText is a mail in which a person chose each text.
type mailWithText struct {
	title   string
	message func(text string) mail.Message
	writes  bool     // whether a person writes: in Reply-To and in a quote
	says    []string // beside the names of places; NAME and TEXT are replaced
}

func mailsWithText(t *testing.T) []mailWithText {
	invite := func(text string) mail.Invitation {
		i := invitation(t)
		i.From.Name, i.Organization, i.Space, i.Instance, i.Message = text, text, text, text, text
		return i
	}
	mails := []mailWithText{{
		title:   "an invitation",
		message: func(text string) mail.Message { return compose(t, invite(text)) },
		writes:  true,
		says:    []string{"NAME (ada@uni.example) invites you", "Review invitation", link, "for zoe@new.example", "until 1 March 2026, 10:30 UTC", "If you do not know NAME,"},
	}, {
		title: "an invitation at a request",
		message: func(text string) mail.Message {
			i := invite(text)
			i.Requester = mail.Mailbox{Name: text, Email: vic.Email}
			return compose(t, i)
		},
		writes: true,
		says:   []string{"NAME (ada@uni.example) invites you to DataHub, at the request of NAME (vic@uni.example)."},
	}}
	for _, kind := range kinds {
		for _, event := range events {
			m := mailWithText{
				title: fmt.Sprintf("a notice of kind %d, event %d", kind, event),
				message: func(text string) mail.Message {
					n := notice(t, kind, event)
					n.Requester.Name, n.Answerer.Name, n.Organization, n.Space, n.Instance, n.Message = text, text, text, text, text, text
					if kind == mail.InvitationsRequest {
						n.Emails = []string{"kim@new.example", text}
					}
					return compose(t, n)
				},
				writes: event != mail.RequestExpired,
			}
			if m.writes {
				m.says = append(m.says, "NAME (")
			}
			if kind == mail.InvitationsRequest {
				m.says = append(m.says, "kim@new.example, NAME")
			}
			if kind == mail.RestoreRequest && event == mail.RequestMade {
				m.says = append(m.says, "to restore NAME.")
			}
			if kind == mail.SpaceRestoreRequest && event == mail.RequestMade {
				m.says = append(m.says, "to restore the space NAME.")
			}
			if kind == mail.FacultyRequest && event == mail.RequestMade {
				m.says = append(m.says, "to become a faculty member of NAME.")
			}
			mails = append(mails, m)
		}
	}
	return mails
}

// Hostile names and messages change only these texts of a mail. It goes to its
// recipient alone.
func TestHostileTextsChangeNothingElse(t *testing.T) {
	t.Parallel()
	for _, kind := range mailsWithText(t) {
		t.Run(kind.title, func(t *testing.T) {
			t.Parallel()
			titles := slices.Sorted(maps.Keys(hostile))
			messages := []mail.Message{kind.message("Ada")}
			for _, title := range titles {
				messages = append(messages, kind.message(hostile[title].text))
			}
			sent := send(t, messages...)
			for i, title := range titles {
				c := hostile[title]
				c.name, c.message = cmp.Or(c.name, c.text), cmp.Or(c.message, c.text)
				t.Run(title, func(t *testing.T) {
					checkHeaders(t, kind, sent[0], sent[i+1], c.name)
					checkTexts(t, kind, sent[0], sent[i+1], c.name, c.message)
					hasNoOtherLink(t, messages[i+1])
				})
			}
		})
	}
}

func checkHeaders(t *testing.T, kind mailWithText, plain, m sentMail, name string) {
	t.Helper()
	if !slices.Equal(m.recipients, []string{"zoe@new.example"}) {
		t.Errorf("it went to %v", m.recipients)
	}
	want := []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Reply-To", "Subject", "To"}
	mailboxes := map[string]*netmail.Address{"From": {Name: "DataHub", Address: "no-reply@datahub.example"}, "To": {Address: "zoe@new.example"}}
	if kind.writes {
		mailboxes["Reply-To"] = &netmail.Address{Name: name, Address: plain.replyTo(t).Address}
	} else {
		want = slices.DeleteFunc(want, func(name string) bool { return name == "Reply-To" })
	}
	if got := slices.Sorted(maps.Keys(m.header)); !slices.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
	for name, values := range m.header {
		if len(values) != 1 {
			t.Errorf("%s: %q", name, values)
		}
	}
	for header, want := range mailboxes {
		got, err := m.header.AddressList(header)
		if err != nil {
			t.Errorf("%s: %v", header, err)
		}
		if diff := gocmp.Diff([]*netmail.Address{want}, got); diff != "" {
			t.Errorf("%s: %s", header, diff)
		}
	}
	if got, want := m.subject(t), strings.ReplaceAll(plain.subject(t), "Ada", name); got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if got, want := m.header.Get("Message-Id"), plain.header.Get("Message-Id"); got != want {
		t.Errorf("Message-ID %q, want %q", got, want)
	}
	// RFC 5322 section 2.1.1.
	for line := range strings.Lines(m.raw) {
		if line = strings.TrimSuffix(line, "\r\n"); len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("an invalid line: %q", line)
		}
	}
}

func checkTexts(t *testing.T, kind mailWithText, plain, m sentMail, name, message string) {
	t.Helper()
	if diff := gocmp.Diff(skeleton(t, plain.html), skeleton(t, m.html)); diff != "" {
		t.Errorf("the HTML has other elements: %s", diff)
	}
	// The gateway's own lines are as many as always.
	if got, want := ownLines(m.text), ownLines(plain.text); len(got) != len(want) || slices.Index(got, link) != slices.Index(want, link) {
		t.Errorf("the text part:\n%s", m.text)
	}
	says := append([]string{"NAME, NAME"}, kind.says...)
	if kind.writes {
		says = append(says, "NAME writes:", "TEXT")
	}
	for part, got := range map[string]string{"text": strings.ReplaceAll(m.text, "\n> ", "\n"), "HTML": visible(t, m.html)} {
		got = squeeze(got)
		for _, s := range says {
			if s = squeeze(strings.NewReplacer("NAME", name, "TEXT", message).Replace(s)); !strings.Contains(got, s) {
				t.Errorf("the %s part does not say %q:\n%s", part, s, got)
			}
		}
	}
}

func TestNothingThatPeopleWriteBecomesALink(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://evil.example/x", "http://evil.example", "www.evil.example", "evil.example", "evil.example/path?x=y",
		"mailto:eve@evil.example", "eve@evil.example", "tel:+123", "HTTPS://EVIL.EXAMPLE", "see (https://evil.example).", "ftp://evil",
		"bücher.example", "file:///etc/passwd",
	} {
		i := invitation(t)
		i.Message, i.Space = text, text
		m := compose(t, i)
		for part, got := range map[string]string{"text": m.Text, "HTML": visible(t, m.HTML)} {
			if !strings.Contains(got, text) {
				t.Errorf("the %s part does not say %q", part, text)
			}
		}
		hasNoOtherLink(t, m)
	}
	for _, text := range []string{"See you at 10:30, room 3.14: bring A&B (e.g. pencils).", "1.5 h", "a:b", "…"} {
		i := invitation(t)
		i.Message = text
		if m := compose(t, i); !strings.Contains(m.Text, text) {
			t.Errorf("%q, which is no link, became\n%s", text, m.Text)
		}
	}
}

// autolink finds what mail programs turn into links.
var autolink = regexp.MustCompile(`(?i)(?:[a-z]+:/*|\bmailto:|\btel:)?[^\s()<>,]*(?:[\pL\pN-]\.\pL{2,}|:/[^\s]|@[\pL\pN])[^\s()<>,]*`)

// hasNoOtherLink checks that the button's link is the only one of the HTML part. The
// addresses of people may become links, too.
func hasNoOtherLink(t testing.TB, m mail.Message) {
	t.Helper()
	want := []string{link}
	if strings.Contains(m.Text, "\n"+refuseLink) { // an invitation
		want = append(want, refuseLink)
	}
	if got := hrefs(t, m.HTML); !slices.Equal(got, want) {
		t.Errorf("links %q", got)
	}
	allowed := []string{link, ada.Email, vic.Email, "zoe@new.example"}
	for n := range htmlNodes(t, m.HTML) {
		if n.Type != html.TextNode || n.Parent.Data == "title" {
			continue
		}
		for _, l := range autolink.FindAllString(n.Data, -1) {
			if !slices.Contains(allowed, strings.TrimSuffix(l, ".")) {
				t.Errorf("a mail program makes a link of %q", l)
			}
		}
	}
}

// A name in another direction does not change the direction of what stands beside it.
func TestWhatPeopleWriteHasADirectionOfItsOwn(t *testing.T) {
	t.Parallel()
	names := []string{"مريم", "שרה", "اقتصاد", "جامعة", "مجموعة"}
	i := invitation(t)
	i.From = mail.Mailbox{Name: names[0], Email: "مريم@uni.example"}
	i.Requester = mail.Mailbox{Name: names[1], Email: "שרה@uni.example"}
	i.To = parse(t, "عادل@new.example")
	i.Space, i.Organization, i.Instance, i.Message = names[2], names[3], names[4], "مرحبا\nHello"
	n := notice(t, mail.InvitationsRequest, mail.RequestMade)
	n.Emails = []string{"عادل@new.example", "kim@new.example"}
	for _, m := range []mail.Message{compose(t, i), compose(t, n)} {
		for node := range htmlNodes(t, m.HTML) {
			if node.Type != html.TextNode || node.Parent.Data == "title" || !strings.ContainsFunc(node.Data, func(r rune) bool { return unicode.In(r, unicode.Arabic, unicode.Hebrew) }) {
				continue
			}
			dir := "auto"
			if strings.Contains(node.Data, "@uni.") || node.Data == i.To.String() {
				dir = "ltr" // an address
			}
			own := slices.Contains(node.Parent.Attr, html.Attribute{Key: "dir", Val: dir})
			if whole := node.Data == i.Message || !strings.ContainsAny(node.Data, " ,("); !own || !whole {
				t.Errorf("%q is in %v", node.Data, node.Parent)
			}
		}
		if strings.ContainsAny(m.HTML+m.Text, "\u200e\u200f\u2066\u2067\u2068\u2069") {
			t.Error("there are marks of direction in what people copy")
		}
	}
	if m := compose(t, i); !strings.Contains(m.HTML, "unicode-bidi:plaintext") || !strings.Contains(m.Text, names[2]+", "+names[3]) {
		t.Errorf("%s\n%s", m.HTML, m.Text)
	}
}

// squeeze replaces each white space by one blank, as HTML does.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// lineBreak finds what a mail program may show as the end of a line.
var lineBreak = regexp.MustCompile(`\r\n|[\n\v\f\r\x{85}\x{2028}\x{2029}]`)

// ownLines returns the lines of a text part that quote nobody.
func ownLines(text string) []string {
	return slices.DeleteFunc(lineBreak.Split(text, -1), func(line string) bool { return strings.HasPrefix(line, ">") })
}

// skeleton returns a document without its texts, and the places in them where lines
// may break.
func skeleton(t testing.TB, document string) (tags []string) {
	t.Helper()
	for n := range htmlNodes(t, document) {
		if n.Type == html.ElementNode && n.Data == "wbr" {
			continue
		}
		if n.Type == html.ElementNode {
			tag := n.Data
			for _, a := range n.Attr {
				tag += " " + a.Key + "=" + a.Val
			}
			tags = append(tags, tag)
		} else if n.Type != html.TextNode {
			tags = append(tags, "", n.Data)
		}
	}
	return tags
}

// visible returns the text of a document as it is copied: each paragraph, cell or line
// on a line of its own.
func visible(t testing.TB, document string) string {
	t.Helper()
	var text strings.Builder
	for n := range htmlNodes(t, document) {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "title":
			text.WriteString(strings.ReplaceAll(n.Data, "\n\n", "\n"))
		case n.Type == html.ElementNode && !slices.Contains([]string{"span", "wbr", "a"}, n.Data):
			text.WriteString("\n")
		}
	}
	return text.String() + "\n"
}

func hrefs(t testing.TB, document string) (links []string) {
	t.Helper()
	for n := range htmlNodes(t, document) {
		for _, a := range n.Attr {
			if a.Key == "href" {
				links = append(links, a.Val)
			}
		}
	}
	return links
}

func htmlNodes(t testing.TB, document string) func(func(*html.Node) bool) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return root.Descendants()
}

func (m sentMail) subject(t *testing.T) string {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

func (m sentMail) replyTo(t *testing.T) *netmail.Address {
	t.Helper()
	list, err := m.header.AddressList("Reply-To")
	if err != nil || len(list) != 1 {
		t.Fatalf("Reply-To %v, %v", list, err)
	}
	return list[0]
}
