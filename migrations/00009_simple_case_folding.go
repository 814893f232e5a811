package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// InGo returns the migrations that SQL cannot express. found is called with what
// migration 9 found, and may be nil.
func InGo(found func(AddressKeys)) []*goose.Migration {
	up := func(ctx context.Context, tx *sql.Tx) error {
		keys, err := RecomputeAddressKeys(ctx, tx)
		if err == nil && found != nil {
			found(keys)
		}
		return err
	}
	return []*goose.Migration{goose.NewGoMigration(9, &goose.GoFunc{RunTx: up}, nil)}
}

// AddressKeys is what RecomputeAddressKeys found.
type AddressKeys struct {
	Read    int // rows whose address has a letter of severalLetters
	Changed int // those of them whose key was wrong
	// JoinedAccounts and JoinedInvitations are those of the changed rows whose wrong
	// key also stood for another mailbox: people may have got roles or invitations
	// that were meant for somebody else.
	JoinedAccounts, JoinedInvitations int
	// Left are rows whose wrong key stays, because there is another account that
	// nobody has claimed for the address.
	Left int
}

// String returns the numbers as one line.
func (k AddressKeys) String() string {
	return fmt.Sprintf("Keys of addresses: %d rows read, %d changed, %d left; %d accounts and %d invitations had a key in common with another mailbox.",
		k.Read, k.Changed, k.Left, k.JoinedAccounts, k.JoinedInvitations)
}

// severalLetters are the letters of local parts that Unicode's full case folding
// replaces with several ones (CaseFolding.txt, status F): ß with ss, and Greek
// letters with an iota subscript. Keys by full folding are wrong where an address
// has one of them, and right everywhere else.
const severalLetters = "ßİẞᾀᾁᾂᾃᾄᾅᾆᾇᾈᾉᾊᾋᾌᾍᾎᾏᾐᾑᾒᾓᾔᾕᾖᾗᾘᾙᾚᾛᾜᾝᾞᾟᾠᾡᾢᾣᾤᾥᾦᾧᾨᾩᾪᾫᾬᾭᾮᾯᾲᾳᾴᾷᾼῂῃῄῇῌῲῳῴῷῼ"

// storedKey is an address in a row of the tables account or invitation.
type storedKey struct {
	id              uuid.UUID
	email, old, new string
}

// RecomputeAddressKeys corrects the keys of accounts and invitations where
// they may be by full case folding: of before migration 9, or written by a gateway
// that knew no better and still ran after it. It does nothing where all are right.
//
// It reads only rows with one of severalLetters, and locks only those that it
// changes. The table invitation_resend has keys without addresses; its rows end by
// themselves.
func RecomputeAddressKeys(ctx context.Context, tx *sql.Tx) (found AddressKeys, err error) {
	accounts, err := readKeys(ctx, tx, `select id, email, email_key from account where translate(email, $1, '') <> email`)
	if err != nil {
		return found, err
	}
	invitations, err := readKeys(ctx, tx, `select id, email, email_key from invitation where translate(email, $1, '') <> email`)
	if err != nil {
		return found, err
	}
	shared, err := sharedKeys(ctx, tx, append(accounts, invitations...))
	if err != nil {
		return found, err
	}
	changedAccounts, err := storeKeys(ctx, tx, accounts, `
		update account a set email_key = n.new
		from unnest($1::uuid[], $2::text[], $3::text[]) as n (id, email, new)
		where a.id = n.id and a.email = n.email and a.email_key <> n.new
		  and not (a.subject is null and exists (
			select from account other where other.email_key = n.new and other.subject is null))
		returning a.id`)
	if err != nil {
		return found, err
	}
	// A pending invitation of the right key to the same place is the one that counts.
	changedInvitations, err := storeKeys(ctx, tx, invitations, `
		update invitation v
		set email_key = n.new,
		    status = case when v.status = 'PENDING' and exists (
				select from invitation other
				where other.email_key = n.new and other.status = 'PENDING'
				  and coalesce(other.instance_id, other.space_id) = coalesce(v.instance_id, v.space_id))
			then 'REVOKED' else v.status end
		from unnest($1::uuid[], $2::text[], $3::text[]) as n (id, email, new)
		where v.id = n.id and v.email = n.email and v.email_key <> n.new
		returning v.id`)
	if err != nil {
		return found, err
	}
	found.Read = len(accounts) + len(invitations)
	found.Changed = len(changedAccounts) + len(changedInvitations)
	for _, row := range accounts {
		if row.old == row.new {
			continue
		}
		if shared[row.old] {
			found.JoinedAccounts++
		}
		if !changedAccounts[row.id] {
			found.Left++
		}
	}
	for _, row := range invitations {
		if row.old != row.new && shared[row.old] {
			found.JoinedInvitations++
		}
	}
	return found, nil
}

// readKeys reads the rows of a query about severalLetters, $1, and computes their
// keys. It leaves the key of an address that is no longer valid as it is.
func readKeys(ctx context.Context, tx *sql.Tx, query string) (keys []storedKey, err error) {
	rows, err := tx.QueryContext(ctx, query, severalLetters)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k storedKey
		if err := rows.Scan(&k.id, &k.email, &k.old); err != nil {
			return nil, err
		}
		k.new = k.old
		if a, problem := address.ParseExact(k.email); problem == nil {
			k.new = a.Key()
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// sharedKeys returns which of the old keys stand for several mailboxes.
func sharedKeys(ctx context.Context, tx *sql.Tx, keys []storedKey) (shared map[string]bool, err error) {
	shared = map[string]bool{}
	mailboxes := map[string]string{} // by the old key
	var wrong pq.StringArray
	for _, k := range keys {
		if other, known := mailboxes[k.old]; known && other != k.new {
			shared[k.old] = true
		}
		mailboxes[k.old] = k.new
		if k.old != k.new {
			wrong = append(wrong, k.old)
		}
	}
	// Without one of severalLetters the old key is right.
	rows, err := tx.QueryContext(ctx, `
		select email_key from account where email_key = any ($1) and translate(email, $2, '') = email
		union
		select email_key from invitation where email_key = any ($1) and translate(email, $2, '') = email`, wrong, severalLetters)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		shared[key] = true
	}
	return shared, rows.Err()
}

// storeKeys runs an update with the ids, addresses and new keys of some rows, and
// returns the ids of those that it changed.
func storeKeys(ctx context.Context, tx *sql.Tx, keys []storedKey, update string) (changed map[uuid.UUID]bool, err error) {
	changed = map[uuid.UUID]bool{}
	var ids, emails, news pq.StringArray
	for _, k := range keys {
		if k.old != k.new {
			ids, emails, news = append(ids, k.id.String()), append(emails, k.email), append(news, k.new)
		}
	}
	if len(ids) == 0 {
		return changed, nil
	}
	rows, err := tx.QueryContext(ctx, update, ids, emails, news)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		changed[id] = true
	}
	return changed, rows.Err()
}
