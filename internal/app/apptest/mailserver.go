package apptest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// MailServer is a mail server that takes every mail, unless OnRcpt or OnData say
// otherwise.
type MailServer struct {
	Addr string
	// Arrived notifies about each mail whose content has arrived.
	Arrived Notifier

	t testing.TB

	mu       sync.Mutex
	rcpt     func(to string) error
	data     func(Attempt) error
	listener net.Listener
	server   *smtp.Server
	attempts []Attempt
}

// Attempt is a mail whose content has arrived.
type Attempt struct {
	Number    int // from 1
	Conn      net.Conn
	Hello     string // the name in EHLO
	From      string // of the envelope
	To        string
	Header    mail.Header
	MessageID string
	Subject   string
	Link      string // behind the button of an invitation
	Taken     bool   // the server has said so
}

func (a Attempt) String() string { return fmt.Sprint(a.To, a.MessageID, a.Link, a.Taken) }

// Token returns the secret in the mail's link.
func (a Attempt) Token() string {
	_, token, _ := strings.Cut(a.Link, "#")
	return token
}

// Reply is a server's reply with an enhanced code of the same class.
func Reply(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// EnhancedReply is a server's reply; one without an enhanced code where the class
// is 0.
func EnhancedReply(code, class, subject, detail int, text string) error {
	enhanced := smtp.EnhancedCode{class, subject, detail}
	if class == 0 {
		enhanced = smtp.NoEnhancedCode
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// NewMailServer starts a mail server, which stops at the end of the test.
func NewMailServer(t testing.TB) *MailServer {
	t.Helper()
	s := &MailServer{t: t, Addr: "127.0.0.1:0"}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Use has a gateway send its mails here.
func (s *MailServer) Use(settings *app.Settings) { settings.SMTPURL = "smtp://" + s.Addr }

// OnRcpt has the server reply to each recipient with an error; nil is a yes.
func (s *MailServer) OnRcpt(reply func(to string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcpt = reply
}

// Refuse has the server refuse one recipient, and accept all others.
func (s *MailServer) Refuse(recipient string, code int, text string) {
	s.OnRcpt(func(to string) error {
		if to == recipient {
			return Reply(code, text)
		}
		return nil
	})
}

// OnData has the server reply to each mail's content with an error; nil is a yes.
func (s *MailServer) OnData(reply func(Attempt) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = reply
}

// Listen starts the server again after Stop, at the same address.
func (s *MailServer) Listen() error {
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	s.Addr, s.listener = listener.Addr().String(), listener
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: s, client: c}, nil
	}))
	s.server.Domain = "localhost"
	s.server.ErrorLog = silent{}
	go s.server.Serve(listener) //nolint:errcheck // ends with Stop, with nothing to say
	return nil
}

// Stop ends the server. It fails the test where a client does not hang up.
func (s *MailServer) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil && err != smtp.ErrServerClosed {
		s.t.Errorf("a client has not hung up: %v", err)
	}
	_ = s.listener.Close() // where serving had not begun
}

// Attempts returns the attempts so far.
func (s *MailServer) Attempts() []Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

// Token returns the secret in the link of the first mail that was taken for an
// address.
func (s *MailServer) Token(email string) string {
	s.t.Helper()
	for _, a := range s.Attempts() {
		if a.To == email && a.Taken {
			return a.Token()
		}
	}
	s.t.Fatalf("no mail for %s", email)
	return ""
}

// mailSession is one client's connection.
type mailSession struct {
	server *MailServer
	client *smtp.Conn
	from   string
	to     string
}

func (s *mailSession) Logout() error { return nil }
func (s *mailSession) Reset()        { s.from, s.to = "", "" }

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.to != "" {
		s.server.t.Errorf("a mail to both %s and %s", s.to, to)
	}
	s.to = to
	s.server.mu.Lock()
	reply := s.server.rcpt
	s.server.mu.Unlock()
	if reply == nil {
		return nil
	}
	return reply(to)
}

func (s *mailSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	a := Attempt{Conn: s.client.Conn(), Hello: s.client.Hostname(), From: s.from, To: s.to, Header: m.Header, MessageID: m.Header.Get("Message-Id"), Subject: m.Header.Get("Subject")}
	_, text, _ := strings.Cut(strings.ReplaceAll(string(body), "=\r\n", ""), "Review invitation:\r\n")
	a.Link, _, _ = strings.Cut(text, "\r\n")
	a, reply := s.server.add(a)
	if reply != nil {
		if err := reply(a); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.attempts[a.Number-1].Taken = true
	return nil
}

// add numbers an attempt, and returns what replies to it.
func (s *MailServer) add(a Attempt) (Attempt, func(Attempt) error) {
	defer s.Arrived.Notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Number = len(s.attempts) + 1
	s.attempts = append(s.attempts, a)
	return a, s.data
}

// silent is a log for sessions that are meant to break.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
