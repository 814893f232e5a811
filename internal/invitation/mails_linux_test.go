package invitation_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// BenchmarkMails sends the mails of invitations through the outbox to a mail server that
// drops them. It measures one gateway: mails a second, the time of the processor (that of
// the mail server is in that of the gateway), and the write-ahead log.
func BenchmarkMails(b *testing.B) {
	const mails = 5000
	w := testworld.New(b)
	sender, err := mail.NewSender(newSink(b), mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		b.Fatal(err)
	}
	public, err := url.Parse(testworld.PublicURL)
	if err != nil {
		b.Fatal(err)
	}
	sent := counter{ended: make(chan struct{}, mails)}
	var used cost
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		w.Exec(`
			with n as (
				insert into invitation (id, instance_id, email, email_key, role, token_hash, message, invited_by, expires_at)
				select uuid_v7(clock_timestamp()), $1::uuid, e, e, 'VIEWER', sha256(convert_to(md5(e), 'UTF8')), 'We start on Monday.', $2::uuid, clock_timestamp() + interval '30 days'
				from generate_series(1, $4::int) n, lateral (select 'p' || $3::int || '.' || n || '@new.example' as e) e
				returning id, instance_id, email)
			insert into outbox (id, kind, subject_id, instance_id, secret) select uuid_v7(clock_timestamp()), 'INVITATION', id, instance_id, md5(email) from n`,
			w.Instance("Group 1").UUID, w.User("ada").ID.UUID, round, mails)
		w.Exec(`vacuum analyze outbox`)
		w.Exec(`vacuum analyze invitation`)
		w.Exec(`checkpoint`)
		q := &outbox.Queue{DB: w.DB, Log: slog.New(slog.DiscardHandler), Kind: invitation.MailKind, Observer: sent,
			Work: mail.Work(sender, (&invitation.Mailer{DB: w.DB, PublicURL: public}).Read)}
		before := costNow(b, w)
		b.StartTimer()
		ctx, stop := context.WithCancel(b.Context())
		var running sync.WaitGroup
		running.Go(func() { q.Run(ctx) })
		for range mails {
			<-sent.ended
		}
		stop()
		running.Wait()
		b.StopTimer()
		used.add(before, costNow(b, w))
		if n := w.Number(`select count(*) from outbox where state = 'SENT'`); n != mails*(round+1) {
			b.Fatalf("%d mails were sent", n)
		}
		b.StartTimer()
	}
	n := float64(mails * b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "mails/s")
	b.ReportMetric(used.gateway.Seconds()*1e6/n, "gateway-µs/mail")
	b.ReportMetric(used.database.Seconds()*1e6/n, "database-µs/mail")
	b.ReportMetric(float64(used.octets)/n, "WAL-octets/mail")
}

// counter counts mails that were sent.
type counter struct{ ended chan struct{} }

// Batch implements outbox.Observer.
func (counter) Batch(ctx context.Context, _ string, _ int) (context.Context, func()) {
	return ctx, func() {}
}

// Job implements outbox.Observer.
func (c counter) Job(context.Context, string, uuid.UUID, string, time.Duration) {
	c.ended <- struct{}{}
}

// cost is what was used at some time since the start.
type cost struct {
	gateway, database time.Duration // of the processor
	octets            int           // of the write-ahead log
}

func (c *cost) add(from, to cost) {
	c.gateway += to.gateway - from.gateway
	c.database += to.database - from.database
	c.octets += to.octets - from.octets
}

func costNow(b *testing.B, w *testworld.World) (c cost) {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	c.gateway = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	for _, pid := range w.Lines(`select pid from pg_stat_activity where datname = current_database()`) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // proc(5): from the third one on
		for _, ticks := range fields[11:13] {
			n, err := strconv.Atoi(ticks)
			if err != nil {
				b.Fatal(err)
			}
			c.database += time.Duration(n) * 10 * time.Millisecond
		}
	}
	c.octets = w.Number(`select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint`)
	return c
}

// newSink starts a mail server that accepts every mail and drops it.
func newSink(b *testing.B) *url.URL {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				if err := drop(client); err != nil {
					b.Error(err)
				}
			})
		}
	})
	b.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return &url.URL{Scheme: "smtp", Host: listener.Addr().String()}
}

// drop is one session of the mail server. It answers what has come in one packet by one.
func drop(client net.Conn) error {
	defer client.Close()
	in, out := bufio.NewReaderSize(client, 64<<10), bufio.NewWriter(client)
	fmt.Fprint(out, "220 sink ESMTP\r\n")
	content := false
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil // the client is gone
		}
		switch {
		case content:
			if content = string(line) != ".\r\n"; !content {
				fmt.Fprint(out, "250 accepted\r\n")
			}
		case bytes.HasPrefix(line, []byte("EHLO")):
			fmt.Fprint(out, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
		case bytes.HasPrefix(line, []byte("DATA")):
			content = true
			fmt.Fprint(out, "354 send it\r\n")
		case bytes.HasPrefix(line, []byte("QUIT")):
			fmt.Fprint(out, "221 closing\r\n")
			return out.Flush()
		default:
			fmt.Fprint(out, "250 ok\r\n")
		}
	}
}
