package request

import (
	"context"
	"fmt"
	"net/url"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mailing"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// MailKind is the outbox's name for the mails about requests.
const MailKind = "REQUEST"

// notify asks for the mails to everybody who can answer a request.
func (s *Service) notify(ctx context.Context, tx *postgres.Tx, r *row) error {
	return enqueue(ctx, tx, `
		insert into request_notice (id, request_id, account_id)
		select uuid_v7(clock_timestamp()), $1, h.account_id from (
			select account_id from space_administrator where space_id = $2
			union
			select account_id from instance_member where $3 and instance_id = $4 and role = 'EDITOR') h
		where h.account_id <> $5
		returning id`, r.ID, r.SpaceID, r.Kind == Restore, r.InstanceID, r.RequestedBy)
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
	for k, id := range ids {
		tasks[k] = outbox.Task{Subject: id}
	}
	return outbox.Enqueue(ctx, tx, MailKind, tasks)
}

// Mailer sends the mails about requests.
type Mailer struct {
	DB        *postgres.DB
	Sender    *mail.Sender
	PublicURL *url.URL // what links begin with
}

// Work is the work of the outbox's jobs of MailKind.
func (m *Mailer) Work(ctx context.Context, jobs []outbox.Job, ended func(k int, err error)) {
	mailing.Work(m.Sender, func(ctx context.Context, jobs []outbox.Job) (mailing.Compose, error) {
		notices, err := m.read(ctx, jobs)
		return func(k int) (mail.Message, error) { return m.compose(jobs[k], notices[jobs[k].Subject]) }, err
	})(ctx, jobs, ended)
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

func (m *Mailer) read(ctx context.Context, jobs []outbox.Job) (map[uuid.UUID]*notice, error) {
	ids := make(postgres.UUIDs, len(jobs))
	for k, job := range jobs {
		ids[k] = job.Subject
	}
	var rows []notice
	err := m.DB.Select(ctx, &rows, `
		select `+columns+`, r.emails, r.approved, n.id as notice_id, n.account_id as recipient, a.email as recipient_email, coalesce(a.locale, '') as locale,
		       exists (select from space_administrator sa where sa.space_id = r.space_id and sa.account_id = n.account_id)
		       or r.kind = 'RESTORE' and exists (select from instance_member im
		           where im.instance_id = r.instance_id and im.account_id = n.account_id and im.role = 'EDITOR') as answers,
		       exists (select from space_administrator sa where sa.space_id = r.space_id and sa.account_id = n.account_id)
		       or exists (select from organization_member om where om.organization_id = s.organization_id and om.account_id = n.account_id and om.role = 'MANAGER')
		       or exists (select from instance_member im join instance mi on mi.id = im.instance_id
		                  where mi.space_id = r.space_id and im.account_id = n.account_id) as knows
		from request_notice n join account a on a.id = n.account_id join request r on r.id = n.request_id `+tables+`
		where n.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	notices := make(map[uuid.UUID]*notice, len(rows))
	for k := range rows {
		notices[rows[k].NoticeID] = &rows[k]
	}
	return notices, nil
}

var mailKinds = map[Kind]mail.RequestKind{Role: mail.AskRole, Invitations: mail.AskInvitations, Restore: mail.AskRestore}

var mailRoles = map[access.Role]mail.Role{
	access.InstanceViewer: mail.Viewer, access.InstanceEditor: mail.Editor, access.SpaceAdministrator: mail.Administrator}

// compose writes a job's mail, unless there is nothing left to tell: who could
// answer is not told of what has been answered, or is not hers to answer any
// more.
func (m *Mailer) compose(job outbox.Job, n *notice) (mail.Message, error) {
	if n == nil {
		return mail.Message{}, outbox.ErrDropped
	}
	occasion := map[Status]mail.Occasion{Approved: mail.Approved, Declined: mail.Declined, Expired: mail.Ended}[n.Status]
	said := n.Answer
	if n.Recipient != n.RequestedBy {
		occasion, said = mail.Asked, n.Message
		if n.Status != Open || !n.Answers {
			return mail.Message{}, outbox.ErrDropped
		}
	} else if n.Status == Open || n.Status == Withdrawn || !n.Knows {
		return mail.Message{}, outbox.ErrDropped
	}
	to, problem := address.Parse(n.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("%w: the stored address is not valid: %w", outbox.ErrPermanent, problem)
	}
	v := mail.Notice{
		ID:           job.ID.String(),
		To:           to,
		Locale:       n.Locale,
		Occasion:     occasion,
		Kind:         mailKinds[n.Kind],
		Requester:    mail.Mailbox{Name: n.RequesterName, Email: n.RequesterEmail},
		Organization: n.OrganizationName,
		Space:        n.SpaceName,
		Emails:       n.Emails,
		Link:         Link(m.PublicURL, n.id().String()),
		Until:        n.ExpiresAt,
	}
	if occasion == mail.Approved {
		v.Emails = n.Approved
	}
	if role := n.role(); role != nil {
		v.Role = mailRoles[*role]
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
	message, err := v.Compose()
	if err != nil {
		return mail.Message{}, fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	return message, nil
}

// Link is where a request is seen and answered.
func Link(public *url.URL, id string) string {
	return public.JoinPath("app", "request").String() + "#" + id
}
