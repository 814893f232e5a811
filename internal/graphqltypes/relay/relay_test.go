package relay

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

func TestParsePage(t *testing.T) {
	const most = 100
	id := globalid.New(globalid.Instance)
	encode := base64.RawURLEncoding.EncodeToString
	for name, test := range map[string]struct {
		first *int
		after *string
		want  Page
		wrong []string // the arguments that are to blame
	}{
		"nothing":           {nil, nil, Page{First: 20}, nil},
		"first":             {new(7), nil, Page{First: 7}, nil},
		"first of zero":     {new(0), nil, Page{}, nil},
		"the largest first": {new(most), nil, Page{First: most}, nil},
		"first too large":   {new(most + 1), nil, Page{}, []string{"first"}},
		"first below zero":  {new(-1), nil, Page{}, []string{"first"}},
		"a huge first":      {new(math.MaxInt), nil, Page{}, []string{"first"}},
		"the least first":   {new(math.MinInt), nil, Page{}, []string{"first"}},
		"after":             {nil, new(Cursor(id)), Page{First: 20, After: id.UUID}, nil},
		"both":              {new(1), new(Cursor(id)), Page{First: 1, After: id.UUID}, nil},

		"an empty cursor":             {nil, new(""), Page{}, []string{"after"}},
		"a cursor of another list":    {nil, new(Cursor(globalid.New(globalid.User))), Page{}, []string{"after"}},
		"an id for a cursor":          {nil, new(id.String()), Page{}, []string{"after"}},
		"padding":                     {nil, new(base64.URLEncoding.EncodeToString([]byte(id.String()))), Page{}, []string{"after"}},
		"a cursor of the nil UUID":    {nil, new(Cursor(globalid.ID{Kind: globalid.Instance})), Page{}, []string{"after"}},
		"a cursor of nothing":         {nil, new(encode(nil)), Page{}, []string{"after"}},
		"a cursor of something else":  {nil, new(encode([]byte("offset:7"))), Page{}, []string{"after"}},
		"a cursor that is cut off":    {nil, new(Cursor(id)[1:]), Page{}, []string{"after"}},
		"a cursor with a line end":    {nil, new(Cursor(id) + "\n"), Page{}, []string{"after"}},
		"a cursor with a line within": {nil, new(Cursor(id)[:8] + "\r\n" + Cursor(id)[8:]), Page{}, []string{"after"}},
		"NUL":                         {nil, new("\x00"), Page{}, []string{"after"}},
		"a megabyte":                  {nil, new(strings.Repeat("a", 1<<20)), Page{}, []string{"after"}},
		"both wrong":                  {new(-1), new("x"), Page{}, []string{"first", "after"}},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := ParsePage(test.first, test.after, most, globalid.Instance)
			var wrong []string
			var faults fault.List
			if errors.As(err, &faults) {
				for _, f := range faults {
					if f.Code != fault.BadUserInput || len(f.InputPath) != 1 {
						t.Errorf("%+v", f)
					}
					wrong = append(wrong, f.InputPath[0].(string))
				}
			} else if err != nil {
				t.Errorf("%v is no list of faults", err)
			}
			if diff := cmp.Diff(test.wrong, wrong); diff != "" {
				t.Error(diff)
			}
			if err == nil && page != test.want {
				t.Errorf("%+v, want %+v", page, test.want)
			}
		})
	}
}

