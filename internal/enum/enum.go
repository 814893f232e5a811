// Package enum writes and reads the values of GraphQL enums that are strings in
// Go. It takes them exactly: gqlparser lets a variable's value pass in any case.
package enum

import (
	"errors"
	"io"
	"slices"
	"strconv"
)

// Write writes a value.
func Write[T ~string](w io.Writer, value T) { _, _ = io.WriteString(w, strconv.Quote(string(value))) }

// Read reads one of the values.
func Read[T ~string](v any, values ...T) (T, error) {
	s, _ := v.(string)
	if !slices.Contains(values, T(s)) {
		return "", errors.New("it is not a value of this enum")
	}
	return T(s), nil
}
