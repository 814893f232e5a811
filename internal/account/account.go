// Package account knows the people: it finds the account of a token's person,
// and makes one at first sight.
package account

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/text"
)

const (
	remembered  = 10_000      // people whose accounts are kept at hand
	rememberFor = time.Minute // roles are never kept, they are read at every request
)

// Identity is what an identity provider says of a person.
type Identity struct {
	Subject string // names her for ever, 255 octets at most
	Email   address.Address
	Name    string // as she likes to be called; may be empty
	// Locale is the language that she reads, or a list of them as browsers send
	// it (BCP 47; RFC 9110, section 12.5.4); may be empty.
	Locale string
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
// becomes hers; a new address, name or language replaces the old one, at once or
// within a minute.
func (d *Directory) Actor(ctx context.Context, id Identity) (access.Actor, error) {
	id.Name = text.CleanName(id.Name)
	// The language tells nobody apart: browsers may send another one each time.
	same := id
	same.Locale = ""
	if s, ok := d.known.Get(same); ok && time.Since(s.at) < rememberFor {
		return s.actor, nil
	}
	id.Locale = languages(id.Locale)
	var row row
	err := d.db.Get(ctx, &row, `select `+columns+` from account where subject = $1`, id.Subject)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		row, err = d.firstSight(ctx, id)
	case err == nil && (row.Email != id.Email.String() || id.Name != "" && row.Name != id.Name || id.Locale != "" && row.Locale != id.Locale):
		row, err = d.store(ctx, id)
	}
	if err != nil {
		return access.Actor{}, err
	}
	actor := row.actor()
	actor.EmailKey = id.Email.Key()
	d.known.Add(same, sighting{actor, time.Now()})
	return actor, nil
}

type row struct {
	ID    uuid.UUID `db:"id"`
	Name  string    `db:"name"`
	Email string    `db:"email"`
	// Locale is "" where it is not known.
	Locale string `db:"locale"`
}

const columns = `id, name, email, coalesce(locale, '') as locale`

func (r row) actor() access.Actor {
	return access.Actor{ID: globalid.ID{Kind: globalid.User, UUID: r.ID}, Name: r.Name, Email: r.Email}
}

// firstSight takes over an account that waits for the address, or else makes
// one.
func (d *Directory) firstSight(ctx context.Context, id Identity) (r row, err error) {
	err = d.db.Get(ctx, &r, `
		update account
		set subject = $1, email = $3, name = coalesce(nullif($4, ''), name), locale = coalesce(nullif($5, ''), locale)
		where email_key = $2 and subject is null returning `+columns,
		id.Subject, id.Email.Key(), id.Email.String(), id.Name, id.Locale)
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
		insert into account as a (id, subject, email, email_key, name, locale)
		values ($1, $2, $3, $4, coalesce(nullif($5, ''), $6), nullif($7, ''))
		on conflict (subject) do update
		set email = excluded.email, email_key = excluded.email_key, name = coalesce(nullif($5, ''), a.name),
		    locale = coalesce(excluded.locale, a.locale)
		returning `+columns,
		globalid.New(globalid.User).UUID, id.Subject, id.Email.String(), id.Email.Key(), id.Name, NameFrom(id.Email), id.Locale)
	return r, err
}

// Provision gives the id of the account of an address, and makes one, waiting
// for the person's first sign-in, where there is none.
func Provision(ctx context.Context, tx *postgres.Tx, email address.Address, called string) (id uuid.UUID, err error) {
	if _, err := tx.Exec(ctx, `
		insert into account (id, email, email_key, name)
		select $1::uuid, $2, $3, $4 where not exists (select from account where email_key = $3)
		on conflict (email_key) where subject is null do nothing`,
		globalid.New(globalid.User).UUID, email.String(), email.Key(), called); err != nil {
		return uuid.Nil, err
	}
	err = tx.Get(ctx, &id, `select id from account where email_key = $1 order by created_at, id limit 1`, email.Key())
	return id, err
}

// NameFrom makes a name for somebody of whom only the address is known: what
// stands before the @, its first letter upper case.
func NameFrom(email address.Address) string {
	local, _, _ := strings.Cut(email.String(), "@")
	for i, first := range local {
		return strings.ToUpper(string(first)) + local[i+len(string(first)):]
	}
	return local
}

// languages are those that a list of them asks for (RFC 9110, section 12.5.4),
// the best five first, or "".
func languages(list string) string {
	const longest, longestTag, most = 200, 35, 5 // octets; of a tag: RFC 5646, section 4.4.1; tags
	tags, _, err := language.ParseAcceptLanguage(list[:min(len(list), longest)])
	if err != nil {
		return ""
	}
	var known []string
	for _, tag := range tags {
		text := tag.String()
		any := text == "mul" || tag.IsRoot() // how * is read
		if len(known) < most && len(text) <= longestTag && !any && !slices.Contains(known, text) {
			known = append(known, text)
		}
	}
	return strings.Join(known, ", ")
}
