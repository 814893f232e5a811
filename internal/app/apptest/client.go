package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// Person is somebody in front of a gateway.
type Person struct {
	World *World
	URL   string // of the gateway
	Token string // a JWT; "": nobody is signed in
}

// As returns the person of an address, signed in to the first gateway. Without an
// @ it is one of the demo world, by the name before it ("ada").
func (w *World) As(who string) Person {
	w.T.Helper()
	if !strings.Contains(who, "@") {
		who += "@uni.example"
	}
	email, problem := address.Parse(who)
	if problem != nil {
		w.T.Fatal(problem)
	}
	signed, err := w.Key.Sign(email, "")
	if err != nil {
		w.T.Fatal(err)
	}
	return w.With(signed)
}

// With returns the holder of a token; "" is nobody.
func (w *World) With(token string) Person { return Person{w, w.Gateway.URL(), token} }

// Ask sends an operation by POST.
func (p Person) Ask(query string, variables map[string]any) Answer {
	p.World.T.Helper()
	return p.Send(p.Request(query, variables))
}

// Get sends an operation by GET.
func (p Person) Get(query string) Answer {
	p.World.T.Helper()
	r, err := http.NewRequest(http.MethodGet, p.URL+"/graphql?query="+url.QueryEscape(query), nil)
	if err != nil {
		p.World.T.Fatal(err)
	}
	return p.Send(r)
}

// Request is an operation that is to be sent.
func (p Person) Request(query string, variables map[string]any) *http.Request {
	p.World.T.Helper()
	return p.Post(map[string]any{"query": query, "variables": variables})
}

// Post is a request with the fields of a GraphQL request.
func (p Person) Post(fields map[string]any) *http.Request {
	p.World.T.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		p.World.T.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, p.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		p.World.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// Send sends a request with the person's token. It may be called from any
// goroutine.
func (p Person) Send(r *http.Request) Answer {
	p.World.T.Helper()
	if p.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.Token)
	}
	response, err := p.World.HTTP.Do(r)
	if err != nil {
		p.World.T.Error(err)
		return Answer{t: p.World.T}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.World.T.Error(err)
	}
	a := ParseAnswer(p.World.T, text)
	a.began = p.World.began
	a.Status, a.Header = response.StatusCode, response.Header
	return a
}

// Answer is a GraphQL response.
type Answer struct {
	t      testing.TB
	began  time.Time   // see World
	Status int         // of HTTP
	Header http.Header // of HTTP
	Body   string
	Data   map[string]any
	Errors []Error
}

// Error is one of an answer's errors.
type Error struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// Code returns extensions.code.
func (e Error) Code() string { s, _ := e.Extensions["code"].(string); return s }

// Reason returns extensions.reason; nil where it has none.
func (e Error) Reason() any { return e.Extensions["reason"] }

// ParseAnswer reads a response, however it came.
func ParseAnswer(t testing.TB, text []byte) Answer {
	t.Helper()
	a := Answer{t: t, Body: string(text)}
	var response struct {
		Data   map[string]any `json:"data"`
		Errors []Error        `json:"errors"`
	}
	if err := json.Unmarshal(text, &response); err != nil {
		t.Errorf("the answer is not JSON: %v\n%s", err, text)
	}
	a.Data, a.Errors = response.Data, response.Errors
	return a
}

// Codes returns the codes of the answer's errors.
func (a Answer) Codes() []string {
	codes := []string{}
	for _, e := range a.Errors {
		codes = append(codes, e.Code())
	}
	return codes
}

// OK fails the test where the answer has errors.
func (a Answer) OK() Answer {
	a.t.Helper()
	if len(a.Errors) > 0 || a.Status != http.StatusOK {
		a.t.Fatalf("status %d, errors: %s", a.Status, a.Body)
	}
	return a
}

// Refused fails the test unless the answer is one error with a code.
func (a Answer) Refused(code string) Error {
	a.t.Helper()
	if len(a.Errors) != 1 || a.Errors[0].Code() != code {
		a.t.Fatalf("want one error %s, got: %s", code, a.Body)
	}
	return a.Errors[0]
}

// Limited fails the test unless the answer is the refusal of one hourly limit,
// which says when to come back: an hour after the first use, which is in the life of the
// world, and up to a minute later.
func (a Answer) Limited(reason string) Error {
	a.t.Helper()
	e := a.Refused("RATE_LIMITED")
	after, _ := e.Extensions["retryAfter"].(float64)
	least := time.Hour.Seconds() - time.Since(a.began).Seconds()
	if e.Reason() != reason || after < least || after > 3660 || e.Extensions["retryable"] != true || e.Extensions["remedy"] == nil {
		a.t.Fatalf("want %s, got: %s", reason, a.Body)
	}
	return e
}

// At follows a path of names and indexes into the data.
func (a Answer) At(path ...any) any {
	a.t.Helper()
	var v any = a.Data
	for _, step := range path {
		switch s := step.(type) {
		case string:
			object, ok := v.(map[string]any)
			if !ok {
				a.t.Fatalf("there is no %v in %s", path, a.Body)
			}
			v = object[s]
		case int:
			list, ok := v.([]any)
			if !ok || s >= len(list) {
				a.t.Fatalf("there is no %v in %s", path, a.Body)
			}
			v = list[s]
		}
	}
	return v
}

// Payload follows a path into the one root field of the data, whatever its name.
func (a Answer) Payload(path ...any) any {
	a.t.Helper()
	if len(a.Data) != 1 {
		a.t.Fatalf("there is not one root field in %s", a.Body)
	}
	for root := range a.Data {
		path = append([]any{root}, path...)
	}
	return a.At(path...)
}

// RequestID returns the id of the request that the payload is about.
func (a Answer) RequestID() string {
	a.t.Helper()
	return fmt.Sprint(a.OK().Payload("request", "id"))
}

// Every returns a field of every element of a list, as text.
func (a Answer) Every(field string, path ...any) []string {
	a.t.Helper()
	list, _ := a.At(path...).([]any)
	values := make([]string, len(list))
	for i := range list {
		values[i] = fmt.Sprint(a.At(append(slices.Clone(path), i, field)...))
	}
	return values
}
