package testworld

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
)

// PublicURL is what links in mails begin with.
const PublicURL = "https://datahub.example"

// deliveryTime is how long the delivery of all queued mails may take, on a busy
// machine.
const deliveryTime = 2 * time.Minute

// mailServer takes a world's mails. It starts with the first call of Mails.
type mailServer struct {
	box    *mailbox.Mailbox
	sender *mail.Sender
}

// Mails delivers the mails that are due, over SMTP, and returns all that were
// delivered so far, newest first. Nothing is delivered between two calls.
func (w *World) Mails() []mailbox.Mail {
	w.t.Helper()
	if w.mails.box == nil {
		w.startMailServer()
	}
	w.deliver()
	mails, err := w.mails.box.Mails()
	if err != nil {
		w.t.Fatal(err)
	}
	return mails
}

// Token returns the secret in the link of the newest mail to an address, after
// the mails that are due are delivered.
func (w *World) Token(email string) string {
	w.t.Helper()
	for _, m := range w.Mails() {
		if _, token, _ := strings.Cut(m.Link, "#"); m.To == email {
			return token
		}
	}
	w.t.Fatalf("there is no mail to %s", email)
	return ""
}

func publicURL(t testing.TB) *url.URL {
	t.Helper()
	public, err := url.Parse(PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func (w *World) startMailServer() {
	w.t.Helper()
	box, err := mailbox.Open(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deliveryTime)
		defer cancel()
		if err := box.Close(ctx); err != nil {
			w.t.Error(err)
		}
	})
	sender, err := mail.NewSender(box.URL(), mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		w.t.Fatal(err)
	}
	w.mails = mailServer{box, sender}
}

// deliver runs the outbox until each mail that is due has been tried.
func (w *World) deliver() {
	w.t.Helper()
	due := w.Lines(`select id from outbox where state = 'QUEUED' and next_attempt_at <= clock_timestamp()`)
	if len(due) == 0 {
		return
	}
	public := publicURL(w.t)
	invitations, requests := w.queue(invitation.MailKind), w.queue(request.MailKind)
	toOrganizations, aboutOrganizations := w.queue(invitation.OrganizationMailKind), w.queue(request.OrganizationMailKind)
	invitations.Work = mail.Work(w.mails.sender, (&invitation.Mailer{DB: w.DB, PublicURL: public, Retention: retention}).Read)
	toOrganizations.Work = invitations.Work
	requests.Work = mail.Work(w.mails.sender, (&request.Mailer{DB: w.DB, PublicURL: public}).Read)
	aboutOrganizations.Work = requests.Work
	reminders := w.queue(membership.MailKind)
	reminders.Work = mail.Work(w.mails.sender, (&membership.Mailer{DB: w.DB, PublicURL: public}).Read)
	tried := make(attempts, len(due))
	invitations.Observer, toOrganizations.Observer, requests.Observer, aboutOrganizations.Observer, reminders.Observer = tried, tried, tried, tried, tried

	ctx, stop := context.WithTimeout(w.t.Context(), deliveryTime)
	var running sync.WaitGroup
	running.Go(func() { invitations.Run(ctx) })
	running.Go(func() { toOrganizations.Run(ctx) })
	running.Go(func() { requests.Run(ctx) })
	running.Go(func() { aboutOrganizations.Run(ctx) })
	running.Go(func() { reminders.Run(ctx) })
	defer running.Wait()
	defer stop()
	open := make(map[string]bool, len(due))
	for _, id := range due {
		open[id] = true
	}
	for len(open) > 0 {
		select {
		case id := <-tried:
			delete(open, id.String())
		case <-ctx.Done():
			w.t.Fatalf("%d of %d mails were not tried", len(open), len(due))
		}
	}
}

// attempts are the jobs that an outbox has tried.
type attempts chan uuid.UUID

// Batch implements outbox.Observer.
func (a attempts) Batch(ctx context.Context, _ string, _ int) (context.Context, func()) {
	return ctx, func() {}
}

// Job implements outbox.Observer.
func (a attempts) Job(_ context.Context, _ string, job uuid.UUID, _ string, _ time.Duration) {
	a <- job
}
