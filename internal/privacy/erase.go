package privacy

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Options are choices about an erasure.
type Options struct {
	// DryRun counts, and changes nothing.
	DryRun bool
	// Force erases the last administrator of a space, or the last manager of an
	// organization, too.
	Force bool
	// HashKey is the key of the hashes that stand for addresses.
	HashKey keyedhash.Key
}

// Erased is what was done with the rows of one kind.
type Erased struct {
	What string // "invitations to the person"
	Done string // "deleted"
	Rows int64
}

// Report is the result of an erasure.
type Report struct {
	Pseudonym string // the name that stands for the person now
	Steps     []Erased
}

// Rows returns the number of all rows that were changed or deleted.
func (r Report) Rows() (n int64) {
	for _, s := range r.Steps {
		n += s.Rows
	}
	return n
}

// LastError reports that others would lose the only person who can help them.
type LastError struct {
	Spaces        []Place // whose last administrator the person is
	Organizations []Place // whose last manager the person is
}

// Place is a space with its organization, or an organization.
type Place struct {
	Organization string `db:"organization"`
	Space        string `db:"space"` // "" for an organization
	Deleted      bool   `db:"deleted"`
}

func (e *LastError) Error() string {
	var places []string
	for _, s := range e.Spaces {
		what := "space"
		if s.Deleted {
			what = "deleted space"
		}
		places = append(places, fmt.Sprintf("the last administrator of the %s %s of %s", what, s.Space, s.Organization))
	}
	for _, o := range e.Organizations {
		places = append(places, fmt.Sprintf("the last manager of %s", o.Organization))
	}
	return "the person is " + strings.Join(places, ", ")
}

// Erase deletes what is kept about a person, or replaces it with a pseudonym where
// others need to see that there was somebody: in the trail, in invitations that the
// person sent, in answers that they gave. What they wrote is removed. It is one
// transaction, and can be repeated. Somebody with the address who signs in
// afterwards gets a new account.
//
// It changes the trail, and needs the rights of the tables' owner. It fails with a
// *LastError, unless it is forced.
func Erase(ctx context.Context, db *postgres.DB, p Person, o Options) (report Report, err error) {
	err = db.InTxOrDryRun(ctx, o.DryRun, func(tx *postgres.Tx) (err error) {
		report, err = erase(ctx, tx, p, o)
		return err
	})
	return report, err
}

func erase(ctx context.Context, tx *postgres.Tx, p Person, o Options) (report Report, err error) {
	force := ""
	if o.Force {
		force = "FORCED"
	}
	if _, err := tx.Exec(ctx, `select set_config('datahub.erasure', $1, true), set_config('datahub.audit_log', 'UPDATE', true)`, force); err != nil {
		return report, err
	}
	ownPerson, err := ownPersonOf(ctx, tx, p)
	if err != nil {
		return report, err
	}
	if err := lockPlaces(ctx, tx, p, ownPerson); err != nil {
		return report, err
	}
	if !o.Force {
		if err := checkLast(ctx, tx, p); err != nil {
			return report, err
		}
	}
	alias := newPseudonym(p.Account)
	report.Pseudonym = alias.name
	records, err := recordsOfEnding(ctx, tx, p, alias)
	if err != nil {
		return report, err
	}
	for _, s := range steps {
		n, err := tx.Exec(ctx, s.query, p.args(o.HashKey, alias.name, alias.email, ownPerson)...)
		if err != nil {
			return report, fmt.Errorf("erase %s: %w", s.what, err)
		}
		report.Steps = append(report.Steps, Erased{s.what, s.done, n})
	}
	return report, audit.Write(ctx, tx, records...)
}

// ownPersonOf returns what stands for the address of the person in instance.own_person; nil
// where there is no address.
func ownPersonOf(ctx context.Context, tx *postgres.Tx, p Person) ([]byte, error) {
	if p.Key == "" {
		return nil, nil
	}
	key, err := keyedhash.Read(ctx, tx, "")
	return instance.NewOwner(key, "", p.Key).Person, err
}

