package state_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/state"
)

var door = state.Machine{
	Name:   "door",
	States: []state.State{{Name: "OPEN"}, {Name: "CLOSED"}},
	Events: []state.Event{
		{Name: "build", By: "a carpenter", Changes: state.To("OPEN", state.None)},
		{Name: "close", By: "anyone", Changes: state.To("CLOSED", "OPEN")},
		{Name: "wind", By: "nobody", Changes: state.To("CLOSED", "OPEN")},
		{Name: "open", By: "anyone", Changes: state.To("OPEN", "CLOSED")},
		{Name: "burn", By: "fire", Changes: state.To(state.None, "OPEN", "CLOSED")},
	},
}

func TestDiagram(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(`stateDiagram-v2
    [*] --> OPEN : build
    OPEN --> [*] : burn
    OPEN --> CLOSED : close<br/>wind
    CLOSED --> [*] : burn
    CLOSED --> OPEN : open
`, door.Diagram()); diff != "" {
		t.Error(diff)
	}
	if p := door.Problems(); p != nil {
		t.Error(p)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, event, to string }{
		{state.None, "build", "OPEN"}, {"OPEN", "close", "CLOSED"}, {"CLOSED", "close", "CLOSED"}, {"CLOSED", "burn", state.None}, {"OPEN", "paint", "OPEN"},
	} {
		if to := door.Next(c.from, c.event); to != c.to {
			t.Errorf("%s in the state %q leads to %q", c.event, c.from, to)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	broken := state.Machine{
		States: []state.State{{Name: "OPEN"}, {Name: "OPEN"}, {Name: "LOCKED"}},
		Events: []state.Event{{Name: "build", By: "", Changes: state.To("OPEN", state.None)}, {Name: "close", By: "anyone", Changes: state.To("CLOSED", "OPEN")}},
	}
	if diff := cmp.Diff([]string{
		`close: the change from "OPEN" to "CLOSED" has an unknown state, is none, or is one of two`,
		`nothing leads to the state "LOCKED"`,
		`the event "build" is declared twice, or is nobody's doing`,
		`the state "OPEN" is declared twice`,
	}, broken.Problems()); diff != "" {
		t.Error(diff)
	}
}
