package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
	"alphacruncher.com/datahub-gateway/internal/token"
)

// serveCommand serves until ctx ends: on the database at DATABASE_URL, or on a
// private one that it starts, migrates and fills with the demo world.
type serveCommand struct {
	Reset bool `help:"Start with a fresh private database and an empty mailbox."`
}

func (c serveCommand) Run(ctx context.Context, t terminal, s *Settings) (err error) {
	if err := s.checkServing(); err != nil {
		return err
	}
	if s.Development {
		if err := s.makeDataDir(); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewJSONHandler(t.err, nil))
	tuneGC()
	besideDatabase := s.Development && s.DatabaseURL != ""
	if c.Reset {
		if err := reset(ctx, s); err != nil {
			return err
		}
	}
	var databaseEnded <-chan struct{} // never, where the database is not private
	if s.DatabaseURL == "" {
		private, failure := startPrivateDatabase(ctx, s)
		if failure != nil {
			return failure
		}
		defer func() { err = errors.Join(err, private.Stop()) }()
		databaseEnded = private.Done()
	}
	g, err := Start(ctx, *s, log)
	if err != nil {
		return err
	}
	if besideDatabase { // it has started: a start that fails prints one line
		warnOfDevelopment(ctx, log, s)
	}
	if err := announce(t.out, g, s); err != nil {
		return errors.Join(err, g.Stop())
	}
	select {
	case <-ctx.Done():
	case <-databaseEnded:
		err = errors.New("the private PostgreSQL has ended")
	case err = <-g.Failed():
	}
	return errors.Join(err, g.Stop())
}

// warnOfDevelopment logs what development opens, for an operator who has left it on where
// other people's data is.
func warnOfDevelopment(ctx context.Context, log *slog.Logger, s *Settings) {
	open := []string{"tokens that the key in DATAHUB_DATA_DIR has signed, for any address"}
	for _, o := range []struct {
		what string
		on   bool
	}{
		{"tokens of the demo people on the page", s.OIDCClientID == ""},
		{"introspection", s.introspection()},
		{"the playground", s.playground()},
		{"the mailbox, which gets all mails", s.SMTPURL == ""},
	} {
		if o.on {
			open = append(open, o.what)
		}
	}
	log.LogAttrs(ctx, slog.LevelWarn, "DATAHUB_DEVELOPMENT is on beside DATABASE_URL", slog.Any("open", open),
		slog.String("remedy", "Unset DATAHUB_DEVELOPMENT, unless the database has no data of other people."))
}

// reset removes the private database and the mails. Keys stay, so that tokens stay
// valid.
func reset(ctx context.Context, s *Settings) error {
	if s.DatabaseURL != "" {
		return errors.New("--reset: it is for the private database, and DATABASE_URL names another one")
	}
	// The database first: its removal fails while another gateway uses the folder.
	if err := embedded.Remove(ctx, privateDatabaseDir(s)); err != nil {
		return setting("DATAHUB_DATA_DIR", err)
	}
	return os.RemoveAll(mailboxDir(s))
}

// startPrivateDatabase starts the private database, migrates it, loads the demo
// world, and sets DatabaseURL.
func startPrivateDatabase(ctx context.Context, s *Settings) (*embedded.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	embedded.ClearEnvironment()
	server, err := embedded.Start(ctx, embedded.Options{Dir: privateDatabaseDir(s), Durable: true})
	if errors.Is(err, embedded.ErrFolder) {
		return nil, setting("DATAHUB_DATA_DIR", err)
	}
	if err != nil {
		return nil, err
	}
	s.DatabaseURL = server.DSN("postgres")
	_, err = postgres.Migrate(ctx, s.DatabaseURL, "")
	if err == nil {
		err = withDatabase(ctx, s, func(db *postgres.DB) error { return demo.Load(ctx, db) })
	}
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

func privateDatabaseDir(s *Settings) string { return filepath.Join(s.DataDir, "postgres") }

// announce prints where the gateway listens and, in development, a token for
// every person of the demo world.
func announce(out io.Writer, g *Gateway, s *Settings) error {
	at := g.URL()
	fmt.Fprintf(out, "DataHub gateway listens on %s\n\n  GraphQL     %s/graphql\n", at, at)
	if builtPage()[indexFile] != nil {
		fmt.Fprintf(out, "  Page        %s/app/\n", at)
	}
	if s.playground() {
		fmt.Fprintf(out, "  Playground  %s/\n", at)
	}
	if s.SMTPURL == "" {
		fmt.Fprintf(out, "  Mailbox     %s/mailbox\n", at)
	}
	fmt.Fprintf(out, "  Schema      %s/schema.graphql\n", at)
	if metrics := g.MetricsURL(); metrics != "" {
		fmt.Fprintf(out, "  Metrics     %s\n", metrics)
	}
	if !s.Development {
		return nil
	}
	key, err := openDevelopmentKey(s)
	if err != nil {
		return err
	}
	people, err := demoPeople(key)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nTokens, good for %d days:\n", token.DevelopmentLifetime/(24*time.Hour))
	for _, p := range people {
		fmt.Fprintf(out, "\n%s, %s\n%s\n", p.Email, p.Description, p.Token)
	}
	return nil
}
