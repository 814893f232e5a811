-- +goose NO TRANSACTION
-- +goose Up

-- The indexes with the status replace these, which would be read instead of them by plans
-- that are made while the table is empty. Gateways of the last release find the same, but
-- read all requests of a person or a space for a page of any status.
--
-- Every statement can be repeated, as in migration 24. It is a migration of its own: one
-- that is repeated does not begin again with the new indexes.
drop index concurrently if exists request_space;
drop index concurrently if exists request_requested_by;
drop index concurrently if exists request_open_in_space;
drop index concurrently if exists request_instance;
drop index concurrently if exists request_open_restore;
