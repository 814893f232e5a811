// Package graphqltypes marshals the schema's scalars and enums. Its subpackages
// hold global ids and Relay connections.
package graphqltypes

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalDateTime writes a DateTime: RFC 3339, in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	if t.IsZero() {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(make([]byte, 0, len(time.RFC3339Nano)+2), `"`+time.RFC3339Nano+`"`))
	})
}

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
		return "", errors.New("a string (String) is expected here")
	}
	return s, nil
}

// MarshalInt writes an Int.
func MarshalInt(n int) graphql.Marshaler { return graphql.MarshalInt(n) }

// UnmarshalInt reads an Int: a whole number of 32 bits, as the GraphQL
// specification says (section 3.5.1); gqlgen's own makes one of a string.
func UnmarshalInt(v any) (int, error) {
	var n int64
	var err error
	switch v := v.(type) {
	case json.Number:
		n, err = v.Int64()
	case int64:
		n = v
	case int:
		n = int64(v)
	default:
		err = errors.New("no number")
	}
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, errors.New("a whole number of 32 bits (Int) is expected here")
	}
	return int(n), nil
}
