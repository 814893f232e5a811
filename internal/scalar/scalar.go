// Package scalar writes and reads the schema's own scalars.
package scalar

import (
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalDateTime writes a DateTime: RFC 3339, in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler { return graphql.MarshalTime(t.UTC()) }

// UnmarshalDateTime reads a DateTime.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errors.New("a DateTime is written as RFC 3339 says: 2026-11-23T07:53:00Z")
	}
	return t.UTC(), nil
}

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a String. It takes strings alone, as the GraphQL
// specification says (section 3.5.3); gqlgen's own makes one of a number.
func UnmarshalString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("a String is expected here")
	}
	return s, nil
}
