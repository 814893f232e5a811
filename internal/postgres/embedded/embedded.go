// Package embedded runs a PostgreSQL that belongs to this process. It is started
// from the programs installed on this machine, listens on a unix socket only,
// and ends when this process ends, in whichever way.
//
// A data folder holds:
//
//	data/            PostgreSQL's own folder
//	initialising-*/  one that initdb has not finished; swept at the next start
//	lock             locked (flock) by the process whose server uses the folder
//	.s.PGSQL.5432    the socket, where the folder's path is short enough for it
package embedded

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lib/pq"
)

const (
	startLimit     = 2 * time.Minute        // initdb on a slow disk, or recovery after a crash
	fastShutdown   = 10 * time.Second       // until Stop asks for an immediate one
	lastShutdown   = 10 * time.Second       // until Stop kills, and again until it gives up
	outputLimit    = 2 * time.Second        // for orphans that keep the dead server's output open
	pollInterval   = 10 * time.Millisecond  // between two looks at something awaited
	lockPatience   = 500 * time.Millisecond // for a killed gateway to let go of its lock
	predecessorEnd = 15 * time.Second       // for a killed gateway's postgres to shut down

	defaultConnections = 100
)

// ErrFolder says that the data folder cannot be used; what follows it says why.
var ErrFolder = errors.New("private PostgreSQL")

// Options says which server Start starts.
type Options struct {
	// Dir is the data folder. It is created when missing, together with its
	// parents, and kept at Stop. It must be empty or an earlier server's; where
	// this process is root, PostgreSQL's user must be able to enter its parents.
	Dir string

	// Durable makes what is committed survive a crash of the machine. Without
	// it the server is faster, and fit for tests only.
	Durable bool

	// Log receives what the server prints; nil drops it. Its errors are
	// ignored; a Write that blocks blocks the server.
	Log io.Writer

	// MaxConnections bounds the connections open at once; 0 means 100.
	MaxConnections int
}

// Server is a PostgreSQL that belongs to this process and ends with it.
type Server struct {
	folder *folder
	socket *socketFolder
	log    *logTail
	child  *child

	stop    sync.Once
	stopErr error
}

// ClearEnvironment takes PGHOSTADDR and its like out of this process's
// environment: a driver that reads them could connect to another
// server than the private one, despite its DSN.
func ClearEnvironment() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
}

// Start starts a server and returns once it takes connections. It gives up
// when ctx ends, and after two minutes. ctx does not bound the server's life:
// only Stop and the end of this process do.
//
// The error is one line where somebody can put it right: PostgreSQL's programs
// are missing, the folder is in use (ErrInUse), is not the server's, or cannot
// be reached by the user PostgreSQL runs as. Where PostgreSQL itself failed, the
// last lines it printed follow.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()

	folder, err := claim(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	s := &Server{folder: folder, log: &logTail{to: o.Log}}
	if err := s.start(ctx, o); err != nil {
		_ = s.Stop() // err says what went wrong
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) error {
	programs, err := findPrograms(s.folder.version(), usualPlaces)
	if err != nil {
		return err
	}
	if err := s.folder.awaitPredecessor(ctx); err != nil {
		return err
	}
	if err := s.folder.initialise(ctx, programs, o.Durable); err != nil {
		return err
	}
	if s.socket, err = openSocketFolder(s.folder); err != nil {
		return err
	}
	if s.child, err = launch(s.command(programs, o), syscall.SIGINT); err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

func (s *Server) command(programs programs, o Options) *exec.Cmd {
	settings := []string{
		"listen_addresses=",
		"unix_socket_permissions=0700",
		"timezone=UTC", // initdb wrote down the machine's own
		"log_timezone=UTC",
		"max_connections=" + strconv.Itoa(cmp.Or(o.MaxConnections, defaultConnections)),
	}
	if !o.Durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.folder.data(), "-k", s.socket.path, "-p", socketPort}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	// Not Start's context: the server outlives it.
	cmd := s.folder.command(context.Background(), programs.postgres(), args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	return cmd
}

func (s *Server) awaitReady(ctx context.Context) error {
	connector, err := pq.NewConnector(s.DSN("postgres"))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	err = poll(ctx, func() (bool, error) {
		select {
		case <-s.Done():
			return false, fmt.Errorf("postgres ended at its start (%v)", s.child.err)
		default:
			return s.saysReady() && db.PingContext(ctx) == nil, nil
		}
	})
	if err != nil {
		return fmt.Errorf("%w; its last lines:\n%s", err, s.log)
	}
	return nil
}

// saysReady spares the server's log the connections that it refuses while it
// recovers from a crash.
func (s *Server) saysReady() bool {
	pid, state := s.folder.postmaster()
	return pid == s.child.process.Pid && state == "ready"
}

// DSN returns the connection string of a database on this server, which need
// not exist: keyword/value pairs, user postgres, over the unix socket, giving
// up on a connection that does not come about within five seconds.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s port=%s user=postgres dbname=%s sslmode=disable connect_timeout=5",
		quote(s.socket.path), socketPort, quote(database))
}

func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// Done is closed when the server has ended, for any reason.
func (s *Server) Done() <-chan struct{} {
	return s.child.done
}

// Stop ends the server and returns once it has: open transactions are rolled
// back and everything committed is written. A server that has not ended after
// ten seconds is told to end at once, and recovers at its next start; one that
// ignores this for ten more is killed. The data folder stays, free for another
// server.
//
// The error says that the server did not end in good order, by Stop or before.
// Further calls wait for the first and return the same.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		s.stopErr = s.child.stop()
		s.socket.close()
		s.folder.release()
	})
	return s.stopErr
}
