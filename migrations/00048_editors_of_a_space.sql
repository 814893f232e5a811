-- +goose NO TRANSACTION
-- +goose Up

-- The editors in a space, who could be appointed its administrators: spaces have many more
-- viewers. Beside writers, and can be repeated, as in migration 24.
drop index concurrently if exists instance_member_editor;
create index concurrently instance_member_editor on instance_member (space_id, account_id) where role = 'EDITOR';
