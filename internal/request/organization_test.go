package request_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func (w world) university() globalid.ID { return w.Organization("University of Example") }

// askIn asks for a role in an organization, and returns the result or the refusal.
func (w world) askIn(who string, organization globalid.ID, role tenant.Role) (request.RequestPayload, string) {
	w.t.Helper()
	made, err := w.Requests.RequestRole(w.t.Context(), w.User(who), request.RequestRoleInput{OrganizationID: &organization, Role: role, Message: new("I teach.")})
	return made, testworld.Refusal(err)
}

// faculty asks to be one of the faculty of the university.
func (w world) faculty(who string) globalid.ID {
	w.t.Helper()
	made, refusal := w.askIn(who, w.university(), tenant.OrganizationFaculty)
	if refusal != "" {
		w.t.Fatalf("%s: %s", who, refusal)
	}
	return made.Request.ID
}

// Everybody who may know of an organization can ask: its members, and people who have a
// role in one of its spaces alone.
func TestWhoCanAskForARoleInAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	w.Grant(w.User("max"), tenant.OrganizationMember, university)
	w.Grant(w.User("fay"), tenant.OrganizationFaculty, university)
	for _, c := range []struct {
		who, want string
		place     globalid.ID
		role      tenant.Role
	}{
		{"max", "", university, tenant.OrganizationFaculty},
		{"fay", "", university, tenant.OrganizationManager},
		{"fay", "CONFLICT NOT_NEEDED", university, tenant.OrganizationFaculty},
		{"mia", "CONFLICT NOT_NEEDED", university, tenant.OrganizationFaculty},
		{"mia", "CONFLICT NOT_NEEDED", university, tenant.OrganizationManager},
		{"ada", "", university, tenant.OrganizationFaculty}, // who administers a space of it
		{"vic", "", university, tenant.OrganizationFaculty}, // who belongs to instances of it
		{"sam", "NOT_FOUND", university, tenant.OrganizationFaculty},
		{"rita", "NOT_FOUND", university, tenant.OrganizationFaculty},
		{"mia", "NOT_FOUND", w.Organization("Private Institute"), tenant.OrganizationFaculty},
		{"ada", "NOT_FOUND", w.Instance("Group 1"), tenant.OrganizationFaculty},
	} {
		if _, got := w.askIn(c.who, c.place, c.role); got != c.want {
			t.Errorf("%s: %q, want %q", c.who, got, c.want)
		}
	}
	if diff := cmp.Diff([]string{
		"Max ORGANIZATION_FACULTY University of Example", "Fay ORGANIZATION_MANAGER University of Example",
		"Ada ORGANIZATION_FACULTY University of Example", "Vic ORGANIZATION_FACULTY University of Example",
	}, w.Lines(`select concat_ws(' ', a.name, r.role, r.space_id, r.space_name, r.organization_name) from request r join account a on a.id = r.requested_by order by r.id`)); diff != "" {
		t.Error(diff)
	}
	// There is one open request of a person for each role.
	ask := func(role tenant.Role, created bool) {
		t.Helper()
		again, refusal := w.askIn("max", university, role)
		if refusal != "" || again.Created != created || *again.Request.Role != role {
			t.Errorf("%+v, %q", again, refusal)
		}
	}
	ask(tenant.OrganizationFaculty, false)
	ask(tenant.OrganizationManager, true)
	ask(tenant.OrganizationManager, false)
	ask(tenant.OrganizationFaculty, false)
	w.Advance(15 * 24 * time.Hour) // they have expired, and nobody has stored that
	ask(tenant.OrganizationManager, true)
	if w.Number(`select count(*) from request r join account a on a.id = r.requested_by where a.name = 'Max' and r.status = 'EXPIRED'`) != 1 {
		t.Error("the request for the other role has ended, too")
	}
	ask(tenant.OrganizationFaculty, true)
}

// Nobody uses up what everybody has together, and a limit in one organization is none in
// another.
func TestRequestsForOrganizationsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, other := w.university(), w.Organization("Private Institute")
	w.Requests.Limits.BySpace, w.Requests.Limits.ByPersonInOrganization, w.Requests.Limits.ByOrganization = 0, 2, 3
	w.Grant(w.User("vic"), tenant.OrganizationMember, other)
	for _, c := range []struct {
		who   string
		place globalid.ID
		want  string
	}{
		{"vic", university, ""},
		{"vic", university, ""},
		{"vic", university, "RATE_LIMITED REQUESTS_BY_PERSON_IN_ORGANIZATION"},
		{"vic", other, ""},
		{"ed", university, ""},
		{"ada", university, "RATE_LIMITED REQUESTS_BY_SPACE"},
	} {
		made, got := w.askIn(c.who, c.place, tenant.OrganizationFaculty)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.who, got, c.want)
		}
		if got == "" {
			w.withdraw(c.who, made.Request.ID)
		}
	}
}

