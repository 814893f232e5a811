package mail_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// transcript is a mail server that records every line of its clients, and answers as a
// test says. It speaks SMTP with nothing added.
type transcript struct {
	t        *testing.T
	url      *url.URL
	listener net.Listener
	serving  sync.WaitGroup
	offers   []string
	answer   func(command string) string // "": the usual answer; hangUp

	mu    sync.Mutex
	lines []string // of all connections, without the content of messages
}

// hangUp is the answer of a server that closes the connection instead.
const hangUp = "hang up"

// newTranscript starts a server that offers extensions. It asks answer about "connect",
// each line, and "end" after each message.
func newTranscript(t *testing.T, answer func(command string) string, offers ...string) *transcript {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, listener, answer, offers...)
}

func listen(t *testing.T, listener net.Listener, answer func(command string) string, offers ...string) *transcript {
	t.Helper()
	s := &transcript{t: t, url: &url.URL{Scheme: "smtp", Host: listener.Addr().String()}, listener: listener, answer: answer, offers: offers}
	s.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.serving.Wait()
	})
	return s
}

func (s *transcript) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	text := textproto.NewConn(conn)
	accepted := false // whether the last reply was the usual one
	reply := func(command, usual string) bool {
		answer := ""
		if s.answer != nil {
			answer = s.answer(command)
		}
		accepted = answer == ""
		answer = cmp.Or(answer, usual)
		return answer != hangUp && text.PrintfLine("%s", answer) == nil
	}
	for running := reply("connect", "220 mail.example"); running; {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		switch verb {
		case "EHLO":
			usual := "250 mail.example"
			if len(s.offers) > 0 {
				usual = "250-mail.example\r\n250-" + strings.Join(s.offers, "\r\n250-")
				i := strings.LastIndex(usual, "250-")
				usual = usual[:i] + "250 " + usual[i+4:]
			}
			running = reply(line, usual)
		case "MAIL", "RCPT", "RSET":
			running = reply(line, "250 ok")
		case "DATA":
			if running = reply(line, "354 go on"); !accepted {
				continue
			}
			if _, err := text.ReadDotBytes(); err != nil {
				return
			}
			running = reply("end", "250 taken")
		case "QUIT":
			reply(line, "221 bye")
			return
		default:
			running = reply(line, "500 what?")
		}
	}
}

// received returns the commands, without those of any verbs.
func (s *transcript) received(without ...string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.lines), func(line string) bool {
		verb, _, _ := strings.Cut(line, " ")
		return slices.Contains(without, verb)
	})
}

func (s *transcript) sender() *mail.Sender {
	s.t.Helper()
	sender, err := mail.NewSender(s.url, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		s.t.Fatal(err)
	}
	sender.SetStallTime(time.Hour)
	return sender
}

// once returns an answer to the first of some commands.
func once(prefix, answer string) func(string) string {
	var mu sync.Mutex
	return func(command string) string {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(command, prefix) {
			return ""
		}
		defer func() { answer = "" }()
		return answer
	}
}

