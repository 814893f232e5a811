package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/emersion/go-smtp"

	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

func TestJobsWhoseMailsCannotBeWritten(t *testing.T) {
	t.Parallel()
	failed := errors.New("it failed")
	sender, err := mail.NewSender(&url.URL{Scheme: "smtp", Host: "127.0.0.1:1"}, mail.Mailbox{}, "datahub.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		reading, composing error
		permanent          bool
		want               error
	}{
		"cannot be read":    {reading: failed, want: failed},
		"cannot be written": {composing: failed, permanent: true, want: failed},
		"permanent failure": {composing: fmt.Errorf("%w: it failed", outbox.ErrPermanent), permanent: true, want: outbox.ErrPermanent},
		"nothing to do":     {composing: outbox.ErrDropped, want: outbox.ErrDropped},
		"postponed":         {composing: fmt.Errorf("held: %w", outbox.ErrPostponed), want: outbox.ErrPostponed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []error
			read := func(context.Context, []outbox.Job) (mail.ComposeFunc, error) {
				return func(outbox.Job) (mail.Message, error) { return mail.Message{}, test.composing }, test.reading
			}
			mail.Work(sender, read)(t.Context(), make([]outbox.Job, 2), func(i int, err error) {
				if i != len(got) {
					t.Errorf("job %d ended after %d others", i, len(got))
				}
				got = append(got, err)
			})
			if len(got) != 2 {
				t.Fatalf("%d of 2 jobs ended", len(got))
			}
			for _, err := range got {
				if !errors.Is(err, test.want) || errors.Is(err, outbox.ErrPermanent) != test.permanent {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestOutcomesAreReportedForTheRightJobs(t *testing.T) {
	t.Parallel()
	s := newServer(t, script{to: func(to string) error {
		if to == "bob@new.example" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such person"}
		}
		return nil
	}})
	jobs := []outbox.Job{{Secret: "revoked"}, {Secret: "zoe"}, {Secret: "revoked"}, {Secret: "bob"}, {Secret: "kim"}}
	read := func(context.Context, []outbox.Job) (mail.ComposeFunc, error) {
		return func(job outbox.Job) (mail.Message, error) {
			if job.Secret == "revoked" {
				return mail.Message{}, outbox.ErrDropped
			}
			return messages(t, job.Secret)[0], nil
		}, nil
	}
	got := map[int]error{}
	mail.Work(s.sender(t), read)(t.Context(), jobs, func(i int, err error) { got[i] = err })
	for i, want := range []error{outbox.ErrDropped, nil, outbox.ErrDropped, outbox.ErrPermanent, nil} {
		if err, reported := got[i]; !reported || !errors.Is(err, want) {
			t.Errorf("job %d: %v, want %v", i, err, want)
		}
	}
}
