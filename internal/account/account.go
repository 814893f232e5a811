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
	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Identity is what an identity provider says about a person.
type Identity struct {
	Subject string // never changes; 255 octets at most
	Email   address.Address
	Name    string // may be empty
	// Locale is the person's language, or a list of languages as browsers send
	// it (BCP 47; RFC 9110, section 12.5.4). It may be empty.
	Locale string
	// IssuedAt is when the provider said so (RFC 7519, section 4.1.6); zero where
	// that is not known.
	IssuedAt time.Time
}

// signIn finds the account of an identity, and stores what is new.
func (d *Directory) signIn(ctx context.Context, id Identity) (r row, err error) {
	r, err = d.find(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		if err = d.create(ctx, id); err == nil {
			r, err = d.find(ctx, id)
		}
	}
	// Twice where the address was provisioned at the moment of its proof.
	for range 2 {
		if err != nil || !r.differs(id) {
			return r, err
		}
		if err = d.update(ctx, r, id); err == nil {
			r, err = d.find(ctx, id)
		}
	}
	return r, err
}

// row is an account, with what is known about the holder of its address.
type row struct {
	Position int       `db:"position"` // of the identity among those that were asked for
	ID       uuid.UUID `db:"id"`
	Name     string    `db:"name"`
	Email    string    `db:"email"`
	EmailKey string    `db:"email_key"`
	// Locale is "" where it is not known.
	Locale   string     `db:"locale"`
	ProvedAt *time.Time `db:"proved_at"` // when the person proved the address; nil: not known
	Holder   bool       `db:"holder"`    // whether the address belongs to the account
	// HeldSince is when the address was last proved by its holder, or by an earlier one
	// who has left it; nil: not known to have been.
	HeldSince *time.Time `db:"held_since"`
	// Waiting is the account that waits to be claimed for the address of the identity.
	Waiting uuid.NullUUID `db:"waiting"`
}

func (r row) actor() access.Actor {
	actor := access.Actor{ID: globalid.ID{Kind: globalid.User, UUID: r.ID}, Name: r.Name, Email: r.Email, FormerHolder: !r.Holder}
	if r.Holder {
		actor.EmailKey = r.EmailKey
	}
	return actor
}

// differs reports whether an identity says something new about the account. An
// identity of before the last proof does not.
func (r row) differs(id Identity) bool {
	if !id.IssuedAt.IsZero() && r.ProvedAt != nil && id.IssuedAt.Before(*r.ProvedAt) {
		return false
	}
	return r.Email != id.Email.String() || r.EmailKey != id.Email.Key() || id.Name != "" && r.Name != id.Name || id.Locale != "" && r.Locale != id.Locale ||
		!r.Holder && r.provedBy(id) || r.Holder && r.Waiting.Valid
}

// provedBy reports whether an identity proves the address of an account that does not
// hold it.
func (r row) provedBy(id Identity) bool {
	return r.EmailKey != id.Email.Key() || r.HeldSince == nil || id.IssuedAt.After(*r.HeldSince)
}

// find reads the account of an identity, or the one that it was merged into.
func (d *Directory) find(ctx context.Context, id Identity) (r row, err error) {
	rows, err := d.findMany(ctx, []Identity{id})
	if err != nil {
		return r, err
	}
	if len(rows) == 0 {
		return r, sql.ErrNoRows
	}
	return rows[0], nil
}

// findMany reads the accounts of identities. Those that have none are left out.
func (d *Directory) findMany(ctx context.Context, ids []Identity) (rows []row, err error) {
	subjects, keys := make(pq.StringArray, len(ids)), make(pq.StringArray, len(ids))
	for i, id := range ids {
		subjects[i], keys[i] = id.Subject, id.Email.Key()
	}
	err = d.db.Select(ctx, &rows, `
		select i.position - 1 as position, a.id, a.name, a.email, a.email_key, coalesce(a.locale, '') as locale, a.proved_at,
		       coalesce(h.account_id = a.id, false) as holder,
		       greatest(h.proved_at, (select proved_at from address_proof where address_hash = address_proof_hash(a.email_key))) as held_since,
		       (select id from account where email_key = i.email_key and subject is null) as waiting
		from unnest($1::text[], $2::text[]) with ordinality i(subject, email_key, position)
		join account a on a.id = coalesce((select account_id from merged_subject where subject = i.subject), (select id from account where subject = i.subject))
		left join address_holder h on h.email_key = a.email_key`, subjects, keys)
	return rows, err
}

