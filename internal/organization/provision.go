package organization

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// ProvisionInput is an organization to create, with one of its managers.
type ProvisionInput struct {
	Name    string
	Manager address.Address
}

// Provisioned is what Provision did.
type Provisioned struct {
	ID        globalid.ID
	Created   bool // false: the organization was there already
	Appointed bool // false: the person was a manager already
}

// Provision creates what is missing of: the organization, the manager's account, and
// their role. It is for operators: an organization without managers has nobody who could
// invite one. The trail names the gateway as the one who appointed the manager.
func Provision(ctx context.Context, db *postgres.DB, in ProvisionInput) (done Provisioned, err error) {
	if proper, ok := text.ParseName(in.Name); !ok || proper != in.Name {
		return done, fmt.Errorf("the name must be 1 to 200 printable characters, with no more than one space between words")
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		if done.ID, done.Created, err = Ensure(ctx, tx, in.Name); err != nil {
			return err
		}
		// As everybody does who changes the roles of managers.
		if _, err := tx.Exec(ctx, `select from organization where id = $1 for no key update`, done.ID.UUID); err != nil {
			return err
		}
		manager, err := account.Provision(ctx, tx, in.Manager, account.NameFrom(in.Manager))
		if err != nil {
			return err
		}
		if done.Appointed, err = membership.Grant(ctx, tx, manager, done.ID, tenant.OrganizationManager); !done.Appointed || err != nil {
			return err
		}
		role, person := tenant.Manager, uuid.NullUUID{UUID: manager, Valid: true}
		record := audit.Record{Action: audit.RoleGranted, Target: audit.OnOrganization(&tenant.Organization{ID: done.ID, Name: in.Name}),
			Details: audit.Details{OrganizationRole: &role, UserID: person}}
		if err := tx.Get(ctx, &record.UserName, `select name from account where id = $1`, manager); err != nil {
			return err
		}
		return audit.Write(ctx, tx, record)
	})
	return done, err
}
