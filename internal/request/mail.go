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

// The outbox's names for the mails about requests, and for those about requests for roles
// in organizations. Gateways of the last release drop what they do not know among the
// first.
const (
	MailKind             = "REQUEST"
	OrganizationMailKind = "ORGANIZATION_REQUEST"
)

// notifyAnswerers queues mails to everybody who can answer a request.
func notifyAnswerers(ctx context.Context, tx *postgres.Tx, r *row) error {
	return enqueueMails(ctx, tx, `
		insert into request_notice (id, request_id, account_id)
		select uuid_v7(clock_timestamp()), r.id, a.account_id
		from request r cross join lateral request_answerers_2(r.kind, r.space_id, r.instance_id, r.organization_id) a
		where r.id = $1 and a.account_id <> r.requested_by`, r.ID)
}

// notifyRequesters queues mails to the requesters of some requests that have ended,
// but not to the actor, who ended them.
func notifyRequesters(ctx context.Context, tx *postgres.Tx, actor access.Actor, ids ...uuid.UUID) error {
	return enqueueMails(ctx, tx, `
		insert into request_notice (id, request_id, account_id)
		select uuid_v7(clock_timestamp()), id, requested_by from request
		where id = any ($1::uuid[]) and requested_by <> $2`, postgres.UUIDs(ids), actor.ID.UUID)
}

// enqueueMails runs a query that inserts into request_notice, and queues a mail for each
// notice.
func enqueueMails(ctx context.Context, tx *postgres.Tx, query string, args ...any) error {
	var notices []struct {
		ID             uuid.UUID `db:"id"`
		InOrganization bool      `db:"in_organization"`
	}
	if err := tx.Select(ctx, &notices, `
		with n as (`+query+` returning id, request_id)
		select n.id, r.organization_id is not null as in_organization
		from n cross join lateral (select organization_id from request where id = n.request_id limit 1) r`, args...); err != nil {
		return err
	}
	tasks := map[string][]outbox.Task{}
	for _, n := range notices {
		kind := MailKind
		if n.InOrganization {
			kind = OrganizationMailKind
		}
		tasks[kind] = append(tasks[kind], outbox.Task{Subject: n.ID})
	}
	for kind, of := range tasks {
		if err := outbox.Enqueue(ctx, tx, kind, of); err != nil {
			return err
		}
	}
	return nil
}

// Mailer composes the mails about requests.
type Mailer struct {
	DB        *postgres.DB
	PublicURL *url.URL // what links begin with
}

// Read reads the notices of jobs of MailKind and OrganizationMailKind, and returns the function that composes
// their mails.
func (m *Mailer) Read(ctx context.Context, jobs []outbox.Job) (mail.ComposeFunc, error) {
	notices, err := m.find(ctx, outbox.Subjects(jobs))
	return func(job outbox.Job) (mail.Message, error) { return m.compose(job, notices[job.Subject]) }, err
}

// notice is a mail about a request to one recipient.
type notice struct {
	row
	NoticeID  uuid.UUID `db:"notice_id"`
	Recipient uuid.UUID `db:"recipient"`
	Email     string    `db:"recipient_email"`
	Locale    string    `db:"locale"`        // of the recipient
	CanAnswer bool      `db:"can_answer"`    // whether the recipient can answer the request
	SeesPlace bool      `db:"sees_place"`    // whether the recipient may know of the space or the organization
	SeesStaff bool      `db:"sees_staff"`    // whether the recipient may know who answered
	Former    bool      `db:"former_holder"` // whether the address belongs to somebody else by now
}

