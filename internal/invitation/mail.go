package invitation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

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

// Send is the work of the outbox's jobs of MailKind.
func (m *Mailer) Send(ctx context.Context, jobs []outbox.Job) []error {
	errs := make([]error, len(jobs))
	sendings, err := m.read(ctx, jobs)
	if err != nil {
		for k := range errs {
			errs[k] = err
		}
		return errs
	}
	var messages []mail.Message
	var places []int // of the messages among the jobs
	for k, job := range jobs {
		message, err := m.compose(job, sendings[job.Subject])
		if err != nil {
			errs[k] = err
			continue
		}
		messages, places = append(messages, message), append(places, k)
	}
	for k, err := range m.Sender.Send(ctx, messages) {
		switch {
		case errors.Is(err, mail.ErrRefused):
			err = fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
		case errors.Is(err, mail.ErrNotTried):
			err = outbox.ErrPostponed
		}
		errs[places[k]] = err
	}
	return errs
}

// sending is what a mail tells of an invitation.
type sending struct {
	ID           uuid.UUID            `db:"id"`
	Email        string               `db:"email"`
	Locale       string               `db:"locale"`
	Role         *access.InstanceRole `db:"role"`
	Message      string               `db:"message"`
	ExpiresAt    time.Time            `db:"expires_at"`
	TokenHash    []byte               `db:"token_hash"`
	Live         bool                 `db:"live"`
	Deleted      bool                 `db:"deleted"` // the instance
	Instance     string               `db:"instance"`
	Space        string               `db:"space"`
	Organization string               `db:"organization"`
	InviterName  string               `db:"inviter_name"`
	InviterEmail string               `db:"inviter_email"`
}

// read reads what the mails tell. Of several accounts of an address, the
// newest that tells one knows the language.
func (m *Mailer) read(ctx context.Context, jobs []outbox.Job) (map[uuid.UUID]*sending, error) {
	ids := make([]string, len(jobs))
	for k, job := range jobs {
		ids[k] = job.Subject.String()
	}
	var rows []sending
	err := m.DB.Select(ctx, &rows, `
		select v.id, v.email, v.role, coalesce(v.message, '') as message, v.expires_at, v.token_hash,
		       v.status = 'PENDING' and v.expires_at > clock_timestamp() as live, i.deleted_at is not null as deleted,
		       coalesce(i.name, '') as instance, s.name as space, o.name as organization,
		       a.name as inviter_name, a.email as inviter_email,
		       coalesce((select r.locale from account r where r.email_key = v.email_key and r.locale is not null
		                 order by r.id desc limit 1), '') as locale
		from invitation v
		join account a on a.id = v.invited_by
		left join instance i on i.id = v.instance_id
		join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = s.organization_id
		where v.id = any ($1::uuid[])`, pq.StringArray(ids))
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
	case v == nil || !v.Live || !bytes.Equal(tokenHash(job.Secret), v.TokenHash):
		return mail.Message{}, outbox.ErrDropped
	case v.Deleted:
		return mail.Message{}, outbox.ErrPostponed
	}
	to, problem := address.Parse(v.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("%w: the stored address is not valid: %w", outbox.ErrPermanent, problem)
	}
	role := mail.Administrator
	if v.Role != nil {
		role = map[access.InstanceRole]mail.Role{access.Editor: mail.Editor, access.Viewer: mail.Viewer}[*v.Role]
	}
	message, err := mail.Invitation{
		ID:           job.ID.String(),
		To:           to,
		Locale:       v.Locale,
		From:         mail.Mailbox{Name: v.InviterName, Email: v.InviterEmail},
		Organization: v.Organization,
		Space:        v.Space,
		Instance:     v.Instance,
		Role:         role,
		Message:      v.Message,
		Link:         Link(m.PublicURL, job.Secret),
		ExpiresAt:    v.ExpiresAt,
	}.Compose()
	if err != nil {
		return mail.Message{}, fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	return message, nil
}
