package app_test

import (
	"cmp"
	netmail "net/mail"
	"strings"
	"testing"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// Mail servers accept no other characters in EHLO, in the sender or in a Message-ID.
func TestMailsNameTheGatewayInASCII(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ public, from, sender, name, hello, id, link string }{
		"IDN":                  {"https://bücher.example", "", "no-reply@xn--bcher-kva.example", "", "xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example/app/"},
		"IDN with a port":      {"https://BÜCHER.example:8443/hub", "", "no-reply@xn--bcher-kva.example", "", "xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example:8443/hub/app/"},
		"IDN with another dot": {"https://bücher。example。", "", "no-reply@xn--bcher-kva.example", "", "xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example/app/"},
		"IDN in percent signs": {"https://b%C3%BCcher.example", "", "no-reply@xn--bcher-kva.example", "", "xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example/app/"},
		"right to left":        {"https://مثال.إختبار", "", "no-reply@xn--mgbh0fb.xn--kgbechtv", "", "xn--mgbh0fb.xn--kgbechtv", "xn--mgbh0fb.xn--kgbechtv", "https://xn--mgbh0fb.xn--kgbechtv/app/"},
		"capitals":             {"https://Hub.Example", "", "no-reply@hub.example", "", "hub.example", "hub.example", "https://hub.example/app/"},
		"a dot at the end":     {"https://hub.example.", "", "no-reply@hub.example", "", "hub.example", "hub.example", "https://hub.example/app/"},
		"a sender":             {"https://hub.example", "Hub <mail@bücher.example>", "mail@xn--bcher-kva.example", "Hub", "hub.example", "hub.example", "https://hub.example/app/"},
		"a sender with a name": {"https://hub.example", `"Bücher, \"the\" <hub@x>" <mail@hub.example>`, "mail@hub.example", `Bücher, "the" <hub@x>`, "hub.example", "hub.example", "https://hub.example/app/"},
		"a name like a word":   {"https://hub.example", `"=?utf-8?q?Rector?=" <mail@hub.example>`, "mail@hub.example", "=?utf-8?q?Rector?=", "hub.example", "hub.example", "https://hub.example/app/"},
		"IP":                   {"https://203.0.113.7", "mail@hub.example", "mail@hub.example", "", "hub.example", "hub.example", "https://203.0.113.7/app/"},
		"IPv6 with a zone":     {"http://[FE80::1%25eth0]:8080", "mail@hub.example", "mail@hub.example", "", "hub.example", "hub.example", "http://[fe80::1%25eth0]:8080/app/"},
		// In development.
		"this machine":                  {"http://localhost:8080", "", "no-reply@localhost", "", "[127.0.0.1]", "localhost", "http://localhost:8080/app/"},
		"this machine's IP":             {"http://[::1]:8080", "", "no-reply@localhost", "", "[127.0.0.1]", "localhost", "http://[::1]:8080/app/"},
		"a name without a dot":          {"http://hub:8080", "", "no-reply@localhost", "", "[127.0.0.1]", "localhost", "http://hub:8080/app/"},
		"a sender on this machine":      {"http://localhost:8080", "root@hub", "root@hub", "", "[127.0.0.1]", "hub", "http://localhost:8080/app/"},
		"a sender beside this machine":  {"http://localhost:8080", "mail@hub.example", "mail@hub.example", "", "hub.example", "hub.example", "http://localhost:8080/app/"},
		"a name of the local network":   {"http://hub.local", "", "no-reply@localhost", "", "[127.0.0.1]", "localhost", "http://hub.local/app/"},
		"a number that browsers expand": {"http://0x7f.1", "", "no-reply@localhost", "", "[127.0.0.1]", "localhost", "http://0x7f.1/app/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.NewMailServer(t)
			w := newWorld(t, s.Use, func(settings *app.Settings) { settings.PublicURL, settings.MailFrom = c.public, c.from })
			w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
			w.sent(1)
			a := s.Attempts()[0]
			if a.From != c.sender || a.Hello != c.hello || !strings.HasSuffix(a.MessageID, "@"+c.id+">") || !strings.HasPrefix(a.Link, c.link) {
				t.Errorf("%+v", a)
			}
			for header, want := range map[string]netmail.Address{
				"From": {Name: cmp.Or(c.name, "DataHub"), Address: c.sender}, "Reply-To": {Name: "Ada", Address: "ada@uni.example"}, "To": {Address: "zoe@new.example"},
			} {
				if got, err := a.Header.AddressList(header); err != nil || len(got) != 1 || *got[0] != want {
					t.Errorf("%s: %v, %v", header, got, err)
				}
			}
			for header, values := range a.Header {
				for _, value := range values {
					if strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }) || strings.Contains(value, "Rector") {
						t.Errorf("%s: %q", header, value)
					}
				}
				if strings.HasPrefix(header, "List-") {
					t.Errorf("%s: %q, though the mail is to one person, from another", header, values)
				}
			}
		})
	}
}
