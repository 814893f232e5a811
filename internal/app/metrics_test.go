package app_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

func measured(s *app.Settings) { s.MetricsAddr = "127.0.0.1:0" }

// scrape returns the value of every series of the world's gateway.
func (w *world) scrape() map[string]float64 {
	w.t.Helper()
	return w.scrapeAt(w.Gateway.MetricsURL())
}

// scrapeAt returns the value of every series at an address.
func (w *world) scrapeAt(url string) map[string]float64 {
	w.t.Helper()
	response, err := w.HTTP.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %v %s", response.StatusCode, err, text)
	}
	series := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndex(line, " "); !strings.HasPrefix(line, "#") {
			value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			if err != nil {
				w.t.Fatalf("%v: %s", err, line)
			}
			series[line[:at]] = value
		}
	}
	return series
}

// Each request, error, invitation and job is counted once.
func TestMetricsCountWhatIsDone(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Refuse("zoe@new.example", 550, "no such person")
	w := newWorld(t, s.Use, measured, func(s *app.Settings) { s.MaxInvitations = 3 })
	ada := w.as("ada")
	for _, c := range []struct {
		what string
		do   func()
		adds map[string]float64
	}{
		{"a query", func() { ada.Ask(`{ viewer { id } }`, nil).OK() }, map[string]float64{
			`datahub_requests_total{kind="query",outcome="ok"}`: 1, `datahub_request_duration_seconds_count{kind="query"}`: 1,
		}},
		{"a refused mutation", func() { ada.delete("Master").Refused("INSTANCE_PROTECTED") }, map[string]float64{
			`datahub_requests_total{kind="mutation",outcome="refused"}`: 1, `datahub_request_duration_seconds_count{kind="mutation"}`: 1,
			`datahub_errors_total{code="INSTANCE_PROTECTED"}`: 1,
		}},
		{"no operation", func() { ada.Ask(`{`, nil).Refused("GRAPHQL_PARSE_FAILED") }, map[string]float64{
			`datahub_requests_total{kind="none",outcome="refused"}`: 1, `datahub_errors_total{code="GRAPHQL_PARSE_FAILED"}`: 1,
		}},
		{"several errors", func() {
			ada.invite("Group 1", "VIEWER", []string{"a@", "b@"})
		}, map[string]float64{
			`datahub_requests_total{kind="mutation",outcome="refused"}`: 1, `datahub_errors_total{code="INVALID_EMAIL"}`: 2,
		}},
		{"invitations", func() {
			ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "kim@new.example", "vic@uni.example"}, "idempotencyKey", "k").OK()
			w.AwaitOutbox()
		}, map[string]float64{
			`datahub_requests_total{kind="mutation",outcome="ok"}`:   1,
			`datahub_invitations_total{outcome="INVITED"}`:           2,
			`datahub_invitations_total{outcome="ALREADY_MEMBER"}`:    1,
			`datahub_jobs_total{kind="INVITATION",outcome="sent"}`:   1,
			`datahub_jobs_total{kind="INVITATION",outcome="failed"}`: 1,
		}},
		{"the same once more", func() {
			ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "kim@new.example", "vic@uni.example"}, "idempotencyKey", "k").OK()
		}, map[string]float64{
			`datahub_requests_total{kind="mutation",outcome="ok"}`: 1,
		}},
		{"too many", func() { ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).Refused("RATE_LIMITED") }, map[string]float64{
			`datahub_requests_total{kind="mutation",outcome="refused"}`: 1, `datahub_errors_total{code="RATE_LIMITED"}`: 1,
			`datahub_rate_limit_refusals_total`: 1,
		}},
		{"over a WebSocket", func() {
			s := ada.connect()
			s.subscribe("1", `{ viewer { id } }`, nil)
			s.outcome("1")
			_ = s.conn.CloseNow()
		}, map[string]float64{
			`datahub_requests_total{kind="query",outcome="ok"}`: 1,
		}},
		{"a database in trouble", func() {
			w.Exec(`alter table instance_member rename to elsewhere`)
			ada.Ask(`{ viewer { spaces { nodes { instances { nodes { viewerRoles } } } } } }`, nil)
			w.Exec(`alter table elsewhere rename to instance_member`)
		}, map[string]float64{
			`datahub_requests_total{kind="query",outcome="failed"}`: 1,
		}},
	} {
		before := w.scrape()
		c.do()
		var wrong string
		w.Eventually("what is counted of "+c.what, func() bool {
			wrong = ""
			after := w.scrape()
			for series, n := range c.adds {
				if got := total(after, series) - total(before, series); got != n {
					wrong += fmt.Sprintf("%s: %v, want %v; ", series, got, n)
				}
			}
			return wrong == ""
		})
		after := w.scrape()
		for series, value := range after {
			if strings.HasPrefix(series, "datahub_requests_total") && value != before[series] && c.adds[series] == 0 {
				t.Errorf("%s: %s has grown, too", c.what, series)
			}
		}
	}
	series := w.scrape()
	if series[`datahub_statement_duration_seconds_count{outcome="ok"}`] < 10 || series[`datahub_statement_duration_seconds_count{outcome="failed"}`] < 1 ||
		series[`datahub_database_connections_max`] != 100 || series[`datahub_panics_total`] != 0 {
		t.Errorf("%v", series)
	}
}

// total returns the value of a series, or the sum of all series of a name.
func total(series map[string]float64, of string) (sum float64) {
	for name, value := range series {
		if name == of || strings.HasPrefix(name, of+"{") {
			sum += value
		}
	}
	return sum
}

