package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/metrics"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// A panic is the error of one request, with its id.
func TestAPanicIsTheErrorOfOneRequest(t *testing.T) {
	var lines bytes.Buffer
	seen := telemetry{metrics: metrics.New(nil)}
	log := slog.New(counting{slog.NewJSONHandler(&lines, nil), seen.metrics})
	a := &api{settings: &Settings{}, log: log, root: &resolvers.Root{Log: log}, seen: seen}
	begin := false
	server := httptest.NewServer(a.observe(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if begin {
			_, _ = io.WriteString(w, "the first half")
			_ = http.NewResponseController(w).Flush()
		}
		panic("it cannot be")
	})))
	defer server.Close()

	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	id := response.Header.Get("X-Request-Id")
	if err != nil || response.StatusCode != http.StatusInternalServerError || len(id) != 32 ||
		!strings.Contains(string(body), `"code":"INTERNAL_SERVER_ERROR"`) || !strings.Contains(string(body), id) || strings.Contains(string(body), "it cannot be") {
		t.Errorf("%v %d %s", err, response.StatusCode, body)
	}
	if text := lines.String(); strings.Count(text, `"msg":"panic"`) != 1 || strings.Count(text, id) != 2 || !strings.Contains(text, `"codes":["INTERNAL_SERVER_ERROR"]`) {
		t.Error(text)
	}

	scraped := httptest.NewRecorder()
	seen.metrics.Handler(log).ServeHTTP(scraped, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(scraped.Body.String(), "\ndatahub_panics_total 1\n") {
		t.Error(scraped.Body)
	}

	// Half an answer does not look like a whole one.
	begin = true
	if response, err = http.Get(server.URL); err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err == nil {
		t.Errorf("%s", body)
	}
}
