package request_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func (w world) listMadeBy(who string, status request.Status) []*request.Request {
	w.t.Helper()
	list, err := w.Requests.ListMadeBy(w.t.Context(), w.User(who), status, relay.Page{First: 100, Total: true})
	if err != nil {
		w.t.Fatal(err)
	}
	if list.Total != len(list.Nodes) {
		w.t.Errorf("%d requests are counted and %d listed", list.Total, len(list.Nodes))
	}
	return list.Nodes
}

// described returns the requester, kind and status of requests.
func described(requests []*request.Request) (lines []string) {
	for _, r := range requests {
		lines = append(lines, fmt.Sprint(r.RequestedBy.Name, " ", r.Kind, " ", r.Status))
	}
	return lines
}

func TestListsByStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decline("ada", w.request("vic", request.Restore))
	w.withdraw("vic", w.request("vic", request.Invitations))
	w.request("vic", request.Role)
	w.Exec(`update request set expires_at = clock_timestamp() where status = 'OPEN'`)
	w.request("vic", request.Invitations)
	w.request("ed", request.Invitations)
	for status, want := range map[request.Status][]string{
		"":                {"Vic INVITATIONS OPEN", "Vic ROLE EXPIRED", "Vic INVITATIONS WITHDRAWN", "Vic RESTORE DECLINED"},
		request.Open:      {"Vic INVITATIONS OPEN"},
		request.Expired:   {"Vic ROLE EXPIRED"}, // although that is not stored yet
		request.Withdrawn: {"Vic INVITATIONS WITHDRAWN"},
		request.Declined:  {"Vic RESTORE DECLINED"},
		request.Approved:  nil,
	} {
		if diff := cmp.Diff(want, described(w.listMadeBy("vic", status))); diff != "" {
			t.Errorf("made by Vic, %q: %s", status, diff)
		}
	}
	list, err := w.Requests.ListToAnswer(t.Context(), w.User("ada"), relay.Page{First: 10, Total: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Ed INVITATIONS OPEN", "Vic INVITATIONS OPEN"}, described(list.Nodes)); diff != "" || list.Total != 2 {
		t.Errorf("for Ada: %d, %s", list.Total, diff)
	}
}

func TestListsOfSpaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	econometrics, private := w.Space(testworld.Econometrics), w.Space("Private Research")
	w.decline("ada", w.request("vic", request.Restore))
	w.request("vic", request.Role)
	w.request("ed", request.Invitations)
	for status, want := range map[request.Status][]string{
		"":           {"Ed INVITATIONS OPEN", "Vic ROLE OPEN", "Vic RESTORE DECLINED"},
		request.Open: {"Ed INVITATIONS OPEN", "Vic ROLE OPEN"},
	} {
		lists, err := w.Requests.ListInSpaces(t.Context(), []globalid.ID{econometrics, private}, status, relay.Page{First: 10, Total: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, described(lists[econometrics].Nodes)); diff != "" || lists[econometrics].Total != len(want) {
			t.Errorf("%q: %d, %s", status, lists[econometrics].Total, diff)
		}
		if l := lists[private]; len(l.Nodes) > 0 || l.Total > 0 || l.HasNext {
			t.Errorf("of another space: %+v", l)
		}
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		w.decline("ada", w.request("vic", request.Role))
	}
	var all, paged []uuid.UUID
	for _, r := range w.listMadeBy("vic", "") {
		all = append(all, r.ID.UUID)
	}
	page := relay.Page{First: 2}
	for {
		list, err := w.Requests.ListMadeBy(t.Context(), w.User("vic"), "", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.Nodes {
			paged = append(paged, r.ID.UUID)
			page.After = r.ID.UUID
		}
		if !list.HasNext {
			break
		}
	}
	if !slices.Equal(all, paged) || len(all) != 5 {
		t.Errorf("%v in pages, %v at once", paged, all)
	}
}

func TestAddressesOfManyRequestsAreCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.request("ed", request.Invitations)
	w.request("vic", request.Role)
	w.request("vic", request.Invitations)
	if _, err := w.Requests.Approve(t.Context(), w.User("ada"), request.ApproveRequestInput{RequestID: id, Emails: []string{"bob@new.example"}}); err != nil {
		t.Fatal(err)
	}
	lists, err := w.Requests.ListInSpaces(t.Context(), []globalid.ID{w.Space(testworld.Econometrics)}, "", relay.Page{First: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range lists[w.Space(testworld.Econometrics)].Nodes {
		for _, q := range []struct {
			approved bool
			n        int
		}{{false, 100}, {false, 1}, {false, 0}, {true, 100}} {
			emails, err := w.Requests.Addresses(t.Context(), r, q.approved, q.n)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(r.RequestedBy.Name, " ", r.Kind, " ", q, " ", emails))
		}
	}
	if diff := cmp.Diff([]string{
		"Vic INVITATIONS {false 100} [zoe@new.example bob@new.example]", "Vic INVITATIONS {false 1} [zoe@new.example]", "Vic INVITATIONS {false 0} []", "Vic INVITATIONS {true 100} []",
		"Vic ROLE {false 100} []", "Vic ROLE {false 1} []", "Vic ROLE {false 0} []", "Vic ROLE {true 100} []",
		"Ed INVITATIONS {false 100} [zoe@new.example bob@new.example]", "Ed INVITATIONS {false 1} [zoe@new.example]", "Ed INVITATIONS {false 0} []", "Ed INVITATIONS {true 100} [bob@new.example]",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEndReasons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role, invitations, restore := w.request("vic", request.Role), w.request("vic", request.Invitations), w.request("vic", request.Restore)
	reasons := func() map[string]string {
		reasons := map[string]string{}
		for _, r := range w.listMadeBy("vic", "") {
			if reason := r.EndReason(); reason != nil {
				reasons[string(r.Kind)] = string(*reason)
			}
		}
		return reasons
	}
	if diff := cmp.Diff(map[string]string{}, reasons()); diff != "" {
		t.Errorf("open: %s", diff)
	}
	w.Advance(23 * time.Hour) // Group 2 can no longer be restored
	if diff := cmp.Diff(map[string]string{"RESTORE": "RESTORE_WINDOW_EXPIRED"}, reasons()); diff != "" {
		t.Errorf("a day later: %s", diff)
	}
	w.Advance(14 * 24 * time.Hour)
	if diff := cmp.Diff(map[string]string{"RESTORE": "RESTORE_WINDOW_EXPIRED", "ROLE": "EXPIRED", "INVITATIONS": "EXPIRED"}, reasons()); diff != "" {
		t.Errorf("two weeks later: %s", diff)
	}
	for _, id := range []globalid.ID{role, invitations, restore} {
		w.Exec(`update request set lasts_until = clock_timestamp() + interval '1 day', expires_at = clock_timestamp() + interval '1 day' where id = $1`, id.UUID)
	}
	w.withdraw("vic", role)
	w.decline("ada", invitations)
	if diff := cmp.Diff(map[string]string{"ROLE": "WITHDRAWN"}, reasons()); diff != "" {
		t.Errorf("withdrawn and declined: %s", diff)
	}
}
