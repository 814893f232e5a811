-- +goose NO TRANSACTION
-- +goose Up

-- The roles that have ended, so that they can be given back for a while: one row for each
-- place in which a person had a role, of its last end. All roles that one removal ended
-- have the same "removal". A space or an organization from which somebody was removed has
-- a row also where the person had a role only further inside; its role is null then.
--
-- Gateways of the last release end roles without writing a row: what they end cannot be
-- given back. Places take their rows along, whichever gateway purges them.
--
-- Each statement is a transaction of its own, so that it locks one other table at most, and
-- can be repeated, as in migration 24.
create table if not exists ended_membership (
    id              uuid        not null default uuid_v7(clock_timestamp()),
    removal         uuid        not null,
    account_id      uuid        not null,
    organization_id uuid,
    space_id        uuid,
    instance_id     uuid,
    place_id        uuid        not null generated always as (coalesce(instance_id, space_id, organization_id)) stored,
    role            text,
    guest           boolean     not null default false,
    since           timestamptz,
    ended_at        timestamptz not null default clock_timestamp(),
    ended_by        uuid, -- null: DataHub, because time had passed
    reason          text        not null,
    email_hash      bytea, -- of the address at the end; null: the address is not shown
    constraint ended_membership_pkey primary key (id),
    constraint ended_membership_key unique (account_id, place_id),
    constraint ended_membership_place check (num_nonnulls(organization_id, space_id, instance_id) = 1),
    constraint ended_membership_role check (
        (role is null) = (since is null) and case
            when instance_id is not null then role is not null and role in ('EDITOR', 'VIEWER')
            when space_id is not null then role is null or role = 'ADMINISTRATOR'
            else role is null or role in ('MANAGER', 'FACULTY', 'MEMBER') end),
    constraint ended_membership_reason check (reason in ('REMOVED', 'LEFT', 'EXPIRED'))
);
alter table ended_membership drop constraint if exists ended_membership_account_fkey;
alter table ended_membership add constraint ended_membership_account_fkey foreign key (account_id) references account;
alter table ended_membership drop constraint if exists ended_membership_ended_by_fkey;
alter table ended_membership add constraint ended_membership_ended_by_fkey foreign key (ended_by) references account;
alter table ended_membership drop constraint if exists ended_membership_organization_fkey;
alter table ended_membership add constraint ended_membership_organization_fkey foreign key (organization_id) references organization on delete cascade;
alter table ended_membership drop constraint if exists ended_membership_space_fkey;
alter table ended_membership add constraint ended_membership_space_fkey foreign key (space_id) references space on delete cascade;
alter table ended_membership drop constraint if exists ended_membership_instance_fkey;
alter table ended_membership add constraint ended_membership_instance_fkey foreign key (instance_id) references instance on delete cascade;

-- For the lists of places, newest first, and for purges.
create index if not exists ended_membership_instance on ended_membership (instance_id, id) where instance_id is not null;
create index if not exists ended_membership_space on ended_membership (space_id, id) where space_id is not null;
create index if not exists ended_membership_organization on ended_membership (organization_id, id) where organization_id is not null;
-- For the end of the time in which they are kept, and for mergers of accounts.
create index if not exists ended_membership_ended_at on ended_membership (ended_at);
create index if not exists ended_membership_ended_by on ended_membership (ended_by) where ended_by is not null;
