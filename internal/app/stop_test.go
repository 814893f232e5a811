package app_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A gateway that is stopped under load answers every request that it accepted,
// and stores what it answered and nothing else.
func TestStopUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	w.AwaitMails(0)
	g, _ := w.Start()
	// Clients send one request right after the other: a connection on which nothing comes
	// for seconds may be closed.
	group := w.instance("Group 1")
	var answered atomic.Int64
	var clients sync.WaitGroup
	for client := range 16 {
		clients.Go(func() {
			for n := 0; ; n++ {
				body, _ := json.Marshal(map[string]any{"query": inviteUsers, "variables": map[string]any{
					"input": map[string]any{"instanceId": group, "role": "VIEWER", "emails": []string{fmt.Sprintf("p%d.%d@new.example", client, n)}}}})
				r, _ := http.NewRequest(http.MethodPost, g.URL()+"/graphql", bytes.NewReader(body))
				// With it the client would repeat a request by itself when the
				// connection is lost, and hide the loss.
				r.GetBody = nil
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+ada.Token)
				response, err := w.HTTP.Do(r)
				// Refused, or reset by the kernel before the gateway accepted
				// the connection: the gateway never saw the request.
				if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
					return
				}
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				text, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || !strings.Contains(string(text), `"INVITED"`) {
					t.Errorf("%v %s", err, text)
				}
				answered.Add(1)
			}
		})
	}
	w.Await("load", func() bool { return answered.Load() > 100 })
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
	t.Logf("%d requests were answered", answered.Load())
	if n := w.Number(`select count(*) from invitation`); int64(n) != answered.Load() {
		t.Errorf("%d invitations, %d answered", n, answered.Load())
	}
	// The other gateway sends the remaining mails.
	w.AwaitMails(int(answered.Load()))
}
