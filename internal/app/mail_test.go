package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// A mail server in trouble delays an invitation's mail; it neither loses nor
// multiplies it.
func TestTheMailServerIsBusyTwice(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	s.data = func(a attempt) error {
		if a.number <= 2 {
			return reply(451, "try again later")
		}
		return nil
	}
	w := newWorld(t, s.use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).ok()
	for n := range 2 {
		row := w.tried(n + 1)
		if row.State != "QUEUED" || row.Secret == nil || !strings.Contains(pointed(row.LastError), "451") {
			t.Fatalf("after attempt %d: %+v", n+1, row)
		}
		w.tryNow()
	}
	w.sent(1)

	attempts := s.seen()
	if len(attempts) != 3 || attempts[0].taken || attempts[1].taken || !attempts[2].taken {
		t.Errorf("attempts: %v", attempts)
	}
	for _, a := range attempts {
		if a.messageID == "" || a.messageID != attempts[0].messageID || a.link == "" || a.link != attempts[0].link || !slices.Equal(a.to, []string{"zoe@new.example"}) {
			t.Errorf("attempts: %v", attempts)
		}
	}
	if row := w.outbox()[0]; row.LastError != nil || row.Secret != nil {
		t.Errorf("after all: %+v", row)
	}
	if n := w.number(`select count(*) from invitation`); n != 1 {
		t.Errorf("%d invitations", n)
	}
}

func TestTheMailServerKnowsNobodyOfThatName(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	s.rcpt = func(to string) error {
		if strings.HasPrefix(to, "zoe@") {
			return reply(550, "no such person")
		}
		return nil
	}
	w := newWorld(t, s.use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"bob@new.example", "zoe@new.example", "kim@new.example"}).ok()
	w.settled()
	for _, row := range w.outbox() {
		if row.Email != "zoe@new.example" {
			if row.State != "SENT" || row.LastError != nil {
				t.Errorf("%+v", row)
			}
			continue
		}
		if row.State != "FAILED" || row.Attempts != 1 || row.Secret != nil || !strings.Contains(pointed(row.LastError), "no such person") {
			t.Errorf("%+v, %s", row, pointed(row.LastError))
		}
	}
	if n := len(s.seen()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// What the server has taken without being able to say so is sent once more; by
// the Message-ID the reader's mail program knows it for the same mail.
func TestTheReplyOfTheMailServerIsLost(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	s.data = func(a attempt) error {
		if a.number == 1 {
			return a.conn.Close()
		}
		return nil
	}
	w := newWorld(t, s.use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).ok()
	if row := w.tried(1); row.State != "QUEUED" || row.Secret == nil || row.LastError == nil {
		t.Fatalf("after the first attempt: %+v", row)
	}
	w.tryNow()
	w.sent(1)
	attempts := s.seen()
	if len(attempts) != 2 || attempts[0].messageID != attempts[1].messageID || attempts[0].link != attempts[1].link {
		t.Errorf("attempts: %v", attempts)
	}
}

// Whoever invites does not wait for the mail server, and a mail server that
// hangs costs others no connection to the database: here there are fewer of
// them than mails under way.
func TestTheMailServerHangs(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	hanging, answer := make(chan struct{}, 1000), make(chan struct{})
	var once sync.Once
	goOn := func() { once.Do(func() { close(answer) }) }
	t.Cleanup(goOn)
	s.data = func(attempt) error {
		hanging <- struct{}{}
		<-answer
		return nil
	}
	const workers, connections, people = 4, 2, 100
	w := newWorld(t, s.use, func(s *app.Settings) { s.DatabaseConnections = connections })
	t.Cleanup(goOn) // before the gateway stops, even where the test fails
	ada := w.as("ada")
	var emails []string
	for i := range people {
		emails = append(emails, fmt.Sprintf("p%d@new.example", i))
	}
	ada.invite("Group 1", "VIEWER", emails).ok()
	for range workers {
		<-hanging
	}

	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).ok()
	const held = `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'datahub-gateway' and `
	if n := w.number(held + `true`); n == 0 || n > connections {
		t.Errorf("%d connections to the database", n)
	}
	if n := w.number(held + `state like 'idle in transaction%'`); n > 0 {
		t.Errorf("%d transactions wait for the mail server", n)
	}
	if n := w.number(`select count(*) from outbox where state <> 'QUEUED'`); n > 0 {
		t.Errorf("%d mails count as sent", n)
	}
	goOn()
	w.sent(people + 1)
	ids := map[string]string{}
	for _, a := range s.seen() {
		if to := a.to[0]; ids[to] == "" {
			ids[to] = a.messageID
		} else if ids[to] != a.messageID {
			t.Errorf("two mails for %s", to)
		}
	}
	if len(ids) != people+1 {
		t.Errorf("%d people have a mail", len(ids))
	}
}

