package graphqlserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/trusteddocs"
)

const (
	responseJSON = "application/graphql-response+json"
	legacyJSON   = "application/json"
	eventStream  = "text/event-stream"
)

// HTTP is the transport of GraphQL over HTTP, as its specification (draft of the
// GraphQL foundation) says: by POST, and by GET for queries; and of
// subscriptions with server-sent events. gqlgen's own transports echo bodies,
// take what follows them, and answer wrong status codes.
type HTTP struct {
	Operations
	MaxBody int64 // octets
}

var _ graphql.Transport = HTTP{}

// Supports implements graphql.Transport.
func (HTTP) Supports(*http.Request) bool { return true }

// Do implements graphql.Transport.
func (t HTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	accepted := negotiate(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", accepted.json+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !accepted.anything {
		t.refuse(ctx, w, refusal(http.StatusNotAcceptable, "The answer can be "+responseJSON+", "+legacyJSON+" or "+eventStream+"."))
		return
	}
	params, err := t.read(w, r)
	if err != nil {
		t.refuse(ctx, w, err)
		return
	}
	operation, end, errs := t.begin(ctx, exec, params)
	defer end()
	switch {
	case errs != nil:
		t.fail(graphql.WithOperationContext(ctx, operation), w, exec, accepted, errs)
	case r.Method == http.MethodGet && operation.Operation.Operation != ast.Query:
		w.Header().Set("Allow", http.MethodPost)
		t.refuse(ctx, w, refusal(http.StatusMethodNotAllowed, "Only queries go by GET."))
	case subscribes(operation) && !accepted.events:
		t.refuse(ctx, w, refusal(http.StatusNotAcceptable, "Subscriptions go by server-sent events (Accept: "+eventStream+") or over a WebSocket."))
	case subscribes(operation) || accepted.onlyEvents:
		t.streamSSE(ctx, w, exec, operation)
	default:
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		t.Begun(ctx, operation)
		handler, ctx := exec.DispatchOperation(ctx, operation)
		Write(w, http.StatusOK, handler(ctx))
	}
}

// fail answers an operation that cannot be begun. A client that takes nothing
// but events learns what is wrong by one, but for who is not signed in.
func (t HTTP) fail(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, accepted accepted, errs gqlerror.List) {
	status := requestStatus(accepted.json, errs)
	response := &graphql.Response{Errors: exec.DispatchError(ctx, errs).Errors}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	} else if accepted.onlyEvents {
		s := beginSSE(w)
		_ = s.next(encode(response))
		s.complete()
		return
	}
	Write(w, status, response)
}

// requestStatus is the status of a request whose operation was not begun. The
// legacy media type has 200 for all that is JSON (section 6.4.1), but for who
// is not signed in.
func requestStatus(mediaType string, errs gqlerror.List) int {
	var f *fault.Fault
	errors.As(errs, &f)
	switch {
	case f != nil && f.Code == fault.Unauthenticated:
		return http.StatusUnauthorized
	case mediaType == legacyJSON:
		return http.StatusOK
	case f != nil && f.Code == fault.RateLimited:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// accepted is what a client takes for an answer.
type accepted struct {
	json       string // the better one of the types of JSON that it takes most
	events     bool   // also events, or nothing else
	onlyEvents bool
	anything   bool // that there is
}

// negotiate reads Accept (RFC 9110, section 12.5.1).
func negotiate(accept []string) accepted {
	if strings.TrimSpace(strings.Join(accept, "")) == "" {
		return accepted{json: legacyJSON, anything: true}
	}
	best := 0.0
	a := accepted{json: legacyJSON}
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		mediaType, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := params["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch mediaType {
		case eventStream, "*/*":
			a.events = a.events || q > 0
		}
		switch mediaType {
		case "*/*", "application/*":
			mediaType = legacyJSON
		case responseJSON, legacyJSON:
		default:
			continue
		}
		if q > best || q == best && q > 0 && mediaType == responseJSON {
			best, a.json = q, mediaType
		}
	}
	a.onlyEvents = a.events && best == 0
	a.anything = a.events || best > 0
	return a
}

// requestError is a request that is no GraphQL.
type requestError struct {
	status int
	*fault.Fault
}

func refusal(status int, message string) *requestError {
	return &requestError{status, fault.New(fault.BadRequest, message)}
}

func badRequest(message string) *requestError { return refusal(http.StatusBadRequest, message) }

func (t HTTP) refuse(ctx context.Context, w http.ResponseWriter, err *requestError) {
	Write(w, err.status, &graphql.Response{Errors: gqlerror.List{t.Present(ctx, err.Fault)}})
}

// read reads the request's parameters (section 5).
func (t HTTP) read(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *requestError) {
	switch r.Method {
	case http.MethodGet:
		return readQuery(r)
	case http.MethodPost:
		return t.readBody(w, r)
	}
	w.Header().Set("Allow", "GET, POST")
	return nil, refusal(http.StatusMethodNotAllowed, "GraphQL goes by POST, and queries by GET too.")
}

func readQuery(r *http.Request) (*graphql.RawParams, *requestError) {
	values := r.URL.Query()
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName"), Headers: r.Header}
	// In a body Go's decoder sees to it.
	if text, err := url.QueryUnescape(r.URL.RawQuery); err != nil || !utf8.ValidString(text) {
		return nil, badRequest("The parameters are not UTF-8.")
	}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if text := values.Get(name); text != "" && decode([]byte(text), into) != nil {
			return nil, badRequest("The parameter " + name + " must be a JSON object.")
		}
	}
	nameDocument(params, values.Get("documentId"), values.Get("doc_id"))
	if params.Query == "" && !trusteddocs.HasID(params) {
		return nil, badRequest("The parameter query is missing.")
	}
	return params, nil
}

