package tenant

import "alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"

// RoleRow is a row of the table of roles, for tests outside the package.
type RoleRow struct {
	Role         Role
	Name, Stored string
	HeldIn       globalid.Kind
}

// RoleTable returns a copy of the table of roles.
func RoleTable() []RoleRow {
	rows := make([]RoleRow, len(roleDefinitions))
	for i, d := range roleDefinitions {
		rows[i] = RoleRow{Role(i), d.name, d.stored, d.heldIn}
	}
	return rows
}
