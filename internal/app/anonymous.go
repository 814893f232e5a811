package app

import (
	"container/list"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// anonymousLimit bounds the work for requests without an account: those without a token
// and those whose token is refused. Each client address has an allowance for a minute,
// and all of them together have a few places, so that no crowd of strangers slows
// people who are signed in.
type anonymousLimit struct {
	perMinute int // requests of one client; a look-up counts as one
	places    *places
	now       func() time.Time

	seed       maphash.Seed
	mu         sync.Mutex
	allowances [1 << 16]allowance // by the hash of the client

	// held has one element for each refusal that is held back.
	held chan struct{}
}

// allowance is how many requests one client may send: it grows with time, up to those
// of a minute. Clients with the same hash share one, so that many addresses take no more
// memory than few. Nobody can choose whose allowance they share, because the hash has a
// random seed.
type allowance struct {
	used  float64   // requests
	since time.Time // when used was right
}

const (
	// holdTime is how long a refusal is held back. A client that sends the next request
	// after each answer would otherwise cost more by its refusals than by its requests.
	holdTime = time.Second
	maxHeld  = 1000
)

// newAnonymousLimit returns the limit of a gateway with a number of connections to the
// database.
func newAnonymousLimit(perMinute, connections int) *anonymousLimit {
	return &anonymousLimit{
		perMinute: perMinute,
		places:    newPlaces(max(1, connections/10)),
		now:       time.Now,
		seed:      maphash.MakeSeed(),
		held:      make(chan struct{}, maxHeld),
	}
}

// charge uses n requests of a client's allowance. It returns a RATE_LIMITED, and charges
// nothing, where fewer are left.
func (l *anonymousLimit) charge(client netip.Addr, n int) *fault.Fault {
	client = networkOf(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &l.allowances[maphash.Comparable(l.seed, client)%uint64(len(l.allowances))]
	now, perSecond := l.now(), float64(l.perMinute)/60
	a.used = max(0, a.used-now.Sub(a.since).Seconds()*perSecond)
	a.since = now
	charged := float64(min(n, l.perMinute))
	if missing := a.used + charged - float64(l.perMinute); missing > 0 {
		return &fault.Fault{
			Code:       fault.RateLimited,
			Reason:     fault.OperationsByClient,
			Message:    fmt.Sprintf("One network address can send %d requests without an account in a minute. Nothing was done.", l.perMinute),
			Remedy:     "Wait a little and send the request again, or sign in: requests with an account have limits of their own.",
			RetryAfter: time.Duration(math.Ceil(missing/perSecond)) * time.Second,
		}
	}
	a.used += charged
	return nil
}

// hold waits before a refusal is sent. It reports whether it did: it does not where too
// many wait already.
func (l *anonymousLimit) hold(ctx context.Context, stopping <-chan struct{}) bool {
	select {
	case l.held <- struct{}{}:
		defer func() { <-l.held }()
	default:
		return false
	}
	over := time.NewTimer(holdTime)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	case <-stopping:
	}
	return true
}

// places are how many requests without an account a gateway works on at once. The
// others wait, those of one client in a line of their own; the clients take turns, so
// that one with many requests does not keep the others from theirs.
type places struct {
	mu      sync.Mutex
	free    int
	waiting int
	lines   map[netip.Addr]*line
	turns   list.List // of *line, the next one first; every line has somebody in it
}

// line is the requests of one client that wait, the first one first.
type line struct {
	client   netip.Addr
	requests list.List // of chan struct{}, closed when the request has a place
	turn     *list.Element
}

const (
	// maxWait is how long a request waits for a place.
	maxWait = 5 * time.Second
	// maxWaiting and maxLine bound the requests that wait, of all clients and of one.
	maxWaiting, maxLine = 1000, 500
	// restShare is how long a place stays empty after a request, for each second that
	// the request took. Most requests take a millisecond: they take a quarter of the time
	// of as many processors as there are places. Those that took long have mostly waited
	// for others, so that the rest is bounded.
	restShare = 3
	maxRest   = 100 * time.Millisecond
)

func newPlaces(n int) *places { return &places{free: n, lines: map[netip.Addr]*line{}} }

// take waits for a place, and returns what leaves it. It fails with RATE_LIMITED where
// too many wait, or none becomes free in time.
func (p *places) take(ctx context.Context, client netip.Addr) (leave func(), err error) {
	place, admitted, at, err := p.join(networkOf(client))
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case <-admitted:
	case <-timeout.C:
		err = tooManyAnonymous()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil && p.quit(place, at) {
		return nil, err
	}
	began := time.Now()
	return sync.OnceFunc(func() {
		time.AfterFunc(min(restShare*time.Since(began), maxRest), p.release)
	}), nil
}

// join takes a place or a position in a line. admitted is closed when it is a place.
func (p *places) join(client netip.Addr) (in *line, admitted chan struct{}, at *list.Element, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	admitted = make(chan struct{})
	if p.free > 0 {
		p.free--
		close(admitted)
		return nil, admitted, nil, nil
	}
	in = p.lines[client]
	switch {
	case p.waiting >= maxWaiting || in != nil && in.requests.Len() >= maxLine:
		return nil, nil, nil, tooManyAnonymous()
	case in == nil:
		in = &line{client: client}
		in.turn = p.turns.PushBack(in)
		p.lines[client] = in
	}
	p.waiting++
	return in, admitted, in.requests.PushBack(admitted), nil
}

// quit leaves a line, and reports whether the request was still in it.
func (p *places) quit(in *line, at *list.Element) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if in == nil {
		return false
	}
	select {
	case <-at.Value.(chan struct{}):
		return false
	default:
		p.remove(in, at)
		return true
	}
}

// release gives a place to the first request of the client whose turn it is.
func (p *places) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.turns.Front()
	if next == nil {
		p.free++
		return
	}
	in := next.Value.(*line)
	p.turns.MoveToBack(next)
	first := in.requests.Front()
	close(first.Value.(chan struct{}))
	p.remove(in, first)
}

// remove removes a request from its line. It requires p.mu.
func (p *places) remove(in *line, at *list.Element) {
	in.requests.Remove(at)
	p.waiting--
	if in.requests.Len() == 0 {
		p.turns.Remove(in.turn)
		delete(p.lines, in.client)
	}
}

func tooManyAnonymous() *fault.Fault {
	return &fault.Fault{
		Code:       fault.RateLimited,
		Reason:     fault.OperationsWithoutAccount,
		Message:    "Too many requests without an account wait for this gateway. Nothing was done.",
		Remedy:     "Wait a little and send the request again, or sign in: requests with an account have limits of their own.",
		RetryAfter: 2 * time.Second,
	}
}