// lockPlaces locks the places in which the person has or had a role or invitations end, and
// the person's own instances, as everybody does who changes members or ends invitations, and
// then the account. Requests that are being carried out there are waited for: nobody gives the
// person a role back meanwhile.
func lockPlaces(ctx context.Context, tx *postgres.Tx, p Person, ownPerson []byte) error {
	if err := access.LockSelected(ctx, tx, access.Exclusive, `
		select m.instance_id, null::uuid as space_id, null::uuid as organization_id from `+personTable+` join instance_member m on m.account_id = p.account
		union select null, m.space_id, null from `+personTable+` join space_administrator m on m.account_id = p.account
		union select null, null, m.organization_id from `+personTable+` join organization_member m on m.account_id = p.account and not m.guest
		union select v.instance_id, v.space_id, v.organization_id from `+personTable+` join invitation v on v.email_key = p.key
		union select v.instance_id, v.space_id, v.organization_id from `+personTable+` join invitation v on v.invited_by = p.account and v.status = 'PENDING'
		union select e.instance_id, e.space_id, e.organization_id from `+personTable+` join ended_membership e on e.account_id = p.account
		union select null, null, r.organization_id from `+personTable+` join request r on r.requested_by = p.account and r.status = 'OPEN' and r.organization_id is not null
		union select i.id, null, null from instance i where i.own_person = $5
		union select null, null, null from `+personTable+` where false and p.spellings is null and p.hash is null`, p.args(keyedhash.Key{}, ownPerson)...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `select from account where id = $1 for no key update`, p.Account)
	return err
}

// checkLast fails with a *LastError where nobody else administrates a space or
// manages an organization.
func checkLast(ctx context.Context, tx *postgres.Tx, p Person) error {
	var last LastError
	if err := tx.Select(ctx, &last.Spaces, `
		select o.name as organization, s.name as space, s.deleted_at is not null as deleted
		from space_administrator m join space s on s.id = m.space_id join organization o on o.id = s.organization_id
		where m.account_id = $1 and (s.restorable_until > clock_timestamp()) is not false and not exists (
			select from space_administrator other where other.space_id = m.space_id and other.account_id <> m.account_id)
		order by o.name, s.name`, p.Account); err != nil {
		return err
	}
	if err := tx.Select(ctx, &last.Organizations, `
		select o.name as organization, '' as space
		from organization_member m join organization o on o.id = m.organization_id
		where m.account_id = $1 and m.role = 'MANAGER' and not exists (
			select from organization_member other
			where other.organization_id = m.organization_id and other.role = 'MANAGER' and other.account_id <> m.account_id)
		order by o.name`, p.Account); err != nil {
		return err
	}
	if last.Spaces == nil && last.Organizations == nil {
		return nil
	}
	return &last
}

// recordsOfEnding returns what the trail says about the erasure, in the name of the
// gateway: the roles that end, and the invitations that are revoked.
func recordsOfEnding(ctx context.Context, tx *postgres.Tx, p Person, alias pseudonym) (records []audit.Record, err error) {
	var organizations []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	if err := tx.Select(ctx, &organizations, `
		select o.id, o.name from organization_member m join organization o on o.id = m.organization_id where m.account_id = $1`, p.Account); err != nil {
		return nil, err
	}
	removed := audit.Details{UserID: uuid.NullUUID{UUID: p.Account, Valid: true}, UserName: alias.name}
	for _, o := range organizations {
		records = append(records, audit.Record{Action: audit.MemberRemoved, Target: audit.Target{Organization: audit.Name{ID: o.ID, Name: o.Name}}, Details: removed})
	}
	var places []struct {
		SpaceID          uuid.UUID     `db:"space_id"`
		SpaceName        string        `db:"space_name"` // "": of an organization itself
		OrganizationID   uuid.UUID     `db:"organization_id"`
		OrganizationName string        `db:"organization_name"`
		InstanceID       uuid.NullUUID `db:"instance_id"`
		InstanceName     *string       `db:"instance_name"`
		Emails           *string       `db:"emails"` // of the revoked invitations, one a line; nil: a role ends
	}
	if err := tx.Select(ctx, &places, `
		select s.id as space_id, s.name as space_name, null::uuid as instance_id, null as instance_name, null::uuid as organization_id, '' as organization_name, null as emails
		from space_administrator m join space s on s.id = m.space_id where m.account_id = $1
		union all
		select s.id, s.name, i.id, i.name, null, '', null
		from instance_member m join instance i on i.id = m.instance_id join space s on s.id = i.space_id where m.account_id = $1
		union all
		select s.id, coalesce(s.name, ''), i.id, i.name, o.id, coalesce(o.name, ''), string_agg(v.email, e'\n' order by v.email)
		from invitation v left join instance i on i.id = v.instance_id left join space s on s.id = coalesce(v.space_id, i.space_id)
		left join organization o on o.id = v.organization_id
		where v.invited_by = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp()
		group by s.id, i.id, o.id`, p.Account); err != nil {
		return nil, err
	}
	for _, place := range places {
		r := audit.Record{Action: audit.MemberRemoved, Details: removed, Target: audit.Target{
			Space: audit.Name{ID: place.SpaceID, Name: place.SpaceName}, Organization: audit.Name{ID: place.OrganizationID, Name: place.OrganizationName}}}
		if place.InstanceName != nil {
			r.Target.Instance = audit.Name{ID: place.InstanceID.UUID, Name: *place.InstanceName}
		}
		if place.Emails != nil {
			r.Action, r.Details = audit.InvitationRevoked, audit.Details{Emails: strings.Split(*place.Emails, "\n")}
		}
		records = append(records, r)
	}
	return records, nil
}

