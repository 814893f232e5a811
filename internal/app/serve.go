package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/resolvers"
)

const (
	startTimeout = time.Minute
	// drainTime is how long open connections are asked to close, before and
	// after the last one is taken, quietTime how long this goes on when none
	// does, and stopTime how long requests may then take to end: together less
	// than the 30 seconds of a stop.
	drainTime        = 4 * time.Second
	quietTime        = time.Second
	stopTime         = 20 * time.Second
	housekeepingTime = time.Minute
	// arrivalTime is how long a request may take to arrive, less than a stop
	// waits for.
	arrivalTime = 15 * time.Second
)

type serveCommand struct {
	Reset bool `help:"Start with a fresh private database and an empty mailbox."`
}

func (c serveCommand) Run(ctx context.Context, t terminal, s *Settings) (err error) {
	if err := s.checkServing(); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(t.err, nil))
	if s.Development {
		if err := s.makeDataDir(); err != nil {
			return err
		}
	}
	if c.Reset {
		if err := reset(ctx, s); err != nil {
			return err
		}
	}
	server := (<-chan struct{})(nil)
	if s.DatabaseURL == "" {
		private, err := startPrivate(ctx, s, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, private.Stop()) }()
		server = private.Done()
	}
	g, err := Start(ctx, *s, log)
	if err != nil {
		return err
	}
	if err := g.announce(t.out); err != nil {
		return errors.Join(err, g.Stop())
	}
	select {
	case <-ctx.Done():
	case <-server:
		err = errors.New("the private PostgreSQL has ended")
	case err = <-g.failed:
	}
	return errors.Join(err, g.Stop())
}

// reset forgets the private database and the mails. Keys stay, so that tokens
// do.
func reset(ctx context.Context, s *Settings) error {
	if s.DatabaseURL != "" {
		return errors.New("--reset: it is for the private database, and DATABASE_URL names another one")
	}
	// The database first: it is not removed while a gateway uses the folder.
	if err := embedded.Remove(ctx, filepath.Join(s.DataDir, "postgres")); err != nil {
		return setting("DATAHUB_DATA_DIR", err)
	}
	return os.RemoveAll(filepath.Join(s.DataDir, "mailbox"))
}

