// Datahub-gateway serves the GraphQL API of DataHub: it invites people to
// instances, and restores deleted instances.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"alphacruncher.com/datahub-gateway/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
