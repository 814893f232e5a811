// Package account knows the people: it finds the account of a token's person,
// and makes one at first sight.
package account

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

const (
	remembered  = 10_000      // people whose accounts are kept at hand
	rememberFor = time.Minute // roles are never kept, they are read at every request
	nameLength  = 200         // characters at most
)

// Identity is what an identity provider says of a person.
type Identity struct {
	Subject string // names her for ever, 255 octets at most
	Email   address.Address
	Name    string // as she likes to be called; may be empty
}

// Directory finds accounts. It may be used concurrently.
type Directory struct {
	db    *postgres.DB
	known *lru.Cache[Identity, sighting]
}

type sighting struct {
	actor access.Actor
	at    time.Time
}

// NewDirectory makes a directory of the accounts in a database.
func NewDirectory(db *postgres.DB) *Directory {
	known, err := lru.New[Identity, sighting](remembered)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &Directory{db, known}
}

// Actor gives the person of an identity. Her account is made when she is seen
// for the first time, or, where one was made for her address beforehand,
// becomes hers; a new address or name replaces the old one.
func (d *Directory) Actor(ctx context.Context, id Identity) (access.Actor, error) {
	id.Name = CleanName(id.Name)
	if s, ok := d.known.Get(id); ok && time.Since(s.at) < rememberFor {
		return s.actor, nil
	}
	var row row
	err := d.db.Get(ctx, &row, `select id, name, email from account where subject = $1`, id.Subject)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		row, err = d.firstSight(ctx, id)
	case err == nil && (row.Email != id.Email.String() || id.Name != "" && row.Name != id.Name):
		row, err = d.store(ctx, id)
	}
	if err != nil {
		return access.Actor{}, err
	}
	actor := row.actor()
	d.known.Add(id, sighting{actor, time.Now()})
	return actor, nil
}

type row struct {
	ID    uuid.UUID `db:"id"`
	Name  string    `db:"name"`
	Email string    `db:"email"`
}

func (r row) actor() access.Actor {
	return access.Actor{ID: globalid.ID{Kind: globalid.User, UUID: r.ID}, Name: r.Name, Email: r.Email}
}

// firstSight takes over an account that waits for the address, or else makes
// one.
func (d *Directory) firstSight(ctx context.Context, id Identity) (r row, err error) {
	err = d.db.Get(ctx, &r, `
		update account set subject = $1, email = $3, name = coalesce(nullif($4, ''), name)
		where email_key = $2 and subject is null returning id, name, email`,
		id.Subject, id.Email.Key(), id.Email.String(), id.Name)
	// Another request can have made the person's account by now.
	taken := pq.As(err, pqerror.UniqueViolation)
	if errors.Is(err, sql.ErrNoRows) || taken != nil && taken.Constraint == "account_subject_key" {
		return d.store(ctx, id)
	}
	return r, err
}

// store is safe for two requests that see a person for the first time at once.
func (d *Directory) store(ctx context.Context, id Identity) (r row, err error) {
	err = d.db.Get(ctx, &r, `
		insert into account as a (id, subject, email, email_key, name)
		values ($1, $2, $3, $4, coalesce(nullif($5, ''), $6))
		on conflict (subject) do update
		set email = excluded.email, email_key = excluded.email_key, name = coalesce(nullif($5, ''), a.name)
		returning id, name, email`,
		globalid.New(globalid.User).UUID, id.Subject, id.Email.String(), id.Email.Key(), id.Name, NameFrom(id.Email))
	return r, err
}

// Provision gives the id of the account of an address, and makes one, waiting
// for the person's first sign-in, where there is none.
func Provision(ctx context.Context, tx *postgres.Tx, email address.Address, name string) (id uuid.UUID, err error) {
	if _, err := tx.Exec(ctx, `
		insert into account (id, email, email_key, name)
		select $1::uuid, $2, $3, $4 where not exists (select from account where email_key = $3)
		on conflict (email_key) where subject is null do nothing`,
		globalid.New(globalid.User).UUID, email.String(), email.Key(), name); err != nil {
		return uuid.Nil, err
	}
	err = tx.Get(ctx, &id, `select id from account where email_key = $1 order by created_at, id limit 1`, email.Key())
	return id, err
}

// NameFrom makes a name for somebody of whom only the address is known: what
// stands before the @, its first letter upper case.
func NameFrom(email address.Address) string {
	local, _, _ := strings.Cut(email.String(), "@")
	for k, first := range local {
		return strings.ToUpper(string(first)) + local[k+len(string(first)):]
	}
	return local
}

// CleanName makes a name fit to stand in a line of text: in NFC, without
// control characters, of 200 characters at most.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), 8*nameLength)], "")
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, name)
	// Only now: what is left out can have stood between a letter and its accent.
	runes := []rune(strings.Join(strings.Fields(norm.NFC.String(name)), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), nameLength)]))
}
