package token

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/token/jwks"
	"alphacruncher.com/datahub-gateway/internal/token/jwks/jwkstest"
)

func TestCacheEndsWithTheToken(t *testing.T) {
	key := openKey(t, t.TempDir())
	// The clock is the test's own: sleeping takes no time.
	synctest.Test(t, func(t *testing.T) {
		signed := sign(t, key, "ada@uni.example")
		c := NewCache(Verifier{Development: key})
		for range 2 {
			if id, until, err := c.Verify(t.Context(), signed); err != nil || id.Subject != "development|ada@uni.example" || time.Until(until) > DevelopmentLifetime {
				t.Errorf("%+v until %v, %v", id, until, err)
			}
		}
		if n := c.known.EstimatedSize(); n != 1 {
			t.Errorf("%d tokens are remembered", n)
		}
		for _, other := range []string{signed + "x", signed[:len(signed)-1], "", "token"} {
			if _, _, err := c.Verify(t.Context(), other); !errors.Is(err, ErrInvalid) {
				t.Errorf("%.10s…: %v", other, err)
			}
		}
		time.Sleep(DevelopmentLifetime + leeway - time.Second)
		if _, until, err := c.Verify(t.Context(), signed); err != nil || time.Until(until) > 2*time.Second {
			t.Errorf("within the leeway: until %v, %v", until, err)
		}
		time.Sleep(2 * time.Second)
		if _, _, err := c.Verify(t.Context(), signed); !errors.Is(err, ErrInvalid) {
			t.Errorf("expired: %v", err)
		}
	})
}

// keysOf returns the keys that a provider publishes, once fetched.
func keysOf(t *testing.T, published ...jwkstest.Key) *jwks.Set {
	t.Helper()
	set := jwks.New(jwkstest.New(t, published...).URL, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		set.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	// A search waits for the first answer, but not for as long as a busy machine may take.
	for {
		if _, err := set.Key(t.Context(), "", ""); !errors.Is(err, jwks.ErrUnavailable) {
			return set
		}
	}
}

func TestCacheEndsWithTheKey(t *testing.T) {
	t.Parallel()
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA} {
		t.Run(method.Alg(), func(t *testing.T) {
			t.Parallel()
			key := jwkstest.NewKey(t, "1", method)
			provider := NewProvider(keysOf(t, key), issuer)
			c := NewCache(Verifier{Provider: provider})
			signed := key.Sign(t, jwt.MapClaims{
				"iss": "issuer", "aud": "gateway", "sub": "s1", "exp": time.Now().Add(time.Hour).Unix(),
				"email": "ada@uni.example", "email_verified": true,
			})
			verify := func() error {
				_, _, err := c.Verify(t.Context(), signed)
				return err
			}
			if err := errors.Join(verify(), verify()); err != nil {
				t.Fatal(err)
			}
			provider.keys = keysOf(t, key) // read again, as every minute
			if err := verify(); err != nil {
				t.Errorf("the same key, read again: %v", err)
			}
			provider.keys = keysOf(t, jwkstest.NewKey(t, "1", method))
			if err := verify(); !errors.Is(err, ErrInvalid) {
				t.Errorf("another key of the same name: %v", err)
			}
			provider.keys = keysOf(t, jwkstest.NewKey(t, "2", method))
			if err := verify(); !errors.Is(err, ErrInvalid) {
				t.Errorf("withdrawn: %v", err)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	key := openKey(b, b.TempDir())
	signed := sign(b, key, "ada@uni.example")
	v := Verifier{Development: key}
	for name, verify := range map[string]func() error{
		"first": func() error { _, _, err := v.Verify(b.Context(), signed); return err },
		"known": func() func() error {
			c := NewCache(v)
			return func() error { _, _, err := c.Verify(b.Context(), signed); return err }
		}(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
