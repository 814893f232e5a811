// Package token verifies JSON Web Tokens (RFC 7519), which name the person of a
// request.
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

	// DevelopmentLifetime is how long a token of the development key is valid.
	DevelopmentLifetime = 30 * 24 * time.Hour
	// maxLifetime is the longest time between a token's claims iat and exp, and
	// between now and exp: nobody can withdraw a token before it expires.
	maxLifetime = DevelopmentLifetime
)

// Issuer says whose tokens are accepted, and for whom they must be.
type Issuer struct {
	Name     string // the claim iss
	Audience string // one of the claim aud

	// EmailClaim is the claim that holds the person's e-mail address; "": email.
	EmailClaim string
	// EmailVerified says that the issuer verifies all addresses. Its tokens may lack
	// the claim email_verified then; they are refused where it is not true.
	EmailVerified bool
}

// parser returns a parser of the issuer's tokens with one of the algorithms.
func (i Issuer) parser(algorithms ...string) *jwt.Parser {
	return jwt.NewParser(append(i.expected(), jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding())...)
}

// expected returns the options that check the claims of the issuer's tokens.
func (i Issuer) expected() []jwt.ParserOption {
	return []jwt.ParserOption{
		jwt.WithIssuer(i.Name),
		jwt.WithAudience(i.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // it is not in the future
		jwt.WithLeeway(leeway),
	}
}

// ErrInvalid wraps every reason to refuse a token. The cause is for the log.
var ErrInvalid = errors.New("token: not valid")

// Reasons to refuse an authentic token. They wrap ErrInvalid.
var (
	ErrEmailMissing     = fmt.Errorf("%w: it has no e-mail address that can be used", ErrInvalid)
	ErrEmailNotVerified = fmt.Errorf("%w: its e-mail address is not verified", ErrInvalid)
)

type claims struct {
	jwt.RegisteredClaims
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name,omitempty"`
	Locale        string `json:"locale,omitempty"`
}

// Key signs and verifies development tokens (HMAC with SHA-256).
type Key struct {
	issuer Issuer
	secret []byte
	parser *jwt.Parser
}

// OpenKey reads the development key from the folder dir, and creates it there the
// first time. The file's mode is 0600.
func OpenKey(dir string, issuer Issuer) (*Key, error) {
	path := filepath.Join(dir, "signing-key")
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if secret, err = makeKey(dir, path); err != nil {
			return nil, fmt.Errorf("create the development signing key: %w", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the development signing key: %w", err)
	}
	if len(secret) != keyLength {
		return nil, fmt.Errorf("the development signing key %s is damaged: remove it, and the next start creates a new one", path)
	}
	return &Key{issuer, secret, issuer.parser(jwt.SigningMethodHS256.Alg())}, nil
}

// makeKey creates the key where no other process has created it by now. It links
// a complete file to the name, which fails where the name exists.
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

// Subject returns the claim sub of an address's development tokens.
func Subject(email address.Address) string { return "development|" + email.Key() }

// Sign returns a token for the person of an address. locale is their language (BCP
// 47), or "".
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
