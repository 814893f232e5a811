-- +goose NO TRANSACTION
-- +goose Up

-- A request is about an instance, a space or an organization: people who know of
-- an organization ask its managers for a role in it. Gateways of the last release do not see
-- these requests, because they join the space. They leave their mails alone, which have a
-- kind of their own in the outbox. What else they do not know is in docs/operations.md,
-- "Upgrading".
--
-- Every statement can be repeated, as in migration 24. All rows of before satisfy the
-- stricter constraints; validating excludes neither readers nor writers.
alter table request
    add column if not exists organization_id uuid,
    add column if not exists organization_name text, -- at the time, as of the space
    alter column space_id drop not null,
    alter column space_name drop not null;
alter table request drop constraint if exists request_organization_fkey;
alter table request add constraint request_organization_fkey foreign key (organization_id) references organization not valid;
alter table request validate constraint request_organization_fkey;

alter table request drop constraint if exists request_place;
alter table request add constraint request_place check (
    num_nonnulls(space_id, organization_id) = 1 and (instance_id is null or space_id is not null)) not valid;
alter table request validate constraint request_place;
alter table request drop constraint if exists request_place_name;
alter table request add constraint request_place_name check (
    (space_id is null) = (space_name is null) and (organization_id is null) = (organization_name is null)) not valid;
alter table request validate constraint request_place_name;

alter table request drop constraint if exists request_role_1;
alter table request add constraint request_role_1 check (
    role in ('ORGANIZATION_MANAGER', 'ORGANIZATION_FACULTY', 'ORGANIZATION_MEMBER', 'SPACE_ADMINISTRATOR', 'INSTANCE_EDITOR', 'INSTANCE_VIEWER')) not valid;
alter table request validate constraint request_role_1;
alter table request drop constraint if exists request_role;

alter table request drop constraint if exists request_of_kind_2;
alter table request add constraint request_of_kind_2 check (
    case kind
        when 'ROLE' then role is not null and emails is null and case
            when role in ('ORGANIZATION_MANAGER', 'ORGANIZATION_FACULTY') then organization_id is not null
            when role = 'ORGANIZATION_MEMBER' then false -- which allows nothing to ask for
            when role = 'SPACE_ADMINISTRATOR' then space_id is not null and instance_id is null
            else instance_id is not null end
        when 'INVITATIONS' then role in ('INSTANCE_EDITOR', 'INSTANCE_VIEWER') and emails is not null and instance_id is not null
        else role is null and emails is null and space_id is not null
    end) not valid;
alter table request validate constraint request_of_kind_2;
alter table request drop constraint if exists request_of_kind_1;

-- As request_open_key, which gateways of the last release name when they insert: it leaves
-- these requests out, because it has null for their place. People can ask for a higher role
-- while the request for another one is open.
drop index concurrently if exists request_open_in_organization_key;
create unique index concurrently request_open_in_organization_key on request (requested_by, kind, organization_id, role)
    where status = 'OPEN' and organization_id is not null;

-- For lists and counts of the requests in an organization, as for those in a space: see
-- migration 30.
drop index concurrently if exists request_organization_status;
create index concurrently request_organization_status on request (organization_id, status, id) where organization_id is not null;
drop index concurrently if exists request_open_expiry_in_organization;
create index concurrently request_open_expiry_in_organization on request (organization_id, expires_at)
    where status = 'OPEN' and organization_id is not null;

-- Which accounts can answer a request of a kind about a place. It replaces
-- request_answerers_1, which gateways of the last release still use.
-- +goose StatementBegin
create or replace function request_answerers_2(kind text, space_id uuid, instance_id uuid, organization_id uuid) returns table (account_id uuid)
    language sql stable parallel safe as $$
    select sa.account_id from space_administrator sa where sa.space_id = $2
    union
    select im.account_id from instance_member im where $1 = 'RESTORE' and im.instance_id = $3 and im.role = 'EDITOR'
    union
    select om.account_id from space s join organization_member om on om.organization_id = s.organization_id
    where $1 = 'RESTORE' and $3 is null and s.id = $2 and om.role = 'MANAGER'
    union
    select om.account_id from organization_member om where om.organization_id = $4 and om.role = 'MANAGER'
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function request_created() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with alike as materialized (
        select kind, space_id, instance_id, organization_id, array_agg(id) as ids
        from new_rows group by kind, space_id, instance_id, organization_id)
    select 'REQUEST', e.account_id, 'CREATED', array_agg(e.id order by e.id)
    from (select id, requested_by as account_id from new_rows
          union
          select r.id, a.account_id
          from alike cross join lateral request_answerers_2(alike.kind, alike.space_id, alike.instance_id, alike.organization_id) a
          cross join unnest(alike.ids) as r (id)) e
    group by e.account_id;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function request_changed() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with changed as materialized (
        select id, status, requested_by, kind, space_id, instance_id, organization_id from new_rows
        except
        select id, status, requested_by, kind, space_id, instance_id, organization_id from old_rows),
    alike as materialized (
        select kind, space_id, instance_id, organization_id, status, array_agg(id) as ids
        from changed group by kind, space_id, instance_id, organization_id, status)
    select 'REQUEST', e.account_id, e.status, array_agg(e.id order by e.id)
    from (select id, status, requested_by as account_id from changed
          union
          select r.id, alike.status, a.account_id
          from alike cross join lateral request_answerers_2(alike.kind, alike.space_id, alike.instance_id, alike.organization_id) a
          cross join unnest(alike.ids) as r (id)) e
    group by e.account_id, e.status;
    return null;
end $$;
-- +goose StatementEnd
