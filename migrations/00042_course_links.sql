-- +goose NO TRANSACTION
-- +goose Up

-- Links by which people ask for their own invitation. Each statement is a transaction of
-- its own, so that nobody waits for more than one of them, and can be repeated, as in
-- migration 24. A link goes with its place also where a gateway of the last release, which
-- knows of no links, purges that.
create table if not exists invite_link (
    id              uuid        constraint invite_link_pkey primary key,
    space_id        uuid        not null,
    instance_id     uuid, -- null: everybody gets an instance of their own
    own_name        text, -- what those are named, with a number after it
    own_number      int         not null default 0, -- the last number that was given
    role            text        not null constraint invite_link_role check (role in ('EDITOR', 'VIEWER')),
    token_hash      bytea       not null constraint invite_link_token_key unique,
    created_by      uuid        not null, -- in whose name people are invited
    created_at      timestamptz not null default clock_timestamp(),
    opened_at       timestamptz not null default clock_timestamp(), -- when it was created or refreshed
    expires_at      timestamptz not null constraint invite_link_expiry check (expires_at > opened_at),
    max_uses        int         not null constraint invite_link_max_uses check (max_uses between 1 and 10000),
    uses            int         not null default 0, -- since opened_at
    allowed_domains text[]      not null default '{}' constraint invite_link_domains check (cardinality(allowed_domains) <= 20),
    revoked_at      timestamptz,
    constraint invite_link_uses check (uses between 0 and max_uses),
    constraint invite_link_own check ((instance_id is null) = (own_name is not null))
);
alter table invite_link drop constraint if exists invite_link_space_fkey;
alter table invite_link add constraint invite_link_space_fkey foreign key (space_id) references space on delete cascade not valid;
alter table invite_link drop constraint if exists invite_link_instance_fkey;
alter table invite_link add constraint invite_link_instance_fkey foreign key (instance_id) references instance on delete cascade not valid;
alter table invite_link drop constraint if exists invite_link_created_by_fkey;
alter table invite_link add constraint invite_link_created_by_fkey foreign key (created_by) references account not valid;
alter table invite_link validate constraint invite_link_space_fkey;
alter table invite_link validate constraint invite_link_instance_fkey;
alter table invite_link validate constraint invite_link_created_by_fkey;

-- For the lists of a space and of an instance, what an account has created, and what is
-- to be deleted.
create index if not exists invite_link_space on invite_link (space_id, id);
create index if not exists invite_link_instance on invite_link (instance_id, id) where instance_id is not null;
create index if not exists invite_link_created_by on invite_link (created_by);
create index if not exists invite_link_ended on invite_link ((least(expires_at, revoked_at)));

-- The addresses that were given at a link. An address uses a link once, known or not: what
-- is left of a link says nothing about addresses.
create table if not exists invite_link_use (
    link_id        uuid        not null constraint invite_link_use_link_fkey references invite_link on delete cascade,
    address_hash   bytea       not null, -- with a key: see package keyedhash
    at             timestamptz not null default clock_timestamp(), -- of the first time since the link was opened
    request_hashes bytea[]     not null default '{}', -- of the last requests with an idempotency key
    instance_id    uuid        constraint invite_link_use_instance_fkey references instance on delete cascade, -- the own one of the address
    constraint invite_link_use_pkey primary key (link_id, address_hash),
    constraint invite_link_use_requests check (cardinality(request_hashes) <= 10)
);
create index if not exists invite_link_use_address on invite_link_use (address_hash);
create index if not exists invite_link_use_instance on invite_link_use (instance_id) where instance_id is not null;

-- The link by which a person asked for the invitation. It may be deleted since.
alter table invitation add column if not exists link_id uuid;
drop index concurrently if exists invitation_link;
create index concurrently invitation_link on invitation (link_id, email_key, id) where link_id is not null;

-- A person who was removed does not come back by a link that was open at that time.
drop index concurrently if exists audit_log_removed;
create index concurrently audit_log_removed on audit_log ((details ->> 'userId'), at) where action = 'MEMBER_REMOVED';

-- Nor does one whose invitation was revoked.
drop index concurrently if exists invitation_revoked;
create index concurrently invitation_revoked on invitation (email_key, ended_at) where status = 'REVOKED';
