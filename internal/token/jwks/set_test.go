package jwks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

var (
	seldom = pace{interval: time.Hour, retry: time.Hour, demand: time.Hour, patience: patience}
	often  = pace{interval: 10 * time.Millisecond, retry: time.Millisecond, demand: time.Hour, patience: patience}
)

// patience is how long anything may take that a test waits for, on a busy machine.
const patience = 2 * time.Minute

// run makes a set, and runs it until the end of the test.
func run(t *testing.T, url string, p pace, log io.Writer) *Set {
	t.Helper()
	set := newSet(url, slog.New(slog.NewTextHandler(log, nil)), p)
	keep(t, set)
	return set
}

// keep runs a set until the end of the test.
func keep(t *testing.T, set *Set) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { set.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	})
}

func (s *Set) has(t *testing.T, key jwkstest.Key) error {
	found, err := s.Key(t.Context(), key.ID, key.Method.Alg())
	if err == nil && !key.Private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(found) {
		t.Errorf("%s is %v", key.ID, found)
	}
	return err
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to %s", what)
		}
	}
}

func TestKeysComeAndGo(t *testing.T) {
	old, next := jwkstest.NewKey(t, "old", jwt.SigningMethodES256), jwkstest.NewKey(t, "next", jwt.SigningMethodEdDSA)
	provider := jwkstest.New(t, old)
	set := run(t, provider.URL, often, io.Discard)
	if err := set.has(t, old); err != nil { // the first search waits for the first answer
		t.Fatal(err)
	}
	provider.Publish(old, next)
	eventually(t, "the next key", func() bool { return set.has(t, next) == nil })
	provider.Publish(next)
	eventually(t, "the end of the old one", func() bool { return errors.Is(set.has(t, old), ErrUnknown) })
	provider.Answer(jwkstest.Down)
	asked := provider.Requests()
	eventually(t, "some failures", func() bool { return provider.Requests() > asked+3 })
	if err := set.has(t, next); err != nil {
		t.Errorf("while the provider is down: %v", err)
	}
	provider.Publish(old)
	eventually(t, "the old key again", func() bool { return set.has(t, old) == nil })
}

// Searching for unknown keys asks the provider once in ten seconds at most.
func TestUnknownKeysAskOnce(t *testing.T) {
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	provider := jwkstest.New(t, key)
	set := run(t, provider.URL, seldom, io.Discard)
	if err := set.has(t, key); err != nil {
		t.Fatal(err)
	}
	var searches sync.WaitGroup
	for n := range 1000 {
		searches.Go(func() {
			if _, err := set.Key(t.Context(), fmt.Sprint("forged-", n), ES256); !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
		})
	}
	searches.Wait()
	if n := provider.Requests(); n != 2 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// A provider that does not answer keeps a search waiting for a second at most,
// and the end of the set not at all.
func TestTheProviderHangs(t *testing.T) {
	usual := New("", nil).pace
	if usual.patience != time.Second {
		t.Errorf("a search waits for %v", usual.patience)
	}
	provider := jwkstest.New(t)
	provider.Answer(jwkstest.Hang)
	set := newSet(provider.URL, slog.New(slog.DiscardHandler), usual)
	set.client.Timeout = time.Hour // of the fetch: the search does not wait for its end
	keep(t, set)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := set.Key(ctx, "key", ES256); !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	good, _ := json.Marshal(map[string]any{"keys": []any{key.JWK(t)}})
	other := jwkstest.New(t, key)
	says := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, text) }
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"nobody there":     {jwkstest.Down, "EOF"},
		"an error":         {says(500, string(good)), "status 500"},
		"no content":       {says(204, ""), "status 204"},
		"a page":           {says(200, "<html>"), "not a key set"},
		"another object":   {says(200, `{"error": "sesame"}`), "not a key set"},
		"no list":          {says(200, `{"keys": {}}`), "not a key set"},
		"half a set":       {says(200, string(good[:len(good)-1])), "not a key set"},
		"a long set":       {says(200, `{"keys": [`+strings.Repeat(" ", maxLength)+`]}`), "more than 262144 octets"},
		"many keys":        {says(200, `{"keys": [`+strings.Repeat("{},", maxKeys)+`{}]}`), "more than 100 keys"},
		"another host":     {http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP, "another host"},
		"circles":          {http.RedirectHandler("/keys", http.StatusFound).ServeHTTP, "too often"},
		"a file":           {http.RedirectHandler("file:///etc/passwd", http.StatusFound).ServeHTTP, "another host"},
		"an endless head":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "header"},
		"a set of no keys": {says(200, `{"keys": []}`), "keys=0"},
	} {
		t.Run(name, func(t *testing.T) {
			provider := jwkstest.New(t)
			provider.Answer(test.answer)
			var log locked
			set := run(t, provider.URL+"?secret=sesame", seldom, &log)
			eventually(t, "a line", func() bool { return log.String() != "" })
			if line := log.String(); !strings.Contains(line, test.says) || strings.Contains(line, "sesame") {
				t.Errorf("the log says %s", line)
			}
			if err := set.has(t, key); err == nil {
				t.Error("a key was taken")
			}
		})
	}
	if other.Requests() > 0 {
		t.Errorf("another host was asked %d times", other.Requests())
	}
}

