package postgres

import (
	"fmt"
	"testing"

	"github.com/lib/pq"
)

// Connection strings with several hosts are those of libpq.
func TestSeveralHosts(t *testing.T) {
	for dsn, want := range map[string]string{
		"host=one,two user=ada":                                         "one:5432 two:5432 read-write",
		"host=one,two port=1,2 user=ada target_session_attrs=any":       "one:1 two:2 any",
		"postgres://ada:a%2Cb@one,two/db":                               "one:5432 two:5432 read-write",
		"postgres://ada@one:1,two/db":                                   "one:1 two:5432 read-write",
		"postgresql://ada@one:1,two:2/db?target_session_attrs=primary":  "one:1 two:2 primary",
		"postgres://ada@[::1]:1,[fe80::1]:2,three/db?connect_timeout=2": "::1:1 fe80::1:2 three:5432 read-write",
		"postgres://one:1,two:2?user=ada":                               "one:1 two:2 read-write",
		"postgres://ada@one:1/db?application_name=a,b":                  "one:1 ",
		"postgres://ada@one/db":                                         "one:5432 ",
		"host=one user=ada":                                             "one:5432 ",
	} {
		var got string
		if _, err := newConnector(dsn, func(c *pq.Config) {
			got = fmt.Sprintf("%s:%d ", c.Host, c.Port)
			for _, m := range c.Multi {
				got += fmt.Sprintf("%s:%d ", m.Host, m.Port)
			}
			got += string(c.TargetSessionAttrs)
		}); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", dsn, got, want, err)
		}
	}
	for _, dsn := range []string{"postgres://ada@one:1,two:x/db", "host=one,two port=1,2,3 user=ada"} {
		if _, err := newConnector(dsn, func(*pq.Config) {}); err == nil {
			t.Errorf("%s is taken", dsn)
		}
	}
}
