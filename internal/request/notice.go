package request

import (
	"context"
	"fmt"
	"net/url"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// MailKind is the outbox's name for the mails about requests.
const MailKind = "REQUEST"

// notify asks for the mails to everybody who can answer a request.
func (s *Service) notify(ctx context.Context, tx *postgres.Tx, r *row) error {
	return enqueue(ctx, tx, `
		insert into request_notice (id, request_id, account_id)
		select uuid_v7(clock_timestamp()), $1, account_id
		from (select distinct account_id from request_answerers() where request_id = $1 and account_id <> $2) a
		returning id`, r.ID, r.RequestedBy)
}

// tell asks for the mails to those who have made requests that have ended, but
// not to the actor, who knows.
func (s *Service) tell(ctx context.Context, tx *postgres.Tx, actor access.Actor, ids ...uuid.UUID) error {
	return enqueue(ctx, tx, `
		insert into request_notice (id, request_id, account_id)
		select uuid_v7(clock_timestamp()), id, requested_by from request
		where id = any ($1::uuid[]) and requested_by <> $2
		returning id`, postgres.UUIDs(ids), actor.ID.UUID)
}

// enqueue asks for the mails of the notices that a query writes.
func enqueue(ctx context.Context, tx *postgres.Tx, query string, args ...any) error {
	var ids []uuid.UUID
	if err := tx.Select(ctx, &ids, query, args...); err != nil || len(ids) == 0 {
		return err
	}
	tasks := make([]outbox.Task, len(ids))
	for i, id := range ids {
		tasks[i] = outbox.Task{Subject: id}
	}
	return outbox.Enqueue(ctx, tx, MailKind, tasks)
}

// Mailer writes the mails about requests.
type Mailer struct {
	DB        *postgres.DB
	PublicURL *url.URL // what links begin with
}

// Read reads what the mails of jobs of MailKind tell.
func (m *Mailer) Read(ctx context.Context, jobs []outbox.Job) (mail.ComposeFunc, error) {
	notices, err := m.read(ctx, outbox.Subjects(jobs))
	return func(job outbox.Job) (mail.Message, error) { return m.compose(job, notices[job.Subject]) }, err
}

// notice is a mail about a request that is to be sent.
type notice struct {
	row
	NoticeID  uuid.UUID `db:"notice_id"`
	Recipient uuid.UUID `db:"recipient"`
	Email     string    `db:"recipient_email"`
	Locale    string    `db:"locale"`
	Answers   bool      `db:"answers"` // whether the recipient can answer the request
	Knows     bool      `db:"knows"`   // whether the recipient has a role in the space
}

func (m *Mailer) read(ctx context.Context, ids postgres.UUIDs) (map[uuid.UUID]*notice, error) {
	var rows []notice
	err := m.DB.Select(ctx, &rows, `
		select `+whole+`, n.id as notice_id, n.account_id as recipient, a.email as recipient_email, coalesce(a.locale, '') as locale,
		       `+canAnswer(`n.account_id`)+` as answers,
		       exists (select from space_administrator sa where sa.space_id = r.space_id and sa.account_id = n.account_id)
		       or exists (select from organization_member om where om.organization_id = s.organization_id and om.account_id = n.account_id and om.role in `+tenant.SeesSpaces.SQL(globalid.Organization)+`)
		       or exists (select from instance_member im join instance mi on mi.id = im.instance_id
		                  where mi.space_id = r.space_id and im.account_id = n.account_id) as knows
		from request_notice n join account a on a.id = n.account_id join request r on r.id = n.request_id `+tables+`
		where n.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	notices := make(map[uuid.UUID]*notice, len(rows))
	for i := range rows {
		notices[rows[i].NoticeID] = &rows[i]
	}
	return notices, nil
}

var mailKinds = map[Kind]mail.RequestKind{Role: mail.RoleRequest, Invitations: mail.InvitationsRequest, Restore: mail.RestoreRequest}

// compose writes a job's mail, unless there is nothing left to tell: who could
// answer is not told of what has been answered, or is not hers to answer any
// more.
func (m *Mailer) compose(job outbox.Job, n *notice) (mail.Message, error) {
	if n == nil {
		return mail.Message{}, outbox.ErrDropped
	}
	event := map[Status]mail.RequestEvent{Approved: mail.RequestApproved, Declined: mail.RequestDeclined, Expired: mail.RequestExpired}[n.Status]
	said := n.Answer
	if n.Recipient != n.RequestedBy {
		event, said = mail.RequestMade, n.Message
		if n.Status != Open || !n.Answers {
			return mail.Message{}, outbox.ErrDropped
		}
	} else if n.Status == Open || n.Status == Withdrawn || !n.Knows {
		return mail.Message{}, outbox.ErrDropped
	}
	to, problem := address.Parse(n.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("the stored address is not valid: %w", problem)
	}
	v := mail.RequestNotice{
		ID:           job.ID.String(),
		To:           to,
		Locale:       n.Locale,
		Event:        event,
		Kind:         mailKinds[n.Kind],
		Requester:    mail.Mailbox{Name: n.RequesterName, Email: n.RequesterEmail},
		Organization: n.OrganizationName,
		Space:        n.SpaceName,
		Emails:       n.Emails,
		Link:         mail.Link(m.PublicURL, "request", n.id().String()),
		Until:        n.ExpiresAt,
	}
	if event == mail.RequestApproved {
		v.Emails = n.Approved
	}
	if n.Role != nil {
		v.Role = *n.Role
	}
	if n.InstanceName != nil {
		v.Instance = *n.InstanceName
	}
	if n.AnswererName != nil {
		v.Answerer = mail.Mailbox{Name: *n.AnswererName, Email: *n.AnswererEmail}
	}
	if said != nil {
		v.Message = *said
	}
	return v.Compose()
}