func (t HTTP) readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *requestError) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	if err != nil || mediaType != legacyJSON || charset != "" && charset != "utf-8" || r.Header.Get("Content-Encoding") != "" {
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must be "+legacyJSON+" in UTF-8, not compressed.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refusal(http.StatusRequestEntityTooLarge, "The body has more than "+strconv.FormatInt(t.MaxBody, 10)+" octets.")
	}
	if err != nil {
		return nil, badRequest("The body did not arrive whole.")
	}
	if f := t.measure(body); f != nil {
		return nil, &requestError{http.StatusBadRequest, f}
	}
	var parsed request
	if err := decode(body, &parsed); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			return nil, badRequest("In the body, " + strings.SplitN(wrong.Field, ".", 2)[0] + " has the wrong type.")
		}
		return nil, badRequest("The body must be one JSON object.")
	}
	if !parsed.whole() {
		return nil, badRequest("In the body, query is missing.")
	}
	return parsed.params(r.Header), nil
}

// request is a GraphQL request in JSON (section 5.4).
type request struct {
	Query         *string        `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
	DocumentID    string         `json:"documentId"` // as its draft of persisted documents says
	DocID         string         `json:"doc_id"`     // as Relay's guide has it
}

// whole reports whether the request says what is to be carried out.
func (r request) whole() bool { return r.Query != nil || trusteddocs.HasID(r.params(nil)) }

func (r request) params(header http.Header) *graphql.RawParams {
	params := &graphql.RawParams{
		OperationName: r.OperationName,
		Variables:     r.Variables,
		Extensions:    r.Extensions,
		Headers:       header,
	}
	if r.Query != nil {
		params.Query = *r.Query
	}
	nameDocument(params, r.DocumentID, r.DocID)
	return params
}

// nameDocument names an operation by the id that a client sends beside the
// query or in its stead.
func nameDocument(params *graphql.RawParams, ids ...string) {
	for _, id := range ids {
		if id != "" && !trusteddocs.HasID(params) {
			trusteddocs.SetID(params, strings.TrimPrefix(id, "sha256:"))
		}
	}
}

// decode reads one JSON value and nothing after it.
func decode(b []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows")
	}
	return nil
}

// Write sends a response.
func Write(w http.ResponseWriter, status int, response *graphql.Response) {
	body := encode(response)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// encode makes a response JSON. Its data is JSON already and goes out as it is;
// a response without data has no such entry (section 6.4).
func encode(response *graphql.Response) []byte {
	var body bytes.Buffer
	body.WriteByte('{')
	if len(response.Errors) > 0 {
		encoded, err := json.Marshal(response.Errors)
		if err != nil {
			panic(err)
		}
		body.WriteString(`"errors":`)
		body.Write(encoded)
	}
	if response.Data != nil {
		if body.Len() > 1 {
			body.WriteByte(',')
		}
		body.WriteString(`"data":`)
		body.Write(response.Data)
	}
	body.WriteByte('}')
	return body.Bytes()
}
