package account

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Merged is what a merger did with the rows of one kind.
type Merged struct {
	What string // "roles in instances"
	Done string // "moved"
	Rows int64
}

// MergedError reports that an account has been merged into another one.
type MergedError struct{ Account, Into globalid.ID }

func (e *MergedError) Error() string {
	return fmt.Sprintf("%s has been merged into %s: name that account", e.Account, e.Into)
}

// Merge makes two accounts of one person one. Everything that names the account from
// names into afterwards: roles, of which the higher one stays where both have one in a
// place; invitations, requests and their mails, records of the trail, which keep the name
// that they have, and what counts for limits. Tokens of both subjects sign in as into.
//
// The account keeps its address. It gets the one of from where it holds none itself.
// Merge is one transaction, and can be repeated: it then moves what a request has left
// behind that was under way. It changes the trail, and needs the rights of the tables'
// owner. It fails with a *MergedError for an account that has been merged into a third
// one, and where nobody has signed in with into.
func Merge(ctx context.Context, db *postgres.DB, from, into globalid.ID, dryRun bool) (done []Merged, err error) {
	err = db.InTxOrDryRun(ctx, dryRun, func(tx *postgres.Tx) (err error) {
		done, err = merge(ctx, tx, from, into)
		return err
	})
	return done, err
}

func merge(ctx context.Context, tx *postgres.Tx, from, into globalid.ID) (done []Merged, err error) {
	if from == into {
		return nil, fmt.Errorf("%s cannot be merged into itself: name two accounts", from)
	}
	if err := lockMerger(ctx, tx, from, into); err != nil {
		return nil, err
	}
	if err := checkMerger(ctx, tx, from, into); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `select set_config('datahub.audit_log', 'UPDATE', true)`); err != nil {
		return nil, err
	}
	return move(ctx, tx, from, into, mergeSteps)
}

// takeOver runs prove, and merges an account that nobody has claimed into another one
// if that holds its address then. A gateway may do so: it does not change the trail,
// whose records about the account keep its id.
func takeOver(ctx context.Context, tx *postgres.Tx, unclaimed, by uuid.UUID, prove func() error) error {
	from, into := globalid.ID{Kind: globalid.User, UUID: unclaimed}, globalid.ID{Kind: globalid.User, UUID: by}
	if err := lockMerger(ctx, tx, from, into); err != nil {
		return err
	}
	if err := prove(); err != nil {
		return err
	}
	var due bool
	if err := tx.Get(ctx, &due, `
		select exists (select from account a join address_holder h on h.email_key = a.email_key where a.id = $1 and a.subject is null and h.account_id = $2)`,
		unclaimed, by); err != nil || !due {
		return err
	}
	steps := slices.DeleteFunc(slices.Clone(mergeSteps), func(s mergeStep) bool { return s.owner })
	_, err := move(ctx, tx, from, into, steps)
	return err
}

