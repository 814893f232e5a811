package request_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// deleteSpace deletes Econometrics, and restoreSpace restores it.
func (w world) deleteSpace() {
	w.t.Helper()
	if _, err := w.Spaces.Delete(w.t.Context(), w.User("ada"), space.Input{SpaceID: w.Space(testworld.Econometrics)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) restoreSpace() {
	w.t.Helper()
	if _, err := w.Spaces.Restore(w.t.Context(), w.User("ada"), space.Input{SpaceID: w.Space(testworld.Econometrics)}); err != nil {
		w.t.Fatal(err)
	}
}

// askForSpace asks for Econometrics to be restored, and returns the request or the refusal.
func (w world) askForSpace(who string) (id globalid.ID, refusal string) {
	w.t.Helper()
	made, err := w.Requests.RequestRestore(w.t.Context(), w.User(who), request.RequestRestoreInput{SpaceID: new(w.Space(testworld.Econometrics)), Message: new("My data is in there.")})
	if err != nil {
		return id, testworld.Refusal(err)
	}
	return made.Request.ID, ""
}

func TestWhoCanAskForASpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, got := w.askForSpace("vic"); got != "CONFLICT NOT_NEEDED" {
		t.Errorf("it is not deleted: %q", got)
	}
	w.deleteSpace()
	for who, want := range map[string]string{
		"ada": "CONFLICT NOT_NEEDED", "mia": "CONFLICT NOT_NEEDED", "ed": "", "vic": "", "sam": "NOT_FOUND", "rita": "NOT_FOUND",
	} {
		if _, got := w.askForSpace(who); got != want {
			t.Errorf("%s: %q, want %q", who, got, want)
		}
	}
	if got := w.Lines(`select concat_ws(' ', kind, space_name, instance_name, expires_at = (select restorable_until from space where id = space_id)) from request`); !slices.Equal(got,
		[]string{"RESTORE Econometrics 2026 t", "RESTORE Econometrics 2026 t"}) {
		t.Errorf("%q", got)
	}
	w.Exec(`update space set deleted_at = deleted_at - interval '1 day', restorable_until = restorable_until - interval '1 day' where deleted_at is not null`)
	if _, got := w.askForSpace("vic"); got != "RESTORE_WINDOW_EXPIRED" {
		t.Errorf("too late: %q", got)
	}
}

// The administrators of the space and the managers of its organization can answer: by the
// rules, in the lists, by mail, and in what they watch.
func TestAnswerersOfRequestsForSpacesAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	w.Grant(w.User("fay"), tenant.OrganizationFaculty, w.Organization("University of Example"))
	w.deleteSpace()
	id, refusal := w.askForSpace("vic")
	if refusal != "" {
		t.Fatal(refusal)
	}
	answerers := []string{"ada", "eva", "mia"}
	check := func(what string, emails []string) {
		t.Helper()
		var got []string
		for _, email := range emails {
			got = append(got, strings.TrimSuffix(email, "@uni.example"))
		}
		slices.Sort(got)
		if diff := cmp.Diff(answerers, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	check("the function", w.Lines(`
		select a.email from request r, request_answerers_1(r.kind, r.space_id, r.instance_id) may join account a on a.id = may.account_id where r.id = $1`, id.UUID))
	check("the events", w.Lines(`
		select a.email from event e join account a on a.id = e.place_id
		where e.topic = 'REQUEST' and e.change = 'CREATED' and $1 = any (e.subjects) and a.name <> 'Vic'`, id.UUID))
	var mailed, listed, allowed []string
	for _, m := range w.Mails() {
		mailed = append(mailed, m.To)
		if !strings.Contains(m.Text, "to restore the space Econometrics 2026.") || strings.Contains(m.Text, "Instance") {
			t.Errorf("the mail to %s:\n%s", m.To, m.Text)
		}
	}
	check("the mails", mailed)
	for _, who := range append(slices.Clone(everybody), "fay") {
		list, err := w.Requests.ListToAnswer(t.Context(), w.User(who), relay.Page{First: 10, Total: true})
		if err != nil || len(list.Nodes) != list.Total {
			t.Fatalf("%s: %+v, %v", who, list, err)
		}
		if len(list.Nodes) == 1 && list.Nodes[0].ID == id {
			listed = append(listed, who)
		}
		switch got := w.decline(who, id); {
		case got == "":
			allowed = append(allowed, who)
			w.reopen(id)
		case got != "NOT_FOUND" && who != "vic":
			t.Errorf("%s is refused with %s", who, got)
		}
	}
	check("the lists", listed)
	check("the rules", allowed)
}

// Approving restores the space, and answers all who have asked for it; so does restoring it.
func TestRequestsForSpacesAreApprovedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, restore := range map[string]func(globalid.ID){
		"approving": func(id globalid.ID) {
			if got := w.approve("mia", id); got != "" {
				t.Errorf("approving: %q", got)
			}
		},
		"restoring": func(globalid.ID) { w.restoreSpace() },
	} {
		w.Exec(`delete from request`)
		w.deleteSpace()
		ed, _ := w.askForSpace("ed")
		vic, _ := w.askForSpace("vic")
		restore(ed)
		if w.status(ed) != request.Approved || w.status(vic) != request.Approved {
			t.Errorf("%s: %s, %s", name, w.status(ed), w.status(vic))
		}
		if n := w.Number(`select count(*) from space where deleted_at is not null`); n != 0 {
			t.Errorf("%s: %d spaces are deleted", name, n)
		}
		if got := w.approve("ada", vic); got != "CONFLICT REQUEST_APPROVED" {
			t.Errorf("%s: another approval: %q", name, got)
		}
	}
}

// Other requests in the space end with it at the latest. When it is restored, each has the
// time that it had before: also where its instance is deleted.
func TestRequestsInADeletedSpaceEndWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.request("vic", request.Role)
	w.request("vic", request.Invitations)
	w.request("vic", request.Restore)
	if _, err := w.Requests.RequestRole(t.Context(), w.User("vic"), request.RequestRoleInput{SpaceID: new(w.Space(testworld.Econometrics)), Role: tenant.SpaceAdministrator}); err != nil {
		t.Fatal(err)
	}
	times := func() []string { return w.Lines(`select expires_at::text from request order by id`) }
	before := times()
	w.deleteSpace()
	if n := w.Number(`select count(*) from request r join space s on s.id = r.space_id where r.expires_at <= s.restorable_until`); n != 4 {
		t.Errorf("%d end with the space", n)
	}
	w.restoreSpace()
	if diff := cmp.Diff(before, times()); diff != "" {
		t.Error(diff)
	}
	if n := w.Number(`select count(*) from request where status = 'OPEN'`); n != 4 {
		t.Errorf("%d are open", n)
	}
}

// A request that nobody has answered in time says why it ended.
func TestRequestsForSpacesExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deleteSpace()
	id, _ := w.askForSpace("vic")
	w.Advance(24 * time.Hour)
	if n, err := w.Requests.EndExpired(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := w.approve("ada", id); got != "RESTORE_WINDOW_EXPIRED" {
		t.Errorf("approving: %q", got)
	}
	_, err := w.Requests.Decline(t.Context(), w.User("ada"), request.DeclineRequestInput{RequestID: id})
	if got := testworld.Refusal(err); got != "CONFLICT REQUEST_EXPIRED" || !strings.Contains(err.Error(), "the space could be restored") {
		t.Errorf("declining: %v", err)
	}
	list, err := w.Requests.ListMadeBy(t.Context(), w.User("vic"), "", relay.Page{First: 10})
	if err != nil || len(list.Nodes) != 1 || *list.Nodes[0].EndReason() != request.EndRestoreWindow {
		t.Errorf("%+v, %v", list, err)
	}
}