// create takes over the account that was provisioned for the address, unless the
// address was proved later, or else creates one. It is safe for two requests that see a person for the first time at once: one
// of them does nothing.
func (d *Directory) create(ctx context.Context, id Identity) error {
	_, err := d.db.Exec(ctx, `
		with claimed as (
			update account
			set subject = $2, email = $3, name = coalesce(nullif($5, ''), name), locale = coalesce(nullif($7, ''), locale),
			    proved_at = coalesce($8, clock_timestamp())
			where email_key = $4 and subject is null and not exists (
				select from address_holder where email_key = $4 and proved_at > $8
				union all select from address_proof where address_hash = address_proof_hash($4) and proved_at > $8)
			returning id)
		insert into account (id, subject, email, email_key, name, locale, proved_at)
		select $1::uuid, $2, $3, $4, coalesce(nullif($5, ''), $6), nullif($7, ''), coalesce($8, clock_timestamp())
		where not exists (select from claimed)
		on conflict (subject) do nothing`,
		globalid.New(globalid.User).UUID, id.Subject, id.Email.String(), id.Email.Key(), id.Name, NameFrom(id.Email), id.Locale, id.issuedAt())
	// Another request may have created the person's account by now.
	if taken := pq.As(err, pqerror.UniqueViolation); taken != nil && taken.Constraint == "account_subject_key" {
		return nil
	}
	return err
}

// update stores what an identity says about an account, and takes over what waits for
// the address that it proves.
func (d *Directory) update(ctx context.Context, r row, id Identity) error {
	if !r.Waiting.Valid {
		return store(ctx, d.db, r, id)
	}
	return d.db.InTx(ctx, func(tx *postgres.Tx) error {
		return takeOver(ctx, tx, r.Waiting.UUID, r.ID, func() error { return store(ctx, tx, r, id) })
	})
}

// store stores what an identity says about an account, unless a later one has been
// stored by now.
func store(ctx context.Context, q postgres.Querier, r row, id Identity) error {
	_, err := q.Exec(ctx, `
		update account
		set email = $2, email_key = $3, name = coalesce(nullif($4, ''), name), locale = coalesce(nullif($5, ''), locale),
		    proved_at = case when $6::timestamptz is not null then $6 when $7 then clock_timestamp() else proved_at end
		where id = $1 and ($6::timestamptz is null or proved_at is null or proved_at <= $6)`,
		r.ID, id.Email.String(), id.Email.Key(), id.Name, id.Locale, id.issuedAt(), r.provedBy(id))
	return err
}

func (id Identity) issuedAt() sql.NullTime {
	return sql.NullTime{Time: id.IssuedAt, Valid: !id.IssuedAt.IsZero()}
}

// Provision returns the id of the account that holds an address. Where there is none,
// it creates one, which the person takes over when they prove the address. Until the
// end of the transaction, the account keeps the address, and is neither claimed nor
// merged.
func Provision(ctx context.Context, tx *postgres.Tx, email address.Address, called string) (uuid.UUID, error) {
	for {
		if _, err := tx.Exec(ctx, `
			insert into account (id, email, email_key, name)
			select $1::uuid, $2, $3, $4 where not exists (select from address_holder where email_key = $3)
			on conflict (email_key) where subject is null do nothing`,
			globalid.New(globalid.User).UUID, email.String(), email.Key(), called); err != nil {
			return uuid.Nil, err
		}
		// Accounts are locked before addresses; see the trigger account_address_holder.
		var locked []struct {
			ID        uuid.UUID `db:"id"`
			Unclaimed bool      `db:"unclaimed"`
		}
		if err := tx.Select(ctx, &locked, `
			select id, subject is null as unclaimed from account a
			where email_key = $1 and (subject is null or exists (select from address_holder h where h.account_id = a.id))
			order by id for share of a`, email.Key()); err != nil {
			return uuid.Nil, err
		}
		var holder uuid.NullUUID
		err := tx.Get(ctx, &holder, `select account_id from address_holder where email_key = $1 for share`, email.Key())
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return uuid.Nil, err
		}
		for _, a := range locked {
			// Nobody holds the address of an account that waits to be claimed where its last
			// holder has another address now.
			if holder.Valid && a.ID == holder.UUID || !holder.Valid && a.Unclaimed {
				return a.ID, nil
			}
		}
		// The address has another holder by now, or none.
	}
}

// ProofRetention is how long the last proof of an address is kept when its holder has
// left it: longer than any token is valid (package token), so that no token of before
// can prove the address again.
const ProofRetention = 31 * 24 * time.Hour

// DeleteOldProofs deletes the proofs of addresses that are older than ProofRetention,
// 1,000 at most, and returns their number.
func DeleteOldProofs(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from address_proof where address_hash in (
			select address_hash from address_proof
			where proved_at <= statement_timestamp() - $1 * interval '1 microsecond' order by proved_at limit 1000 for update skip locked)`,
		ProofRetention.Microseconds())
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
