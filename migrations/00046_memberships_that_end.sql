-- +goose NO TRANSACTION
-- +goose Up

-- Memberships of instances can have an end, and invitations to instances carry it. A
-- membership gives no role from its end on: who reads roles compares it with the clock, and
-- a gateway ends the row within a minute or so. Gateways of the last release do not compare,
-- and forget the end of an invitation that is accepted with one of them. Each statement is a
-- transaction of its own and can be repeated, as in migration 24.
alter table instance_member
    add column if not exists until          timestamptz,
    -- The end of which both sides were reminded.
    add column if not exists reminded_until timestamptz;
alter table invitation add column if not exists until timestamptz;
alter table ended_membership add column if not exists until timestamptz;

-- Few memberships have an end.
drop index concurrently if exists instance_member_until;
create index concurrently instance_member_until on instance_member (until) where until is not null;
