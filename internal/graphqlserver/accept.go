package graphqlserver

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of responses. Clients that do not know the first one, which is
// GraphQL's own, accept the legacy type.
const (
	responseJSON = "application/graphql-response+json"
	legacyJSON   = "application/json"
	eventStream  = "text/event-stream"
)

// accepted is what a client accepts as a response.
type accepted struct {
	json       string // the JSON type with the highest weight; GraphQL's own of two with one weight
	events     bool   // whether events are accepted
	onlyEvents bool   // whether nothing else is
	any        bool   // whether a response is possible
}

// negotiate reads the values of the header Accept (RFC 9110, section 12.5.1).
func negotiate(accept []string) accepted {
	if strings.TrimSpace(strings.Join(accept, "")) == "" {
		return accepted{json: legacyJSON, any: true}
	}
	best := 0.0
	a := accepted{json: legacyJSON}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
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
	a.any = a.events || best > 0
	return a
}
