package invitation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func emailsOf(list relay.List[*invitation.Invitation]) []string {
	emails := []string{}
	for _, v := range list.Nodes {
		emails = append(emails, v.Email)
	}
	return emails
}

func TestListFiltersByStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instance, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	invited := w.invite("Group 1", tenant.Viewer, "expired@new.example")
	w.Advance(month)
	invited = append(invited, w.invite("Group 1", tenant.Viewer, "accepted@new.example", "declined@new.example", "revoked@new.example", "pending@new.example")...)
	_, err := w.accept("accepted@new.example", invited[1].InvitationID)
	w.must(err)
	_, err = w.Invitations.Decline(t.Context(), w.User("declined@new.example"), invitation.AnswerInput{InvitationID: &invited[2].InvitationID})
	w.must(err)
	w.revoke(invited[3].InvitationID)
	w.invite("Master", tenant.Viewer, "elsewhere@new.example")
	w.revoke(w.inviteAdministrators("revoked@space.example")[0].InvitationID)
	w.inviteAdministrators("pending@space.example")
	for _, c := range []struct {
		place  globalid.ID
		status invitation.Status
		want   []string
	}{
		{instance, "", []string{"pending@new.example", "revoked@new.example", "declined@new.example", "accepted@new.example", "expired@new.example"}},
		{instance, invitation.Pending, []string{"pending@new.example"}},
		{instance, invitation.Accepted, []string{"accepted@new.example"}},
		{instance, invitation.Declined, []string{"declined@new.example"}},
		{instance, invitation.Revoked, []string{"revoked@new.example"}},
		{instance, invitation.Expired, []string{"expired@new.example"}},
		{space, "", []string{"pending@space.example", "revoked@space.example"}},
		{space, invitation.Revoked, []string{"revoked@space.example"}},
		{space, invitation.Expired, []string{}},
		{globalid.New(globalid.Instance), "", []string{}},
	} {
		// Those that have expired are found whether they are marked or not.
		for _, marked := range []bool{false, true} {
			w.Exec(`update invitation set expired = $1 and status = 'PENDING' and expires_at <= clock_timestamp()`, marked)
			lists, err := w.Invitations.List(t.Context(), []globalid.ID{c.place}, invitation.Filter{Status: c.status}, relay.Page{First: 100, Total: true})
			w.must(err)
			list := lists[c.place]
			wantEqual(t, fmt.Sprint(c.place.Kind, " ", c.status, ", marked: ", marked), c.want, emailsOf(list))
			if list.Total != len(c.want) {
				t.Errorf("%s %s: total %d", c.place.Kind, c.status, list.Total)
			}
			for _, v := range list.Nodes {
				if c.status != "" && v.Status != c.status {
					t.Errorf("%s is %s", v.Email, v.Status)
				}
			}
		}
	}
}

// Ten thousand invitations that expire at once are listed before they are marked, too.
func TestListOfManyThatHaveJustExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instance := w.Instance("Group 1")
	w.invite("Group 1", tenant.Viewer, "pending@new.example")
	w.Exec(`insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), v.instance_id, n || '@many.example', n || '@many.example', 'VIEWER', sha256(n::text::bytea), v.invited_by, clock_timestamp() - interval '1 second'
		from invitation v, generate_series(1, $1) n`, relay.MaxTotal+100)
	list := func(status invitation.Status) relay.List[*invitation.Invitation] {
		t.Helper()
		lists, err := w.Invitations.List(t.Context(), []globalid.ID{instance}, invitation.Filter{Status: status}, relay.Page{First: 10, Total: true})
		w.must(err)
		return lists[instance]
	}
	for _, rest := range []int64{relay.MaxTotal + 100, 0} {
		expired := list(invitation.Expired)
		if len(expired.Nodes) != 10 || !expired.HasNext || expired.Total != relay.MaxTotal {
			t.Errorf("%d expired, total %d", len(expired.Nodes), expired.Total)
		}
		wantEqual(t, "pending", []string{"pending@new.example"}, emailsOf(list(invitation.Pending)))
		n := int64(0)
		for {
			some, err := invitation.MarkExpired(t.Context(), w.DB)
			w.must(err)
			if n += some; some == 0 {
				break
			}
		}
		if n != rest {
			t.Errorf("%d marked, want %d", n, rest)
		}
	}
}

// An expired invitation that is sent again is not marked any more.
func TestMarkedInvitationIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instance := w.Instance("Group 1")
	w.invite("Group 1", tenant.Viewer, "zoe@new.example")
	mark := func(want int64) {
		t.Helper()
		if n, err := invitation.MarkExpired(t.Context(), w.DB); n != want || err != nil {
			t.Errorf("%d marked, want %d: %v", n, want, err)
		}
	}
	mark(0)
	w.Advance(month)
	mark(1)
	mark(0)
	w.invite("Group 1", tenant.Viewer, "zoe@new.example")
	lists, err := w.Invitations.List(t.Context(), []globalid.ID{instance}, invitation.Filter{Status: invitation.Pending}, relay.Page{First: 10, Total: true})
	w.must(err)
	wantEqual(t, "pending", []string{"zoe@new.example"}, emailsOf(lists[instance]))
	mark(0)
}

func TestListPagesEachPlaceByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	places := []globalid.ID{w.Instance("Group 1"), w.Instance("Master"), w.Instance("Distributed")}
	var group1, master []string
	for i := range 5 {
		group1 = append(group1, fmt.Sprintf("g%d@new.example", i))
		master = append(master, fmt.Sprintf("m%d@new.example", i))
	}
	w.invite("Group 1", tenant.Viewer, group1...)
	w.invite("Master", tenant.Viewer, master[:2]...)
	slices.Reverse(group1) // newest first
	for _, status := range []invitation.Status{"", invitation.Pending} {
		lists, err := w.Invitations.List(t.Context(), places, invitation.Filter{Status: status}, relay.Page{First: 2, Total: true})
		w.must(err)
		wantEqual(t, "Group 1", group1[:2], emailsOf(lists[places[0]]))
		wantEqual(t, "Master", []string{"m1@new.example", "m0@new.example"}, emailsOf(lists[places[1]]))
		wantEqual(t, "Distributed", []string{}, emailsOf(lists[places[2]]))
		for i, total := range []int{5, 2, 0} {
			if l := lists[places[i]]; l.Total != total || l.HasNext != (i == 0) {
				t.Errorf("place %d: total %d, next page %t", i, l.Total, l.HasNext)
			}
		}
		// Walk through all pages of one place.
		var walked []string
		page := relay.Page{First: 2}
		for {
			lists, err := w.Invitations.List(t.Context(), places[:1], invitation.Filter{Status: status}, page)
			w.must(err)
			list := lists[places[0]]
			walked = append(walked, emailsOf(list)...)
			if !list.HasNext {
				break
			}
			page.After = list.Nodes[len(list.Nodes)-1].ID.UUID
		}
		wantEqual(t, "all pages", group1, walked)
	}
}

func TestListPendingForHasWhatAPersonCanAccept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const zoe = "zoe@new.example"
	w.invite("Group 1", tenant.Viewer, zoe)
	w.Advance(month)
	w.revoke(w.invite("Master", tenant.Viewer, zoe)[0].InvitationID)
	deleted := w.NewInstance(w.Space(testworld.Econometrics), "Group 4")
	w.invite("Group 4", tenant.Viewer, zoe)
	w.DeleteInstance(deleted, w.User("ada"))
	w.invite("Master", tenant.Viewer, zoe, "bob@new.example")
	w.inviteAdministrators(zoe)
	person := w.User(zoe)
	list, err := w.Invitations.ListPendingFor(t.Context(), person, relay.Page{First: 1, Total: true})
	w.must(err)
	if list.Total != 2 || !list.HasNext || len(list.Nodes) != 1 || list.Nodes[0].InstanceName != nil {
		t.Fatalf("%+v", list)
	}
	list, err = w.Invitations.ListPendingFor(t.Context(), person, relay.Page{First: 1, After: list.Nodes[0].ID.UUID})
	w.must(err)
	if list.HasNext || len(list.Nodes) != 1 || *list.Nodes[0].InstanceName != "Master" {
		t.Fatalf("%+v", list)
	}
	v := list.Nodes[0]
	wantEqual(t, "space", &invitation.SpaceSummary{Name: testworld.Econometrics, OrganizationName: "University of Example"}, v.Space)
	if place, err := v.Place(t.Context(), w.DB, person); place != nil || err != nil {
		t.Errorf("Zoe sees the place before accepting: %v, %v", place, err)
	}
	// Ada, who administrates it, sees it.
	list, err = w.Invitations.ListPendingFor(t.Context(), person, relay.Page{First: 10, After: uuid.Nil})
	w.must(err)
	for _, v := range list.Nodes {
		if place, err := v.Place(t.Context(), w.DB, w.User("ada")); place == nil || err != nil {
			t.Errorf("Ada does not see the place: %v", err)
		}
	}
}

func TestWithPlaceOfNoInvitationIsNone(t *testing.T) {
	t.Parallel()
	if v := (*invitation.Invitation)(nil).WithPlace(nil); v != nil {
		t.Error(v)
	}
}

// The stored fields of a list are the same with and without the details.
func TestListOfStoredFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	places := []globalid.ID{w.Instance("Group 1"), w.Instance("Master")}
	w.invite("Group 1", tenant.Viewer, "a@new.example", "b@new.example", "c@new.example")
	w.invite("Master", tenant.Editor, "a@new.example")
	for _, status := range []invitation.Status{"", invitation.Pending, invitation.Expired} {
		page := relay.Page{First: 2, Total: true}
		detailed, err := w.Invitations.List(t.Context(), places, invitation.Filter{Status: status}, page)
		w.must(err)
		stored, err := w.Invitations.List(t.Context(), places, invitation.Filter{Status: status, Stored: true}, page)
		w.must(err)
		for _, place := range places {
			want, got := detailed[place], stored[place]
			if got.HasNext != want.HasNext || got.Total != want.Total || len(got.Nodes) != len(want.Nodes) {
				t.Fatalf("%s: %+v, want %+v", status, got, want)
			}
			for i, v := range got.Nodes {
				of := want.Nodes[i]
				if v.ID != of.ID || v.Email != of.Email || *v.Role != *of.Role || v.Status != of.Status || v.Message != of.Message || !v.CreatedAt.Equal(of.CreatedAt) || !v.ExpiresAt.Equal(of.ExpiresAt) {
					t.Errorf("%+v, want %+v", v, of)
				}
			}
		}
	}
}
