package audit

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Every role has its word in the sentences of the trail.
func TestSummaryNamesTheRole(t *testing.T) {
	t.Parallel()
	for _, role := range tenant.AllInstanceRoles() {
		e := Entry{Action: RoleGranted, ActorName: "Ada", SpaceName: "Econometrics", UserName: new("Vic"), Role: &role}
		if got, want := e.Summary(), "Ada made Vic "+role.Role().Noun()+" of Econometrics."; got != want {
			t.Errorf("%s: %q, want %q", role, got, want)
		}
	}
	e := Entry{Action: RoleGranted, ActorName: "Ada", SpaceName: "Econometrics", UserName: new("Vic")}
	if got := e.Summary(); !strings.Contains(got, " an administrator ") {
		t.Errorf("without a role in an instance: %q", got)
	}
}

// A line of the trail with a role that is not in the table is an error.
func TestUnknownRoleInTheTrailIsAnError(t *testing.T) {
	t.Parallel()
	r := row{Action: RoleGranted, Details: []byte(`{"role": "GARDENER"}`)}
	if e, err := r.entry(); err == nil {
		t.Errorf("read as %v", *e.Role)
	}
}
