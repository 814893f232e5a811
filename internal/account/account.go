// Package account finds the account of the person that a token names, and
// creates one when it sees them for the first time.
package account

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/maypok86/otter/v2"
	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/text"
)

const (
	cacheSize = 10_000      // identities
	cacheTime = time.Minute // roles are not cached: every request reads them
)

// Identity is what an identity provider says about a person.
type Identity struct {
	Subject string // never changes; 255 octets at most
	Email   address.Address
	Name    string // may be empty
	// Locale is the person's language, or a list of languages as browsers send
	// it (BCP 47; RFC 9110, section 12.5.4). It may be empty.
	Locale string
}

// Directory finds accounts. It is safe for concurrent use.
type Directory struct {
	db    *postgres.DB
	known *otter.Cache[Identity, sighting]
}

type sighting struct {
	actor access.Actor
	at    time.Time
}

// NewDirectory returns a directory of the accounts in a database.
func NewDirectory(db *postgres.DB) *Directory {
	return &Directory{db, cache.BySize[Identity, sighting](cacheSize)}
}

// Actor returns the person of an identity. It creates their account when it sees
// them for the first time; an account that was provisioned for their address
// becomes theirs. A new address, name or language replaces the old one, at once
// or within a minute.
func (d *Directory) Actor(ctx context.Context, id Identity) (access.Actor, error) {
	id.Name = text.CleanName(id.Name)
	// The language is no part of the key: browsers may send another one each time.
	same := id
	same.Locale = ""
	if s, ok := d.known.GetIfPresent(same); ok && time.Since(s.at) < cacheTime {
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
	d.known.Set(same, sighting{actor, time.Now()})
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

// firstSight takes over the account that was provisioned for the address, or
// else creates one.
func (d *Directory) firstSight(ctx context.Context, id Identity) (r row, err error) {
	err = d.db.Get(ctx, &r, `
		update account
		set subject = $1, email = $3, name = coalesce(nullif($4, ''), name), locale = coalesce(nullif($5, ''), locale)
		where email_key = $2 and subject is null returning `+columns,
		id.Subject, id.Email.Key(), id.Email.String(), id.Name, id.Locale)
	// Another request may have created the person's account by now.
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

// Provision returns the id of the account of an address. Where there is none, it
// creates one, which the person takes over when they sign in.
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

// NameFrom returns a name for a person of whom only the address is known: the
// local part, with its first letter in upper case.
func NameFrom(email address.Address) string {
	local, _, _ := strings.Cut(email.String(), "@")
	for i, first := range local {
		return strings.ToUpper(string(first)) + local[i+len(string(first)):]
	}
	return local
}

// languages returns the five most preferred languages of a list (RFC 9110,
// section 12.5.4), or "".
func languages(list string) string {
	const maxOctets, maxTagOctets, maxTags = 200, 35, 5 // RFC 5646, section 4.4.1
	tags, _, err := language.ParseAcceptLanguage(list[:min(len(list), maxOctets)])
	if err != nil {
		return ""
	}
	var known []string
	for _, tag := range tags {
		text := tag.String()
		any := text == "mul" || tag.IsRoot() // how * is read
		if len(known) < maxTags && len(text) <= maxTagOctets && !any && !slices.Contains(known, text) {
			known = append(known, text)
		}
	}
	return strings.Join(known, ", ")
}
