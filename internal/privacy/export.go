package privacy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// section is a part of an export: a list of JSON objects.
type section struct {
	name  string
	about string // what it lists, for docs/privacy.md
	// query selects the columns key, a text by which rows are sorted, and value, a
	// JSON object. Its parameters are those of Person.args, then the key to begin
	// after.
	query string
}

// pageSize is how many rows of a section are read at once.
const pageSize = 500

// newSection makes a section of a query of which PERSON stands for personTable.
// WHERE conditions come last in the query.
func newSection(name, about, query string) section {
	query = strings.ReplaceAll(query, "PERSON", personTable)
	return section{name, about, `select key, value from (` + query + `) rows where key > $5 order by key limit 500`}
}

// idOf returns an SQL expression: a column as a global id of a kind.
func idOf(kind, column string) string {
	return `'` + kind + `_' || translate(` + column + `::text, '-', '')`
}

// sections are all sections, in the order of the export. Of other people they have
// what the person has seen or written: who invited them, whom they invited.
var sections = []section{
	newSection("account", "the account; none for an invited person without one", `
		select a.id::text as key, json_build_object('id', `+idOf("user", "a.id")+`, 'subject', a.subject, 'email', a.email,
			'emailKey', a.email_key, 'name', a.name, 'languages', a.locale, 'createdAt', a.created_at, 'provedAt', a.proved_at, 'erasedAt', a.erased_at,
			'mergedInto', case when a.merged_into is not null then `+idOf("user", "a.merged_into")+` end) as value
		from PERSON join account a on a.id = p.account or a.merged_into = p.account`),
	newSection("addressHeld", "the address, where it belongs to the account", `
		select h.email_key as key, json_build_object('emailKey', h.email_key, 'provedAt', h.proved_at) as value
		from PERSON join address_holder h on h.account_id = p.account`),
	newSection("mergedSubjects", "the identity provider's ids of accounts that were merged into this one", `
		select m.subject as key, json_build_object('subject', m.subject) as value
		from PERSON join merged_subject m on m.account_id = p.account`),
	newSection("organizationRoles", "roles in organizations", `
		select o.id::text as key, json_build_object('organization', `+idOf("organization", "o.id")+`, 'name', o.name, 'role', m.role, 'invitedToSpacesOnly', m.guest, 'since', m.since) as value
		from PERSON join organization_member m on m.account_id = p.account join organization o on o.id = m.organization_id`),
	newSection("spaceRoles", "spaces that the person administrates", `
		select s.id::text as key, json_build_object('space', `+idOf("space", "s.id")+`, 'name', s.name, 'role', 'ADMINISTRATOR', 'since', m.since) as value
		from PERSON join space_administrator m on m.account_id = p.account join space s on s.id = m.space_id`),
	newSection("instanceRoles", "instances that the person is a member of", `
		select i.id::text as key, json_build_object('instance', `+idOf("instance", "i.id")+`, 'name', i.name, 'space', s.name,
			'role', m.role, 'since', m.since, 'until', m.until) as value
		from PERSON join instance_member m on m.account_id = p.account join instance i on i.id = m.instance_id join space s on s.id = i.space_id`),
	newSection("endedRoles", "roles that have ended and can be given back", `
		select e.id::text as key, json_build_object('organization', o.name, 'space', s.name, 'instance', i.name, 'role', e.role,
			'since', e.since, 'until', e.until, 'endedAt', e.ended_at, 'endedBy', b.name, 'reason', e.reason) as value
		from PERSON join ended_membership e on e.account_id = p.account
		left join account b on b.id = e.ended_by
		left join instance i on i.id = e.instance_id left join space s on s.id = coalesce(e.space_id, i.space_id)
		join organization o on o.id = coalesce(e.organization_id, s.organization_id)`),
	newSection("rolesEnded", "roles of others that the person ended", `
		select e.id::text as key, json_build_object('organization', o.name, 'space', s.name, 'instance', i.name, 'user', a.name, 'role', e.role,
			'endedAt', e.ended_at) as value
		from PERSON join ended_membership e on e.ended_by = p.account and e.account_id <> p.account
		join account a on a.id = e.account_id
		left join instance i on i.id = e.instance_id left join space s on s.id = coalesce(e.space_id, i.space_id)
		join organization o on o.id = coalesce(e.organization_id, s.organization_id)`),
	newSection("spacesDeleted", "spaces that the person deleted and that are not purged yet", `
		select s.id::text as key, json_build_object('space', `+idOf("space", "s.id")+`, 'name', s.name, 'deletedAt', s.deleted_at) as value
		from PERSON join space s on s.deleted_by = p.account`),
	newSection("instancesDeleted", "instances that the person deleted and that are not purged yet", `
		select i.id::text as key, json_build_object('instance', `+idOf("instance", "i.id")+`, 'name', i.name, 'deletedAt', i.deleted_at) as value
		from PERSON join instance i on i.deleted_by = p.account`),
	newSection("invitationsReceived", "invitations to the address", `
		select v.id::text as key, json_build_object('id', `+idOf("invitation", "v.id")+`, 'email', v.email, 'emailKey', v.email_key,
			'organization', o.name, 'space', s.name, 'instance', i.name, 'role', coalesce(v.role, 'ADMINISTRATOR'), 'status', v.status, 'message', v.message,
			'invitedBy', a.name, 'requestedBy', q.name, 'mailRefused', v.mail_refused,
			'createdAt', v.created_at, 'until', v.until, 'expiresAt', v.expires_at, 'endedAt', v.ended_at) as value
		from PERSON join invitation v on v.email_key = p.key
		join account a on a.id = v.invited_by left join account q on q.id = v.requested_by
		left join instance i on i.id = v.instance_id left join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = coalesce(v.organization_id, s.organization_id)`),
	newSection("invitationsSent", "invitations that the person sent, or that were sent at their request", `
		select v.id::text as key, json_build_object('id', `+idOf("invitation", "v.id")+`, 'email', v.email,
			'organization', o.name, 'space', s.name, 'instance', i.name, 'role', coalesce(v.role, 'ADMINISTRATOR'), 'status', v.status,
			'message', case when v.invited_by = p.account and v.requested_by is null or v.requested_by = p.account then v.message end,
			'sent', v.invited_by = p.account, 'requested', v.requested_by is not null and v.requested_by = p.account,
			'createdAt', v.created_at, 'until', v.until, 'expiresAt', v.expires_at, 'endedAt', v.ended_at) as value
		from PERSON join invitation v on v.invited_by = p.account or v.requested_by = p.account
		left join instance i on i.id = v.instance_id left join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = coalesce(v.organization_id, s.organization_id)`),
	newSection("linksMade", "course links that invite in the name of the person", `
		select l.id::text as key, json_build_object('id', `+idOf("link", "l.id")+`, 'organization', o.name, 'space', s.name, 'instance', i.name,
			'ownInstanceName', l.own_name, 'role', l.role, 'allowedDomains', l.allowed_domains, 'maxUses', l.max_uses, 'uses', l.uses,
			'createdAt', l.created_at, 'openedAt', l.opened_at, 'expiresAt', l.expires_at, 'revokedAt', l.revoked_at) as value
		from PERSON join invite_link l on l.created_by = p.account
		join space s on s.id = l.space_id join organization o on o.id = s.organization_id left join instance i on i.id = l.instance_id`),
	newSection("linksUsed", "course links at which the address was given, by the person or by somebody else", `
		select l.id::text as key, json_build_object('id', `+idOf("link", "l.id")+`, 'organization', o.name, 'space', s.name, 'instance', i.name,
			'ownInstance', own.name, 'at', u.at) as value
		from PERSON join invite_link_use u on u.address_hash = p.hash
		join invite_link l on l.id = u.link_id
		join space s on s.id = l.space_id join organization o on o.id = s.organization_id
		left join instance i on i.id = l.instance_id left join instance own on own.id = u.instance_id`),
	newSection("invitationResends", "when an invitation of a space was last sent again to the address, in the last ten minutes", `
		select r.space_id::text as key, json_build_object('space', s.name, 'organization', o.name, 'emailKey', r.email_key, 'at', r.at) as value
		from PERSON join invitation_resend r on r.email_key = p.key
		left join space s on s.id = r.space_id left join organization o on o.id = r.space_id`),
	newSection("requestsMade", "requests that the person made", `
		select r.id::text as key, json_build_object('id', `+idOf("request", "r.id")+`, 'kind', r.kind, 'organization', r.organization_name, 'space', r.space_name, 'instance', r.instance_name,
			'role', r.role, 'emails', r.emails, 'approved', r.approved, 'message', r.message, 'status', r.status, 'answer', r.answer,
			'answeredBy', a.name, 'createdAt', r.created_at, 'expiresAt', r.expires_at, 'endedAt', r.ended_at) as value
		from PERSON join request r on r.requested_by = p.account left join account a on a.id = r.answered_by`),
	newSection("requestsAnswered", "requests of others that the person answered", `
		select r.id::text as key, json_build_object('id', `+idOf("request", "r.id")+`, 'kind', r.kind, 'organization', r.organization_name, 'space', r.space_name, 'instance', r.instance_name,
			'status', r.status, 'answer', r.answer, 'endedAt', r.ended_at) as value
		from PERSON join request r on r.answered_by = p.account`),
	newSection("requestsNaming", "requests of others to invite the address", `
		select r.id::text as key, json_build_object('id', `+idOf("request", "r.id")+`, 'kind', r.kind, 'space', r.space_name, 'instance', r.instance_name,
			'emails', array(select e from unnest(r.emails) e where e = any (p.spellings)),
			'approved', array(select e from unnest(r.approved) e where e = any (p.spellings)),
			'role', r.role, 'status', r.status, 'createdAt', r.created_at, 'endedAt', r.ended_at) as value
		from PERSON join request r on r.emails && p.spellings and r.requested_by is distinct from p.account`),
	newSection("mails", "records of mails to the person, without their links", `
		select o.id::text as key, json_build_object('kind', o.kind, 'state', o.state, 'attempts', o.attempts, 'createdAt', o.created_at,
			'attemptedAt', o.attempted_at, 'lastError', o.last_error, 'reply', o.reply,
			'invitation', `+idOf("invitation", "m.invitation")+`, 'request', `+idOf("request", "m.request")+`) as value
		from (select v.id as subject, v.id as invitation, null::uuid as request from PERSON join invitation v on v.email_key = p.key
		      union all
		      select n.id, null, n.request_id from PERSON join request_notice n on n.account_id = p.account
		      union all
		      select n.id, null, null from PERSON join membership_reminder n on n.account_id = p.account) m
		join outbox o on o.subject_id = m.subject`),
	newSection("auditRecords", "records of the trail of what the person did, or what was done to them", `
		select l.id::text as key, json_build_object('at', l.at, 'action', l.action,
			'actor', coalesce(l.actor_id = p.account, l.actor_name = any (p.spellings), false),
			'actorName', l.actor_name, 'organization', l.organization_name, 'space', l.space_name, 'instance', l.instance_name,
			'details', case when l.actor_id = p.account then l.details
				else l.details || case when jsonb_exists(l.details, 'emails')
					then jsonb_build_object('emails', (select coalesce(jsonb_agg(e), '[]') from jsonb_array_elements_text(l.details -> 'emails') e where e = any (p.spellings)))
					else '{}' end
				|| case when jsonb_exists(l.details, 'roster')
					then jsonb_build_object('roster', jsonb_build_object('changes', (
						select coalesce(jsonb_agg(c.change order by c.n), '[]')
						from jsonb_array_elements_text(l.details -> 'emails') with ordinality e (email, n)
						join jsonb_array_elements(l.details -> 'roster' -> 'changes') with ordinality c (change, n) using (n)
						where e.email = any (p.spellings))))
					else '{}' end end) as value
		from PERSON join audit_log l on l.actor_id = p.account or `+aboutPerson+`
			or jsonb_exists_any(l.details -> 'emails', p.spellings)`),
	newSection("idempotencyKeys", "requests of the last 24 hours that are answered only once", `
		select k.key, json_build_object('key', k.key, 'createdAt', k.created_at, 'response', k.response) as value
		from PERSON join idempotency_key k on k.account_id = p.account`),
	newSection("limits", "what the person used of the hourly limits", `
		select r.name as key, json_build_object('limit', r.name, 'until', r.until, 'uses', (select sum(n) from unnest(r.ns) n)) as value
		from PERSON join rate_limit r on r.subject = p.account`),
	newSection("events", "changes of the last hour that the person's pages are told of", `
		select lpad(e.id::text, 20, '0') as key, json_build_object('at', e.at, 'topic', e.topic, 'change', e.change) as value
		from PERSON join event e on e.place_id = p.account`),
}

