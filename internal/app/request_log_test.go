package app_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// logged waits for the log line of a request.
func (w *world) logged(what string, is func(line map[string]any) bool) (found map[string]any) {
	w.t.Helper()
	w.Await("the line of "+what, func() bool {
		for _, line := range w.Log.Lines("request") {
			if is(line) {
				found = line
			}
		}
		return found != nil
	})
	return found
}

// The line of a request has the code of each error once, over every transport.
func TestLogHasTheCodesOfErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, ask := range map[string]func(person, string){
		"Http":   func(p person, query string) { p.Ask(query, nil) },
		"Events": func(p person, query string) { p.overEvents(query, nil) },
		"Socket": func(p person, query string) {
			s := p.connect()
			s.subscribe("1", query, nil)
			s.outcome("1")
		},
	} {
		for query, want := range map[string][]any{
			"query " + name + `Fine { viewer { id } }`: nil,
			"query " + name + `Several { a: instance(id: "nothing") { members(first: -1) { nodes { role } } } b: space(id: "nothing") { instances(first: -1) { nodes { id } } } }`: {"BAD_USER_INPUT"},
			"mutation " + name + `Refused { deleteInstance(input: {instanceId: "nothing"}) { deleted } }`:                                                                          {"NOT_FOUND"},
			"mutation " + name + `Bad { inviteUsers(input: {instanceId: "` + w.instance("Group 1") + `", role: VIEWER, emails: ["a@", "b@"]}) { results { email } } }`:             {"INVALID_EMAIL"},
		} {
			operation := strings.Fields(query)[1]
			ask(w.as("ada"), query)
			line := w.logged(operation, func(line map[string]any) bool { return line["operation"] == operation })
			if got, _ := line["codes"].([]any); !reflect.DeepEqual(got, want) || line["route"] != "/graphql" || line["actor"] == nil {
				t.Errorf("%s: want %v: %v", operation, want, line)
			}
		}
	}

	// Requests that fail before an operation have a line, too.
	bad := w.as("ada")
	bad.Token = "not.a.token"
	for _, c := range []struct {
		what string
		a    answer
		code string
	}{
		{"a bad token", bad.Ask(`{ __typename }`, nil), "UNAUTHENTICATED"},
		{"no document", w.as("ada").Ask(`{`, nil), "GRAPHQL_PARSE_FAILED"},
		{"an unknown field", w.as("ada").Ask(`{ nothing nothingElse }`, nil), "GRAPHQL_VALIDATION_FAILED"},
	} {
		id := c.a.Header.Get("X-Request-Id")
		line := w.logged(c.what, func(line map[string]any) bool { return line["requestId"] == id })
		if want := []any{c.code}; !reflect.DeepEqual(line["codes"], any(want)) {
			t.Errorf("%s: %v", c.what, line)
		}
	}
}

// The log names the route of a request, not its path.
func TestLogDoesNotQuotePaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := http.NewRequest("ZOEATNEWEXAMPLE", w.Gateway.URL()+"/invitation/zoe@new.example%0A%1b[2K", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	line := w.logged("it", func(line map[string]any) bool { return line["requestId"] == response.Header.Get("X-Request-Id") })
	if line["route"] != "" || line["method"] != "OTHER" || line["status"] != 404.0 {
		t.Errorf("%v", line)
	}
	if response, err = w.HTTP.Get(w.Gateway.URL() + "/schema.graphql?token=secret"); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	line = w.logged("it", func(line map[string]any) bool { return line["requestId"] == response.Header.Get("X-Request-Id") })
	if line["route"] != "/schema.graphql" || strings.Contains(fmt.Sprint(line), "secret") {
		t.Errorf("%v", line)
	}
}

// Every attempt at a mail has a line, which does not quote the mail server.
func TestLogHasEveryAttemptAtAMail(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Refuse("zoe@new.example", 550, "no such person: zoe@new.example")
	s.OnData(func(a apptest.Attempt) error {
		if a.Number == 1 {
			return apptest.Reply(451, "busy with bob@new.example")
		}
		return nil
	})
	w := newWorld(t, s.Use)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).OK()
	w.tried(1)
	w.tryNow()
	w.sent(1)
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitOutbox()

	var got []string
	w.Await("three lines", func() bool {
		got = nil
		for _, line := range w.Log.Lines("job") {
			got = append(got, fmt.Sprint(line["kind"], " ", line["outcome"], " ", line["attempts"]))
			if line["milliseconds"].(float64) <= 0 || w.Number(`select count(*) from outbox where id = $1`, line["job"]) != 1 {
				t.Errorf("%v", line)
			}
			if text := fmt.Sprint(line); strings.Contains(text, "@") || strings.Contains(text, "busy") || strings.Contains(text, "no such person") {
				t.Errorf("%v", line)
			}
		}
		return len(got) >= 3
	})
	if want := []string{"INVITATION delayed 1", "INVITATION sent 2", "INVITATION failed 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
