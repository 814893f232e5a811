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
	invitations, err := m.read(ctx, jobs)
	if err != nil {
		for k := range errs {
			errs[k] = err
		}
		return errs
	}
	var messages []mail.Message
	var places []int // of the messages among the jobs
	for k, job := range jobs {
		message, err := m.compose(job, invitations[job.Subject])
		if err != nil {
			errs[k] = err
			continue
		}
		messages, places = append(messages, message), append(places, k)
	}
	for k, err := range m.Sender.Send(ctx, messages) {
		if errors.Is(err, mail.ErrRefused) {
			err = fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
		}
		errs[places[k]] = err
	}
	return errs
}

type mailRow struct {
	ID           uuid.UUID           `db:"id"`
	Email        string              `db:"email"`
	Role         access.InstanceRole `db:"role"`
	Message      *string             `db:"message"`
	ExpiresAt    time.Time           `db:"expires_at"`
	TokenHash    []byte              `db:"token_hash"`
	Live         bool                `db:"live"`
	Instance     string              `db:"instance"`
	Space        string              `db:"space"`
	Organization string              `db:"organization"`
	InviterName  string              `db:"inviter_name"`
	InviterEmail string              `db:"inviter_email"`
}

func (m *Mailer) read(ctx context.Context, jobs []outbox.Job) (map[uuid.UUID]*mailRow, error) {
	ids := make([]string, len(jobs))
	for k, job := range jobs {
		ids[k] = job.Subject.String()
	}
	var rows []mailRow
	err := m.DB.Select(ctx, &rows, `
		select v.id, v.email, v.role, v.message, v.expires_at, v.token_hash,
		       v.status = 'PENDING' and v.expires_at > clock_timestamp() as live,
		       i.name as instance, s.name as space, o.name as organization,
		       a.name as inviter_name, a.email as inviter_email
		from invitation v
		join account a on a.id = v.invited_by
		join instance i on i.id = v.instance_id
		join space s on s.id = i.space_id
		join organization o on o.id = s.organization_id
		where v.id = any ($1::uuid[])`, pq.StringArray(ids))
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*mailRow, len(rows))
	for k := range rows {
		byID[rows[k].ID] = &rows[k]
	}
	return byID, nil
}

// compose writes a job's mail, unless its link would be dead on arrival.
func (m *Mailer) compose(job outbox.Job, v *mailRow) (mail.Message, error) {
	if v == nil || !v.Live || !bytes.Equal(tokenHash(job.Secret), v.TokenHash) {
		return mail.Message{}, outbox.ErrDropped
	}
	to, problem := address.Parse(v.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("%w: the stored address is not valid: %w", outbox.ErrPermanent, problem)
	}
	i := mail.Invitation{
		ID:           job.ID.String(),
		To:           to,
		From:         mail.Mailbox{Name: v.InviterName, Email: v.InviterEmail},
		Organization: v.Organization,
		Space:        v.Space,
		Instance:     v.Instance,
		Editor:       v.Role == access.Editor,
		Link:         Link(m.PublicURL, job.Secret),
		ExpiresAt:    v.ExpiresAt,
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
