-- +goose NO TRANSACTION
-- +goose Up

-- A request to restore names a deleted instance or, without one, a deleted space. Every
-- statement can be repeated, as in migration 24. All rows of before satisfy the stricter
-- constraint; validating excludes neither readers nor writers.
alter table request drop constraint if exists request_of_kind_1;
alter table request add constraint request_of_kind_1 check (
    case kind
        when 'ROLE' then role is not null and emails is null and (instance_id is null) = (role = 'SPACE_ADMINISTRATOR')
        when 'INVITATIONS' then role in ('INSTANCE_EDITOR', 'INSTANCE_VIEWER') and emails is not null and instance_id is not null
        else role is null and emails is null
    end) not valid;
alter table request validate constraint request_of_kind_1;
alter table request drop constraint if exists request_of_kind;

-- Managers can restore a space, too: its administrators may be away for the 24 hours. The
-- function keeps its name: gateways of the last release send some of the mails, and would
-- drop those to people who cannot answer. They refuse managers who want to answer, and fail
-- to approve such a request; the next gateway does it.
-- +goose StatementBegin
create or replace function request_answerers_1(kind text, space_id uuid, instance_id uuid) returns table (account_id uuid)
    language sql stable parallel safe as $$
    select sa.account_id from space_administrator sa where sa.space_id = $2
    union
    select im.account_id from instance_member im where $1 = 'RESTORE' and im.instance_id = $3 and im.role = 'EDITOR'
    union
    select om.account_id from space s join organization_member om on om.organization_id = s.organization_id
    where $1 = 'RESTORE' and $3 is null and s.id = $2 and om.role = 'MANAGER'
$$;
-- +goose StatementEnd
