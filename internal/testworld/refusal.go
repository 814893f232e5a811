package testworld

import (
	"errors"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// Refusal returns the code and the reason of an error: "CONFLICT NOT_NEEDED". Those
// of a list are separated by commas. It is empty where there is no error, and the
// text of any other error.
func Refusal(err error) string {
	if err == nil {
		return ""
	}
	var list fault.List
	if f := (*fault.Fault)(nil); errors.As(err, &f) {
		list = fault.List{f}
	} else if !errors.As(err, &list) {
		return err.Error()
	}
	refusals := make([]string, len(list))
	for i, f := range list {
		refusals[i] = strings.TrimSpace(string(f.Code) + " " + f.Reason)
	}
	return strings.Join(refusals, ", ")
}
