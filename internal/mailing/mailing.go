// Package mailing makes mails of the outbox's jobs.
package mailing

import (
	"context"
	"errors"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// Compose writes the mail of the k-th of some jobs. It fails with one of the
// outbox's errors.
type Compose func(k int) (mail.Message, error)

// Work is the work of jobs for which mails are sent: read reads at once what
// they tell.
func Work(sender *mail.Sender, read func(context.Context, []outbox.Job) (Compose, error)) func(context.Context, []outbox.Job, func(int, error)) {
	return func(ctx context.Context, jobs []outbox.Job, ended func(k int, err error)) {
		compose, err := read(ctx, jobs)
		var messages []mail.Message
		var places []int // of the messages among the jobs
		for k := range jobs {
			if err != nil {
				ended(k, err)
				continue
			}
			message, err := compose(k)
			if err != nil {
				ended(k, err)
				continue
			}
			messages, places = append(messages, message), append(places, k)
		}
		sender.Send(ctx, messages, func(k int, err error) {
			if errors.Is(err, mail.ErrRefused) {
				err = fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
			}
			ended(places[k], err)
		})
	}
}