// The token is in the mail, in the outbox until the mail is sent, and nowhere
// else, whatever the mail server makes of it.
func TestTheTokenIsInTheMailAlone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		answer func(a attempt) error
		state  string
	}{
		"the mail is taken":              {func(attempt) error { return nil }, "SENT"},
		"the mail is refused and quoted": {func(a attempt) error { return reply(554, "no mails with "+a.link) }, "FAILED"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newMailServer(t)
			var busy atomic.Bool
			busy.Store(true)
			s.data = func(a attempt) error {
				if busy.Load() {
					return reply(451, "later: "+a.link)
				}
				return c.answer(a)
			}
			w := newWorld(t, s.use)
			invited := w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "message", "Welcome!", "idempotencyKey", "k").ok()
			token := pointed(w.tried(1).Secret)
			raw, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil || len(raw) != 32 {
				t.Fatalf("token %q: %v", token, err)
			}
			hash := sha256.Sum256([]byte(token))
			if got := w.text(`select encode(token_hash, 'hex') from invitation`); got != hex.EncodeToString(hash[:]) {
				t.Errorf("the invitation keeps %s", got)
			}
			if got := w.holders(token, hex.EncodeToString(raw)); !slices.Equal(got, []string{"outbox"}) {
				t.Errorf("before the end the token stands in %v", got)
			}
			if got := pointed(w.outbox()[0].LastError); strings.Contains(got, token) || !strings.Contains(got, "451") {
				t.Errorf("the error says %q", got)
			}
			busy.Store(false)
			w.tryNow()
			w.await("the end", func() bool { return w.outbox()[0].State == c.state })
			if got := w.holders(token, hex.EncodeToString(raw)); len(got) > 0 {
				t.Errorf("in the end the token stands in %v", got)
			}
			if attempts := s.seen(); attempts[len(attempts)-1].link != w.gateway.URL()+"/app/invitation#"+token {
				t.Errorf("attempts: %v", attempts)
			}
			again := w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "message", "Welcome!", "idempotencyKey", "k").ok()
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			for where, text := range map[string]string{"log": w.log.text.String(), "answer": invited.body, "second answer": again.body} {
				if text == "" || strings.Contains(text, token) {
					t.Errorf("the %s: %s", where, text)
				}
			}
		})
	}
}

