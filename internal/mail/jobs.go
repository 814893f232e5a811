package mail

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// ComposeFunc writes the mail of a job. It fails with an outcome of the outbox, such
// as ErrDropped; any other error means that the mail can never be written.
type ComposeFunc func(outbox.Job) (Message, error)

// Work returns the work of a queue whose jobs are mails. It calls read once for each
// batch of jobs, to read what all their mails say. If read fails, the jobs are
// attempted again.
func Work(sender *Sender, read func(context.Context, []outbox.Job) (ComposeFunc, error)) outbox.WorkFunc {
	return func(ctx context.Context, jobs []outbox.Job, report func(i int, err error)) {
		compose, err := read(ctx, jobs)
		if err != nil {
			for i := range jobs {
				report(i, err)
			}
			return
		}
		var messages []Message
		var indexes []int // of the messages' jobs
		for i, job := range jobs {
			message, err := compose(job)
			if err != nil {
				report(i, composeOutcome(err))
				continue
			}
			message.Attempt, message.Submitted = job.Attempts, job.MarkSubmitted
			messages, indexes = append(messages, message), append(indexes, i)
		}
		sender.Send(ctx, messages, func(i int, err error) { report(indexes[i], sendOutcome(err)) })
	}
}

// sendOutcome returns the outcome of a job whose message was sent or not.
func sendOutcome(err error) error {
	for _, o := range []struct{ of, outcome error }{
		{ErrRefused, outbox.ErrPermanent}, {ErrUnconfirmed, outbox.ErrUncertain}, {ErrBusy, outbox.ErrBusy}, {ErrSlow, outbox.ErrSlow}, {ErrUnreachable, outbox.ErrUnavailable}, {ErrNotSent, outbox.ErrPostponed},
	} {
		if errors.Is(err, o.of) {
			return fmt.Errorf("%w: %w", o.outcome, err)
		}
	}
	return err
}

// composeOutcome returns the outcome of a job whose mail was not written.
func composeOutcome(err error) error {
	for _, outcome := range []error{outbox.ErrDropped, outbox.ErrPermanent, outbox.ErrPostponed} {
		if errors.Is(err, outcome) {
			return err
		}
	}
	return permanent(err)
}

func permanent(err error) error { return fmt.Errorf("%w: %w", outbox.ErrPermanent, err) }

// Link returns the URL of a page of the application with a fragment: an id or a
// secret. Browsers do not send the fragment, so that it is in no server's log.
func Link(public *url.URL, page, fragment string) string {
	return public.JoinPath("app", page).String() + "#" + fragment
}

// RefuseLink returns the link to the page on which the person of an invitation's
// token can refuse to be invited again. Opening it changes nothing.
func RefuseLink(public *url.URL, token string) string {
	return public.JoinPath("app", "invitation").String() + "?refuse#" + token
}
