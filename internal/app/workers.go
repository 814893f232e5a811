package app

import (
	"context"
	"log/slog"
	"sync"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// worker runs beside requests until its context ends. The log names it where it
// panics.
type worker struct {
	name string
	run  func(context.Context)
}

// workers are the workers of a gateway. One that panics starts again after a
// pause, and disturbs no other.
type workers struct {
	stop    context.CancelFunc
	running sync.WaitGroup
}

func startWorkers(log *slog.Logger, list []worker) *workers {
	ctx, stop := context.WithCancel(context.Background())
	w := &workers{stop: stop}
	for _, each := range list {
		w.running.Go(func() { recovery.Keep(ctx, log, each.name, func() { each.run(ctx) }) })
	}
	return w
}

// wait returns when all workers have ended after stop: each completes what it has
// begun.
func (w *workers) wait() { w.running.Wait() }
