-- +goose NO TRANSACTION
-- +goose Up

-- Every statement can be repeated, as in migration 24.

-- For lists and counts of the invitations of a place by how they ended. Invitations that
-- are pending are not in it: inviting costs nothing more.
drop index concurrently if exists invitation_instance_status;
create index concurrently invitation_instance_status on invitation (instance_id, status, id) where status <> 'PENDING';
drop index concurrently if exists invitation_space_status;
create index concurrently invitation_space_status on invitation (space_id, status, id) where status <> 'PENDING' and space_id is not null;

-- For the backlog: few mails are held, those of deleted instances.
drop index concurrently if exists outbox_held;
create index concurrently outbox_held on outbox (instance_id) where state = 'HELD';
