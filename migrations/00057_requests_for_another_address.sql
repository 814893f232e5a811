-- +goose NO TRANSACTION
-- +goose Up

-- Somebody who was invited at another address than that of their account asks for the
-- invitation to be sent to this one: emails has both, the invited one first. Every statement
-- can be repeated, as in migration 24. All rows of before satisfy the wider constraints;
-- validating excludes neither readers nor writers.
alter table request add column if not exists invitation_id uuid;
alter table request drop constraint if exists request_invitation_fkey;
alter table request add constraint request_invitation_fkey foreign key (invitation_id) references invitation on delete set null not valid;
drop index concurrently if exists request_invitation;
create index concurrently request_invitation on request (invitation_id) where invitation_id is not null;
alter table request validate constraint request_invitation_fkey;

alter table request drop constraint if exists request_kind_1;
alter table request add constraint request_kind_1 check (kind in ('ROLE', 'INVITATIONS', 'RESTORE', 'ADDRESS')) not valid;
alter table request validate constraint request_kind_1;
alter table request drop constraint if exists request_kind;
alter table request drop constraint if exists request_of_kind_3;
alter table request add constraint request_of_kind_3 check (
    case kind
        when 'ROLE' then role is not null and emails is null and case
            when role in ('ORGANIZATION_MANAGER', 'ORGANIZATION_FACULTY') then organization_id is not null
            when role = 'ORGANIZATION_MEMBER' then false -- which allows nothing to ask for
            when role = 'SPACE_ADMINISTRATOR' then space_id is not null and instance_id is null
            else instance_id is not null end
        when 'INVITATIONS' then role in ('INSTANCE_EDITOR', 'INSTANCE_VIEWER') and emails is not null and instance_id is not null
        when 'ADDRESS' then role is null and emails is not null and cardinality(emails) = 2 and space_id is not null
        else role is null and emails is null and space_id is not null
    end) not valid;
alter table request validate constraint request_of_kind_3;
alter table request drop constraint if exists request_of_kind_2;
alter table request drop constraint if exists request_approved_1;
alter table request add constraint request_approved_1 check (
    approved is null or kind in ('INVITATIONS', 'ADDRESS') and status = 'APPROVED' and approved <@ emails) not valid;
alter table request validate constraint request_approved_1;
alter table request drop constraint if exists request_approved;

-- Gateways of the last release would approve such a request without doing anything. They
-- answer UNAVAILABLE, because of the error code: see migration 37.
-- +goose StatementBegin
create or replace function request_address_approved() returns trigger language plpgsql as $$
begin
    raise exception 'the request % is about an address', new.id using errcode = 'lock_not_available', constraint = 'request_address_approved';
end $$;
-- +goose StatementEnd
drop trigger if exists request_address_approved on request;
create trigger request_address_approved before update of status on request
    for each row when (new.kind = 'ADDRESS' and new.status = 'APPROVED' and new.approved is null)
    execute function request_address_approved();

-- Open requests about an invitation end with it, whoever ends it: a gateway writes down
-- that they have expired.
-- +goose StatementBegin
create or replace function invitation_requests_end() returns trigger language plpgsql as $$
declare
    ended constant timestamptz := clock_timestamp(); -- one time: see "shortened" in internal/request/rows.go
begin
    update request set expires_at = ended, lasts_until = ended
    where invitation_id = new.id and status = 'OPEN' and expires_at > ended;
    return null;
end $$;
-- +goose StatementEnd
drop trigger if exists invitation_requests_end on invitation;
create trigger invitation_requests_end after update of status on invitation
    for each row when (old.status = 'PENDING' and new.status <> 'PENDING')
    execute function invitation_requests_end();

-- As before; everybody who may invite administrators of a space answers requests about such an
-- invitation, managers included: the space may have no administrator.
-- +goose StatementBegin
create or replace function request_answerers_2(kind text, space_id uuid, instance_id uuid, organization_id uuid) returns table (account_id uuid)
    language sql stable parallel safe as $$
    select sa.account_id from space_administrator sa where sa.space_id = $2
    union
    select im.account_id from instance_member im where $1 = 'RESTORE' and im.instance_id = $3 and im.role = 'EDITOR'
    union
    select om.account_id from space s join organization_member om on om.organization_id = s.organization_id
    where $1 in ('RESTORE', 'ADDRESS') and $3 is null and s.id = $2 and om.role = 'MANAGER'
    union
    select om.account_id from organization_member om where om.organization_id = $4 and om.role = 'MANAGER'
$$;
-- +goose StatementEnd
