package app_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// A mail that the server defers twice is delivered once.
func TestBusyMailServerDelaysAMail(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.OnData(func(a apptest.Attempt) error {
		if a.Number <= 2 {
			return apptest.Reply(451, "try again later")
		}
		return nil
	})
	w := newWorld(t, s.Use)
	w.delayRetries()
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	for n := range 2 {
		row := w.tried(n + 1)
		if row.State != "QUEUED" || row.Secret == nil || !strings.Contains(pointed(row.LastError), "451") {
			t.Fatalf("after attempt %d: %+v", n+1, row)
		}
		w.tryNow()
	}
	w.sent(1)

	attempts := s.Attempts()
	if len(attempts) != 3 || attempts[0].Taken || attempts[1].Taken || !attempts[2].Taken {
		t.Errorf("attempts: %v", attempts)
	}
	for _, a := range attempts {
		if a.MessageID == "" || a.MessageID != attempts[0].MessageID || a.Link == "" || a.Link != attempts[0].Link || a.To != "zoe@new.example" {
			t.Errorf("attempts: %v", attempts)
		}
	}
	if row := w.outbox()[0]; row.LastError != nil || row.Secret != nil {
		t.Errorf("after all: %+v", row)
	}
	if n := w.Number(`select count(*) from invitation`); n != 1 {
		t.Errorf("%d invitations", n)
	}
}

func TestRefusedRecipientFailsAlone(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Refuse("zoe@new.example", 550, "no such person")
	w := newWorld(t, s.Use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"bob@new.example", "zoe@new.example", "kim@new.example"}).OK()
	w.AwaitOutbox()
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
	if n := len(s.Attempts()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

// A mail that the server took without a reply is sent once more, with the same
// Message-ID.
func TestMailWithALostReplyIsSentAgain(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.OnData(func(a apptest.Attempt) error {
		if a.Number == 1 {
			return a.Conn.Close()
		}
		return nil
	})
	w := newWorld(t, s.Use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	if row := w.tried(1); row.State != "QUEUED" || row.Secret == nil || row.LastError == nil {
		t.Fatalf("after the first attempt: %+v", row)
	}
	w.tryNow()
	w.sent(1)
	attempts := s.Attempts()
	if len(attempts) != 2 || attempts[0].MessageID != attempts[1].MessageID || attempts[0].Link != attempts[1].Link {
		t.Errorf("attempts: %v", attempts)
	}
}

// Inviting does not wait for the mail server, and mails that are being sent
// holdLocks no connection to the database: there are fewer connections than mails.
func TestHangingMailServerHoldsNoConnections(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	hanging, answer := make(chan struct{}, 1000), make(chan struct{})
	var once sync.Once
	goOn := func() { once.Do(func() { close(answer) }) }
	t.Cleanup(goOn)
	s.OnData(func(apptest.Attempt) error {
		hanging <- struct{}{}
		<-answer
		return nil
	})
	const workers, connections, people = 4, 2, 100
	w := newWorld(t, s.Use, func(s *app.Settings) { s.DatabaseConnections = connections })
	t.Cleanup(goOn) // before the gateway stops, even where the test fails
	ada := w.as("ada")
	var emails []string
	for i := range people {
		emails = append(emails, fmt.Sprintf("p%d@new.example", i))
	}
	ada.invite("Group 1", "VIEWER", emails).OK()
	for range workers {
		<-hanging
	}

	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	const held = `select count(*) from pg_stat_activity where datname = current_database() and usename = 'test_gateway' and `
	if n := w.Number(held + `true`); n == 0 || n > connections {
		t.Errorf("%d connections to the database", n)
	}
	if n := w.Number(held + `state like 'idle in transaction%'`); n > 0 {
		t.Errorf("%d transactions wait for the mail server", n)
	}
	if n := w.Number(`select count(*) from outbox where state <> 'QUEUED'`); n > 0 {
		t.Errorf("%d mails count as sent", n)
	}
	goOn()
	w.sent(people + 1)
	ids := map[string]string{}
	for _, a := range s.Attempts() {
		if to := a.To; ids[to] == "" {
			ids[to] = a.MessageID
		} else if ids[to] != a.MessageID {
			t.Errorf("two mails for %s", to)
		}
	}
	if len(ids) != people+1 {
		t.Errorf("%d people have a mail", len(ids))
	}
}

// The token is in the mail, and in the outbox until the mail is sent. It is
// nowhere else, also where the mail server quotes it.
func TestTokenIsStoredNowhereButInTheMail(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		answer func(a apptest.Attempt) error
		state  string
	}{
		"the mail is taken":              {func(apptest.Attempt) error { return nil }, "SENT"},
		"the mail is refused and quoted": {func(a apptest.Attempt) error { return apptest.Reply(554, "no mails with "+a.Link) }, "FAILED"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := apptest.NewMailServer(t)
			var busy atomic.Bool
			busy.Store(true)
			s.OnData(func(a apptest.Attempt) error {
				if busy.Load() {
					return apptest.Reply(451, "later: "+a.Link)
				}
				return c.answer(a)
			})
			w := newWorld(t, s.Use)
			invited := w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "message", "Welcome!", "idempotencyKey", "k").OK()
			token := pointed(w.tried(1).Secret)
			raw, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil || len(raw) != 32 {
				t.Fatalf("token %q: %v", token, err)
			}
			hash := sha256.Sum256([]byte(token))
			if got := w.Text(`select encode(token_hash, 'hex') from invitation`); got != hex.EncodeToString(hash[:]) {
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
			w.Await("the end", func() bool { return w.outbox()[0].State == c.state })
			if got := w.holders(token, hex.EncodeToString(raw)); len(got) > 0 {
				t.Errorf("in the end the token stands in %v", got)
			}
			if attempts := s.Attempts(); attempts[len(attempts)-1].Link != w.Gateway.URL()+"/app/invitation#"+token {
				t.Errorf("attempts: %v", attempts)
			}
			again := w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}, "message", "Welcome!", "idempotencyKey", "k").OK()
			for where, text := range map[string]string{"log": w.Log.Text(), "answer": invited.Body, "second answer": again.Body} {
				if text == "" || strings.Contains(text, token) {
					t.Errorf("the %s: %s", where, text)
				}
			}
		})
	}
}