func TestNoCommandThatAMailDoesNotNeed(t *testing.T) {
	t.Parallel()
	s := newTranscript(t, nil, "8BITMIME", "SMTPUTF8", "SIZE 1000000", "DSN")
	for _, err := range sendAll(s.sender(), t.Context(), messages(t, "zoe", "bob")) {
		if err != nil {
			t.Error(err)
		}
	}
	if got, want := s.received(), []string{
		"EHLO datahub.example",
		"MAIL FROM:<no-reply@datahub.example>", "RCPT TO:<zoe@new.example>", "DATA",
		"MAIL FROM:<no-reply@datahub.example>", "RCPT TO:<bob@new.example>", "DATA",
		"QUIT",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTransactionIsResetOnlyAfterARefusal(t *testing.T) {
	t.Parallel()
	for refused, resets := range map[string]bool{"MAIL": false, "RCPT": true, "DATA": true, "end": false} {
		s := newTranscript(t, once(refused, "550 no"))
		errs := sendAll(s.sender(), t.Context(), messages(t, "zoe", "bob"))
		if !errors.Is(errs[0], mail.ErrRefused) || errs[1] != nil {
			t.Errorf("%s: %v", refused, errs)
		}
		if got := s.received(); slices.Contains(got, "RSET") != resets || len(s.received("MAIL", "RCPT", "DATA", "RSET")) != 2 {
			t.Errorf("%s: %q", refused, got)
		}
	}
}

func TestExtensionsAreUsedWhereNeeded(t *testing.T) {
	t.Parallel()
	all := []string{"8BITMIME", "SMTPUTF8"}
	for name, c := range map[string]struct {
		to, replyTo string
		offers      []string
		from        string // the end of MAIL; "-": the message is not sent
		replies     string // where replies go
	}{
		"ASCII":                         {"zoe@new.example", "ada@uni.example", all, "", "ada@uni.example"},
		"a domain":                      {"zoe@bücher.example", "ada@bücher.example", all, "", "ada@xn--bcher-kva.example"},
		"a domain, not offered":         {"zoe@bücher.example", "ada@bücher.example", nil, "", "ada@xn--bcher-kva.example"},
		"the recipient":                 {"zoë@new.example", "ada@uni.example", all, " BODY=8BITMIME SMTPUTF8", "ada@uni.example"},
		"the recipient, not offered":    {"zoë@new.example", "ada@uni.example", []string{"8BITMIME"}, "-", ""},
		"the inviter":                   {"zoe@new.example", "adá@uni.example", all, " BODY=8BITMIME SMTPUTF8", "adá@uni.example"},
		"the inviter, not offered":      {"zoe@new.example", "adá@uni.example", []string{"8BITMIME"}, "", ""},
		"the recipient, without 8 bits": {"zoë@new.example", "ada@uni.example", []string{"SMTPUTF8"}, " SMTPUTF8", "ada@uni.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTranscript(t, nil, c.offers...)
			i := invitation(t)
			i.To, i.From.Email = parse(t, c.to), c.replyTo
			errs := sendAll(s.sender(), t.Context(), append([]mail.Message{compose(t, i)}, messages(t, "other")...))
			if errs[1] != nil {
				t.Errorf("the other message: %v", errs[1])
			}
			got := s.received("EHLO", "RCPT", "DATA", "QUIT")
			if c.from == "-" {
				if problem := (interface{ Problem() string })(nil); !errors.Is(errs[0], mail.ErrRefused) || !errors.As(errs[0], &problem) || problem.Problem() != mail.ProblemNoUTF8 || len(got) != 1 {
					t.Errorf("%v, %q", errs[0], got)
				}
				return
			}
			if errs[0] != nil || got[0] != "MAIL FROM:<no-reply@datahub.example>"+c.from {
				t.Errorf("%v, %q", errs[0], got)
			}
		})
	}
}

// Where the server does not accept an address, replies are not asked for.
func TestReplyToNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	i := invitation(t)
	i.From.Email = "adá@uni.example"
	if m := send(t, compose(t, i))[0]; m.header.Get("Reply-To") == "" {
		t.Errorf("offered: %v", m.header)
	}
	s := newServer(t, script{without: true})
	if err := sendAll(s.sender(t), t.Context(), []mail.Message{compose(t, i)})[0]; err != nil {
		t.Fatal(err)
	}
	mails, _ := s.mails()
	if m := readSent(t, mails[0]); m.header.Get("Reply-To") != "" || !strings.Contains(m.text, "adá@uni.example") {
		t.Errorf("not offered: %v\n%s", m.header, m.text)
	}
}

func TestReplyToAnyCommandIsTold(t *testing.T) {
	t.Parallel()
	for command, permanent := range map[string]bool{
		"connect": false, "EHLO": false, "STARTTLS": false, "AUTH": false, "MAIL": true, "RCPT": true, "DATA": true, "end": true,
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			offers := []string{"8BITMIME"}
			switch command {
			case "STARTTLS":
				offers = append(offers, "STARTTLS")
			case "AUTH":
				offers = append(offers, "AUTH CRAM-MD5")
			}
			s := newTranscript(t, func(line string) string {
				if strings.HasPrefix(line, command) || command == "EHLO" && strings.HasPrefix(line, "HELO") {
					return "554-5.7.99 not here,\r\n554 5.7.99 not now"
				}
				return ""
			}, offers...)
			sender := s.sender()
			if command == "AUTH" {
				sender = s.authenticated()
			}
			err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]
			var refusal *mail.Refusal
			if !errors.As(err, &refusal) || refusal.Reply() != "554 5.7.99 not here, not now" || errors.Is(err, mail.ErrRefused) != permanent {
				t.Fatalf("%v", err)
			}
			if early := !slices.Contains([]string{"RCPT", "DATA", "end"}, command); (refusal.Problem() == mail.ProblemEarly) != early {
				t.Errorf("problem %q", refusal.Problem())
			}
		})
	}
}