// startPrivate starts the private database, brings it up to date and loads the
// demo world; and sets DATABASE_URL to it.
func startPrivate(ctx context.Context, s *Settings, log *slog.Logger) (*embedded.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	embedded.ClearEnvironment()
	server, err := embedded.Start(ctx, embedded.Options{Dir: filepath.Join(s.DataDir, "postgres"), Durable: true})
	if errors.Is(err, embedded.ErrFolder) {
		return nil, setting("DATAHUB_DATA_DIR", err)
	}
	if err != nil {
		return nil, err
	}
	s.DatabaseURL = server.DSN("postgres")
	_, err = postgres.Migrate(ctx, s.DatabaseURL, "")
	if err == nil {
		err = withDatabase(ctx, s, func(db *postgres.DB) error { return demo.Load(ctx, db) })
	}
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

// Gateway is a gateway that serves.
type Gateway struct {
	settings Settings
	listener net.Listener
	server   *http.Server
	api      *api
	db       *postgres.DB
	mailbox  *mailbox.Mailbox
	seen     instruments
	exposed  *exposition // nil where metrics are off

	failed      chan error // the server's end, if it was not asked for
	connections connections
	stopWorkers context.CancelFunc
	workers     sync.WaitGroup
}

// Start begins to serve with settings that name a database. It has ended what
// it began when it fails.
func Start(ctx context.Context, s Settings, log *slog.Logger) (g *Gateway, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := checkSchema(ctx, &s.DatabaseSettings); err != nil {
		return nil, err
	}
	g = &Gateway{settings: s, failed: make(chan error, 1)}
	defer func(begun *Gateway) {
		if err != nil {
			begun.release()
		}
	}(g)
	if g.seen, err = newInstruments(ctx, &s, log); err != nil {
		return nil, err
	}
	log = slog.New(counting{log.Handler(), g.seen.metrics})
	if g.db, err = openDatabase(&s.DatabaseSettings, g.seen.statement()); err != nil {
		return nil, err
	}
	if g.listener, err = net.Listen("tcp", s.Addr); err != nil {
		return nil, setting("DATAHUB_ADDR", err)
	}
	public, err := g.publicURL()
	if err != nil {
		return nil, err
	}
	sender, err := g.sender(public)
	if err != nil {
		return nil, err
	}
	tokens, keeping, err := newVerifier(&s, log)
	if err != nil {
		return nil, err
	}

	operations, err := s.persistedOperations()
	if err != nil {
		return nil, err
	}

	root, workers := g.domain(sender, public, log)
	g.api = &api{
		settings: &g.settings,
		log:      log,
		db:       g.db,
		root:     root,
		tokens:   tokens,
		people:   account.NewDirectory(g.db),
		mailbox:  g.mailbox,
		seen:     g.seen,
		closing:  make(chan struct{}),

		persisted: operations,
	}
	workers = append(workers, keeping...)
	if g.seen.metrics != nil {
		g.seen.watchPool(g.db)
		if g.exposed, err = expose(s.MetricsAddr, g.seen.metrics, log); err != nil {
			return nil, err
		}
		workers = append(workers, measuring{g.api})
	}
	g.serve(workers, log)
	return g, nil
}

// worker is what goes on beside requests, until its context ends.
type worker interface{ Run(context.Context) }

// domain puts together the services that decide, and what works for them.
func (g *Gateway) domain(sender *mail.Sender, public *url.URL, log *slog.Logger) (*resolvers.Root, []worker) {
	s := g.settings
	feed := event.NewFeed(g.db, log, invitation.ExpiredEvents)
	g.seen.metrics.Watch("subscriptions", "Subscriptions that are open.", false, func() float64 { return float64(feed.Watching()) })
	invitationMails := &outbox.Queue{DB: g.db, Log: log, Kind: invitation.MailKind, Observer: g.seen.jobs(),
		Work: mail.Work(sender, (&invitation.Mailer{DB: g.db, PublicURL: public}).Read)}
	requestMails := &outbox.Queue{DB: g.db, Log: log, Kind: request.MailKind, Observer: g.seen.jobs(),
		Work: mail.Work(sender, (&request.Mailer{DB: g.db, PublicURL: public}).Read)}
	instances := &instance.Service{DB: g.db}
	invitations := &invitation.Service{DB: g.db, Outbox: invitationMails, Events: feed, Limits: invitation.Limits{
		Emails:    s.MaxEmails,
		Message:   s.MaxMessageLength,
		TTL:       time.Duration(s.InvitationTTL),
		ByPerson:  s.MaxInvitations,
		BySpace:   s.MaxSpaceInvitations,
		ByAddress: s.MaxAddressInvitations,
		ByDomain:  s.MaxDomainInvitations,
		Tokens:    s.MaxUnknownTokens,
	}}
	invitations.CountOutcome = func(o invitation.InviteOutcome) { g.seen.metrics.Invitation(string(o)) }
	requests := &request.Service{DB: g.db, Outbox: requestMails, Events: feed, Invitations: invitations, Instances: instances, Limits: request.Limits{
		TTL:      time.Duration(s.RequestTTL),
		ByPerson: s.MaxRequests,
		BySpace:  s.MaxSpaceRequests,
	}}
	instances.OnDelete, instances.OnRestore = requests.InstanceDeleted, requests.InstanceRestored
	return &resolvers.Root{
		DB:          g.db,
		Spaces:      &space.Service{DB: g.db},
		Instances:   instances,
		Memberships: &membership.Service{DB: g.db},
		Invitations: invitations,
		Requests:    requests,
		Colleagues:  account.NewColleagues(g.db),
		Log:         log,
		PageSize:    s.MaxPageSize,
		Hints:       s.introspection(),
	}, []worker{invitationMails, requestMails, feed}
}

// serve starts what goes on until Stop.
func (g *Gateway) serve(workers []worker, log *slog.Logger) {
	working, stop := context.WithCancel(context.Background())
	g.stopWorkers = stop
	for _, w := range workers {
		g.workers.Go(func() { recovery.Keep(working, log, "worker", func() { w.Run(working) }) })
	}
	g.workers.Go(func() { recovery.Keep(working, log, "housekeeping", func() { g.runMaintenance(working, log) }) })
	g.server = &http.Server{
		Handler:           g.api.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       min(g.settings.RequestTimeout, arrivalTime),
		WriteTimeout:      g.settings.RequestTimeout + 10*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState:         g.connections.note,
	}
	g.workers.Go(func() {
		err := errors.New("the server has panicked")
		recovery.Do(working, log, "server", func() { err = g.server.Serve(g.listener) })
		if !g.api.draining.Load() {
			g.failed <- err
		}
	})
}

// connections are those that are open.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.open == nil {
			c.open = map[net.Conn]struct{}{}
		}
		c.open[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

// list gives the connections that are open now.
func (c *connections) list() []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.open))
}

