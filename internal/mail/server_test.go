package mail_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
)

// patience is how long a server waits for a client that ought to be gone.
const patience = 10 * time.Second

// A sender that has returned keeps no connection open.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server that does as its script says, and takes whatever the
// script says nothing about.
type server struct {
	url    *url.URL
	script script

	mu       sync.Mutex
	sessions int
	received []received
}

// script answers the steps of a mail. A nil step takes it.
type script struct {
	greet func() error
	from  func(c *smtp.Conn) error
	to    func(recipient string) error
	data  func(content string) error
	reset func(c *smtp.Conn) // after a mail, and again when the client asks for it
}

// received is a mail that was taken.
type received struct {
	to      []string
	content string
}

func newServer(t testing.TB, s script) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	result := &server{url: &url.URL{Scheme: "smtp", Host: listener.Addr().String()}, script: s}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		result.mu.Lock()
		defer result.mu.Unlock()
		result.sessions++
		if s.greet != nil {
			if err := s.greet(); err != nil {
				return nil, err
			}
		}
		return &session{server: result, conn: c}, nil
	}))
	server.Domain = "localhost"
	server.EnableSMTPUTF8 = true
	server.ErrorLog = silent{}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("a client has not hung up: %v", err)
		}
		serving.Wait()
	})
	return result
}

// mails are the mails taken, and the number of sessions they took.
func (s *server) mails() ([]received, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received, s.sessions
}

func (s *server) sender(t testing.TB) *mail.Sender {
	t.Helper()
	sender, err := mail.NewSender(s.url, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

type session struct {
	server *server
	conn   *smtp.Conn
	to     []string
}

func (s *session) Logout() error { return nil }

func (s *session) Reset() {
	s.to = nil
	if s.server.script.reset != nil {
		s.server.script.reset(s.conn)
	}
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.server.script.from != nil {
		return s.server.script.from(s.conn)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	if s.server.script.to != nil {
		return s.server.script.to(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.script.data != nil {
		if err := s.server.script.data(string(content)); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, received{s.to, string(content)})
	return nil
}

// silent is a log for sessions that are meant to break.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, problem := address.Parse(text)
	if problem != nil {
		t.Fatal(problem)
	}
	return a
}
