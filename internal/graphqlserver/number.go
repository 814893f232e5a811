package graphqlserver

import (
	"encoding/json"
	"math"
	"strconv"
)

// withWholeNumbers replaces numbers such as 1.0 and 1e1 in variables by 1 and 10, in
// place. JSON has one kind of number, and some clients write whole numbers so; gqlparser
// takes only digits for an Int. Numbers beyond 32 bits are no Int, and stay.
func withWholeNumbers(variables map[string]any) map[string]any {
	for name, value := range variables {
		variables[name] = wholeNumbers(value)
	}
	return variables
}

func wholeNumbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		return wholeNumber(value)
	case map[string]any:
		return withWholeNumbers(value)
	case []any:
		for i := range value {
			value[i] = wholeNumbers(value[i])
		}
	}
	return value
}

func wholeNumber(number json.Number) json.Number {
	if _, err := number.Int64(); err == nil {
		return number
	}
	f, err := number.Float64()
	if err != nil || f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxInt32 {
		return number
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}