// stillOpen gives those of some connections that are open now.
func (c *connections) stillOpen(of []net.Conn) []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(of, func(conn net.Conn) bool { _, open := c.open[conn]; return !open })
}

// publicURL is what links in mails begin with.
func (g *Gateway) publicURL() (*url.URL, error) {
	if g.settings.PublicURL != "" {
		return url.Parse(g.settings.PublicURL)
	}
	return url.Parse(g.URL())
}

// sender is the way of mails: to the mail server or, in development, into the
// mailbox.
func (g *Gateway) sender(public *url.URL) (*mail.Sender, error) {
	from := mail.Mailbox{Name: "DataHub", Email: "no-reply@" + mailDomain(public)}
	if g.settings.MailFrom != "" {
		parsed, err := netmail.ParseAddress(g.settings.MailFrom)
		if err != nil {
			return nil, setting("DATAHUB_MAIL_FROM", err)
		}
		from.Email = parsed.Address
		if parsed.Name != "" {
			from.Name = parsed.Name
		}
	}
	server, err := url.Parse(g.settings.SMTPURL)
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", errNotURL)
	}
	if g.settings.SMTPURL == "" {
		if g.mailbox, err = mailbox.Open(filepath.Join(g.settings.DataDir, "mailbox")); err != nil {
			return nil, setting("DATAHUB_DATA_DIR", err)
		}
		server = g.mailbox.URL()
	}
	sender, err := mail.NewSender(server, from, mailDomain(public))
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", err)
	}
	return sender, nil
}

// mailDomain is the domain of the gateway's own addresses and Message-IDs.
func mailDomain(public *url.URL) string {
	if net.ParseIP(public.Hostname()) != nil {
		return "localhost"
	}
	return public.Hostname()
}

// URL is where the gateway listens.
func (g *Gateway) URL() string { return urlOf(g.listener) }

func urlOf(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

// MetricsURL is where the metrics are; "" where they are off.
func (g *Gateway) MetricsURL() string {
	if g.exposed == nil {
		return ""
	}
	return urlOf(g.exposed.listener) + "/metrics"
}

// Stop ends the gateway within 30 seconds after the notice that load balancers
// are given: requests and mails that have begun are brought to their end, and
// nothing new is begun.
func (g *Gateway) Stop() error {
	if !g.api.draining.Swap(true) {
		time.Sleep(g.settings.StopNotice)
		close(g.api.closing)
	}
	g.stopWorkers()
	g.drain()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := g.server.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // the listener, by drain
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), g.server.Close())
	}
	g.api.sockets.Wait()
	g.workers.Wait()
	g.release()
	return err
}

// drain lets every client that has sent a request have its answer. Clients
// that keep connections open send their next request and learn that the
// connection closes after it; then no new connections are taken, and those
// that were are served. Only then may the server be shut down: it drops
// requests that it reads from then on.
func (g *Gateway) drain() {
	g.awaitClosing(g.connections.list())
	_ = g.listener.Close()
	g.awaitClosing(g.connections.list())
}

// awaitClosing waits for connections to close, as long as some do.
func (g *Gateway) awaitClosing(open []net.Conn) {
	begun, moved := time.Now(), time.Now()
	for len(open) > 0 && time.Since(begun) < drainTime && time.Since(moved) < quietTime {
		time.Sleep(5 * time.Millisecond)
		n := len(open)
		if open = g.connections.stillOpen(open); len(open) < n {
			moved = time.Now()
		}
	}
}

