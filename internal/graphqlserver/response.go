package graphqlserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
)

// Write writes a response.
func Write(w http.ResponseWriter, status int, response *graphql.Response) {
	body := encode(response)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// encode returns a response in JSON. It copies the data, which is JSON already;
// encoding/json would validate it again. A response without data has no such
// entry (section 6.4.2).
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
