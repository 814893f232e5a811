-- +goose NO TRANSACTION
-- +goose Up

-- Every statement can be repeated, as in migration 24. Validating excludes neither readers
-- nor writers.
alter table invitation validate constraint invitation_organization_fkey;
alter table invitation validate constraint invitation_place;
alter table invitation validate constraint invitation_role;
alter table audit_log validate constraint audit_log_place;

-- An address has one pending invitation to an organization.
drop index concurrently if exists invitation_pending_member_key;
create unique index concurrently invitation_pending_member_key on invitation (email_key, organization_id)
    where status = 'PENDING' and organization_id is not null;

-- For lists and counts of the invitations to an organization, as for those to a space:
-- see migrations 25 and 27.
drop index concurrently if exists invitation_organization_status;
create index concurrently invitation_organization_status on invitation (organization_id, status, id)
    where status <> 'PENDING' and organization_id is not null;
drop index concurrently if exists invitation_organization_part;
create index concurrently invitation_organization_part on invitation
    (organization_id, (case when status <> 'PENDING' then 0 when expired then 2 else 1 end), id) where organization_id is not null;

-- For the staff of an organization, who are few beside its members.
drop index concurrently if exists organization_member_staff;
create index concurrently organization_member_staff on organization_member (organization_id, role, account_id) where role <> 'MEMBER';
