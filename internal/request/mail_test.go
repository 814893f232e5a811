package request_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// mailed delivers the mails that are due, and returns the recipients and subjects of
// all mails.
func (w world) mailed() (lines []string) {
	w.t.Helper()
	for _, m := range w.Mails() {
		lines = append(lines, fmt.Sprint(strings.TrimSuffix(m.To, "@uni.example"), ": ", m.Subject))
	}
	slices.Sort(lines)
	return lines
}

func TestMailsAboutARequest(t *testing.T) {
	t.Parallel()
	type end struct {
		what string
		by   func(w world, id globalid.ID)
	}
	approved := end{"approved", func(w world, id globalid.ID) { w.approve("ada", id) }}
	declined := end{"declined", func(w world, id globalid.ID) { w.decline("ada", id) }}
	withdrawn := end{"withdrawn", func(w world, id globalid.ID) { w.withdraw("vic", id) }}
	expired := end{"expired", func(w world, _ globalid.ID) { w.Advance(15 * 24 * time.Hour); w.endExpired() }}
	for _, test := range []struct {
		kind  request.Kind
		end   end
		asked []string
		ended []string
	}{
		{request.Role, approved, []string{"ada: DataHub Vic asks you for a role"}, []string{"vic: DataHub Ada has approved your request"}},
		{request.Role, declined, []string{"ada: DataHub Vic asks you for a role"}, []string{"vic: DataHub Ada has declined your request"}},
		{request.Role, withdrawn, []string{"ada: DataHub Vic asks you for a role"}, nil},
		{request.Invitations, approved, []string{"ada: DataHub Vic asks you to invite people"},
			[]string{"bob@new.example: DataHub Ada has sent you an invitation", "vic: DataHub Ada has approved your request", "zoe@new.example: DataHub Ada has sent you an invitation"}},
		{request.Invitations, expired, []string{"ada: DataHub Vic asks you to invite people"}, []string{"vic: DataHub Your request was not answered"}},
		{request.Restore, approved, []string{"ada: DataHub Vic asks you to restore Group 2", "ed: DataHub Vic asks you to restore Group 2"}, []string{"vic: DataHub Ada has approved your request"}},
		{request.Restore, expired, []string{"ada: DataHub Vic asks you to restore Group 2", "ed: DataHub Vic asks you to restore Group 2"}, []string{"vic: DataHub Your request was not answered"}},
	} {
		t.Run(fmt.Sprint(test.kind, " ", test.end.what), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.request("vic", test.kind)
			if diff := cmp.Diff(test.asked, w.mailed()); diff != "" {
				t.Errorf("asked: %s", diff)
			}
			for _, m := range w.Mails() {
				if want := testworld.PublicURL + "/app/request#" + id.String(); m.Link != want {
					t.Errorf("the link is %s, want %s", m.Link, want)
				}
			}
			test.end.by(w, id)
			want := append(slices.Clone(test.asked), test.ended...)
			slices.Sort(want)
			if diff := cmp.Diff(want, w.mailed()); diff != "" {
				t.Errorf("ended: %s", diff)
			}
			if n := w.Number(`select count(*) from outbox where state <> 'SENT'`); n != 0 {
				t.Errorf("%d mails are not sent", n)
			}
		})
	}
}

// What the mails quote: the message of the requester, and the one of the answer.
func TestMailsQuoteTheMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), request.RequestRestoreInput{InstanceID: new(w.Instance("Group 2")), Message: new("My data is in there.")})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.Mails() {
		if !strings.Contains(m.Text, "My data is in there.") {
			t.Errorf("to %s: %s", m.To, m.Text)
		}
	}
	if _, err := w.Requests.Decline(t.Context(), w.User("ed"), request.DeclineRequestInput{RequestID: made.Request.ID, Message: new("It was empty.")}); err != nil {
		t.Fatal(err)
	}
	m := w.Mails()[0]
	if m.To != "vic@uni.example" || !strings.Contains(m.Text, "It was empty.") || !strings.Contains(m.Text, "Ed (ed@uni.example)") {
		t.Errorf("to %s: %s", m.To, m.Text)
	}
}

// A mail that has waited is not sent where it would be pointless, or would say what the
// recipient may not know any more.
func TestOutdatedMailsAreDropped(t *testing.T) {
	t.Parallel()
	econometrics := func(w world) globalid.ID { return w.Space(testworld.Econometrics) }
	for what, test := range map[string]struct {
		change func(w world, id globalid.ID)
		want   []string
	}{
		"answered before the answerers were told": {func(w world, id globalid.ID) { w.decline("ada", id) },
			[]string{"vic: DataHub Ada has declined your request"}},
		"withdrawn before the answerers were told": {func(w world, id globalid.ID) { w.withdraw("vic", id) }, nil},
		"an answerer who has lost the role": {func(w world, _ globalid.ID) { w.Revoke(w.User("eva"), econometrics(w)) },
			[]string{"ada: DataHub Vic asks you for a role"}},
		"a requester who has left": {func(w world, id globalid.ID) {
			w.decline("ada", id)
			w.Revoke(w.User("vic"), w.Instance("Group 1"))
			w.Revoke(w.User("vic"), w.Instance("Group 2"))
		}, nil},
		"a request that is gone": {func(w world, _ globalid.ID) { w.Exec(`delete from request`) }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.newPeople()
			test.change(w, w.request("vic", request.Role))
			if diff := cmp.Diff(test.want, w.mailed()); diff != "" {
				t.Error(diff)
			}
			if n := w.Number(`select count(*) from outbox where state not in ('SENT', 'DROPPED')`); n != 0 {
				t.Errorf("%d mails are queued", n)
			}
		})
	}
}

// A kind or a status that is new must not be mailed about as another one.
func TestNoMailAboutAnUnknownRequest(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"kind", "status"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.request("vic", request.Role)
			w.mailed()
			w.decline("ada", id)
			for _, c := range w.Lines(`select conname from pg_constraint where conrelid = 'request'::regclass and contype = 'c'`) {
				w.Exec(`alter table request drop constraint ` + c)
			}
			w.Exec(`update request set `+column+` = 'NEW' where id = $1`, id.UUID)
			if got := w.mailed(); len(got) != 1 {
				t.Errorf("mails: %q", got)
			}
			if got := w.Text(`select state || ': ' || last_error from outbox order by id desc limit 1`); !strings.HasPrefix(got, "FAILED: ") || !strings.Contains(got, "NEW") {
				t.Errorf("%s", got)
			}
		})
	}
}
