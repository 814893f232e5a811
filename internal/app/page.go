package app

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/playground"

	"alphacruncher.com/datahub-gateway/web"
)

// page is the built files, by their paths below /app/. It serves the single-page
// application. A file is read when somebody asks for it: the playground is megabytes, and
// most gateways never send it.
//
// vearutop/statigz, the library for precompressed files, does not serve them
// correctly: its ETags are not quoted, so that If-None-Match with a weak tag or a
// list never gets 304; and it sends gzip to a client that says gzip;q=0 (RFC 9110,
// sections 8.8.3, 13.1.2 and 12.5.3).
type page map[string]*file

const (
	indexFile      = "index.html"
	playgroundFile = "playground/index.html"
	// Vite puts files here whose names change with their contents.
	assetsFolder = "assets/"
)

// builtPage returns the files that were in web/dist when the program was built.
var builtPage = sync.OnceValue(func() page {
	p, err := readPage(web.Built())
	if err != nil {
		panic(err) // it is part of the program
	}
	return p
})

func readPage(built fs.FS) (page, error) {
	p := page{}
	return p, fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		p[name] = newFile(built, name)
		return nil
	})
}

// fileExtension matches the end of a path that names a file. A mark that a mail program
// appends to a link, as in /app/invitation., is none.
var fileExtension = regexp.MustCompile(`\.[A-Za-z0-9]+$`)

// ServeHTTP serves the file that a path below /app/ names. Any other path gets the
// application, which reads the path itself.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/app/")
	f := p[name]
	if name == playgroundFile {
		f = nil // it is at /, where it is switched on
	}
	if f == nil && !fileExtension.MatchString(name) {
		f = p[indexFile]
	}
	if f == nil {
		plain(w, http.StatusNotFound, p.hint(name))
		return
	}
	f.ServeHTTP(w, r)
}

// hint is what is said where there is no file.
func (p page) hint(name string) string {
	if p[indexFile] == nil && !fileExtension.MatchString(name) {
		return unbuiltPage
	}
	return "There is no such file."
}

// file is a file of the page.
type file struct {
	open        func() io.ReadSeeker
	gzipped     func() []byte // nil where compressing is in vain
	contentType string
	caching     string
	tag         func() string
}

// contentTypes are those of the files that a build has, the same on every
// machine; and whether compressing them is worth it.
var contentTypes = map[string]struct {
	name string
	text bool
}{
	".html":        {"text/html; charset=utf-8", true},
	".js":          {"text/javascript; charset=utf-8", true},
	".css":         {"text/css; charset=utf-8", true},
	".json":        {"application/json", true},
	".map":         {"application/json", true},
	".webmanifest": {"application/manifest+json", true},
	".svg":         {"image/svg+xml", true},
	".txt":         {"text/plain; charset=utf-8", true},
	".png":         {"image/png", false},
	".jpg":         {"image/jpeg", false},
	".webp":        {"image/webp", false},
	".ico":         {"image/x-icon", false},
	".woff2":       {"font/woff2", false},
	".woff":        {"font/woff", false},
	".ttf":         {"font/ttf", true},
}

func newFile(built fs.FS, name string) *file {
	f := &file{caching: "no-cache", contentType: "application/octet-stream"}
	f.open = func() io.ReadSeeker {
		opened, err := built.Open(name)
		if err != nil {
			panic(err) // it is part of the program
		}
		return opened.(io.ReadSeeker) // see embed.FS
	}
	f.tag = sync.OnceValue(func() string {
		sum := sha256.New()
		_, _ = io.Copy(sum, f.open()) // in memory, which is read without errors
		return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
	})
	if strings.HasPrefix(name, assetsFolder) {
		f.caching = "public, max-age=31536000, immutable"
	}
	known, ok := contentTypes[path.Ext(name)]
	if ok {
		f.contentType = known.name
	}
	if known.text {
		f.gzipped = sync.OnceValue(func() []byte {
			var b bytes.Buffer
			compressing := gzip.NewWriter(&b)
			_, _ = io.Copy(compressing, f.open()) // from memory to memory
			_ = compressing.Close()
			return b.Bytes()
		})
	}
	return f
}

