package instance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"golang.org/x/text/unicode/norm"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// The names of the active instances of a space differ by more than case, spaces and
// characters that nobody sees: their text.NameKey is unique (instance_name_key). A
// deleted instance lets go of its name; when it is restored and another one has the
// name, it gets a number after it.

// reservedNames are the names of the special instances, by their keys. No other
// instance has one.
var reservedNames = map[string]string{"master": "Master", "distributed": "Distributed"}

// ReservedName returns the name of a special instance where a name is that one, or
// differs only in case, spaces or the form of letters; "" for any other name.
func ReservedName(name string) string {
	return reservedNames[strings.ReplaceAll(text.NameKey(norm.NFKC.String(name)), " ", "")]
}

// Insert inserts a working instance of a space. inserted is false where an active
// instance of the space has the name.
func Insert(ctx context.Context, tx *postgres.Tx, space uuid.UUID, name string) (id globalid.ID, inserted bool, err error) {
	id = globalid.New(globalid.Instance)
	n, err := InsertAll(ctx, tx, space, []New{{ID: id, Name: name}})
	return id, n == 1, err
}

// New is a working instance that is to be inserted.
type New struct {
	ID    globalid.ID
	Name  string
	Owner Owner
}

// Owner says whose own instance an instance is: what stands for the person, and for the name
// that the instance has in rosters before the person's name is put into it. Both are hashes.
// The zero value: it is nobody's own.
type Owner struct{ Pattern, Person []byte }

// NewOwner returns what stands for the person with the key of an address. The key of the
// hashes is the database's alone, because an own instance must be found for as long as it
// is there.
func NewOwner(key keyedhash.Key, pattern, emailKey string) Owner {
	return Owner{key.Sum("own_pattern", text.NameKey(pattern)), key.Sum("own_person", emailKey)}
}

// IsZero reports whether the instance is nobody's own.
func (o Owner) IsZero() bool { return o.Person == nil }

// InsertAll inserts working instances of a space, but for those whose name an active
// instance of the space has, and returns their number.
func InsertAll(ctx context.Context, tx *postgres.Tx, space uuid.UUID, instances []New) (inserted int64, err error) {
	if len(instances) == 0 {
		return 0, nil
	}
	ids, names, keys := make(postgres.UUIDs, len(instances)), make(pq.StringArray, len(instances)), make(pq.StringArray, len(instances))
	patterns, people := make(pq.ByteaArray, len(instances)), make(pq.ByteaArray, len(instances))
	for i, n := range instances {
		ids[i], names[i], keys[i] = n.ID.UUID, n.Name, text.NameKey(n.Name)
		patterns[i], people[i] = n.Owner.Pattern, n.Owner.Person
	}
	return tx.Exec(ctx, `
		insert into instance (id, space_id, name, name_key, kind, own_pattern, own_person)
		select n.id, $1, n.name, n.name_key, 'WORKING', nullif(n.own_pattern, ''), nullif(n.own_person, '')
		from unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[]) with ordinality
			as n (id, name, name_key, own_pattern, own_person, i) order by n.i
		on conflict (space_id, name_key) where deleted_at is null do nothing`,
		space, ids, names, keys, patterns, people)
}

// SetOwners makes instances somebody's own: see New.Owner.
func SetOwners(ctx context.Context, tx *postgres.Tx, instances []New) error {
	if len(instances) == 0 {
		return nil
	}
	ids, patterns, people := make(postgres.UUIDs, len(instances)), make(pq.ByteaArray, len(instances)), make(pq.ByteaArray, len(instances))
	for i, n := range instances {
		ids[i], patterns[i], people[i] = n.ID.UUID, n.Owner.Pattern, n.Owner.Person
	}
	return tx.Later(ctx, `
		update instance i set own_pattern = n.own_pattern, own_person = n.own_person
		from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as n (id, own_pattern, own_person)
		where i.id = n.id and i.id = any ($1::uuid[])`, ids, patterns, people)
}

// InsertNumbered inserts a working instance of a space with a name and a number after it:
// the given one or, where an active instance has that name, the one after the highest. It
// returns the number. It waits for a transaction that is about to take the same name.
func InsertNumbered(ctx context.Context, tx *postgres.Tx, space uuid.UUID, name string, number int) (id globalid.ID, taken int, err error) {
	const digits = 10
	runes := []rune(name)
	name = text.CleanName(string(runes[:min(len(runes), text.NameLength-1-digits)]))
	for {
		id, inserted, err := Insert(ctx, tx, space, fmt.Sprintf("%s %d", name, number))
		if inserted || err != nil {
			return id, number, err
		}
		var highest int
		if err := tx.Get(ctx, &highest, `
			select coalesce(max(case when n ~ '^[0-9]{1,9}$' then n::int end), 0)
			from (select substr(name_key, length($2) + 2) as n from instance
			      where space_id = $1 and deleted_at is null and starts_with(name_key, $2 || ' ')) i`, space, text.NameKey(name)); err != nil {
			return id, 0, err
		}
		number = max(number, highest) + 1
	}
}

// NameReserved is the refusal of a name that ReservedName knows. consequence is the last
// sentence of its message, and path the name's path in the arguments.
func NameReserved(special, consequence string, path ...any) *fault.Fault {
	return &fault.Fault{
		Code:      fault.Conflict,
		Reason:    fault.NameReserved,
		Message:   fmt.Sprintf("Every space has one instance %s, and no other instance can have that name. %s", special, consequence),
		Remedy:    "Choose another name.",
		InputPath: path,
	}
}

