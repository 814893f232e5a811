package apptest

import (
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
)

// Mailbox returns the mails that the first gateway's mailbox has now, newest
// first.
func (w *World) Mailbox() (mails []mailbox.Mail) {
	w.T.Helper()
	response, err := w.HTTP.Get(w.Gateway.URL() + "/mailbox.json")
	if err != nil {
		w.T.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&mails); err != nil {
		w.T.Fatal(err)
	}
	return mails
}

// queued is the number of mails that are to be sent.
func (w *World) queued() int {
	w.T.Helper()
	return w.Number(`select count(*) from outbox where state = 'QUEUED'`)
}

// AwaitMails waits until no mail is on its way and the mailbox has n, and returns
// them, newest first. Mails that are sent at the same time are in any order.
func (w *World) AwaitMails(n int) (mails []mailbox.Mail) {
	w.T.Helper()
	w.Await(fmt.Sprintf("%d mails", n), func() bool {
		if w.queued() > 0 {
			return false
		}
		mails = w.Mailbox()
		return len(mails) >= n
	})
	if len(mails) != n {
		w.T.Fatalf("%d mails, want %d", len(mails), n)
	}
	return mails
}

// AwaitMail waits for a mail to an address with a subject, both of whose parts
// have some words. It fails where no mail is left to be sent and none is such.
func (w *World) AwaitMail(to, subject string, words ...string) (found mailbox.Mail) {
	w.T.Helper()
	w.Await(fmt.Sprintf("a mail to %s about %q", to, subject), func() bool {
		sent := w.queued() == 0 // before the mails are read
		mails := w.Mailbox()
		for _, m := range mails {
			if m.To == to && m.Subject == subject && !slices.ContainsFunc(words, func(w string) bool { return !contains(m, w) }) {
				found = m
				return true
			}
		}
		if sent {
			w.T.Fatalf("no mail to %s is about %q and says %q: %+v", to, subject, words, mails)
		}
		return false
	})
	return found
}

// contains reports whether both parts of a mail have some words.
func contains(m mailbox.Mail, words string) bool {
	return strings.Contains(m.Text, words) && strings.Contains(html.UnescapeString(inlineTags.ReplaceAllString(m.HTML, "")), words)
}

// inlineTags are the tags within the sentences of a mail.
var inlineTags = regexp.MustCompile(`</?(?:span|wbr)[^>]*>`)

// AwaitOutbox waits until no mail is queued or held.
func (w *World) AwaitOutbox() {
	w.T.Helper()
	w.Await("the end of all mails", func() bool {
		return w.Number(`select count(*) from outbox where state in ('QUEUED', 'HELD')`) == 0
	})
}

// AwaitToken waits until no mail to an address is on its way, and returns the
// secret in the link of the newest.
func (w *World) AwaitToken(email string) (token string) {
	w.T.Helper()
	w.Await("a mail for "+email, func() bool {
		if w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email = $1 and o.state = 'QUEUED'`, email) > 0 {
			return false
		}
		for _, m := range w.Mailbox() {
			if m.To == email {
				_, token, _ = strings.Cut(m.Link, "#")
				return true
			}
		}
		return false
	})
	return token
}
