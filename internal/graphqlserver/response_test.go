package graphqlserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

func TestRespondNegotiatesTheMediaType(t *testing.T) {
	t.Parallel()
	errs := gqlerror.List{{Message: "no", Extensions: map[string]any{"code": "UNAUTHENTICATED"}}}
	for accept, want := range map[string]string{
		"": legacyJSON,
		"application/graphql-response+json,application/json;q=0.9": responseJSON, // Apollo Client
		"application/json": legacyJSON,
		"text/event-stream, application/graphql-response+json": responseJSON,
		"text/event-stream": legacyJSON,
		"*/*":               legacyJSON,
		"text/html":         legacyJSON,
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", nil)
		r.Header.Set("Accept", accept)
		Respond(w, r, http.StatusUnauthorized, &graphql.Response{Errors: errs})
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusUnauthorized || got != want+"; charset=utf-8" ||
			w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Retry-After") != "" || !strings.Contains(w.Body.String(), `"UNAUTHENTICATED"`) {
			t.Errorf("%q: %d %q %s", accept, w.Code, got, w.Body)
		}
	}
}

func TestRetryAfterIsTheLongestTimeToWait(t *testing.T) {
	t.Parallel()
	wait := func(seconds ...int) (errs gqlerror.List) {
		for _, n := range seconds {
			errs = append(errs, &gqlerror.Error{Extensions: map[string]any{"retryAfter": n}})
		}
		return errs
	}
	for _, c := range []struct {
		status int
		errs   gqlerror.List
		want   string
	}{
		{http.StatusTooManyRequests, wait(60), "60"},
		{http.StatusTooManyRequests, wait(60, 600, 1), "600"},
		{http.StatusTooManyRequests, gqlerror.List{{Message: "no"}}, "1"},
		{http.StatusServiceUnavailable, wait(30), "30"},
		{http.StatusServiceUnavailable, gqlerror.List{{Message: "no"}}, "5"},
		{http.StatusOK, wait(60), ""},
		{http.StatusForbidden, gqlerror.List{{Message: "no"}}, ""},
	} {
		w := httptest.NewRecorder()
		write(w, c.status, &graphql.Response{Errors: c.errs})
		if got := w.Header().Get("Retry-After"); got != c.want {
			t.Errorf("%d %v: %q, want %q", c.status, c.errs, got, c.want)
		}
	}
}

// Errors quote what was sent: their answer must not be many times as long.
func TestErrorsAreNotEscapedForHTML(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", nil)
	Respond(w, r, http.StatusBadRequest, &graphql.Response{Errors: gqlerror.List{{Message: `<a href="x">&`}}})
	if got := w.Body.String(); got != `{"errors":[{"message":"<a href=\"x\">&"}]}` || w.Header().Get("Content-Length") != "42" {
		t.Errorf("%s %s", got, w.Header())
	}
}
