package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/mail/bounce"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// bounceCommand stores what a mail server reports about a mail that came back. A mail
// server pipes into it what is sent to the address of mails' sender. Anybody can send such
// mails: what is no report, or about no mail that was sent, is ignored, and that is a
// success. A failure is temporary, so that the mail server tries again; so are wrong settings.
// Of what comes from standard input it prints the outcome nowhere: some mail servers take
// any output for a failure.
type bounceCommand struct {
	File *os.File `arg:"" optional:"" default:"-" help:"The notification: a file, or - for standard input."`
}

func (c bounceCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	out := t.out
	if c.File == os.Stdin {
		out = io.Discard
	}
	report, err := bounce.Parse(c.File)
	if errors.Is(err, bounce.ErrNoReport) {
		fmt.Fprintln(out, "ignored: it is no delivery status notification")
		return nil
	}
	if err != nil {
		return temporaryError{err}
	}
	if err := s.checkDatabase(); err != nil {
		return temporaryError{err}
	}
	err = withDatabase(ctx, s, func(db *postgres.DB) error {
		key, err := keyedhash.Read(ctx, db, s.HashKey)
		if err != nil {
			return err
		}
		outcome, err := invitation.RecordBounce(ctx, db, key, report)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, outcome)
		return nil
	})
	if err != nil {
		return temporaryError{err}
	}
	return nil
}

// temporaryError is a failure after which the command can be repeated. Mail servers do so
// because of the exit code.
type temporaryError struct{ error }

func (e temporaryError) Unwrap() error { return e.error }
