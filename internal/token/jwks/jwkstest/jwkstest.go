// Package jwkstest is an identity provider for tests: a real HTTP server that
// publishes keys, and counts who asks for them.
package jwkstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// Key is a key pair of the provider.
type Key struct {
	ID      string
	Method  jwt.SigningMethod
	Private crypto.Signer
}

// NewKey makes a key pair for RS256, ES256 or EdDSA.
func NewKey(t testing.TB, id string, method jwt.SigningMethod) Key {
	t.Helper()
	var private crypto.Signer
	var err error
	switch method {
	case jwt.SigningMethodRS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwt.SigningMethodES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwt.SigningMethodEdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key is for %s", method.Alg())
	}
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, method, private}
}

// JWK is what the provider publishes of the key, with further members.
func (k Key) JWK(t testing.TB, more ...any) map[string]any {
	t.Helper()
	jwk, err := jwkset.NewJWKFromKey(k.Private.Public(), jwkset.JWKOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jwk.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	members["kid"], members["use"], members["alg"] = k.ID, "sig", k.Method.Alg()
	for i := 0; i < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	return members
}

// Sign makes a token, whose header has further members: one that is nil is left
// out.
func (k Key) Sign(t testing.TB, claims jwt.Claims, header ...any) string {
	t.Helper()
	token := jwt.NewWithClaims(k.Method, claims)
	token.Header["kid"] = k.ID
	for i := 0; i < len(header); i += 2 {
		name := header[i].(string)
		if token.Header[name] = header[i+1]; header[i+1] == nil {
			delete(token.Header, name)
		}
	}
	signed, err := token.SignedString(k.Private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Provider publishes keys at its URL.
type Provider struct {
	URL string

	t        testing.TB
	started  time.Time
	requests atomic.Int64
	mu       sync.Mutex
	answer   http.HandlerFunc
}

// New starts a provider that publishes keys, until the end of the test.
func New(t testing.TB, keys ...Key) *Provider {
	t.Helper()
	p := &Provider{t: t, started: time.Now()}
	p.Publish(keys...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL + "/keys"
	return p
}

// Requests is how often the provider was asked.
func (p *Provider) Requests() int { return int(p.requests.Load()) }

// RequestsAtMost fails the test where the provider was asked more often than a number
// of times at once and once in each interval since its start.
func (p *Provider) RequestsAtMost(atOnce int, interval time.Duration) {
	p.t.Helper()
	if n, most := p.Requests(), atOnce+int(time.Since(p.started)/interval); n > most {
		p.t.Errorf("the provider was asked %d times, of at most %d", n, most)
	}
}

// Publish lets the provider publish these keys, and no others.
func (p *Provider) Publish(keys ...Key) {
	p.t.Helper()
	set := make([]any, len(keys))
	for i, key := range keys {
		set[i] = key.JWK(p.t)
	}
	text, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		p.t.Fatal(err)
	}
	p.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
}

// Answer lets the provider answer in its own way.
func (p *Provider) Answer(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// Down cuts every connection.
func Down(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Hang never answers.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
