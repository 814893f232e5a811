package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/privacy"
)

// exportAccountCommand prints everything that is kept about a person.
type exportAccountCommand struct {
	Person string `arg:"" name:"email-or-id" help:"The person's address, also where they were only invited, or the id of their account."`
}

func (c exportAccountCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	return withPerson(ctx, s, c.Person, func(db *postgres.DB, p privacy.Person) error {
		for _, former := range p.FormerHolders {
			fmt.Fprintf(t.err, "datahub-gateway: %s had this address before, and is not exported.\n", former)
		}
		key, err := keyedhash.Read(ctx, db, s.HashKey)
		if err != nil {
			return setting("DATABASE_URL", err)
		}
		return privacy.Export(ctx, db, key, p, t.out)
	})
}

// longStatement is how long a statement may take that reads the whole trail.
const longStatement = 10 * time.Minute

// withPerson calls do with a person that an operator names, and the database.
func withPerson(ctx context.Context, s *Settings, person string, do func(*postgres.DB, privacy.Person) error) error {
	if err := s.checkDatabase(); err != nil {
		return err
	}
	id, email, err := privacy.ParsePerson(person)
	if err != nil {
		return err
	}
	s.StatementTimeout = longStatement
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		var p privacy.Person
		if id.Kind != "" {
			p, err = privacy.FindAccount(ctx, db, id)
		} else {
			p, err = privacy.FindAddress(ctx, db, email)
		}
		if errors.Is(err, privacy.ErrNotFound) {
			return fmt.Errorf("%s: %w", id, err)
		}
		if err != nil {
			return err
		}
		return do(db, p)
	})
}
