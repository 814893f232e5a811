// Package state describes the states that a thing can be in, and what changes them, as
// data. The package of each thing has a [Machine], and a test that tries every event in
// every state with [statetest.Check]. docs/states.md is drawn from the machines.
//
// The conditions themselves stand in the SQL that changes the rows, because only a
// statement that has the lock can decide.
package state

import (
	"fmt"
	"slices"
	"strings"
)

// None is the state of what does not exist: it was not made yet, or was deleted with all
// that the gateway knew of it.
const None = ""

// Machine has the states of a kind of thing, and everything that changes them.
type Machine struct {
	Name string // of the thing: "invitation"
	// Enum is the schema's enum of the states.
	Enum   string
	States []State
	Events []Event
	// Apart are the values of Enum that say something else about the thing.
	Apart []string
}

// State is one that a thing can be in.
type State struct {
	Name string
	// Shown are the values of the enum that the API shows of a thing in this state. Nil:
	// the state's name; empty: none.
	Shown []string
	Means string // "": what the schema says about the value
}

// Event is what can change a state: a mutation, by the name of its field, or something
// else, in plain words.
type Event struct {
	Name    string
	By      string   // whose doing it is
	Changes []Change // in all other states, it changes nothing, or is refused
	// InDeleted says that it makes the same changes while the space of the thing is
	// deleted. Any other event changes nothing then.
	InDeleted bool
}

// Change is from one state to another.
type Change struct{ From, To string }

// To returns the changes from some states to one.
func To[S ~string](to S, from ...S) (changes []Change) {
	for _, f := range from {
		changes = append(changes, Change{string(f), string(to)})
	}
	return changes
}

// Names returns the names of the states, None first.
func (m Machine) Names() []string {
	names := []string{None}
	for _, s := range m.States {
		names = append(names, s.Name)
	}
	return names
}

// Next returns the state after an event.
func (m Machine) Next(from, event string) string {
	for _, e := range m.Events {
		for _, c := range e.Changes {
			if e.Name == event && c.From == from {
				return c.To
			}
		}
	}
	return from
}

// InDeleted returns the machine as it is while the space of the thing is deleted.
func (m Machine) InDeleted() Machine {
	m.Events = slices.Clone(m.Events)
	for i, e := range m.Events {
		if !e.InDeleted {
			m.Events[i].Changes = nil
		}
	}
	return m
}

// Problems says what is wrong with the machine itself: a name that is used twice or
// unknown, a state that cannot be reached.
func (m Machine) Problems() (problems []string) {
	known, reached, events := map[string]bool{}, map[string]bool{None: true}, map[string]bool{}
	for _, name := range m.Names() {
		if known[name] {
			problems = append(problems, fmt.Sprintf("the state %q is declared twice", name))
		}
		known[name] = true
	}
	for _, e := range m.Events {
		if events[e.Name] || e.By == "" {
			problems = append(problems, fmt.Sprintf("the event %q is declared twice, or is nobody's doing", e.Name))
		}
		events[e.Name] = true
		from := map[string]bool{}
		for _, c := range e.Changes {
			if !known[c.From] || !known[c.To] || c.From == c.To || from[c.From] {
				problems = append(problems, fmt.Sprintf("%s: the change from %q to %q has an unknown state, is none, or is one of two", e.Name, c.From, c.To))
			}
			from[c.From] = true
		}
	}
	for range m.States { // as many steps as a path can have
		for _, e := range m.Events {
			for _, c := range e.Changes {
				reached[c.To] = reached[c.To] || reached[c.From]
			}
		}
	}
	for name := range known {
		if !reached[name] {
			problems = append(problems, fmt.Sprintf("nothing leads to the state %q", name))
		}
	}
	slices.Sort(problems)
	return problems
}

// Diagram draws the machine in Mermaid.
func (m Machine) Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, from := range m.Names() {
		for _, to := range m.Names() {
			var events []string
			for _, e := range m.Events {
				if slices.Contains(e.Changes, Change{from, to}) {
					events = append(events, e.Name)
				}
			}
			if events != nil {
				fmt.Fprintf(&b, "    %s --> %s : %s\n", point(from), point(to), strings.Join(events, "<br/>"))
			}
		}
	}
	return b.String()
}

// point returns a state as Mermaid has it: [*] is the beginning and the end.
func point(name string) string {
	if name == None {
		return "[*]"
	}
	return name
}
