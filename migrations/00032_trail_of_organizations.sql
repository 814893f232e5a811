-- +goose NO TRANSACTION
-- +goose Up

-- Each statement is a transaction of its own, so that none waits for one table while it
-- locks another one, and can be repeated.

-- What is done in an organization itself is recorded without a space. Gateways of the
-- last release read the trail of spaces only. The constraint is valid for all rows of
-- before, which have a space; validating it would read them all while others wait.
alter table audit_log
    alter column space_id drop not null,
    alter column space_name drop not null,
    add column if not exists organization_id   uuid,
    add column if not exists organization_name text,
    drop constraint if exists audit_log_place,
    add constraint audit_log_place check (
        (space_id is null) = (space_name is null) and (organization_id is null) = (organization_name is null)
        and num_nonnulls(space_id, organization_id) > 0) not valid;

-- When the person got their first role in the organization. Rows of before get the
-- latest time at which they can have been written first: the organization and the
-- account were there. Only operators have written such rows, so there are few.
alter table organization_member add column if not exists since timestamptz;
alter table organization_member alter column since set default clock_timestamp();
update organization_member m set since = greatest(o.created_at, a.created_at)
from organization o, account a where o.id = m.organization_id and a.id = m.account_id and m.since is null;
alter table organization_member alter column since set not null;
