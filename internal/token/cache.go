package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/cache"
)

const cacheSize = 10_000 // tokens

// Cache verifies tokens, and remembers those that are valid until they expire or their
// key is withdrawn. It is safe for concurrent use.
type Cache struct {
	verifier Verifier
	known    *otter.Cache[[sha256.Size]byte, verified]
}

// NewCache returns a cache before a verifier.
func NewCache(v Verifier) *Cache {
	return &Cache{v, cache.BySize[[sha256.Size]byte, verified](cacheSize)}
}

// Development returns the development key; nil outside development.
func (c *Cache) Development() *Key { return c.verifier.Development }

// Verify returns what Verifier.Verify returns.
func (c *Cache) Verify(ctx context.Context, token string) (id account.Identity, until time.Time, err error) {
	hash := sha256.Sum256([]byte(token))
	if known, ok := c.known.GetIfPresent(hash); ok && time.Now().Before(known.until) && c.verifier.accepts(ctx, known) {
		return known.identity, known.until, nil
	}
	verified, err := c.verifier.verify(ctx, token)
	if err == nil {
		c.known.Set(hash, verified)
	}
	return verified.identity, verified.until, err
}

// accepts reports whether the key that a token was verified with is still accepted.
func (v Verifier) accepts(ctx context.Context, r verified) bool {
	if v.isDevelopment(r.alg) {
		return true
	}
	key, err := v.Provider.keys.Key(ctx, r.kid, r.alg)
	known, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return err == nil && ok && known.Equal(r.key)
}
