package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
)

// Provider verifies the tokens of an identity provider, signed with RS256, ES256
// or EdDSA.
type Provider struct {
	issuer Issuer
	keys   *jwks.Set
	parser *jwt.Parser
	claims *jwt.Validator
}

// NewProvider returns a provider with its keys and its name.
func NewProvider(keys *jwks.Set, issuer Issuer) *Provider {
	return &Provider{issuer, keys, issuer.parser(jwks.RS256, jwks.ES256, jwks.EdDSA), jwt.NewValidator(issuer.expected()...)}
}

var errNoKey = errors.New("it names no key")

// key finds the key that a token names. It checks the claims first: a token that is
// refused for them is refused also while the keys are unknown.
func (p *Provider) key(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		if err := p.claims.Validate(t.Claims); err != nil {
			return nil, err
		}
		kid, _ := t.Header["kid"].(string)
		if kid == "" {
			return nil, errNoKey
		}
		return p.keys.Key(ctx, kid, t.Method.Alg())
	}
}

// Verifier accepts tokens of the development key, of a provider, or of both. A
// token's algorithm decides which of them verifies it; each accepts only its own
// algorithms and its own issuer.
type Verifier struct {
	Development *Key      // nil outside development
	Provider    *Provider // nil where there is none
}

// Verify checks a token's signature, issuer, audience and times, and that its
// e-mail address is verified. until is when the token expires: the claim exp, plus
// the leeway where exp has passed. It fails with ErrInvalid, or with
// jwks.ErrUnavailable before the provider's keys were fetched. Only the error for an
// authentic token is also ErrEmailMissing or ErrEmailNotVerified.
func (v Verifier) Verify(ctx context.Context, token string) (id account.Identity, until time.Time, err error) {
	verified, err := v.verify(ctx, token)
	return verified.identity, verified.until, err
}

// verified is an authentic token, and the key that its signature was verified with.
type verified struct {
	identity account.Identity
	until    time.Time
	kid, alg string
	key      any
}

func (v Verifier) verify(ctx context.Context, token string) (r verified, err error) {
	if r.alg, err = inspect(token); err != nil {
		return r, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	issuer, parser, find := v.of(ctx, r.alg)
	claims := jwt.MapClaims{} // a struct would take Email for email
	parsed, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		key, err := find(t)
		r.key = key
		return key, err
	})
	if errors.Is(err, jwks.ErrUnavailable) {
		return r, err
	} else if err != nil {
		return r, fmt.Errorf("%w: %w", ErrInvalid, classify(err))
	}
	r.kid, _ = parsed.Header["kid"].(string)
	if r.until, err = checkLifetime(claims, time.Now()); err != nil {
		return r, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r.identity, err = issuer.identity(claims)
	return r, err
}

var errLifetime = fmt.Errorf("it is valid for more than %d days", maxLifetime/(24*time.Hour))

// checkLifetime returns when a token with these claims expires. The parser has
// checked that exp is a number, has not passed, and iat is not in the future.
func checkLifetime(claims jwt.MapClaims, now time.Time) (until time.Time, err error) {
	// A time.Duration would overflow for times that are centuries away.
	exp, _ := claims["exp"].(float64)
	begin := float64(now.Unix())
	if iat, issued := claims["iat"].(float64); issued {
		begin = min(begin, iat)
	}
	if exp-begin > (maxLifetime + leeway).Seconds() {
		return until, errLifetime
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil {
		return until, classify(err)
	}
	if expiry.Before(now) {
		return expiry.Add(leeway), nil
	}
	return expiry.Time, nil
}

// classify returns the kind of a parser's error, without its text, which may quote
// the token.
func classify(err error) error {
	for _, known := range []error{
		errNoKey, jwks.ErrUnknown, jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenSignatureInvalid, jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return jwt.ErrTokenInvalidClaims
}

// isDevelopment reports whether the development key verifies tokens of an algorithm.
func (v Verifier) isDevelopment(alg string) bool {
	return v.Provider == nil || v.Development != nil && alg == jwt.SigningMethodHS256.Alg()
}

// of returns the issuer, the parser and the key for an algorithm.
func (v Verifier) of(ctx context.Context, alg string) (Issuer, *jwt.Parser, jwt.Keyfunc) {
	if v.isDevelopment(alg) {
		return v.Development.issuer, v.Development.parser, v.Development.key
	}
	return v.Provider.issuer, v.Provider.parser, v.Provider.key(ctx)
}

// identity returns the person whom a token's claims name. The address must be exact:
// text around it would let a token stand for another person.
func (i Issuer) identity(claims jwt.MapClaims) (account.Identity, error) {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	subject := text("sub")
	if subject == "" || len(subject) > 255 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0xFFFD }) {
		return account.Identity{}, fmt.Errorf("%w: its subject cannot be used", ErrInvalid)
	}
	email, problem := address.ParseExact(text(cmp.Or(i.EmailClaim, "email")))
	if problem != nil {
		return account.Identity{}, fmt.Errorf("%w: %w", ErrEmailMissing, problem)
	}
	if verified := claims["email_verified"]; verified != true && (verified != nil || !i.EmailVerified) {
		return account.Identity{}, ErrEmailNotVerified
	}
	id := account.Identity{Subject: subject, Email: email, Name: text("name"), Locale: text("locale")}
	if issued, err := claims.GetIssuedAt(); err == nil && issued != nil { // the parser has checked it
		id.IssuedAt = issued.Time
	}
	return id, nil
}
