package app

import (
	"context"
	"errors"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/instance"
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
	err = withDatabase(ctx, s, func(db *postgres.DB) error { return indexNames(ctx, t, db) })
	if newer := (*postgres.SchemaError)(nil); errors.As(err, &newer) {
		return nil // a newer gateway has migrated this database
	}
	return err
}

// indexNames completes the migration that made the names of active instances unique
// in a space, and prints the instances that it renames for that.
func indexNames(ctx context.Context, t terminal, db *postgres.DB) error {
	for {
		n, renamed, err := instance.IndexNames(ctx, db)
		if err != nil || n == 0 {
			return err
		}
		for _, i := range renamed {
			fmt.Fprintf(t.out, "The instance %q of the space %q is called %q now, because an older instance of the space has the name (%s).\n",
				i.Before, i.Space, i.After, i.ID)
		}
	}
}
