package app_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

var requestID = regexp.MustCompile(`"requestId":"[0-9a-f]+"`)

// Errors do not repeat values of the request, which may be secrets in the wrong
// place.
func TestErrorsQuoteNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const secret = "hunter"
	tokens := strings.Fields(`query Q ( $token : String , $input : InviteUsersInput ! ) @ x ( y : 1 ) { a : invitation ( token : $token , more : [ 1 , { x : EDITOR } ] ) {
		... on Invitation @ include ( if : true ) { email } ...F } } fragment F on Invitation { role }`)
	for i := range len(tokens) + 1 {
		for what, planted := range map[string]string{
			"a string":            `"` + secret + ` 2"`,
			"a string of escapes": `"\u` + secret + `"`,
			"a block string":      `"""` + secret + "\n" + `2"""`,
			"a number":            `70707`,
			"a fraction":          `70707.70707e7`,
			"a list":              `["` + secret + `", {` + secret + `: "` + secret + `"}]`,
		} {
			for _, document := range []string{
				strings.Join(tokens[:i], " ") + " " + planted + " " + strings.Join(tokens[i:], " "),
				strings.Join(tokens[:max(i-1, 0)], " ") + " " + planted + " " + strings.Join(tokens[i:], " "),
			} {
				for _, word := range []string{secret, "70707"} {
					// Request ids are random, and may contain any digits.
					if a := ada.Ask(document, nil); len(a.Errors) == 0 || strings.Contains(requestID.ReplaceAllString(a.Body, ""), word) {
						t.Errorf("%s as token %d: %s", what, i, a.Body)
					}
				}
			}
		}
	}
	for _, document := range []string{`mutation { inviteUsers(input: ["hunter"]) { results { email } } }`, `mutation { inviteUsers(input: "hunter") { results { email } } }`} {
		if e := ada.Ask(document, nil).Refused("GRAPHQL_VALIDATION_FAILED"); e.Message != `Expected value of type "InviteUsersInput!".` {
			t.Errorf("%s: %q", document, e.Message)
		}
	}
	const query = `query($b: Boolean = true, $s: String = "", $n: Int, $i: ID = "", $e: InvitationStatus, $l: [String!] = ["kim@new.example"]) {
		invitation(token: $s) @include(if: $b) { email } checkEmails(emails: $l) { index } instance(id: $i) { invitations(first: $n, status: $e) { totalCount } } }`
	ada.Ask(query, map[string]any{"b": false}).OK()
	const invite = `mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { email } } }`
	for _, value := range []any{secret, "70707", 70707, 70707.5, json.Number("70707e70"), []any{secret}, map[string]any{"x": secret}, map[string]any{strings.Repeat(secret, 100): 1}} {
		for _, name := range []string{"b", "s", "n", "i", "e", "l"} {
			if name == "n" && value == 70707 {
				continue // can be the size of a page, which the error repeats
			}
			a := ada.Ask(query, map[string]any{name: value})
			if body := requestID.ReplaceAllString(a.Body, ""); strings.Contains(body, secret) || strings.Contains(body, "70707") {
				t.Errorf("%s is %v: %s", name, value, a.Body)
			}
		}
		for _, field := range []string{"instanceId", "role", "emails", "message", "idempotencyKey"} {
			a := ada.Ask(invite, map[string]any{"input": ada.input("Group 1", "role", "VIEWER", "emails", []string{}, field, value)})
			if field != "emails" && strings.Contains(a.Body, secret+secret) {
				t.Errorf("%s is %v: %s", field, value, a.Body)
			}
		}
	}
	// Errors repeat names, which help to find the mistake, unless they are
	// long.
	if e := ada.Ask(`{ nothing }`, nil).Refused("GRAPHQL_VALIDATION_FAILED"); !strings.Contains(e.Message, `"nothing"`) {
		t.Errorf("message %q", e.Message)
	}
	for _, document := range []string{
		"query " + strings.Repeat(secret, 100) + " { nothing } query " + strings.Repeat(secret, 100) + " { nothing }",
		"{ viewer { ..." + strings.Repeat(secret, 100) + " } }",
		"query ($" + strings.Repeat(secret, 100) + ": Int) { viewer { id } }",
		"{ viewer { id } } fragment F on User { ..." + strings.Repeat(secret, 100) + " } fragment " + strings.Repeat(secret, 100) + " on User { ...F }",
	} {
		if a := ada.Ask(document, nil); len(a.Errors) == 0 || strings.Contains(a.Body, strings.Repeat(secret, 10)) || len(a.Body) > 4000 {
			t.Errorf("%.50s: %d octets: %.500s", document, len(a.Body), a.Body)
		}
	}
	a := ada.Send(ada.Post(map[string]any{"query": ownName, "operationName": secret}))
	if strings.Contains(a.Refused("GRAPHQL_VALIDATION_FAILED").Message, secret) {
		t.Error(a.Body)
	}
	a = ada.Ask(invite, map[string]any{"input": map[string]any{strings.Repeat(secret, 1000): 1}})
	if a.Refused("BAD_USER_INPUT"); strings.Contains(a.Body, strings.Repeat(secret, 10)) {
		t.Errorf("an unknown field: %s", a.Body)
	}
}

func TestIntrospectionIsOffInProduction(t *testing.T) {
	t.Parallel()
	off, on := false, true
	for what, c := range map[string]struct {
		change     func(*app.Settings)
		shown      bool
		playground int
	}{
		"development":      {func(*app.Settings) {}, true, 200},
		"switched off":     {func(s *app.Settings) { s.Introspection, s.Playground = &off, &off }, false, 404},
		"introspection on": {func(s *app.Settings) { s.Introspection, s.Playground = &on, &off }, true, 404},
		"playground on":    {func(s *app.Settings) { s.Introspection, s.Playground = &off, &on }, false, 200},
	} {
		w := newWorld(t, c.change)
		for _, by := range []person{w.as("ada"), w.with("")} {
			for _, document := range []string{`{ __schema { queryType { name } } }`, `{ x: __type(name: "User") { name } }`, `{ ...F } fragment F on Query { __typename ... { __schema { queryType { name } } } }`} {
				a := by.Ask(document, nil)
				if c.shown && len(a.Errors) > 0 || !c.shown && (len(a.Errors) != 1 || a.Codes()[0] != "GRAPHQL_VALIDATION_FAILED" || strings.Contains(a.Body, "User")) {
					t.Errorf("%s: %s: %s", what, document, a.Body)
				}
			}
			by.Ask(`{ __typename }`, nil).OK()
		}
		hints := 0
		for _, document := range []string{`{ view }`, `{ viewer }`, `{ viewer { spaces(frst: 1) { totalCount } } }`, `{ viewer { ...F } } fragment F on Usr { id }`,
			`mutation { inviteUsers(input: {instanceID: "", role: VIEWR, emails: []}) { results { email } } }`, `query($x: Usr) { viewer { id } }`, `{ viewer { id @inclde(if: true) } }`} {
			a := w.as("ada").Ask(document, nil)
			if strings.Contains(a.Body, "Did you mean") {
				hints++
			}
			if len(a.Errors) == 0 {
				t.Errorf("%s: %s: %s", what, document, a.Body)
			}
		}
		if c.shown != (hints > 0) {
			t.Errorf("%s: %d hints", what, hints)
		}
		response, err := w.HTTP.Get(w.Gateway.URL() + "/")
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != c.playground {
			t.Errorf("%s: the playground answers %d", what, response.StatusCode)
		}
	}
}
