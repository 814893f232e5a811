// Package keyedhash hashes personal data, like addresses, for tables that only
// compare it.
//
// A plain hash of an address hides nothing: anyone can hash a list of addresses and
// compare. These hashes need a key. It is a random row of the table hash_key, which
// all gateways on a database share. An operator can add a secret that is not in the
// database (DATAHUB_HASH_KEY); then a dump of the whole database does not help
// either.
package keyedhash

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// MinSecret is the shortest secret that an operator can add, in octets.
const MinSecret = 32

// Key is the key of hashes. The zero value is a key that everybody knows.
type Key struct{ key [sha256.Size]byte }

// Read returns the key of a database, with the operator's secret mixed in; "" is no
// secret.
func Read(ctx context.Context, q postgres.Querier, secret string) (k Key, err error) {
	var stored []byte
	if err := q.Get(ctx, &stored, `select key from hash_key`); err != nil {
		return k, fmt.Errorf("read the key of hashes: %w", err)
	}
	return New(stored, secret), nil
}

// New returns the key that Read makes of a stored key and a secret.
func New(stored []byte, secret string) Key {
	return Key{[sha256.Size]byte(sum(stored, "key", secret))}
}

// Sum returns the hash of texts for a purpose, such as the name of a table, 32
// octets. Hashes for different purposes cannot be compared. The same texts have the
// same hash for as long as the key is the same.
func (k Key) Sum(purpose string, texts ...string) []byte {
	return sum(k.key[:], append([]string{purpose}, texts...)...)
}

// sum is HMAC-SHA-256 (RFC 2104). Each text follows its length, so that no two lists
// of texts are hashed alike.
func sum(key []byte, texts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, text := range texts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}
