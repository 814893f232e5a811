package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

const login = "https://login.example"

// trusting has a gateway trust an identity provider.
func trusting(p *jwkstest.Provider) func(*app.Settings) {
	return func(s *app.Settings) { s.JWKSURL, s.JWTIssuer = p.URL, login }
}

// newTrustingWorld makes a world whose gateway has the keys of an identity provider. A
// request waits a second for them, which a busy machine may need.
func newTrustingWorld(t *testing.T, p *jwkstest.Provider, change ...func(*app.Settings)) *world {
	t.Helper()
	w := newWorld(t, append(change, trusting(p))...)
	w.Await("the provider's keys", func() bool { return len(w.Log.Lines("the identity provider's keys")) > 0 })
	return w
}

// claims returns the claims of a valid token, with changes given as names and
// values. A claim that is nil is left out.
func claims(differing ...any) jwt.MapClaims {
	c := jwt.MapClaims{"iss": login, "aud": []string{apptest.Issuer.Audience}, "sub": "x", "exp": time.Now().Add(time.Hour).Unix(),
		"email": "new@new.example", "email_verified": true}
	for i := 0; i < len(differing); i += 2 {
		if c[differing[i].(string)] = differing[i+1]; differing[i+1] == nil {
			delete(c, differing[i].(string))
		}
	}
	return c
}

// status returns the HTTP status of a query.
func (p person) status() int {
	p.world.t.Helper()
	return p.Ask(`{ viewer { id } }`, nil).Status
}

var methods = []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA}

func TestProvidersTokensAreAccepted(t *testing.T) {
	t.Parallel()
	var keys []jwkstest.Key
	for _, method := range methods {
		keys = append(keys, jwkstest.NewKey(t, method.Alg(), method))
	}
	provider := jwkstest.New(t, keys...)
	w := newTrustingWorld(t, provider)
	for i, key := range keys {
		for what, token := range map[string]string{
			"good":                  key.Sign(t, claims()),
			"of no type":            key.Sign(t, claims(), "typ", nil),
			"an access token":       key.Sign(t, claims(), "typ", "at+jwt"),
			"a whole media type":    key.Sign(t, claims(), "typ", "application/AT+JWT"),
			"an audience":           key.Sign(t, claims("aud", apptest.Issuer.Audience)),
			"more than is read":     key.Sign(t, claims("roles", []string{"admin"}), "jku", "http://127.0.0.1:1/", "x5t", "x"),
			"a person of their own": key.Sign(t, claims("sub", fmt.Sprint("person ", i))),
		} {
			if got := w.with(token).Ask(`{ viewer { email } }`, nil).OK().At("viewer", "email"); got != "new@new.example" {
				t.Errorf("%s, %s: %v", key.ID, what, got)
			}
		}
		// Clocks that differ: of the leeway of 30 seconds, a busy machine has most.
		w.with(key.Sign(t, claims("exp", time.Now().Add(-5*time.Second).Unix()))).Ask(`{ viewer { email } }`, nil).OK()
	}
	if n := w.Number(`select count(*) from account where email = 'new@new.example'`); n != 1+len(keys) {
		t.Errorf("%d accounts", n)
	}
	provider.RequestsAtMost(1, time.Minute)
	// Tokens of the development key stay valid, for its own issuer.
	w.as("ada").Ask(`{ viewer { id } }`, nil).OK()
}

