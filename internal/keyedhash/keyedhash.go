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
	"hash"
	"sync"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// MinSecret is the shortest secret that an operator can add, in octets.
const MinSecret = 32

// Key is the key of hashes. The zero value is a key that everybody knows.
type Key struct {
	key  [sha256.Size]byte
	macs *sync.Pool // of hash.Hash: making one takes longer than using it; nil in the zero value
}

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
	key := [sha256.Size]byte(sum(hmac.New(sha256.New, stored), "key", secret))
	return Key{key, &sync.Pool{New: func() any { return hmac.New(sha256.New, key[:]) }}}
}

// Sum returns the hash of texts for a purpose, such as the name of a table, 32
// octets. Hashes for different purposes cannot be compared. The same texts have the
// same hash for as long as the key is the same.
func (k Key) Sum(purpose string, texts ...string) []byte {
	if k.macs == nil {
		return sum(hmac.New(sha256.New, k.key[:]), append([]string{purpose}, texts...)...)
	}
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	return sum(mac, append([]string{purpose}, texts...)...)
}

// sum is HMAC-SHA-256 (RFC 2104). Each text follows its length, so that no two lists
// of texts are hashed alike.
func sum(mac hash.Hash, texts ...string) []byte {
	mac.Reset()
	var b []byte
	for _, text := range texts {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(text))), text...)
	}
	mac.Write(b)
	return mac.Sum(nil)
}
