package postgrestest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/lib/pq" // the driver

	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
)

const (
	timeZone    = "Pacific/Auckland"
	connections = 300 // at once, over all tests of a package

	// Copies share the template's lock, and two take half as long together as
	// one after the other; more than four gain nothing.
	clonesAtOnce = 4

	startLimit = 3 * time.Minute // the migration included
	cloneLimit = 3 * time.Minute // for a clone or its end, waiting for others included
	leakLimit  = time.Minute     // for goroutines to end after the tests
)

// server is a PostgreSQL with a migrated template.
type server struct {
	migrate func(ctx context.Context, dsn string) error

	once     sync.Once
	startErr error
	dir      string
	postgres *embedded.Server
	admin    *sql.DB

	clones atomic.Int64
}

// start starts the server where no test has done so before.
func (s *server) start() error {
	s.once.Do(func() { s.startErr = s.startNow() })
	return s.startErr
}

func (s *server) startNow() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()

	sweep(ctx)
	if s.dir, err = os.MkdirTemp(place(), prefix); err != nil {
		return err
	}
	if s.postgres, err = embedded.Start(ctx, embedded.Options{Dir: s.dir, MaxConnections: connections}); err != nil {
		return err
	}
	if s.admin, err = sql.Open("postgres", s.postgres.DSN("postgres")); err != nil {
		return err
	}
	s.admin.SetMaxOpenConns(clonesAtOnce)
	return s.makeTemplate(ctx)
}

func (s *server) makeTemplate(ctx context.Context) error {
	// For all databases at once, as a clone does not inherit its template's.
	if _, err := s.admin.ExecContext(ctx, "ALTER ROLE ALL SET timezone = '"+timeZone+"'"); err != nil {
		return err
	}
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE template"); err != nil {
		return err
	}
	if err := s.migrate(ctx, s.postgres.DSN("template")); err != nil {
		return fmt.Errorf("migrating the template: %w", err)
	}
	return nil
}

// clone copies the template, by PostgreSQL's own choice of strategy: neither is
// faster than the other, and versions before 15 know no such choice.
func (s *server) clone(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cloneLimit)
	defer cancel()
	name := fmt.Sprintf("test_%d", s.clones.Add(1))
	_, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE template")
	return name, err
}

func (s *server) drop(name string) error {
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), cloneLimit)
	defer cancel()
	_, err := s.admin.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// stop ends what start began, however far it came.
func (s *server) stop() error {
	if s.dir == "" {
		return nil
	}
	var errs []error
	if s.admin != nil {
		errs = append(errs, s.admin.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
