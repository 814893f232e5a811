// Package transport carries GraphQL between clients and the executor.
package transport

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
)

const (
	responseJSON = "application/graphql-response+json"
	legacyJSON   = "application/json"
)

// maxErrors is how many errors are reported of a document that is not valid.
const maxErrors = 20

// HTTP is the transport of queries and mutations: GraphQL over HTTP as its
// specification (draft of the GraphQL foundation) says, by POST, and by GET for
// queries. gqlgen's own transports echo bodies, take what follows them, and
// answer wrong status codes.
type HTTP struct {
	MaxBody int64 // octets
	Present graphql.ErrorPresenterFunc
	// Admits reports whether the asking person may begin an operation.
	Admits func(context.Context, *ast.OperationDefinition) bool
	// Unauthenticated is the refusal of somebody who is not signed in.
	Unauthenticated func() *fault.Fault
	// Begun is told of every operation that is carried out.
	Begun func(context.Context, *graphql.OperationContext)
}

var _ graphql.Transport = HTTP{}

// Supports implements graphql.Transport.
func (HTTP) Supports(*http.Request) bool { return true }

// Do implements graphql.Transport.
func (t HTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	mediaType, acceptable := negotiate(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", mediaType+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !acceptable {
		t.refuse(ctx, w, &requestError{http.StatusNotAcceptable, "The answer can be " + responseJSON + " or " + legacyJSON + "."})
		return
	}
	params, err := t.read(w, r)
	if err != nil {
		t.refuse(ctx, w, err)
		return
	}
	params.Headers = r.Header
	operation, errs := exec.CreateOperationContext(ctx, params)
	if errs == nil && r.Method == http.MethodGet && operation.Operation.Operation != ast.Query {
		w.Header().Set("Allow", http.MethodPost)
		t.refuse(ctx, w, &requestError{http.StatusMethodNotAllowed, "Mutations go by POST."})
		return
	}
	if errs != nil {
		// Whoever is not signed in learns that first, and not what is wrong
		// with the variables.
		if operation.Operation != nil && !t.Admits(ctx, operation.Operation) {
			errs = gqlerror.List{{Err: t.Unauthenticated()}}
		}
		errs = errs[:min(len(errs), maxErrors)]
		ctx = graphql.WithOperationContext(ctx, operation)
		status := requestStatus(mediaType, errs)
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		Write(w, status, &graphql.Response{Errors: exec.DispatchError(ctx, errs).Errors})
		return
	}
	t.Begun(ctx, operation)
	handler, ctx := exec.DispatchOperation(ctx, operation)
	Write(w, http.StatusOK, handler(ctx))
}

// requestStatus is the status of a request whose operation was not begun. The
// legacy media type has 200 for all that is JSON (section 6.4.1), but for who
// is not signed in.
func requestStatus(mediaType string, errs gqlerror.List) int {
	for _, err := range errs {
		var f *fault.Fault
		if errors.As(err, &f) && f.Code == fault.Unauthenticated {
			return http.StatusUnauthorized
		}
	}
	if mediaType == legacyJSON {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// negotiate chooses the media type of the answer (RFC 9110, section 12.5.1):
// the better one of those that the client accepts most.
func negotiate(accept []string) (mediaType string, acceptable bool) {
	if strings.TrimSpace(strings.Join(accept, "")) == "" {
		return legacyJSON, true
	}
	best := 0.0
	mediaType = legacyJSON
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		accepted, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := params["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch accepted {
		case "*/*", "application/*":
			accepted = legacyJSON
		case responseJSON, legacyJSON:
		default:
			continue
		}
		if q > best || q == best && q > 0 && accepted == responseJSON {
			best, mediaType = q, accepted
		}
	}
	return mediaType, best > 0
}

// requestError is a request that is no GraphQL.
type requestError struct {
	status  int
	message string
}

func badRequest(message string) *requestError { return &requestError{http.StatusBadRequest, message} }

func (t HTTP) refuse(ctx context.Context, w http.ResponseWriter, err *requestError) {
	Write(w, err.status, &graphql.Response{Errors: gqlerror.List{t.Present(ctx, fault.New(fault.BadRequest, err.message))}})
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
	return nil, &requestError{http.StatusMethodNotAllowed, "GraphQL goes by POST, and queries by GET too."}
}

func readQuery(r *http.Request) (*graphql.RawParams, *requestError) {
	values := r.URL.Query()
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName")}
	if params.Query == "" {
		return nil, badRequest("The parameter query is missing.")
	}
	// In a body Go's decoder sees to it.
	if text, err := url.QueryUnescape(r.URL.RawQuery); err != nil || !utf8.ValidString(text) {
		return nil, badRequest("The parameters are not UTF-8.")
	}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if text := values.Get(name); text != "" && decode([]byte(text), into) != nil {
			return nil, badRequest("The parameter " + name + " must be a JSON object.")
		}
	}
	return params, nil
}

func (t HTTP) readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *requestError) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	if err != nil || mediaType != legacyJSON || charset != "" && charset != "utf-8" || r.Header.Get("Content-Encoding") != "" {
		return nil, &requestError{http.StatusUnsupportedMediaType, "The body must be " + legacyJSON + " in UTF-8, not compressed."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &requestError{http.StatusRequestEntityTooLarge, "The body has more than " + strconv.FormatInt(t.MaxBody, 10) + " octets."}
	}
	if err != nil {
		return nil, badRequest("The body did not arrive whole.")
	}
	var request struct {
		Query         *string        `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	if err := decode(body, &request); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			return nil, badRequest("In the body, " + strings.SplitN(wrong.Field, ".", 2)[0] + " has the wrong type.")
		}
		return nil, badRequest("The body must be one JSON object.")
	}
	if request.Query == nil {
		return nil, badRequest("In the body, query is missing.")
	}
	return &graphql.RawParams{
		Query:         *request.Query,
		OperationName: request.OperationName,
		Variables:     request.Variables,
		Extensions:    request.Extensions,
	}, nil
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

// Write sends a response. Its data is JSON already and goes out as it is; a
// response without data has no such entry (section 6.4).
func Write(w http.ResponseWriter, status int, response *graphql.Response) {
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
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
