// Package idempotency executes a request once for each idempotency key of a person,
// however often the request arrives, and returns the first answer to all copies.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Request is a request for a mutation. One without a key is always executed.
type Request struct {
	Actor     access.Actor
	Key       *string
	Operation string // the name of the mutation
	Input     any    // decoded; its JSON has everything but the key
}

// ValidateKey returns a BAD_USER_INPUT for a key that does not have 1 to 255
// printable characters.
func ValidateKey(key *string) fault.List {
	if key == nil {
		return nil
	}
	printable := true
	for _, r := range *key {
		// Decoding replaces every lone surrogate with U+FFFD, so that keys would be equal
		// that are not.
		printable = printable && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if n := utf8.RuneCountInString(*key); n < 1 || n > 255 || !printable {
		return fault.List{fault.Input("idempotencyKey must be 1 to 255 printable characters.", "input", "idempotencyKey")}
	}
	return nil
}

// Steps are the steps of a request. All run in one transaction.
type Steps[A any] struct {
	// Authorize checks that the person may make the request, and locks what the
	// other steps rely on. It runs for copies, too, before anything is said about
	// the key. It is nil where Do does that.
	Authorize func(context.Context, *postgres.Tx) error
	// Replay completes the remembered answer of an executed request with data that
	// is read now. It is nil where the answer is complete.
	Replay func(context.Context, *postgres.Tx, *A) error
	// Do executes the request. The JSON of its answer is remembered.
	Do func(context.Context, *postgres.Tx) (A, error)
}

// Run executes a request in a transaction. A copy of an executed request within 24
// hours gets the first answer; a copy of one that is being executed waits for it. A
// failed request is not remembered. Run fails with IDEMPOTENCY_KEY_REUSED where the
// person used the key for another request.
func Run[A any](ctx context.Context, db *postgres.DB, r Request, steps Steps[A]) (answer A, err error) {
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		known, err := claim(ctx, tx, r)
		if err != nil {
			return err
		}
		if steps.Authorize != nil {
			if err := steps.Authorize(ctx, tx); err != nil {
				return err
			}
		}
		if known == nil {
			if answer, err = steps.Do(ctx, tx); err != nil {
				return err
			}
			return remember(ctx, tx, r, answer)
		}
		if !known.SameRequest {
			return keyReused()
		}
		if err := json.Unmarshal(known.Response, &answer); err != nil || steps.Replay == nil {
			return err
		}
		return steps.Replay(ctx, tx, &answer)
	})
	return answer, err
}

// executed is a remembered request with the same key.
type executed struct {
	SameRequest bool   `db:"same_request"` // mutation and input are the same, too
	Response    []byte `db:"response"`     // the answer as JSON
}

// claim reserves a request's key until the end of the transaction, and returns nil.
// Where the key was used in the last 24 hours it returns that request. It waits for
// a transaction that has reserved the same key, and must be the first statement of
// its own: nobody waits for it then who holds another lock.
func claim(ctx context.Context, tx *postgres.Tx, r Request) (*executed, error) {
	if r.Key == nil {
		return nil, nil
	}
	requestHash := hash(r)
	var claimed struct {
		New   bool `db:"new"`
		Known bool `db:"known"`
		executed
	}
	err := tx.Get(ctx, &claimed, `
		with claimed as (
			insert into idempotency_key as k (account_id, key, request_hash) values ($1, $2, $3)
			on conflict (account_id, key) do update
			set request_hash = excluded.request_hash, response = null, created_at = clock_timestamp()
			where k.created_at <= clock_timestamp() - interval '24 hours'
			returning true)
		select exists (select from claimed) as new, k.response is not null as known,
		       coalesce(k.request_hash = $3, false) as same_request, k.response
		from (select) one
		left join idempotency_key k on k.account_id = $1 and k.key = $2 and k.created_at > clock_timestamp() - interval '24 hours'`,
		r.Actor.ID.UUID, *r.Key, requestHash)
	if err != nil || claimed.New {
		return nil, err
	}
	if claimed.Known {
		return &claimed.executed, nil
	}
	// A copy was executed while the statement waited for it: a new statement sees that.
	var known executed
	err = tx.Get(ctx, &known, `
		select request_hash = $3 as same_request, response from idempotency_key where account_id = $1 and key = $2`,
		r.Actor.ID.UUID, *r.Key, requestHash)
	return &known, err
}

// remember stores the answer for copies of the request.
func remember(ctx context.Context, tx *postgres.Tx, r Request, answer any) error {
	if r.Key == nil {
		return nil
	}
	response, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return tx.Later(ctx, `update idempotency_key set response = $3 where account_id = $1 and key = $2`,
		r.Actor.ID.UUID, *r.Key, string(response))
}

// Arguments returns the key, the hash and the answer of a request, as a statement stores
// them that executes it and remembers its answer at once; nil without a key.
func (r Request) Arguments(answer any) (key, requestHash, response any, err error) {
	if r.Key == nil {
		return nil, nil, nil, nil
	}
	text, err := json.Marshal(answer)
	return *r.Key, hash(r), string(text), err
}

// Executed reports whether a request was executed in the last 24 hours.
func Executed(ctx context.Context, q postgres.Querier, r Request) (executed bool, err error) {
	if r.Key == nil {
		return false, nil
	}
	err = q.Get(ctx, &executed, `select exists (
		select from idempotency_key
		where account_id = $1 and key = $2 and request_hash = $3 and created_at > clock_timestamp() - interval '24 hours')`,
		r.Actor.ID.UUID, *r.Key, hash(r))
	return executed, err
}

// Known reports whether a request of a person with a key was executed in the last
// 24 hours.
func Known(ctx context.Context, q postgres.Querier, actor access.Actor, key string) (known bool, err error) {
	err = q.Get(ctx, &known, knownQuery, actor.ID.UUID, key)
	return known, err
}

var knownQuery = `select ` + IsKnown("$1", "$2")

// IsKnown returns the SQL condition that a request of an account with a key was
// executed in the last 24 hours. account and key are SQL expressions; no key (null) is
// never known.
func IsKnown(account, key string) string {
	return `exists (
		select from idempotency_key
		where account_id = ` + account + ` and key = ` + key + ` and created_at > clock_timestamp() - interval '24 hours')`
}

// CheckReuse fails with IDEMPOTENCY_KEY_REUSED where a request's key is known, as
// IsKnown says. It is for requests that cannot have been executed, because they are
// not valid.
func CheckReuse(known bool) error {
	if known {
		return keyReused()
	}
	return nil
}

// DeleteExpired deletes keys that are older than 24 hours, 1,000 at most, and returns
// their number.
func DeleteExpired(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from idempotency_key where ctid = any (array(
			select ctid from idempotency_key
			where created_at <= statement_timestamp() - interval '24 hours' limit 1000 for update skip locked))`)
}

func keyReused() *fault.Fault {
	return &fault.Fault{
		Code:      fault.IdempotencyKeyReused,
		Message:   "This idempotency key was used for another request. Nothing was done.",
		Remedy:    "Send this request with a new idempotency key.",
		InputPath: []any{"input", "idempotencyKey"},
	}
}

// hash identifies a request of one person and key. The JSON of a decoded input is the
// same for every document that writes the input in another way.
func hash(r Request) []byte {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode([]any{r.Operation, r.Input}); err != nil {
		panic(fmt.Errorf("idempotency: the input of %s cannot be JSON: %w", r.Operation, err))
	}
	return h.Sum(nil)
}
