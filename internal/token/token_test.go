package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
)

var issuer = Issuer{Name: "issuer", Audience: "gateway"}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	email, problem := address.Parse(text)
	if problem != nil {
		t.Fatal(problem)
	}
	return email
}

func openKey(t testing.TB, dir string) *Key {
	t.Helper()
	key, err := OpenKey(dir, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, key *Key, email string) string {
	t.Helper()
	signed, err := key.Sign(parse(t, email), "")
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// wantKeyAlone checks that the folder holds the key's file and nothing else.
func wantKeyAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "signing-key" {
		t.Fatalf("the folder holds %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode() != 0o600 || info.Size() != 32 {
		t.Errorf("the key's file has mode %v and %d octets, %v", info.Mode(), info.Size(), err)
	}
}

func TestKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	signed := sign(t, openKey(t, dir), "Ada@uni.example")
	wantKeyAlone(t, dir)
	got, _, err := Verifier{Development: openKey(t, dir)}.Verify(t.Context(), signed)
	want := account.Identity{Subject: "development|ada@uni.example", Email: parse(t, "Ada@uni.example"), IssuedAt: got.IssuedAt}
	if age := time.Since(got.IssuedAt); age < 0 || age > time.Hour {
		t.Errorf("issued at %v", got.IssuedAt)
	}
	if got != want || err != nil {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	wantKeyAlone(t, dir)
	if _, _, err := (Verifier{Development: openKey(t, t.TempDir())}).Verify(t.Context(), signed); !errors.Is(err, ErrInvalid) {
		t.Errorf("with another key: %v", err)
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	keys := make([]*Key, 20)
	begin := make(chan struct{})
	var opening sync.WaitGroup
	for i := range keys {
		opening.Go(func() {
			<-begin
			var err error
			if keys[i], err = OpenKey(dir, issuer); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	opening.Wait()
	if t.Failed() {
		return
	}
	signed := sign(t, openKey(t, dir), "ada@uni.example")
	for _, key := range keys {
		if _, _, err := (Verifier{Development: key}).Verify(t.Context(), signed); err != nil {
			t.Error(err)
		}
	}
	wantKeyAlone(t, dir)
}

func TestDamagedKey(t *testing.T) {
	for name, content := range map[string]string{
		"empty":     "",
		"too short": strings.Repeat("k", 31),
		"too long":  strings.Repeat("k", 32) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "signing-key")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenKey(filepath.Dir(path), issuer)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if kept, err := os.ReadFile(path); string(kept) != content || err != nil {
				t.Errorf("the file has become %q, %v", kept, err)
			}
		})
	}
}

func TestKeyOutOfReach(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenKey(filepath.Join(dir, "nowhere"), issuer); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "signing-key"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(dir, issuer); err == nil || !strings.Contains(err.Error(), "signing-key") {
		t.Errorf("a folder for a key: %v", err)
	}
}

func TestLifetime(t *testing.T) {
	key := openKey(t, t.TempDir())
	var c claims
	if _, err := key.parser.ParseWithClaims(sign(t, key, "ada@uni.example"), &c, func(*jwt.Token) (any, error) { return key.secret, nil }); err != nil {
		t.Fatal(err)
	}
	if got := c.ExpiresAt.Sub(c.IssuedAt.Time); got != 30*24*time.Hour {
		t.Errorf("a token lives for %v", got)
	}
	// It is accepted a while after its end, and may be from a while to come.
	if longest := maxLifetime + 2*leeway; account.ProofRetention <= longest {
		t.Errorf("a proof is kept for %v, and a token lives for %v", account.ProofRetention, longest)
	}
}

// The clock stands still, so that the claims differ from it by what they say, however
// slow the machine is.
func TestVerify(t *testing.T) {
	key := openKey(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) { testVerify(t, key) })
}

func testVerify(t *testing.T, key *Key) {
	verifier := Verifier{Development: key}
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "sub": "s1", "exp": at(time.Hour),
		"email": "ada@uni.example", "email_verified": true, "name": "Ada",
	}
	with := func(name string, value any) jwt.MapClaims {
		c := maps.Clone(good)
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
		return c
	}
	accepted := map[string]jwt.MapClaims{
		"good":                     good,
		"one audience of two":      with("aud", []string{"other", "gateway"}),
		"without a name":           with("name", nil),
		"an issue time":            with("iat", at(-time.Hour)),
		"an issue time to come":    with("iat", at(10*time.Second)), // clocks differ
		"thirty days":              with("exp", at(30*24*time.Hour)),
		"a subject of 255 octets":  with("sub", strings.Repeat("s", 255)),
		"clocks that differ":       with("exp", at(-10*time.Second)),
		"a beginning that differs": with("nbf", at(10*time.Second)),
	}
	refused := map[string]jwt.MapClaims{
		"another issuer":           with("iss", "eve"),
		"no issuer":                with("iss", nil),
		"another audience":         with("aud", "other"),
		"no audience":              with("aud", nil),
		"expired":                  with("exp", at(-time.Minute)),
		"without an end":           with("exp", nil),
		"an end after 31 days":     with("exp", at(31*24*time.Hour)),
		"an end after centuries":   with("exp", 99_999_999_999),
		"an end beyond all time":   with("exp", 1e300),
		"issued 30 days ago":       with("iat", at(-30*24*time.Hour)),
		"issued in the future":     with("iat", at(time.Minute)),
		"issued at no time":        with("iat", "yesterday"),
		"a name before an address": with("email", `"x@evil.example" <ada@uni.example>`),
		"spaces after an address":  with("email", "ada@uni.example "),
		"a comma after an address": with("email", "ada@uni.example,"),
		"an end that is no time":   with("exp", "tomorrow"),
		"not yet":                  with("nbf", at(time.Minute)),
		"no subject":               with("sub", nil),
		"an empty subject":         with("sub", ""),
		"a long subject":           with("sub", strings.Repeat("s", 256)),
		"a subject with NUL":       with("sub", "s\x00"),
		"a replaced character":     with("sub", "s\ufffd"),
		"a subject of a number":    with("sub", 7),
		"no address":               with("email", nil),
		"an address that is none":  with("email", "ada"),
		"an address not verified":  with("email_verified", false),
		"nothing about verified":   with("email_verified", nil),
		"verified in a string":     with("email_verified", "true"),
		"an over-long name":        with("name", strings.Repeat("n", 8<<10)),
		"a long list of audiences": with("aud", []string{"a", "b"}),
	}
	hs256 := func(c jwt.MapClaims) string {
		t.Helper()
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(key.secret)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for name, c := range accepted {
		id, _, err := verifier.Verify(t.Context(), hs256(c))
		if err != nil || id.Subject != c["sub"] || id.Email.String() != "ada@uni.example" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	tokens := map[string]string{
		"nothing":             "",
		"a word":              "token",
		"dots":                "..",
		"a signature cut off": hs256(good)[:len(hs256(good))-4],
		"no signature":        strings.Join(strings.Split(hs256(good), ".")[:2], ".") + ".",
		"a megabyte":          strings.Repeat("a", 1<<20),
		"a second token":      hs256(good) + "." + hs256(good),
	}
	for name, c := range refused {
		tokens[name] = hs256(c)
	}
	for name, method := range map[string]jwt.SigningMethod{"HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512} {
		signed, err := jwt.NewWithClaims(method, good).SignedString(key.secret)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = signed
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, good).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	tokens["unsigned"] = none
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if tokens["an algorithm of two keys"], err = jwt.NewWithClaims(jwt.SigningMethodES256, good).SignedString(private); err != nil {
		t.Fatal(err)
	}
	for name, token := range tokens {
		if id, _, err := verifier.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) || id != (account.Identity{}) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// Only the holder of an authentic token learns what is wrong with their address.
func TestAuthenticTokenWithoutAUsableAddress(t *testing.T) {
	t.Parallel()
	key := openKey(t, t.TempDir())
	other := openKey(t, t.TempDir())
	sign := func(by *Key, changes jwt.MapClaims) string {
		t.Helper()
		c := jwt.MapClaims{"iss": "issuer", "aud": "gateway", "sub": "s1", "exp": time.Now().Add(time.Hour).Unix(), "email": "ada@uni.example", "email_verified": true}
		maps.Copy(c, changes)
		maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(by.secret)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	missing, unverified := ErrEmailMissing, ErrEmailNotVerified
	for what, c := range map[string]struct {
		changes          jwt.MapClaims
		want             error
		verifying, named error // of an issuer that verifies all addresses; of one that calls the claim upn
	}{
		"good":                    {nil, nil, nil, missing},
		"not verified":            {jwt.MapClaims{"email_verified": false}, unverified, unverified, missing},
		"nothing about verifying": {jwt.MapClaims{"email_verified": nil}, unverified, nil, missing},
		"verified by word":        {jwt.MapClaims{"email_verified": "true"}, unverified, unverified, missing},
		"no address":              {jwt.MapClaims{"email": nil}, missing, missing, missing},
		"an empty address":        {jwt.MapClaims{"email": ""}, missing, missing, missing},
		"an address in a list":    {jwt.MapClaims{"email": []string{"ada@uni.example"}}, missing, missing, missing},
		"a name and an address":   {jwt.MapClaims{"email": "Ada <ada@uni.example>"}, missing, missing, missing},
		"another claim":           {jwt.MapClaims{"email": nil, "upn": "ada@uni.example"}, missing, missing, nil},
		"two claims":              {jwt.MapClaims{"upn": "ada@uni.example"}, nil, nil, nil},
	} {
		for _, i := range []struct {
			issuer Issuer
			want   error
		}{
			{issuer, c.want},
			{Issuer{Name: issuer.Name, Audience: issuer.Audience, EmailVerified: true}, c.verifying},
			{Issuer{Name: issuer.Name, Audience: issuer.Audience, EmailClaim: "upn"}, c.named},
		} {
			verifier := Verifier{Development: &Key{i.issuer, key.secret, key.parser}}
			if _, _, err := verifier.Verify(t.Context(), sign(key, c.changes)); !errors.Is(err, i.want) || err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%s, %+v: %v, want %v", what, i.issuer, err, i.want)
			}
			if _, _, err := verifier.Verify(t.Context(), sign(other, c.changes)); !errors.Is(err, ErrInvalid) || errors.Is(err, missing) || errors.Is(err, unverified) {
				t.Errorf("%s, forged: %v", what, err)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	key := openKey(f, f.TempDir())
	verifier := Verifier{Development: key}
	signed := sign(f, key, "ada@uni.example")
	for _, seed := range []string{"", "..", signed, signed[1:], "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := verifier.Verify(t.Context(), token); (err == nil) != (token == signed) || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
