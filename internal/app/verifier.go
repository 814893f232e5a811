package app

import (
	"log/slog"

	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
)

// developmentIssuer is who issues the development key's tokens, whichever the
// identity provider is.
const developmentIssuer = "datahub-development"

func (s *Settings) developmentKey() (*token.Key, error) {
	return token.OpenKey(s.DataDir, token.Issuer{Name: developmentIssuer, Audience: s.JWTAudience})
}

// verifier is whose tokens are accepted, and what works for that.
func (s *Settings) verifier(log *slog.Logger) (v token.Verifier, workers []worker, err error) {
	if s.Development {
		if v.Development, err = s.developmentKey(); err != nil {
			return v, nil, err
		}
	}
	if s.JWKSURL != "" {
		keys := jwks.New(s.JWKSURL, log)
		v.Provider = token.NewProvider(keys, token.Issuer{Name: s.JWTIssuer, Audience: s.JWTAudience})
		workers = append(workers, keys)
	}
	return v, workers, nil
}
