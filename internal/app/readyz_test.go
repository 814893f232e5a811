package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// ready returns what load balancers read, over a new connection; 0 where
// nothing listens.
func (w *world) ready(g *app.Gateway) (status int, says string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.URL()+"/readyz", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Close = true
	response, err := w.HTTP.Do(r)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Error(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}

// awaitReady waits until a gateway is ready: at first, the database may be too slow.
func (w *world) awaitReady(g *app.Gateway) {
	w.t.Helper()
	w.Eventually("readiness", func() bool { status, _ := w.ready(g); return status == http.StatusOK })
}

// A gateway is not ready while the database has a schema that it does not know.
func TestReadyzChecksTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		what, change, back string
		status             int
		says               string
	}{
		{"its own", `select`, `select`, 200, "ready"},
		{"newer", `insert into goose_db_version (version_id, is_applied) values (99999, true)`, `delete from goose_db_version where version_id = 99999`, 200, "ready"},
		{"newer, for newer gateways", `update schema_requirement set oldest_gateway = oldest_gateway + 1000`, `update schema_requirement set oldest_gateway = oldest_gateway - 1000`,
			503, "the database's schema is not this gateway's"},
		{"older", `update goose_db_version set version_id = -version_id where version_id > 1`, `update goose_db_version set version_id = -version_id where version_id < 0`,
			503, "the database's schema is not this gateway's"},
		{"none", `alter table goose_db_version rename to elsewhere`, `alter table elsewhere rename to goose_db_version`, 503, "the database's schema is not this gateway's"},
		{"its own again", `select`, `select`, 200, "ready"},
	} {
		w.Exec(c.change)
		w.Eventually(c.says+": "+c.what, func() bool { // the database may be too slow at first
			status, says := w.ready(w.Gateway)
			return status == c.status && says == c.says
		})
		w.Exec(c.back)
	}
}

// A gateway that stops tells load balancers first, and still answers requests.
func TestReadyzEndsBeforeTheGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A busy machine sees the notice in time, and asks something.
	g, _ := w.Start(func(s *app.Settings) { s.StopNotice = 10 * time.Second })
	w.awaitReady(g)
	w.HTTP.CloseIdleConnections()
	stopped := make(chan error)
	go func() { stopped <- g.Stop() }()
	w.Eventually("a notice", func() bool {
		status, says := w.ready(g)
		return status == 503 && says == "stopping"
	})
	ada := w.as("ada")
	ada.URL = g.URL()
	ada.Ask(`{ viewer { id } }`, nil).OK()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if status, says := w.ready(g); status != 0 {
		t.Errorf("%d %s", status, says)
	}
}