// What goes wrong with one message goes on with the next one, over another connection
// where the server has closed the first. Only the end of a message is uncertain.
func TestTemporaryFailuresAtEachStep(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"451 4.3.0 later", "450-later,\r\n450 please", "421 4.3.2 closing", hangUp} {
		for _, command := range []string{"MAIL", "RCPT", "DATA", "end"} {
			t.Run(command+" "+answer, func(t *testing.T) {
				t.Parallel()
				s := newTranscript(t, once(command, answer))
				errs := sendAll(s.sender(), t.Context(), messages(t, "zoe", "bob"))
				var refusal *mail.Refusal
				if errs[0] == nil || errors.Is(errs[0], mail.ErrRefused) || errors.Is(errs[0], mail.ErrUnconfirmed) != (command == "end" && answer == hangUp) ||
					errors.As(errs[0], &refusal) != (answer != hangUp) {
					t.Errorf("the message: %v", errs[0])
				}
				if errs[1] != nil {
					t.Errorf("the next message: %v", errs[1])
				}
				connections := 1
				if answer == hangUp || strings.HasPrefix(answer, "421") {
					connections = 2
				}
				if got := s.received("MAIL", "RCPT", "DATA", "RSET", "QUIT"); len(got) != connections {
					t.Errorf("%q", s.received())
				}
			})
		}
	}
}

// A domain without a dot is this machine's: servers demand a complete name or an
// address (RFC 5321 section 4.1.1.1).
func TestEHLOHasACompleteNameOrAnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, address, domain, want string }{
		{"tcp4", "127.0.0.1:0", "datahub.example", "datahub.example"},
		{"tcp4", "127.0.0.1:0", "localhost", "[127.0.0.1]"},
		{"tcp6", "[::1]:0", "localhost", "[IPv6:::1]"},
	} {
		listener, err := net.Listen(c.network, c.address)
		if err != nil && c.network == "tcp6" {
			t.Logf("this machine has no IPv6: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s := listen(t, listener, nil)
		sender, err := mail.NewSender(s.url, mail.Mailbox{Email: "no-reply@datahub.example"}, c.domain)
		if err != nil {
			t.Fatal(err)
		}
		if err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]; err != nil {
			t.Error(err)
		}
		if got := s.received(); got[0] != "EHLO "+c.want {
			t.Errorf("%s: %q", c.domain, got)
		}
	}
}

// authenticated returns a sender that signs in without TLS.
func (s *transcript) authenticated() *mail.Sender {
	s.t.Helper()
	sender, err := mail.NewSender(&url.URL{Scheme: "smtp", Host: s.url.Host, User: url.UserPassword("gateway", "swordfish")},
		mail.Mailbox{Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		s.t.Fatal(err)
	}
	sender.AllowPlain()
	return sender
}

func TestMessageWithoutAnAnswerIsNotConfirmed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command, answer string
		unconfirmed     bool
	}{
		"hangs up at DATA":                 {"DATA", hangUp, false},
		"hangs up after the message":       {"end", hangUp, true},
		"answers nonsense":                 {"end", "what?", true},
		"answers as to another command":    {"end", "354 go on", true},
		"refuses":                          {"end", "554 no", false},
		"refuses for now":                  {"end", "451 later", false},
		"refuses, and closes":              {"end", "421 closing", false},
		"takes too long after the message": {"end", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			defer close(ended)
			s := newTranscript(t, func(command string) string {
				if command == c.command {
					if c.answer == "" {
						<-ended
					}
					return c.answer
				}
				return ""
			})
			sender := s.sender()
			sender.AcceptTimeout = 10 * time.Millisecond
			if c.answer != "" {
				sender.AcceptTimeout = time.Minute
			}
			err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]
			if err == nil || errors.Is(err, mail.ErrUnconfirmed) != c.unconfirmed {
				t.Errorf("%v", err)
			}
		})
	}
}

