package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// BenchmarkBesideStrangers reports how long reads of a person with an account take,
// alone and beside 120 clients without one. Each of these sends the next 50 look-ups as
// soon as it has an answer: all from one address, or from 120.
func BenchmarkBesideStrangers(b *testing.B) {
	for _, c := range []struct {
		name                 string
		strangers, addresses int
	}{{"alone", 0, 1}, {"120 strangers of one address", 120, 1}, {"120 strangers of 120 addresses", 120, 120}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, func(s *app.Settings) { s.TrustedProxies, s.DatabaseConnections = "127.0.0.0/8", 20 })
			ada, id := w.as("ada"), w.instance("Group 1")
			body := lookUps(b, 50)
			ctx, cancel := context.WithCancel(b.Context())
			var strangers sync.WaitGroup
			for i := range c.strangers {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				strangers.Go(func() {
					for ctx.Err() == nil {
						r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Gateway.URL()+"/graphql", bytes.NewReader(body))
						if err != nil {
							b.Error(err)
						}
						r.Header.Set("Content-Type", "application/json")
						r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i%c.addresses))
						if response, err := client.Do(r); err == nil {
							_, _ = io.Copy(io.Discard, response.Body)
							response.Body.Close()
						}
					}
				})
			}
			measureReads(b, ada, id)
			cancel()
			strangers.Wait()
		})
	}
}

// BenchmarkBesideLongRequests reports how long reads take beside people who invite 1,000
// addresses, each again as soon as it has an answer.
func BenchmarkBesideLongRequests(b *testing.B) {
	for _, people := range []int{0, 1, 2, 4} {
		b.Run(fmt.Sprintf("%d people invite", people), func(b *testing.B) {
			w := newWorld(b, unlimitedInvitations)
			ada, id := w.as("ada"), w.instance("Group 1")
			ctx, cancel := context.WithCancel(b.Context())
			var inviting sync.WaitGroup
			for n := range people {
				inviting.Go(func() {
					emails := make([]string, 1000)
					for round := 0; ctx.Err() == nil; round++ {
						for i := range emails {
							emails[i] = fmt.Sprintf("p%d.%d.%d@new.example", n, round, i)
						}
						ada.invite(id, "VIEWER", emails).OK()
					}
				})
			}
			measureReads(b, w.as("vic"), id)
			cancel()
			inviting.Wait()
		})
	}
}

// measureReads reports how long a person waits for an instance.
func measureReads(b *testing.B, p person, id string) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		p.Ask(`query($id: ID!) { instance(id: $id) { id name kind viewerRoles space { id name } } }`, map[string]any{"id": id}).OK()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// lookUps returns the body of a request with a number of look-ups.
func lookUps(t testing.TB, n int) []byte {
	t.Helper()
	var query strings.Builder
	for i := range n {
		fmt.Fprintf(&query, ` a%d: invitation(token: "nothing") { email }`, i)
	}
	body, err := json.Marshal(map[string]any{"query": "{" + query.String() + "}"})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
