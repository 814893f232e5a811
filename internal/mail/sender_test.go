package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// messages returns an invitation for each of some people, of one domain where they are
// without one.
func messages(t testing.TB, people ...string) (messages []mail.Message) {
	t.Helper()
	for _, p := range people {
		i := invitation(t)
		name, domain, found := strings.Cut(p, "@")
		if !found {
			domain = "new.example"
		}
		i.ID, i.To = "for-"+name, parse(t, name+"@"+domain)
		messages = append(messages, compose(t, i))
	}
	return messages
}

// errNotReported stands for the outcome of a message that Send does not report.
var errNotReported = errors.New("not reported")

// sendAll returns the outcome of each message.
func sendAll(s *mail.Sender, ctx context.Context, messages []mail.Message) []error {
	errs := slices.Repeat([]error{errNotReported}, len(messages))
	var mu sync.Mutex
	s.Send(ctx, messages, func(i int, err error) {
		mu.Lock()
		defer mu.Unlock()
		errs[i] = err
	})
	return errs
}

func recipients(mails []received) (people []string) {
	for _, m := range mails {
		person, _, _ := strings.Cut(strings.Join(m.to, " "), "@")
		people = append(people, person)
	}
	return people
}

var replied = regexp.MustCompile(`^[45]\d\d [45]\.0\.0 not this one$`)

func TestRefusalConcernsOneMailOnly(t *testing.T) {
	t.Parallel()
	reply := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not this one"}
	}
	// Only the first mail is refused.
	once := func(err error) func() error {
		return func() error {
			defer func() { err = nil }()
			return err
		}
	}
	from := func(answer func() error) script { return script{from: func(*smtp.Conn) error { return answer() }} }
	to := func(answer func() error) script { return script{to: func(string) error { return answer() }} }
	data := func(answer func() error) script { return script{data: func(string) error { return answer() }} }
	for what, c := range map[string]struct {
		script   script
		refused  bool
		sessions int
	}{
		"the recipient does not exist":  {to(once(reply(550))), true, 1},
		"the recipient's box is full":   {to(once(reply(452))), false, 1},
		"the recipient is greylisted":   {to(once(reply(451))), false, 1},
		"the content is refused":        {data(once(reply(554))), true, 1},
		"the content is not taken now":  {data(once(reply(451))), false, 1},
		"the sender is refused":         {from(once(reply(550))), true, 1},
		"the gateway must sign in":      {from(once(reply(530))), false, 1},
		"the password is wrong":         {from(once(reply(535))), false, 1},
		"the sender must wait":          {from(once(reply(450))), false, 1},
		"the server says it will close": {to(once(reply(421))), false, 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.script)
			errs := sendAll(s.sender(t), t.Context(), messages(t, "zoe", "bob", "kim"))
			var said *mail.Refusal
			if !errors.As(errs[0], &said) || errors.Is(errs[0], mail.ErrRefused) != c.refused || !replied.MatchString(said.Reply()) {
				t.Errorf("Zoe's mail: %v", errs[0])
			}
			if errs[1] != nil || errs[2] != nil {
				t.Errorf("the others' mails: %v, %v", errs[1], errs[2])
			}
			mails, sessions := s.mails()
			if got := recipients(mails); !slices.Equal(got, []string{"bob", "kim"}) {
				t.Errorf("mails for %v", got)
			}
			if sessions != c.sessions {
				t.Errorf("%d sessions, want %d", sessions, c.sessions)
			}
		})
	}
}

// Otherwise the mail would be sent twice.
func TestBrokenConnectionAfterAMailWasAccepted(t *testing.T) {
	t.Parallel()
	s := newServer(t, script{reset: func(c *smtp.Conn) { _ = c.Conn().Close() }})
	for i, err := range sendAll(s.sender(t), t.Context(), messages(t, "zoe", "bob")) {
		if err != nil {
			t.Errorf("mail %d: %v", i, err)
		}
	}
	mails, sessions := s.mails()
	if got := recipients(mails); !slices.Equal(got, []string{"zoe", "bob"}) || sessions != 2 {
		t.Errorf("mails for %v in %d sessions", got, sessions)
	}
}

