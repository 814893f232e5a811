// Package networktest puts a network that fails between a test and its database.
package networktest

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lib/pq"
)

// Network is a way to a database that can stall: what has been sent is kept, and
// nothing arrives. It can also break in the middle of a statement.
type Network struct {
	listener net.Listener
	server   string // the path of its socket
	pipes    sync.WaitGroup

	mu      sync.Mutex
	flows   chan struct{} // closed while it does
	ends    []net.Conn
	breaks  *loss
	cancels int
}

// loss is the answer that is to be lost: to text, on the connection on which after
// was sent before.
type loss struct{ after, text []byte }

// New puts a network before the server of a DSN, and returns the DSN that goes
// through it. It ends with the test.
func New(t testing.TB, dsn string) (n *Network, through string) {
	t.Helper()
	config, err := pq.NewConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n = &Network{
		listener: listener,
		server:   filepath.Join(config.Host, fmt.Sprintf(".s.PGSQL.%d", config.Port)),
		flows:    make(chan struct{}),
	}
	close(n.flows)
	n.pipes.Go(n.accept)
	t.Cleanup(func() {
		n.listener.Close()
		n.Flow()
		n.mu.Lock()
		for _, end := range n.ends {
			end.Close()
		}
		n.mu.Unlock()
		n.pipes.Wait()
	})
	return n, fmt.Sprintf("%s host=127.0.0.1 port=%d", dsn, listener.Addr().(*net.TCPAddr).Port)
}

func (n *Network) accept() {
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
		lost := make(chan struct{})
		n.pipes.Go(func() { n.requests(client, server, lost) })
		n.pipes.Go(func() { n.answers(server, client, lost) })
	}
}

// requests hands on what the client sends. It closes lost before it hands on the
// statement whose answer is to be lost.
func (n *Network) requests(client, server net.Conn, lost chan<- struct{}) {
	var seen *loss // whose after was sent
	n.pipe(client, server, func(sent []byte) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		if bytes.HasPrefix(sent, cancelRequest) {
			n.cancels++
		}
		if n.breaks == nil {
			return true
		}
		if bytes.Contains(sent, n.breaks.after) {
			seen = n.breaks
		}
		if seen == n.breaks && bytes.Contains(sent, n.breaks.text) {
			n.breaks = nil
			close(lost)
		}
		return true
	})
}

// answers hands on what the server sends, and ends with the answer that is to be
// lost.
func (n *Network) answers(server, client net.Conn, lost <-chan struct{}) {
	n.pipe(server, client, func([]byte) bool {
		select {
		case <-lost:
			return false
		default:
			return true
		}
	})
}

func (n *Network) pipe(from, to net.Conn, handsOn func([]byte) bool) {
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
		if !handsOn(b[:count]) {
			return
		}
		if _, err := to.Write(b[:count]); err != nil {
			return
		}
	}
}

// Stall keeps what is sent, in both directions.
func (n *Network) Stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flows = make(chan struct{})
}

// Flow ends a stall.
func (n *Network) Flow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.flows:
	default:
		close(n.flows)
	}
}

// cancelRequest begins a CancelRequest of PostgreSQL's protocol 3.0.
var cancelRequest = []byte{0, 0, 0, 16, 4, 210, 22, 46}

// Cancels is the number of requests to cancel a statement that clients have sent.
func (n *Network) Cancels() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cancels
}

// Commit is what a client sends to commit.
const Commit = "COMMIT\x00"

// LoseAnswer breaks a connection after the server has answered a text and before
// the answer arrives: the first connection on which text is sent with or after the
// text after.
func (n *Network) LoseAnswer(after, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.breaks = &loss{[]byte(after), []byte(text)}
}