// An operator may allow small pages only.
func TestDefaultFirst(t *testing.T) {
	for most, want := range map[int]int{1: 1, 19: 19, 20: 20, 1000: 20} {
		if page, err := ParsePage(nil, nil, most, globalid.Instance); page.First != want || err != nil {
			t.Errorf("%d at most: %d, %v", most, page.First, err)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	id := globalid.New(globalid.Space)
	for _, after := range []string{"", "x", id.String(), Cursor(id), Cursor(globalid.New(globalid.User)), Cursor(globalid.ID{Kind: globalid.Space})} {
		f.Add(after, 7)
		f.Add(after, -1)
	}
	f.Fuzz(func(t *testing.T, after string, first int) {
		const most = 50
		page, err := ParsePage(&first, &after, most, globalid.Space)
		if err != nil {
			return
		}
		if page.First != first || first < 0 || first > most {
			t.Errorf("first %d was taken as %d", first, page.First)
		}
		// Only cursors that Cursor returns are accepted: there is one way to write
		// a cursor.
		if got := Cursor(globalid.ID{Kind: globalid.Space, UUID: page.After}); got != after || page.After == uuid.Nil {
			t.Errorf("the cursor %q was taken as %q", after, got)
		}
	})
}

// table is a list as a database keeps it, in the order of its ids.
type table []globalid.ID

func tables() *rapid.Generator[table] {
	return rapid.Custom(func(t *rapid.T) table {
		uuids := rapid.SliceOfNDistinct(rapid.SliceOfN(rapid.Byte(), 16, 16), 0, 30, func(b []byte) string { return string(b) }).Draw(t, "rows")
		var rows table
		for _, b := range uuids {
			if id := uuid.UUID(b); id != uuid.Nil && id != uuid.Max {
				rows = append(rows, globalid.ID{Kind: globalid.Instance, UUID: id})
			}
		}
		slices.SortFunc(rows, func(a, b globalid.ID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
		return rows
	})
}

// read is what the queries do: rows beyond the page's begin, up to its limit.
func (rows table) read(page Page, descending bool) table {
	var found table
	for i := range rows {
		id, beyond := rows[i], false
		if descending {
			id = rows[len(rows)-1-i]
			before := page.Before()
			beyond = bytes.Compare(id.UUID[:], before[:]) < 0
		} else {
			beyond = bytes.Compare(id.UUID[:], page.After[:]) > 0
		}
		if beyond && len(found) < page.Limit() {
			found = append(found, id)
		}
	}
	return found
}

func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := tables().Draw(t, "table")
		descending := rapid.Bool().Draw(t, "descending")
		var seen table
		var after *string
		for turn := 0; ; turn++ {
			first := rapid.IntRange(1, 12).Draw(t, "first")
			page, err := ParsePage(&first, after, 12, globalid.Instance)
			if err != nil {
				t.Fatalf("a cursor of the list itself is refused: %v", err)
			}
			if page.HasPrevious() != (turn > 0) {
				t.Errorf("page %d has a previous one: %t", turn, page.HasPrevious())
			}
			list := Cut(rows.read(page, descending), page, 5)
			if len(list.Nodes) > first || list.Total != 5 {
				t.Errorf("%d rows of %d asked for; a total of %d", len(list.Nodes), first, list.Total)
			}
			seen = append(seen, list.Nodes...)
			if list.HasNext != (len(seen) < len(rows)) {
				t.Fatalf("a next page: %t, after %d of %d rows", list.HasNext, len(seen), len(rows))
			}
			if !list.HasNext {
				break
			}
			after = new(Cursor(list.Nodes[len(list.Nodes)-1]))
		}
		if descending {
			slices.Reverse(seen)
		}
		if !slices.Equal(seen, rows) {
			t.Errorf("seen %v of %v", seen, rows)
		}
	})
}

// A page of no rows tells whether there are any.
func TestEmptyPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := tables().Draw(t, "table")
		list := Cut(rows.read(Page{}, false), Page{}, 0)
		if len(list.Nodes) != 0 || list.HasNext != (len(rows) > 0) {
			t.Errorf("%+v of %d rows", list, len(rows))
		}
	})
}

func TestCutEachKeepsListsApart(t *testing.T) {
	t.Parallel()
	full, short, empty := globalid.New(globalid.Space), globalid.New(globalid.Space), globalid.New(globalid.Space)
	lists := CutEach([]globalid.ID{full, short, empty},
		map[uuid.UUID][]string{full.UUID: {"a", "b", "c"}, short.UUID: {"d"}}, Page{First: 2}, map[uuid.UUID]int{full.UUID: 5, short.UUID: 1})
	want := map[globalid.ID]List[string]{
		full:  {Nodes: []string{"a", "b"}, HasNext: true, Total: 5},
		short: {Nodes: []string{"d"}, Total: 1},
		empty: {},
	}
	if diff := cmp.Diff(want, lists); diff != "" {
		t.Error(diff)
	}
}
