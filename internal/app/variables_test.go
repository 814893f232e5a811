package app_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goWords are words for what Go makes of JSON, which callers do not know.
var goWords = regexp.MustCompile(`\b(slice|map|int64|float64|bool|interface|nil|struct|json|strconv|reflect|unmarshal)\b`)

// Errors about variables say, in the words of the schema, where the value is and what
// is expected there. They do not quote it.
func TestErrorsAboutVariablesAreInWordsOfTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const (
		invite  = `mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { email } } }`
		single  = `mutation($id: ID!, $role: InstanceRole!, $emails: [String!]!, $m: String) { inviteUsers(input: {instanceId: $id, role: $role, emails: $emails, message: $m}) { results { email } } }`
		page    = `query($n: Int) { viewer { spaces(first: $n) { totalCount } } }`
		include = `query($b: Boolean!) { viewer { id @include(if: $b) } }`
		request = `mutation($input: RequestInvitationsInput!) { requestInvitations(input: $input) { created } }`
	)
	input := func(change string) string {
		fields := map[string]json.RawMessage{"instanceId": json.RawMessage(`"instance_x"`), "role": json.RawMessage(`"VIEWER"`), "emails": json.RawMessage(`["a@b.example"]`)}
		var changes map[string]json.RawMessage
		if err := json.Unmarshal([]byte(change), &changes); err != nil {
			t.Fatal(err)
		}
		for name, value := range changes {
			if fields[name] = value; string(value) == `"MISSING"` {
				delete(fields, name)
			}
		}
		text, err := json.Marshal(map[string]any{"input": fields})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct{ query, variables, says, path string }{
		{invite, `{}`, "In the variables, input is missing. It must be an object (InviteUsersInput!).", `["input"]`},
		{invite, `{"input":null}`, "In the variables, input must not be null. It must be an object (InviteUsersInput!).", `["input"]`},
		{invite, `{"input":"hunter"}`, "In the variables, input must be an object (InviteUsersInput!).", `["input"]`},
		{invite, `{"input":70707}`, "In the variables, input must be an object (InviteUsersInput!).", `["input"]`},
		{invite, `{"input":["hunter"]}`, "In the variables, input must be an object (InviteUsersInput!).", `["input"]`},
		{invite, input(`{"role":"MISSING"}`), "In the variables, input.role is missing. It must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":null}`), "In the variables, input.role must not be null. It must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":"HUNTER"}`), "In the variables, input.role must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":70707}`), "In the variables, input.role must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":true}`), "In the variables, input.role must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":["VIEWER"]}`), "In the variables, input.role must be a value of the enum (InstanceRole!).", `["input","role"]`},
		{invite, input(`{"role":"viewer"}`), "input.role: it is not a value of this enum.", `["input","role"]`},
		{invite, input(`{"emails":null}`), "In the variables, input.emails must not be null. It must be a list ([String!]!).", `["input","emails"]`},
		{invite, input(`{"emails":{"hunter":"hunter"}}`), "In the variables, input.emails must be a list ([String!]!).", `["input","emails"]`},
		{invite, input(`{"emails":true}`), "In the variables, input.emails must be a list ([String!]!).", `["input","emails"]`},
		{invite, input(`{"emails":["a","b","c",true]}`), "In the variables, input.emails[3] must be a string (String!).", `["input","emails",3]`},
		{invite, input(`{"emails":["a",["hunter"]]}`), "In the variables, input.emails[1] must be a string (String!).", `["input","emails",1]`},
		{invite, input(`{"emails":["a",{"hunter":1}]}`), "In the variables, input.emails[1] must be a string (String!).", `["input","emails",1]`},
		{invite, input(`{"emails":["a",null]}`), "In the variables, input.emails[1] must not be null. It must be a string (String!).", `["input","emails",1]`},
		{invite, input(`{"emails":["a",70707]}`), "input.emails[1]: a string (String) is expected here.", `["input","emails",1]`},
		{invite, input(`{"message":true}`), "In the variables, input.message must be a string (String).", `["input","message"]`},
		{invite, input(`{"message":["hunter"]}`), "In the variables, input.message must be a string (String).", `["input","message"]`},
		{invite, input(`{"message":70707.5}`), "input.message: a string (String) is expected here.", `["input","message"]`},
		{invite, input(`{"instanceId":{"hunter":1}}`), "In the variables, input.instanceId must be a string or a whole number (ID!).", `["input","instanceId"]`},
		{invite, input(`{"identifier":"hunter"}`), "In the variables, input.identifier is not a field of InviteUsersInput.", `["input","identifier"]`},
		{request, `{"input":{"instanceId":"x","role":"VIEWER","emails":["a",{}]}}`, "In the variables, input.emails[1] must be a string (String!).", `["input","emails",1]`},
		{single, `{"id":"x","role":"VIEWER"}`, "In the variables, emails is missing. It must be a list ([String!]!).", `["input","emails"]`},
		{single, `{"id":"x","role":"VIEWER","emails":[true]}`, "In the variables, emails[0] must be a string (String!).", `["input","emails",0]`},
		{single, `{"id":"x","role":"VIEWER","emails":["a"],"m":{"hunter":1}}`, "In the variables, m must be a string (String).", `["input","message"]`},
		{page, `{"n":1.5}`, "In the variables, n must be a whole number of 32 bits (Int).", `["n"]`},
		{page, `{"n":70707e99}`, "In the variables, n must be a whole number of 32 bits (Int).", `["n"]`},
		{page, `{"n":70707070707}`, "a whole number of 32 bits (Int) is expected here", `["first"]`},
		{page, `{"n":"hunter"}`, "In the variables, n must be a whole number of 32 bits (Int).", `["n"]`},
		{page, `{"n":true}`, "In the variables, n must be a whole number of 32 bits (Int).", `["n"]`},
		{page, `{"n":{"hunter":1}}`, "In the variables, n must be a whole number of 32 bits (Int).", `["n"]`},
		{include, `{"b":"hunter"}`, "In the variables, b must be true or false (Boolean!).", `["b"]`},
		{include, `{"b":70707}`, "In the variables, b must be true or false (Boolean!).", `["b"]`},
		{include, `{"b":null}`, "In the variables, b must not be null. It must be true or false (Boolean!).", `["b"]`},
	} {
		var variables map[string]any
		decoder := json.NewDecoder(strings.NewReader(c.variables))
		decoder.UseNumber()
		if err := decoder.Decode(&variables); err != nil {
			t.Fatal(err)
		}
		a := ada.Ask(c.query, variables)
		e := a.Refused("BAD_USER_INPUT")
		path, err := json.Marshal(e.Extensions["inputPath"])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.says, e.Message); diff != "" || string(path) != c.path {
			t.Errorf("%s: path %s: %s", c.variables, path, diff)
		}
		if strings.Contains(strings.ToLower(e.Message), "hunter") || strings.Contains(e.Message, "70707") || goWords.MatchString(e.Message) {
			t.Errorf("%s: %s", c.variables, e.Message)
		}
	}
	// One value stands for a list of it.
	ada.Ask(single, map[string]any{"id": w.instance("Group 1"), "role": "VIEWER", "emails": "zoe@new.example"}).OK()
}

// What is wrong in a document is a matter of validation, and said in the same words.
func TestErrorsAboutLiteralsAreInWordsOfTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const valid = `mutation { inviteUsers(input: {instanceId: "x", role: VIEWER, emails: ["a"], message: "m"}) { results { email } } }`
	for _, c := range []struct{ old, replacement, says string }{
		{`VIEWER`, `HUNTER`, `Expected a value of the enum "InstanceRole!".`},
		{`VIEWER`, `"VIEWER"`, `Enum "InstanceRole!" cannot represent non-enum value.`},
		{`VIEWER`, `null`, `Expected value of type "InstanceRole!".`},
		{`VIEWER`, `70707`, `Enum "InstanceRole!" cannot represent non-enum value.`},
		{`role: VIEWER,`, ``, `Field "InviteUsersInput.role" of required type "InstanceRole!" was not provided.`},
		{`role:`, `rolle: 1, role:`, `Field "rolle" is not defined by type "InviteUsersInput".`},
		{`["a"]`, `[70707]`, `String cannot represent a non string value.`},
		{`["a"]`, `[["hunter"]]`, `String cannot represent a non string value.`},
		{`["a"]`, `{x: 1}`, `Field "x" is not defined by type "String".`},
		{`"m"`, `true`, `String cannot represent a non string value.`},
		{`"x"`, `70707.5`, `ID cannot represent a non-string and non-integer value.`},
	} {
		a := ada.Ask(strings.Replace(valid, c.old, c.replacement, 1), nil)
		if len(a.Errors) == 0 || a.Errors[0].Code() != "GRAPHQL_VALIDATION_FAILED" || !strings.HasPrefix(a.Errors[0].Message, c.says) {
			t.Errorf("%s: %s", c.replacement, a.Body)
			continue
		}
		for _, e := range a.Errors {
			if strings.Contains(e.Message, "HUNTER") || strings.Contains(e.Message, "70707") || goWords.MatchString(e.Message) {
				t.Errorf("%s: %s", c.replacement, e.Message)
			}
		}
	}
	for field, must := range map[string]string{"operationName": "a string", "variables": "an object", "extensions": "an object"} {
		e := ada.Send(ada.Post(map[string]any{"query": "{ viewer { id } }", field: []any{"hunter"}})).Refused("BAD_REQUEST")
		if want := fmt.Sprintf("In the body, %s must be %s.", field, must); e.Message != want {
			t.Errorf("%q, want %q", e.Message, want)
		}
	}
}