// Where the last manager was erased by force, nobody is asked, and no refusal says that
// somebody could be.
func TestOrganizationsWithoutAManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	w.Grant(w.User("fay"), tenant.OrganizationFaculty, university)
	w.Grant(w.User("max"), tenant.OrganizationMember, university)
	const noManager = "University of Example has no manager now, who could give you a role."
	check := func(who string, rule access.Rule, remedy, request string) {
		t.Helper()
		place, err := tenant.FindOrganization(t.Context(), w.DB, w.User(who), university)
		if err != nil {
			t.Fatal(err)
		}
		var f *fault.Fault
		if err := access.CheckRole(t.Context(), w.DB, place, rule); !errors.As(err, &f) || f.Remedy != remedy || f.Request != request {
			t.Errorf("%s, %s: %+v", who, rule.Field, f)
		}
	}
	check("max", access.CreateSpace, "Ask Mia (mia@uni.example) or Fay (fay@uni.example) to do it for you, or ask for the role ORGANIZATION_FACULTY with requestRole.", "requestRole")
	w.Exec(`delete from organization_member m using account a, set_config('datahub.erasure', 'FORCED', true) where a.id = m.account_id and a.name = 'Mia'`)
	check("max", access.CreateSpace, "Ask Fay (fay@uni.example) to do it for you. "+noManager+" If nobody helps, write to support@alphacruncher.com.", "")
	check("max", access.InviteOrganizationMembers, noManager+" Write to support@alphacruncher.com.", "")
	check("vic", access.CreateSpace, noManager+" Write to support@alphacruncher.com.", "")
	if _, got := w.askIn("max", university, tenant.OrganizationFaculty); got != "CONFLICT NO_MANAGER" || w.Number(`select count(*) from request`) != 0 {
		t.Errorf("asking: %q", got)
	}
}

// Guests are told no names of the staff: neither who answered them.
func TestGuestsDoNotLearnWhoAnsweredInAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	w.Exec(`insert into organization_member (organization_id, account_id, role, guest) select $1, id, 'MEMBER', true from account where name = 'Vic'`, university.UUID)
	w.Grant(w.User("max"), tenant.OrganizationMember, university)
	for who, want := range map[string]fault.Contact{
		"vic": {Name: "a manager of University of Example"}, // a guest
		"ed":  {Name: "a manager of University of Example"}, // who belongs to an instance alone
		"max": {Name: "Mia", Email: "mia@uni.example"},
		"ada": {Name: "Mia", Email: "mia@uni.example"},
	} {
		id := w.faculty(who)
		if got := w.decline("mia", id); got != "" {
			t.Fatal(got)
		}
		r := w.listMadeBy(who, "")[0]
		place, err := r.Place(t.Context(), w.DB, w.User(who))
		if err != nil || *r.AnsweredByIn(place) != want {
			t.Errorf("%s: %+v, %v", who, r.AnsweredByIn(place), err)
		}
		var f *fault.Fault
		_, err = w.Requests.Withdraw(t.Context(), w.User(who), request.WithdrawRequestInput{RequestID: id})
		if !errors.As(err, &f) || f.Message != "The request has already been declined by "+want.Name+"." || (len(f.Contacts) == 0) != (want.Email == "") {
			t.Errorf("%s: %v", who, err)
		}
	}
	for _, m := range w.Mails() {
		hidden := m.To == "vic@uni.example" || m.To == "ed@uni.example"
		if hidden != (m.Subject == "DataHub A manager of University of Example has declined your request") || hidden && (strings.Contains(m.Text, "Mia") || strings.Contains(m.Text, "mia@")) {
			t.Errorf("to %s: %s\n%s", m.To, m.Subject, m.Text)
		}
	}
}

