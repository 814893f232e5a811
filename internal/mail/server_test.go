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

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// closeTimeout is how long a server waits for clients that should be gone.
const closeTimeout = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a mail server that follows a script, and accepts everything that the
// script does not mention.
type server struct {
	url    *url.URL
	script script

	mu       sync.Mutex
	sessions int
	received []received
}

// script answers the steps of a mail. A nil step accepts.
type script struct {
	greet func() error
	from  func(c *smtp.Conn) error
	to    func(recipient string) error
	data  func(content string) error
	reset func(c *smtp.Conn) // after each mail, and again at RSET

	without bool // SMTPUTF8
}

// received is a mail that was accepted.
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
	server.EnableSMTPUTF8 = !s.without
	server.ErrorLog = silent{}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("a client has not closed its connection: %v", err)
		}
		serving.Wait()
	})
	return result
}

// mails returns the accepted mails and the number of sessions.
func (s *server) mails() ([]received, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received, s.sessions
}

// sender returns a sender that opens one connection only, however slow the machine.
func (s *server) sender(t testing.TB) *mail.Sender {
	t.Helper()
	sender, err := mail.NewSender(s.url, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		t.Fatal(err)
	}
	sender.SetStallTime(time.Hour)
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

// silent discards what the server logs about broken sessions.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
