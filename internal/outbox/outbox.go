// Package outbox does work that must follow a commit, such as sending a mail. A
// transaction writes a job beside its data. After the commit any gateway claims
// the job and attempts it, again and again, until it succeeds, fails for good or
// has nothing left to do. A gateway may write a job as claimed by itself, which is cheaper
// ([Queue.Reserve]).
//
// A claimed job is leased to one gateway, which renews the lease while it works.
// If a gateway is killed, its leases expire and other gateways claim the jobs. A
// job is therefore attempted at least once, and perhaps more than once. A gateway that
// lives keeps an outcome until the database has stored it, and never attempts the job
// again meanwhile.
//
// The row of a job stays after the job has ended, to say how it ended. It is
// deleted with its instance.
//
// An attempt is uncertain if the other side may have done what the job asks, but has
// not said so: its answer was lost, or the gateway was stopped before it came. Each
// repetition of such an attempt may do the work once more. Therefore it comes hours
// later, and the third uncertain attempt is the last. Work calls [Job.MarkSubmitted]
// for an attempt that may become uncertain. If a gateway is killed, a job without the
// mark is attempted again as soon as its lease has expired, and one with the mark
// counts as an uncertain attempt.
//
// The states of a row are QUEUED (waiting, or leased to a gateway), HELD (its
// instance is deleted), SENT, FAILED, DROPPED and UNCERTAIN (perhaps done, and not
// attempted again).
//
// The outbox is a table of its own because the usual library, River, needs pgx,
// and the gateway uses lib/pq.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Outcomes of an attempt, as errors. After any other error the job is attempted
// again, with growing pauses, until it is two days old. If the error or one that
// it wraps has a method Reply() string, the reply is stored as the answer of the
// other side; if it has a method Problem() string, that is stored as the name of what
// failed.
var (
	// ErrDropped ends a job that has nothing left to do.
	ErrDropped = errors.New("outbox: nothing left to do")
	// ErrPermanent ends a job that would fail in every attempt.
	ErrPermanent = errors.New("outbox: will never succeed")
	// ErrUncertain says that the other side has perhaps done what the job asks.
	ErrUncertain = errors.New("outbox: perhaps done")
	// ErrPostponed says that the job was not attempted. It is due at once.
	ErrPostponed = errors.New("outbox: not tried")
	// ErrBusy says that the job was not attempted, because the other side is busy with
	// others. It is due half a minute later.
	ErrBusy = errors.New("outbox: not tried, the other side is busy")

	// ErrUnavailable says that the job was not attempted, because the other side is away,
	// which is no failure of the job: it does not count, and does not end an old job. It is due at once,
	// so Work must have a [Queue.Await].
	ErrUnavailable = errors.New("outbox: not tried, the other side is away")

	// ErrSlow is no outcome: the attempt goes on, and takes long. Where that is reported of all
	// jobs without an outcome, the worker goes on with others.
	ErrSlow = errors.New("outbox: it takes long")

	// errLost is the outcome of an attempt that another gateway began, and was killed
	// in.
	errLost = fmt.Errorf("%w: the gateway ended during the attempt", ErrUncertain)
)

// Task is a job to be enqueued.
type Task struct {
	Subject  uuid.UUID // what the job is about
	Instance uuid.UUID // the job is held while this instance is deleted; uuid.Nil: none
	Secret   string    // stored until the job ends
}

// Job is a task that a gateway has claimed.
type Job struct {
	ID       uuid.UUID `db:"id"` // the same in every attempt
	Subject  uuid.UUID `db:"subject_id"`
	Secret   string    `db:"secret"`
	Attempts int       `db:"attempts"` // this one included
	Lease    uuid.UUID `db:"lease"`    // proves that the job is still this gateway's

	Uncertain int  `db:"uncertain"` // attempts that were uncertain
	Lost      bool `db:"lost"`      // the attempt before this one was uncertain, because its gateway ended

	queue    *Queue
	owned    *ownership
	leasedAt time.Time // of a job of a Reservation: before the lease began
}

// MarkSubmitted records that the attempt is uncertain unless its outcome is stored.
// Call it before the other side can do the work, or as soon as its answer takes long.
func (j Job) MarkSubmitted(ctx context.Context) error {
	if j.queue == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	leases, _ := j.queue.owned.leases([]Job{j})
	_, err := j.queue.DB.Exec(ctx, `update outbox set submitted = true where id = $1 and lease = $2`, j.ID, leases[0])
	return err
}

// Subjects returns the subjects of jobs, in their order.
func Subjects(jobs []Job) postgres.UUIDs {
	ids := make(postgres.UUIDs, len(jobs))
	for i, job := range jobs {
		ids[i] = job.Subject
	}
	return ids
}

// NewID returns the id of a new job.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// Enqueue writes one job of a kind for each task. The jobs are due as soon as the
// transaction is committed; call [Queue.Wake] then.
func Enqueue(ctx context.Context, tx *postgres.Tx, kind string, tasks []Task) error {
	var ids, subjects, instances postgres.UUIDs
	var secrets pq.StringArray
	for _, t := range tasks {
		ids, subjects = append(ids, NewID()), append(subjects, t.Subject)
		instances, secrets = append(instances, t.Instance), append(secrets, t.Secret)
	}
	return tx.Later(ctx, `
		insert into outbox (id, kind, subject_id, instance_id, secret)
		select t.id, $1, t.subject_id, t.instance_id, t.secret
		from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) as t (id, subject_id, instance_id, secret)`,
		kind, ids, subjects, instances, secrets)
}
