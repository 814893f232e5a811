package membership_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// changeUntil changes the end of a membership, and not the role.
func (w world) changeUntil(actor string, instance, user globalid.ID, role tenant.InstanceRole, end membership.End) (membership.ChangeMemberRolePayload, outcome) {
	w.t.Helper()
	payload, err := w.service.ChangeRole(w.t.Context(), w.User(actor), membership.ChangeMemberRoleInput{InstanceID: instance, UserID: user, Role: role, Until: end})
	return payload, w.outcome(payload.Changed, err)
}

func in(d time.Duration) membership.End {
	return membership.End{Given: true, At: new(time.Now().Add(d))}
}

func (w world) endDue() int64 {
	w.t.Helper()
	n, err := w.service.EndDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// sees returns the roles that somebody has in an instance, as whatever asks for them.
func (w world) sees(user string, instance globalid.ID) string {
	w.t.Helper()
	a := w.User(user)
	found, err := tenant.FindInstance(w.t.Context(), w.DB, a, instance)
	if err != nil {
		w.t.Fatal(err)
	}
	effective, err := tenant.EffectiveRolesOf(w.t.Context(), w.DB, []tenant.UserInInstance{{User: a.ID, Instance: instance}})
	if err != nil {
		w.t.Fatal(err)
	}
	held := tenant.Roles(0)
	if found != nil {
		held = found.Roles
	}
	if got := effective[0]; got != held && held != 0 {
		w.t.Errorf("%s: %v and %v", user, got.List(), held.List())
	}
	if w.Text(`select (`+tenant.HasRoleInInstance("$2", tenant.RolesOf(tenant.InstanceViewer, tenant.InstanceEditor))+`)::text
		from instance i join space s on s.id = i.space_id where i.id = $1`, instance.UUID, a.ID.UUID) != map[bool]string{true: "true", false: "false"}[found != nil] {
		w.t.Errorf("%s: the condition says otherwise than %v", user, held.List())
	}
	var names []string
	for _, r := range held.List() {
		names = append(names, r.String())
	}
	return strings.Join(names, " ")
}

// A membership gives no role from its end on, before anything else happens. Then it is
// listed, and can be given back.
func TestAMembershipEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, group2, vic := w.Instance("Group 1"), w.Instance("Group 2"), w.User("vic").ID
	if payload, o := w.changeUntil("ada", group1, vic, tenant.Viewer, in(time.Hour)); payload.Member == nil || payload.Member.Until == nil {
		t.Errorf("%+v", payload)
	} else {
		o.is(t, true)
	}
	w.Exec(`delete from instance_member where instance_id = $1 and account_id = $2`, group2.UUID, vic.UUID)
	w.Advance(time.Hour - time.Minute)
	if got := w.sees("vic", group1); got != "INSTANCE_VIEWER" {
		t.Errorf("before the end: %q", got)
	}
	if n := w.endDue(); n != 0 {
		t.Errorf("%d ended", n)
	}
	w.Advance(time.Minute)
	if got := w.sees("vic", group1); got != "" {
		t.Errorf("after the end: %q", got)
	}
	if space, err := tenant.FindSpace(t.Context(), w.DB, w.User("vic"), w.Space(testworld.Econometrics)); space != nil || err != nil {
		t.Errorf("the space is %v, %v", space, err)
	}
	if list, err := tenant.Spaces(t.Context(), w.DB, w.User("vic"), "", relay.Page{First: 5, Total: true}); len(list.Nodes) != 0 || list.Total != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	lists, err := w.service.ListInInstances(t.Context(), []globalid.ID{group1}, relay.Page{First: 5, Total: true})
	if l := lists[group1]; len(l.Nodes) != 1 || l.Total != 1 || err != nil {
		t.Errorf("%d members, %d counted, %v", len(l.Nodes), l.Total, err)
	}
	// Too late to prolong; a removal has nothing to end.
	_, o := w.changeUntil("ada", group1, vic, tenant.Viewer, membership.End{Given: true})
	o.refused(t, fault.NotFound)
	w.removeFrom("ada", group1, vic, "").is(t, false)

	// An invitation from before the end is revoked. One from after it is a new decision.
	w.Exec(`update instance_member set until = clock_timestamp() - interval '1 second' where instance_id = $1 and account_id = $2`, group1.UUID, w.User("ed").ID.UUID)
	w.Exec(`insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, created_at, expires_at)
		select uuid_v7(clock_timestamp()), $1, n.email, n.email, 'EDITOR', sha256(n.email::bytea), a.id, clock_timestamp() - n.age, clock_timestamp() + interval '1 day'
		from account a, (values ('vic@uni.example', interval '3 hours'), ('ed@uni.example', interval '0')) n (email, age) where a.name = 'Ada'`, group1.UUID)
	if n := w.endDue(); n != 2 {
		t.Errorf("%d ended", n)
	}
	if got := w.Text(`select status from invitation where email = 'ed@uni.example'`); got != "PENDING" {
		t.Errorf("the later invitation is %s", got)
	}
	if n := w.endDue(); n != 0 {
		t.Errorf("%d ended again", n)
	}
	if got := w.Text(`select status from invitation where email = 'vic@uni.example'`); got != "REVOKED" {
		t.Errorf("the invitation is %s", got)
	}
	w.Exec(`delete from ended_membership where account_id = $1`, w.User("ed").ID.UUID)
	w.formerAre("ada", group1, "Vic [INSTANCE_VIEWER] EXPIRED")
	w.trail("Ada MEMBER_END_CHANGED Vic VIEWER in Group 1", "DataHub INVITATION_REVOKED in Group 1", "DataHub MEMBER_EXPIRED Vic VIEWER in Group 1", "DataHub MEMBER_EXPIRED Ed EDITOR in Group 1")

	_, o = w.reinstateIn("ada", group1, vic, "")
	o.is(t, true)
	if got := w.Text(`select coalesce(until::text, 'none') from instance_member where instance_id = $1 and account_id = $2`, group1.UUID, vic.UUID); got != "none" || w.sees("vic", group1) == "" {
		t.Errorf("until %s", got)
	}
}

