package app

import (
	"net/http"
	"slices"
)

// observed puts the middleware of all requests before a handler.
func (a *api) observed(h http.Handler) http.Handler {
	return chain(h, a.record, secureHeaders, a.lifecycle.closeConnections, a.recoverPanics)
}

// chain puts middleware before a handler. A request passes it in the order given.
func chain(h http.Handler, middleware ...func(http.Handler) http.Handler) http.Handler {
	for _, m := range slices.Backward(middleware) {
		h = m(h)
	}
	return h
}

// permissionsPolicy turns off what browsers offer to pages (W3C Permissions Policy) and
// the gateway's pages do not use, so that a script that gets into them cannot use it.
const permissionsPolicy = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), " +
	"geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), " +
	"picture-in-picture=(), publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), " +
	"usb=(), window-management=(), xr-spatial-tracking=()"

// secureHeaders sets the headers that keep browsers from guessing types, passing
// on addresses, and showing answers in frames of other pages; that keep the windows of
// other origins apart from the gateway's pages; and that turn off what these do not use.
// People sign in at the identity provider in the same window, so no other window needs
// to reach them.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Permissions-Policy", permissionsPolicy)
		next.ServeHTTP(w, r)
	})
}

// recoverPanics answers a request whose handler panics with status 500. Where the
// answer has begun, it aborts the connection: half an answer must not look like a
// whole one.
func (a *api) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			ctx := r.Context()
			err := a.root.Recover(ctx, p)
			if rec, ok := recordOf(ctx); ok && rec.answered() {
				a.present(ctx, err)
				panic(http.ErrAbortHandler)
			}
			a.fail(w, r, http.StatusInternalServerError, err)
		}()
		next.ServeHTTP(w, r)
	})
}
