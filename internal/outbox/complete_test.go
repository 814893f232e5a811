package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := map[string]struct {
		age       time.Duration
		outcome   error
		state     string
		lastError string
	}{
		"success":                      {0, nil, "SENT", ""},
		"late success":                 {3 * day, nil, "SENT", ""},
		"failure":                      {0, errors.New("try later"), "QUEUED", "try later"},
		"failure, nearly two days old": {2*day - 10*time.Minute, errors.New("try later"), "QUEUED", "try later"},
		"failure, two days old":        {2*day + time.Minute, errors.New("try later"), "FAILED", "try later"},
		"permanent failure":            {0, fmt.Errorf("%w: no such person", outbox.ErrPermanent), "FAILED", "outbox: will never succeed: no such person"},
		"nothing to do":                {0, fmt.Errorf("%w: it was revoked", outbox.ErrDropped), "DROPPED", ""},
		"nothing to do, two days old":  {3 * day, outbox.ErrDropped, "DROPPED", ""},
		"what PostgreSQL refuses":      {0, errors.New("a\x00b\xffc\nd"), "QUEUED", "abc d"},
		"a long error":                 {0, errors.New(strings.Repeat("é", 400)), "QUEUED", strings.Repeat("é", 250)},
	}
	d := newDatabase(t)
	outcomes, subjects := map[uuid.UUID]error{}, map[string]globalid.ID{}
	for name, test := range tests {
		subject := d.enqueue(1)[0]
		d.exec(`update outbox set created_at = clock_timestamp() - $2 * interval '1 second' where subject_id = $1`, subject.UUID, test.age.Seconds())
		outcomes[subject.UUID], subjects[name] = test.outcome, subject
	}
	d.start(&outbox.Queue{Work: bySubject(outcomes)})
	d.await("all outcomes", func() bool { return d.count(`attempts = 0 or lease is not null`) == 0 })
	for name, test := range tests {
		r := d.row(subjects[name])
		if r.State != test.state || value(r.LastError) != test.lastError {
			t.Errorf("%s: it ended as %v", name, r)
		}
		if ended := test.state != "QUEUED"; ended != (r.Secret == nil) {
			t.Errorf("%s: it ended as %v", name, r)
		}
	}
}

func TestPostponedJobIsDueAtOnceAndNotCounted(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	d.exec(`update outbox set attempts = 3, last_error = 'greylisted', reply = '450 later', attempted_at = 'yesterday'`)
	attempts := make(chan int, 10)
	d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		attempts <- jobs[0].Attempts
		if len(attempts) == 1 {
			return []error{outbox.ErrPostponed}
		}
		if r := d.row(subject); value(r.LastError) != "greylisted" || r.Attempts != 4 {
			t.Errorf("it became %v", r)
		}
		return []error{nil}
	})})
	d.awaitState(subject, "SENT")
	if first, second := <-attempts, <-attempts; first != 4 || second != 4 {
		t.Errorf("attempts %d and %d", first, second)
	}
}

// refusal is an error with the other side's reply.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }
func (r refusal) Reply() string { return string(r) }

func TestReplyIsStoredUntilAnAttemptSucceeds(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	var fixed atomic.Bool
	d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		if fixed.Load() {
			return []error{nil}
		}
		return []error{fmt.Errorf("mail: %w", refusal("451 4.7.1 later,\r\nsays "+jobs[0].Secret))}
	})})
	var r row
	d.await("a reply", func() bool { r = d.row(subject); return r.Reply != nil })
	if *r.Reply != "451 4.7.1 later,  says …" || r.AttemptedAt == nil {
		t.Errorf("%v", r)
	}
	fixed.Store(true)
	d.endPauses()
	if r := d.awaitState(subject, "SENT"); r.Reply != nil || r.LastError != nil {
		t.Errorf("%v", r)
	}
}

// A mail server can quote the mail in its reply, and with it the link.
func TestErrorDoesNotContainTheSecret(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		// The stored error is cut within the secret.
		return []error{fmt.Errorf("%w: 554 spam: %s see https://datahub.example/#%s", outbox.ErrPermanent, strings.Repeat("x", 400), jobs[0].Secret)}
	})})
	r := d.awaitState(subject, "FAILED")
	if got := value(r.LastError); strings.Contains(got, secretOf(subject)[:10]) || !strings.Contains(got, "554 spam") {
		t.Errorf("the error is %q", got)
	}
}

func TestPausesDoubleUpToAnHour(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subjects := d.enqueue(30)
	for i, s := range subjects {
		d.exec(`update outbox set attempts = $2 where subject_id = $1`, s.UUID, i)
	}
	stop := d.start(&outbox.Queue{Work: always(errors.New("try later"))})
	d.await("30 failures", func() bool { return d.count(`last_error is not null`) == len(subjects) })
	stop()
	for _, s := range subjects {
		r := d.row(s)
		average := min(time.Hour, 5*time.Second<<min(r.Attempts-1, 20))
		// The row is read less than a minute after the failure.
		if pause := r.NextAttemptAt.Sub(r.Now); pause > average*3/2 || pause < average/2-time.Minute {
			t.Errorf("after attempt %d a pause of %v", r.Attempts, pause)
		}
	}
}
