package globalid

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const digits = "0190f5fe7d2a7c3e8a4b0123456789ab"

var kinds = []Kind{User, Organization, Space, Instance, Invitation}

func TestParse(t *testing.T) {
	known := ID{Instance, uuid.MustParse(digits)}
	for name, test := range map[string]struct {
		text string
		want ID
	}{
		"an instance":               {"instance_" + digits, known},
		"nothing":                   {"", ID{}},
		"no kind":                   {"_" + digits, ID{}},
		"no underscore":             {"instance" + digits, ID{}},
		"only digits":               {digits, ID{}},
		"only a kind":               {"instance_", ID{}},
		"an unknown kind":           {"dataset_" + digits, ID{}},
		"a kind in capitals":        {"Instance_" + digits, ID{}},
		"digits in capitals":        {"instance_" + strings.ToUpper(digits), ID{}},
		"a digit too few":           {"instance_" + digits[1:], ID{}},
		"a digit too many":          {"instance_" + digits + "0", ID{}},
		"no hexadecimal digit":      {"instance_" + digits[1:] + "g", ID{}},
		"the last half unreadable":  {"instance_" + digits[:16] + strings.Repeat("z", 16), ID{}},
		"hyphens":                   {"instance_" + known.UUID.String(), ID{}},
		"braces":                    {"instance_{" + digits[2:] + "}", ID{}},
		"a space before":            {" instance_" + digits, ID{}},
		"a line end after":          {"instance_" + digits + "\n", ID{}},
		"NUL":                       {"instance_" + digits[1:] + "\x00", ID{}},
		"a digit of another script": {"instance_" + digits[3:] + "٣", ID{}},
		"not UTF-8":                 {"instance_\xff" + digits[1:], ID{}},
		"two ids":                   {"instance_" + digits + "_" + digits, ID{}},
		"a megabyte":                {"instance_" + strings.Repeat("a", 1<<20), ID{}},
		"the nil UUID":              {"space_" + strings.Repeat("0", 32), ID{Kind: Space}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Parse(test.text); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range kinds {
		f.Add(string(kind) + "_" + digits)
		f.Add(string(kind) + "_" + strings.ToUpper(digits))
		f.Add(string(kind) + "_" + digits[1:])
	}
	f.Add("")
	f.Add("_")
	f.Add("instance_" + digits[1:] + "\x00")
	f.Fuzz(func(t *testing.T, text string) {
		id := Parse(text)
		if id == (ID{}) {
			if canonical(text) {
				t.Errorf("%q is an id and was not read", text)
			}
			return
		}
		if got := id.String(); got != text || !canonical(text) {
			t.Errorf("%q was read, and is written %q", text, got)
		}
	})
}

// canonical says in other words what an id looks like.
func canonical(text string) bool {
	for _, kind := range kinds {
		if rest, ok := strings.CutPrefix(text, string(kind)+"_"); ok {
			return len(rest) == 32 && strings.Trim(rest, "0123456789abcdef") == ""
		}
	}
	return false
}

func ids() *rapid.Generator[ID] {
	return rapid.Custom(func(t *rapid.T) ID {
		id := ID{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		copy(id.UUID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		return id
	})
}

func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ids().Draw(t, "id")
		if got := Parse(id.String()); got != id {
			t.Errorf("%v is read back as %v", id, got)
		}
		b, err := json.Marshal(map[string]ID{"id": id})
		var back map[string]ID
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if err != nil || back["id"] != id {
			t.Errorf("%v goes through JSON as %s to %v, %v", id, b, back, err)
		}
		var w bytes.Buffer
		id.MarshalGQL(&w)
		var text string
		var again ID
		if err := json.Unmarshal(w.Bytes(), &text); err != nil {
			t.Errorf("%s: %v", &w, err)
		}
		if err := again.UnmarshalGQL(text); err != nil || again != id {
			t.Errorf("%v goes through GraphQL as %s to %v, %v", id, &w, again, err)
		}
	})
}

// Any value that a client sends for an ID is an id, or names nothing.
func TestUnmarshalGQL(t *testing.T) {
	for _, value := range []any{nil, 7, int64(7), 7.5, true, "", "7", []any{"instance_" + digits}, map[string]any{}, json.Number("7")} {
		id := ID{Kind: User}
		if err := id.UnmarshalGQL(value); err != nil || id != (ID{}) {
			t.Errorf("%#v: %v, %v", value, id, err)
		}
	}
}

func TestNewSorts(t *testing.T) {
	last := New(User)
	for range 1000 {
		next := New(User)
		if next.String() <= last.String() {
			t.Fatalf("%v was made after %v", next, last)
		}
		last = next
	}
}

func TestZero(t *testing.T) {
	if got := (ID{}).String(); got != "" {
		t.Errorf("nothing is written %q", got)
	}
}