// move carries out steps of a merger.
func move(ctx context.Context, tx *postgres.Tx, from, into globalid.ID, steps []mergeStep) (done []Merged, err error) {
	name := "Merged account " + hex.EncodeToString(from.UUID[12:])
	email := "merged-" + hex.EncodeToString(from.UUID[:]) + "@merged.invalid" // RFC 2606, section 2
	for _, s := range steps {
		var args []any
		switch {
		case s.kind != "":
			args = []any{pq.StringArray(tenant.RolesOf(tenant.AllRoles()...).Stored(s.kind))}
		case s.table == "account":
			args = []any{name, email}
		}
		n, err := tx.Exec(ctx, s.query, append([]any{from.UUID, into.UUID}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("merge %s: %w", s.what, err)
		}
		if s.what != "" {
			done = append(done, Merged{s.what, s.done, n})
		}
		if s.grants != "" {
			if err := recordGrants(ctx, tx, from, into, s.grants); err != nil {
				return nil, err
			}
		}
	}
	return done, nil
}

// lockMerger locks what requests of both people lock, in their order: places, roles in
// organizations, accounts, addresses. It waits for requests that are being carried out.
// Later ones find from without any role.
//
// The organizations of both are locked, because an operator's commands lock an organization,
// then an account, and then its role there.
func lockMerger(ctx context.Context, tx *postgres.Tx, from, into globalid.ID) error {
	both := postgres.UUIDs{from.UUID, into.UUID}
	if err := access.LockSelected(ctx, tx, access.Exclusive, `
		select instance_id, null::uuid as space_id, null::uuid as organization_id from instance_member where account_id = $1
		union select null, space_id, null from space_administrator where account_id = $1
		union select null, null, organization_id from organization_member where account_id = any ($2::uuid[])
		union select instance_id, space_id, organization_id from invitation where invited_by = $1 and status = 'PENDING'
		union select instance_id, case when instance_id is null then space_id end, null from invite_link where created_by = $1
		union select id, null, null from instance where deleted_by = $1
		union select null, id, null from space where deleted_by = $1
		union select instance_id, case when instance_id is null then space_id end, organization_id from request where requested_by = $1 and status = 'OPEN'`, from.UUID, both); err != nil {
		return err
	}
	for _, query := range []string{
		`select from organization_member where account_id = any ($1::uuid[]) order by organization_id, account_id for update`,
		`select from account where id = any ($1::uuid[]) order by id for no key update`,
		`select from address_holder
		 where account_id = any ($1::uuid[]) or email_key = any (array(select email_key from account where id = any ($1::uuid[])))
		 order by email_key for update`,
	} {
		if _, err := tx.Exec(ctx, query, both); err != nil {
			return err
		}
	}
	return nil
}

// checkMerger fails where one of the accounts cannot be merged.
func checkMerger(ctx context.Context, tx *postgres.Tx, from, into globalid.ID) error {
	var rows []struct {
		ID         uuid.UUID     `db:"id"`
		Claimed    bool          `db:"claimed"`
		MergedInto uuid.NullUUID `db:"merged_into"`
		ErasedAt   *time.Time    `db:"erased_at"`
	}
	if err := tx.Select(ctx, &rows, `select id, subject is not null as claimed, merged_into, erased_at from account where id = any ($1::uuid[])`, postgres.UUIDs{from.UUID, into.UUID}); err != nil {
		return err
	}
	found, claimed := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, r := range rows {
		found[r.ID], claimed[r.ID] = true, r.Claimed
		id := globalid.ID{Kind: globalid.User, UUID: r.ID}
		switch {
		case r.ErasedAt != nil:
			return fmt.Errorf("%s is erased, and cannot be merged", id)
		case r.MergedInto.Valid && (r.ID == into.UUID || r.MergedInto.UUID != into.UUID):
			return &MergedError{id, globalid.ID{Kind: globalid.User, UUID: r.MergedInto.UUID}}
		}
	}
	for _, id := range []globalid.ID{from, into} {
		if !found[id.UUID] {
			return fmt.Errorf("%s: there is no account with this id", id)
		}
	}
	// The next person with its address would take it over.
	if !claimed[into.UUID] {
		return fmt.Errorf("nobody has signed in with %s yet: keep the account with which the person signs in", into)
	}
	return nil
}

// recordGrants runs a query that returns the places where the account into has got a
// role, and writes them to the trail, in the name of the gateway.
func recordGrants(ctx context.Context, tx *postgres.Tx, from, into globalid.ID, query string) error {
	var grants []struct {
		SpaceID      uuid.UUID            `db:"space_id"`
		SpaceName    string               `db:"space_name"`
		InstanceID   uuid.NullUUID        `db:"instance_id"`
		InstanceName *string              `db:"instance_name"`
		Role         *tenant.InstanceRole `db:"role"`
		UserName     string               `db:"user_name"`

		// Of an organization; there is no space then.
		OrganizationID   uuid.UUID                `db:"organization_id"`
		OrganizationName string                   `db:"organization_name"`
		OrganizationRole *tenant.OrganizationRole `db:"organization_role"`
	}
	if err := tx.Select(ctx, &grants, query, from.UUID, into.UUID); err != nil {
		return err
	}
	records := make([]audit.Record, len(grants))
	for i, g := range grants {
		records[i] = audit.Record{Action: audit.RoleGranted, Target: audit.Target{Space: audit.Name{ID: g.SpaceID, Name: g.SpaceName}, Organization: audit.Name{ID: g.OrganizationID, Name: g.OrganizationName}},
			Details: audit.Details{Role: g.Role, OrganizationRole: g.OrganizationRole, UserID: uuid.NullUUID{UUID: into.UUID, Valid: true}, UserName: g.UserName}}
		if g.InstanceName != nil {
			records[i].Target.Instance = audit.Name{ID: g.InstanceID.UUID, Name: *g.InstanceName}
		}
	}
	return audit.Write(ctx, tx, records...)
}

// mergeStep moves the rows of one kind from an account to another one. It moves nothing
// when it is repeated.
type mergeStep struct {
	table      string
	what, done string // "" for a step that is a part of the next one
	query      string // $1 is the account that is merged, $2 the one that is kept; $3: see kind
	// kind is the kind of place that roles are held in: $3 are these roles, the highest
	// first.
	kind globalid.Kind
	// grants selects the roles that the account $2 has got, after the step, for the trail.
	grants string
	// owner says that the step needs the rights of the tables' owner. It is not for
	// accounts that nobody has claimed: they have no subject, and have done nothing.
	owner bool
}

// mergeSteps are all steps, in their order: a role is given before it is taken, so that
// no space is without an administrator.
var mergeSteps = []mergeStep{
	{table: "invitation", what: "invitations that the person sent", done: "moved",
		query: `update invitation set invited_by = $2 where invited_by = $1`},
	{table: "invitation", what: "invitations that the person requested", done: "moved",
		query: `update invitation set requested_by = $2 where requested_by = $1`},
	{table: "invite_link", what: "course links", done: "moved",
		query: `update invite_link set created_by = $2 where created_by = $1`},
	{table: "request", what: "open requests that both accounts made", done: "withdrawn", query: `
		update request r set status = case when r.expires_at <= t.now then 'EXPIRED' else 'WITHDRAWN' end, ended_at = least(r.expires_at, t.now)
		from (select clock_timestamp() as now) t
		where r.requested_by = $1 and r.status = 'OPEN' and exists (
			select from request k
			where k.requested_by = $2 and k.status = 'OPEN' and k.kind = r.kind and coalesce(k.instance_id, k.space_id, k.organization_id) = coalesce(r.instance_id, r.space_id, r.organization_id)
				and (r.organization_id is null or k.role = r.role))`},
	{table: "request", what: "requests", done: "moved",
		query: `update request set requested_by = $2 where requested_by = $1`},
	{table: "request", what: "answers to requests", done: "moved",
		query: `update request set answered_by = $2 where answered_by = $1`},
	{table: "request_notice", what: "notices about requests that both accounts got", done: "deleted", query: `
		delete from request_notice n
		where account_id = $1 and exists (select from request_notice k where k.request_id = n.request_id and k.account_id = $2)`},
	{table: "request_notice", what: "notices about requests", done: "moved",
		query: `update request_notice set account_id = $2 where account_id = $1`},
	{table: "instance", what: "instances that the person deleted", done: "moved",
		query: `update instance set deleted_by = $2 where deleted_by = $1`},
	{table: "space", what: "spaces that the person deleted", done: "moved",
		query: `update space set deleted_by = $2 where deleted_by = $1`},

	{table: "organization_member", kind: globalid.Organization,
		grants: `
		select o.id as organization_id, o.name as organization_name, k.role as organization_role, a.name as user_name
		from organization_member f
		join organization_member k on k.organization_id = f.organization_id and k.account_id = $2 and k.xmin = pg_current_xact_id()::xid
		join organization o on o.id = f.organization_id join account a on a.id = $2
		where f.account_id = $1 order by o.id`,
		query: `
		insert into organization_member as k (organization_id, account_id, role, since, guest)
		select organization_id, $2::uuid, role, since, guest from organization_member where account_id = $1 order by organization_id
		on conflict (organization_id, account_id) do update
		set role = case when array_position($3::text[], excluded.role) < array_position($3::text[], k.role) then excluded.role else k.role end,
		    guest = k.guest and excluded.guest
		where array_position($3::text[], excluded.role) < array_position($3::text[], k.role) or k.guest and not excluded.guest`},
	{table: "organization_member", what: "roles in organizations", done: "moved",
		query: `delete from organization_member where account_id = $1 and $2::uuid is not null`},
	{table: "space_administrator",
		grants: `
		select s.id as space_id, s.name as space_name, null::uuid as instance_id, null as instance_name, null as role, a.name as user_name
		from space_administrator f
		join space_administrator k on k.space_id = f.space_id and k.account_id = $2 and k.xmin = pg_current_xact_id()::xid
		join space s on s.id = f.space_id join account a on a.id = $2
		where f.account_id = $1 order by s.id`,
		query: `
		insert into space_administrator (space_id, account_id, since)
		select space_id, $2::uuid, since from space_administrator where account_id = $1 order by space_id
		on conflict do nothing`},
	{table: "space_administrator", what: "roles as administrator of a space", done: "moved",
		query: `delete from space_administrator where account_id = $1 and $2::uuid is not null`},
	{table: "instance_member", kind: globalid.Instance,
		grants: `
		select s.id as space_id, s.name as space_name, i.id as instance_id, i.name as instance_name, k.role, a.name as user_name
		from instance_member f
		join instance_member k on k.instance_id = f.instance_id and k.account_id = $2 and k.xmin = pg_current_xact_id()::xid
		join instance i on i.id = f.instance_id join space s on s.id = i.space_id join account a on a.id = $2
		where f.account_id = $1 order by i.id`,
		query: `
		insert into instance_member as k (instance_id, account_id, role, since, until)
		select instance_id, $2::uuid, role, since, until from instance_member where account_id = $1 order by instance_id
		on conflict (instance_id, account_id) do update
		set role = case when array_position($3::text[], excluded.role) < array_position($3::text[], k.role) then excluded.role else k.role end,
		    until = case when k.until is not null and excluded.until is not null then greatest(k.until, excluded.until) end
		where array_position($3::text[], excluded.role) < array_position($3::text[], k.role) or k.until < coalesce(excluded.until, 'infinity')`},
	{table: "instance_member", what: "roles in instances", done: "moved",
		query: `delete from instance_member where account_id = $1 and $2::uuid is not null`},

	// Of the ends of both accounts' roles in a place, that of the kept one stays.
	{table: "ended_membership", what: "roles that ended, of both accounts in a place", done: "forgotten", query: `
		delete from ended_membership m where account_id = $1 and exists (select from ended_membership k where k.account_id = $2 and k.place_id = m.place_id)`},
	{table: "ended_membership", what: "roles that ended", done: "moved",
		query: `update ended_membership set account_id = $2 where account_id = $1`},
	{table: "ended_membership", what: "roles of others that the person ended", done: "moved",
		query: `update ended_membership set ended_by = $2 where ended_by = $1`},

	{table: "membership_reminder", what: "reminders of memberships that end", done: "moved",
		query: `update membership_reminder set account_id = $2 where account_id = $1`},

	// A person who used one key with both accounts keeps the answer of the one that is kept.
	{table: "idempotency_key", what: "requests that are answered only once, with a key of both accounts", done: "forgotten", query: `
		delete from idempotency_key m where account_id = $1 and exists (select from idempotency_key k where k.account_id = $2 and k.key = m.key)`},
	{table: "idempotency_key", what: "requests that are answered only once", done: "moved",
		query: `update idempotency_key set account_id = $2 where account_id = $1`},
	{table: "rate_limit", query: `
		insert into rate_limit as k (name, subject, untils, ns, until)
		select name, $2::uuid, untils, ns, until from rate_limit where subject = $1 order by name
		on conflict (name, subject) do update
		set untils = k.untils || excluded.untils, ns = k.ns || excluded.ns, until = greatest(k.until, excluded.until)`},
	{table: "rate_limit", what: "counters of limits", done: "added",
		query: `delete from rate_limit where subject = $1 and $2::uuid is not null`},
	{table: "event", what: "changes that the person's pages are told of", done: "moved",
		query: `update event set place_id = $2 where place_id = $1`},
	{table: "audit_log", owner: true, what: "records of the trail of what the person did", done: "moved",
		query: `update audit_log set actor_id = $2 where actor_id = $1`},
	{table: "audit_log", owner: true, what: "records of the trail about the person", done: "moved", query: `
		update audit_log set details = details || jsonb_build_object('userId', $2::uuid) where details ->> 'userId' = $1::uuid::text`},

	{table: "merged_subject", owner: true, query: `
		insert into merged_subject (subject, account_id) select subject, $2::uuid from account where id = $1 and subject is not null
		on conflict do nothing`},
	{table: "merged_subject", owner: true, what: "identity provider's ids of accounts that were merged before", done: "moved",
		query: `update merged_subject set account_id = $2 where account_id = $1`},
	// The address: of the kept account, which the merged one may have proved later; or the
	// one that the merged account holds, where the kept one holds none.
	{table: "address_holder", what: "addresses", done: "moved", query: `
		update address_holder h set account_id = $2
		where h.account_id = $1 and not exists (select from address_holder where account_id = $2)`},
	{table: "account", query: `
		update account k
		set email = case when h.email_key = k.email_key then k.email else m.email end, email_key = h.email_key,
		    proved_at = greatest(k.proved_at, m.proved_at)
		from account m, address_holder h
		where m.id = $1 and m.merged_into is null and k.id = $2 and h.account_id = k.id and h.email_key = m.email_key
		  and $3::text is not null and $4::text is not null`},
	// The subject stays: without it, requests of the account that are under way would have
	// to be waited for, while they wait for this transaction.
	{table: "account", what: "account", done: "merged", query: `
		update account
		set email = $4, email_key = $4, name = $3, locale = null, proved_at = null, merged_into = $2
		where id = $1 and merged_into is null`},
	{table: "account", what: "accounts that were merged before", done: "moved", query: `
		update account set merged_into = $2 where merged_into = $1 and $3::text is not null and $4::text is not null`},
	// The merged accounts hold their own new addresses now.
	{table: "address_holder", query: `delete from address_holder where account_id = $1 or account_id = any (array(select id from account where merged_into = $2))`},
}
