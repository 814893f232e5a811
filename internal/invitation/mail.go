package invitation

import (
	"bytes"
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

// MailKind is the outbox's name for the mails of invitations.
const MailKind = "INVITATION"

// Mailer sends the mails of invitations.
type Mailer struct {
	DB        *postgres.DB
	Sender    *mail.Sender
	PublicURL *url.URL // what links begin with
}

// Link is where an invitation is reviewed. The token stands in the fragment,
// which browsers send to no server, so that it is in no server's log.
func Link(public *url.URL, token string) string {
	return public.JoinPath("app", "invitation").String() + "#" + token
}

// Work is the work of the outbox's jobs of MailKind.
func (m *Mailer) Work(ctx context.Context, jobs []outbox.Job, ended func(k int, err error)) {
	mailing.Work(m.Sender, func(ctx context.Context, jobs []outbox.Job) (mailing.Compose, error) {
		sendings, err := m.read(ctx, jobs)
		return func(k int) (mail.Message, error) { return m.compose(jobs[k], sendings[jobs[k].Subject]) }, err
	})(ctx, jobs, ended)
}

// sending is an invitation whose mail is to be sent.
type sending struct {
	row
	TokenHash []byte `db:"token_hash"`
	Locale    string `db:"locale"` // of the recipient
}

// read reads what the mails tell. Of several accounts of an address, the newest
// that tells one knows the language.
func (m *Mailer) read(ctx context.Context, jobs []outbox.Job) (map[uuid.UUID]*sending, error) {
	ids := make(postgres.UUIDs, len(jobs))
	for k, job := range jobs {
		ids[k] = job.Subject
	}
	var rows []sending
	err := m.DB.Select(ctx, &rows, `
		select `+columns+`, v.token_hash,
		       coalesce((select r.locale from account r where r.email_key = v.email_key and r.locale is not null
		                 order by r.id desc limit 1), '') as locale
		from invitation v `+tables+`
		where v.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*sending, len(rows))
	for k := range rows {
		byID[rows[k].ID] = &rows[k]
	}
	return byID, nil
}

// compose writes a job's mail, unless its link would be dead on arrival. Where
// the instance was deleted a moment ago the mail is held by now.
func (m *Mailer) compose(job outbox.Job, v *sending) (mail.Message, error) {
	switch {
	case v == nil || v.Status != Pending || !bytes.Equal(tokenHash(job.Secret), v.TokenHash):
		return mail.Message{}, outbox.ErrDropped
	case v.InstanceDeleted:
		return mail.Message{}, outbox.ErrPostponed
	}
	to, problem := address.Parse(v.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("%w: the stored address is not valid: %w", outbox.ErrPermanent, problem)
	}
	var requester mail.Mailbox
	if v.RequesterName != nil {
		requester = mail.Mailbox{Name: *v.RequesterName, Email: *v.RequesterEmail}
	}
	i := mail.Invitation{
		ID:           job.ID.String(),
		To:           to,
		Locale:       v.Locale,
		From:         mail.Mailbox{Name: v.InviterName, Email: v.InviterEmail},
		Requester:    requester,
		Organization: v.OrganizationName,
		Space:        v.SpaceName,
		Role:         mail.Administrator,
		Link:         Link(m.PublicURL, job.Secret),
		ExpiresAt:    v.ExpiresAt,
	}
	if v.InstanceName != nil {
		i.Instance, i.Role = *v.InstanceName, map[access.InstanceRole]mail.Role{access.Editor: mail.Editor, access.Viewer: mail.Viewer}[*v.Role]
	}
	if v.Message != nil {
		i.Message = *v.Message
	}
	message, err := i.Compose()
	if err != nil {
		return mail.Message{}, fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	return message, nil
}
