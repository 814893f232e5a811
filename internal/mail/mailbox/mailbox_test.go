package mailbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ignoreDate = cmpopts.IgnoreFields(mailbox.Mail{}, "Date")

// The links have all lengths, so that the lines of quoted-printable end at every
// place of one.
func TestMailIsReadAsItWasSent(t *testing.T) {
	t.Parallel()
	const path = "https://datahub.example/base/app/invitation#"
	box := open(t, t.TempDir())
	var messages []mail.Message
	var want []mailbox.Mail
	for i := range 160 {
		link := path + strings.Repeat("A-_9", 40)[:i+1]
		m := message(t, "zoe@new.example", fmt.Sprint(i))
		m.Text, m.HTML = "Review invitation:\n"+link+"\n", `<a href="`+link+`">Review invitation</a>`
		messages = append(messages, m)
		want = append(want, mailbox.Mail{To: "zoe@new.example", Subject: m.Subject, Text: m.Text, HTML: m.HTML, MessageID: "<" + m.ID + "@datahub.example>", Link: link})
	}
	post(t, box, messages...)
	slices.Reverse(want)
	if diff := cmp.Diff(want, read(t, box), ignoreDate); diff != "" {
		t.Error(diff)
	}
}

func TestMailsWithUnusualContent(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir())
	var want []mailbox.Mail
	for what, c := range map[string]struct{ to, subject, text string }{
		"plain":             {"zoe@new.example", "Hello", "Hello"},
		"UTF-8":             {"josé@bücher.example", "DataHub Zoë 漢字 👩🏽‍🚀 has sent you an invitation", "Zoë 漢字 👩🏽‍🚀\nשָׂרָה"},
		"a long subject":    {"zoe@new.example", "DataHub " + strings.Repeat("漢", 200) + " has sent you an invitation", ""},
		"long lines":        {"zoe@new.example", "Long", strings.Repeat("word ", 2000) + "\n" + strings.Repeat("w", 5000)},
		"equals signs":      {"zoe@new.example", "= =3D =", "a=3D=\n=20\n= \n==\n="},
		"spaces at the end": {"zoe@new.example", "Space", "one \ntwo\t\n \n"},
		"dots":              {"zoe@new.example", ".", ".\n..\n.\n\n.x"},
		"boundaries":        {"zoe@new.example", "--", "--\n--x\n--x--"},
		"headers":           {"zoe@new.example", "Subject: x", "From: x\n\nTo: x"},
		"no text":           {"zoe@new.example", "Nothing", ""},
		"no invitation":     {"zoe@new.example", "Link", "https://datahub.example/other\nsee https://datahub.example/app/x\n"},
	} {
		m := message(t, c.to, what)
		m.Subject, m.Text, m.HTML = c.subject, c.text, "<p>"+c.text+"</p>"
		post(t, box, m)
		want = append([]mailbox.Mail{{To: m.To.Envelope(), Subject: m.Subject, Text: m.Text, HTML: m.HTML, MessageID: "<" + m.ID + "@datahub.example>"}}, want...)
	}
	got := read(t, box)
	if diff := cmp.Diff(want, got, ignoreDate); diff != "" {
		t.Error(diff)
	}
	for _, m := range got {
		if at, err := time.Parse(time.RFC1123Z, m.Date); err != nil || time.Since(at) > time.Hour {
			t.Errorf("date %q, %v", m.Date, err)
		}
	}
}

func TestLinkIsTheButtonsAndNotAQuotedOne(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir())
	i := mail.Invitation{ID: "1", To: parse(t, "zoe@new.example"), From: mail.Mailbox{Name: "https://evil.example/app/name", Email: "ada@uni.example"},
		Role: tenant.InstanceViewer, Instance: "Group 1", Space: "Space", Organization: "Organization", Message: "Hi\nhttps://evil.example/app/invitation#message\r\nhttps://evil.example/app/x",
		Link: "https://datahub.example/app/invitation#token", ExpiresAt: time.Now()}
	m, err := i.Compose()
	if err != nil {
		t.Fatal(err)
	}
	post(t, box, m)
	if got := read(t, box)[0].Link; got != i.Link {
		t.Errorf("link %q", got)
	}
}

func TestMailsOfAllRunsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	for range 3 {
		box := open(t, dir)
		for range 5 {
			m := message(t, "zoe@new.example", fmt.Sprint(len(want)))
			post(t, box, m)
			want = append([]string{m.Subject}, want...)
		}
		closed(t, box)
	}
	if got := subjects(read(t, open(t, dir))); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestMailsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	const header = "To: Zoe <zoe@new.example>\r\nMIME-Version: 1.0\r\n"
	nested := func(levels int) (mail string) {
		mail = "Content-Type: text/plain\r\n\r\ninside\r\n"
		for i := range levels {
			mail = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s--b%d--\r\n", i, i, mail, i)
		}
		return header + mail
	}
	for name, test := range map[string]struct {
		mail string
		want mailbox.Mail // the Subject "cannot be read" stands for any mail with such an error
	}{
		"no content type":  {header + "\r\nHello\r\n", mailbox.Mail{To: "zoe@new.example", Text: "Hello\n"}},
		"encoded subject":  {header + "Subject: =?utf-8?b?WsO8cmljaA==?=\r\n\r\n", mailbox.Mail{To: "zoe@new.example", Subject: "Zürich"}},
		"base64":           {header + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n", mailbox.Mail{To: "zoe@new.example", HTML: "<b>"}},
		"unknown encoding": {header + "Content-Transfer-Encoding: x-other\r\n\r\nHello", mailbox.Mail{To: "zoe@new.example", Text: "Hello"}},
		"unknown charset":  {header + "Content-Type: text/plain; charset=x-other\r\n\r\nHello", mailbox.Mail{To: "zoe@new.example", Text: "Hello"}},
		"an image": {header + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b\r\n\r\nHello\r\n--b--\r\n",
			mailbox.Mail{To: "zoe@new.example", Text: "Hello"}},
		"ten levels of parts":    {nested(10), mailbox.Mail{To: "zoe@new.example", Text: "inside"}},
		"eleven levels of parts": {nested(11), mailbox.Mail{Subject: "cannot be read"}},
		"no end":                 {strings.TrimSuffix(nested(1), "--b0--\r\n"), mailbox.Mail{Subject: "cannot be read"}},
		"no recipient":           {"Subject: Hello\r\n\r\nHello", mailbox.Mail{Subject: "cannot be read"}},
		"broken recipient":       {"To: <zoe\r\n\r\nHello", mailbox.Mail{Subject: "cannot be read"}},
		"broken content type":    {header + "Content-Type: ;\r\n\r\nHello", mailbox.Mail{Subject: "cannot be read"}},
		"no header":              {"Hello", mailbox.Mail{Subject: "cannot be read"}},
		"more than 1 MiB":        {header + "\r\n" + strings.Repeat("x", 1<<20), mailbox.Mail{To: "zoe@new.example", Text: strings.Repeat("x", 1<<20-len(header)-2)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, "1.eml", test.mail)
			got := read(t, open(t, dir))[0]
			if strings.HasPrefix(got.Subject, "A mail that cannot be read: ") {
				if got.Text != test.mail {
					t.Errorf("text %q", got.Text)
				}
				got = mailbox.Mail{Subject: "cannot be read"}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A full disk is a reason to try again later.
func TestMailThatCannotBeStoredIsRefusedForNow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	sender, err := mail.NewSender(box.URL(), mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		t.Fatal(err)
	}
	sender.Send(t.Context(), []mail.Message{message(t, "zoe@new.example", "Hello")}, func(_ int, err error) {
		var refusal *mail.Refusal
		if !errors.As(err, &refusal) || errors.Is(err, mail.ErrRefused) || !strings.HasPrefix(refusal.Reply(), "451 ") {
			t.Errorf("%v", err)
		}
	})
	for _, serve := range []http.HandlerFunc{box.ServePage, box.ServeJSON} {
		if response := get(serve); response.Code != http.StatusInternalServerError || !strings.HasPrefix(response.Body.String(), "The mails cannot be read: ") {
			t.Errorf("%d %s", response.Code, response.Body)
		}
	}
	if _, err := mailbox.Open(filepath.Join(dir, "\x00")); err == nil {
		t.Error("a mailbox without a folder is open")
	}
}

// A gateway that was killed can leave a part of a mail in the folder.
func TestUnreadableMailsDoNotHideTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir)
	post(t, box, message(t, "zoe@new.example", "first"))
	written, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(written) != 1 {
		t.Fatalf("%v, %v", written, err)
	}
	content, err := os.ReadFile(written[0])
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "incoming-1234567", string(content[:len(content)/2]))
	put(t, dir, "notes.txt", "buy milk")
	if got := subjects(read(t, box)); !slices.Equal(got, []string{"first"}) {
		t.Errorf("mails %v", got)
	}

	put(t, dir, "00000000000000000001-1.eml", "From: somebody\r\nSubject: by hand\r\n\r\nno MIME at all\r\n")
	put(t, dir, "00000000000000000002-1.eml", "")
	put(t, dir, "00000000000000000003-1.eml", string(content[:len(content)/2]))
	post(t, box, message(t, "zoe@new.example", "last"))
	got := read(t, box)
	if len(got) != 5 || got[0].Subject != "last" || got[1].Subject != "first" {
		t.Fatalf("mails %v", subjects(got))
	}
	for _, m := range got[2:] {
		if !strings.HasPrefix(m.Subject, "A mail that cannot be read: ") {
			t.Errorf("subject %q", m.Subject)
		}
	}
	if !strings.Contains(got[4].Text, "no MIME at all") {
		t.Errorf("text %q", got[4].Text)
	}
	if response := get(box.ServePage); response.Code != http.StatusOK {
		t.Errorf("the page: %d %s", response.Code, response.Body)
	}
}

func TestOldestMailsAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 10_050 {
		put(t, dir, fmt.Sprintf("%020d-1.eml", i), fmt.Sprintf("To: zoe@new.example\r\nSubject: %d\r\nContent-Type: text/plain\r\n\r\n", i))
	}
	box := open(t, dir)
	post(t, box, message(t, "zoe@new.example", "new"))
	got := subjects(read(t, box))
	if len(got) != 10_001 || got[0] != "new" || got[1] != "10049" || got[10_000] != "50" {
		t.Errorf("%d mails, from %v to %v", len(got), got[:2], got[len(got)-1])
	}
}

func TestClosedMailboxRefusesConnections(t *testing.T) {
	t.Parallel()
	for range 100 {
		box := open(t, t.TempDir())
		closed(t, box)
		conn, err := net.Dial("tcp", box.URL().Host)
		if err == nil {
			conn.Close()
			t.Fatal("it accepts connections")
		}
	}
}

func TestEmptyMailbox(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir())
	if response := get(box.ServePage); response.Code != http.StatusOK || !strings.Contains(response.Body.String(), "No mail yet.") {
		t.Errorf("the page: %d %s", response.Code, response.Body)
	}
	if response := get(box.ServeJSON); response.Code != http.StatusOK || strings.TrimSpace(response.Body.String()) != "[]" {
		t.Errorf("the JSON: %d %s", response.Code, response.Body)
	}
}

func TestPageShowsTheNewestMailsAndJSONAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		total, shown int
		says         string
	}{{1, 1, "1 mail, newest first."}, {200, 200, "200 mails, newest first."}, {203, 200, "The newest 200 of 203 mails, newest first."}} {
		dir := t.TempDir()
		var all []string
		for i := range c.total {
			all = append([]string{fmt.Sprint("mail ", i)}, all...)
			put(t, dir, fmt.Sprintf("%020d-1.eml", i), fmt.Sprintf("To: zoe@new.example\r\nSubject: mail %d\r\nContent-Type: text/plain\r\n\r\n", i))
		}
		box := open(t, dir)

		root := page(t, box)
		var shown []string
		for _, n := range elements(root, "strong") {
			shown = append(shown, n.FirstChild.Data)
		}
		if !slices.Equal(shown, all[:c.shown]) {
			t.Errorf("of %d mails the page shows %v", c.total, shown)
		}
		if got := elements(root, "p")[0].FirstChild.Data; !strings.HasPrefix(got, c.says) {
			t.Errorf("of %d mails the page says %q", c.total, got)
		}

		response := get(box.ServeJSON)
		var mails []mailbox.Mail
		if err := json.Unmarshal(response.Body.Bytes(), &mails); err != nil || response.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v, %v", response.Header(), err)
		}
		if !slices.Equal(subjects(mails), all) {
			t.Errorf("of %d mails the JSON has %d", c.total, len(mails))
		}
	}
}

