package outbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// The database does not store an outcome until the lease has ended, and the same
// gateway claims the job once more.
func TestOutcomeIsKeptUntilItIsStored(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$`)
	d.exec(`create trigger refuse before update of state on outbox for each statement execute function refuse()`)
	subject := d.enqueue(1)[0]
	var attempted counter
	d.start(&outbox.Queue{Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		attempted.add(jobs)
		always(nil)(ctx, jobs, report)
	}})
	d.await("a refused outcome", func() bool { return strings.Contains(d.log.String(), "not now") })
	d.exec(`update outbox set next_attempt_at = clock_timestamp() - interval '1 second'`)
	d.await("another claim", func() bool { return d.row(subject).Attempts == 2 })
	d.exec(`drop trigger refuse on outbox`)
	if r := d.awaitState(subject, "SENT"); r.Attempts != 1 || attempted.of(subject.UUID) != 1 {
		t.Errorf("%d attempts: %v", attempted.of(subject.UUID), r)
	}
}

// Gateways could not renew their leases while the database was away. They get the time
// to do it, or to store what they know.
func TestLeasesThatEndWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	others := d.enqueue(1)[0]
	d.exec(`update outbox set attempts = 1, lease = gen_random_uuid()`)
	d.exec(`alter table outbox rename to elsewhere`)
	q := &outbox.Queue{Work: always(nil), Lease: time.Hour, PollInterval: time.Hour}
	d.start(q)
	d.await("a claim that fails", func() bool { return strings.Contains(d.log.String(), `"msg":"outbox"`) })
	d.exec(`alter table elsewhere rename to outbox`)
	due := d.enqueue(1)[0]
	q.Wake()
	d.awaitState(due, "SENT")
	if r := d.row(others); r.Attempts != 1 || r.Lease == nil {
		t.Errorf("%v", r)
	}
}
