-- +goose Up

-- The lowest schema version that a gateway must know to work on this database.
create table schema_requirement (
    oldest_gateway bigint not null
);
create unique index schema_requirement_one_row on schema_requirement ((true));
insert into schema_requirement values (1);

create table account (
    id         uuid        constraint account_pkey primary key,
    -- The identity provider's name for the person; null until she first signs in.
    subject    text        constraint account_subject_length check (octet_length(subject) between 1 and 255),
    email      text        not null constraint account_email_length check (octet_length(email) <= 254),
    email_key  text        not null,
    name       text        not null constraint account_name_length check (char_length(name) between 1 and 200),
    created_at timestamptz not null default clock_timestamp(),
    constraint account_subject_key unique (subject)
);
create index account_email on account (email_key);
-- An account made for somebody before she signs in is hers alone to claim.
create unique index account_unclaimed_email_key on account (email_key) where subject is null;

create table organization (
    id         uuid        constraint organization_pkey primary key,
    name       text        not null constraint organization_name_length check (char_length(name) between 1 and 200),
    created_at timestamptz not null default clock_timestamp(),
    constraint organization_name_key unique (name)
);

create table organization_member (
    organization_id uuid not null constraint organization_member_organization_fkey references organization,
    account_id      uuid not null constraint organization_member_account_fkey references account,
    role            text not null constraint organization_member_role check (role in ('MANAGER', 'FACULTY', 'MEMBER')),
    constraint organization_member_pkey primary key (organization_id, account_id)
);
create index organization_member_account on organization_member (account_id);

create table space (
    id              uuid        constraint space_pkey primary key,
    organization_id uuid        not null constraint space_organization_fkey references organization,
    name            text        not null constraint space_name_length check (char_length(name) between 1 and 200),
    created_at      timestamptz not null default clock_timestamp(),
    constraint space_name_key unique (organization_id, name)
);

create table space_administrator (
    space_id   uuid        not null constraint space_administrator_space_fkey references space,
    account_id uuid        not null constraint space_administrator_account_fkey references account,
    since      timestamptz not null default clock_timestamp(),
    constraint space_administrator_pkey primary key (space_id, account_id)
);
create index space_administrator_account on space_administrator (account_id);

create table instance (
    id               uuid        constraint instance_pkey primary key,
    space_id         uuid        not null constraint instance_space_fkey references space,
    name             text        not null constraint instance_name_length check (char_length(name) between 1 and 200),
    kind             text        not null constraint instance_kind check (kind in ('MASTER', 'DISTRIBUTED', 'WORKING')),
    created_at       timestamptz not null default clock_timestamp(),
    deleted_at       timestamptz,
    deleted_by       uuid        constraint instance_deleted_by_fkey references account,
    restorable_until timestamptz,
    constraint instance_protected check (kind = 'WORKING' or deleted_at is null),
    constraint instance_deletion check (
        (deleted_at is null) = (restorable_until is null) and (deleted_at is null) = (deleted_by is null))
);
create index instance_space on instance (space_id, id);
create index instance_deleted_by on instance (deleted_by) where deleted_by is not null;
create unique index instance_one_master on instance (space_id) where kind = 'MASTER';
create unique index instance_one_distributed on instance (space_id) where kind = 'DISTRIBUTED';

-- A space without its Master or its Distributed instance cannot be committed.
-- +goose StatementBegin
create function space_special_instances() returns trigger language plpgsql as $$
begin
    if (select count(*) from instance where space_id = new.id and kind in ('MASTER', 'DISTRIBUTED')) <> 2 then
        raise exception 'space % lacks its Master or Distributed instance', new.id
            using errcode = 'check_violation', constraint = 'space_special_instances';
    end if;
    return null;
end $$;
-- +goose StatementEnd
create constraint trigger space_special_instances after insert on space
    deferrable initially deferred for each row execute function space_special_instances();

create table instance_member (
    instance_id uuid        not null constraint instance_member_instance_fkey references instance on delete cascade,
    account_id  uuid        not null constraint instance_member_account_fkey references account,
    role        text        not null constraint instance_member_role check (role in ('EDITOR', 'VIEWER')),
    since       timestamptz not null default clock_timestamp(),
    constraint instance_member_pkey primary key (instance_id, account_id)
);
create index instance_member_account on instance_member (account_id, instance_id);

create table invitation (
    id          uuid        constraint invitation_pkey primary key,
    instance_id uuid        not null constraint invitation_instance_fkey references instance on delete cascade,
    email       text        not null constraint invitation_email_length check (octet_length(email) <= 254),
    email_key   text        not null,
    role        text        not null constraint invitation_role check (role in ('EDITOR', 'VIEWER')),
    -- Expired is not a state: it is a pending invitation whose expires_at has passed.
    status      text        not null default 'PENDING'
                constraint invitation_status check (status in ('PENDING', 'ACCEPTED', 'DECLINED', 'REVOKED')),
    token_hash  bytea       not null constraint invitation_token_hash_length check (octet_length(token_hash) = 32),
    message     text        constraint invitation_message_length check (char_length(message) between 1 and 2000),
    invited_by  uuid        not null constraint invitation_invited_by_fkey references account,
    created_at  timestamptz not null default clock_timestamp(),
    expires_at  timestamptz not null,
    constraint invitation_token_hash_key unique (token_hash)
);
create unique index invitation_pending_key on invitation (instance_id, email_key) where status = 'PENDING';
create index invitation_instance on invitation (instance_id, id);
create index invitation_invited_by on invitation (invited_by);

create table outbox (
    -- Names the sending: every attempt's Message-ID is made from it.
    id              uuid        constraint outbox_pkey primary key,
    kind            text        not null,
    subject_id      uuid        not null,
    secret          text,
    state           text        not null default 'QUEUED'
                    constraint outbox_state check (state in ('QUEUED', 'SENT', 'FAILED', 'DROPPED')),
    attempts        integer     not null default 0,
    -- Also the lease: a claimed row is due again when its worker has had its time.
    next_attempt_at timestamptz not null default clock_timestamp(),
    lease           uuid,
    last_error      text,
    created_at      timestamptz not null default clock_timestamp(),
    finished_at     timestamptz,
    constraint outbox_secret_erased check (state = 'QUEUED' or secret is null)
);
create index outbox_due on outbox (next_attempt_at) where state = 'QUEUED';
create index outbox_subject on outbox (subject_id);
create index outbox_finished on outbox (finished_at) where finished_at is not null;

create table idempotency_key (
    account_id   uuid        not null constraint idempotency_key_account_fkey references account,
    key          text        not null constraint idempotency_key_length check (char_length(key) between 1 and 255),
    request_hash bytea       not null,
    -- Written by the transaction that claims the key, so every other one sees it complete.
    response     json,
    created_at   timestamptz not null default clock_timestamp(),
    constraint idempotency_key_pkey primary key (account_id, key)
);
create index idempotency_key_created_at on idempotency_key (created_at);

-- Append-only; names beside ids and no foreign keys, so that it outlives what it tells of.
create table audit_log (
    id            bigint      generated always as identity constraint audit_log_pkey primary key,
    at            timestamptz not null default clock_timestamp(),
    action        text        not null,
    actor_id      uuid,
    actor_name    text        not null,
    space_id      uuid        not null,
    space_name    text        not null,
    instance_id   uuid,
    instance_name text,
    details       jsonb       not null default '{}'
);
create index audit_log_space on audit_log (space_id, id);

-- Marks a database that holds the demo world.
create table demo_world (
    loaded_at timestamptz not null default clock_timestamp()
);
create unique index demo_world_one_row on demo_world ((true));