// Redirects that stay are followed.
func TestARedirect(t *testing.T) {
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	good, _ := json.Marshal(map[string]any{"keys": []any{key.JWK(t)}})
	provider := jwkstest.New(t)
	provider.Answer(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			http.Redirect(w, r, "/v2/keys", http.StatusFound)
			return
		}
		_, _ = w.Write(good)
	})
	if err := run(t, provider.URL, seldom, io.Discard).has(t, key); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	rs, es, ed := jwkstest.NewKey(t, "k", jwt.SigningMethodRS256), jwkstest.NewKey(t, "k", jwt.SigningMethodES256), jwkstest.NewKey(t, "k", jwt.SigningMethodEdDSA)
	weak, err := rsa.GenerateKey(rand.Reader, 2047)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	without := func(name string, jwk map[string]any) map[string]any { delete(jwk, name); return jwk }
	for name, test := range map[string]struct {
		jwk  any
		want string // the algorithm; "" where the key is ignored
	}{
		"RSA":                     {rs.JWK(t), RS256},
		"P-256":                   {es.JWK(t), ES256},
		"Ed25519":                 {ed.JWK(t), EdDSA},
		"EdDSA's new name":        {ed.JWK(t, "alg", "Ed25519"), EdDSA},
		"no alg":                  {without("alg", rs.JWK(t)), RS256},
		"no use":                  {without("use", es.JWK(t)), ES256},
		"to verify with":          {es.JWK(t, "key_ops", []string{"verify"}), ES256},
		"a broken certificate":    {es.JWK(t, "x5c", []string{"nonsense"}), ES256},
		"a certificate elsewhere": {es.JWK(t, "x5u", "http://127.0.0.1:1/"), ES256},
		"no kid":                  {without("kid", es.JWK(t)), ""},
		"an empty kid":            {es.JWK(t, "kid", ""), ""},
		"a kid that is a number":  {es.JWK(t, "kid", 7), ""},
		"to encrypt":              {rs.JWK(t, "use", "enc"), ""},
		"to sign with":            {es.JWK(t, "key_ops", []string{"sign"}), ""},
		"PS256":                   {rs.JWK(t, "alg", "PS256"), ""},
		"RS512":                   {rs.JWK(t, "alg", "RS512"), ""},
		"HS256 of an RSA key":     {rs.JWK(t, "alg", "HS256"), ""},
		"a weak key":              {jwkstest.Key{ID: "k", Method: jwt.SigningMethodRS256, Private: weak}.JWK(t), ""},
		"a huge key":              {rs.JWK(t, "n", strings.Repeat("_", 2000)), ""},
		"an exponent of 1":        {rs.JWK(t, "e", "AQ"), ""},
		"a huge exponent":         {rs.JWK(t, "e", strings.Repeat("_", 40)), ""},
		"P-384":                   {jwkstest.Key{ID: "k", Method: jwt.SigningMethodES256, Private: p384}.JWK(t), ""},
		"not on the curve":        {es.JWK(t, "x", "AQ"), ""},
		"a short Ed25519":         {ed.JWK(t, "x", "AQ"), ""},
		"a private key":           {ed.JWK(t, "d", "AQ"), ""},
		"symmetric":               {map[string]any{"kty": "oct", "kid": "k", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}, ""},
		"X25519":                  {ed.JWK(t, "crv", "X25519"), ""},
		"a number":                {7, ""},
		"null":                    {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(map[string]any{"keys": []any{test.jwk}, "more": 1})
			if err != nil {
				t.Fatal(err)
			}
			keys, ignored, err := parse(text)
			_, has := keys[id{"k", test.want}]
			if want := test.want != ""; err != nil || has != want || (len(keys) == 1) != want || (ignored == 0) != want {
				t.Errorf("%v, %d ignored, %v", keys, ignored, err)
			}
		})
	}
	// One kid may name keys of several algorithms, and bad ones do not spoil the rest.
	text, _ := json.Marshal(map[string]any{"keys": []any{rs.JWK(t), 7, es.JWK(t), ed.JWK(t)}})
	if keys, ignored, err := parse(text); len(keys) != 3 || ignored != 1 || err != nil {
		t.Errorf("%v, %d ignored, %v", keys, ignored, err)
	}
	if keys, _, err := parse(append([]byte("\ufeff"), text...)); len(keys) != 3 || err != nil {
		t.Errorf("after a byte order mark: %v, %v", keys, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA} {
		text, _ := json.Marshal(map[string]any{"keys": []any{jwkstest.NewKey(f, "k", method).JWK(f)}})
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, _, err := parse(text)
		if err != nil && keys != nil {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

// locked is a buffer that can be read while it is written.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
