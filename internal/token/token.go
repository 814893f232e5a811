// Package token reads JSON Web Tokens (RFC 7519): who a request comes from.
package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/account"
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
	return &Key{issuer, secret, jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer.Name),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
	)}, nil
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

// Verify reads a token: its signature, issuer, audience and times must be
// good, and its e-mail address verified. It gives also when the token is good no
// more: it expires by the gateway's clock, unless that has passed the moment
// already. It fails with ErrInvalid.
func (k *Key) Verify(token string) (id account.Identity, until time.Time, err error) {
	if len(token) > maxLength {
		return id, until, fmt.Errorf("%w: longer than %d octets", ErrInvalid, maxLength)
	}
	var c claims
	if _, err := k.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return k.secret, nil }); err != nil {
		return id, until, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	until = c.ExpiresAt.Time
	if until.Before(time.Now()) {
		until = until.Add(leeway)
	}
	id, err = c.identity()
	return id, until, err
}

func (c claims) identity() (account.Identity, error) {
	if c.Subject == "" || len(c.Subject) > 255 || strings.ContainsFunc(c.Subject, func(r rune) bool { return r < ' ' || r == 0xFFFD }) {
		return account.Identity{}, fmt.Errorf("%w: its subject cannot be used", ErrInvalid)
	}
	if !c.EmailVerified {
		return account.Identity{}, fmt.Errorf("%w: its e-mail address is not verified", ErrInvalid)
	}
	email, problem := address.Parse(c.Email)
	if problem != nil {
		return account.Identity{}, fmt.Errorf("%w: its e-mail address: %w", ErrInvalid, problem)
	}
	return account.Identity{Subject: c.Subject, Email: email, Name: c.Name, Locale: c.Locale}, nil
}
