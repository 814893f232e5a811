package graphqltypes

import (
	"errors"
	"io"
	"slices"
	"strconv"
)

// WriteEnum writes a value of an enum that is a string in Go.
func WriteEnum[T ~string](w io.Writer, value T) {
	_, _ = io.WriteString(w, strconv.Quote(string(value)))
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
