-- +goose Up

-- Older gateways would leave requests open when an instance is restored.
update schema_requirement set oldest_gateway = 5;

-- Somebody asks whoever can help: for a role, to have people invited, or to have
-- a deleted instance restored. A request whose time is over is expired, whether
-- or not that has been written down.
create table request (
    id           uuid        not null constraint request_pkey primary key,
    kind         text        not null constraint request_kind check (kind in ('ROLE', 'INVITATIONS', 'RESTORE')),
    space_id     uuid        not null constraint request_space_fkey references space,
    instance_id  uuid        constraint request_instance_fkey references instance on delete cascade,
    -- What they were called then: who has left learns no later name.
    space_name    text       not null,
    instance_name text,
    requested_by uuid        not null constraint request_requested_by_fkey references account,
    role         text        constraint request_role check (role in ('SPACE_ADMINISTRATOR', 'INSTANCE_EDITOR', 'INSTANCE_VIEWER')),
    emails       text[]      constraint request_emails check (cardinality(emails) > 0),
    message      text        constraint request_message_length check (char_length(message) <= 2000),
    created_at   timestamptz not null default clock_timestamp(),
    lasts_until  timestamptz not null,
    expires_at   timestamptz not null, -- the same, unless the instance is lost before
    status       text        not null default 'OPEN'
                             constraint request_status check (status in ('OPEN', 'APPROVED', 'DECLINED', 'WITHDRAWN', 'EXPIRED')),
    ended_at     timestamptz,
    answered_by  uuid        constraint request_answered_by_fkey references account,
    answer       text        constraint request_answer_length check (char_length(answer) <= 2000),
    approved     text[],     -- of emails
    constraint request_of_kind check (
        case kind
            when 'ROLE' then role is not null and emails is null and (instance_id is null) = (role = 'SPACE_ADMINISTRATOR')
            when 'INVITATIONS' then role in ('INSTANCE_EDITOR', 'INSTANCE_VIEWER') and emails is not null and instance_id is not null
            else role is null and emails is null and instance_id is not null
        end),
    constraint request_instance_name check ((instance_id is null) = (instance_name is null)),
    constraint request_ended check ((status = 'OPEN') = (ended_at is null)),
    constraint request_answered check ((status in ('APPROVED', 'DECLINED')) = (answered_by is not null)),
    constraint request_approved check (approved is null or kind = 'INVITATIONS' and status = 'APPROVED' and approved <@ emails)
);
-- One of a kind for a person and a place.
create unique index request_open_key on request (requested_by, kind, coalesce(instance_id, space_id)) where status = 'OPEN';
create index request_requested_by on request (requested_by, id);
create index request_space on request (space_id, id);
create index request_instance on request (instance_id) where instance_id is not null;
create index request_open_in_space on request (space_id, id) where status = 'OPEN';
create index request_open_restore on request (instance_id, id) where status = 'OPEN' and kind = 'RESTORE';
create index request_answered_by on request (answered_by) where answered_by is not null;
create index request_expiry on request (expires_at) where status = 'OPEN';

-- A mail about a request: to those who can answer it, and then to who asked.
create table request_notice (
    id         uuid not null constraint request_notice_pkey primary key,
    request_id uuid not null constraint request_notice_request_fkey references request on delete cascade,
    account_id uuid not null constraint request_notice_account_fkey references account,
    constraint request_notice_key unique (request_id, account_id)
);
create index request_notice_account on request_notice (account_id);

-- Whoever watches requests watches what concerns her: the place of an event is
-- her account.
-- +goose StatementBegin
create function request_created() returns trigger language plpgsql set enable_nestloop = off as $$
begin
    insert into event (topic, place_id, change, subjects)
    select 'REQUEST', a.account_id, 'CREATED', array_agg(a.id order by a.id)
    from (select id, requested_by as account_id from new_rows
          union
          select n.id, sa.account_id from new_rows n join space_administrator sa on sa.space_id = n.space_id
          union
          select n.id, im.account_id from new_rows n join instance_member im on im.instance_id = n.instance_id and im.role = 'EDITOR'
          where n.kind = 'RESTORE') a
    group by a.account_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger request_created after insert on request
    referencing new table as new_rows for each statement execute function request_created();
-- +goose StatementBegin
create function request_changed() returns trigger language plpgsql set enable_nestloop = off as $$
begin
    insert into event (topic, place_id, change, subjects)
    with c as materialized (
        select n.id, n.kind, n.space_id, n.instance_id, n.requested_by, n.status
        from new_rows n join old_rows o on o.id = n.id where n.status <> o.status)
    select 'REQUEST', a.account_id, a.status, array_agg(a.id order by a.id)
    from (select id, status, requested_by as account_id from c
          union
          select c.id, c.status, sa.account_id from c join space_administrator sa on sa.space_id = c.space_id
          union
          select c.id, c.status, im.account_id from c join instance_member im on im.instance_id = c.instance_id and im.role = 'EDITOR'
          where c.kind = 'RESTORE') a
    group by a.account_id, a.status;
    return null;
end $$;
-- +goose StatementEnd
create trigger request_changed after update on request
    referencing old table as old_rows new table as new_rows for each statement execute function request_changed();

-- Whoever wanted somebody to be invited is named in the invitation.
alter table invitation add column requested_by uuid constraint invitation_requested_by_fkey references account;
create index invitation_requested_by on invitation (requested_by) where requested_by is not null;
