package graphqlserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Wait times in seconds, for the header Retry-After of a response whose errors do
// not say when to try again.
const (
	waitForSlot    = 1 // after 429
	waitForService = 5 // after 503
)

// Respond writes a response to a request that did not reach the transports, in the
// media type that a transport would choose.
func Respond(w http.ResponseWriter, r *http.Request, status int, response *graphql.Response) {
	setHeaders(w, negotiate(r.Header.Values("Accept")))
	write(w, status, response)
}

// setHeaders sets the headers of all responses in JSON.
func setHeaders(w http.ResponseWriter, accepted accepted) {
	w.Header().Set("Content-Type", accepted.json+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
}

// write writes a response after setHeaders. With status 429 or 503 it adds the
// header Retry-After (RFC 9110, section 10.2.3).
func write(w http.ResponseWriter, status int, response *graphql.Response) {
	body := encode(response)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(response.Errors, waitForSlot)))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(response.Errors, waitForService)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// retryAfter returns the longest time that the errors ask to wait, in seconds, and
// the default where they name none.
func retryAfter(errs gqlerror.List, byDefault int) (seconds int) {
	for _, err := range errs {
		if n, ok := err.Extensions["retryAfter"].(int); ok {
			seconds = max(seconds, n)
		}
	}
	if seconds == 0 {
		return byDefault
	}
	return seconds
}

// encode returns a response in JSON. It copies the data, which is JSON already;
// encoding/json would validate it again. A response without data has no such
// entry (section 6.4.2).
func encode(response *graphql.Response) []byte {
	var body bytes.Buffer
	body.WriteByte('{')
	if len(response.Errors) > 0 {
		body.WriteString(`"errors":`)
		// For HTML, < would be written with six octets, and errors quote what was sent. No
		// browser takes a response for HTML (X-Content-Type-Options).
		encoder := json.NewEncoder(&body)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(response.Errors); err != nil {
			panic(err)
		}
		body.Truncate(body.Len() - len("\n"))
	}
	if response.Data != nil {
		if body.Len() > 1 {
			body.WriteByte(',')
		}
		body.Grow(len(`"data":`) + len(response.Data) + len("}"))
		body.WriteString(`"data":`)
		body.Write(response.Data)
	}
	body.WriteByte('}')
	return body.Bytes()
}
