// Package token reads JSON Web Tokens (RFC 7519): who a request comes from.
package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/address"
)

const (
	maxLength = 8 << 10          // octets of a token
	leeway    = 30 * time.Second // between the clocks of issuer and gateway
	keyLength = 32               // octets, as long as the hash (RFC 7518, section 3.2)

	// DevelopmentLifetime is how long a token of the development key is good.
	DevelopmentLifetime = 30 * 24 * time.Hour
)

// Issuer pins whose tokens are accepted.
type Issuer struct {
	Name     string // the claim iss
	Audience string // one of the claim aud
}

// parser is of the issuer's tokens, signed by one of some algorithms.
func (i Issuer) parser(algorithms ...string) *jwt.Parser {
	return jwt.NewParser(append(i.expected(), jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding())...)
}

// expected is what the claims of the issuer's tokens must be.
func (i Issuer) expected() []jwt.ParserOption {
	return []jwt.ParserOption{
		jwt.WithIssuer(i.Name),
		jwt.WithAudience(i.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
	}
}

// ErrInvalid is every reason not to accept a token. Its cause is for the log.
var ErrInvalid = errors.New("token: not valid")

type claims struct {
	jwt.RegisteredClaims
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name,omitempty"`
	Locale        string `json:"locale,omitempty"`
}

// Key signs and verifies the tokens of development (HMAC with SHA-256).
type Key struct {
	issuer Issuer
	secret []byte
	parser *jwt.Parser
}

// OpenKey reads the development key from the folder dir, where it is made the
// first time. The file is its owner's alone (mode 0600).
func OpenKey(dir string, issuer Issuer) (*Key, error) {
	path := filepath.Join(dir, "signing-key")
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if secret, err = makeKey(dir, path); err != nil {
			return nil, fmt.Errorf("make the development signing key: %w", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the development signing key: %w", err)
	}
	if len(secret) != keyLength {
		return nil, fmt.Errorf("the development signing key %s is damaged: remove it to have a new one made", path)
	}
	return &Key{issuer, secret, issuer.parser(jwt.SigningMethodHS256.Alg())}, nil
}

// makeKey lets one of several processes that start at once make the key: a
// link is made only where there is none, and only to a key that is complete.
func makeKey(dir, path string) ([]byte, error) {
	file, err := os.CreateTemp(dir, "signing-key-*") // with mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	secret := make([]byte, keyLength)
	_, _ = rand.Read(secret) // never fails
	_, err = file.Write(secret)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

// Subject is what the development key's tokens call the person of an address.
func Subject(email address.Address) string { return "development|" + email.Key() }

// Sign makes a token for the person of an address, who reads a language (BCP 47;
// "" where it is not known).
func (k *Key) Sign(email address.Address, locale string) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    k.issuer.Name,
			Audience:  jwt.ClaimStrings{k.issuer.Audience},
			Subject:   Subject(email),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(DevelopmentLifetime)),
		},
		Email:         email.String(),
		EmailVerified: true,
		Locale:        locale,
	}).SignedString(k.secret)
}

func (k *Key) key(*jwt.Token) (any, error) { return k.secret, nil }
