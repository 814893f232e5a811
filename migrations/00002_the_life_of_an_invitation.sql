-- +goose Up

-- Older gateways know no invitations to spaces, and would send the mails of
-- deleted instances.
update schema_requirement set oldest_gateway = 2;

-- A UUIDv7 of a moment, exact to the microsecond (RFC 9562, sections 5.7 and
-- 6.2, method 3).
-- +goose StatementBegin
create function uuid_v7(at timestamptz) returns uuid language sql volatile as $$
    select encode(
        int8send((t.us / 1000) << 16 | x'7000'::bigint | t.us % 1000 * 4096 / 1000)
        || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid
    from (select (extract(epoch from at) * 1000000)::bigint as us) t
$$;
-- +goose StatementEnd

-- The language that the person reads (BCP 47), where it is known.
alter table account add column locale text
    constraint account_locale_length check (octet_length(locale) between 2 and 35);

-- An invitation leads to an instance, in a role, or to a space, as one of its
-- administrators.
alter table invitation
    alter column instance_id drop not null,
    alter column role drop not null,
    add column space_id uuid constraint invitation_space_fkey references space,
    add constraint invitation_place check (num_nonnulls(instance_id, space_id) = 1),
    add constraint invitation_role_in_instance check ((role is null) = (instance_id is null));
-- The address first: whoever lost the mail finds her invitations by it.
drop index invitation_pending_key;
create unique index invitation_pending_key on invitation (email_key, instance_id) where status = 'PENDING';
create unique index invitation_pending_administrator_key on invitation (email_key, space_id)
    where status = 'PENDING' and space_id is not null;
create index invitation_space on invitation (space_id, id) where space_id is not null;
create index invitation_expiry on invitation (expires_at) where status = 'PENDING';

-- When an address was last sent an invitation of a space again.
create table invitation_resend (
    space_id  uuid        not null constraint invitation_resend_space_fkey references space,
    email_key text        not null,
    at        timestamptz not null default clock_timestamp(),
    constraint invitation_resend_pkey primary key (space_id, email_key)
);
create index invitation_resend_at on invitation_resend (at);

-- Work for an instance is held while the instance is deleted, and ends with it.
alter table outbox
    add column instance_id  uuid constraint outbox_instance_fkey references instance on delete cascade,
    add column attempted_at timestamptz,
    add column reply        text constraint outbox_reply_length check (char_length(reply) <= 500),
    drop column finished_at,
    drop constraint outbox_state,
    drop constraint outbox_secret_erased,
    add constraint outbox_state check (state in ('QUEUED', 'HELD', 'SENT', 'FAILED', 'DROPPED')),
    add constraint outbox_secret_erased check (state in ('QUEUED', 'HELD') or secret is null);
create index outbox_instance on outbox (instance_id) where instance_id is not null;
update outbox o
set instance_id = i.id, state = case when o.state = 'QUEUED' and i.deleted_at is not null then 'HELD' else o.state end
from invitation v join instance i on i.id = v.instance_id
where o.kind = 'INVITATION' and v.id = o.subject_id;

-- A response is what came of a request, without a name.
update idempotency_key set response = coalesce(response -> 'deleted', response -> 'restored')
where coalesce(response -> 'deleted', response -> 'restored') is not null;

-- Whoever makes a space must not learn of others by their names.
alter table space drop constraint space_name_key;
create index space_organization on space (organization_id, name);

create index instance_purge on instance (restorable_until) where restorable_until is not null;

-- A space cannot lose its last administrator.
-- +goose StatementBegin
create function space_administrator_last() returns trigger language plpgsql as $$
begin
    -- Whoever removes another one at the same time waits, and then sees this
    -- one gone.
    perform from space where id = old.space_id for no key update;
    if not exists (select from space_administrator where space_id = old.space_id) then
        raise exception 'space % would have no administrator', old.space_id
            using errcode = 'check_violation', constraint = 'space_administrator_last';
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger space_administrator_last after delete on space_administrator
    for each row execute function space_administrator_last();

-- The ids of the trail are seen by those who read it, and must not tell how
-- much is done elsewhere.
drop index audit_log_space;
alter table audit_log drop column id, add column id uuid;
-- What was one entry for all that a request did is one for each thing done.
insert into audit_log (at, action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)
select at, 'invitation.role_changed', actor_id, actor_name, space_id, space_name, instance_id, instance_name,
       jsonb_build_object('role', details -> 'role', 'invited', details -> 'roleChanged')
from audit_log where action = 'invitation.sent' and jsonb_typeof(details -> 'roleChanged') = 'array';
delete from audit_log where action = 'invitation.sent' and jsonb_typeof(details -> 'invited') is distinct from 'array';
update audit_log
set id = uuid_v7(at), action = replace(upper(action), '.', '_'),
    details = jsonb_strip_nulls(details - 'invited' - 'roleChanged' || jsonb_build_object('emails', details -> 'invited'));
alter table audit_log
    alter column id set default uuid_v7(clock_timestamp()),
    add constraint audit_log_pkey primary key (id);
create index audit_log_space on audit_log (space_id, id);
-- +goose StatementBegin
create function audit_log_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only'
        using errcode = 'restrict_violation', constraint = 'audit_log_append_only';
end $$;
-- +goose StatementEnd
create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_append_only();

-- What has changed, for those who watch; kept for an hour. One row tells of
-- every subject that a statement changed in the same way. A reader who comes
-- with her last snapshot finds what has been committed since, in whatever
-- order that happened.
create table event (
    id       bigint      generated always as identity constraint event_pkey primary key,
    xid      xid8        not null default pg_current_xact_id(),
    at       timestamptz not null default clock_timestamp(),
    topic    text        not null,
    place_id uuid        not null,
    change   text        not null,
    subjects uuid[]      not null
);
create index event_place on event (place_id, xid);
create index event_at on event (at);

-- +goose StatementBegin
create function invitation_created() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    select 'INVITATION', coalesce(instance_id, space_id), 'CREATED', array_agg(id order by id)
    from new_rows group by coalesce(instance_id, space_id);
    return null;
end $$;
-- +goose StatementEnd
create trigger invitation_created after insert on invitation
    referencing new table as new_rows for each statement execute function invitation_created();

-- The plan is that of the first time, in which there may be a single row: with
-- a nested loop, a thousand rows would be a million.
-- +goose StatementBegin
create function invitation_changed() returns trigger language plpgsql set enable_nestloop = off as $$
begin
    insert into event (topic, place_id, change, subjects)
    select 'INVITATION', c.place_id, c.change, array_agg(c.id order by c.id)
    from (select n.id, coalesce(n.instance_id, n.space_id) as place_id,
                 case when n.status <> o.status then n.status
                      when n.token_hash <> o.token_hash then 'RENEWED'
                      when n.role is distinct from o.role then 'ROLE_CHANGED' end as change
          from new_rows n join old_rows o on o.id = n.id) c
    where c.change is not null
    group by c.place_id, c.change;
    return null;
end $$;
-- +goose StatementEnd
create trigger invitation_changed after update on invitation
    referencing old table as old_rows new table as new_rows for each statement execute function invitation_changed();

-- A mail that a later one has taken the place of tells nothing any more. The
-- rows that an attempt has ended for are few, and are found first, because many
-- are held and released at once.
-- +goose StatementBegin
create function invitation_delivered() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with o as materialized (
        select id, attempted_at from old_rows where kind = 'INVITATION' and lease is not null
    ), n as materialized (
        select * from new_rows where kind = 'INVITATION' and lease is null
    ), c as (
        select n.subject_id, n.id, n.created_at,
               case when n.state in ('SENT', 'FAILED') then n.state
                    when n.state in ('QUEUED', 'HELD') and n.attempted_at is distinct from o.attempted_at then 'DELAYED' end as change
        from o join n on n.id = o.id
    )
    select 'INVITATION', coalesce(v.instance_id, v.space_id), c.change, array_agg(v.id order by v.id)
    from c join invitation v on v.id = c.subject_id
    where c.change is not null
      and not exists (select from outbox l where l.subject_id = c.subject_id and (l.created_at, l.id) > (c.created_at, c.id))
    group by coalesce(v.instance_id, v.space_id), c.change;
    return null;
end $$;
-- +goose StatementEnd
create trigger invitation_delivered after update on outbox
    referencing old table as old_rows new table as new_rows for each statement execute function invitation_delivered();
