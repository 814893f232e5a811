package outbox_test

import (
	"slices"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

func TestFinishedJobsAreDeletedAfterTheRetention(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const retention = 90 * 24 * time.Hour
	states := []string{"SENT", "FAILED", "DROPPED", "QUEUED", "HELD"}
	for _, age := range []string{"89 days", "91 days"} {
		for _, subject := range d.enqueue(len(states)) {
			d.exec(`
				update outbox set created_at = clock_timestamp() - interval '95 days', attempted_at = clock_timestamp() - $2::interval,
				       state = ($3::text[])[1 + (select count(*) from outbox where attempted_at is not null) % 5],
				       secret = null
				where subject_id = $1`, subject.UUID, age, `{`+states[0]+`,`+states[1]+`,`+states[2]+`,`+states[3]+`,`+states[4]+`}`)
		}
	}
	// One without an attempt counts from its creation.
	never := d.enqueue(1)[0]
	d.exec(`update outbox set state = 'DROPPED', secret = null, created_at = clock_timestamp() - interval '91 days' where subject_id = $1`, never.UUID)
	for _, want := range []int64{4, 0} {
		if n, err := outbox.DeleteFinished(t.Context(), d.tests, retention); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	var left []string
	if err := d.tests.Select(t.Context(), &left, `select state from outbox order by state`); err != nil {
		t.Fatal(err)
	}
	if want := []string{"DROPPED", "FAILED", "HELD", "HELD", "QUEUED", "QUEUED", "SENT"}; !slices.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}

func TestDeleteFinishedDeletesInBatches(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.enqueue(1200)
	d.exec(`update outbox set state = 'SENT', secret = null, attempted_at = clock_timestamp() - interval '3 days'`)
	for _, want := range []int64{1000, 200, 0} {
		if n, err := outbox.DeleteFinished(t.Context(), d.tests, 48*time.Hour); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
}
