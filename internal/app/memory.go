package app

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// gcPercent is how much the heap grows before it is collected, in percent of what is
	// in use. A gateway has 5 to 40 MiB in use, so Go's default of 100 collects it tens of
	// times a second under load: a sixth of the CPU time. 400 saves little more, and lets
	// requests of 1,000 addresses take 200 MiB.
	gcPercent = 200
	// limitRatio is the part of a container's memory from which Go collects more often;
	// the rest is for what is not in the heap.
	limitRatio = 0.9
)

// tuneGC sets when the heap is collected. GOGC and GOMEMLIMIT in the environment win.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// It fails where the gateway runs in no container: then there is no limit.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(limitRatio))
}
