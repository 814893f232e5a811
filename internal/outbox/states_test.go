package outbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
)

// tried is a job for an instance of its own.
type tried struct {
	instance, subject globalid.ID
	heldDuringAttempt bool // instead of before it
}

func TestStates(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const retention = 90 * 24 * time.Hour
	failure := errors.New("try later")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	find := func(r *tried) string {
		if d.count(`subject_id = '`+r.subject.UUID.String()+`'`) == 0 {
			return state.None
		}
		return d.row(r.subject).State
	}
	enqueue := func(r *tried) {
		d.enqueueTasks(outbox.Task{Subject: r.subject.UUID, Instance: r.instance.UUID, Secret: "x"})
	}
	// run works on what is due until the queue has nothing left, and then on another job,
	// which shows that it has looked.
	run := func(r *tried, during func(), outcome error) {
		last := d.enqueue(1)[0]
		d.exec(`update outbox set next_attempt_at = clock_timestamp() - interval '1 hour' where subject_id = $1 and lease is null`, r.subject.UUID)
		stop := d.start(&outbox.Queue{Work: func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
			for i, job := range jobs {
				if job.Subject == r.subject.UUID {
					during()
					report(i, outcome)
				} else {
					report(i, nil)
				}
			}
		}})
		d.awaitState(last, "SENT")
		stop()
	}
	// attempt has the other side answer an attempt with an outcome, after a number of
	// uncertain attempts of a job of some age.
	attempt := func(outcome error, uncertain int, age time.Duration) []func(*tried) error {
		return []func(*tried) error{func(r *tried) error {
			d.exec(`update outbox set uncertain = $2, created_at = created_at - $3 * interval '1 second' where subject_id = $1 and state in ('QUEUED', 'HELD')`,
				r.subject.UUID, uncertain, age.Seconds())
			during := func() {}
			if r.heldDuringAttempt {
				d.release(r.instance)
				during = func() { d.hold(r.instance) }
			}
			run(r, during, outcome)
			return nil
		}}
	}
	inTx := func(do func(context.Context, *postgres.Tx, globalid.ID) error) func(*tried) error {
		return func(r *tried) error {
			d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return do(ctx, tx, r.instance) })
			return nil
		}
	}
	inSpace := func(do func(context.Context, *postgres.Tx, globalid.ID) error) func(*tried) error {
		return func(r *tried) error {
			space := globalid.ID{Kind: globalid.Space}
			must(d.tests.Get(t.Context(), &space.UUID, `select space_id from instance where id = $1`, r.instance.UUID))
			d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return do(ctx, tx, space) })
			return nil
		}
	}

	statetest.Check(t, outbox.States, statetest.Trial[*tried]{
		Row: func(from, _ string) *tried {
			r := &tried{instance: d.newInstance(), subject: globalid.New(globalid.Invitation)}
			if from == state.None {
				return r
			}
			enqueue(r)
			switch from {
			case "HELD":
				d.hold(r.instance)
				r.heldDuringAttempt = true
			case "SENT":
				must(attempt(nil, 0, 0)[0](r))
			case "FAILED":
				must(attempt(outbox.ErrPermanent, 0, 0)[0](r))
			case "DROPPED":
				must(attempt(outbox.ErrDropped, 0, 0)[0](r))
			case "UNCERTAIN":
				must(attempt(outbox.ErrUncertain, 2, 0)[0](r))
			}
			return r
		},
		State: find,
		Events: map[string][]func(*tried) error{
			"enqueue": {func(r *tried) error {
				if find(r) == state.None { // another mail of the same subject would be another row
					enqueue(r)
				}
				return nil
			}},
			"success":                          attempt(nil, 0, 0),
			"permanent failure":                attempt(outbox.ErrPermanent, 0, 0),
			"failure":                          attempt(failure, 0, 0),
			"failure after 2 days":             attempt(failure, 0, 49*time.Hour),
			"doubt":                            attempt(outbox.ErrUncertain, 1, 0),
			"doubt for the third time":         attempt(outbox.ErrUncertain, 2, 0),
			"doubt, then failure after 2 days": attempt(failure, 1, 49*time.Hour),
			"no attempt":                       append(attempt(outbox.ErrUnavailable, 0, 49*time.Hour), attempt(outbox.ErrBusy, 0, 49*time.Hour)...),
			"nothing to do":                    attempt(outbox.ErrDropped, 0, 0),
			"deletion of the place":            {inTx(outbox.Hold), inSpace(outbox.HoldSpace)},
			"restoration of the place":         {inTx(outbox.Release), inSpace(outbox.ReleaseSpace)},
			"deletion of the subject": {inTx(func(ctx context.Context, tx *postgres.Tx, id globalid.ID) error {
				_, err := instance.Empty(ctx, tx, id.UUID)
				return err
			})},
			"retention": {func(r *tried) error {
				d.exec(`update outbox set attempted_at = attempted_at - $2 * interval '1 second' where subject_id = $1`, r.subject.UUID, retention.Seconds())
				_, err := outbox.DeleteFinished(t.Context(), d.tests, retention)
				return err
			}},
		},
	})
}
