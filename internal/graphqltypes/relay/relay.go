// Package relay pages through lists as the Relay cursor connections
// specification says, forwards.
package relay

import (
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

// DefaultFirst is the size of a page where none is asked for, or the largest
// one where that is smaller.
const DefaultFirst = 20

// Page is which part of a list is asked for. It is comparable.
type Page struct {
	First int       // rows at most
	After uuid.UUID // the last row of the page before; zero for the first page
	Total bool      // whether the list is to be counted
}

// MaxTotal is the highest number that the total of a list can be. What is beyond it is
// not counted, so that counting takes no longer in a larger table.
const MaxTotal = 10_000

// CountSQL returns an SQL expression: the number of rows of a query, MaxTotal at most.
// The limit is written out, because a generic plan expects an unknown one to return a
// tenth of all rows.
func CountSQL(rows string) string {
	return fmt.Sprintf("(select count(*) from (%s limit %d) counted)", rows, MaxTotal)
}

// Limit is the number of rows to read: one more than the page, to know whether
// another one follows.
func (p Page) Limit() int { return p.First + 1 }

// Before is the row to begin after in a list whose order is descending.
func (p Page) Before() uuid.UUID {
	if p.After == uuid.Nil {
		return uuid.Max
	}
	return p.After
}

// HasPrevious reports whether rows stand before the page. A page that begins
// after a row has at least that one before it.
func (p Page) HasPrevious() bool { return p.After != uuid.Nil }

// ParsePage reads a connection's arguments. The cursor must be one of a list
// of things of the kind given. What is wrong with them is BAD_USER_INPUT.
func ParsePage(first *int, after *string, most int, kind globalid.Kind) (Page, fault.List) {
	page := Page{First: min(DefaultFirst, most)}
	var faults fault.List
	if first != nil {
		page.First = *first
		if page.First < 0 || page.First > most {
			faults = append(faults, fault.Input(fmt.Sprintf("first is %d; it can be 0 to %d.", page.First, most), "first"))
		}
	}
	if after != nil {
		// Decoding passes over line ends, so that only a cursor which is written
		// just as it came has been given out.
		id, _ := base64.RawURLEncoding.DecodeString(*after)
		cursor := globalid.Parse(string(id))
		if cursor.Kind != kind || cursor.UUID == uuid.Nil || Cursor(cursor) != *after {
			faults = append(faults, fault.Input("after is not a cursor of this list.", "after"))
		}
		page.After = cursor.UUID
	}
	return page, faults
}

// Cursor is the opaque mark of a row.
func Cursor(id globalid.ID) string {
	return base64.RawURLEncoding.EncodeToString([]byte(id.String()))
}

// List is one page of a list.
type List[T any] struct {
	Nodes   []T
	HasNext bool
	Total   int // MaxTotal at most; 0 where Page.Total is false
}

// Cut returns the page that rows make which were read with Page.Limit.
func Cut[T any](rows []T, page Page, total int) List[T] {
	if len(rows) > page.First {
		return List[T]{rows[:page.First], true, total}
	}
	return List[T]{rows, false, total}
}

// CutEach is Cut for many lists that were read together, one of each parent.
// rows and totals are by the parent's UUID; a parent without rows has an empty
// list.
func CutEach[T any](parents []globalid.ID, rows map[uuid.UUID][]T, page Page, totals map[uuid.UUID]int) map[globalid.ID]List[T] {
	lists := make(map[globalid.ID]List[T], len(parents))
	for _, id := range parents {
		lists[id] = Cut(rows[id.UUID], page, totals[id.UUID])
	}
	return lists
}
