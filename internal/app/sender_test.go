package app_test

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// Mail servers accept no other characters in EHLO, in the sender or in a Message-ID.
func TestPublicURLHasALabelsInMails(t *testing.T) {
	t.Parallel()
	for public, c := range map[string]struct{ from, sender, hello, id, link string }{
		"https://bücher.example":          {"", "no-reply@xn--bcher-kva.example", "xn--bcher-kva.example", "@xn--bcher-kva.example>", "https://xn--bcher-kva.example/app/"},
		"https://BÜCHER.example:8443/hub": {"", "no-reply@xn--bcher-kva.example", "xn--bcher-kva.example", "@xn--bcher-kva.example>", "https://xn--bcher-kva.example:8443/hub/app/"},
		"https://Hub.Example":             {"", "no-reply@hub.example", "hub.example", "@hub.example>", "https://hub.example/app/"},
		"https://hub.example.":            {"", "no-reply@hub.example", "hub.example", "@hub.example>", "https://hub.example./app/"},
		"https://hub.example":             {"Hub <mail@bücher.example>", "mail@xn--bcher-kva.example", "hub.example", "@hub.example>", "https://hub.example/app/"},
		"https://203.0.113.7":             {"mail@hub.example", "mail@hub.example", "hub.example", "@hub.example>", "https://203.0.113.7/app/"},
		"http://localhost:8080":           {"", "no-reply@localhost", "localhost", "@localhost>", "http://localhost:8080/app/"},
		"http://[::1]:8080":               {"", "no-reply@localhost", "localhost", "@localhost>", "http://[::1]:8080/app/"},
	} {
		t.Run(public, func(t *testing.T) {
			t.Parallel()
			s := apptest.NewMailServer(t)
			w := newWorld(t, s.Use, func(settings *app.Settings) { settings.PublicURL, settings.MailFrom = public, c.from })
			w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
			w.sent(1)
			a := s.Attempts()[0]
			if a.From != c.sender || a.Hello != c.hello || !strings.HasSuffix(a.MessageID, c.id) || !strings.HasPrefix(a.Link, c.link) {
				t.Errorf("%+v", a)
			}
		})
	}
}
