package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/privacy"
)

// eraseAccountCommand erases what is kept about a person.
type eraseAccountCommand struct {
	Person string `arg:"" name:"email-or-id" help:"The person's address, also where they were only invited, or the id of their account."`
	DryRun bool   `help:"Print what would be erased, and change nothing."`
	Force  bool   `help:"Erase the last administrator of a space, or the last manager of an organization, too."`
}

func (c eraseAccountCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	return withPerson(ctx, s, c.Person, func(db *postgres.DB, p privacy.Person) error {
		key, err := keyedhash.Read(ctx, db, s.HashKey)
		if err != nil {
			return setting("DATABASE_URL", err)
		}
		report, err := privacy.Erase(ctx, db, p, privacy.Options{DryRun: c.DryRun, Force: c.Force, HashKey: key})
		if last := (*privacy.LastError)(nil); errors.As(err, &last) {
			return fmt.Errorf("nothing was erased: %w. Give the role to somebody else first (create-space --administrator does so for an existing space; a deleted one must be restored before), or repeat with --force", last)
		}
		if pq.As(err, pqerror.InsufficientPrivilege) != nil {
			return setting("DATABASE_URL", errors.New("nothing was erased: the trail can be changed by the owner of the tables only; connect as the role that runs migrate"))
		}
		if err != nil {
			return err
		}
		c.print(t, p, report)
		return nil
	})
}

// print prints the result: what was done with how many rows, and what is left.
func (c eraseAccountCommand) print(t terminal, p privacy.Person, report privacy.Report) {
	for _, former := range p.FormerHolders {
		fmt.Fprintf(t.err, "datahub-gateway: %s had this address before, and is not erased.\n", former)
	}
	if report.Rows() == 0 {
		fmt.Fprintln(t.out, "Nothing is kept about this person, or it was erased before. Nothing was changed.")
		return
	}
	for _, step := range report.Steps {
		if step.Rows > 0 {
			fmt.Fprintf(t.out, "%7d  %s: %s\n", step.Rows, step.What, step.Done)
		}
	}
	switch {
	case c.DryRun:
		fmt.Fprintln(t.out, "This was a dry run. Nothing was changed.")
	case p.UserID().Kind != "":
		fmt.Fprintf(t.out, "%s is erased, and is called %q where others see that there was somebody.\n", p.UserID(), report.Pseudonym)
	default:
		fmt.Fprintf(t.out, "The address is erased. It had no account.\n")
	}
}
