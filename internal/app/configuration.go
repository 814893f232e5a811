package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/token"
)

// configuration is what the page needs to know before somebody signs in.
type configuration struct {
	SignIn signIn `json:"signIn"`
}

// signIn is how people sign in to the page: at the identity provider ("oidc"), as
// a person of the demo world ("development"), or not at all ("none").
type signIn struct {
	Kind string `json:"kind"`

	People []demoPerson `json:"people,omitzero"`

	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"clientId,omitempty"`
	Resource string `json:"resource,omitempty"` // RFC 8707
	Scope    string `json:"scope,omitempty"`
}

// demoPerson is a person of the demo world, with a token.
type demoPerson struct {
	Name        string `json:"name"`
	Email       string `json:"email"`
	Description string `json:"description"`
	Token       string `json:"token"`
}

// demoPeople returns the people of the demo world, with tokens that key signs.
func demoPeople(key *token.Key) ([]demoPerson, error) {
	people := []demoPerson{}
	for _, p := range demo.People {
		email, problem := address.Parse(p.Email)
		if problem != nil {
			return nil, problem
		}
		signed, err := key.Sign(email, "")
		if err != nil {
			return nil, err
		}
		people = append(people, demoPerson{account.NameFrom(email), p.Email, p.Description, signed})
	}
	return people, nil
}

// configuration serves GET /app/configuration.json. With tokens of the demo world
// it is for the developer only: pages of other origins are refused, and so are
// requests under a host name that is not the gateway's.
func (a *api) configuration() http.Handler {
	s := a.settings
	switch {
	case s.OIDCClientID != "":
		return a.serveSignIn(func(context.Context) (signIn, error) {
			return signIn{Kind: "oidc", Issuer: s.JWTIssuer, ClientID: s.OIDCClientID, Resource: s.JWTAudience, Scope: "openid email profile"}, nil
		})
	case !s.Development:
		return a.serveSignIn(func(context.Context) (signIn, error) { return signIn{Kind: "none"}, nil })
	}
	withTokens := a.serveSignIn(func(ctx context.Context) (signIn, error) {
		loaded, err := demo.Loaded(ctx, a.db)
		if err != nil || !loaded {
			return signIn{Kind: "development", People: []demoPerson{}}, err
		}
		people, err := demoPeople(a.tokens.Development())
		return signIn{Kind: "development", People: people}, err
	})
	return origins(nil).guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.forDeveloper(r) {
			a.forbid(w, r, &fault.Fault{
				Code:    fault.BadRequest,
				Message: "The tokens of the demo world are only for pages that are opened on this machine, under http://localhost.",
				Remedy:  "Open the page under http://localhost, or set DATAHUB_PUBLIC_URL to the address under which it is opened.",
			})
			return
		}
		withTokens.ServeHTTP(w, r)
	}), a.forbid)
}

func (a *api) serveSignIn(read func(context.Context) (signIn, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.settings.RequestTimeout)
		defer cancel()
		how, err := read(ctx)
		if err != nil {
			a.failInternal(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(configuration{how})
	})
}

// forDeveloper reports whether a request is for the host of DATAHUB_PUBLIC_URL, or
// comes from this machine and is for one of its own names. A page whose host name
// resolves to this machine by DNS rebinding still sends that name.
func (s *Settings) forDeveloper(r *http.Request) bool {
	host := hostOf(r)
	if public, err := s.publicURL(); err == nil && public != nil && host == public.Hostname() {
		return true
	}
	listening, _, _ := net.SplitHostPort(s.Addr) // the settings were validated
	return fromThisMachine(r) && (namesThisMachine(host) || host != "" && host == strings.ToLower(listening))
}
