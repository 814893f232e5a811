package app

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"time"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// startTimeout bounds a start: a database that is restarting answers within it.
const startTimeout = time.Minute

// Start builds a gateway from settings that name a database, and serves. Where it
// fails, it closes what it has opened.
func Start(ctx context.Context, s Settings, log *slog.Logger) (_ *Gateway, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	resources := &resources{}
	defer func() {
		if err != nil {
			resources.close()
		}
	}()

	// What operators see. All that follows reports to it.
	if err := checkSchema(ctx, &s.DatabaseSettings); err != nil {
		return nil, err
	}
	instruments, err := newInstruments(ctx, &s.TelemetrySettings, log)
	if err != nil {
		return nil, err
	}
	resources.opened(instruments.flush)
	log = slog.New(panicCounter{log.Handler(), instruments.metrics})

	// What is outside: the database, the address, the mail server, the identity
	// provider, the file of operations.
	db, err := openDatabase(&s.DatabaseSettings, instruments.statement())
	if err != nil {
		return nil, err
	}
	resources.opened(func() { _ = db.Close() })
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return nil, setting("DATAHUB_ADDR", err)
	}
	resources.opened(func() { _ = listener.Close() })
	public, err := publicURL(&s.HTTPSettings, listener)
	if err != nil {
		return nil, err
	}
	mailbox, err := openMailbox(&s)
	if err != nil {
		return nil, err
	}
	if mailbox != nil {
		resources.opened(func() { closeMailbox(mailbox) })
	}
	sender, err := newSender(&s.MailSettings, public, mailbox)
	if err != nil {
		return nil, err
	}
	tokens, keys, err := newVerifier(&s, log)
	if err != nil {
		return nil, err
	}
	operations, err := newOperations(&s.GraphQLSettings)
	if err != nil {
		return nil, err
	}

	// What decides, and what works for it.
	invitationMails := &outbox.Queue{DB: db, Log: log, Kind: invitation.MailKind, Observer: instruments.jobs(),
		Work: mail.Work(sender, (&invitation.Mailer{DB: db, PublicURL: public}).Read)}
	requestMails := &outbox.Queue{DB: db, Log: log, Kind: request.MailKind, Observer: instruments.jobs(),
		Work: mail.Work(sender, (&request.Mailer{DB: db, PublicURL: public}).Read)}
	feed := event.NewFeed(db, log, invitation.ExpiredEvents)
	root := newRoot(&s, db, log, invitationMails, requestMails, feed)
	root.Invitations.CountOutcome = func(o invitation.InviteOutcome) { instruments.metrics.Invitation(string(o)) }

	// What answers.
	api := &api{
		settings:    &s,
		log:         log,
		db:          db,
		root:        root,
		tokens:      tokens,
		accounts:    account.NewDirectory(db),
		mailbox:     mailbox,
		operations:  operations,
		instruments: instruments,
		lifecycle:   newLifecycle(),
	}
	running := []worker{
		{"invitation mails", invitationMails.Run},
		{"request mails", requestMails.Run},
		{"events", feed.Run},
		{"housekeeping", newMaintenance(db, log, root.Requests, &s.RetentionSettings).run},
	}
	if keys != nil {
		running = append(running, worker{"public keys", keys.Run})
	}
	var metrics *metricsServer
	if instruments.metrics != nil {
		instruments.watch(db, feed)
		if metrics, err = startMetricsServer(s.MetricsAddr, instruments.metrics, log); err != nil {
			return nil, err
		}
		resources.opened(metrics.close)
		running = append(running, worker{"sampling", sampler{api}.run})
	}
	return &Gateway{
		http:       startHTTPServer(listener, api),
		metrics:    metrics,
		workers:    startWorkers(log, running),
		resources:  resources,
		stopNotice: s.StopNotice,
	}, nil
}

// newRoot returns the resolvers on top of the services that decide.
func newRoot(s *Settings, db *postgres.DB, log *slog.Logger, invitationMails, requestMails *outbox.Queue, feed *event.Feed) *resolvers.Root {
	instances := &instance.Service{DB: db}
	invitations := &invitation.Service{DB: db, Outbox: invitationMails, Events: feed, Limits: invitation.Limits{
		Emails:    s.MaxEmails,
		Message:   s.MaxMessageLength,
		TTL:       time.Duration(s.InvitationTTL),
		ByPerson:  s.MaxInvitations,
		BySpace:   s.MaxSpaceInvitations,
		ByAddress: s.MaxAddressInvitations,
		ByDomain:  s.MaxDomainInvitations,
		Tokens:    s.MaxUnknownTokens,
	}}
	requests := &request.Service{DB: db, Outbox: requestMails, Events: feed, Invitations: invitations, Instances: instances, Limits: request.Limits{
		TTL:      time.Duration(s.RequestTTL),
		ByPerson: s.MaxRequests,
		BySpace:  s.MaxSpaceRequests,
	}}
	// Requests depend on instances, and end with them.
	instances.OnDelete, instances.OnRestore = requests.InstanceDeleted, requests.InstanceRestored
	return &resolvers.Root{
		DB:          db,
		Spaces:      &space.Service{DB: db},
		Instances:   instances,
		Memberships: &membership.Service{DB: db},
		Invitations: invitations,
		Requests:    requests,
		Colleagues:  account.NewColleagues(db),
		Log:         log,
		PageSize:    s.MaxPageSize,
		Hints:       s.introspection(),
	}
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

// publicURL returns what links in mails begin with: in development, where the
// gateway listens.
func publicURL(s *HTTPSettings, listener net.Listener) (*url.URL, error) {
	if s.PublicURL != "" {
		return url.Parse(s.PublicURL)
	}
	return url.Parse(urlOf(listener))
}
