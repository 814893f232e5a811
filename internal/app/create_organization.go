package app

import (
	"context"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/organization"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// createOrganizationCommand creates an organization and appoints a manager, who can
// invite everybody else. What exists already stays as it is.
type createOrganizationCommand struct {
	Name    string `required:"" placeholder:"NAME" help:"The organization; created unless there is one of this name."`
	Manager string `required:"" placeholder:"EMAIL" help:"The address of the person who becomes a manager of the organization."`
}

func (c createOrganizationCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.checkDatabase(); err != nil {
		return err
	}
	manager, problem := address.Parse(c.Manager)
	if problem != nil {
		return fmt.Errorf("--manager: %s", problem.Detail)
	}
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		done, err := organization.Provision(ctx, db, organization.ProvisionInput{Name: c.Name, Manager: manager})
		if err != nil {
			return err
		}
		state, role := "was there already", "was a manager already"
		if done.Created {
			state = "is made"
		}
		if done.Appointed {
			role = "is a manager"
		}
		fmt.Fprintf(t.out, "The organization %s %s (%s); %s %s.\n", c.Name, state, done.ID, manager, role)
		return nil
	})
}
