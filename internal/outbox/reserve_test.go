package outbox_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// reserve reserves n jobs as soon as the queue takes them.
func (d *database) reserve(q *outbox.Queue, n int) (subjects []globalid.ID, jobs []outbox.Job, r *outbox.Reservation) {
	d.t.Helper()
	for range n {
		subject := globalid.New(globalid.Invitation)
		subjects = append(subjects, subject)
		jobs = append(jobs, outbox.Job{ID: outbox.NewID(), Subject: subject.UUID, Secret: secretOf(subject)})
	}
	d.await("a reservation", func() bool {
		r = q.Reserve(jobs)
		return r != nil
	})
	return subjects, jobs, r
}

// insert writes jobs with a lease.
func (d *database) insert(jobs []outbox.Job, seconds float64) {
	d.t.Helper()
	var ids, subjects postgres.UUIDs
	var secrets pq.StringArray
	for _, job := range jobs {
		ids, subjects, secrets = append(ids, job.ID), append(subjects, job.Subject), append(secrets, job.Secret)
	}
	d.exec(`insert into outbox (id, kind, subject_id, secret, attempts, lease, next_attempt_at)
		select id, $1, subject_id, secret, 1, id, clock_timestamp() + $5 * interval '1 second'
		from unnest($2::uuid[], $3::uuid[], $4::text[]) as j (id, subject_id, secret)`, kind, ids, subjects, secrets, seconds)
}

func TestReservedJobsAreAttemptedWithoutAClaim(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	type attempt struct{ id, lease, subject uuid.UUID }
	attempted := make(chan attempt, 200)
	q := &outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		for _, job := range jobs {
			if job.Attempts != 1 || job.Secret != secretOf(globalid.ID{Kind: globalid.Invitation, UUID: job.Subject}) {
				t.Errorf("%+v", job)
			}
			attempted <- attempt{job.ID, job.Lease, job.Subject}
		}
		return make([]error, len(jobs))
	})}
	d.start(q)
	subjects, jobs, r := d.reserve(q, 110)
	d.insert(jobs, *r.Lease())
	r.Attempt(t.Context())
	r.Cancel() // does nothing
	due := d.enqueue(1)[0]
	d.await("all jobs", func() bool { return d.count(`state = 'SENT'`) == len(jobs)+1 })
	of := map[uuid.UUID]attempt{}
	for range len(jobs) + 1 {
		a := <-attempted
		of[a.subject] = a
	}
	for i, s := range subjects {
		if a := of[s.UUID]; a.id != jobs[i].ID || a.lease != jobs[i].ID {
			t.Errorf("%+v; want the lease that the row was written with", a)
		}
	}
	if a := of[due.UUID]; a.lease == a.id {
		t.Errorf("%+v was not claimed", a)
	}
	if n := d.count(`attempts <> 1 or secret is not null or lease is not null or attempted_at is null`); n > 0 {
		t.Errorf("%d rows did not end as they should", n)
	}
}

// A queue reserves nothing that it could not attempt soon.
func TestNothingIsReservedThatWouldWait(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var away atomic.Bool
	awaiting, back := make(chan struct{}, 100), make(chan struct{})
	q := &outbox.Queue{Work: always(nil), Await: func(ctx context.Context) {
		if !away.Load() {
			return
		}
		awaiting <- struct{}{}
		select {
		case <-back:
		case <-ctx.Done():
		}
	}}
	job := func() outbox.Job { return outbox.Job{ID: outbox.NewID(), Subject: uuid.New()} }
	if q.Reserve([]outbox.Job{job()}) != nil {
		t.Error("reserved although nobody works on the queue")
	}
	stop := d.start(q)
	_, _, r := d.reserve(q, 1999)
	if q.Reserve([]outbox.Job{job(), job()}) != nil {
		t.Error("more jobs are reserved than may wait")
	}
	r.Cancel()
	_, _, r = d.reserve(q, 2000)
	r.Cancel()
	away.Store(true)
	const workers = 4
	for range workers {
		<-awaiting
	}
	if q.Reserve([]outbox.Job{job()}) != nil {
		t.Error("reserved although the other side is away")
	}
	away.Store(false)
	close(back)
	_, _, r = d.reserve(q, 1)
	r.Cancel()
	stop()
	if q.Reserve([]outbox.Job{job()}) != nil {
		t.Error("reserved after the end")
	}
}

// The gateway claims a job that it is about to attempt, because its lease has ended.
func TestReservedJobIsNotAttemptedTwice(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var done counter
	q := &outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		done.add(jobs)
		return make([]error, len(jobs))
	})}
	d.start(q)
	subjects, jobs, r := d.reserve(q, 1)
	d.insert(jobs, -1)
	d.await("a claim", func() bool { return d.row(subjects[0]).Attempts == 2 })
	r.Attempt(t.Context())
	if row := d.awaitState(subjects[0], "SENT"); row.Attempts != 1 || done.of(subjects[0].UUID) != 1 {
		t.Errorf("%d attempts; %v", done.of(subjects[0].UUID), row)
	}
}

