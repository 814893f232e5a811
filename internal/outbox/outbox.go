// Package outbox does work that must follow a commit, such as sending a mail. A
// transaction writes a job beside its data. After the commit any gateway claims
// the job and attempts it, again and again, until it succeeds, fails for good or
// has nothing left to do.
//
// A claimed job is leased to one gateway, which renews the lease while it works.
// If a gateway is killed, its leases expire and other gateways claim the jobs. A
// job is therefore attempted at least once, and perhaps more than once.
//
// The row of a job stays after the job has ended, to say how it ended. It is
// deleted with its instance.
//
// The states of a row are QUEUED (waiting, or leased to a gateway), HELD (its
// instance is deleted), SENT, FAILED and DROPPED.
//
// The outbox is a table of its own because the usual library, River, needs pgx,
// and the gateway uses lib/pq.
package outbox

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Outcomes of an attempt, as errors. After any other error the job is attempted
// again, with growing pauses, until it is two days old. If the error or one that
// it wraps has a method Reply() string, the reply is stored as the answer of the
// other side.
var (
	// ErrDropped ends a job that has nothing left to do.
	ErrDropped = errors.New("outbox: nothing left to do")
	// ErrPermanent ends a job that would fail in every attempt.
	ErrPermanent = errors.New("outbox: will never succeed")
	// ErrPostponed says that the job was not attempted. It is due at once.
	ErrPostponed = errors.New("outbox: not tried")
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
}

// Subjects returns the subjects of jobs, in their order.
func Subjects(jobs []Job) postgres.UUIDs {
	ids := make(postgres.UUIDs, len(jobs))
	for i, job := range jobs {
		ids[i] = job.Subject
	}
	return ids
}

// Enqueue writes one job of a kind for each task. The jobs are due as soon as the
// transaction is committed; call [Queue.Wake] then.
func Enqueue(ctx context.Context, tx *postgres.Tx, kind string, tasks []Task) error {
	var ids, subjects, instances postgres.UUIDs
	var secrets pq.StringArray
	for _, t := range tasks {
		ids, subjects = append(ids, uuid.Must(uuid.NewV7())), append(subjects, t.Subject)
		instances, secrets = append(instances, t.Instance), append(secrets, t.Secret)
	}
	_, err := tx.Exec(ctx, `
		insert into outbox (id, kind, subject_id, instance_id, secret)
		select t.id, $1, t.subject_id, t.instance_id, t.secret
		from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) as t (id, subject_id, instance_id, secret)`,
		kind, ids, subjects, instances, secrets)
	return err
}
