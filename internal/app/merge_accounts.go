package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/privacy"
)

// mergeAccountsCommand makes two accounts of one person one.
type mergeAccountsCommand struct {
	From   string `required:"" placeholder:"EMAIL-OR-ID" help:"The account that is merged: its id, or its address where no other account had it."`
	Into   string `required:"" placeholder:"EMAIL-OR-ID" help:"The account that is kept: its id, or its address where no other account had it."`
	DryRun bool   `help:"Print what would be done, and change nothing."`
}

func (c mergeAccountsCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.checkDatabase(); err != nil {
		return err
	}
	s.StatementTimeout = longStatement
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		from, err := findOneAccount(ctx, db, "--from", c.From)
		if err != nil {
			return err
		}
		into, err := findOneAccount(ctx, db, "--into", c.Into)
		if err != nil {
			return err
		}
		done, err := account.Merge(ctx, db, from, into, c.DryRun)
		if pq.As(err, pqerror.InsufficientPrivilege) != nil {
			return setting("DATABASE_URL", errors.New("nothing was merged: the trail can be changed by the owner of the tables only; connect as the role that runs migrate"))
		}
		if err != nil {
			return fmt.Errorf("nothing was merged: %w", err)
		}
		c.print(t, from, into, done)
		return nil
	})
}

// print prints what was done with how many rows.
func (c mergeAccountsCommand) print(t terminal, from, into globalid.ID, done []account.Merged) {
	rows := int64(0)
	for _, step := range done {
		if step.Rows > 0 {
			fmt.Fprintf(t.out, "%7d  %s: %s\n", step.Rows, step.What, step.Done)
		}
		rows += step.Rows
	}
	switch {
	case rows == 0:
		fmt.Fprintf(t.out, "%s was merged into %s before. Nothing was left to do.\n", from, into)
	case c.DryRun:
		fmt.Fprintln(t.out, "This was a dry run. Nothing was changed.")
	default:
		fmt.Fprintf(t.out, "%s is merged into %s. If somebody has signed in with the first one, that sign-in leads to the second one now.\n", from, into)
	}
}

// findOneAccount returns the id of the account that an operator names. An address must
// stand for one account.
func findOneAccount(ctx context.Context, db *postgres.DB, flag, who string) (id globalid.ID, err error) {
	id, email, err := privacy.ParsePerson(who)
	if err != nil || id.Kind != "" {
		return id, err
	}
	p, err := privacy.FindAddress(ctx, db, email)
	switch {
	case err != nil:
		return id, err
	case p.UserID().Kind == "":
		return id, fmt.Errorf("%s: there is no account with the address %s. Nothing was merged", flag, email)
	case len(p.FormerHolders) > 0:
		former := make([]string, len(p.FormerHolders))
		for i, f := range p.FormerHolders {
			former[i] = f.String()
		}
		return id, fmt.Errorf("%s: several accounts have the address %s. Nothing was merged. Name one of them by its id: %s holds the address; %s had it before",
			flag, email, p.UserID(), strings.Join(former, " and "))
	}
	return p.UserID(), nil
}
