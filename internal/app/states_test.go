package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
)

// machines are all machines of states. A new one also needs a place in docs/states.md.
var machines = []state.Machine{invitation.States, request.States, instance.States, space.States, link.States, outbox.States}

// stateless are the mutations that change no state.
var stateless = []string{"allowInvitations"}

// docs/states.md is what the code says.
func TestStates(t *testing.T) {
	t.Parallel()
	schema := loadSchema(t)
	tables := map[string]string{}
	for _, m := range machines {
		tables[m.Name] = machineText(schema, m)
	}
	checkTables(t, "docs/states.md", tables)
}

// The states of a machine are those of the schema, and each mutation is an event.
func TestStatesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	schema := loadSchema(t)
	events := map[string]bool{}
	for _, name := range stateless {
		events[name] = true
	}
	for _, m := range machines {
		for _, p := range m.Problems() {
			t.Errorf("%s: %s", m.Name, p)
		}
		shown := map[string]bool{}
		for _, value := range m.Apart {
			shown[value] = true
		}
		for _, s := range m.States {
			for _, value := range shownOf(s) {
				shown[value] = true
			}
		}
		values := map[string]bool{}
		for _, v := range schema.Types[m.Enum].EnumValues {
			values[v.Name] = true
		}
		if !maps.Equal(shown, values) {
			t.Errorf("the states of %s are %v, and the values of %s are %v", m.Name, slices.Sorted(maps.Keys(shown)), m.Enum, slices.Sorted(maps.Keys(values)))
		}
		for _, e := range m.Events {
			events[e.Name] = true
		}
	}
	for _, f := range schema.Mutation.Fields {
		if !events[f.Name] && !strings.HasPrefix(f.Name, "__") {
			t.Errorf("%s is no event of a machine: declare what it changes (States of a package), or that it changes no state (stateless)", f.Name)
		}
	}
}

// shownOf returns the values that the API shows of a thing in a state.
func shownOf(s state.State) []string {
	if s.Shown == nil {
		return []string{s.Name}
	}
	return s.Shown
}

// machineText is the generated part of docs/states.md about one machine.
func machineText(schema *ast.Schema, m state.Machine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "```mermaid\n%s```\n\n", m.Diagram())
	fmt.Fprintf(&b, "| state | `%s` | meaning |\n| --- | --- | --- |\n", m.Enum)
	for _, s := range m.States {
		shown := code(shownOf(s)...)
		if shown == "" {
			shown = "–"
		}
		means := s.Means
		if v := schema.Types[m.Enum].EnumValues.ForName(s.Name); means == "" && v != nil {
			means = oneLine(v.Description)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(s.Name), shown, means)
	}
	inDeleted := slices.ContainsFunc(m.Events, func(e state.Event) bool { return e.InDeleted })
	b.WriteString("\n| event | who | changes |")
	if inDeleted {
		b.WriteString(" in a deleted space |")
	}
	b.WriteString("\n| --- | --- | --- |")
	if inDeleted {
		b.WriteString(" --- |")
	}
	for _, e := range m.Events {
		name := e.Name
		if schema.Mutation.Fields.ForName(name) != nil || strings.Contains(name, "-") {
			name = code(name)
		}
		fmt.Fprintf(&b, "\n| %s | %s | %s |", name, e.By, changesText(e.Changes))
		if inDeleted {
			b.WriteString(map[bool]string{true: " the same |", false: " nothing |"}[e.InDeleted])
		}
	}
	b.WriteString("\n")
	return b.String()
}

// changesText lists changes by the state that they lead to.
func changesText(changes []state.Change) string {
	var texts []string
	from := map[string][]string{}
	for _, c := range changes {
		if from[c.To] == nil {
			texts = append(texts, c.To)
		}
		from[c.To] = append(from[c.To], c.From)
	}
	for i, to := range texts {
		texts[i] = statesText(from[to]...) + " → " + statesText(to)
	}
	if texts == nil {
		return "none"
	}
	return strings.Join(texts, "; ")
}

// statesText names states, None included.
func statesText(names ...string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		if texts[i] = code(name); name == state.None {
			texts[i] = "nothing"
		}
	}
	return strings.Join(texts, ", ")
}

func code(names ...string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = "`" + name + "`"
	}
	return strings.Join(texts, ", ")
}
