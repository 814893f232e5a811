// Package racetest runs requests against each other in tests.
package racetest

import (
	"sync"
	"testing"
	"time"
)

// A Race runs two functions against each other in many trials. The zero value is
// ready.
//
// In one trial of ten they run one after the other, in one order and then in
// the other, so both orders are tested on every machine. In the other trials
// they run at once. From the results, the race learns how much later the second
// must begin for each to be first in about half of these trials, which is where
// their statements meet.
type Race struct {
	First int // trials in which the first was first

	trials  int
	order   order // of the current trial
	balance balance
	wrong   int // trials one after the other with the result of the other order
}

type order int

const (
	atOnce order = iota
	firstBeforeSecond
	secondBeforeFirst
)

// Run carries out both functions, and returns when both have ended.
func (r *Race) Run(first, second func()) {
	r.order = atOnce
	switch r.trials % 20 {
	case 0:
		r.order = firstBeforeSecond
	case 10:
		r.order = secondBeforeFirst
	}
	r.trials++
	switch r.order {
	case firstBeforeSecond:
		first()
		second()
	case secondBeforeFirst:
		second()
		first()
	default:
		Together(
			func() { time.Sleep(-r.balance.lead); first() },
			func() { time.Sleep(r.balance.lead); second() })
	}
}

// Record notes which function was first, as the results of the trial tell. Call
// it after each Run.
func (r *Race) Record(first bool) {
	if first {
		r.First++
	}
	if r.order != atOnce {
		if first != (r.order == firstBeforeSecond) {
			r.wrong++
		}
		return
	}
	r.balance.record(first)
}

// End logs how often the first was first. It fails the test where functions that
// ran one after the other had the result of the other order: then the results
// do not tell which was first, and the trials at once test nothing.
func (r *Race) End(t *testing.T) {
	t.Helper()
	t.Logf("the first was first in %d of %d trials", r.First, r.trials)
	if r.wrong > 0 || r.First == 0 || r.First == r.trials {
		t.Errorf("in %d trials the result is not that of the order in which they ran", r.wrong)
	}
}

// An Edge has a request meet a deadline in many trials. The zero value is ready.
//
// In one trial of ten the deadline is far away or over, so both results are
// tested on every machine. In the other trials the edge learns how long before
// the deadline the request must begin to be in time in about half of them.
type Edge struct {
	trials  int
	before  time.Duration
	balance balance
	inTime  int // trials
	wrong   int // trials decided beforehand with the other result
}

// Before returns how long before the deadline the request of the next trial is
// to begin. It is negative where the deadline is to be over.
func (e *Edge) Before() time.Duration {
	e.before = e.balance.lead
	switch e.trials % 20 {
	case 0:
		e.before = time.Hour
	case 10:
		e.before = -time.Second
	}
	e.trials++
	return e.before
}

// Record notes whether the request was in time. Call it after each trial.
func (e *Edge) Record(inTime bool) {
	if inTime {
		e.inTime++
	}
	if e.before != e.balance.lead {
		if inTime != (e.before > 0) {
			e.wrong++
		}
		return
	}
	e.balance.record(inTime)
}

// End logs how often the request was in time. It fails the test where it was in
// time after the deadline, or too late long before it.
func (e *Edge) End(t *testing.T) {
	t.Helper()
	t.Logf("in time in %d of %d trials", e.inTime, e.trials)
	if e.wrong > 0 {
		t.Errorf("in %d trials the deadline was not observed", e.wrong)
	}
}

// A balance learns the lead with which the first of two is first in about half
// of the trials.
type balance struct {
	lead time.Duration // of the first in the next trial; negative: of the second
	step time.Duration // by which lead changes
	won  bool          // whether the first was first in the previous trial
}

// record notes which was first, and gives the other more lead.
func (b *balance) record(first bool) {
	const longest, shortest = 2 * time.Millisecond, 100 * time.Microsecond
	switch {
	case b.step == 0:
		b.step = longest
	case first != b.won:
		b.step = max(b.step/2, shortest)
	default:
		b.step = min(b.step*5/4, longest)
	}
	if b.won = first; first {
		b.lead -= b.step
	} else {
		b.lead += b.step
	}
}

// Together carries out functions at the same moment, and returns when all have
// ended.
func Together(functions ...func()) {
	var ready, running sync.WaitGroup
	start := make(chan struct{})
	for _, f := range functions {
		ready.Add(1)
		running.Go(func() {
			ready.Done()
			<-start
			f()
		})
	}
	ready.Wait()
	close(start)
	running.Wait()
}