// nameTaken is the refusal of a name that an active instance of the space has. It
// names that instance: the person administrates the space.
func nameTaken(ctx context.Context, tx *postgres.Tx, space *tenant.Space, name string) error {
	var rows []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	if err := tx.Select(ctx, &rows, `
		select id, name from instance where space_id = $1 and name_key = $2 and deleted_at is null`,
		space.ID.UUID, text.NameKey(name)); err != nil {
		return err
	}
	f := &fault.Fault{
		Code:      fault.Conflict,
		Reason:    fault.NameTaken,
		Message:   fmt.Sprintf("The space %s has an instance %s already. Nothing was created.", space.Name, name),
		Remedy:    "Choose another name, or use that instance.",
		InputPath: []any{"input", "name"},
	}
	for _, row := range rows {
		f.Instances = append(f.Instances, fault.Instance{ID: globalid.ID{Kind: globalid.Instance, UUID: row.ID}.String(), Name: row.Name})
		f.Message = fmt.Sprintf("The space %s has an instance %s already. Nothing was created.", space.Name, row.Name)
	}
	return f
}

// withName calls set, which stores a name and its key in an instance of a space:
// first with the name itself and, where that is reserved or an active instance has
// it, with the lowest number after it that is free. It returns the stored name.
func withName(ctx context.Context, tx *postgres.Tx, space uuid.UUID, kind tenant.Kind, name string, set func(name, key string) error) (stored string, err error) {
	stored = name
	if kind == tenant.Working && ReservedName(name) != "" {
		if stored, err = numberedName(ctx, tx, space, name); err != nil {
			return "", err
		}
	}
	for {
		err := tx.Attempt(ctx, func() error { return set(stored, text.NameKey(stored)) })
		if taken := pq.As(err, pqerror.UniqueViolation); taken == nil || taken.Constraint != "instance_name_key" {
			return stored, err
		}
		// Another transaction may take the number at the same time: then try the next.
		if stored, err = numberedName(ctx, tx, space, name); err != nil {
			return "", err
		}
	}
}

// numberedName returns a name with the lowest number after it, from 2, that no active
// instance of a space has.
func numberedName(ctx context.Context, tx *postgres.Tx, space uuid.UUID, name string) (string, error) {
	const atOnce = 100
	for first := 2; ; first += atOnce {
		names, keys := make([]string, atOnce), make(pq.StringArray, atOnce)
		for i := range names {
			names[i] = withNumber(name, first+i)
			keys[i] = text.NameKey(names[i])
		}
		var taken []string
		if err := tx.Select(ctx, &taken, `
			select name_key from instance where space_id = $1 and name_key = any ($2) and deleted_at is null`, space, keys); err != nil {
			return "", err
		}
		for i, key := range keys {
			if !slices.Contains(taken, key) {
				return names[i], nil
			}
		}
	}
}

// withNumber returns a name with a number after it, both not longer than a name can be.
func withNumber(name string, n int) string {
	number := fmt.Sprintf(" (%d)", n)
	runes := []rune(name)
	return text.CleanName(string(runes[:min(len(runes), text.NameLength-len(number))])) + number
}

// FreeNames finds free names for many new instances of a space. Its zero value is not
// usable: set Taken.
type FreeNames struct {
	// Taken reports whether an instance has the name of a text.NameKey.
	Taken func(key string) bool
	// last has the last number of the names that begin alike: of long names a number takes
	// the end away, so that other names get the same ones.
	last map[string]int
}

// Find returns a name or, where it is reserved or taken, that name with a number after it. It
// is free until the caller gives it to an instance.
func (f *FreeNames) Find(name string) string {
	const longestNumber = len(" (99999)")
	if ReservedName(name) == "" && !f.Taken(text.NameKey(name)) {
		return name
	}
	runes := []rune(name)
	stem := text.NameKey(string(runes[:min(len(runes), text.NameLength-longestNumber)]))
	if f.last == nil {
		f.last = map[string]int{}
	}
	for n := max(2, f.last[stem]+1); ; n++ {
		if free := withNumber(name, n); ReservedName(free) == "" && !f.Taken(text.NameKey(free)) {
			f.last[stem] = n
			return free
		}
	}
}

// Renamed is an instance that IndexNames gave another name.
type Renamed struct {
	ID            globalid.ID
	Space         string // its name
	Before, After string // the names of the instance
}

// IndexNames gives active instances that have no name key theirs, 100 at most: those
// of before there were keys, and of older gateways. It returns their number, and
// those of them that it had to rename. Several gateways can do it at the same time.
func IndexNames(ctx context.Context, db *postgres.DB) (n int64, renamed []Renamed, err error) {
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		n, renamed = 0, nil
		var rows []struct {
			ID        uuid.UUID   `db:"id"`
			SpaceID   uuid.UUID   `db:"space_id"`
			SpaceName string      `db:"space_name"`
			Name      string      `db:"name"`
			Kind      tenant.Kind `db:"kind"`
		}
		if err := tx.Select(ctx, &rows, `
			select i.id, i.space_id, s.name as space_name, i.name, i.kind
			from instance i join space s on s.id = i.space_id
			where i.name_key is null and i.deleted_at is null
			order by i.id limit 100 for no key update of i skip locked`); err != nil {
			return err
		}
		for _, row := range rows {
			stored, err := withName(ctx, tx, row.SpaceID, row.Kind, row.Name, func(name, key string) error {
				_, err := tx.Exec(ctx, `update instance set name = $2, name_key = $3 where id = $1`, row.ID, name, key)
				return err
			})
			if err != nil {
				return err
			}
			if stored != row.Name {
				renamed = append(renamed, Renamed{globalid.ID{Kind: globalid.Instance, UUID: row.ID}, row.SpaceName, row.Name, stored})
			}
		}
		n = int64(len(rows))
		return nil
	})
	return n, renamed, err
}
