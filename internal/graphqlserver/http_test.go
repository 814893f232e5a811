package graphqlserver

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/trusteddocs"
)

func TestStatusOfARequest(t *testing.T) {
	t.Parallel()
	const (
		post, get    = http.MethodPost, http.MethodGet
		response     = "application/graphql-response+json; charset=utf-8"
		legacy       = "application/json; charset=utf-8"
		stream       = "text/event-stream; charset=utf-8"
		acceptNew    = "application/graphql-response+json"
		acceptEvents = "text/event-stream"
		name         = `{"query":"{name}"}`
		subscription = `{"query":"subscription{panic}"}`
		mutation     = `{"query":"mutation{wait}"}`
	)
	byGET := func(query string) string { return "?query=" + url.QueryEscape(query) }
	for what, c := range map[string]struct {
		method, query     string
		accept, mediaType string
		body              string
		token             string // "": a good one
		status            int
		responseType      string
		contains          string
	}{
		// Accept
		"POST":                                {post, "", acceptNew, "application/json", name, "", 200, response, `{"data":{"name":`},
		"no Accept":                           {post, "", "", "application/json", name, "", 200, legacy, `"name"`},
		"Accept anything":                     {post, "", "*/*", "application/json", name, "", 200, legacy, `"name"`},
		"Accept any application":              {post, "", "application/*", "application/json", name, "", 200, legacy, `"name"`},
		"Accept legacy JSON":                  {post, "", "application/json", "application/json", name, "", 200, legacy, `"name"`},
		"Accept both":                         {post, "", "application/json, " + acceptNew, "application/json", name, "", 200, response, `"name"`},
		"Accept both by weight":               {post, "", acceptNew + ";q=0.5, application/json", "application/json", name, "", 200, legacy, `"name"`},
		"Accept with a parameter":             {post, "", acceptNew + "; charset=utf-8", "application/json", name, "", 200, response, `"name"`},
		"Accept of a weight that is wrong":    {post, "", acceptNew + ";q=x, application/json", "application/json", name, "", 200, legacy, `"name"`},
		"Accept in part malformed":            {post, "", "/, " + acceptNew, "application/json", name, "", 200, response, `"name"`},
		"Accept only HTML":                    {post, "", "text/html", "application/json", name, "", 406, legacy, "BAD_REQUEST"},
		"Accept nothing":                      {post, "", "application/json;q=0", "application/json", name, "", 406, legacy, "BAD_REQUEST"},
		"Accept events":                       {post, "", acceptEvents, "application/json", name, "", 200, stream, "event: next\n"},
		"Accept events rather":                {post, "", acceptEvents + ", application/json;q=0.1", "application/json", name, "", 200, legacy, `"name"`},
		"a subscription without events":       {post, "", "application/json", "application/json", subscription, "", 406, legacy, "text/event-stream"},
		"a subscription, events refused":      {post, "", "application/json, text/event-stream;q=0", "application/json", subscription, "", 406, legacy, "text/event-stream"},
		"a subscription with events":          {post, "", acceptEvents, "application/json", subscription, "", 200, stream, "INTERNAL_SERVER_ERROR"},
		"a subscription, anything accepted":   {post, "", "*/*", "application/json", subscription, "", 200, stream, "INTERNAL_SERVER_ERROR"},
		"a refused operation in a stream":     {post, "", acceptEvents, "application/json", body("{nothing}"), "", 200, stream, "BAD_USER_INPUT"},
		"a stream without a token":            {post, "", acceptEvents, "application/json", name, "-", 401, legacy, "UNAUTHENTICATED"},
		"errors of fields in the new type":    {post, "", acceptNew, "application/json", body("{fail}"), "", 200, response, "FORBIDDEN"},
		"errors of fields in the legacy type": {post, "", "application/json", "application/json", body("{fail}"), "", 200, legacy, "FORBIDDEN"},

		// Content-Type
		"a charset":                 {post, "", acceptNew, "application/json; charset=UTF-8", name, "", 200, response, `"name"`},
		"another charset":           {post, "", acceptNew, "application/json; charset=latin1", name, "", 415, response, "BAD_REQUEST"},
		"no content type":           {post, "", acceptNew, "", name, "", 415, response, "BAD_REQUEST"},
		"another content type":      {post, "", acceptNew, "application/graphql", "{name}", "", 415, response, "BAD_REQUEST"},
		"a form":                    {post, "", acceptNew, "application/x-www-form-urlencoded", "query={name}", "", 415, response, "BAD_REQUEST"},
		"a malformed content type":  {post, "", acceptNew, "application/json;;", name, "", 415, response, "BAD_REQUEST"},
		"a content type by GET":     {get, byGET("{name}"), acceptNew, "text/plain", "", "", 200, response, `"name"`},
		"the parameters of the URL": {post, byGET("{name}"), acceptNew, "application/json", "{}", "", 400, response, "query is missing"},

		// Methods
		"GET":                         {get, byGET("{name}"), acceptNew, "", "", "", 200, response, `"name"`},
		"GET with variables":          {get, byGET("query($in:String){name(in:$in)}") + "&variables=" + url.QueryEscape(`{"in":"x"}`), acceptNew, "", "", "", 200, response, `"name"`},
		"GET with an operation name":  {get, byGET("query A{name}query B{fail}") + "&operationName=B", acceptNew, "", "", "", 200, response, "FORBIDDEN"},
		"GET without a query":         {get, "", acceptNew, "", "", "", 400, response, "query is missing"},
		"GET with wrong variables":    {get, byGET("{name}") + "&variables=[]", acceptNew, "", "", "", 400, response, "variables must be a JSON object"},
		"GET with wrong extensions":   {get, byGET("{name}") + "&extensions=x", acceptNew, "", "", "", 400, response, "extensions must be a JSON object"},
		"GET with a variable twice":   {get, byGET("{name}") + "&variables=" + url.QueryEscape(`{"in":"x","IN":"y"}`), acceptNew, "", "", "", 400, response, "differ only in case"},
		"GET with two queries":        {get, byGET("{name}") + "&query=%7Bfail%7D", acceptNew, "", "", "", 400, response, "has the parameter query twice"},
		"GET not in UTF-8":            {get, "?query=%7Bname%7D%ff", acceptNew, "", "", "", 400, response, "not UTF-8"},
		"GET with a broken escape":    {get, "?query=%7Bname%7D%zz", acceptNew, "", "", "", 400, response, "not UTF-8"},
		"GET of a mutation":           {get, byGET("mutation{wait}"), acceptNew, "", "", "", 405, response, "Only queries can be sent by GET"},
		"GET of a subscription":       {get, byGET("subscription{ticks}"), acceptEvents, "", "", "", 405, legacy, "Only queries can be sent by GET"},
		"PUT":                         {http.MethodPut, "", acceptNew, "application/json", name, "", 405, response, "BAD_REQUEST"},
		"DELETE":                      {http.MethodDelete, "", acceptNew, "", "", "", 405, response, "BAD_REQUEST"},
		"HEAD":                        {http.MethodHead, byGET("{name}"), acceptNew, "", "", "", 405, response, ""},
		"another operation":           {post, "", acceptNew, "application/json", `{"query":"query A{name}","operationName":"B"}`, "", 400, response, "errors"},
		"several operations unnamed":  {post, "", acceptNew, "application/json", `{"query":"query A{name}query B{name}"}`, "", 400, response, "errors"},
		"a document with null fields": {post, "", acceptNew, "application/json", `{"query":"{name}","variables":null,"operationName":null,"extensions":null}`, "", 200, response, `"name"`},

		// Bodies
		"an empty body":            {post, "", acceptNew, "application/json", "", "", 400, response, "must be one JSON object"},
		"a byte order mark":        {post, "", acceptNew, "application/json", "\ufeff" + body("{name}"), "", 200, response, "Ada"},
		"no JSON":                  {post, "", acceptNew, "application/json", "NONSENSE", "", 400, response, "must be one JSON object"},
		"JSON that is cut off":     {post, "", acceptNew, "application/json", `{"query":`, "", 400, response, "must be one JSON object"},
		"an array":                 {post, "", acceptNew, "application/json", "[" + name + "]", "", 400, response, "must be one JSON object"},
		"two objects":              {post, "", acceptNew, "application/json", name + name, "", 400, response, "must be one JSON object"},
		"no query":                 {post, "", acceptNew, "application/json", `{"qeury":"{name}"}`, "", 400, response, "query is missing"},
		"a query of another type":  {post, "", acceptNew, "application/json", `{"query":1}`, "", 400, response, "query must be a string"},
		"variables in a list":      {post, "", acceptNew, "application/json", `{"query":"{name}","variables":[7]}`, "", 400, response, "variables must be an object"},
		"a key twice":              {post, "", acceptNew, "application/json", `{"query":"{name}","query":"{fail}"}`, "", 400, response, `has the key \"query\" twice`},
		"a key in two cases":       {post, "", acceptNew, "application/json", `{"query":"{name}","Query":"{fail}"}`, "", 400, response, "differ only in case"},
		"a key in another case":    {post, "", acceptNew, "application/json", `{"QUERY":"{name}"}`, "", 400, response, `must be \"query\"`},
		"a variable twice":         {post, "", acceptNew, "application/json", `{"query":"{name}","variables":{"a":{"b":[{"c":1,"c":1}]}}}`, "", 400, response, "BAD_USER_INPUT"},
		"a key of nobody":          {post, "", acceptNew, "application/json", `{"query":"{name}","Other":1,"variables":{"Query":1}}`, "", 200, response, `"name"`},
		"a large body":             {post, "", acceptNew, "application/json", body("{name}" + strings.Repeat(" ", maxBody)), "", 413, response, "more than 10000 octets"},
		"many values":              {post, "", acceptNew, "application/json", `{"query":"{name}","variables":{"a":[` + strings.Repeat("0,", maxValues) + `0]}}`, "", 400, response, "more than 100 values"},
		"as many values as fit":    {post, "", acceptNew, "application/json", `{"query":"{name}","variables":{"a":[` + strings.Repeat("0,", maxValues-5) + `0]}}`, "", 200, response, `"name"`},
		"commas in a string":       {post, "", acceptNew, "application/json", body(`{name(in:"` + strings.Repeat(`,[\"`, maxValues) + `")}`), "", 200, response, `"name"`},
		"an invalid document":      {post, "", acceptNew, "application/json", body("{nothing}"), "", 400, response, "BAD_USER_INPUT"},
		"the same in legacy JSON":  {post, "", "application/json", "application/json", body("{nothing}"), "", 200, legacy, "BAD_USER_INPUT"},
		"a document in fragments":  {post, "", acceptNew, "application/json", body("{"), "", 400, response, "BAD_USER_INPUT"},
		"many errors":              {post, "", acceptNew, "application/json", body("{" + strings.Repeat(" nothing", 500) + "}"), "", 400, response, "BAD_USER_INPUT"},
		"a body in another coding": {post, "", acceptNew, "application/json; charset=\"", name, "", 415, response, "BAD_REQUEST"},

		// Tokens
		"no token":                             {post, "", acceptNew, "application/json", name, "-", 401, response, "UNAUTHENTICATED"},
		"no token, legacy JSON":                {post, "", "application/json", "application/json", name, "-", 401, legacy, "UNAUTHENTICATED"},
		"no token, public":                     {post, "", acceptNew, "application/json", body("query Public{name}"), "-", 200, response, `"name"`},
		"no token, an invalid document":        {post, "", acceptNew, "application/json", body("{nothing}"), "-", 400, response, "BAD_USER_INPUT"},
		"no token, a variable of a wrong type": {post, "", acceptNew, "application/json", `{"query":"query($in:String){name(in:$in)}","variables":{"in":{}}}`, "-", 401, response, "UNAUTHENTICATED"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			r := s.request(c.method, c.query, c.body, "Accept", c.accept, "Content-Type", c.mediaType)
			if c.token == "-" {
				r.Header.Del("Authorization")
			}
			got, body := s.send(r)
			if got.StatusCode != c.status || got.Header.Get("Content-Type") != c.responseType || !strings.Contains(body, c.contains) {
				t.Errorf("%d %s: %s", got.StatusCode, got.Header.Get("Content-Type"), body)
			}
			if got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", got.Header.Get("Cache-Control"))
			}
			if c.responseType != stream && c.method != http.MethodHead && !json.Valid([]byte(body)) {
				t.Errorf("no JSON: %s", body)
			}
			if n := strings.Count(body, `"message"`); n > maxErrors {
				t.Errorf("%d errors", n)
			}
			if (c.status == http.StatusUnauthorized) != (got.Header.Get("WWW-Authenticate") == "Bearer") {
				t.Errorf("WWW-Authenticate %q", got.Header.Get("WWW-Authenticate"))
			}
			if (c.status == http.StatusMethodNotAllowed) != (got.Header.Get("Allow") != "") {
				t.Errorf("Allow %q", got.Header.Get("Allow"))
			}
		})
	}
}

func TestCompressedBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if got, _ := s.send(s.request(http.MethodPost, "", body("{name}"), "Content-Type", "application/json", "Content-Encoding", "gzip")); got.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("status %d", got.StatusCode)
	}
}

func TestBodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn, err := s.pipes.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1000)
	n, err := conn.Read(answer)
	if err != nil || !strings.Contains(string(answer[:n]), "400 Bad Request") {
		t.Errorf("%s %v", answer[:n], err)
	}
}

func TestRateLimitedOperationHasStatus429(t *testing.T) {
	t.Parallel()
	for accept, status := range map[string]int{responseJSON: http.StatusTooManyRequests, legacyJSON: http.StatusOK, eventStream: http.StatusOK} {
		s := newServer(t)
		s.busy.Store(true)
		got, body := s.send(s.request(http.MethodPost, "", body("{name}"), "Content-Type", "application/json", "Accept", accept))
		if got.StatusCode != status || !strings.Contains(body, "RATE_LIMITED") {
			t.Errorf("%s: %d %s", accept, got.StatusCode, body)
		}
	}
}

// A request that Enter refuses is refused whatever it is, over every media type.
func TestRequestsThatMayNotEnterAreRefused(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{responseJSON, legacyJSON, eventStream} {
		s := newServer(t)
		s.full.Store(true)
		for what, text := range map[string]string{"a query": body("{name}"), "an unknown field": body("{nothing}"), "no JSON": "{"} {
			got, answer := s.send(s.request(http.MethodPost, "", text, "Content-Type", "application/json", "Accept", accept))
			if got.StatusCode != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || !strings.Contains(answer, "RATE_LIMITED") {
				t.Errorf("%s, %s: %d %v %s", what, accept, got.StatusCode, got.Header, answer)
			}
		}
	}
}