func TestMailServerMayStartAfterTheGateway(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	s.Stop()
	w := newWorld(t, s.Use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	var row sending
	w.Eventually("a try", func() bool { row = w.outbox()[0]; return row.LastError != nil })
	if row.State != "QUEUED" || row.Attempts != 0 || row.Secret == nil || !strings.Contains(pointed(row.LastError), "connection refused") {
		t.Fatalf("without a mail server: %+v", row)
	}
	// The port is free, unless another connection happens to use it.
	w.Eventually("a mail server", func() bool { return s.Listen() == nil })
	t.Cleanup(s.Stop)
	w.sent(1)
	if n := len(s.Attempts()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// Nobody is sent a link that does not work.
func TestMailsOfEndedInvitationsAreDropped(t *testing.T) {
	t.Parallel()
	w, s, settle := newBusyMailServer(t)
	ada := w.as("ada")
	people := []string{"accepted@new.example", "declined@new.example", "expired@new.example", "live@new.example", "renewed@new.example", "revoked@new.example"}
	ada.invite("Group 1", "VIEWER", people).OK()
	w.Await("an attempt for each", func() bool {
		return w.Number(`select count(*) from outbox where attempts > 0 and lease is null`) == len(people)
	})
	w.Exec(`update outbox set next_attempt_at = clock_timestamp() + interval '1 hour'`)
	w.Await("no attempt under way", func() bool { return w.Number(`select count(*) from outbox where lease is not null`) == 0 })
	w.Exec(`update outbox set next_attempt_at = clock_timestamp() + interval '1 hour'`)

	for _, status := range []string{"ACCEPTED", "DECLINED", "REVOKED"} {
		w.Exec(`update invitation set status = $1 where email = $2`, status, strings.ToLower(status)+"@new.example")
	}
	w.Exec(`update invitation set expires_at = clock_timestamp() - interval '1 second' where email in ('expired@new.example', 'renewed@new.example')`)
	before := s.Attempts()
	settle()
	ada.invite("Group 1", "VIEWER", []string{"renewed@new.example"}).OK()
	s.Arrived.Await(t, "the renewed invitation's mail", func() bool { return len(s.Attempts()) == len(before)+1 })
	w.tryNow()
	w.AwaitOutbox()

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
	for _, a := range s.Attempts()[len(before):] {
		taken = append(taken, a.To)
		if a.To != "renewed@new.example" {
			continue
		}
		for _, b := range before {
			if b.Link == a.Link || b.MessageID == a.MessageID {
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

// outbox returns every row, ordered by address.
func (w *world) outbox() (rows []sending) {
	w.t.Helper()
	err := w.Admin.Select(&rows, `
		select v.email, o.state, o.secret, o.last_error, o.attempts, o.attempts > 0 and o.lease is null as settled
		from outbox o join invitation v on v.id = o.subject_id order by v.email, o.id`)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// tried waits until the only mail has been tried n times, and returns its row.
func (w *world) tried(n int) (row sending) {
	w.t.Helper()
	w.Await(fmt.Sprintf("attempt %d", n), func() bool {
		row = w.outbox()[0]
		return row.Settled && row.Attempts >= n
	})
	return row
}

// delayRetries prolongs the pauses between attempts by an hour. Otherwise the next one
// may begin on a busy machine before the test has looked at the last. tryNow ends them.
func (w *world) delayRetries() {
	w.t.Helper()
	w.Exec(`create function delay_retry() returns trigger language plpgsql as $$ begin
		new.next_attempt_at := new.next_attempt_at + interval '1 hour';
		return new; end $$`)
	w.Exec(`create trigger delay_retry before update on outbox for each row
		when (old.lease is not null and new.lease is null and new.state = 'QUEUED' and new.attempts = old.attempts) execute function delay_retry()`)
}

// tryNow ends the pauses between attempts.
func (w *world) tryNow() {
	w.t.Helper()
	w.Exec(`update outbox set next_attempt_at = clock_timestamp() where state = 'QUEUED' and lease is null`)
}

// sent waits until n mails are sent.
func (w *world) sent(n int) {
	w.t.Helper()
	w.Await(fmt.Sprintf("%d mails sent", n), func() bool { return w.Number(`select count(*) from outbox where state = 'SENT'`) == n })
}

// holders returns the tables with a row that contains one of the texts.
func (w *world) holders(texts ...string) (tables []string) {
	w.t.Helper()
	var all []string
	if err := w.Admin.Select(&all, `select table_name from information_schema.tables where table_schema = 'public' order by 1`); err != nil {
		w.t.Fatal(err)
	}
	for _, table := range all {
		for _, text := range texts {
			if w.Number(`select count(*) from `+table+` t where strpos(t::text, $1) > 0`, text) > 0 {
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