func TestBrokenConnectionBeforeAMailWasAccepted(t *testing.T) {
	t.Parallel()
	var broken bool
	s := newServer(t, script{from: func(c *smtp.Conn) error {
		if broken {
			return nil
		}
		broken = true
		return c.Conn().Close()
	}})
	errs := sendAll(s.sender(t), t.Context(), messages(t, "zoe", "bob"))
	if errs[0] == nil || errors.Is(errs[0], mail.ErrRefused) || errs[1] != nil {
		t.Errorf("%v", errs)
	}
	mails, _ := s.mails()
	if got := recipients(mails); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("mails for %v", got)
	}
}

func TestSendEndsWithItsContextThoughTheServerHangs(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"EHLO", "MAIL", "RCPT", "DATA", "RSET"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := make(chan struct{})
			defer close(left)
			hang := func() { cancel(); <-left }
			var script script
			switch step {
			case "EHLO":
				script.greet = func() error { hang(); return nil }
			case "MAIL":
				script.from = func(*smtp.Conn) error { hang(); return nil }
			case "RCPT":
				script.to = func(string) error { hang(); return nil }
			case "DATA":
				script.data = func(string) error { hang(); return nil }
			case "RSET":
				script.to = func(string) error { return &smtp.SMTPError{Code: 550, Message: "not this one"} }
				script.reset = func(*smtp.Conn) { hang() }
			}
			s := newServer(t, script)
			errs := sendAll(s.sender(t), ctx, messages(t, "zoe", "bob"))
			if step == "RSET" {
				if !errors.Is(errs[0], mail.ErrRefused) {
					t.Errorf("Zoe's mail: %v", errs[0])
				}
				errs = errs[1:] // RSET is Bob's
			}
			for i, err := range errs {
				tried := i == 0
				if tried && !errors.Is(err, context.Canceled) || !tried && step != "EHLO" && !errors.Is(err, errNotReported) ||
					errors.Is(err, mail.ErrUnconfirmed) != (tried && step == "DATA") || errors.Is(err, mail.ErrRefused) || strings.Contains(err.Error(), "i/o timeout") {
					t.Errorf("mail %d: %v", i, err)
				}
			}
		})
	}
}

func TestServerThatRefusesTheGatewayRefusesNoMail(t *testing.T) {
	t.Parallel()
	s := newServer(t, script{greet: func() error {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not from there"}
	}})
	for i, err := range sendAll(s.sender(t), t.Context(), messages(t, "zoe", "bob")) {
		var said *mail.Refusal
		if !errors.As(err, &said) || errors.Is(err, mail.ErrRefused) || said.Reply() != "554 5.7.1 not from there" {
			t.Errorf("mail %d: %v", i, err)
		}
	}
}

func TestSlowMailsDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	const people, hang = 20, 3
	taken, release := make(chan struct{}, people), make(chan struct{})
	s := newServer(t, script{
		to: func(to string) error {
			if strings.HasPrefix(to, "hang") {
				<-release
			}
			return nil
		},
		data: func(string) error { taken <- struct{}{}; return nil },
	})
	var names []string
	for i := range people {
		// Each of a domain of its own: one whose mails are slow, as on a slow machine all
		// are, gets a share only.
		name := fmt.Sprintf("p@p%d.example", i)
		if i < hang {
			name = fmt.Sprintf("hang@h%d.example", i)
		}
		names = append(names, name)
	}
	errs := make(chan []error, 1)
	sender := s.sender(t)
	// Longer than a connection takes on a busy machine: where all of them wait for the
	// server, Send leaves the other mails to others.
	sender.SetStallTime(time.Second)
	go func() { errs <- sendAll(sender, t.Context(), messages(t, names...)) }()
	for range people - hang {
		<-taken
	}
	close(release)
	for i, err := range <-errs {
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
		}
	}
}