// Most servers answer at once, so that most messages need no record.
func TestMessageIsRecordedAsSubmitted(t *testing.T) {
	t.Parallel()
	t.Run("not where the server answers at once", func(t *testing.T) {
		t.Parallel()
		s := newTranscript(t, nil)
		m := messages(t, "zoe")
		sender := s.sender()
		sender.SetSubmittedAfter(time.Hour)
		m[0].Attempt, m[0].Submitted = 1, func(context.Context) error { t.Error("it was recorded"); return nil }
		if err := sendAll(sender, t.Context(), m)[0]; err != nil {
			t.Error(err)
		}
	})
	t.Run("where the server is slow", func(t *testing.T) {
		t.Parallel()
		recorded := make(chan struct{})
		s := newTranscript(t, func(command string) string {
			if command == "end" {
				<-recorded
			}
			return ""
		})
		m := messages(t, "zoe")
		m[0].Attempt, m[0].Submitted = 1, func(context.Context) error { close(recorded); return errors.New("on the way") }
		if err := sendAll(s.sender(), t.Context(), m)[0]; err != nil {
			t.Error(err)
		}
	})
	t.Run("before it is repeated", func(t *testing.T) {
		t.Parallel()
		s := newTranscript(t, nil)
		m := messages(t, "zoe", "bob")
		for i, failed := range []error{nil, errors.New("the database is away")} {
			m[i].Attempt, m[i].Submitted = 2, func(context.Context) error {
				if got := s.received("EHLO", "MAIL", "RCPT", "RSET"); len(got) != i {
					t.Errorf("%q", got)
				}
				return failed
			}
		}
		if errs := sendAll(s.sender(), t.Context(), m); errs[0] != nil || errs[1] == nil || errors.Is(errs[1], mail.ErrUnconfirmed) {
			t.Errorf("%v", errs)
		}
	})
}

func TestClosedConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{hangUp, "421 too many mails in this session"} {
		var n atomic.Int32
		s := newTranscript(t, func(command string) string {
			if strings.HasPrefix(command, "MAIL") && n.Add(1) == 2 {
				return answer
			}
			return ""
		})
		for i, err := range sendAll(s.sender(), t.Context(), messages(t, "zoe", "bob", "kim")) {
			if err != nil {
				t.Errorf("%s, mail %d: %v", answer, i, err)
			}
		}
		if got := s.received("EHLO", "MAIL", "QUIT", "RCPT"); len(got) != 3 {
			t.Errorf("%s: %q", answer, got)
		}
	}
}

// The messages of a slow domain wait for each other, not the others.
func TestSlowDomainTakesNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	const share = 4
	hanging, release := make(chan struct{}, 2*share), make(chan struct{})
	s := newTranscript(t, func(command string) string {
		if strings.HasPrefix(command, "RCPT TO:<hang") {
			hanging <- struct{}{}
			<-release
		}
		return ""
	})
	sender := s.sender()
	sender.SetStallTime(time.Millisecond)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer close(release)
	for i := range share {
		sending.Go(func() {
			if err := sendAll(sender, t.Context(), messages(t, fmt.Sprint("hang", i)))[0]; err != nil {
				t.Error(err)
			}
		})
		<-hanging
	}
	// Each is counted a moment after it hangs.
	for {
		err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]
		if errors.Is(err, mail.ErrBusy) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	i := invitation(t)
	i.To = parse(t, "zoe@other.example")
	if err := sendAll(sender, t.Context(), []mail.Message{compose(t, i)})[0]; err != nil {
		t.Error(err)
	}
}

// Others can send what this batch cannot, although each of its connections waits.
func TestWaitingMessagesAreLeftToOthers(t *testing.T) {
	t.Parallel()
	const connections = 4
	hanging, release := make(chan struct{}, connections), make(chan struct{})
	s := newTranscript(t, func(command string) string {
		if strings.HasPrefix(command, "RCPT") {
			hanging <- struct{}{}
			<-release
		}
		return ""
	})
	sender := s.sender()
	// Longer than a connection takes on a busy machine.
	sender.SetStallTime(time.Second)
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprint("p", i))
	}
	left := make(chan error, len(names))
	var sending sync.WaitGroup
	sending.Go(func() {
		sender.Send(t.Context(), messages(t, names...), func(_ int, err error) {
			if !errors.Is(err, mail.ErrSlow) {
				left <- err
			}
		})
	})
	for range len(names) - connections {
		if err := <-left; !errors.Is(err, mail.ErrBusy) {
			t.Errorf("%v", err)
		}
	}
	close(release)
	for range connections {
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
	sending.Wait()
}

func TestOutcomesOfJobs(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]error{"250 ok": nil, "550 no": outbox.ErrPermanent, hangUp: outbox.ErrUncertain} {
		s := newTranscript(t, once("end", command))
		var got error
		read := func(context.Context, []outbox.Job) (mail.ComposeFunc, error) {
			return func(outbox.Job) (mail.Message, error) { return messages(t, "zoe")[0], nil }, nil
		}
		mail.Work(s.sender(), read)(t.Context(), []outbox.Job{{Attempts: 1}}, func(_ int, err error) { got = err })
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", command, got, want)
		}
	}
}
