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

// origins are the pages of other origins that may ask here (RFC 6454), each
// exactly as a browser sends it. Beside them, only pages of the gateway's own
// origin may.
type origins []string

var errNoOrigin = errors.New("expected origins such as https://HOST, with commas between them")

// parseOrigins reads origins, with commas between them.
func parseOrigins(list string) (origins, error) {
	var parsed origins
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != text {
			return nil, errNoOrigin
		}
		parsed = append(parsed, text)
	}
	return parsed, nil
}

// guard refuses what a browser sends for a page that may not ask here, whatever
// the method: a query by GET and a WebSocket are as good as a POST to it. A
// client that is no browser says neither Origin nor Sec-Fetch-Site, and passes.
func (o origins) guard(next http.Handler, refuse func(http.ResponseWriter, *http.Request, *fault.Fault)) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range o {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic(err) // each was parsed
		}
	}
	allow := cors.New(cors.Options{
		AllowOriginFunc: func(origin string) bool { return slices.Contains(o, origin) },
		AllowedMethods:  []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:  []string{"Authorization", "Content-Type", "Accept", "Accept-Language", "Traceparent", "Tracestate"},
		ExposedHeaders:  []string{"X-Request-Id"},
		MaxAge:          600, // seconds
	})
	return allow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as := r.WithContext(r.Context()) // a copy
		as.Method = http.MethodPost      // of which it is asked whether it is safe
		if err := protection.Check(as); err != nil {
			refuse(w, r, &fault.Fault{
				Code:    fault.BadRequest,
				Message: "Pages of this origin may not ask here.",
				Remedy:  "The operator can allow the origin, with DATAHUB_ALLOWED_ORIGINS.",
			})
			return
		}
		next.ServeHTTP(w, r)
	}))
}
