package outbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

func TestHeldJobWaitsAndIsDueWhenReleased(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	instance := d.newInstance()
	held, other := d.enqueueFor(instance, 1)[0], d.enqueueFor(d.newInstance(), 1)[0]
	d.hold(instance)
	d.exec(`update outbox set next_attempt_at = next_attempt_at + interval '1 hour' where subject_id = $1`, held.UUID)
	d.start(&outbox.Queue{Work: always(nil)})
	d.awaitState(other, "SENT")
	if r := d.row(held); r.State != "HELD" || r.Secret == nil || r.Attempts != 0 {
		t.Errorf("the held job: %v", r)
	}
	d.release(instance)
	d.awaitState(held, "SENT")
}

func TestJobIsHeldDuringAnAttempt(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	instance := d.newInstance()
	outcomes, states := map[uuid.UUID]error{}, map[globalid.ID]string{}
	for state, outcome := range map[string]error{
		"SENT": nil, "FAILED": outbox.ErrPermanent, "DROPPED": outbox.ErrDropped, "HELD": errors.New("try later"),
	} {
		subject := d.enqueueFor(instance, 1)[0]
		outcomes[subject.UUID], states[subject] = outcome, state
	}
	g, stop := d.startGated(&outbox.Queue{}, bySubject(outcomes))
	d.await("the claims", d.leased)
	d.hold(instance)
	g.open()
	stop()
	for subject, want := range states {
		if r := d.row(subject); r.State != want || r.Lease != nil || (r.Secret != nil) != (want == "HELD") {
			t.Errorf("the outcome %v led to %v", outcomes[subject.UUID], r)
		}
	}
}

// Holding, releasing, renewing and completing at once neither deadlocks nor attempts
// a job twice.
func TestHoldingAndReleasingWhileJobsRun(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	instance := d.newInstance()
	// Enough rows of other instances that the planner uses the indexes.
	d.enqueueFor(d.newInstance(), 3000)
	d.exec(`update outbox set state = 'SENT', secret = null`)
	subjects := d.enqueueFor(instance, 2000)
	d.exec(`update outbox set next_attempt_at = next_attempt_at - random() * interval '1 minute' where state = 'QUEUED'`)
	d.exec(`analyze outbox`)
	var done counter
	for range 2 {
		d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
			done.add(jobs)
			return make([]error, len(jobs))
		})})
	}
	for d.count(`state in ('QUEUED', 'HELD')`) > 0 {
		d.hold(instance)
		d.release(instance)
	}
	for _, s := range subjects {
		if n := done.of(s.UUID); n != 1 {
			t.Fatalf("a job was attempted %d times", n)
		}
	}
	if strings.Contains(d.log.String(), "error") {
		t.Errorf("%s", d.log.String())
	}
}
