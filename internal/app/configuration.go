package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/token"
)

// configuration is what the page has to know before anybody is signed in.
type configuration struct {
	SignIn signIn `json:"signIn"`
}

// signIn is how people sign in to the page: at the identity provider ("oidc"), as
// somebody of the demo world ("development"), or not at all ("none").
type signIn struct {
	Kind string `json:"kind"`

	People []demoPerson `json:"people,omitzero"`

	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"clientId,omitempty"`
	Resource string `json:"resource,omitempty"` // RFC 8707
	Scope    string `json:"scope,omitempty"`
}

// demoPerson is somebody of the demo world, with a token.
type demoPerson struct {
	Name        string `json:"name"`
	Email       string `json:"email"`
	Description string `json:"description"`
	Token       string `json:"token"`
}

// demoPeople are the people of the demo world.
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
		people = append(people, demoPerson{account.NameFrom(email), p.Email, p.Is, signed})
	}
	return people, nil
}

// configuration serves GET /app/configuration.json. Where that has the tokens of
// development, it is refused to whoever might be somebody else than the developer:
// to pages of other origins, and under names that are not the gateway's.
func (a *api) configuration() http.Handler {
	s := a.settings
	switch {
	case s.OIDCClientID != "":
		return a.configured(func(context.Context) (signIn, error) {
			return signIn{Kind: "oidc", Issuer: s.JWTIssuer, ClientID: s.OIDCClientID, Resource: s.JWTAudience, Scope: "openid email profile"}, nil
		})
	case !s.Development:
		return a.configured(func(context.Context) (signIn, error) { return signIn{Kind: "none"}, nil })
	}
	handing := a.configured(func(ctx context.Context) (signIn, error) {
		loaded, err := demo.Loaded(ctx, a.db)
		if err != nil || !loaded {
			return signIn{Kind: "development", People: []demoPerson{}}, err
		}
		people, err := demoPeople(a.tokens.Development)
		return signIn{Kind: "development", People: people}, err
	})
	refuse := func(w http.ResponseWriter, r *http.Request, f *fault.Fault) {
		a.fail(r.Context(), w, http.StatusForbidden, f)
	}
	return origins(nil).guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.forDeveloper(r) {
			refuse(w, r, &fault.Fault{
				Code:    fault.BadRequest,
				Message: "The tokens of development are for this machine, where it is called localhost.",
				Remedy:  "Open the page under http://localhost, or set DATAHUB_PUBLIC_URL to where it is opened.",
			})
			return
		}
		handing.ServeHTTP(w, r)
	}), refuse)
}

func (a *api) configured(read func(context.Context) (signIn, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.settings.RequestTimeout)
		defer cancel()
		how, err := read(ctx)
		if err != nil {
			a.failed(ctx, w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(configuration{how})
	})
}

// forDeveloper reports whether a request comes from this machine, to a name that
// only this machine has, or to the one that DATAHUB_PUBLIC_URL says. A page whose
// name was made to lead here (DNS rebinding) still asks under that name.
func (s *Settings) forDeveloper(r *http.Request) bool {
	host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
	if public, err := url.Parse(s.PublicURL); err == nil && host != "" && host == strings.ToLower(public.Hostname()) {
		return true
	}
	listening, _, _ := net.SplitHostPort(s.Addr) // when the settings were read
	ip, err := netip.ParseAddr(host)
	return fromHere(r) && (host == "localhost" || err == nil && ip.IsLoopback() || host != "" && host == strings.ToLower(listening))
}

// fromHere reports whether a request comes from this machine.
func fromHere(r *http.Request) bool {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from := remote.Addr().Unmap()
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return from.IsLoopback() || ok && from == local.AddrPort().Addr().Unmap()
}
