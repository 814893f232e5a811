package app

import (
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/token"
)

// tokenCommand prints a token that the development key has signed.
type tokenCommand struct {
	Email  string `arg:"" help:"The person's e-mail address."`
	Locale string `placeholder:"LANGUAGE" help:"The language that the person reads, such as de."`
}

func (c tokenCommand) Run(t terminal, s *Settings) error {
	if err := s.checkDevelopment(); err != nil {
		return err
	}
	email, problem := address.Parse(c.Email)
	if problem != nil {
		return fmt.Errorf("%q is not an e-mail address: %s", c.Email, problem.Detail)
	}
	if err := s.makeDataDir(); err != nil {
		return err
	}
	key, err := openDevelopmentKey(s)
	if err != nil {
		return err
	}
	signed, err := key.Sign(email, c.Locale)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, signed)
	return nil
}

// developmentIssuer is the issuer of the development key's tokens, also where an
// identity provider has another.
const developmentIssuer = "datahub-development"

func openDevelopmentKey(s *Settings) (*token.Key, error) {
	return token.OpenKey(s.DataDir, token.Issuer{Name: developmentIssuer, Audience: s.JWTAudience})
}