func (m *Mailer) find(ctx context.Context, ids postgres.UUIDs) (map[uuid.UUID]*notice, error) {
	var rows []notice
	err := m.DB.Select(ctx, &rows, `
		select `+allColumns+`, n.id as notice_id, n.account_id as recipient, a.email as recipient_email, coalesce(a.locale, '') as locale,
		       `+tenant.FormerHolder+` as former_holder,
		       `+canAnswer(`n.account_id`)+` as can_answer,
		       case when r.organization_id is not null then `+tenant.KnowsOfOrganization(`n.account_id`, `r.organization_id`)+` else
		       exists (select from space_administrator sa where sa.space_id = r.space_id and sa.account_id = n.account_id)
		       or exists (select from organization_member om where om.organization_id = s.organization_id and om.account_id = n.account_id and om.role in `+tenant.SeesSpaces.SQL(globalid.Organization)+`)
		       or exists (select from instance_member im
		                  where im.space_id = r.space_id and im.account_id = n.account_id and `+tenant.Current("im")+`) end as sees_place,
		       case when r.organization_id is not null then `+tenant.TellsStaff(`n.account_id`, `r.organization_id`)+` else true end as sees_staff
		from request_notice n join account a on a.id = n.account_id join request r on r.id = n.request_id `+tables+`
		where n.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*notice, len(rows))
	for i := range rows {
		byID[rows[i].NoticeID] = &rows[i]
	}
	return byID, nil
}

// mailContent returns what a mail to the recipient is about now, and the message
// that it quotes. It fails with outbox.ErrDropped where the mail has become
// pointless, or where the recipient may not read it any more.
func (n *notice) mailContent() (event mail.RequestEvent, message *string, err error) {
	if n.Former {
		return event, nil, outbox.ErrDropped
	}
	if n.Recipient != n.RequestedBy {
		if n.Status != Open || !n.CanAnswer {
			return event, nil, outbox.ErrDropped
		}
		return mail.RequestMade, n.Message, nil
	}
	if !n.SeesPlace {
		return event, nil, outbox.ErrDropped
	}
	switch n.Status {
	case Approved:
		return mail.RequestApproved, n.Answer, nil
	case Declined:
		return mail.RequestDeclined, n.Answer, nil
	case Expired:
		return mail.RequestExpired, nil, nil
	case Open, Withdrawn:
		return event, nil, outbox.ErrDropped
	}
	return event, nil, fmt.Errorf("there is no mail about a request that is %s", n.Status)
}

var mailKinds = map[Kind]mail.RequestKind{Role: mail.RoleRequest, Invitations: mail.InvitationsRequest, Restore: mail.RestoreRequest}

// compose returns the mail of a job. It fails with outbox.ErrDropped where there is
// nothing to send any more.
func (m *Mailer) compose(job outbox.Job, n *notice) (mail.Message, error) {
	if n == nil { // purged with the instance
		return mail.Message{}, outbox.ErrDropped
	}
	event, message, err := n.mailContent()
	if err != nil {
		return mail.Message{}, err
	}
	to, problem := address.Parse(n.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("the stored address is not valid: %w", problem)
	}
	kind, known := mailKinds[n.Kind]
	if n.Kind == Restore && n.InstanceName == nil {
		kind = mail.SpaceRestoreRequest
	}
	if role := n.organizationRole(); role != nil {
		kind = map[tenant.OrganizationRole]mail.RequestKind{tenant.Faculty: mail.FacultyRequest, tenant.Manager: mail.ManagerRequest}[*role]
	}
	if !known {
		return mail.Message{}, fmt.Errorf("there is no mail about a request of the kind %s", n.Kind)
	}
	v := mail.RequestNotice{
		ID:           job.ID.String(),
		To:           to,
		Locale:       n.Locale,
		Event:        event,
		Kind:         kind,
		Requester:    mail.Mailbox{Name: n.RequesterName, Email: n.RequesterEmail},
		Organization: n.OrganizationName,
		Space:        n.SpaceName,
		Emails:       n.Emails,
		Link:         mail.Link(m.PublicURL, "request", n.requestID().String()),
		Until:        n.ExpiresAt,
	}
	if event == mail.RequestApproved {
		v.Emails = n.Approved
	}
	if n.Role != nil {
		v.Role = *n.Role
	}
	if n.InOrganization {
		v.Space = ""
	}
	if n.InstanceName != nil {
		v.Instance = *n.InstanceName
	}
	if n.AnswererName != nil && n.SeesStaff {
		v.Answerer = mail.Mailbox{Name: *n.AnswererName, Email: *n.AnswererEmail}
	}
	if message != nil {
		v.Message = *message
	}
	return v.Compose()
}
