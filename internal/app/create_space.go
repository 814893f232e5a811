package app

import (
	"context"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// createSpaceCommand creates a space and what it needs: what exists already stays
// as it is.
type createSpaceCommand struct {
	Organization  string `required:"" placeholder:"NAME" help:"The organization; created unless one of this name exists."`
	Name          string `required:"" placeholder:"NAME" help:"The space; created unless the organization has one of this name."`
	Administrator string `required:"" placeholder:"EMAIL" help:"The address of the person who becomes an administrator of the space."`
}

func (c createSpaceCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.checkDatabase(); err != nil {
		return err
	}
	administrator, problem := address.Parse(c.Administrator)
	if problem != nil {
		return fmt.Errorf("--administrator: %s", problem.Detail)
	}
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		id, created, err := space.Provision(ctx, db, space.ProvisionInput{Organization: c.Organization, Name: c.Name, Administrator: administrator})
		if err != nil {
			return err
		}
		state := "was there already"
		if created {
			state = "is made"
		}
		fmt.Fprintf(t.out, "The space %s of %s %s (%s); %s is an administrator.\n", c.Name, c.Organization, state, id, administrator)
		return nil
	})
}
