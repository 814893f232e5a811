package app

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// guardOrigins refuses requests of pages of other origins, unless the operator
// allows these.
func (a *api) guardOrigins(next http.Handler) http.Handler {
	allowed, _ := parseOrigins(a.settings.AllowedOrigins) // the settings were validated
	return allowed.guard(next, a.forbid)
}

// origins are the other origins (RFC 6454) whose pages may send requests, each as
// browsers write it. Pages of the gateway's own origin always may.
type origins []string

// requestHeaders are the headers that pages of other origins may send. The gateway
// reads only the first group. Libraries add the others by themselves, and a browser
// sends nothing at all where one header is not allowed.
var requestHeaders = []string{
	"Authorization", "Content-Type", "Accept", "Accept-Language", "Traceparent", "Tracestate",

	// fetch and XMLHttpRequest
	"Cache-Control", "Pragma", "X-Requested-With", "X-Request-Id", "Last-Event-Id",
	// Apollo Client, Apollo Kotlin and Apollo iOS
	"Apollographql-Client-Name", "Apollographql-Client-Version", "Apollo-Require-Preflight",
	"X-Apollo-Operation-Name", "X-Apollo-Operation-Id", "X-Apollo-Operation-Type",
	// Relay
	"X-Relay-Operation-Name", "X-Fb-Friendly-Name",
	// urql, GraphiQL, Yoga and Hive
	"Graphql-Client-Name", "Graphql-Client-Version", "Graphql-Preflight", "Graphql-Require-Preflight", "X-Graphql-Client-Name", "X-Graphql-Client-Version", "X-Graphql-Operation-Name",
	// Sentry; OpenTelemetry, whose propagators are W3C's, B3's and Jaeger's
	"Sentry-Trace", "Baggage", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags", "Uber-Trace-Id",
	// Datadog and New Relic
	"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Origin", "X-Datadog-Sampling-Priority", "Newrelic",
}

var errOrigins = errors.New("expected origins such as https://HOST, separated by commas")

// parseOrigins reads origins that are separated by commas.
func parseOrigins(list string) (origins, error) {
	var parsed origins
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != text {
			return nil, errOrigins
		}
		parsed = append(parsed, text)
	}
	return parsed, nil
}

// guard refuses what a browser sends for a page of an origin that is not allowed.
// The method does not matter: a query by GET or a WebSocket can do what a POST
// can. A client that is not a browser sends neither Origin nor Sec-Fetch-Site, and
// passes.
func (o origins) guard(next http.Handler, forbid func(http.ResponseWriter, *http.Request, *fault.Fault)) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range o {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic(err) // parseOrigins accepts less
		}
	}
	headers := cors.New(cors.Options{
		AllowOriginFunc: func(origin string) bool { return slices.Contains(o, origin) },
		AllowedMethods:  []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:  requestHeaders,
		ExposedHeaders:  []string{"X-Request-Id", "Date", "Retry-After", "WWW-Authenticate"},
		MaxAge:          600, // seconds
	})
	return headers.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Check lets safe methods pass, so it gets a copy that is a POST.
		post := r.WithContext(r.Context())
		post.Method = http.MethodPost
		if err := protection.Check(post); err != nil {
			forbid(w, r, &fault.Fault{
				Code:    fault.BadRequest,
				Message: "Pages of this origin may not send requests here.",
				Remedy:  "The operator can allow the origin, with DATAHUB_ALLOWED_ORIGINS.",
			})
			return
		}
		next.ServeHTTP(w, r)
	}))
}
