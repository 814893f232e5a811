package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// newTokens returns what verifies tokens: of the development key in development, and of
// the identity provider where its keys are named. keys, which else is nil, fetches
// these.
func newTokens(s *Settings, log *slog.Logger) (tokens *token.Cache, keys *jwks.Set, err error) {
	var v token.Verifier
	if s.Development {
		if v.Development, err = openDevelopmentKey(s); err != nil {
			return nil, nil, err
		}
	}
	if s.JWKSURL != "" {
		keys = jwks.New(s.JWKSURL, log)
		v.Provider = token.NewProvider(keys, token.Issuer{
			Name: s.JWTIssuer, Audience: s.JWTAudience, EmailClaim: s.JWTEmailClaim, EmailVerified: s.JWTEmailVerified,
		})
	}
	return token.NewCache(v), keys, nil
}

// authenticate finds the person who sends a request. A request without a token
// passes: it may query what is public. It counts for the address of its client, and so
// does one whose token is refused.
func (a *api) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		signed, err := a.signIn(ctx, r.Header)
		if invalid := errors.Is(err, token.ErrInvalid); invalid || err == nil && !signedIn(signed) {
			if refused := a.anonymous.charge(clientIn(ctx), a.weight(r)); refused != nil {
				held := a.anonymous.hold(ctx, a.lifecycle.draining)
				// A browser sends the token of a WebSocket only when it is open.
				if opens := !invalid && (graphqlserver.WebSocket{}).Supports(r); !opens || !held {
					a.fail(w, r, http.StatusTooManyRequests, refused)
					return
				}
			}
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(signed))
		case errors.Is(err, token.ErrInvalid):
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			a.fail(w, r, http.StatusUnauthorized, err)
		default:
			a.failInternal(w, r, err)
		}
	})
}

// octetsPerRequest is how many octets of a body count as one request.
const octetsPerRequest = 16 << 10

// weight returns how many requests a request without an account counts as.
func (a *api) weight(r *http.Request) int {
	octets := r.ContentLength
	if octets < 0 { // it is not known before the body has arrived
		octets = a.settings.MaxBodyBytes
	}
	return 1 + int(octets/octetsPerRequest)
}

// signIn returns a context of the person whom the token in a header names; ctx
// itself where there is no token. It fails with UNAUTHENTICATED because of
// token.ErrInvalid, and with UNAVAILABLE because of jwks.ErrUnavailable.
func (a *api) signIn(ctx context.Context, header http.Header) (context.Context, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return ctx, nil
	}
	actor, subject, expiry, err := a.actor(ctx, values, header.Get("Accept-Language"))
	if err != nil {
		noteCause(ctx, err)
		switch {
		case errors.Is(err, token.ErrEmailNotVerified):
			err = &fault.Fault{
				Code: fault.Unauthenticated, Reason: fault.EmailNotVerified,
				Message: "Your e-mail address is not verified where you sign in.",
				Remedy:  "Verify the address in your account there, with the link in the mail that it sends you. Then sign out and sign in again. If you cannot verify it, ask the people who manage these accounts, or write to " + resolvers.Support + ".",
				Cause:   err,
			}
		case errors.Is(err, token.ErrEmailMissing):
			err = &fault.Fault{
				Code: fault.Unauthenticated, Reason: fault.EmailMissing,
				Message: "Your account where you sign in names no e-mail address that DataHub can use.",
				Remedy:  "Ask the people who manage these accounts to add your e-mail address, and to send it to DataHub. Then sign out and sign in again. If that does not help, write to " + resolvers.Support + ".",
				Cause:   err,
			}
		case errors.Is(err, token.ErrInvalid):
			err = &fault.Fault{Code: fault.Unauthenticated, Message: "The token is not valid.", Remedy: "Sign in again.", Cause: err}
		case errors.Is(err, jwks.ErrUnavailable):
			err = &fault.Fault{Code: fault.Unavailable, Message: "DataHub cannot verify tokens at the moment. Nothing was done.",
				Remedy: "Wait a little and send the request again.", Cause: err}
		}
		return nil, err
	}
	noteActor(ctx, actor)
	return access.WithActor(context.WithValue(postgres.WithShare(ctx, subject), expiryKey{}, expiry), actor), nil
}

// actor returns the account of a token's person, the token's subject, and when the token
// expires. The language is the token's, else the one that the client asks for.
func (a *api) actor(ctx context.Context, authorization []string, languages string) (actor access.Actor, subject string, expiry time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.settings.RequestTimeout)
	defer cancel()
	scheme, credentials, _ := strings.Cut(authorization[0], " ")
	if len(authorization) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return actor, "", expiry, token.ErrInvalid
	}
	identity, expiry, err := a.tokens.Verify(ctx, strings.TrimSpace(credentials))
	if err != nil {
		return actor, "", expiry, err
	}
	if identity.Locale == "" {
		identity.Locale = languages
	}
	actor, err = a.accounts.Actor(postgres.WithShare(ctx, identity.Subject), identity)
	return actor, identity.Subject, expiry, err
}

func signedIn(ctx context.Context) bool {
	_, ok := access.ActorOf(ctx)
	return ok
}

type expiryKey struct{}

// tokenExpiry returns when the token of the request expires; zero without one.
func tokenExpiry(ctx context.Context) time.Time {
	expiry, _ := ctx.Value(expiryKey{}).(time.Time)
	return expiry
}
