package app

import "time"

// StopAllowances stops the clock by which the allowances of requests without an account
// grow. Otherwise a test that takes long could not use one up.
func (g *Gateway) StopAllowances() {
	l := g.http.api.anonymous
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.now = func() time.Time { return now }
}
