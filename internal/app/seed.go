package app

import (
	"context"
	"errors"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// seedCommand loads the demo world, once.
type seedCommand struct{}

func (seedCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := errors.Join(s.checkDatabase(), s.checkDevelopment()); err != nil {
		return err
	}
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		if err := demo.Load(ctx, db); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "The demo world is loaded.")
		return nil
	})
}