// Export writes everything that is kept about a person, as one JSON object: when it
// was exported, the person, whether they refuse invitations, and one list for each
// of the sections. It reads and writes in pages, so that it needs little memory.
// What changes meanwhile may be in it or not.
func Export(ctx context.Context, q postgres.Querier, key keyedhash.Key, p Person, out io.Writer) error {
	w := bufio.NewWriter(out)
	var refused *time.Time
	if p.Key != "" {
		var err error
		if refused, err = invitation.RefusedAt(ctx, q, key, p.Key); err != nil {
			return err
		}
	}
	head, err := json.Marshal(struct {
		ExportedAt time.Time  `json:"exportedAt"`
		Account    string     `json:"accountId,omitempty"`
		Address    string     `json:"address,omitempty"`
		RefusedAt  *time.Time `json:"invitationsRefusedAt"`
	}{time.Now().UTC().Truncate(time.Second), p.UserID().String(), p.Key, refused})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s", head[:len(head)-1])
	for _, s := range sections {
		fmt.Fprintf(w, ",\n%q: [", s.name)
		if err := s.write(ctx, q, key, p, w); err != nil {
			return fmt.Errorf("export %s: %w", s.name, err)
		}
		fmt.Fprint(w, "]")
	}
	fmt.Fprint(w, "\n}\n")
	return w.Flush()
}

// write writes the objects of the section, separated by commas.
func (s section) write(ctx context.Context, q postgres.Querier, key keyedhash.Key, p Person, w *bufio.Writer) error {
	after, separator := "", "\n"
	for {
		var rows []struct {
			Key   string `db:"key"`
			Value []byte `db:"value"`
		}
		if err := q.Select(ctx, &rows, s.query, p.args(key, after)...); err != nil {
			return err
		}
		for _, r := range rows {
			fmt.Fprintf(w, "%s%s", separator, r.Value)
			after, separator = r.Key, ",\n"
		}
		if len(rows) < pageSize {
			return nil
		}
	}
}
