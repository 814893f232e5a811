package graphqlserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/trusteddocs"
)

// receive reads the body of a request by POST, and refuses other methods than GET and
// POST (section 5).
func (t HTTP) receive(w http.ResponseWriter, r *http.Request) ([]byte, *httpError) {
	switch r.Method {
	case http.MethodGet:
		return nil, nil
	case http.MethodPost:
		return t.receiveBody(w, r)
	}
	w.Header().Set("Allow", "GET, POST")
	return nil, refusal(http.StatusMethodNotAllowed, "Send GraphQL operations by POST, or queries by GET.")
}

// read reads the parameters of a request whose body was received.
func (t HTTP) read(r *http.Request, body []byte) (*graphql.RawParams, *httpError) {
	if r.Method == http.MethodGet {
		return readURL(r)
	}
	return t.readBody(r, body)
}

// readURL reads the parameters of a request by GET (section 5.3).
func readURL(r *http.Request) (*graphql.RawParams, *httpError) {
	values := r.URL.Query()
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName"), Headers: r.Header}
	// In a body, the JSON decoder replaces what is not UTF-8.
	if text, err := url.QueryUnescape(r.URL.RawQuery); err != nil || !utf8.ValidString(text) {
		return nil, badRequest("The URL parameters are not UTF-8.")
	}
	for _, name := range requestKeys {
		if len(values[name]) > 1 {
			return nil, badRequest("The URL has the parameter " + name + " twice.")
		}
	}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		if decode([]byte(text), into) != nil {
			return nil, badRequest("The URL parameter " + name + " must be a JSON object.")
		}
		if f := checkKeys([]byte(text)); f != nil {
			return nil, &httpError{http.StatusBadRequest, f}
		}
	}
	params.Variables = withWholeNumbers(params.Variables)
	setID(params, values.Get("documentId"), values.Get("doc_id"))
	if params.Query == "" && !trusteddocs.HasID(params) {
		return nil, badRequest("The URL parameter query is missing.")
	}
	return params, nil
}

// receiveBody reads the body of a request by POST (section 5.4).
func (t HTTP) receiveBody(w http.ResponseWriter, r *http.Request) ([]byte, *httpError) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	if err != nil || mediaType != legacyJSON || charset != "" && charset != "utf-8" || r.Header.Get("Content-Encoding") != "" {
		return nil, refusal(http.StatusUnsupportedMediaType, "The body must be "+legacyJSON+" in UTF-8, without compression.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refusal(http.StatusRequestEntityTooLarge, "The body has more than "+strconv.FormatInt(t.MaxBody, 10)+" octets.")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		incomplete := badRequest("The body did not arrive completely. Nothing was done.")
		incomplete.Remedy, incomplete.Retry = "Send the request again, with the same idempotencyKey.", new(true)
		return nil, incomplete
	}
	if err != nil {
		return nil, badRequest("The body cannot be read.")
	}
	// PowerShell and .NET begin texts with a byte order mark, which may be ignored (RFC
	// 8259, section 8.1).
	return bytes.TrimPrefix(body, []byte("\ufeff")), nil
}

// readBody reads the parameters in a body (section 5.4).
func (t HTTP) readBody(r *http.Request, body []byte) (*graphql.RawParams, *httpError) {
	if f := t.checkValues(body); f != nil {
		return nil, &httpError{http.StatusBadRequest, f}
	}
	var decoded request
	if err := decode(body, &decoded); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			name := strings.SplitN(wrong.Field, ".", 2)[0]
			must := "a string"
			if name == "variables" || name == "extensions" {
				must = "an object"
			}
			return nil, badRequest("In the body, " + name + " must be " + must + ".")
		}
		return nil, badRequest("The body must be one JSON object.")
	}
	if f := checkKeys(body, requestKeys...); f != nil {
		return nil, &httpError{http.StatusBadRequest, f}
	}
	if !decoded.complete() {
		return nil, badRequest("In the body, query is missing.")
	}
	return decoded.params(r.Header), nil
}

// request is a GraphQL request in JSON (section 5.4.1), over any transport.
type request struct {
	Query         *string        `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
	DocumentID    string         `json:"documentId"` // of GraphQL over HTTP, appendix "Persisted Documents"
	DocID         string         `json:"doc_id"`     // of Relay
}

// requestKeys are the keys of a request.
var requestKeys = []string{"query", "operationName", "variables", "extensions", "documentId", "doc_id"}

// complete reports whether the request names its operation, by text or by id.
func (r request) complete() bool { return r.Query != nil || trusteddocs.HasID(r.params(nil)) }

func (r request) params(header http.Header) *graphql.RawParams {
	params := &graphql.RawParams{
		OperationName: r.OperationName,
		Variables:     withWholeNumbers(r.Variables),
		Extensions:    r.Extensions,
		Headers:       header,
	}
	if r.Query != nil {
		params.Query = *r.Query
	}
	setID(params, r.DocumentID, r.DocID)
	return params
}

// setID sets the first of the ids that is given, unless the extensions have one.
func setID(params *graphql.RawParams, ids ...string) {
	for _, id := range ids {
		if id != "" && !trusteddocs.HasID(params) {
			trusteddocs.SetID(params, strings.TrimPrefix(id, "sha256:"))
		}
	}
}

// decode decodes exactly one JSON value.
func decode(b []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}
