package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMaintenanceRunsEachJobAtItsInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		runs := map[string][]time.Duration{}
		job := func(name string, every time.Duration) maintenanceJob {
			return maintenanceJob{name: name, every: every, run: func(context.Context) (int64, error) {
				runs[name] = append(runs[name], time.Since(start))
				return 0, nil
			}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Second)
		defer cancel()
		(&maintenance{slog.New(slog.DiscardHandler), []maintenanceJob{job("often", time.Minute), job("seldom", 2*time.Minute)}}).run(ctx)
		if want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute}; !slices.Equal(runs["often"], want) {
			t.Errorf("every minute: %v", runs["often"])
		}
		if want := []time.Duration{0, 2 * time.Minute, 4 * time.Minute}; !slices.Equal(runs["seldom"], want) {
			t.Errorf("every two minutes: %v", runs["seldom"])
		}
	})
}

func TestMaintenanceRunsAJobUntilNothingIsDue(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		due     []int64 // rows that each run processes
		fails   int     // the run that fails, from 1; 0: none
		counted string
		runs    int
		logged  string // "": nothing
	}{
		"nothing is due":              {due: []int64{0}, runs: 1},
		"three batches":               {due: []int64{1000, 1000, 7, 0}, runs: 4},
		"a count that is of interest": {due: []int64{3, 2, 0}, counted: "purged", runs: 3, logged: `"msg":"housekeeping","purged":5}`},
		"nothing to count":            {due: []int64{0}, counted: "purged", runs: 1},
		"a failure":                   {due: []int64{0}, fails: 1, runs: 1, logged: `"msg":"housekeeping","of":"rows","error":`},
		"a failure half-way":          {due: []int64{1000, 0}, fails: 2, counted: "purged", runs: 2, logged: `"purged":1000}`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			runs := 0
			job := maintenanceJob{name: "rows", counted: c.counted, run: func(context.Context) (int64, error) {
				runs++
				if runs == c.fails {
					return 0, errors.New("out of order")
				}
				return c.due[runs-1], nil
			}}
			(&maintenance{log: slog.New(slog.NewJSONHandler(&lines, nil))}).runJob(t.Context(), job)
			if runs != c.runs {
				t.Errorf("%d runs, want %d", runs, c.runs)
			}
			if text := lines.String(); !strings.Contains(text, c.logged) || c.logged == "" && text != "" {
				t.Errorf("logged %q, want %q", text, c.logged)
			}
		})
	}
}

func TestMaintenanceStopsBetweenBatches(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	(&maintenance{log: slog.New(slog.DiscardHandler)}).runJob(ctx, maintenanceJob{run: func(context.Context) (int64, error) {
		if runs++; runs == 3 {
			cancel()
		}
		return 1000, nil
	}})
	if runs != 3 {
		t.Errorf("%d runs after a stop in the third", runs)
	}
}
