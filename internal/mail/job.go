package mail

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// ComposeFunc writes the mail of a job. It fails with one of the outbox's errors, or
// with another one where the mail can never be written.
type ComposeFunc func(outbox.Job) (Message, error)

// Work is the work of jobs for which mails are sent: read reads at once what
// they tell.
func Work(sender *Sender, read func(context.Context, []outbox.Job) (ComposeFunc, error)) func(context.Context, []outbox.Job, func(int, error)) {
	return func(ctx context.Context, jobs []outbox.Job, ended func(i int, err error)) {
		compose, err := read(ctx, jobs)
		if err != nil {
			for i := range jobs {
				ended(i, err)
			}
			return
		}
		var messages []Message
		var places []int // of the messages among the jobs
		for i, job := range jobs {
			message, err := compose(job)
			if err != nil {
				ended(i, unwritten(err))
				continue
			}
			messages, places = append(messages, message), append(places, i)
		}
		sender.Send(ctx, messages, func(i int, err error) {
			if errors.Is(err, ErrRefused) {
				err = permanent(err)
			}
			ended(places[i], err)
		})
	}
}

// unwritten is what came of a job whose mail was not written.
func unwritten(err error) error {
	for _, outcome := range []error{outbox.ErrDropped, outbox.ErrPermanent, outbox.ErrPostponed} {
		if errors.Is(err, outcome) {
			return err
		}
	}
	return permanent(err)
}

func permanent(err error) error { return fmt.Errorf("%w: %w", outbox.ErrPermanent, err) }

// Link leads to a page of the application. What the page is about stands in the
// fragment, which browsers send to no server, so that it is in no server's log.
func Link(public *url.URL, page, about string) string {
	return public.JoinPath("app", page).String() + "#" + about
}
