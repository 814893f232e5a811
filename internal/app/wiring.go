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
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// startTimeout bounds the start of a gateway, and of the private database with its
// first initialisation.
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
	if err := checkSchema(ctx, &s.DatabaseSettings); err != nil {
		return nil, err
	}
	instruments, err := newInstruments(ctx, &s.TelemetrySettings, log)
	if err != nil {
		return nil, err
	}
	resources.opened(instruments.flush)
	log = slog.New(panicCounter{log.Handler(), instruments.metrics})

	external, err := openExternal(ctx, &s, instruments, log, resources)
	if err != nil {
		return nil, err
	}
	operations, err := newOperations(&s.GraphQLSettings)
	if err != nil {
		return nil, err
	}
	trusted, err := parseProxies(s.TrustedProxies)
	if err != nil {
		return nil, setting("DATAHUB_TRUSTED_PROXIES", err)
	}
	services := newServices(&s, external, instruments, log)
	api := &api{
		settings:    &s,
		log:         log,
		db:          external.db,
		root:        services.root,
		tokens:      external.tokens,
		accounts:    account.NewDirectory(external.db),
		mailbox:     external.mailbox,
		operations:  operations,
		proxies:     trusted,
		anonymous:   newAnonymousLimit(s.MaxClientRequests, s.DatabaseConnections),
		instruments: instruments,
		lifecycle:   newLifecycle(),
	}

	beside := []worker{
		{"invitation mails", services.invitationMails.Run},
		{"organization invitation mails", services.organizationMails.Run},
		{"request mails", services.requestMails.Run},
		{"request mails of organizations", services.organizationRequestMails.Run},
		{"reminders", services.reminderMails.Run},
		{"events", services.feed.Run},
		{"merged accounts", api.accounts.Watch},
		{"housekeeping", newMaintenance(external.db, log, services.root.Requests, services.root.Memberships, &s).run},
	}
	if external.keys != nil {
		beside = append(beside, worker{"public keys", external.keys.Run})
	}
	var metrics *metricsServer
	if instruments.metrics != nil {
		instruments.watch(external.db, services.feed, external.sender)
		if metrics, err = startMetricsServer(s.MetricsAddr, instruments.metrics, log); err != nil {
			return nil, err
		}
		resources.opened(metrics.close)
		beside = append(beside, worker{"sampling", sampler{api}.run})
	}
	return &Gateway{
		http:       startHTTPServer(external.listener, api),
		metrics:    metrics,
		workers:    startWorkers(log, beside),
		resources:  resources,
		stopNotice: s.StopNotice,
	}, nil
}

// external is what a gateway shares with other systems.
type external struct {
	db       *postgres.DB
	listener net.Listener
	hashKey  keyedhash.Key    // of the hashes that stand for addresses in the database
	ownKey   keyedhash.Key    // the same without the operator's secret: see roster.Service
	public   *url.URL         // what links in mails begin with
	mailbox  *mailbox.Mailbox // nil where mails go to a mail server
	sender   *mail.Sender
	tokens   *token.Cache
	keys     *jwks.Set // the identity provider's; nil without one
}

func openExternal(ctx context.Context, s *Settings, instruments instruments, log *slog.Logger, resources *resources) (e external, err error) {
	if e.db, err = openDatabase(&s.DatabaseSettings, postgres.Options{LockTimeout: s.LockTimeout, Statement: instruments.statement()}, log); err != nil {
		return e, err
	}
	resources.opened(func() { _ = e.db.Close() })
	if e.hashKey, err = keyedhash.Read(ctx, e.db, s.HashKey); err != nil {
		return e, setting("DATABASE_URL", err)
	}
	if e.ownKey, err = keyedhash.Read(ctx, e.db, ""); err != nil {
		return e, setting("DATABASE_URL", err)
	}
	if e.listener, err = net.Listen("tcp", s.Addr); err != nil {
		return e, setting("DATAHUB_ADDR", err)
	}
	resources.opened(func() { _ = e.listener.Close() })
	if e.public, err = publicURL(&s.HTTPSettings, e.listener); err != nil {
		return e, err
	}
	if e.mailbox, err = openMailbox(s); err != nil {
		return e, err
	}
	if e.mailbox != nil {
		resources.opened(func() { closeMailbox(e.mailbox) })
	}
	if e.sender, err = newSender(&s.MailSettings, e.public, e.mailbox); err != nil {
		return e, err
	}
	e.sender.Log = log
	e.tokens, e.keys, err = newTokens(s, log)
	return e, err
}

// services decide what people may do, and do it.
type services struct {
	root                     *resolvers.Root
	invitationMails          *outbox.Queue
	organizationMails        *outbox.Queue
	requestMails             *outbox.Queue
	organizationRequestMails *outbox.Queue
	reminderMails            *outbox.Queue
	feed                     *event.Feed
}

