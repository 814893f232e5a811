package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// The algorithms of keys: RFC 7518, section 3.1, and RFC 8037, section 3.1.
const (
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

const (
	maxKeys    = 100
	minRSABits = 2048 // RFC 7518, section 3.3
	maxRSABits = 8192 // beyond, each forged token would cost milliseconds
)

// parse reads a key set (RFC 7517, section 5). Keys that cannot be used are
// ignored, since sets have keys for other purposes too.
func parse(text []byte) (keys map[id]crypto.PublicKey, ignored int, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // a byte order mark may be ignored (RFC 8259, section 8.1)
	if err := json.Unmarshal(text, &set); err != nil || set.Keys == nil {
		return nil, 0, errors.New("the provider's answer is not a key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, 0, fmt.Errorf("the key set has more than %d keys", maxKeys)
	}
	keys = map[id]crypto.PublicKey{}
	for _, text := range set.Keys {
		if which, key, ok := parseKey(text); ok {
			keys[which] = key
		} else {
			ignored++
		}
	}
	return keys, ignored, nil
}

// parseKey reads a key (RFC 7517, section 4). ok is false where signatures cannot be
// verified with it, or where others could sign with it.
func parseKey(text []byte) (which id, key crypto.PublicKey, ok bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(text, &m) != nil || m.KID == "" {
		return id{}, nil, false
	}
	signs := (m.USE == "" || m.USE == jwkset.UseSig) && (m.KEYOPS == nil || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
	published := m.D != "" // a private key that everybody can read
	if !signs || published {
		return id{}, nil, false
	}
	jwk, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, N: m.N, E: m.E, X: m.X, Y: m.Y},
		jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return id{}, nil, false
	}
	alg := algorithm(jwk.Key())
	named := m.ALG.String()
	if named == "Ed25519" { // EdDSA's name since RFC 9864
		named = EdDSA
	}
	if alg == "" || named != "" && named != alg {
		return id{}, nil, false
	}
	return id{m.KID, alg}, jwk.Key(), true
}

// algorithm returns the algorithm of a key, or "" where the key is weak or of a kind
// that is not accepted.
func algorithm(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); minRSABits <= bits && bits <= maxRSABits {
			return RS256
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return ES256
		}
	case ed25519.PublicKey:
		return EdDSA
	}
	return ""
}
