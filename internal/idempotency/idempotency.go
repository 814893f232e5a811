// Package idempotency carries out a mutation once for each key that a person
// gives it, however often the request arrives, and gives every copy the first
// answer.
package idempotency

import (
	"bytes"
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

// Request is one person's use of a key. A nil Key asks for nothing.
type Request struct {
	Actor     access.Actor
	Key       *string
	Operation string // the mutation
	Input     any    // its decoded input, the key left out
}

// ValidateKey decides whether a key has the right form: 1 to 255 printable
// characters.
func ValidateKey(key *string) fault.List {
	if key == nil {
		return nil
	}
	printable := true
	for _, r := range *key {
		// A lone surrogate has become U+FFFD, like every other one.
		printable = printable && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if n := utf8.RuneCountInString(*key); n < 1 || n > 255 || !printable {
		return fault.List{fault.Input("idempotencyKey must be 1 to 255 printable characters.", "input", "idempotencyKey")}
	}
	return nil
}

// Steps are what it takes to carry out a request, each in the transaction of
// the request.
type Steps[A any] struct {
	// Authorize decides whether the person may have it carried out, and holds what
	// the others rely on; nil: that is for Do to decide.
	Authorize func(context.Context, *postgres.Tx) error
	// Replay completes an answer that was given before with what is read
	// afresh; nil: the answer is complete.
	Replay func(context.Context, *postgres.Tx, *A) error
	// Do carries out the request, and gives the answer: what is to be
	// remembered of it as JSON.
	Do func(context.Context, *postgres.Tx) (A, error)
}

// Run carries out a request in a transaction: once for its key in 24 hours.
// Every further copy of the request gets the answer of the first, and waits for
// it where it is still under way. It fails with IDEMPOTENCY_KEY_REUSED where
// the key was used for another request.
func Run[A any](ctx context.Context, db *postgres.DB, r Request, s Steps[A]) (answer A, err error) {
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		claim, err := newClaim(ctx, tx, r)
		if err != nil {
			return err
		}
		if s.Authorize != nil {
			if err := s.Authorize(ctx, tx); err != nil {
				return err
			}
		}
		switch answered, err := claim.answered(&answer); {
		case err != nil:
			return err
		case answered && s.Replay != nil:
			return s.Replay(ctx, tx, &answer)
		case answered:
			return nil
		}
		if answer, err = s.Do(ctx, tx); err != nil {
			return err
		}
		return claim.record(ctx, tx, answer)
	})
	return answer, err
}

// claim is a key in the hands of the transaction that carries out its request,
// or that finds it carried out.
type claim struct {
	request  Request
	hash     []byte
	response []byte // of the request that was carried out; nil: it is for this one to do
	reused   bool   // for another request
}

// newClaim claims a request's key. It waits for a transaction that has claimed
// the key before, and is to be the first statement of its own.
func newClaim(ctx context.Context, tx *postgres.Tx, r Request) (*claim, error) {
	if r.Key == nil {
		return &claim{}, nil
	}
	claim := &claim{request: r, hash: hash(r)}
	claimed, err := tx.Exec(ctx, `
		insert into idempotency_key as k (account_id, key, request_hash) values ($1, $2, $3)
		on conflict (account_id, key) do update
		set request_hash = excluded.request_hash, response = null, created_at = clock_timestamp()
		where k.created_at <= clock_timestamp() - interval '24 hours'`,
		r.Actor.ID.UUID, *r.Key, claim.hash)
	if err != nil || claimed == 1 {
		return claim, err
	}
	var known struct {
		RequestHash []byte `db:"request_hash"`
		Response    []byte `db:"response"`
	}
	err = tx.Get(ctx, &known, `select request_hash, response from idempotency_key where account_id = $1 and key = $2`,
		r.Actor.ID.UUID, *r.Key)
	claim.response = known.Response
	claim.reused = !bytes.Equal(known.RequestHash, claim.hash)
	return claim, err
}

// answered reads the answer of the request that was carried out with this key
// into a pointer; false where it is yet to be carried out. It fails with
// IDEMPOTENCY_KEY_REUSED where that was another request.
func (c *claim) answered(response any) (bool, error) {
	if c.reused {
		return false, reused()
	}
	if c.response == nil {
		return false, nil
	}
	return true, json.Unmarshal(c.response, response)
}

// record keeps the answer for whoever sends the request again within 24 hours.
func (c *claim) record(ctx context.Context, tx *postgres.Tx, response any) error {
	if c.request.Key == nil {
		return nil
	}
	b, err := json.Marshal(response)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `update idempotency_key set response = $3 where account_id = $1 and key = $2`,
		c.request.Actor.ID.UUID, *c.request.Key, string(b))
	return err
}

// Known reports whether a person has had a request carried out with a key in
// the last 24 hours.
func Known(ctx context.Context, q postgres.Querier, actor access.Actor, key string) (known bool, err error) {
	err = q.Get(ctx, &known, `select exists (
		select from idempotency_key
		where account_id = $1 and key = $2 and created_at > clock_timestamp() - interval '24 hours')`,
		actor.ID.UUID, key)
	return known, err
}

// CheckReuse fails with IDEMPOTENCY_KEY_REUSED where a request's key is known, for
// a request that cannot be the one that was carried out.
func CheckReuse(ctx context.Context, q postgres.Querier, r Request) error {
	if r.Key == nil {
		return nil
	}
	known, err := Known(ctx, q, r.Actor, *r.Key)
	if err == nil && known {
		return reused()
	}
	return err
}

// DeleteExpired removes keys older than 24 hours, 1,000 at most, and gives their
// number.
func DeleteExpired(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from idempotency_key where (account_id, key) in (
			select account_id, key from idempotency_key
			where created_at <= statement_timestamp() - interval '24 hours' limit 1000 for update skip locked)`)
}

func reused() *fault.Fault {
	return &fault.Fault{
		Code:      fault.IdempotencyKeyReused,
		Message:   "This idempotency key has been used for another request. Nothing was done.",
		Remedy:    "Send this request with a new idempotency key.",
		InputPath: []any{"input", "idempotencyKey"},
	}
}

// hash tells requests apart. It is taken of JSON, which is the same for every
// way of writing the same input.
func hash(r Request) []byte {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode([]any{r.Operation, r.Input}); err != nil {
		panic(fmt.Errorf("idempotency: the input of %s is no JSON: %w", r.Operation, err))
	}
	return h.Sum(nil)
}
