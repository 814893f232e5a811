package membership

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// MailKind is the outbox's name for the reminders of memberships that end. Gateways of the
// last release leave them alone.
const MailKind = "MEMBERSHIP_REMINDER"

// Mailer composes the reminders of memberships that end.
type Mailer struct {
	DB        *postgres.DB
	PublicURL *url.URL // what links begin with
}

// Read reads the reminders of jobs of MailKind, and returns the function that composes their
// mails.
func (m *Mailer) Read(ctx context.Context, jobs []outbox.Job) (mail.ComposeFunc, error) {
	reminders, err := m.find(ctx, outbox.Subjects(jobs))
	return func(job outbox.Job) (mail.Message, error) { return m.compose(job, reminders[job.Subject]) }, err
}

// reminder is a mail about memberships in a space.
type reminder struct {
	ID           uuid.UUID           `db:"id"`
	Others       bool                `db:"others"` // it is to an administrator, about others
	Email        string              `db:"email"`
	Locale       string              `db:"locale"`
	Organization string              `db:"organization_name"`
	Space        string              `db:"space_name"`
	Instances    pq.StringArray      `db:"instance_names"` // the first ones
	Instance     uuid.UUID           `db:"instance_id"`    // one of them
	InstanceN    int                 `db:"instance_count"`
	People       pq.StringArray      `db:"people"` // Others: the first ones
	PeopleN      int                 `db:"people_count"`
	Role         tenant.InstanceRole `db:"role"`  // one of them
	Until        time.Time           `db:"until"` // the first end
	HelperName   *string             `db:"helper_name"`
	HelperEmail  *string             `db:"helper_email"`
}

// find reads those reminders for which there is something to say still: the space and
// instances are there, memberships end at the time that was to be reminded of, and the
// recipient holds the address. Administrators of the space are told of others only: they keep
// their own access, whatever roles in instances end.
func (m *Mailer) find(ctx context.Context, ids postgres.UUIDs) (map[uuid.UUID]*reminder, error) {
	var rows []reminder
	err := m.DB.Select(ctx, &rows, `
		select r.id, r.others, a.email, coalesce(a.locale, '') as locale, o.name as organization_name, s.name as space_name,
		       e.*, h.name as helper_name, h.email as helper_email
		from membership_reminder r
		cross join lateral (select * from account where id = r.account_id limit 1) a
		join space s on s.id = r.space_id
		join organization o on o.id = s.organization_id
		cross join lateral (
			select (array_agg(distinct i.name))[1:10] as instance_names, (array_agg(i.id))[1] as instance_id, count(distinct i.id) as instance_count,
			       coalesce((array_agg(distinct p.name) filter (where r.others))[1:10], '{}') as people, count(distinct p.id) as people_count,
			       min(m.role) as role, min(m.until) as until
			from (
				select * from instance_member where r.others and space_id = r.space_id and until between r.first_until and r.until and account_id <> r.account_id
				union all
				select * from instance_member where not r.others and space_id = r.space_id and account_id = r.account_id and until between r.first_until and r.until) m
			cross join lateral (select id, name from instance where id = m.instance_id and deleted_at is null limit 1) i
			cross join lateral (select id, name from account where id = m.account_id limit 1) p
			where `+tenant.Current("m")+` and m.reminded_until = m.until) e
		left join lateral (
			select a.name, a.email from space_administrator sa cross join lateral (select * from account where id = sa.account_id limit 1) a
			where not r.others and sa.space_id = r.space_id and not `+tenant.FormerHolder+` order by sa.since, a.id limit 1) h on true
		where r.id = any ($1::uuid[]) and s.deleted_at is null and a.merged_into is null and e.people_count > 0 and not `+tenant.FormerHolder+`
		  and r.others = exists (select from space_administrator sa where sa.space_id = r.space_id and sa.account_id = r.account_id)`, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]*reminder, len(rows))
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	return byID, nil
}

// compose returns the mail of a job. It fails with outbox.ErrDropped where there is nothing
// to remind of any more.
func (m *Mailer) compose(job outbox.Job, r *reminder) (mail.Message, error) {
	if r == nil {
		return mail.Message{}, outbox.ErrDropped
	}
	to, problem := address.Parse(r.Email)
	if problem != nil {
		return mail.Message{}, fmt.Errorf("the stored address is not valid: %w", problem)
	}
	v := mail.Reminder{
		ID: job.ID.String(), To: to, Locale: r.Locale, Others: r.Others,
		Organization: r.Organization, Space: r.Space, Instances: r.Instances, MoreInstances: r.InstanceN - len(r.Instances),
		People: r.People, PeopleCount: r.PeopleN, Until: r.Until,
		Link: m.PublicURL.JoinPath("app").String() + "/",
	}
	if r.InstanceN == 1 {
		v.Link = m.PublicURL.JoinPath("app", "instance", globalid.ID{Kind: globalid.Instance, UUID: r.Instance}.String()).String()
		if !r.Others {
			v.Role = r.Role.Role()
		}
	}
	if r.HelperName != nil {
		v.Helper = mail.Mailbox{Name: *r.HelperName, Email: *r.HelperEmail}
	}
	return v.Compose()
}
