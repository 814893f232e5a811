package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestMiddlewareRunsInTheOrderGiven(t *testing.T) {
	t.Parallel()
	order := ""
	step := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order += name
				next.ServeHTTP(w, r)
			})
		}
	}
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { order += "!" })
	chain(handler, step("a"), step("b"), step("c")).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if order != "abc!" {
		t.Errorf("%s", order)
	}
}
