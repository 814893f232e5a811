package invitation

import (
	"bytes"
	"context"
	"fmt"
	"net/url"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// MailKind is the outbox's name for the mails of invitations.
const MailKind = "INVITATION"

// Mailer writes the mails of invitations.
type Mailer struct {
	DB        *postgres.DB
	PublicURL *url.URL // what links begin with
}

// Read reads what the mails of jobs of MailKind tell.
func (m *Mailer) Read(ctx context.Context, jobs []outbox.Job) (mail.ComposeFunc, error) {
	sendings, err := m.read(ctx, outbox.Subjects(jobs))
	return func(job outbox.Job) (mail.Message, error) { return m.compose(job, sendings[job.Subject]) }, err
}

// sending is an invitation whose mail is to be sent.
type sending struct {
	row
	TokenHash []byte `db:"token_hash"`
	Locale    string `db:"locale"` // of the recipient
}

// read reads invitations whose mails are to be sent. Of several accounts of an address, the newest
// that tells one knows the language.
func (m *Mailer) read(ctx context.Context, ids postgres.UUIDs) (map[uuid.UUID]*sending, error) {
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
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
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
		return mail.Message{}, fmt.Errorf("the stored address is not valid: %w", problem)
	}
	i := mail.Invitation{
		ID:           job.ID.String(),
		To:           to,
		Locale:       v.Locale,
		From:         mail.Mailbox{Name: v.InviterName, Email: v.InviterEmail},
		Organization: v.OrganizationName,
		Space:        v.SpaceName,
		Role:         tenant.SpaceAdministrator,
		Link:         mail.Link(m.PublicURL, "invitation", job.Secret),
		ExpiresAt:    v.ExpiresAt,
	}
	if v.InstanceName != nil {
		i.Instance, i.Role = *v.InstanceName, v.Role.Role()
	}
	if v.RequesterName != nil {
		i.Requester = mail.Mailbox{Name: *v.RequesterName, Email: *v.RequesterEmail}
	}
	if v.Message != nil {
		i.Message = *v.Message
	}
	return i.Compose()
}