// release gives back what Start took, as far as it came.
func (g *Gateway) release() {
	if g.listener != nil {
		_ = g.listener.Close()
	}
	if g.mailbox != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = g.mailbox.Close(ctx)
	}
	if g.db != nil {
		_ = g.db.Close()
	}
	g.exposed.stop()
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	g.seen.traces.Stop(ctx)
}

// announce prints what a person needs to begin.
func (g *Gateway) announce(out io.Writer) error {
	at := g.URL()
	fmt.Fprintf(out, "DataHub gateway listens on %s\n\n  GraphQL     %s/graphql\n", at, at)
	if builtPage()[indexFile] != nil {
		fmt.Fprintf(out, "  Page        %s/app/\n", at)
	}
	if g.settings.playground() {
		fmt.Fprintf(out, "  Playground  %s/\n", at)
	}
	if g.mailbox != nil {
		fmt.Fprintf(out, "  Mailbox     %s/mailbox\n", at)
	}
	fmt.Fprintf(out, "  Schema      %s/schema.graphql\n", at)
	if g.exposed != nil {
		fmt.Fprintf(out, "  Metrics     %s\n", g.MetricsURL())
	}
	if !g.settings.Development {
		return nil
	}
	fmt.Fprintf(out, "\nTokens, good for %d days:\n", token.DevelopmentLifetime/(24*time.Hour))
	people, err := demoPeople(g.api.tokens.Development)
	for _, p := range people {
		fmt.Fprintf(out, "\n%s, %s\n%s\n", p.Email, p.Description, p.Token)
	}
	return err
}

// runMaintenance removes, until ctx ends, what nobody needs any more.
func (g *Gateway) runMaintenance(ctx context.Context, log *slog.Logger) {
	ctx = postgres.WithBackgroundPriority(ctx)
	for {
		g.cleanUp(ctx, log)
		select {
		case <-time.After(housekeepingTime):
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) cleanUp(ctx context.Context, log *slog.Logger) {
	for what, forget := range map[string]func(context.Context, postgres.Querier) (int64, error){
		"requests": func(ctx context.Context, _ postgres.Querier) (int64, error) {
			return g.api.root.Requests.EndExpired(ctx)
		},
		"idempotency keys": idempotency.DeleteExpired,
		"resends":          invitation.DeleteOldResends,
		"events":           event.DeleteOld,
		"limits":           ratelimit.DeleteExpired,
	} {
		if err := forgetAll(ctx, g.db, forget); err != nil && ctx.Err() == nil {
			log.Error("housekeeping", "of", what, "error", postgres.LogSafe(err))
		}
	}
	purged, err := instance.Purge(ctx, g.db, time.Duration(g.settings.PurgeGrace))
	if err != nil && ctx.Err() == nil {
		log.Error("housekeeping", "of", "deleted instances", "error", postgres.LogSafe(err))
	}
	if purged > 0 {
		log.Info("housekeeping", "purged", purged)
	}
}

// forgetAll forgets in small batches until there is nothing left to forget.
func forgetAll(ctx context.Context, db *postgres.DB, forget func(context.Context, postgres.Querier) (int64, error)) error {
	for ctx.Err() == nil {
		if n, err := forget(ctx, db); n == 0 || err != nil {
			return err
		}
	}
	return ctx.Err()
}

func checkSchema(ctx context.Context, s *DatabaseSettings) error {
	if err := postgres.CheckSchema(ctx, s.DatabaseURL); err != nil {
		return setting("DATABASE_URL", err)
	}
	return nil
}

// openDatabase opens the pool. observe, which may be nil, is called for every
// statement.
func openDatabase(s *DatabaseSettings, observe func(context.Context, string) func(error)) (*postgres.DB, error) {
	db, err := postgres.Open(s.DatabaseURL, postgres.Options{
		MaxConnections:   s.DatabaseConnections,
		StatementTimeout: s.StatementTimeout,
		Statement:        observe,
	})
	if err != nil {
		return nil, setting("DATABASE_URL", err)
	}
	return db, nil
}
