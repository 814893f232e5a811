package graphqlserver

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// checkKeys fails with BAD_USER_INPUT where an object in JSON has a key twice, or two
// keys that differ only in case, at any depth; and where a key of the outermost object
// is one of known but for its case.
//
// RFC 8259, section 4, leaves the meaning of a repeated key open, and encoding/json
// takes keys of a struct in any case: a proxy that looks at a request and the gateway
// that executes it would otherwise see two requests. The JSON must be valid.
func checkKeys(text []byte, known ...string) *fault.Fault {
	return checkKeysTo(math.MaxInt, text, known...)
}

// checkKeysTo is checkKeys for the objects of a depth at most, which is 1 for the
// outermost one.
func checkKeysTo(maxDepth int, text []byte, known ...string) *fault.Fault {
	var objects []map[string]string // the keys of each open object by their folded form; nil for an array
	isKey := false                  // whether the next string is a key
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			objects, isKey = append(objects, map[string]string{}), true
		case '[':
			objects, isKey = append(objects, nil), false
		case '}', ']':
			objects, isKey = objects[:len(objects)-1], false
		case ',':
			isKey = objects[len(objects)-1] != nil
		case '"':
			end := i + stringLength(text[i:])
			if depth := len(objects); isKey && depth <= maxDepth {
				var names []string
				if depth == 1 {
					names = known
				}
				if f := addKey(objects[depth-1], unquote(text[i:end]), names); f != nil {
					return f
				}
			}
			i, isKey = end-1, false
		}
	}
	return nil
}

// addKey adds a key to those of an object, by their folded form. known are the keys
// that the object may have in this case only.
func addKey(keys map[string]string, key string, known []string) *fault.Fault {
	folded := strings.ToLower(strings.ToUpper(key))
	other, taken := keys[folded]
	switch {
	case taken && other == key:
		return fault.New(fault.BadUserInput, fmt.Sprintf("In the JSON, an object has the key %.40q twice.", key))
	case taken:
		return fault.New(fault.BadUserInput, fmt.Sprintf("In the JSON, an object has the keys %.40q and %.40q, which differ only in case.", other, key))
	}
	keys[folded] = key
	for _, name := range known {
		if key != name && strings.EqualFold(key, name) {
			return fault.New(fault.BadUserInput, fmt.Sprintf("In the JSON, the key %.40q must be %q.", key, name))
		}
	}
	return nil
}

// stringLength returns the length of the string that JSON begins with, quotation marks
// included.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// unquote returns the text of a string of JSON.
func unquote(quoted []byte) (text string) {
	if err := json.Unmarshal(quoted, &text); err != nil {
		return string(quoted)
	}
	return text
}
