package postgres_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// network is a way to the database that can stall: what has been sent is kept,
// and nothing arrives.
type network struct {
	listener net.Listener
	server   string // the path of its socket
	pipes    sync.WaitGroup

	mu    sync.Mutex
	flows chan struct{} // closed while it does
	ends  []net.Conn
}

func newNetwork(t *testing.T, dsn string) (n *network, through string) {
	t.Helper()
	config, err := pq.NewConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n = &network{listener: listener, server: filepath.Join(config.Host, ".s.PGSQL."+itoa(int(config.Port))), flows: make(chan struct{})}
	close(n.flows)
	n.pipes.Go(n.accept)
	t.Cleanup(func() {
		n.listener.Close()
		n.flow()
		n.mu.Lock()
		for _, end := range n.ends {
			end.Close()
		}
		n.mu.Unlock()
		n.pipes.Wait()
	})
	return n, dsn + " connect_timeout=1 host=127.0.0.1 port=" + itoa(listener.Addr().(*net.TCPAddr).Port)
}

func (n *network) accept() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", n.server)
		if err != nil {
			client.Close()
			continue
		}
		n.mu.Lock()
		n.ends = append(n.ends, client, server)
		n.mu.Unlock()
		n.pipes.Go(func() { n.pipe(client, server) })
		n.pipes.Go(func() { n.pipe(server, client) })
	}
}

func (n *network) pipe(from, to net.Conn) {
	defer to.Close()
	b := make([]byte, 4096)
	for {
		count, err := from.Read(b)
		if err != nil {
			return
		}
		n.mu.Lock()
		flows := n.flows
		n.mu.Unlock()
		<-flows
		if _, err := to.Write(b[:count]); err != nil {
			return
		}
	}
}

func (n *network) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows = make(chan struct{})
}

func (n *network) flow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.flows:
	default:
		close(n.flows)
	}
}

// Every call ends, also when the network stalls in the middle of it.
func TestStalledNetwork(t *testing.T) {
	dsn := newDatabase(t)
	var calls sync.WaitGroup
	for name, call := range map[string]func(ctx context.Context, db *postgres.DB, stall func()) error{
		"a statement": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			return db.Ping(ctx)
		},
		"one with arguments": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			_, err := db.Exec(ctx, `select $1::int`, 1)
			return err
		},
		"one that is prepared": func(ctx context.Context, db *postgres.DB, stall func()) error {
			var n int
			if err := db.Get(ctx, &n, `select $1::int`, 1); err != nil {
				return err
			}
			stall()
			return db.Get(ctx, &n, `select $1::int`, 1)
		},
		"the beginning of a transaction": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			return db.InTx(ctx, func(*postgres.Tx) error { return nil })
		},
		"a statement of a transaction": func(ctx context.Context, db *postgres.DB, stall func()) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error {
				stall()
				return tx.Get(ctx, new(int), `select $1::int`, 1)
			})
		},
		"a commit": func(ctx context.Context, db *postgres.DB, stall func()) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error {
				err := tx.Get(ctx, new(int), `select $1::int`, 1)
				stall()
				return err
			})
		},
	} {
		n, through := newNetwork(t, dsn)
		db := open(t, through, postgres.Options{})
		if err := db.Ping(withPatience(t)); err != nil {
			t.Fatal(err)
		}
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- call(ctx, db, n.stall) }()
			select {
			case err := <-ended:
				if err == nil || !postgres.IsUnavailable(err) {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(patience):
				t.Errorf("%s hangs", name)
				n.flow()
				<-ended
			}
			n.flow()
			if err := db.Ping(withPatience(t)); err != nil {
				t.Errorf("%s: when it flows again: %v", name, err)
			}
		})
	}
	calls.Wait()
}
