// Package membership grants, changes, ends and lists the roles that people hold
// by themselves in organizations, spaces and instances. Derived roles are the
// business of package tenant.
package membership

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Service performs the mutations of members' roles.
type Service struct {
	DB *postgres.DB
	// OnEnd is called in the transaction that ends roles of a person. It revokes the
	// pending invitations to the person that would return the roles, and revokes or
	// takes over those that the person has sent.
	OnEnd func(context.Context, *postgres.Tx, access.Actor, EndedRoles) (EndedInvitations, error)
	// RevokeInvitations is called in the transaction that gives a person roles back, or in which the
	// time of memberships is over, with the people, the place and the ids of all places where
	// they have got or lost a role. It revokes the pending invitations to the people there that
	// give no more than the role that they have, or are older than the end of their membership,
	// and returns their number.
	RevokeInvitations func(ctx context.Context, tx *postgres.Tx, actor access.Actor, users postgres.UUIDs, place tenant.Place, in postgres.UUIDs) (int, error)
	// Kept is how long after its end a role can be given back.
	Kept time.Duration
}

// Member is a person with a role of their own in an instance.
type Member struct {
	User  *tenant.User
	Role  tenant.InstanceRole
	Since time.Time
	Until *time.Time // nil: without an end
}

// lockMember reads a member of an instance, and locks their role until the end
// of the transaction; nil where the person is no member.
func lockMember(ctx context.Context, tx *postgres.Tx, instance, user globalid.ID) (*Member, error) {
	var row struct {
		Name   string              `db:"name"`
		Email  string              `db:"email"`
		Former bool                `db:"former_holder"`
		Role   tenant.InstanceRole `db:"role"`
		Since  time.Time           `db:"since"`
		Until  *time.Time          `db:"until"`
	}
	err := tx.Get(ctx, &row, `
		select a.name, a.email, `+tenant.FormerHolder+` as former_holder, m.role, m.since, m.until from instance_member m join account a on a.id = m.account_id
		where m.instance_id = $1 and m.account_id = $2 and `+tenant.Current("m")+` for no key update of m`, instance.UUID, user.As(globalid.User).UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Member{&tenant.User{ID: user, Name: row.Name, Email: row.Email, FormerHolder: row.Former}, row.Role, row.Since, row.Until}, nil
}

// noMember is the refusal where a person has no role in an instance. It is the
// same where there is no such person.
func noMember() *fault.Fault {
	f := access.NotFound()
	f.InputPath = []any{"input", "userId"}
	return f
}

// lastAdministrator is the refusal to end the roles of the last administrator of a space,
// with people who could be appointed. Nobody is invited to a deleted one.
func lastAdministrator(deleted bool, candidates []fault.Contact) *fault.Fault {
	f := &fault.Fault{
		Code:     fault.Conflict,
		Reason:   fault.LastAdministrator,
		Message:  "A space must have an administrator, and this is the last one.",
		Remedy:   "Invite another administrator first, with inviteSpaceAdministrators" + forExample(candidates) + ".",
		Contacts: candidates,
	}
	if deleted {
		f.Remedy = "The space is deleted: restore it first, with restoreSpace, and invite another administrator" + forExample(candidates) +
			". The present administrator can also be removed when it can no longer be restored."
	}
	return f
}

// forExample names some of the people who could be appointed; "" where there are none.
func forExample(candidates []fault.Contact) string {
	if len(candidates) == 0 {
		return ""
	}
	return ": for example " + fault.NamesOr(candidates[:min(len(candidates), maxNamed)], "")
}

// about returns details of the trail that name the person whose role it is.
func about(user *tenant.User, d audit.Details) audit.Details {
	d.UserID, d.UserName = uuid.NullUUID{UUID: user.ID.UUID, Valid: true}, user.Name
	return d
}