// The backlog is counted by kind and state.
func TestMetricsShowTheBacklog(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.OnRcpt(func(string) error { return apptest.Reply(450, "later") })
	w := newWorld(t, s.Use, measured)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "kim@new.example"}).OK()
	w.Await("attempts", func() bool {
		return w.Number(`select count(*) from outbox where attempts > 0 and lease is null and state = 'QUEUED'`) == 2
	})
	w.Exec(`update outbox set created_at = created_at - interval '1 hour', next_attempt_at = clock_timestamp() + interval '1 hour'`)
	w.Eventually("what waits", func() bool {
		series := w.scrape()
		return series[`datahub_outbox_jobs{kind="INVITATION",state="DELAYED"}`] == 2 && series[`datahub_outbox_oldest_seconds{kind="INVITATION",state="DELAYED"}`] > 3600 &&
			series[`datahub_outbox_overdue_seconds{kind="INVITATION"}`] == 0 && series[`datahub_ready`] == 1
	})
	ada.delete("Group 1").OK()
	w.Eventually("what is held", func() bool {
		series := w.scrape()
		_, delayed := series[`datahub_outbox_jobs{kind="INVITATION",state="DELAYED"}`]
		return series[`datahub_outbox_jobs{kind="INVITATION",state="HELD"}`] == 2 && !delayed
	})
	// Jobs of an unknown kind are counted, too.
	w.Exec(`update outbox set kind = 'OTHER', state = 'QUEUED', next_attempt_at = clock_timestamp() - interval '10 minutes'`)
	w.Eventually("what is overdue", func() bool {
		series := w.scrape()
		return series[`datahub_outbox_jobs{kind="OTHER",state="DUE"}`] == 2 && series[`datahub_outbox_overdue_seconds{kind="OTHER"}`] > 600
	})
}

func TestMetricsCountOpenSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, measured)
	ada := w.as("ada")
	if n := w.scrape()["datahub_subscriptions"]; n != 0 {
		t.Errorf("%v are open", n)
	}
	stream := ada.watchSSE(w.instance("Group 1"))
	if n := w.scrape()["datahub_subscriptions"]; n != 1 {
		t.Errorf("%v are open", n)
	}
	stream.stop()
	w.Eventually("an end", func() bool { return w.scrape()["datahub_subscriptions"] == 0 })
}

// Nothing that clients send makes a new series.
func TestMetricsHaveNoLabelsOfClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, measured)
	ada := w.as("ada")
	send := func(n int) {
		ada.Ask(fmt.Sprintf(`query Operation%d { viewer { id } }`, n), nil).OK()
		ada.Ask(fmt.Sprintf(`query { field%d }`, n), nil)
		ada.Ask(fmt.Sprintf(`{ instance(id: "instance_%d") { id } space(id: "%d") { id } }`, n, n), nil).OK()
		ada.invite(fmt.Sprintf("instance_%d", n), "VIEWER", []string{"zoe@new.example"})
		for _, path := range []string{"/graphql", "/graphql/", "/"} {
			r, err := http.NewRequest(fmt.Sprint("METHOD", n), fmt.Sprintf("%s%s%d?n=%d", w.Gateway.URL(), path, n, n), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := w.HTTP.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	of := func() (names []string) {
		for series := range w.scrape() {
			if strings.HasPrefix(series, "datahub_") {
				names = append(names, series)
			}
		}
		return names
	}
	send(0)
	w.Eventually("what is measured", func() bool { return w.scrape()["datahub_ready"] == 1 })
	before := of()
	for n := range 20 {
		send(n + 1)
	}
	if after := of(); len(after) > len(before) || len(after) > 300 {
		t.Errorf("%d series, then %d: %v", len(before), len(after), after)
	}
}

// Scrapes are answered from memory, so they work without a database.
func TestMetricsAreServedWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, measured)
	w.Log.DatabaseWasAway = true
	w.Eventually("readiness", func() bool { return w.scrape()["datahub_ready"] == 1 })
	name := w.Text(`select current_database()`)
	server, err := sqlx.Open("postgres", strings.Replace(w.DSN, name, "postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.MustExec(`alter database ` + name + ` with allow_connections false`)
	w.Eventually("no readiness", func() bool {
		server.MustExec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'test_gateway'`, name)
		return w.scrape()["datahub_ready"] == 0
	})
	for series := range w.scrape() {
		if strings.HasPrefix(series, "datahub_outbox") {
			t.Errorf("it still tells %s", series)
		}
	}
	server.MustExec(`alter database ` + name + ` with allow_connections true`)
	w.Eventually("readiness", func() bool { return w.scrape()["datahub_ready"] == 1 })
}

// Metrics are served at their own address only, until the gateway stops.
func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.Gateway.MetricsURL() != "" {
		t.Errorf("they are at %s", w.Gateway.MetricsURL())
	}
	g, _ := w.Start(measured)
	for url, want := range map[string]int{g.URL() + "/metrics": 404, g.MetricsURL(): 200, strings.TrimSuffix(g.MetricsURL(), "metrics") + "graphql": 404} {
		response, err := w.HTTP.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d %s", url, response.StatusCode, text)
		}
	}
	w.HTTP.CloseIdleConnections()
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if response, err := w.HTTP.Get(g.MetricsURL()); err == nil {
		response.Body.Close()
		t.Error("they are still there")
	}
}
