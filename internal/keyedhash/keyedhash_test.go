package keyedhash_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// Hashes are stored: another one for the same texts would lose what is stored.
func TestSumNeverChanges(t *testing.T) {
	t.Parallel()
	stored := bytes.Repeat([]byte{7}, 32)
	for _, c := range []struct {
		secret, want string
		texts        []string
	}{
		{"", "c0848834bc8ddfc94b2cb739f1b6436aa531e4814a6805200a7aa0e75ed60bff", []string{"zoe@new.example"}},
		{"a secret of the operator that is long enough", "eaae60eedf9b3fc3ac782196fcc9bcb1a88a43bff31048ea2ab25f13b3b06894", []string{"zoe@new.example"}},
	} {
		if got := hex.EncodeToString(keyedhash.New(stored, c.secret).Sum("test", c.texts...)); got != c.want {
			t.Errorf("%q %q: %s, want %s", c.secret, c.texts, got, c.want)
		}
	}
}

func TestSumDiffersByKeySecretPurposeAndTexts(t *testing.T) {
	t.Parallel()
	stored := bytes.Repeat([]byte{7}, 32)
	key := keyedhash.New(stored, "")
	seen := map[string]string{}
	for name, sum := range map[string][]byte{
		"a":                key.Sum("test", "abc"),
		"another purpose":  key.Sum("other", "abc"),
		"purpose and text": key.Sum("testabc"),
		"two texts":        key.Sum("test", "ab", "c"),
		"split elsewhere":  key.Sum("test", "a", "bc"),
		"three texts":      key.Sum("test", "a", "b", "c"),
		"with a NUL":       key.Sum("test", "a\x00bc"),
		"another secret":   keyedhash.New(stored, "secret").Sum("test", "abc"),
		"another key":      keyedhash.New(bytes.Repeat([]byte{8}, 32), "").Sum("test", "abc"),
	} {
		if other, known := seen[string(sum)]; known {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[string(sum)] = name
	}
}

// Every gateway on a database has the same key, and each database its own.
func TestReadReturnsTheKeyOfTheDatabase(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	read := func(secret string) string {
		t.Helper()
		k, err := keyedhash.Read(t.Context(), db, secret)
		if err != nil {
			t.Fatal(err)
		}
		return string(k.Sum("test", "zoe@new.example"))
	}
	before, secret := read(""), read("secret")
	if before == secret {
		t.Error("the secret makes no difference")
	}
	if again := read(""); again != before {
		t.Error("the key has changed")
	}
	if before == string(keyedhash.Key{}.Sum("test", "zoe@new.example")) {
		t.Error("the key is the zero value")
	}
	if _, err := db.Exec(t.Context(), `update hash_key set key = sha256('another')`); err != nil {
		t.Fatal(err)
	}
	if read("") == before {
		t.Error("the stored key makes no difference")
	}
}