// The managers of the organization can answer, and nobody else: by the rules, in the lists,
// by mail, and in what they watch.
func TestAnswerersOfRequestsForOrganizationsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	university := w.university()
	w.Grant(w.User("fay"), tenant.OrganizationFaculty, university)
	w.Grant(w.User("may"), tenant.OrganizationManager, university)
	id := w.faculty("vic")
	check := func(what string, emails []string) {
		t.Helper()
		var got []string
		for _, email := range emails {
			got = append(got, strings.TrimSuffix(email, "@uni.example"))
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"may", "mia"}, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	check("the function", w.Lines(`
		select a.email from request r, request_answerers_2(r.kind, r.space_id, r.instance_id, r.organization_id) may join account a on a.id = may.account_id where r.id = $1`, id.UUID))
	check("the events", w.Lines(`
		select a.email from event e join account a on a.id = e.place_id
		where e.topic = 'REQUEST' and e.change = 'CREATED' and $1 = any (e.subjects) and a.name <> 'Vic'`, id.UUID))
	var mailed, listed, allowed []string
	for _, m := range w.Mails() {
		mailed = append(mailed, m.To)
		if !strings.Contains(m.Text, "Vic (vic@uni.example) asks to become a faculty member of University of Example.") || strings.Contains(m.Text, "Space") {
			t.Errorf("the mail to %s:\n%s", m.To, m.Text)
		}
	}
	check("the mails", mailed)
	for _, who := range append(slices.Clone(everybody), "fay", "may") {
		list, err := w.Requests.ListToAnswer(t.Context(), w.User(who), relay.Page{First: 10, Total: true})
		if err != nil || len(list.Nodes) != list.Total {
			t.Fatalf("%s: %+v, %v", who, list, err)
		}
		if len(list.Nodes) == 1 && list.Nodes[0].ID == id {
			listed = append(listed, who)
		}
		want := "NOT_FOUND"
		if who == "vic" {
			want = "FORBIDDEN" // who made it
		}
		switch got := w.decline(who, id); got {
		case "":
			allowed = append(allowed, who)
			w.reopen(id)
		case want:
		default:
			t.Errorf("%s is refused with %s", who, got)
		}
	}
	check("the lists", listed)
	check("the rules", allowed)

	for status, want := range map[request.Status]int{"": 1, request.Open: 1, request.Declined: 0} {
		lists, err := w.Requests.ListInOrganizations(t.Context(), []globalid.ID{university, w.Organization("Private Institute")}, status, relay.Page{First: 10, Total: true})
		if list := lists[university]; err != nil || len(list.Nodes) != want || list.Total != want || len(lists) > 2 {
			t.Errorf("%q: %+v, %v", status, lists, err)
		}
	}
	if r := w.listMadeBy("vic", ""); len(r) != 1 || r[0].SpaceName != "University of Example" || r[0].InstanceName != nil || *r[0].OrganizationName != "University of Example" {
		t.Errorf("%+v", r)
	}
	if w.Number(`select count(*) from request r join space s on s.id = r.space_id`) != 0 {
		t.Error("it is about a space")
	}
}

func TestApprovingARoleInAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	w.Grant(w.User("fay"), tenant.OrganizationMember, university)
	w.Exec(`update organization_member set guest = true where role = 'MEMBER'`)
	approve := func(id globalid.ID) {
		t.Helper()
		in := request.ApproveRequestInput{RequestID: id, Message: new("Welcome!"), IdempotencyKey: new(id.String())}
		for range 2 { // the second one changes nothing
			payload, err := w.Requests.Approve(t.Context(), w.User("mia"), in)
			if err != nil || payload.Request.Status != request.Approved || payload.Request.AnsweredBy.Name != "Mia" || payload.Results != nil {
				t.Fatalf("%+v, %v", payload, err)
			}
		}
	}
	approve(w.faculty("fay"))
	approve(w.faculty("vic"))
	if got := [2]string{w.RoleOf(w.User("fay"), university), w.RoleOf(w.User("vic"), university)}; got != [2]string{"ORGANIZATION_FACULTY", "ORGANIZATION_FACULTY"} || w.Number(`select count(*) from organization_member where guest`) != 0 {
		t.Errorf("%q", got)
	}
	// A role is never lowered.
	id := w.faculty("ed")
	w.Grant(w.User("ed"), tenant.OrganizationManager, university)
	approve(id)
	if got := w.RoleOf(w.User("ed"), university); got != "ORGANIZATION_MANAGER" {
		t.Errorf("Ed is %s", got)
	}
	if diff := cmp.Diff([]string{
		"Fay REQUEST_MADE FACULTY", "Mia ROLE_GRANTED FACULTY MEMBER", "Mia REQUEST_APPROVED FACULTY",
		"Vic REQUEST_MADE FACULTY", "Mia ROLE_GRANTED FACULTY", "Mia REQUEST_APPROVED FACULTY",
		"Ed REQUEST_MADE FACULTY", "Mia REQUEST_APPROVED FACULTY",
	}, w.Lines(`select concat_ws(' ', actor_name, action, details->>'organizationRole', details->>'previousOrganizationRole') from audit_log where organization_id = $1 and space_id is null order by id`, university.UUID)); diff != "" {
		t.Error(diff)
	}
	for _, m := range w.Mails() {
		if m.To == "vic@uni.example" && (m.Subject != "DataHub Mia has approved your request" || !strings.Contains(m.Text, "You can create spaces in the organization now.") || !strings.Contains(m.Text, "Welcome!")) {
			t.Errorf("%s\n%s", m.Subject, m.Text)
		}
	}
	if got := w.decline("mia", w.faculty("ada")); got != "" {
		t.Errorf("declining: %q", got)
	}
	if got := w.withdraw("ada", w.faculty("ada")); got != "" {
		t.Errorf("withdrawing: %q", got)
	}
	if !slices.Contains(w.mailed(), "ada: DataHub Mia has declined your request") { // who has a role in a space alone
		t.Errorf("%q", w.mailed())
	}
}

