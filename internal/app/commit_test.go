package app_test

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres/networktest"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// The database commits, and the connection is lost before it can say so. The
// person is told that it may have been done; the same key finds out.
func TestInviteWhoseCommitIsNotConfirmed(t *testing.T) {
	t.Parallel()
	var network *networktest.Network
	w := newWorld(t, func(s *app.Settings) { network, s.DatabaseURL = networktest.New(t, s.DatabaseURL) })
	invite := func() answer {
		return w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "idempotencyKey", "monday")
	}
	if testworld.Pooled {
		network.LoseAnswer("zoe@new.example", networktest.Commit)
	} else {
		network.LoseAnswer("", "zoe@new.example") // the statement that invites also commits
	}
	e := invite().Refused("UNAVAILABLE")
	if e.Extensions["reason"] != fault.OutcomeUnknown || e.Extensions["retryable"] != true || strings.Contains(e.Message, "Nothing was done") {
		t.Errorf("%s %v", e.Message, e.Extensions)
	}
	if got := invite().OK().Every("outcome", "inviteUsers", "results"); len(got) != 1 || got[0] != "INVITED" {
		t.Errorf("the same key again: %v", got)
	}
	if n := w.Number(`select count(*) from invitation where email = 'zoe@new.example'`); n != 1 {
		t.Errorf("%d invitations", n)
	}
	w.AwaitMails(1)
}
