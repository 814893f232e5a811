package app_test

import (
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// A gateway on a standby reads, and is not ready. It writes when the standby is promoted,
// without a restart.
func TestGatewayOnAStandby(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").Ask(ownName, nil).OK() // who signs in for the first time is written down
	standby := postgrestest.NewStandby(t, w.DSN)
	g := w.spawn("DATABASE_URL=" + standby)
	ready := func() (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, g.url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		status, says := 0, ""
		if response, err := w.HTTP.Do(r); err == nil {
			text := make([]byte, 100)
			n, _ := response.Body.Read(text)
			status, says = response.StatusCode, strings.TrimSpace(string(text[:n]))
			response.Body.Close()
		}
		return status, says
	}
	w.Eventually("it says why it is not ready", func() bool {
		status, says := ready()
		return status == http.StatusServiceUnavailable && says == "the database only reads"
	})
	ada := w.as("ada").through(g)
	ada.Ask(ownName, nil).OK()
	a := ada.delete("Group 1")
	a.Refused("UNAVAILABLE")
	if !strings.Contains(a.Errors[0].Message, "can only be read") || a.Errors[0].Extensions["retryable"] != true {
		t.Error(a.Body)
	}
	if _, err := w.Open(standby).Exec(t.Context(), `select pg_promote()`); err != nil {
		t.Fatal(err)
	}
	w.Eventually("readiness", func() bool { status, _ := ready(); return status == http.StatusOK })
	ada.delete("Group 1").OK()
}
