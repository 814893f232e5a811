package app

import (
	"context"
	"log/slog"
	"time"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// maintenance ends and deletes what is due. Every gateway does it; a row is
// processed by one of them.
type maintenance struct {
	log  *slog.Logger
	jobs []maintenanceJob
}

// maintenanceJob processes the rows of one kind that are due.
type maintenanceJob struct {
	name  string // in the log
	every time.Duration
	// run processes some rows, in a short transaction, and returns their number. It
	// is called again until it returns 0.
	run func(context.Context) (int64, error)
	// counted is the log's key for the number of rows; "": the number is not
	// logged.
	counted string
}

func newMaintenance(db *postgres.DB, log *slog.Logger, requests *request.Service, memberships *membership.Service, s *Settings) *maintenance {
	in := func(remove func(context.Context, postgres.Querier) (int64, error)) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) { return remove(ctx, db) }
	}
	after := func(retention Days, remove func(context.Context, postgres.Querier, time.Duration) (int64, error)) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) { return remove(ctx, db, time.Duration(retention)) }
	}
	purge := func(remove func(context.Context, *postgres.DB, time.Duration) (int, error)) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) {
			purged, err := remove(ctx, db, time.Duration(s.PurgeGrace))
			return int64(purged), err
		}
	}
	// Gateways from before names were unique create instances without a name key,
	// while they run beside this one.
	indexNames := func(ctx context.Context) (int64, error) {
		n, renamed, err := instance.IndexNames(ctx, db)
		for _, i := range renamed {
			log.Info("housekeeping", "renamed instance", i.ID)
		}
		return n, err
	}
	return &maintenance{log, []maintenanceJob{
		{"requests", time.Minute, requests.EndExpired, ""},
		{"memberships", time.Minute, memberships.EndDue, "membershipsEnded"},
		{"reminders", time.Minute, memberships.RemindDue, "membershipsReminded"},
		{"old reminders", time.Minute, in(membership.DeleteReminders), ""},
		{"idempotency keys", time.Minute, in(idempotency.DeleteExpired), ""},
		{"resends", time.Minute, in(invitation.DeleteOldResends), ""},
		{"events", time.Minute, in(event.DeleteOld), ""},
		{"proofs of addresses", time.Minute, in(account.DeleteOldProofs), ""},
		{"limits", time.Minute, in(ratelimit.DeleteExpired), ""},
		{"instance names", time.Minute, indexNames, ""},
		{"deleted instances", time.Minute, purge(instance.Purge), "purged"},
		{"deleted spaces", time.Minute, purge(space.Purge), "spacesPurged"},
		{"expired invitations", time.Minute, in(invitation.MarkExpired), ""},
		{"ended invitations", time.Minute, after(s.InvitationRetention, invitation.DeleteEnded), "invitationsDeleted"},
		{"uses of ended course links", time.Minute, after(s.InvitationRetention, link.DeleteUses), ""},
		{"ended course links", time.Minute, after(s.InvitationRetention, link.DeleteEnded), "linksDeleted"},
		{"ended requests", time.Minute, after(s.RequestRetention, request.DeleteEnded), "requestsDeleted"},
		{"former members", time.Minute, after(s.FormerMemberRetention, membership.DeleteEnded), "formerMembersDeleted"},
		{"finished mails", time.Minute, after(s.MailRetention, outbox.DeleteFinished), "mailsDeleted"},
		{"audit log", time.Minute, after(s.AuditRetention, audit.DeleteOld), "auditRecordsDeleted"},
	}}
}

// run runs every job at once, and again each time that its interval is over. The
// jobs run one after the other, so that they take one connection.
func (m *maintenance) run(ctx context.Context) {
	ctx = postgres.WithBackgroundPriority(ctx)
	next := make([]time.Time, len(m.jobs))
	for {
		soonest := time.Now().Add(time.Hour)
		for i, job := range m.jobs {
			if !time.Now().Before(next[i]) {
				m.runJob(ctx, job)
				next[i] = time.Now().Add(job.every)
			}
			if next[i].Before(soonest) {
				soonest = next[i]
			}
		}
		select {
		case <-time.After(time.Until(soonest)):
		case <-ctx.Done():
			return
		}
	}
}

// runJob runs a job until nothing is due, and logs its failure: it runs again
// after its interval.
func (m *maintenance) runJob(ctx context.Context, job maintenanceJob) {
	var total int64
	for ctx.Err() == nil {
		n, err := job.run(ctx)
		total += n
		if err != nil && ctx.Err() == nil {
			m.log.Error("housekeeping", "of", job.name, "error", postgres.LogSafe(err))
		}
		if n == 0 || err != nil {
			break
		}
	}
	if total > 0 && job.counted != "" {
		m.log.Info("housekeeping", job.counted, total)
	}
}
