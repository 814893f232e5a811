package request_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/request"
)

func TestEndedRequestsAreDeletedAfterTheRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const retention = 180 * 24 * time.Hour
	deleteEnded := func(want int64) {
		t.Helper()
		if n, err := request.DeleteEnded(t.Context(), w.DB, retention); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	role, restore := w.request("vic", request.Role), w.request("vic", request.Restore)
	open := w.request("ed", request.Invitations)
	w.Exec(`update request set expires_at = expires_at + interval '1 year', lasts_until = lasts_until + interval '1 year' where id = $1`, open.UUID)
	if got := w.approve("ada", role) + w.decline("ada", restore); got != "" {
		t.Fatal(got)
	}
	trail := w.Trail()
	w.Advance(retention - time.Minute)
	deleteEnded(0)
	w.Advance(time.Minute)
	deleteEnded(2)
	deleteEnded(0)
	if diff := cmp.Diff([]string{open.UUID.String()}, w.Lines(`select id from request`)); diff != "" {
		t.Errorf("left: %s", diff)
	}
	if n := w.Number(`
		select count(*) from outbox o where o.subject_id not in (select id from request_notice where request_id = $1)`, open.UUID); n != 0 {
		t.Errorf("%d mails about deleted requests are left", n)
	}
	if got := len(w.listMadeBy("vic", "")); got != 0 {
		t.Errorf("the list has %d requests", got)
	}
	if diff := cmp.Diff(trail, w.Trail()); diff != "" {
		t.Error(diff)
	}
}