// Every request that has entered leaves, however it ends.
func TestRequestsLeave(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{responseJSON, legacyJSON, eventStream} {
		s := newServer(t)
		for _, text := range []string{body("{name}"), body("{nothing}"), body("{"), "{", body("{fail}"), body("{panic}"), body("mutation{wait:nothing}")} {
			_, _ = s.send(s.request(http.MethodPost, "", text, "Content-Type", "application/json", "Accept", accept))
			if n := s.inside.Load(); n != 0 {
				t.Errorf("%s, %s: %d have not left", accept, text, n)
			}
		}
	}
}

func TestQueryEndsAtTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for _, accept := range []string{legacyJSON, eventStream} {
			for query, want := range map[string]string{"{wait}": "UNAVAILABLE", "{late}": "context deadline exceeded"} {
				status := http.StatusOK
				if query == "{late}" && accept == legacyJSON {
					status = http.StatusServiceUnavailable // it was not executed
				}
				if got, body := s.send(s.request(http.MethodPost, "", body(query), "Content-Type", "application/json", "Accept", accept)); got.StatusCode != status || !strings.Contains(body, want) {
					t.Errorf("%s, %s: %d %s", query, accept, got.StatusCode, body)
				}
			}
		}
	})
}

func TestIDOfADocumentIsReadFromEveryPlace(t *testing.T) {
	t.Parallel()
	const apollo = `{"persistedQuery":{"version":1,"sha256Hash":"abc"}}`
	get := func(query string) string { return "/graphql?" + query }
	for what, c := range map[string]struct {
		url, body string
		id        string
	}{
		"extensions in a body":     {"", `{"extensions":` + apollo + `}`, "abc"},
		"documentId in a body":     {"", `{"documentId":"sha256:abc"}`, "abc"},
		"doc_id in a body":         {"", `{"doc_id":"abc"}`, "abc"},
		"documentId before doc_id": {"", `{"documentId":"abc","doc_id":"def"}`, "abc"},
		"extensions before both":   {"", `{"documentId":"def","extensions":` + apollo + `}`, "abc"},
		"with a text":              {"", `{"documentId":"abc","query":"{name}"}`, "abc"},
		"extensions in a URL":      {get("extensions=" + url.QueryEscape(apollo)), "", "abc"},
		"documentId in a URL":      {get("documentId=sha256:abc"), "", "abc"},
		"doc_id in a URL":          {get("doc_id=abc"), "", "abc"},
		"no id":                    {"", `{"query":"{name}"}`, ""},
	} {
		r, err := http.NewRequest(http.MethodPost, "/graphql", bytes.NewReader([]byte(c.body)))
		if c.url != "" {
			r, err = http.NewRequest(http.MethodGet, c.url, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		transport := HTTP{Operations: Operations{MaxValues: maxValues}, MaxBody: maxBody}
		body, refused := transport.receive(nil, r)
		if refused != nil {
			t.Fatal(refused)
		}
		params, refused := transport.read(r, body)
		if refused != nil {
			t.Errorf("%s: %v", what, refused)
			continue
		}
		fields, _ := params.Extensions["persistedQuery"].(map[string]any)
		if id, _ := fields["sha256Hash"].(string); id != c.id || trusteddocs.HasID(params) != (c.id != "") {
			t.Errorf("%s: %v", what, params.Extensions)
		}
	}
}