// ServeHTTP sends the file, compressed where the client accepts that, or confirms
// the client's copy of it.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", f.caching)
	content, tag := f.open(), f.tag()
	if f.gzipped != nil {
		header.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header) {
			header.Set("Content-Encoding", "gzip")
			content, tag = bytes.NewReader(f.gzipped()), tag+"-gzip"
		}
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

// takesGzip reports whether a client asks for gzip by its name (RFC 9110,
// section 12.5.3), and not with a weight of 0.
func takesGzip(header http.Header) bool {
	for _, list := range header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			_, q, weighed := strings.Cut(weight, "=")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return !weighed || strings.Trim(q, " 0.") != ""
			}
		}
	}
	return false
}

// strictly lets a page load what is the gateway's own, and talk to it and to the
// identity provider where people sign in. Of inline styles there are those that
// its components make; 'self' includes WebSockets (CSP 3, section 6.7.2.8).
func (s *Settings) strictly(next http.Handler) http.Handler {
	connect := "'self'"
	if s.OIDCClientID != "" {
		connect += " " + origin(s.JWTIssuer)
	}
	policy := "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
		"connect-src " + connect + "; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		next.ServeHTTP(w, r)
	})
}

// origin is that of a URL (RFC 6454).
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		panic(err) // it was checked with the settings
	}
	return u.Scheme + "://" + u.Host
}

// handlePage routes to the page and to the playground. Where they were not built,
// the links of mails lead to a text that says which operation to send instead.
func (a *api) handlePage(mux *http.ServeMux, built page) {
	mux.Handle("GET /app/", a.settings.strictly(built))
	mux.Handle("GET /app/configuration.json", a.configuration())
	if built[indexFile] == nil {
		mux.HandleFunc("GET /app/invitation", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, invitationPage) })
		mux.HandleFunc("GET /app/join", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, joinPage) })
		mux.HandleFunc("GET /app/request", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, requestPage) })
	}
	if !a.settings.playground() {
		return
	}
	if f := built[playgroundFile]; f != nil {
		mux.Handle("GET /{$}", a.settings.strictly(f))
	} else {
		mux.Handle("GET /{$}", playground.Handler("DataHub gateway", "/graphql"))
	}
}

const unbuiltPage = `The page of DataHub was not built into this gateway. Where Node.js is installed:

    npm ci --prefix web && npm run build --prefix web

and the gateway is built again, it is.`

const invitationPage = `You are invited to DataHub.

The address of this page ends with # and a token. With it, anybody can look at
the invitation; send to /graphql:

    query { invitation(token: "TOKEN") {
      email role status instanceName space { name organizationName }
      invitedBy { name email } message expiresAt
      accepting { allowed obstacles { message remedy } }
    } }

To accept it, sign in with the DataHub account of the invited address, or sign
up with this address where there is none yet, and send:

    mutation { acceptInvitation(input: {token: "TOKEN"}) {
      space { name } instance { id name viewerRoles }
    } }

declineInvitation, in the same way, declines it.`

const joinPage = `You can join a course in DataHub.

The address of this page ends with # and a token. With it, anybody can look at
the course; send to /graphql:

    query { inviteLink(token: "TOKEN") {
      space { name organizationName } instanceName role inviterName allowedDomains expiresAt
    } }

To get the invitation at your e-mail address, send:

    mutation { joinByLink(input: {token: "TOKEN", email: "ADDRESS"}) { email } }`

const requestPage = `Somebody asks for something in DataHub, or has answered what you asked for.

The address of this page ends with # and the request's id. Sign in, and send to
/graphql:

    query { viewer {
      requestsToAnswer { nodes {
        id kind spaceName instanceName role emails message expiresAt requestedBy { name email }
      } }
      requests { nodes { id status answeredBy { name } answer } }
    } }

To grant it, send:

    mutation { approveRequest(input: {requestId: "ID"}) { request { status } } }

declineRequest, in the same way, declines it. Both take a message.`
