package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// write is a statement that Later has kept.
type write struct {
	query string
	args  []any
}

// Later writes by a query whose result nobody needs, such as an insert into the audit
// log: before the next statement of the transaction, or its commit, together with other
// such writes in one statement. That saves a round trip for each. An error of the query is
// that statement's.
//
// Writes that are kept at the same time must not change the same rows, since PostgreSQL
// chooses their order; those with the same query are never together.
func (tx *Tx) Later(ctx context.Context, query string, args ...any) error {
	for _, w := range tx.later {
		if w.query == query {
			if err := tx.flush(ctx); err != nil {
				return err
			}
			break
		}
	}
	tx.later = append(tx.later, write{query, args})
	return nil
}

// SelectBesideWrites is Select in one statement with the writes that Later has kept. The
// query does not see what they write.
func (tx *Tx) SelectBesideWrites(ctx context.Context, dest any, query string, args ...any) (err error) {
	query, args = join(tx.later, query, args)
	tx.later = nil
	defer tx.db.begin(ctx, query)(&err)
	return tx.tx.SelectContext(ctx, dest, query, args...)
}

// flush executes the writes that Later has kept.
func (tx *Tx) flush(ctx context.Context) (err error) {
	if len(tx.later) == 0 {
		return nil
	}
	last := tx.later[len(tx.later)-1]
	query, args := join(tx.later[:len(tx.later)-1], last.query, last.args)
	tx.later = nil
	defer tx.db.begin(ctx, query)(&err)
	_, err = tx.tx.ExecContext(ctx, query, args...)
	return err
}

// join returns a query with writes before it in its WITH clause, and the arguments of
// all.
func join(writes []write, query string, args []any) (string, []any) {
	if len(writes) == 0 {
		return query, args
	}
	all := append([]any(nil), args...)
	for _, w := range writes {
		all = append(all, w.args...)
	}
	return joinQueries(writes, query, len(args)), all
}

// joined are the texts that joinQueries has made, by the texts that they are made of.
// They are few, because queries are constants.
var joined sync.Map

var parameter = regexp.MustCompile(`\$\d+`)

// joinQueries joins the texts of writes and of a query, which has some arguments.
func joinQueries(writes []write, query string, arguments int) string {
	key := query
	for _, w := range writes {
		key += "\x00" + w.query
	}
	if text, known := joined.Load(key); known {
		return text.(string)
	}
	var b strings.Builder
	b.WriteString("with ")
	for i, w := range writes {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "later_%d as (%s)", i+1, parameter.ReplaceAllStringFunc(w.query, func(p string) string {
			n, _ := strconv.Atoi(p[1:]) // the pattern has digits only
			return fmt.Sprintf("$%d", arguments+n)
		}))
		arguments += len(w.args)
	}
	query = strings.TrimSpace(query)
	if rest, has := strings.CutPrefix(query, "with "); has {
		b.WriteString(", " + rest)
	} else {
		b.WriteString(" " + query)
	}
	text, _ := joined.LoadOrStore(key, b.String())
	return text.(string)
}
