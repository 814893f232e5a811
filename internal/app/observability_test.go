package app_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

const observability = "../../docs/observability/"

// expressions returns the PromQL expressions of the dashboard and the alerts,
// by panel or alert.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	text, err := os.ReadFile(observability + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = target.Expr
		}
	}
	if text, err = os.ReadFile(observability + "alerts.yml"); err != nil {
		t.Fatal(err)
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Runbook string }
			}
		}
	}
	if err := yaml.Unmarshal(text, &alerts); err != nil {
		t.Fatal(err)
	}
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Expr
			if rule.Alert == "" || rule.Expr == "" || rule.Labels.Severity == "" || rule.Annotations.Summary == "" || !strings.HasSuffix(rule.Annotations.Runbook, ".") {
				t.Errorf("%s: it does not say what to do: %+v", rule.Alert, rule)
			}
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:datahub|go|process)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	labelled = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// Every metric, label and value in the dashboard and the alerts is in a scrape
// of a gateway, or is added by Prometheus.
func TestDashboardAndAlertsUseExistingMetrics(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Refuse("zoe@new.example", 450, "later")
	w := newWorld(t, s.Use, measured, func(s *app.Settings) { s.MaxInvitations = 2 })
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "kim@new.example"}).OK()
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).Refused("RATE_LIMITED")
	var there map[string]map[string]map[string]bool // the values, by metric and label
	w.Eventually("a scrape of everything", func() bool {
		there = map[string]map[string]map[string]bool{}
		for series := range w.scrape() {
			name, labels, _ := strings.Cut(series, "{")
			if there[name] == nil {
				there[name] = map[string]map[string]bool{}
			}
			for _, l := range labelled.FindAllStringSubmatch(labels, -1) {
				if there[name][l[1]] == nil {
					there[name][l[1]] = map[string]bool{}
				}
				there[name][l[1]][l[2]] = true
			}
		}
		return there["datahub_outbox_jobs"] != nil && there["datahub_jobs_total"]["outcome"]["delayed"] && there["datahub_jobs_total"]["outcome"]["sent"]
	})
	all := expressions(t)
	if len(all) < 20 {
		t.Fatalf("%d expressions", len(all))
	}
	for what, expression := range all {
		found := selector.FindAllStringSubmatch(expression, -1)
		if len(found) == 0 {
			t.Errorf("%s speaks of nothing: %s", what, expression)
		}
		for _, f := range found {
			labels, ok := there[f[1]]
			if !ok {
				t.Errorf("%s: there is no %s", what, f[1])
			}
			for _, m := range matcher.FindAllStringSubmatch(f[2], -1) {
				if labels[m[1]] == nil {
					t.Errorf("%s: %s has no label %s", what, f[1], m[1])
				}
				if m[2] == "=" && !labels[m[1]][m[3]] {
					t.Errorf("%s: %s is never %s", what, m[1], m[3])
				}
			}
			for _, g := range grouping.FindAllStringSubmatch(expression, -1) {
				for label := range strings.SplitSeq(g[1], ", ") {
					if labels[label] == nil && label != "instance" {
						t.Errorf("%s: %s has no label %s", what, f[1], label)
					}
				}
			}
		}
	}
	for name := range there {
		if base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count"); strings.HasPrefix(name, "datahub_") && !spokenOf(all, base) {
			t.Errorf("nothing speaks of %s", name)
		}
	}
}

func spokenOf(expressions map[string]string, metric string) bool {
	for _, e := range expressions {
		if strings.Contains(e, metric) {
			return true
		}
	}
	return false
}
