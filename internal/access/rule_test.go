package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// The table "Who may do what" of the product, role by role.
func TestWhoMay(t *testing.T) {
	for name, test := range map[string]struct {
		rule Rule
		want tenant.Roles
	}{
		"invite":  {Inviting, tenant.RolesOf(tenant.SpaceAdministrator)},
		"delete":  {Deleting, tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor)},
		"restore": {Restoring, tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor)},
	} {
		if test.rule.Roles != test.want {
			t.Errorf("%s: %v may, want %v", name, test.rule.Roles.List(), test.want.List())
		}
	}
}

func TestRefusal(t *testing.T) {
	deletedAt := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("NZDT", 13*60*60))
	until := deletedAt.Add(24 * time.Hour)
	rules := map[string]Rule{"invite": Inviting, "delete": Deleting, "restore": Restoring}
	// expected says the rules in the words of the product's tables.
	expected := func(what string, kind tenant.Kind, deleted, restorable bool) fault.Code {
		switch {
		case what == "invite" && kind == tenant.Distributed:
			return fault.InstanceDistributed
		case what == "invite" && deleted:
			return fault.InstanceDeleted
		case what == "delete" && kind != tenant.Working:
			return fault.InstanceProtected
		case what == "restore" && deleted && !restorable:
			return fault.RestoreWindowExpired
		}
		return ""
	}
	for what, rule := range rules {
		for _, kind := range []tenant.Kind{tenant.Master, tenant.Distributed, tenant.Working} {
			for _, deleted := range []bool{false, true} {
				for _, restorable := range []bool{false, true} {
					name := fmt.Sprintf("%s, %s, deleted %t, restorable %t", what, kind, deleted, restorable)
					i := &tenant.Instance{Name: "Group 1", Kind: kind, Space: &tenant.Space{Name: "Econometrics"}, Restorable: restorable}
					if deleted {
						i.DeletedAt, i.RestorableUntil = &deletedAt, &until
					}
					want := expected(what, kind, deleted, restorable)
					refusals := rule.refusals(i)
					if len(refusals) == 0 {
						if want != "" {
							t.Errorf("%s: admitted, want %s", name, want)
						}
						continue
					}
					f := refusals[0]
					if f.Code != want {
						t.Errorf("%s: %s, want %q", name, f.Code, want)
					}
					checkWords(t, name, f)
					aboutTime := want == fault.InstanceDeleted || want == fault.RestoreWindowExpired
					if aboutTime != (f.DeletedAt == &deletedAt && f.RestorableUntil == &until) {
						t.Errorf("%s: deleted at %v, until %v", name, f.DeletedAt, f.RestorableUntil)
					}
					if aboutTime && !strings.Contains(f.Message, "2026-02-28 23:00:00 UTC") {
						t.Errorf("%s: %q does not say when, in UTC", name, f.Message)
					}
					if want == fault.InstanceDeleted && restorable != strings.Contains(f.Remedy, "restoreInstance") {
						t.Errorf("%s: restorable %t: %s", name, restorable, f.Remedy)
					}
				}
			}
		}
	}
}

// checkWords holds what a fault says against what words for people look like.
func checkWords(t *testing.T, name string, f *fault.Fault) {
	t.Helper()
	for _, text := range []string{f.Message, f.Remedy} {
		if strings.Contains(text, "%!") || strings.Contains(text, "\n") || strings.Contains(text, "  ") || text != "" && !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", name, text)
		}
	}
	if f.Message == "" {
		t.Errorf("%s: no message", name)
	}
}