// A job that was enqueued although the gateway does not know it is attempted when its lease has ended.
func TestCancelledReservationIsClaimed(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	q := &outbox.Queue{Work: always(nil)}
	d.start(q)
	subjects, jobs, r := d.reserve(q, 1)
	r.Cancel()
	r.Attempt(t.Context()) // does nothing
	d.insert(jobs, -1)
	if row := d.awaitState(subjects[0], "SENT"); row.Attempts != 2 {
		t.Errorf("%v", row)
	}
}

// Where no worker has time for a job, or the gateway stops, any other gateway can claim it.
func TestReservedJobsThatWaitAreReturned(t *testing.T) {
	t.Parallel()
	for name, lease := range map[string]time.Duration{"they wait for long": time.Second, "the gateway stops": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			const busy, waiting = 4 * 20, 3
			entered := make(chan struct{}, 100)
			q := &outbox.Queue{Lease: lease, StopTimeout: time.Millisecond, PollInterval: time.Hour, Work: func(ctx context.Context, _ []outbox.Job, _ func(int, error)) {
				entered <- struct{}{}
				<-ctx.Done()
			}}
			d.enqueue(busy)
			stop := d.start(q)
			for range busy / 20 {
				<-entered
			}
			_, jobs, r := d.reserve(q, waiting)
			d.insert(jobs, 3600)
			r.Attempt(t.Context())
			if lease == time.Hour {
				stop()
			}
			returned := func() int {
				return d.count(`state = 'QUEUED' and attempts = 0 and lease is null and attempted_at is null and secret is not null and next_attempt_at <= clock_timestamp()`)
			}
			d.await("the jobs", func() bool { return returned() >= waiting })
			stop()
			if n := returned(); n != busy+waiting {
				t.Errorf("%d jobs were returned", n)
			}
		})
	}
}

// Jobs that other gateways left, or that are to be repeated, do not wait for those of the
// gateway's own requests, however many come: these here come as soon as the ones before are
// attempted, and have no rows.
func TestReservedJobsDoNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	attempted := make(chan uuid.UUID, 100)
	q := &outbox.Queue{PollInterval: time.Second, Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		for _, job := range jobs {
			attempted <- job.ID
		}
		return make([]error, len(jobs))
	})}
	d.start(q)
	var due globalid.ID
	for i := range 600 {
		_, jobs, r := d.reserve(q, 1)
		r.Attempt(t.Context())
		for id := uuid.Nil; id != jobs[0].ID; {
			id = <-attempted
		}
		if i == 20 { // no worker waits for the first time any more
			due = d.enqueue(1)[0]
		}
		if i > 20 && d.row(due).State == "SENT" {
			return
		}
	}
	t.Error("the job waits")
}

// A commit that comes after the stop leaves its jobs to other gateways at once.
func TestJobsAreReturnedThatAreCommittedAfterTheStop(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	q := &outbox.Queue{Work: always(nil)}
	stop := d.start(q)
	_, jobs, r := d.reserve(q, 2)
	stop()
	d.insert(jobs, *r.Lease())
	r.Attempt(t.Context())
	if n := d.count(`attempts = 0 and lease is null and next_attempt_at <= clock_timestamp()`); n != 2 {
		t.Errorf("%d jobs can be claimed", n)
	}
}

// What a job costs after it was enqueued, in records of the write-ahead log: of a row that is
// stored, a lock, a new version, and the entries in the indexes.
func TestJobsWriteFewRecords(t *testing.T) {
	t.Parallel()
	const jobs = 20
	d := newDatabase(t)
	instance := d.newInstance()
	q := &outbox.Queue{DB: d.tests, Kind: kind, Lease: lease}
	measure := func(what string, most float64, account []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var explained []struct {
			Plan struct {
				Records int `json:"WAL Records"`
				Octets  int `json:"WAL Bytes"`
			}
		}
		if err := json.Unmarshal(account, &explained); err != nil {
			t.Fatal(err)
		}
		p := explained[0].Plan
		t.Logf("%s: %.1f records, %d octets for a job", what, float64(p.Records)/jobs, p.Octets/jobs)
		if p.Records < jobs || float64(p.Records) > most*jobs {
			t.Errorf("%s: %d records for %d jobs; at most %.1f each", what, p.Records, jobs, most)
		}
	}
	d.enqueueFor(instance, 200) // pages and the indexes have entries
	d.exec(`update outbox set state = 'SENT', secret = null`)
	d.exec(`vacuum analyze outbox`)
	d.enqueueFor(instance, jobs)
	account, err := q.ExplainClaim(t.Context())
	measure("claim", 6.5, account, err)
	if n := d.count(`lease is not null`); n != jobs {
		t.Errorf("%d jobs were claimed", n)
	}

	// A reserved job has no claim.
	var own []outbox.Job
	for range jobs {
		own = append(own, outbox.Job{ID: outbox.NewID(), Subject: uuid.New(), Secret: "secret"})
	}
	d.insert(own, 3600)
	d.exec(`update outbox set instance_id = $1 where lease = id`, instance.UUID)
	account, err = q.ExplainSent(t.Context(), own)
	measure("completion", 5.5, account, err)
	if n := d.count(`state = 'SENT' and lease is null and attempted_at is not null`); n != jobs {
		t.Errorf("%d jobs were completed", n)
	}
}