// A requester who has left the organization can only withdraw, and learns nothing.
func TestRequestersWhoLeftAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	fay := w.User("fay")
	w.Grant(fay, tenant.OrganizationMember, university)
	id := w.faculty("fay")
	if _, err := w.Memberships.Remove(t.Context(), w.User("mia"), membership.RemoveMemberInput{UserID: fay.ID, OrganizationID: &university}); err != nil {
		t.Fatal(err)
	}
	if got := [4]string{w.approve("mia", id), w.approve("fay", id), w.decline("fay", id), w.decline("mia", id)}; got != [4]string{"CONFLICT REQUESTER_LEFT", "NOT_FOUND", "NOT_FOUND", ""} {
		t.Errorf("%q", got)
	}
	r := w.listMadeBy("fay", "")[0]
	if place, err := r.Place(t.Context(), w.DB, fay); place != nil || err != nil {
		t.Errorf("the place is %v, %v", place, err)
	}
	for _, m := range w.Mails() {
		if m.To == "fay@uni.example" {
			t.Errorf("a mail to Fay: %s", m.Text)
		}
	}
	w.reopen(id)
	if got := w.withdraw("fay", id); got != "" {
		t.Errorf("withdrawing: %q", got)
	}
}

func TestRequestsForOrganizationsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.faculty("vic")
	w.Advance(14 * 24 * time.Hour)
	if got := w.approve("mia", id); got != "CONFLICT REQUEST_EXPIRED" {
		t.Errorf("%q", got)
	}
	if n := w.endExpired(); n != 1 || w.status(id) != request.Expired {
		t.Errorf("%d, %s", n, w.status(id))
	}
	var subjects []string
	for _, m := range w.Mails() {
		subjects = append(subjects, m.To+" "+m.Subject)
	}
	if diff := cmp.Diff([]string{"vic@uni.example DataHub Your request was not answered"}, subjects); diff != "" {
		t.Error(diff)
	}
	if n, err := request.DeleteEnded(t.Context(), w.DB, 0); n != 1 || err != nil || w.Number(`select count(*) from outbox`) != 0 {
		t.Errorf("%d deleted, %v", n, err)
	}
}

// The first answer of two managers counts. A removal of the requester comes before an
// approval or ends the role that it grants.
func TestRacingAnswersInAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.university()
	w.Grant(w.User("may"), tenant.OrganizationManager, university)
	w.Requests.Limits.ByPerson, w.Requests.Limits.ByOrganization, w.Requests.Limits.ByPersonInOrganization = 1e6, 1e6, 1e6
	fay := w.User("fay")
	var answers, removals racetest.Race
	for range racetest.Trials {
		w.Grant(fay, tenant.OrganizationMember, university)
		id := w.faculty("fay")
		var approved, declined string
		answers.Run(func() { approved = w.approve("mia", id) }, func() { declined = w.decline("may", id) })
		answers.Record(approved == "")
		want := [3]string{"", "CONFLICT REQUEST_APPROVED", "ORGANIZATION_FACULTY"}
		if approved != "" {
			want = [3]string{"CONFLICT REQUEST_DECLINED", "", "ORGANIZATION_MEMBER"}
		}
		if got := [3]string{approved, declined, w.RoleOf(fay, university)}; got != want {
			t.Fatalf("%q, want %q", got, want)
		}

		w.Grant(fay, tenant.OrganizationMember, university)
		id = w.faculty("fay")
		var err error
		removals.Run(func() { approved = w.approve("mia", id) }, func() {
			_, err = w.Memberships.Remove(t.Context(), w.User("may"), membership.RemoveMemberInput{UserID: fay.ID, OrganizationID: &university})
		})
		removals.Record(approved == "")
		if approved != "" && approved != "CONFLICT REQUESTER_LEFT" || err != nil || w.RoleOf(fay, university) != "" {
			t.Fatalf("%q, %v, and Fay is %q", approved, err, w.RoleOf(fay, university))
		}
		if approved != "" {
			w.decline("mia", id)
		}
	}
	answers.End(t)
	removals.End(t)
}