func TestTheMailServerIsStartedAfterTheGateway(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	s.stop()
	w := newWorld(t, s.use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).ok()
	if row := w.tried(1); row.State != "QUEUED" || row.Secret == nil || !strings.Contains(pointed(row.LastError), "connection refused") {
		t.Fatalf("without a mail server: %+v", row)
	}
	// The port is free, but for somebody's passing connection.
	w.eventually("a mail server", func() bool { return s.listen() == nil })
	t.Cleanup(s.stop)
	w.tryNow()
	w.sent(1)
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// Nobody is sent a link that leads nowhere any more.
func TestMailsWhoseInvitationEndedAreDropped(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	var busy atomic.Bool
	busy.Store(true)
	s.data = func(attempt) error {
		if busy.Load() {
			return reply(451, "later")
		}
		return nil
	}
	w := newWorld(t, s.use)
	ada := w.as("ada")
	people := []string{"accepted@new.example", "declined@new.example", "expired@new.example", "live@new.example", "renewed@new.example", "revoked@new.example"}
	ada.invite("Group 1", "VIEWER", people).ok()
	w.await("an attempt for each", func() bool {
		return w.number(`select count(*) from outbox where attempts > 0 and lease is null`) == len(people)
	})
	w.exec(`update outbox set next_attempt_at = clock_timestamp() + interval '1 hour'`)
	w.await("no attempt under way", func() bool { return w.number(`select count(*) from outbox where lease is not null`) == 0 })
	w.exec(`update outbox set next_attempt_at = clock_timestamp() + interval '1 hour'`)

	for _, status := range []string{"ACCEPTED", "DECLINED", "REVOKED"} {
		w.exec(`update invitation set status = $1 where email = $2`, status, strings.ToLower(status)+"@new.example")
	}
	w.exec(`update invitation set expires_at = clock_timestamp() - interval '1 second' where email in ('expired@new.example', 'renewed@new.example')`)
	before := s.seen()
	busy.Store(false)
	ada.invite("Group 1", "VIEWER", []string{"renewed@new.example"}).ok()
	s.taken.await(t, "the renewed invitation's mail", func() bool { return len(s.seen()) == len(before)+1 })
	w.tryNow()
	w.settled()

	var got []string
	for _, row := range w.outbox() {
		got = append(got, row.Email+" "+row.State)
		if row.Secret != nil || row.State == "DROPPED" && row.LastError != nil {
			t.Errorf("%+v", row)
		}
	}
	if want := []string{"accepted@new.example DROPPED", "declined@new.example DROPPED", "expired@new.example DROPPED",
		"live@new.example SENT", "renewed@new.example DROPPED", "renewed@new.example SENT", "revoked@new.example DROPPED"}; !slices.Equal(got, want) {
		t.Errorf("mails: %v", got)
	}
	var taken []string
	for _, a := range s.seen()[len(before):] {
		taken = append(taken, a.to[0])
		if a.to[0] != "renewed@new.example" {
			continue
		}
		for _, b := range before {
			if b.link == a.link || b.messageID == a.messageID {
				t.Error("the renewed invitation's mail is the old one")
			}
		}
	}
	slices.Sort(taken)
	if !slices.Equal(taken, []string{"live@new.example", "renewed@new.example"}) {
		t.Errorf("mails went to %v", taken)
	}
}

// sending is a row of the outbox.
type sending struct {
	Email     string
	State     string
	Secret    *string
	LastError *string `db:"last_error"`
	Attempts  int
	Settled   bool
}

// outbox is every row, by address.
func (w *world) outbox() (rows []sending) {
	w.t.Helper()
	err := w.db.Select(&rows, `
		select v.email, o.state, o.secret, o.last_error, o.attempts, o.attempts > 0 and o.lease is null as settled
		from outbox o join invitation v on v.id = o.subject_id order by v.email, o.id`)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// tried waits until the one mail has been tried n times, and gives its row.
func (w *world) tried(n int) (row sending) {
	w.t.Helper()
	w.await(fmt.Sprintf("attempt %d", n), func() bool {
		row = w.outbox()[0]
		return row.Settled && row.Attempts >= n
	})
	return row
}

// tryNow ends the pauses between attempts.
func (w *world) tryNow() {
	w.t.Helper()
	w.exec(`update outbox set next_attempt_at = clock_timestamp() where state = 'QUEUED' and lease is null`)
}

// sent waits until n mails are sent.
func (w *world) sent(n int) {
	w.t.Helper()
	w.await(fmt.Sprintf("%d mails sent", n), func() bool { return w.number(`select count(*) from outbox where state = 'SENT'`) == n })
}

// holders are the tables of which a row contains one of the texts.
func (w *world) holders(texts ...string) (tables []string) {
	w.t.Helper()
	var all []string
	if err := w.db.Select(&all, `select table_name from information_schema.tables where table_schema = 'public' order by 1`); err != nil {
		w.t.Fatal(err)
	}
	for _, table := range all {
		for _, text := range texts {
			if w.number(`select count(*) from `+table+` t where strpos(t::text, $1) > 0`, text) > 0 {
				tables = append(tables, table)
			}
		}
	}
	return tables
}

func pointed(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// mailServer is a mail server that takes every mail, unless it is told
// otherwise before the gateway starts.
type mailServer struct {
	t    testing.TB
	addr string
	rcpt func(to string) error
	data func(attempt) error

	taken notifier // notified of each mail whose content has arrived

	mu       sync.Mutex
	listener net.Listener
	server   *smtp.Server
	attempts []attempt
}

// attempt is a mail whose content has arrived.
type attempt struct {
	number    int // from 1
	conn      net.Conn
	to        []string
	messageID string
	subject   string
	link      string
	taken     bool
}

func (a attempt) String() string { return fmt.Sprint(a.to, a.messageID, a.link, a.taken) }

func reply(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// smtpError is a reply with an enhanced code; without one where its class is 0.
func smtpError(code, class, subject, detail int, text string) error {
	enhanced := smtp.EnhancedCode{class, subject, detail}
	if class == 0 {
		enhanced = smtp.NoEnhancedCode
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

func newMailServer(t testing.TB) *mailServer {
	t.Helper()
	s := &mailServer{t: t, addr: "127.0.0.1:0"}
	if err := s.listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// use makes a gateway send its mails here.
func (s *mailServer) use(settings *app.Settings) { settings.SMTPURL = "smtp://" + s.addr }

func (s *mailServer) listen() error {
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr, s.listener = listener.Addr().String(), listener
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: s, conn: c.Conn()}, nil
	}))
	s.server.Domain = "localhost"
	s.server.ErrorLog = silent{}
	go s.server.Serve(listener) //nolint:errcheck // ends with stop, with nothing to say
	return nil
}

func (s *mailServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil && err != smtp.ErrServerClosed {
		s.t.Errorf("a client has not hung up: %v", err)
	}
	_ = s.listener.Close() // where serving had not begun
}

// seen are the attempts so far.
func (s *mailServer) seen() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

type mailSession struct {
	server *mailServer
	conn   net.Conn
	to     []string
}

func (s *mailSession) Logout() error                      { return nil }
func (s *mailSession) Reset()                             { s.to = nil }
func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	s.server.mu.Lock()
	rcpt := s.server.rcpt
	s.server.mu.Unlock()
	if rcpt != nil {
		return rcpt(to)
	}
	return nil
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
	a := attempt{conn: s.conn, to: s.to, messageID: m.Header.Get("Message-Id"), subject: m.Header.Get("Subject")}
	_, text, _ := strings.Cut(strings.ReplaceAll(string(body), "=\r\n", ""), "Review invitation:\r\n")
	a.link, _, _ = strings.Cut(text, "\r\n")

	s.server.mu.Lock()
	a.number = len(s.server.attempts) + 1
	s.server.attempts = append(s.server.attempts, a)
	s.server.mu.Unlock()
	s.server.taken.notify()
	if s.server.data != nil {
		if err := s.server.data(a); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.attempts[a.number-1].taken = true
	return nil
}

// silent is a log for sessions that are meant to break.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