func TestPageShowsHostileMailWithoutRunningIt(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir())
	const hostile = `</pre></iframe></title><script>alert(1)</script>"'><img src=x onerror=alert(1)> {{.}} &lt;b&gt;`
	m := message(t, "zoe@new.example", hostile)
	m.Text = hostile + "\njavascript:alert(1)/app/x\nhttps://datahub.example/app/invitation#\"onclick=alert(1)\n"
	m.HTML = `<p onclick="alert(1)">` + hostile + `</p>`
	post(t, box, message(t, "zoe@new.example", "plain"))
	post(t, box, m)

	response := get(box.ServePage)
	for name, want := range map[string]string{
		"Content-Type":            "^text/html; charset=utf-8$",
		"Content-Security-Policy": "^default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'$",
	} {
		if got := response.Header().Get(name); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q", name, got)
		}
	}
	root := page(t, box)
	for n := range root.Descendants() {
		if n.Data == "script" || n.Data == "img" {
			t.Errorf("the page has an element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "https://datahub.example/app/") && a.Val != "/mailbox.json" {
				t.Errorf("an element %s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	if got := elements(root, "strong")[0].FirstChild.Data; got != m.Subject {
		t.Errorf("subject %q", got)
	}
	if got := elements(root, "pre")[0].FirstChild.Data; got != m.Text {
		t.Errorf("text %q", got)
	}
	for _, frame := range elements(root, "iframe") {
		if at := slices.IndexFunc(frame.Attr, func(a html.Attribute) bool { return a.Key == "sandbox" }); at < 0 || frame.Attr[at].Val != "" {
			t.Errorf("a frame is not wholly in its sandbox: %v", frame.Attr)
		}
	}
	frame := elements(root, "iframe")[0]
	if at := slices.IndexFunc(frame.Attr, func(a html.Attribute) bool { return a.Key == "srcdoc" }); at < 0 || frame.Attr[at].Val != m.HTML {
		t.Errorf("the frame: %v", frame.Attr)
	}
}

func open(t *testing.T, dir string) *mailbox.Mailbox {
	t.Helper()
	box, err := mailbox.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close(context.Background()) }) // where the test has not done so
	return box
}

func closed(t *testing.T, box *mailbox.Mailbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := box.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func message(t *testing.T, to, subject string) mail.Message {
	t.Helper()
	return mail.Message{ID: strings.Repeat("0", 30) + "-" + fmt.Sprint(len(subject)), To: parse(t, to), ReplyTo: mail.Mailbox{Name: "Ada", Email: "ada@uni.example"},
		Subject: subject, Text: "text", HTML: "<p>HTML</p>", Language: "en"}
}

func parse(t *testing.T, text string) address.Address {
	t.Helper()
	a, problem := address.Parse(text)
	if problem != nil {
		t.Fatal(problem)
	}
	return a
}

func post(t *testing.T, box *mailbox.Mailbox, messages ...mail.Message) {
	t.Helper()
	sender, err := mail.NewSender(box.URL(), mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	sender.Send(t.Context(), messages, func(_ int, err error) {
		if sent++; err != nil {
			t.Error(err)
		}
	})
	if sent != len(messages) {
		t.Fatalf("%d of %d mails were sent", sent, len(messages))
	}
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, box *mailbox.Mailbox) []mailbox.Mail {
	t.Helper()
	mails, err := box.Mails()
	if err != nil {
		t.Fatal(err)
	}
	return mails
}

func subjects(mails []mailbox.Mail) (subjects []string) {
	for _, m := range mails {
		subjects = append(subjects, m.Subject)
	}
	return subjects
}

func get(serve http.HandlerFunc) *httptest.ResponseRecorder {
	response := httptest.NewRecorder()
	serve(response, httptest.NewRequest(http.MethodGet, "/", nil))
	return response
}

// page returns the page as a browser reads it.
func page(t *testing.T, box *mailbox.Mailbox) *html.Node {
	t.Helper()
	root, err := html.Parse(get(box.ServePage).Body)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func elements(root *html.Node, name string) (found []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}
