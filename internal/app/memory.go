package app

import "github.com/KimMachineGun/automemlimit/memlimit"

// limitRatio is the part of a container's memory from which Go collects the heap more
// often; the rest is for what is not in the heap.
const limitRatio = 0.9

// tuneGC sets from which heap on it is collected more often; GOMEMLIMIT in the
// environment wins. How much a heap grows before that is left to Go (GOGC=100): with 200,
// requests take 5 % less of the CPU, and 16 requests of 1,000 addresses at once 158 MiB
// instead of 108.
func tuneGC() {
	// It fails where the gateway runs in no container: then there is no limit.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(limitRatio))
}
