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
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				ada.Ask(`query($id: ID!) { instance(id: $id) { id name kind viewerRoles space { id name } } }`, map[string]any{"id": id}).OK()
				took = append(took, time.Since(began))
			}
			cancel()
			strangers.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
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
