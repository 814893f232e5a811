package outbox_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

func TestBacklogCountsWaitingJobs(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	instance := d.newInstance()
	d.exec(`insert into account (id, subject, email, email_key, name) values ($1::uuid, $1::uuid::text, 'ada@uni.example', 'ada@uni.example', 'Ada')`, instance.UUID)
	d.exec(`update instance set deleted_at = now(), deleted_by = $1::uuid, restorable_until = now() + interval '1 day' where id = $1::uuid`, instance.UUID)
	for _, job := range []struct{ columns, age, due string }{
		{"state = 'QUEUED'", "2 hours", "-1 hour"},
		{"state = 'QUEUED'", "1 hour", "-2 hours"},
		{"state = 'QUEUED', lease = gen_random_uuid()", "3 hours", "1 hour"},
		{"state = 'QUEUED', attempts = 1", "4 hours", "2 hours"},
		{"state = 'HELD'", "5 hours", "-5 hours"},
		{"state = 'SENT', secret = null", "6 hours", "-6 hours"},
	} {
		subject := d.enqueueFor(instance, 1)[0]
		d.exec(`update outbox set created_at = now() - $2::interval, next_attempt_at = now() + $3::interval, `+job.columns+`
		        where subject_id = $1`, subject.UUID, job.age, job.due)
	}
	got, err := outbox.ReadBacklog(t.Context(), d.tests)
	if err != nil {
		t.Fatal(err)
	}
	const hour = 3600
	want := []outbox.Backlog{
		{Kind: kind, State: "DELAYED", Jobs: 1, Age: 4 * hour, Overdue: -2 * hour},
		{Kind: kind, State: "DUE", Jobs: 2, Age: 2 * hour, Overdue: 2 * hour},
		{Kind: kind, State: "HELD", Jobs: 1, Age: 5 * hour, Overdue: 0},
		{Kind: kind, State: "LEASED", Jobs: 1, Age: 3 * hour, Overdue: -1 * hour},
	}
	// The database's clock goes on between the statements.
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 5*60)); diff != "" {
		t.Error(diff)
	}
}