// A connection that cannot be opened puts its mail back for the first one.
func TestSlowMailIsNoFailureWhereTheServerAcceptsOneConnection(t *testing.T) {
	t.Parallel()
	const (
		people   = 12
		others   = 3     // connections beside the first, at a time
		refusals = 2 * 5 // of five connections, each of which tries EHLO and HELO
	)
	sessions, refused := 0, make(chan struct{})
	s := newServer(t, script{
		greet: func() error {
			if sessions++; sessions == 1 {
				return nil
			}
			if sessions == 1+refusals {
				close(refused)
			}
			return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many connections"}
		},
		to: func(string) error { <-refused; return nil },
	})
	sender := s.sender(t)
	// Longer than a refused connection takes on a busy machine: where all wait for the
	// server, Send leaves the other mails to others.
	sender.SetStallTime(time.Second)
	var names []string
	for i := range people {
		names = append(names, fmt.Sprintf("p@p%d.example", i))
	}
	notReported := 0
	for i, err := range sendAll(sender, t.Context(), messages(t, names...)) {
		if errors.Is(err, errNotReported) {
			notReported++
		} else if err != nil {
			t.Errorf("mail %d: %v", i, err)
		}
	}
	// Those that other connections hold when the first one ends are attempted later.
	if notReported > others {
		t.Errorf("%d mails were not reported", notReported)
	}
}

// The other mails are attempted later: each of them could take as long.
func TestSendStopsAfterAStepThatTimesOut(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	defer close(ended)
	s := newServer(t, script{to: func(string) error { <-ended; return nil }})
	sender := s.sender(t)
	sender.CommandTimeout = 5 * time.Second // which a slow machine must not need to connect
	errs := sendAll(sender, t.Context(), messages(t, "zoe", "bob"))
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "i/o timeout") || errors.Is(errs[0], mail.ErrRefused) || !errors.Is(errs[1], errNotReported) {
		t.Errorf("%v", errs)
	}
}

func TestEndlessReplyIsCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, script{from: func(c *smtp.Conn) error {
		line := bytes.Repeat([]byte("x"), 1<<16)
		for {
			if _, err := c.Conn().Write(line); err != nil {
				return err
			}
		}
	}})
	if errs := sendAll(s.sender(t), t.Context(), messages(t, "zoe")); errs[0] == nil || !strings.Contains(errs[0].Error(), "too much") {
		t.Errorf("%v", errs)
	}
}

func TestServerThatDoesNotListen(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		s := &server{url: &url.URL{Scheme: "smtp", Host: host + ":1"}}
		for i, err := range sendAll(s.sender(t), t.Context(), messages(t, "zoe", "bob")) {
			if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "dial tcp "+host+":1: connect: ") {
				t.Errorf("%s, mail %d: %v", host, i, err)
			}
		}
	}
}

func TestURLOfTheMailServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, fault string }{
		{"smtp://mail.example", ""},
		{"smtp://mail.example:25", ""},
		{"smtp://mail.example:25/", ""},
		{"SMTP://mail.example", ""},
		{"smtp://127.0.0.1:2525", ""},
		{"smtp://[::1]:2525", ""},
		{"smtp://user:swordfish@mail.example", ""},
		{"smtps://mail.example", ""},
		{"smtps://user%40mail.example:sw%2Frd%23fish@mail.example:465", ""},
		{"", "it must begin with smtp:// or smtps://"},
		{"mail.example", "it must begin with smtp:// or smtps://"},
		{"mail.example:25", "it must begin with smtp:// or smtps://"},
		{"//mail.example", "it must begin with smtp:// or smtps://"},
		{"http://mail.example", "it must begin with smtp:// or smtps://"},
		{"smtp:mail.example", "it names no host"},
		{"smtp://", "it names no host"},
		{"smtp://:25", "it names no host"},
		{"smtp://user:swordfish@", "it names no host"},
		{"smtp://user@mail.example", "it must name both a user and a password, or neither"},
		{"smtps://user:@mail.example", "it must name both a user and a password, or neither"},
		{"smtp://:swordfish@mail.example", "it must name both a user and a password, or neither"},
		{"smtp://@mail.example", "it must name both a user and a password, or neither"},
		{"smtp://user:12/swordfish@mail.example", "it must end with the host or the port; write a password's special characters as %XX"},
		{"smtp://user:12?swordfish@mail.example", "it must end with the host or the port; write a password's special characters as %XX"},
		{"smtp://user:12#swordfish@mail.example", "it must end with the host or the port; write a password's special characters as %XX"},
		{"smtp://user:swordfish@mail.example:0", "invalid port number"},
		{"smtp://user:swordfish@mail.example:65536", "invalid port number"},
		{"smtp://user:swordfish@mail.example:99999999999999999999", "its port is no number"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		sender, err := mail.NewSender(u, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
		switch {
		case c.fault == "":
			if err != nil || sender == nil {
				t.Errorf("%s: %v", c.url, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.fault):
			t.Errorf("%s: %v, want %s", c.url, err, c.fault)
		case strings.Contains(err.Error(), "swordfish"):
			t.Errorf("%s: the password is in %v", c.url, err)
		}
	}
}

func TestPasswordIsSentOnlyInTLS(t *testing.T) {
	t.Parallel()
	certificate, roots := certify(t)
	_, others := certify(t)
	for what, c := range map[string]struct {
		scheme   string
		starttls bool
		roots    *x509.CertPool
		signedIn bool
	}{
		"TLS from the start":                 {"smtps", false, roots, true},
		"STARTTLS":                           {"smtp", true, roots, true},
		"no TLS":                             {"smtp", false, roots, false},
		"TLS from the start, another server": {"smtps", false, others, false},
		"STARTTLS, another server":           {"smtp", true, others, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSubmission(t, certificate, c.scheme == "smtps", c.starttls)
			sender, err := mail.NewSender(&url.URL{Scheme: c.scheme, User: url.UserPassword("gateway", "sword/fish"), Host: s.addr},
				mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
			if err != nil {
				t.Fatal(err)
			}
			sender.Trust(c.roots)
			err = sendAll(sender, t.Context(), messages(t, "zoe"))[0]
			heard := s.stop()
			plain := base64.StdEncoding.EncodeToString([]byte("\x00gateway\x00sword/fish"))
			if c.signedIn {
				// The server refuses every password, so that the error can be checked, too.
				if !slices.Contains(heard, "AUTH PLAIN "+plain) {
					t.Errorf("the server received %q; %v", heard, err)
				}
			} else if slices.ContainsFunc(heard, func(line string) bool { return strings.HasPrefix(line, "AUTH") }) {
				t.Errorf("the server received %q", heard)
			}
			if err == nil || errors.Is(err, mail.ErrRefused) {
				t.Errorf("an operator can correct it: %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "fish") || strings.Contains(err.Error(), plain)) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// submission is a server that records what clients send, and accepts no password.
type submission struct {
	addr     string
	listener net.Listener
	serving  sync.WaitGroup
	heard    []string
}

func newSubmission(t *testing.T, certificate tls.Certificate, wrapped, starttls bool) *submission {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	s := &submission{addr: listener.Addr().String(), listener: listener}
	s.serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(closeTimeout))
		if wrapped {
			conn = tls.Server(conn, config)
		}
		defer func() { conn.Close() }()
		text := textproto.NewConn(conn)
		if text.PrintfLine("220 mail.example") != nil || !s.converse(text, wrapped, starttls) {
			return
		}
		conn = tls.Server(conn, config)
		s.converse(textproto.NewConn(conn), true, false)
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// converse answers until the client leaves, or until it asks for TLS.
func (s *submission) converse(text *textproto.Conn, secured, starttls bool) (startTLS bool) {
	for {
		line, err := text.ReadLine()
		if err != nil {
			return false
		}
		s.heard = append(s.heard, line)
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case verb == "EHLO" && starttls:
			err = text.PrintfLine("250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN CRAM-MD5")
		case verb == "EHLO" && !secured:
			err = text.PrintfLine("250-mail.example\r\n250 AUTH PLAIN CRAM-MD5")
		case verb == "EHLO":
			err = text.PrintfLine("250-mail.example\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			return text.PrintfLine("220 go on") == nil
		case verb == "AUTH":
			err = text.PrintfLine("535 5.7.8 wrong user or password")
		case verb == "QUIT":
			_ = text.PrintfLine("221 bye")
			return false
		default:
			err = text.PrintfLine("500 what?")
		}
		if err != nil {
			return false
		}
	}
}

// stop ends the server and returns the lines that it received.
func (s *submission) stop() []string {
	s.listener.Close()
	s.serving.Wait()
	return s.heard
}

// certify returns a certificate for 127.0.0.1, and the roots that trust it.
func certify(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestConcurrentSends(t *testing.T) {
	t.Parallel()
	s := newServer(t, script{})
	sender := s.sender(t)
	var sending sync.WaitGroup
	for i := range 10 {
		sending.Go(func() {
			for _, err := range sendAll(sender, t.Context(), messages(t, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	mails, _ := s.mails()
	got := recipients(mails)
	slices.Sort(got)
	if want := []string{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"}; !slices.Equal(got, want) {
		t.Errorf("mails for %v", got)
	}
}
