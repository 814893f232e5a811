// Package statetest holds the machines of package state against what the services do.
package statetest

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/state"
)

// Trial is how a machine is tried with real rows, R.
type Trial[R any] struct {
	// Row makes a row of its own in a state, for an event. For [state.None] it makes what
	// the row will be about.
	Row func(from, event string) R
	// State returns the state that a row is in.
	State func(R) string
	// Events are the ways in which each event happens to a row. Where an event is refused,
	// the way returns the refusal.
	Events map[string][]func(R) error
}

// Check tries every event in every state, and fails where the state afterwards is not the
// one that the machine declares, or where a declared change was refused.
func Check[R any](t *testing.T, m state.Machine, trial Trial[R]) {
	t.Helper()
	declared := map[string]bool{}
	for _, e := range m.Events {
		declared[e.Name] = true
		if len(trial.Events[e.Name]) == 0 {
			t.Errorf("nobody tries %s", e.Name)
		}
		for way, happen := range trial.Events[e.Name] {
			for _, from := range m.Names() {
				r := trial.Row(from, e.Name)
				if is := trial.State(r); is != from {
					t.Fatalf("%s: the row is in the state %q, not in %q", e.Name, is, from)
				}
				err := happen(r)
				want, is := m.Next(from, e.Name), trial.State(r)
				if is != want {
					t.Errorf("%s (way %d) in the state %q led to %q, not to %q: %v", e.Name, way, from, is, want, err)
				}
				if err != nil && want != from {
					t.Errorf("%s (way %d) in the state %q: %v", e.Name, way, from, err)
				}
			}
		}
	}
	for name := range trial.Events {
		if !declared[name] {
			t.Errorf("the event %s is not declared", name)
		}
	}
}

// CheckInDeleted is Check for the machine while the space of the thing is deleted: remove
// deletes the space of a row, once the row is in its state.
func CheckInDeleted[R any](t *testing.T, m state.Machine, trial Trial[R], remove func(R)) {
	t.Helper()
	row := trial.Row
	trial.Row = func(from, event string) R {
		r := row(from, event)
		remove(r)
		return r
	}
	Check(t, m.InDeleted(), trial)
}