func newServices(s *Settings, e external, instruments instruments, log *slog.Logger) services {
	invitationMails := &outbox.Queue{DB: e.db, Log: log, Kind: invitation.MailKind, Observer: instruments.jobs(), Timeout: e.sender.MaxTime(), Await: e.sender.Await,
		Work: mail.Work(e.sender, (&invitation.Mailer{DB: e.db, PublicURL: e.public, HashKey: e.hashKey, Retention: s.retention()}).Read)}
	organizationMails := &outbox.Queue{DB: e.db, Log: log, Kind: invitation.OrganizationMailKind, Observer: instruments.jobs(), Timeout: e.sender.MaxTime(), Await: e.sender.Await,
		Work: invitationMails.Work}
	requestMails := &outbox.Queue{DB: e.db, Log: log, Kind: request.MailKind, Observer: instruments.jobs(), Timeout: e.sender.MaxTime(), Await: e.sender.Await,
		Work: mail.Work(e.sender, (&request.Mailer{DB: e.db, PublicURL: e.public}).Read)}
	organizationRequestMails := &outbox.Queue{DB: e.db, Log: log, Kind: request.OrganizationMailKind, Observer: instruments.jobs(), Timeout: e.sender.MaxTime(), Await: e.sender.Await,
		Work: requestMails.Work}
	reminderMails := &outbox.Queue{DB: e.db, Log: log, Kind: membership.MailKind, Observer: instruments.jobs(), Timeout: e.sender.MaxTime(), Await: e.sender.Await,
		Work: mail.Work(e.sender, (&membership.Mailer{DB: e.db, PublicURL: e.public}).Read)}
	feed := event.NewFeed(e.db, log, invitation.ExpiredEvents)
	instances, spaces := &instance.Service{DB: e.db}, &space.Service{DB: e.db}
	invitations := &invitation.Service{DB: e.db, Outbox: invitationMails, OrganizationOutbox: organizationMails, Events: feed, HashKey: e.hashKey, Retention: s.retention(), Limits: invitation.Limits{
		Emails:    s.MaxEmails,
		Message:   s.MaxMessageLength,
		TTL:       time.Duration(s.InvitationTTL),
		ByPerson:  s.MaxInvitations,
		BySpace:   s.MaxSpaceInvitations,
		ByAddress: s.MaxAddressInvitations,
		ByDomain:  s.MaxDomainInvitations,
		Tokens:    s.MaxUnknownTokens,
	}}
	invitations.CountOutcome = func(o invitation.InviteOutcome) { instruments.metrics.Invitation(string(o)) }
	links := &link.Service{DB: e.db, Invitations: invitations, PublicURL: e.public, HashKey: e.hashKey, Limits: link.Limits{
		ByLink:    s.MaxLinkJoins,
		ByClient:  s.MaxClientJoins,
		ByAddress: s.MaxAddressJoins,
	}}
	requests := &request.Service{DB: e.db, Outbox: requestMails, OrganizationOutbox: organizationRequestMails, Events: feed, Invitations: invitations, Instances: instances, Spaces: spaces, Limits: request.Limits{
		TTL:      time.Duration(s.RequestTTL),
		ByPerson: s.MaxRequests,
		BySpace:  s.MaxSpaceRequests,

		ByOrganization:         s.MaxOrganizationRequests,
		ByPersonInOrganization: s.MaxPersonOrganizationRequests,
	}}
	// Requests about an instance or a space end with it, so instances and spaces call back.
	instances.OnDelete, instances.OnRestore = requests.InstanceDeleted, requests.InstanceRestored
	spaces.OnDelete, spaces.OnRestore = requests.SpaceDeleted, requests.SpaceRestored
	// Pending invitations of people who are removed end with their roles.
	memberships := &membership.Service{DB: e.db, OnEnd: invitations.EndOf, RevokeInvitations: invitations.RevokeFor, Kept: time.Duration(s.FormerMemberRetention)}
	root := &resolvers.Root{
		DB:          e.db,
		Spaces:      spaces,
		Instances:   instances,
		Memberships: memberships,
		Invitations: invitations,
		Links:       links,
		Requests:    requests,
		Rosters:     &roster.Service{DB: e.db, Invitations: invitations, OwnKey: e.ownKey},
		Colleagues:  account.NewColleagues(e.db),
		Log:         log,
		PageSize:    s.MaxPageSize,
		Hints:       s.introspection(),
		Client:      func(ctx context.Context) string { return networkOf(clientIn(ctx)).String() },
	}
	return services{root, invitationMails, organizationMails, requestMails, organizationRequestMails, reminderMails, feed}
}

func checkSchema(ctx context.Context, s *DatabaseSettings) error {
	if err := postgres.CheckSchema(ctx, s.DatabaseURL); err != nil {
		return setting("DATABASE_URL", err)
	}
	return nil
}

// openDatabase opens the pool, with what the settings say added to its options.
func openDatabase(s *DatabaseSettings, o postgres.Options, log *slog.Logger) (*postgres.DB, error) {
	o.MaxConnections, o.StatementTimeout = s.DatabaseConnections, s.StatementTimeout
	o.Pooler = func() {
		log.Info("the database is reached through a pooler: statements are planned each time that they run")
	}
	db, err := postgres.Open(s.DatabaseURL, o)
	if err != nil {
		return nil, setting("DATABASE_URL", err)
	}
	return db, nil
}

// publicURL returns what links in mails begin with: in development, where the
// gateway listens.
func publicURL(s *HTTPSettings, listener net.Listener) (*url.URL, error) {
	if public, err := s.publicURL(); public != nil || err != nil {
		return public, err
	}
	return url.Parse(urlOf(listener))
}
