package jwks

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	fetchTime    = 5 * time.Second
	maxLength    = 256 << 10 // octets of a key set
	maxRedirects = 3
)

func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // one request a minute
	transport.MaxResponseHeaderBytes = 32 << 10
	return &http.Client{Transport: transport, CheckRedirect: stay, Timeout: fetchTime}
}

// stay follows redirects within the provider's host: the operator trusts no other
// host with the keys.
func stay(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
		return errors.New("it redirects to another host")
	}
	if len(via) > maxRedirects {
		return errors.New("it redirects too often")
	}
	return nil
}

// fetch asks the provider for its keys. Errors do not quote the URL, which may hold
// a secret.
func (s *Set) fetch(ctx context.Context) (keys map[id]crypto.PublicKey, ignored int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, 0, errors.New("the URL cannot be used")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(r)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the provider answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxLength+1))
	if err != nil {
		return nil, 0, err
	}
	if len(body) > maxLength {
		return nil, 0, fmt.Errorf("the key set has more than %d octets", maxLength)
	}
	return parse(body)
}
