package invitation

import (
	"bytes"
	"context"
	"fmt"
	"net/url"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// The outbox's names for the mails of invitations. Those to organizations have their own,
// because gateways that do not know such invitations would drop their mails.
const (
	MailKind             = "INVITATION"
	OrganizationMailKind = "ORGANIZATION_INVITATION"
)

// Mailer composes the mails of invitations.
type Mailer struct {
	DB        *postgres.DB
	PublicURL *url.URL      // what links begin with
	HashKey   keyedhash.Key // of the hashes that stand for addresses
	Retention Retention
}

// Read reads the invitations of jobs of both kinds, and returns the function that
// composes their mails.
func (m *Mailer) Read(ctx context.Context, jobs []outbox.Job) (mail.ComposeFunc, error) {
	invitations, err := m.find(ctx, outbox.Subjects(jobs))
	var composer mail.Composer
	return func(job outbox.Job) (mail.Message, error) {
		return m.compose(&composer, job, invitations[job.Subject])
	}, err
}

// mailedRow is an invitation whose mail is to be sent.
type mailedRow struct {
	row
	TokenHash []byte `db:"token_hash"`
	Locale    string `db:"locale"`  // of the recipient
	ByLink    bool   `db:"by_link"` // somebody asked for it at a course link
}

// find reads invitations, each with the language of the account that holds the address.
// It marks those that are not mailed because the person refused invitations meanwhile.
func (m *Mailer) find(ctx context.Context, ids postgres.UUIDs) (map[uuid.UUID]*mailedRow, error) {
	var rows []mailedRow
	err := m.DB.Select(ctx, &rows, `
		select `+columns+`, v.token_hash, v.link_id is not null as by_link,
		       coalesce((select r.locale from address_holder h join account r on r.id = h.account_id
		                 where h.email_key = v.email_key), '') as locale
		from invitation v `+tables+`
		where v.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*mailedRow, len(rows))
	read, refusals := make(postgres.UUIDs, len(rows)), make(pq.ByteaArray, len(rows))
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
		read[i], refusals[i] = rows[i].ID, refusalHash(m.HashKey, rows[i].EmailKey)
	}
	var refused []uuid.UUID
	err = m.DB.Select(ctx, &refused, `
		update invitation v set mail_refused = true
		from unnest($1::uuid[], $2::bytea[]) as n (id, refusal_hash)
		where v.id = n.id and v.id = any ($1::uuid[]) and not v.mail_refused and `+refusedBy(`n.refusal_hash`)+`
		returning v.id`, read, refusals)
	for _, id := range refused {
		byID[id].MailRefused = true
	}
	return byID, err
}

// compose returns the mail of a job. It fails with outbox.ErrDropped where the
// mail's link is not valid any more or the person refused invitations, and with outbox.ErrPostponed where the instance
// or the space was deleted after the job was claimed: deleting holds the job until the
// place is restored.
func (m *Mailer) compose(composer *mail.Composer, job outbox.Job, r *mailedRow) (mail.Message, error) {
	switch {
	case r == nil || r.Status != Pending || r.MailRefused || !bytes.Equal(tokenHash(job.Secret), r.TokenHash):
		return mail.Message{}, outbox.ErrDropped
	case r.InstanceDeleted || r.SpaceDeleted:
		return mail.Message{}, outbox.ErrPostponed
	}
	to, problem := address.Parse(r.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("the stored address is not valid: %w", problem)
	}
	i := mail.Invitation{
		ID:           job.ID.String(),
		To:           to,
		Locale:       r.Locale,
		ByLink:       r.ByLink,
		From:         mail.Mailbox{Name: r.InviterName, Email: r.InviterEmail},
		Organization: r.OrganizationName,
		Space:        r.SpaceName,
		Role:         r.Role,
		Link:         mail.Link(m.PublicURL, "invitation", ""),
		ExpiresAt:    r.ExpiresAt,
		RefuseLink:   mail.RefuseLink(m.PublicURL, ""),
		Token:        job.Secret,
		KeptUntil:    m.Retention.keptUntil(&r.storedRow),
		LoggedUntil:  m.Retention.loggedUntil(&r.storedRow),
	}
	if r.InstanceName != nil {
		i.Instance = *r.InstanceName
	}
	if r.RequesterName != nil {
		i.Requester = mail.Mailbox{Name: *r.RequesterName, Email: *r.RequesterEmail}
	}
	if r.Message != nil {
		i.Message = *r.Message
	}
	return composer.Compose(i)
}
