-- +goose NO TRANSACTION
-- +goose Up

-- Lists and counts of the invitations of a place that are pending, or that have expired,
-- without a look at the others: an invitation is marked when it has expired. Gateways do
-- it every minute; until then it is found by the time of its end.
--
-- Inviting costs no more: each index that it writes to is replaced by one. Gateways of
-- the last release find the same without them, but read all invitations of a place for a
-- page, and all pending ones for those that have just expired.
--
-- Every statement can be repeated, as in migration 24.
alter table invitation add column if not exists expired boolean not null default false;

-- +goose StatementBegin
create or replace function invitation_renewed() returns trigger language plpgsql as $$
begin
    new.expired := false;
    return new;
end $$;
-- +goose StatementEnd
drop trigger if exists invitation_renewed on invitation;
create trigger invitation_renewed before update of expires_at on invitation
    for each row when (old.expired and old.expires_at <> new.expires_at) execute function invitation_renewed();

-- Replaces invitation_expiry.
drop index concurrently if exists invitation_pending_expiry;
create index concurrently invitation_pending_expiry on invitation (expired, expires_at) where status = 'PENDING';

-- +goose StatementBegin
do $$
declare
    marked bigint;
begin
    loop
        update invitation set expired = true where id in (
            select id from invitation where status = 'PENDING' and not expired and expires_at <= statement_timestamp()
            order by expires_at limit 5000 for no key update skip locked);
        get diagnostics marked = row_count;
        exit when marked = 0;
        commit;
    end loop;
end $$;
-- +goose StatementEnd

-- Each has the invitations of a place in three parts: 0 are those that have ended, 1 those
-- that are pending, 2 those that are marked. They replace invitation_instance and
-- invitation_space.
drop index concurrently if exists invitation_instance_part;
create index concurrently invitation_instance_part on invitation
    (instance_id, (case when status <> 'PENDING' then 0 when expired then 2 else 1 end), id) where instance_id is not null;
drop index concurrently if exists invitation_space_part;
create index concurrently invitation_space_part on invitation
    (space_id, (case when status <> 'PENDING' then 0 when expired then 2 else 1 end), id) where space_id is not null;

drop index concurrently if exists invitation_expiry;
drop index concurrently if exists invitation_instance;
drop index concurrently if exists invitation_space;

-- For the mails of an instance in one state, without a look at those that were sent. It
-- replaces outbox_instance.
drop index concurrently if exists outbox_instance_state;
create index concurrently outbox_instance_state on outbox (instance_id, state) where instance_id is not null;
drop index concurrently if exists outbox_instance;

-- For the spaces of an organization in the order of their lists.
drop index concurrently if exists space_organization_id;
create index concurrently space_organization_id on space (organization_id, id);