// An end can be set, kept, moved and removed, and given with a reinstatement.
func TestTheEndOfAMembershipIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, vic := w.Instance("Group 1"), w.User("vic").ID
	until := func() string {
		return w.Text(`select coalesce(round(extract(epoch from until - clock_timestamp()) / 3600)::text, 'none') from instance_member where instance_id = $1 and account_id = $2`, group1.UUID, vic.UUID)
	}
	for _, c := range []struct {
		role    tenant.InstanceRole
		end     membership.End
		changed bool
		want    string
	}{
		{tenant.Viewer, membership.End{}, false, "none"},
		{tenant.Viewer, membership.End{Given: true}, false, "none"},
		{tenant.Viewer, in(5 * time.Hour), true, "5"},
		{tenant.Editor, membership.End{}, true, "5"},
		{tenant.Editor, in(7 * time.Hour), true, "7"},
		{tenant.Viewer, in(3 * time.Hour), true, "3"},
		{tenant.Viewer, membership.End{Given: true}, true, "none"},
	} {
		_, o := w.changeUntil("ada", group1, vic, c.role, c.end)
		o.is(t, c.changed)
		if got := until(); got != c.want {
			t.Errorf("%+v: in %s hours, want %s", c, got, c.want)
		}
	}
	_, o := w.changeUntil("ada", group1, vic, tenant.Viewer, in(-time.Minute))
	if f := o.refused(t, fault.BadUserInput); len(f.InputPath) != 2 || f.InputPath[1] != "until" {
		t.Errorf("%+v", f)
	}
	if faults := (membership.ChangeMemberRoleInput{Until: in(11 * 366 * 24 * time.Hour)}).Validate(); len(faults) != 1 {
		t.Errorf("%v", faults)
	}

	// A removal remembers the end, and a reinstatement can have another one.
	w.changeUntil("ada", group1, vic, tenant.Viewer, in(9*time.Hour))
	w.removeFrom("ada", group1, vic, "").is(t, true)
	_, o = w.reinstateIn("ada", group1, vic, "")
	if o.is(t, true); until() != "9" {
		t.Errorf("in %s hours", until())
	}
	w.removeFrom("ada", group1, vic, "").is(t, true)
	payload, err := w.service.Reinstate(t.Context(), w.User("ada"), membership.ReinstateMemberInput{UserID: vic, InstanceID: &group1, Until: in(2 * time.Hour).At})
	if w.outcome(payload.Reinstated, err).is(t, true); until() != "2" {
		t.Errorf("in %s hours", until())
	}

	// Inputs without an end are remembered as before.
	text, err := json.Marshal(membership.ChangeMemberRoleInput{})
	if err != nil || strings.Contains(string(text), "until") {
		t.Errorf("%s, %v", text, err)
	}
	text, err = json.Marshal(membership.ChangeMemberRoleInput{Until: membership.End{Given: true}})
	if err != nil || !strings.Contains(string(text), `"until":null`) {
		t.Errorf("%s, %v", text, err)
	}
}

// The end of a membership comes while it is prolonged: it goes on, or has ended.
func TestEndingRacesWithProlonging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, vic := w.Instance("Group 1"), w.User("vic")
	var edge racetest.Edge
	for n := range racetest.Trials {
		w.Exec(`insert into instance_member (instance_id, account_id, role, until) values ($1, $2, 'VIEWER', clock_timestamp() + $3::float8 * interval '1 second')
			on conflict (instance_id, account_id) do update set until = excluded.until`, group1.UUID, vic.ID.UUID, edge.Before().Seconds())
		var prolonged outcome
		racetest.Together(
			func() {
				_, prolonged = w.changeUntil("ada", group1, vic.ID, tenant.Viewer, membership.End{Given: true})
			},
			func() {
				if _, err := w.service.EndDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		w.endDue()
		has := w.RoleOf(vic, group1) != ""
		if has != prolonged.done || !has && prolonged.fault.Code != fault.NotFound {
			t.Fatalf("trial %d: %+v, and a member: %t", n, prolonged, has)
		}
		edge.Record(prolonged.done)
	}
	edge.End(t)
}
