package complexity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
)

var limits = complexity.Limits{Depth: 15, Aliases: 50, Selections: 2000, Cost: 100_000}

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { viewer: User, check(emails: [String!]!): [Check!] }
	type Mutation { invite(input: Input): Payload }
	input Input { emails: [String!]!, role: Role }
	enum Role { EDITOR VIEWER }
	type Payload { viewer: User, results: [Check!]! }
	type Check { email: String, user: User }
	type User { name: String, friend: User, contacts: [User!]!, friends(first: Int, after: String): Users, emails(first: Int = 100): [String!]! }
	type Users { nodes: [User!]!, edges: [Edge!]!, totalCount: Int }
	type Edge { node: User }`})

func parse(t testing.TB, text string) *ast.QueryDocument {
	t.Helper()
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, 2000)
	if err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return doc
}

func parseValid(t testing.TB, text string) *ast.QueryDocument {
	t.Helper()
	doc := parse(t, text)
	if errs := validator.ValidateWithRules(schema, doc, nil); errs != nil {
		t.Fatalf("%s: %v", text, errs)
	}
	return doc
}

// nested returns a document with a number of levels.
func nested(levels int) string {
	return "{viewer" + strings.Repeat("{friend", levels-2) + "{name}" + strings.Repeat("}", levels-2) + "}"
}

// chain returns a document of fragments, each of which spreads the next one a
// number of times. The last one has a body.
func chain(fragments, often int, body string) string {
	var b strings.Builder
	b.WriteString("{viewer{...F0}}")
	for i := range fragments {
		fmt.Fprintf(&b, "fragment F%d on User{%s}", i, strings.Repeat(fmt.Sprintf("...F%d ", i+1), often))
	}
	fmt.Fprintf(&b, "fragment F%d on User{%s}", fragments, body)
	return b.String()
}

func aliases(n int, selection string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d:%s ", i, selection)
	}
	return b.String()
}

func names(n int) string { return strings.ReplaceAll(aliases(n, "x"), ":x", "") }

func TestCheckRefusesLargeDocuments(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ text, exceeds string }{
		"a small one":                  {`{viewer{name}}`, ""},
		"a deep one":                   {nested(15), ""},
		"one too deep":                 {nested(16), "16 levels deep; it can be 15"},
		"one too deep by fragments":    {chain(0, 0, "friend"+strings.Repeat("{friend", 14)+strings.Repeat("}", 14)), "16 levels deep"},
		"fifty aliases":                {"{" + aliases(50, "__typename") + "}", ""},
		"one alias more":               {"{" + aliases(51, "__typename") + "}", "51 aliases; it can have 50"},
		"one alias more in a fragment": {chain(0, 0, aliases(51, "name")), "51 aliases"},
		"many selections":              {"{" + names(1990) + "}", ""},
		"many by fragments":            {chain(10, 1, names(100)), ""},
		"too many by fragments":        {chain(20, 1, names(100)), "more than 2000 selections"},
		"too many in the end":          {chain(30, 2, "name"), "more than 2000 selections"},
		"a fragment within itself":     {`{viewer{...F}} fragment F on User{friend{...F}}`, "more than 2000 selections"},
		"fragments within each other":  {`{viewer{...F}} fragment F on User{...G} fragment G on User{...F}`, "more than 2000 selections"},
		"two of a name":                {chain(0, 0, names(1900)) + "fragment F0 on User{name}" + "query{viewer{...F0}}", "more than 2000 selections"},
		"an unknown fragment":          {`{viewer{...F}}`, ""},
		"long lists in fragments":      {chain(20, 1, `friends(after:[`+strings.Repeat("1 ", 1000)+`]){totalCount}`), "more than 2000 selections"},
		"the same again":               {"{" + strings.Repeat("viewer{name}", 60) + "}", ""},
		"the same too often":           {"{" + strings.Repeat("viewer{name}", 400) + "}", "the same fields too often"},
		"the same below others":        {"{viewer{" + strings.Repeat("friend{friend{friend{name}}}", 130) + "}}", "the same fields too often"},
		"the same by fragments":        {strings.Replace(chain(0, 0, strings.Repeat("name ", 9)), "...F0", strings.Repeat("...F0 ", 150), 1), "the same fields too often"},
		"a long field":                 {"{" + strings.Repeat("x", 41) + "}", "name of more than 40 octets"},
		"a long value":                 {`{check(emails:["` + strings.Repeat("x", 1000) + `"]){email}}`, ""},
		"a long enum value":            {"{viewer{friends(first:" + strings.Repeat("X", 41) + "){totalCount}}}", "name of more than 40 octets"},
		"a long name of the operation": {"query " + strings.Repeat("x", 100) + "{viewer{name}}", ""},
	} {
		err := limits.Check(parse(t, c.text))
		if c.exceeds == "" && err != nil || c.exceeds != "" && (err == nil || !strings.Contains(err.Error(), c.exceeds)) {
			t.Errorf("%s: %v, want %q", what, err, c.exceeds)
		}
	}
}

func TestWeighCountsWhatTheAnswerCanContain(t *testing.T) {
	t.Parallel()
	thousand := make([]any, 1000)
	for i := range thousand {
		thousand[i] = "a@b.example"
	}
	for text, c := range map[string]struct {
		variables map[string]any
		cost      int
	}{
		`{viewer{name}}`:                                                                                                          {nil, 2},
		`{viewer{friends{nodes{name}}}}`:                                                                                          {nil, 2 + 20*2},
		`{viewer{friends(first:null){nodes{name}}}}`:                                                                              {nil, 2 + 20*2},
		`{viewer{friends(first:100){totalCount nodes{name}}}}`:                                                                    {nil, 3 + 100*2},
		`{viewer{friends(first:100){nodes{name} edges{node{name}}}}}`:                                                             {nil, 2 + 100*2 + 100*3},
		`query($n:Int){viewer{friends(first:$n){nodes{name}}}}`:                                                                   {map[string]any{"n": 7}, 2 + 7*2},
		`query($n:Int=9){viewer{friends(first:$n){nodes{name}}}}`:                                                                 {nil, 2 + 9*2},
		`query($n:Int){viewer{emails(first:$n)}}`:                                                                                 {nil, 1 + 100},
		`{viewer{emails}}`:                                                                                                        {nil, 1 + 100},
		`{viewer{emails(first:1000)}}`:                                                                                            {nil, 1 + 1000},
		`{viewer{emails(first:0) none:emails(first:-1)}}`:                                                                         {nil, 1},
		`{viewer{contacts{name}}}`:                                                                                                {nil, 1 + 5*2},
		`{viewer{friends(first:100){nodes{friends(first:50){nodes{emails(first:1000)}}}}}}`:                                       {nil, 2 + 100*(2+50*1001)},
		`{viewer{...F}} fragment F on User{friends(first:10){...G ...G}} fragment G on Users{nodes{name}}`:                        {nil, 2 + 2*10*2},
		`{check(emails:["a" "b"]){email}}`:                                                                                        {nil, 2*20 + 2*2},
		`query($e:[String!]!){check(emails:$e){email}}`:                                                                           {map[string]any{"e": thousand}, 1000*20 + 1000*11/16 + 1000*2},
		`query($e:[String!]!){a:check(emails:$e){email} b:check(emails:$e){email}}`:                                               {map[string]any{"e": thousand}, 2 * (1000*20 + 1000*11/16 + 1000*2)},
		`query($e:[String!]!){...F ...F} fragment F on Query{check(emails:$e){email}}`:                                            {map[string]any{"e": thousand}, 2 * (1000*20 + 1000*11/16 + 1000*2)},
		`query($e:[String!]!){check(emails:$e){email}}# of long texts`:                                                            {map[string]any{"e": []any{strings.Repeat("x", 1600), strings.Repeat("ü", 800)}}, 2*20 + 200 + 2*2},
		`query($e:String!){check(emails:[$e "0123456789012345"]){email}}`:                                                         {map[string]any{"e": strings.Repeat("x", 1600)}, 2*20 + 101 + 2*2},
		`query($t:String){viewer{friends(first:1,after:$t){totalCount}}}`:                                                         {map[string]any{"t": strings.Repeat("x", 1600)}, 3 + 100},
		`mutation{invite(input:{emails:["a" "b" "c" "d" "e" "f"]}){viewer{name} results{email}}}`:                                 {nil, 6*20 + 1 + 2 + 6*2},
		`mutation($i:Input){invite(input:$i){results{user{contacts{name}}}}}`:                                                     {map[string]any{"i": map[string]any{"emails": thousand}}, 1000*20 + 1000*11/16 + 1 + 1000*(2+5*2)},
		`{viewer{name @skip(if:true) ... on User @include(if:false){friend{name}}}}`:                                              {nil, 4},
		"{" + strings.Repeat(`viewer{`, 1) + `name}` + aliases(20, `viewer{friends(first:100){nodes{emails(first:1000)}}}`) + "}": {nil, 2 + 20*(2+100*1001)},
		`{viewer` + strings.Repeat(`{friends(first:2147483647){nodes`, 7) + `{name}` + strings.Repeat("}}", 7) + "}":              {nil, 1 << 52},
	} {
		doc := parseValid(t, text)
		exact, less := limits, limits
		exact.Cost, less.Cost = c.cost, c.cost-1
		if err := exact.Weigh(doc.Operations[0], c.variables); err != nil {
			t.Errorf("%s: want %d: %v", text, c.cost, err)
		}
		want, of := fmt.Sprintf("costs %d", c.cost), fmt.Sprintf("; it can cost %d.", c.cost-1)
		if err := less.Weigh(doc.Operations[0], c.variables); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), of) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestWeighKnowsDearFields(t *testing.T) {
	t.Parallel()
	dear := limits
	dear.Fields = map[string]complexity.Field{"User.name": {Weight: 20}, "User.contacts": {Length: 100}, "Users.nodes": {Weight: 3}, "Mutation.invite": {Weight: 7}, "Payload.results": {Length: 9}}
	for text, cost := range map[string]int{
		`{viewer{name}}`: 22,
		`{viewer{friends(first:10){nodes{name}}}}`:                   2 + 10*(4+21),
		`{viewer{contacts{name}}}`:                                   1 + 100*22,
		`{viewer{contacts{contacts{friend{name}}}}}`:                 1 + 100*(1+100*(1+1+21)),
		`mutation{invite(input:{emails:["a" "b"]}){results{email}}}`: 40 + 8 + 9*2,
		`mutation{invite{results{email}}}`:                           8 + 9*2,
	} {
		exact, less := dear, dear
		exact.Cost, less.Cost = cost, cost-1
		operation := parseValid(t, text).Operations[0]
		if err := exact.Weigh(operation, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := less.Weigh(operation, nil); err == nil {
			t.Errorf("%s: it costs less than %d", text, cost)
		}
	}
}

// A refusal says what to make smaller.
func TestRefusalNamesTheCostOfArguments(t *testing.T) {
	t.Parallel()
	small := limits
	small.Cost = 40
	for text, want := range map[string]string{
		`{check(emails:["a" "b"]){email}}`:                                    "The operation costs 44, of which its arguments cost 40; it can cost 40. Send shorter lists, or fewer fields with them in one operation.",
		`{viewer{friends(first:100){nodes{name}}}}`:                           "The operation costs 202; it can cost 40. Request shorter pages (first), or fewer fields in them.",
		`{viewer{friends(first:50){nodes{name}}} check(emails:["a"]){email}}`: "The operation costs 124; it can cost 40. Request shorter pages (first), or fewer fields in them.",
	} {
		if err := small.Weigh(parseValid(t, text).Operations[0], nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWeighLimitsMutations(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"mutation{" + aliases(10, "invite{viewer{name}}") + "}": true,
		"mutation{" + aliases(11, "invite{viewer{name}}") + "}": false,
		"mutation{...F ...on Mutation{" + aliases(6, "invite{viewer{name}}") + "}} fragment F on Mutation{" + aliases(5, "invite{viewer{name}}") + "}": false,
		"{" + aliases(50, "viewer{name}") + "}": true,
	} {
		doc := parse(t, text)
		if errs := validator.ValidateWithRules(schema, doc, nil); errs != nil && ok {
			t.Fatalf("%s: %v", text, errs)
		}
		if err := limits.Weigh(doc.Operations[0], nil); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzDocumentsThatPassCheckCanBeWeighed(f *testing.F) {
	for _, text := range []string{nested(15), chain(3, 2, "name"), chain(30, 2, "name"), "{" + aliases(3, "viewer{emails(first:3)}") + "}",
		`query($n:Int=9){viewer{friends(first:$n){nodes{name}}}}`, `{viewer{...F}} fragment F on User{friend{...F}}`, `mutation{invite(input:{emails:["a"]}){results{email}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, 2000)
		if err != nil || limits.Check(doc) != nil || len(validator.ValidateWithRules(schema, doc, nil)) > 0 {
			return
		}
		for _, o := range doc.Operations {
			_ = limits.Weigh(o, nil)
		}
	})
}

// BenchmarkWorst measures the most expensive documents known of a kilobyte and
// of 2,000 tokens, until they are refused or validated.
func BenchmarkWorst(b *testing.B) {
	for name, text := range map[string]string{
		"1KB/spreads":           chain(30, 2, "name"),
		"1KB/same":              "{" + strings.Repeat("viewer{name}", 80) + "}",
		"1KB/unknown":           "{" + names(250) + "}",
		"2000/same":             "{" + strings.Repeat("viewer{name}", 490) + "}",
		"2000/same, allowed":    "{" + strings.Repeat("viewer{name}", 98) + "}",
		"2000/leaves":           "{" + strings.Repeat("__typename ", 1990) + "}",
		"2000/spreads":          chain(180, 1, strings.Repeat("name ", 400)),
		"2000/spreads, allowed": chain(15, 1, names(100)),
		"2000/cycles":           strings.ReplaceAll(chain(150, 2, "...F0"), "F150", "F0"),
		"2000/unknown":          "{" + strings.ReplaceAll(names(1990), "a", strings.Repeat("x", 30)) + "}",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, 2000)
				if err != nil {
					b.Fatal(err)
				}
				if limits.Check(doc) == nil {
					validator.ValidateWithRules(schema, doc, nil)
				}
			}
		})
	}
}
