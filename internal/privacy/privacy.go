// Package privacy answers for the data that the gateway keeps about people: what
// there is (catalog.go), everything about one person (export.go), and its erasure
// (erase.go). docs/privacy.md explains it to operators; its tables are generated
// from the catalog.
package privacy

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Person is whom an export or an erasure is about: an account, an address, or both.
// An invited person may have an address only.
type Person struct {
	// Account is uuid.Nil where there is none.
	Account uuid.UUID
	// ErasedAt is when the account was erased; nil: it was not.
	ErasedAt *time.Time
	// Key is the key of the person's address; "" where the address belongs to
	// somebody else by now, or is erased.
	Key string
	// Spellings are the ways in which the address stands in lists that have no keys.
	Spellings []string
	// FormerHolders are other accounts that had the address. They are no part of
	// the person.
	FormerHolders []globalid.ID
}

// ErrNotFound reports that nothing is known of an id.
var ErrNotFound = errors.New("there is no account with this id")

// UserID returns the id of the account, as the API has it; the zero ID without one.
func (p Person) UserID() globalid.ID {
	if p.Account == uuid.Nil {
		return globalid.ID{}
	}
	return globalid.ID{Kind: globalid.User, UUID: p.Account}
}

// ParsePerson reads what an operator types: an id of an account, as the API or the
// database write it, or an address. Exactly one of the results is not zero.
func ParsePerson(text string) (id globalid.ID, email address.Address, err error) {
	text = strings.TrimSpace(text)
	if named := globalid.Parse(text); named.Kind == globalid.User {
		return named, email, nil
	}
	if bare, err := uuid.Parse(text); err == nil {
		return globalid.ID{Kind: globalid.User, UUID: bare}, email, nil
	}
	email, problem := address.Parse(text)
	if problem != nil {
		return id, email, fmt.Errorf("%q is neither the id of an account nor an e-mail address: %s", text, problem.Detail)
	}
	return id, email, nil
}

// accountRow is an account with what decides whose address it is.
type accountRow struct {
	ID       uuid.UUID  `db:"id"`
	Email    string     `db:"email"`
	EmailKey string     `db:"email_key"`
	ErasedAt *time.Time `db:"erased_at"`
	// MergedInto is the account into which it was merged.
	MergedInto uuid.NullUUID `db:"merged_into"`
}

// FindAccount returns the person of an account. Their address is part of the person
// unless another account has it. It fails with ErrNotFound, or with an
// *account.MergedError.
func FindAccount(ctx context.Context, q postgres.Querier, id globalid.ID) (p Person, err error) {
	var row accountRow
	err = q.Get(ctx, &row, `select id, email, email_key, erased_at, merged_into from account where id = $1`, id.UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNotFound
	}
	if err != nil {
		return p, err
	}
	if row.MergedInto.Valid {
		return p, &account.MergedError{Account: id, Into: globalid.ID{Kind: globalid.User, UUID: row.MergedInto.UUID}}
	}
	if row.ErasedAt != nil {
		return Person{Account: row.ID, ErasedAt: row.ErasedAt}, nil
	}
	holders, err := holdersOf(ctx, q, row.EmailKey)
	if err != nil {
		return p, err
	}
	if holders[0].ID != row.ID {
		return Person{Account: row.ID}, nil
	}
	return personOf(ctx, q, row.EmailKey, holders)
}

// FindAddress returns the person of an address: the account that has it now, or the
// address alone.
func FindAddress(ctx context.Context, q postgres.Querier, email address.Address) (Person, error) {
	holders, err := holdersOf(ctx, q, email.Key())
	if err != nil {
		return Person{}, err
	}
	return personOf(ctx, q, email.Key(), holders)
}

// holdersOf returns the accounts of an address, the present one first.
func holdersOf(ctx context.Context, q postgres.Querier, key string) (rows []accountRow, err error) {
	err = q.Select(ctx, &rows, `
		select id, email, email_key, erased_at, merged_into from account a
		where email_key = $1 and erased_at is null
		order by `+tenant.FormerHolder+`, created_at desc, id desc`, key)
	return rows, err
}

func personOf(ctx context.Context, q postgres.Querier, key string, holders []accountRow) (p Person, err error) {
	p.Key = key
	p.Spellings = []string{key}
	for i, row := range holders {
		if i == 0 {
			p.Account = row.ID
			p.Spellings = append(p.Spellings, row.Email)
		} else {
			p.FormerHolders = append(p.FormerHolders, globalid.ID{Kind: globalid.User, UUID: row.ID})
		}
	}
	listed, err := spellingsInLists(ctx, q, key)
	p.Spellings = append(p.Spellings, listed...)
	slices.Sort(p.Spellings)
	p.Spellings = slices.Compact(p.Spellings)
	return p, err
}

// spellingsInLists returns how an address is spelled in the lists of addresses that
// requests and the trail have. Addresses in ASCII compare in lower case; the keys of
// others are computed here. It reads both tables whole.
func spellingsInLists(ctx context.Context, q postgres.Querier, key string) (spellings []string, err error) {
	var candidates []string
	if err := q.Select(ctx, &candidates, `
		select distinct e from (
			select jsonb_array_elements_text(details -> 'emails') from audit_log where jsonb_exists(details, 'emails')
			union all
			select unnest(emails) from request where emails is not null) l (e)
		where lower(e) = $1 or e ~ '[^\x01-\x7f]'`, key); err != nil {
		return nil, err
	}
	for _, candidate := range candidates {
		if a, problem := address.ParseExact(candidate); problem == nil && a.Key() == key || strings.ToLower(candidate) == key {
			spellings = append(spellings, candidate)
		}
	}
	return spellings, nil
}

// args are the arguments of the queries about a person: the account, the key of the
// address (null where there is none), its spellings, and its hash in the table
// invite_link_use; see personTable.
func (p Person) args(hashKey keyedhash.Key, more ...any) []any {
	account := uuid.NullUUID{UUID: p.Account, Valid: p.Account != uuid.Nil}
	key := sql.NullString{String: p.Key, Valid: p.Key != ""}
	var hash []byte
	if p.Key != "" {
		hash = link.AddressHash(hashKey, p.Key)
	}
	return append([]any{account, key, pq.StringArray(p.Spellings), hash}, more...)
}

// personTable names the parameters of a query about a person.
const personTable = `(select $1::uuid as account, $2::text as key, $3::text[] as spellings, $4::bytea as hash) p`

// aboutPerson is an SQL condition on a record l of the trail: it is about the person, or
// about an account that was merged into theirs. Gateways cannot change the trail.
const aboutPerson = `l.details ->> 'userId' in (select id::text from account where p.account in (id, merged_into))`

// pseudonym is what stands for an erased person where others need to see that there
// was somebody.
type pseudonym struct{ name, email string }

// newPseudonym returns the pseudonym of an account, which is always the same, or a
// new one for uuid.Nil.
func newPseudonym(account uuid.UUID) pseudonym {
	if account == uuid.Nil {
		account = uuid.New()
	}
	digits := hex.EncodeToString(account[:])
	// The last digits of a UUIDv7 are random; the first ones are the time.
	return pseudonym{"Erased person " + digits[len(digits)-8:], "erased-" + digits + "@erased.invalid"} // RFC 2606, section 2
}
