package postgrestest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
)

const (
	temporary = "/tmp" // short, and open to the user that PostgreSQL runs as
	prefix    = "datahub-test-"

	sweepLimit = 5 * time.Second
)

// sweep removes what test runs that were killed left behind. Folders in use and
// those of other users stay.
func sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	for _, place := range []string{temporary, memory} {
		entries, _ := os.ReadDir(place)
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
				_ = embedded.Remove(ctx, filepath.Join(place, e.Name()))
			}
		}
	}
}
