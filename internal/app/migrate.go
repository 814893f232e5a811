package app

import (
	"context"
	"errors"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/migrations"
)

// migrateCommand applies the migrations that the database lacks, and grants the
// gateway's role what it needs.
type migrateCommand struct{}

func (migrateCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.checkDatabase(); err != nil {
		return err
	}
	applied, err := postgres.Migrate(ctx, s.DatabaseURL, s.DatabaseRole, func(keys migrations.AddressKeys) {
		if keys.Read > 0 {
			fmt.Fprintln(t.out, keys)
		}
	})
	if errors.Is(err, postgres.ErrRole) {
		return setting("DATAHUB_DATABASE_ROLE", err)
	}
	if err != nil {
		return setting("DATABASE_URL", err)
	}
	fmt.Fprintf(t.out, "%d migrations applied; the schema is up to date.\n", applied)
	return nil
}
