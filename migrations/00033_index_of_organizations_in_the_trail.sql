-- +goose NO TRANSACTION
-- +goose Up

-- For the trail of an organization in its order. Records about spaces, which are most of
-- the trail, are not in it. Every statement can be repeated, as in migration 24.
drop index concurrently if exists audit_log_organization;
create index concurrently audit_log_organization on audit_log (organization_id, id) where organization_id is not null;
