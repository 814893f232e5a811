package graphqltypes

import (
	"errors"
	"io"
	"slices"
)

// WriteEnum writes a value of an enum that is a string in Go. It is a name, which needs no
// escapes (GraphQL specification, section 3.9).
func WriteEnum[T ~string](w io.Writer, value T) {
	for _, part := range [...]string{`"`, string(value), `"`} {
		_, _ = io.WriteString(w, part)
	}
}

// ReadEnum reads one of the values. It takes them exactly: gqlparser lets a
// variable's value pass in any case.
func ReadEnum[T ~string](v any, values ...T) (T, error) {
	s, _ := v.(string)
	if !slices.Contains(values, T(s)) {
		return "", errors.New("it is not a value of this enum")
	}
	return T(s), nil
}