// step erases the rows of one kind.
type step struct {
	table      string
	what, done string
	// query changes or deletes the rows. Its parameters are those of Person.args,
	// then the name and the address of the pseudonym, and the result of ownPersonOf. It
	// changes nothing when it is repeated.
	query string
}

// newStep makes a step of a query of which PERSON stands for personTable with the
// pseudonym.
func newStep(table, what, done, query string) step {
	person := `(select $1::uuid as account, $2::text as key, $3::text[] as spellings, $4::bytea as hash, $5::text as alias, $6::text as alias_email, $7::bytea as own_person) p`
	return step{table, what, done, strings.ReplaceAll(query, "PERSON", person)}
}

// replaced returns an SQL expression: an array of addresses in which the pseudonym
// stands for the person.
func replaced(array string) string {
	return `array(select case when e = any (p.spellings) then p.alias_email else e end from unnest(` + array + `) with ordinality u (e, n) order by n)`
}

// steps are all steps, in their order. Rows that refer to others come first.
var steps = []step{
	newStep("organization_member", "roles in organizations", "ended",
		`delete from organization_member m using PERSON where m.account_id = p.account`),
	newStep("space_administrator", "roles as administrator of a space", "ended",
		`delete from space_administrator m using PERSON where m.account_id = p.account`),
	newStep("instance_member", "roles in instances", "ended",
		`delete from instance_member m using PERSON where m.account_id = p.account`),

	newStep("ended_membership", "roles that have ended", "forgotten",
		`delete from ended_membership e using PERSON where e.account_id = p.account`),

	newStep("outbox", "records of mails to the person", "deleted", `
		delete from outbox where id in (
			select o.id from outbox o join (
				select v.id from PERSON join invitation v on v.email_key = p.key
				union all
				select n.id from PERSON join request_notice n on n.account_id = p.account
				union all
				select n.id from PERSON join membership_reminder n on n.account_id = p.account
				union all
				select n.id from PERSON join request r on r.requested_by = p.account join request_notice n on n.request_id = r.id) m on m.id = o.subject_id
			order by o.id for update of o)`),
	newStep("invitation_past_token", "links of older mails to the person", "deleted",
		`delete from invitation_past_token t using PERSON where t.invitation_id in (select id from invitation v where v.email_key = p.key)`),
	newStep("invitation", "invitations to the person", "deleted",
		`delete from invitation v using PERSON where v.email_key = p.key`),
	// The rows stay, because they are counted, and lead to own instances.
	newStep("invite_link_use", "the address at course links", "pseudonymised", `
		update invite_link_use u set address_hash = sha256(gen_random_uuid()::text::bytea), request_hashes = '{}' from PERSON where u.address_hash = p.hash`),
	newStep("invitation_resend", "times of mails that were sent again to the person", "deleted",
		`delete from invitation_resend r using PERSON where r.email_key = p.key`),
	newStep("invitation", "pending invitations from the person", "revoked",
		`update invitation v set status = 'REVOKED' from PERSON where v.invited_by = p.account and v.status = 'PENDING'`),
	newStep("invitation", "messages in invitations", "removed", `
		update invitation v set message = null from PERSON
		where v.message is not null and (v.invited_by = p.account and v.requested_by is null or v.requested_by = p.account)`),

	newStep("request_notice", "notices about requests to the person", "deleted",
		`delete from request_notice n using PERSON where n.account_id = p.account`),
	newStep("membership_reminder", "reminders of memberships that end", "deleted",
		`delete from membership_reminder n using PERSON where n.account_id = p.account`),
	newStep("request", "requests of the person", "deleted",
		`delete from request r using PERSON where r.requested_by = p.account`),
	newStep("request", "answers to requests", "removed",
		`update request r set answer = null from PERSON where r.answered_by = p.account and r.answer is not null`),
	// Nobody must be able to approve an invitation to a pseudonym: an open request
	// loses the address, or ends where it asks for nobody else.
	newStep("request", "open requests of others to invite the person", "changed", `
		update request r set emails = array(select e from unnest(r.emails) with ordinality u (e, n) where e <> all (p.spellings) order by n)
		from PERSON where r.status = 'OPEN' and r.emails && p.spellings and not r.emails <@ p.spellings`),
	newStep("request", "open requests of others to invite only the person", "ended", `
		update request r set status = 'EXPIRED', ended_at = clock_timestamp(), expires_at = least(r.expires_at, clock_timestamp())
		from PERSON where r.status = 'OPEN' and r.emails <@ p.spellings`),
	newStep("request", "requests of others that name the person", "pseudonymised", `
		update request r set emails = `+replaced("r.emails")+`, approved = case when r.approved is not null then `+replaced("r.approved")+` end
		from PERSON where r.emails && p.spellings`),

	// It stays somebody's own, whom no roster names.
	newStep("instance", "owners of instances in rosters", "replaced", `
		update instance i set own_person = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) from PERSON where i.own_person = p.own_person`),

	newStep("idempotency_key", "requests that are answered only once", "forgotten",
		`delete from idempotency_key k using PERSON where k.account_id = p.account`),
	newStep("rate_limit", "counters of limits", "deleted",
		`delete from rate_limit r using PERSON where r.subject = p.account`),
	newStep("rate_limit_use", "counters of limits of older gateways", "deleted",
		`delete from rate_limit_use r using PERSON where r.subject = p.account`),
	newStep("event", "changes that the person's pages are told of", "deleted",
		`delete from event e using PERSON where e.place_id = p.account`),

	// Who declines by the link in a mail, without signing in, is named by the address.
	newStep("audit_log", "records of the trail", "pseudonymised", `
		update audit_log l
		set actor_name = case when l.actor_id = p.account or l.actor_id is null and l.actor_name = any (p.spellings) then p.alias else l.actor_name end,
		    details = l.details
		        || case when `+aboutPerson+` and jsonb_exists(l.details, 'userName')
		           then jsonb_build_object('userName', p.alias) else '{}' end
		        || case when jsonb_exists_any(l.details -> 'emails', p.spellings)
		           then jsonb_build_object('emails', to_jsonb(`+replaced(`array(select jsonb_array_elements_text(l.details -> 'emails'))`)+`)) else '{}' end
		from PERSON
		where l.actor_id = p.account and l.actor_name <> p.alias
		   or l.actor_id is null and l.actor_name = any (p.spellings)
		   or `+aboutPerson+` and l.details ->> 'userName' <> p.alias
		   or jsonb_exists_any(l.details -> 'emails', p.spellings)`),
	newStep("account", "account", "pseudonymised", `
		update account a
		set subject = null, email = p.alias_email, email_key = p.alias_email, name = p.alias, locale = null, erased_at = clock_timestamp()
		from PERSON where a.id = p.account and a.erased_at is null`),
	newStep("account", "ids of merged accounts at the identity provider", "removed",
		`update account a set subject = null from PERSON where a.merged_into = p.account and a.subject is not null`),
	newStep("merged_subject", "the identity provider's ids of merged accounts", "deleted",
		`delete from merged_subject m using PERSON where m.account_id = p.account`),
	// The account holds its pseudonym's address now.
	newStep("address_holder", "the address's belonging to the account", "deleted",
		`delete from address_holder h using PERSON where h.account_id = p.account`),
}