// A person whose token is authentic learns what is wrong with their account, because
// signing in again does not help. A forger learns nothing.
func TestTokenWithoutAUsableAddressSaysWhatToDo(t *testing.T) {
	t.Parallel()
	key, forged := jwkstest.NewKey(t, "key", jwt.SigningMethodES256), jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	w := newTrustingWorld(t, jwkstest.New(t, key))
	for what, c := range map[string]struct {
		claims jwt.MapClaims
		reason string
		remedy string
	}{
		"not verified":   {claims("email_verified", false), "EMAIL_NOT_VERIFIED", "Verify the address"},
		"no address":     {claims("email", nil), "EMAIL_MISSING", "add your e-mail address"},
		"a name as well": {claims("email", `"x@evil.example" <ada@uni.example>`), "EMAIL_MISSING", "add your e-mail address"},
	} {
		a := w.with(key.Sign(t, c.claims)).Ask(`{ viewer { id } }`, nil)
		e := a.Refused("UNAUTHENTICATED")
		remedy, _ := e.Extensions["remedy"].(string)
		if a.Status != http.StatusUnauthorized || e.Extensions["reason"] != c.reason || !strings.Contains(remedy, c.remedy) || e.Extensions["support"] != "support@alphacruncher.com" {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
		a = w.with(forged.Sign(t, c.claims)).Ask(`{ viewer { id } }`, nil)
		if e := a.Refused("UNAUTHENTICATED"); a.Status != http.StatusUnauthorized || e.Message != "The token is not valid." || e.Extensions["reason"] != nil {
			t.Errorf("%s, forged: %d %s", what, a.Status, a.Body)
		}
	}
}

func TestProviderMayVerifyAllAddressesAndNameTheirClaim(t *testing.T) {
	t.Parallel()
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
	w := newTrustingWorld(t, jwkstest.New(t, key), func(s *app.Settings) { s.JWTEmailClaim, s.JWTEmailVerified = "upn", true })
	if got := w.with(key.Sign(t, claims("email", nil, "email_verified", nil, "upn", "new@new.example"))).Ask(`{ viewer { email } }`, nil).OK().At("viewer", "email"); got != "new@new.example" {
		t.Error(got)
	}
	// Development tokens are as they were.
	w.as("ada").Ask(`{ viewer { id } }`, nil).OK()
}

// part encodes JSON as a part of a token.
func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// raw signs a header and claims exactly as given.
func raw(t *testing.T, key jwkstest.Key, header, claims string) string {
	t.Helper()
	text := part(header) + "." + part(claims)
	signature, err := key.Method.Sign(text, key.Private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// hs256 signs a token by HMAC.
func hs256(t *testing.T, secret []byte, kid string, c jwt.MapClaims) string {
	t.Helper()
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	text := part(`{"alg":"HS256","typ":"JWT","kid":"`+kid+`"}`) + "." + part(string(body))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := jwkstest.New(t)
	t.Cleanup(func() {
		if n := elsewhere.Requests(); n > 0 {
			t.Errorf("a token had another host asked %d times", n)
		}
	})
	for _, method := range methods {
		t.Run(method.Alg(), func(t *testing.T) {
			t.Parallel()
			key := jwkstest.NewKey(t, "key", method)
			provider := jwkstest.New(t, key)
			w := newTrustingWorld(t, provider)
			forgeries := forged(t, key, elsewhere.URL, readKey(t, w))
			w.with(key.Sign(t, claims())).Ask(`{ viewer { id } }`, nil).OK()
			w.Exec(`delete from account where subject is not null`)
			for what, token := range forgeries {
				a := w.with(token).Ask(`{ viewer { id } }`, nil)
				if a.Status != http.StatusUnauthorized || strings.Join(a.Codes(), " ") != "UNAUTHENTICATED" {
					t.Errorf("%s: %d %s", what, a.Status, a.Body)
				}
			}
			if n := w.Number(`select count(*) from account where subject is not null`); n != 0 {
				t.Errorf("%d accounts were made or claimed", n)
			}
			provider.RequestsAtMost(2, 10*time.Second)
			w.with(key.Sign(t, claims())).Ask(`{ viewer { id } }`, nil).OK()
			for _, line := range w.Log.Lines("request") {
				for what, token := range forgeries {
					if cause, _ := line["cause"].(string); len(token) > 20 && strings.Contains(cause, token) {
						t.Errorf("the log has %s", what)
					}
				}
			}
		})
	}
}

// forged returns tokens that a gateway must refuse.
func forged(t *testing.T, key jwkstest.Key, elsewhere string, secret []byte) map[string]string {
	t.Helper()
	alg := key.Method.Alg()
	good := key.Sign(t, claims())
	parts := strings.Split(good, ".")
	body, err := json.Marshal(claims())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(key.JWK(t))
	if err != nil {
		t.Fatal(err)
	}
	eve := jwkstest.NewKey(t, "key", key.Method)
	unknown := eve
	unknown.ID = "unknown"
	header := `{"alg":"` + alg + `","kid":"key"}`
	object := func(more string) string { return strings.TrimSuffix(string(body), "}") + more + "}" }
	development := maps.Clone(claims("iss", apptest.Issuer.Name))

	tokens := map[string]string{
		"nothing":                      " ",
		"dots":                         "..",
		"no kid":                       key.Sign(t, claims(), "kid", nil),
		"an empty kid":                 key.Sign(t, claims(), "kid", ""),
		"a kid that is a number":       key.Sign(t, claims(), "kid", 7),
		"an unknown kid":               key.Sign(t, claims(), "kid", "unknown"),
		"a long kid":                   key.Sign(t, claims(), "kid", strings.Repeat("k", 4000)),
		"a path for a kid":             key.Sign(t, claims(), "kid", "../../../../dev/null"),
		"another's key":                eve.Sign(t, claims()),
		"another's key at its URL":     unknown.Sign(t, claims(), "jku", elsewhere),
		"another's certificate":        unknown.Sign(t, claims(), "x5u", elsewhere),
		"another's key brought along":  unknown.Sign(t, claims(), "jwk", unknown.JWK(t)),
		"the same, under our kid":      eve.Sign(t, claims(), "jwk", eve.JWK(t), "jku", elsewhere, "x5u", elsewhere),
		"unsigned":                     part(`{"alg":"none","kid":"key"}`) + "." + parts[1] + ".",
		"unsigned, in capitals":        part(`{"alg":"NONE","kid":"key"}`) + "." + parts[1] + ".",
		"unsigned, by its old name":    part(`{"alg":"none","kid":"key"}`) + "." + parts[1] + "." + parts[2],
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"a zero signature":             parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"a cut signature":              good[:len(good)-4],
		"a signature of other claims":  parts[0] + "." + part(object(`,"more":1`)) + "." + parts[2],
		"no algorithm":                 raw(t, key, `{"kid":"key"}`, string(body)),
		"an algorithm that is null":    raw(t, key, `{"alg":null,"kid":"key"}`, string(body)),
		"HMAC by the key's PEM":        hs256(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), "key", claims()),
		"HMAC by the key's DER":        hs256(t, public, "key", claims()),
		"HMAC by the JWK":              hs256(t, jwk, "key", claims()),
		"HMAC by nothing":              hs256(t, nil, "key", claims()),
		"HMAC by the development key":  hs256(t, secret, "key", claims()),
		"the development key's issuer": key.Sign(t, development),
		"another issuer":               key.Sign(t, claims("iss", "https://login.example/")),
		"no issuer":                    key.Sign(t, claims("iss", nil)),
		"several issuers":              key.Sign(t, claims("iss", []string{login})),
		"another audience":             key.Sign(t, claims("aud", "other")),
		"no audience":                  key.Sign(t, claims("aud", nil)),
		"expired":                      key.Sign(t, claims("exp", time.Now().Add(-time.Minute).Unix())),
		"without an end":               key.Sign(t, claims("exp", nil)),
		"an end that is no time":       key.Sign(t, claims("exp", "never")),
		"not yet":                      key.Sign(t, claims("nbf", time.Now().Add(time.Hour).Unix())),
		"an unverified address":        key.Sign(t, claims("email_verified", false)),
		"nothing about verifying":      key.Sign(t, claims("email_verified", nil)),
		"verified by word":             key.Sign(t, claims("email_verified", "true")),
		"no address":                   key.Sign(t, claims("email", nil)),
		"an address in capitals":       key.Sign(t, claims("email", nil, "EMAIL", "new@new.example")),
		"no subject":                   key.Sign(t, claims("sub", nil)),
		"an ID of another kind":        key.Sign(t, claims(), "typ", "secevent+jwt"),
		"a logout token":               key.Sign(t, claims(), "typ", "logout+jwt"),
		"a type that is empty":         key.Sign(t, claims(), "typ", ""),
		"a type that is a number":      key.Sign(t, claims(), "typ", 1),
		"an extension":                 key.Sign(t, claims(), "crit", []string{"b64"}, "b64", false),
		"long":                         key.Sign(t, claims("x", strings.Repeat("x", 20_000))),
		"deep":                         raw(t, key, header, object(`,"x":`+strings.Repeat("[", 2500)+strings.Repeat("]", 2499))),
		"kid twice":                    raw(t, key, `{"alg":"`+alg+`","kid":"other","kid":"key"}`, string(body)),
		"alg twice":                    raw(t, key, `{"alg":"none","alg":"`+alg+`","kid":"key"}`, string(body)),
		"sub twice":                    raw(t, key, header, object(`,"sub":"y"`)),
		"sub twice, once in escapes":   raw(t, key, header, object(`,"s\u0075b":"y"`)),
		"email twice":                  raw(t, key, header, object(`,"email":"ada@uni.example"`)),
		"exp twice":                    raw(t, key, header, object(`,"exp":9999999999`)),
		"claims in a list":             raw(t, key, header, `[`+string(body)+`]`),
		"no claims":                    raw(t, key, header, `null`),
		"something after the claims":   raw(t, key, header, string(body)+`{}`),
		"half the claims":              raw(t, key, header, string(body[:len(body)-1])),
		"base64 with padding":          parts[0] + "==." + parts[1] + "." + parts[2],
		"four parts":                   good + ".x",
		"five parts":                   good + ".x.y",
	}
	for name, other := range map[string]jwt.SigningMethod{"HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512} {
		token := jwt.NewWithClaims(other, development)
		if tokens["the development key by "+name], err = token.SignedString(secret); err != nil {
			t.Fatal(err)
		}
	}
	if private, ok := key.Private.(*rsa.PrivateKey); ok {
		for _, other := range []jwt.SigningMethod{jwt.SigningMethodPS256, jwt.SigningMethodPS384, jwt.SigningMethodPS512, jwt.SigningMethodRS384, jwt.SigningMethodRS512} {
			token := jwt.NewWithClaims(other, claims())
			token.Header["kid"] = "key"
			if tokens[other.Alg()], err = token.SignedString(private); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A key of another algorithm, with the same kid.
	for _, other := range methods {
		if other != key.Method {
			tokens["the kid under "+other.Alg()] = jwkstest.NewKey(t, "key", other).Sign(t, claims())
		}
	}
	if key.Method == jwt.SigningMethodES256 {
		p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		token := jwt.NewWithClaims(jwt.SigningMethodES384, claims())
		token.Header["kid"] = "key"
		if tokens["ES384"], err = token.SignedString(p384); err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}

// A new key of the provider is accepted at once, and a withdrawn key is
// refused.
func TestProvidersKeysRotate(t *testing.T) {
	t.Parallel()
	old, next := jwkstest.NewKey(t, "old", jwt.SigningMethodES256), jwkstest.NewKey(t, "next", jwt.SigningMethodRS256)
	provider := jwkstest.New(t, old)
	w := newTrustingWorld(t, provider)
	w.with(old.Sign(t, claims())).Ask(`{ viewer { id } }`, nil).OK()
	provider.Publish(next)
	w.with(next.Sign(t, claims())).Ask(`{ viewer { id } }`, nil).OK()
	if a := w.with(old.Sign(t, claims())).Ask(`{ viewer { id } }`, nil); a.Status != http.StatusUnauthorized {
		t.Errorf("the key that was withdrawn: %d %s", a.Status, a.Body)
	}
	provider.RequestsAtMost(2, 10*time.Second)
}

func TestUnknownKeysDoNotFloodTheProvider(t *testing.T) {
	t.Parallel()
	key := jwkstest.NewKey(t, "key", jwt.SigningMethodEdDSA)
	provider := jwkstest.New(t, key)
	w := newTrustingWorld(t, provider)
	good := w.with(key.Sign(t, claims()))
	good.Ask(`{ viewer { id } }`, nil).OK()
	var asks []func()
	for i := range 50 {
		asks = append(asks, func() {
			for n := range 20 {
				if status := w.with(key.Sign(t, claims(), "kid", fmt.Sprint("forged-", i, "-", n))).status(); status != http.StatusUnauthorized {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	racetest.Together(asks...)
	good.Ask(`{ viewer { id } }`, nil).OK()
	provider.RequestsAtMost(2, 10*time.Second)
}

// Before the gateway has the provider's keys, it serves and answers provider's
// tokens with UNAVAILABLE. It gets the keys by itself.
func TestGatewayServesWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"down":    jwkstest.Down,
		"hanging": jwkstest.Hang,
		"slow": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil { // one octet at a time
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(100 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		},
		"failing": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := jwkstest.NewKey(t, "key", jwt.SigningMethodES256)
			provider := jwkstest.New(t)
			provider.Answer(answer)
			// The request has far more time than the client waits for an
			// answer, so the answer shows that it does not wait for the
			// provider.
			w := newWorld(t, trusting(provider), func(s *app.Settings) { s.RequestTimeout = 2 * apptest.Patience })
			signed := w.with(key.Sign(t, claims()))
			a := signed.Ask(`{ viewer { id } }`, nil)
			e := a.Refused("UNAVAILABLE")
			if a.Status != http.StatusServiceUnavailable || e.Extensions["retryable"] != true || strings.Contains(a.Body, "jwks") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			// Requests that do not need the provider are answered.
			w.as("ada").Ask(`{ viewer { id } }`, nil).OK()
			w.with("").Ask(`{ __typename }`, nil).OK()
			for what, token := range map[string]string{
				"expired": key.Sign(t, claims("exp", 1)), "another issuer": key.Sign(t, claims("iss", "x")), "no kid": key.Sign(t, claims(), "kid", nil),
			} {
				if status := w.with(token).status(); status != http.StatusUnauthorized {
					t.Errorf("%s: %d", what, status)
				}
			}
			w.awaitReady(w.Gateway)
			provider.Publish(key)
			w.Eventually("a good token", func() bool { return signed.status() == http.StatusOK })
			provider.Answer(answer)
			signed.Ask(`{ viewer { id } }`, nil).OK()
			if status := w.with(key.Sign(t, claims(), "kid", "unknown")).status(); status != http.StatusUnauthorized {
				t.Errorf("an unknown key: %d", status)
			}
		})
	}
}
