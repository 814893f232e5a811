package app_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// Several people watch one place: each gets what they selected, with what is
// their own.
func TestWatchersOfAPlaceGetTheirOwnResponses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'EDITOR' from instance i, account a where i.name = 'Group 1' and a.name = 'Mia' on conflict (instance_id, account_id) do update set role = 'EDITOR'`)
	id := w.instance("Group 1")
	const own = `subscription($id: ID!) { invitationChanged(instanceId: $id) { change invitation { email instance { viewerRoles } } } }`
	const alike = `subscription($id: ID!) { invitationChanged(instanceId: $id) { change invitation { email ...more } } } fragment more on Invitation { role }`
	type watcher struct {
		stream stream
		want   string
	}
	var all []watcher
	for who, roles := range map[string]string{"ada": "[SPACE_ADMINISTRATOR INSTANCE_EDITOR INSTANCE_VIEWER]", "mia": "[ORGANIZATION_MANAGER SPACE_ADMINISTRATOR INSTANCE_EDITOR INSTANCE_VIEWER]"} {
		p := w.as(who)
		for range 2 {
			all = append(all,
				watcher{p.subscribe(own, "id", id), "map[change:CREATED invitation:map[email:zoe@new.example instance:map[viewerRoles:" + roles + "]]]"},
				watcher{p.subscribe(alike, "id", id), "map[change:CREATED invitation:map[email:zoe@new.example role:VIEWER]]"})
		}
	}
	w.as("ada").invite(id, "VIEWER", []string{"zoe@new.example"}).OK()
	for _, c := range all {
		if got := fmt.Sprint(c.stream.next().At("invitationChanged")); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// BenchmarkThousandWatchers measures how long a thousand people, each with a stream of
// their own, wait for a change of one invitation, and for those of a thousand: the
// slowest of them (max) and the 99th of a hundred (p99).
func BenchmarkThousandWatchers(b *testing.B) {
	const watchers = 1_000
	for _, changes := range []int{1, 1_000} {
		b.Run(fmt.Sprint(changes, " changes"), func(b *testing.B) {
			w := newWorld(b, unlimitedInvitations, func(s *app.Settings) { s.DatabaseConnections = 20 })
			people := make([]person, watchers)
			for i := range people {
				people[i] = w.as(fmt.Sprintf("w%d@uni.example", i))
				people[i].Ask(`{ viewer { id } }`, nil).OK()
			}
			w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.email like 'w%'`)
			id, ada := w.instance("Group 1"), w.as("ada")
			ctx, cancel := context.WithCancel(context.Background())
			received := make([]chan time.Time, watchers)
			var reading, beginning sync.WaitGroup
			began := time.Now()
			next := make(chan int)
			for range 50 {
				beginning.Go(func() {
					for i := range next {
						response := people[i].openSSE(ctx, invitationChanged, map[string]any{"id": id})
						if response.StatusCode != http.StatusOK {
							b.Errorf("status %d", response.StatusCode)
						}
						received[i] = make(chan time.Time, 100)
						reading.Go(func() {
							defer response.Body.Close()
							created := 0
							for lines := bufio.NewScanner(response.Body); lines.Scan(); {
								if !bytes.Contains(lines.Bytes(), []byte(`"CREATED"`)) {
									continue
								}
								if created++; created%changes == 0 {
									received[i] <- time.Now()
								}
							}
						})
					}
				})
			}
			for i := range watchers {
				next <- i
			}
			close(next)
			beginning.Wait()
			begin := time.Since(began)
			var took []time.Duration
			round := 0
			for b.Loop() {
				round++
				emails := make([]string, changes)
				for i := range emails {
					emails[i] = fmt.Sprintf("p%d.%d@new.example", round, i)
				}
				sent := time.Now()
				ada.invite(id, "VIEWER", emails).OK()
				for _, r := range received {
					select {
					case at := <-r:
						took = append(took, at.Sub(sent))
					case <-time.After(apptest.Patience):
						b.Fatal("a change did not arrive")
					}
				}
			}
			cancel()
			reading.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(begin.Milliseconds()), "begin-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "p99-ms")
			b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
