-- +goose NO TRANSACTION
-- +goose Up

-- Each statement is a transaction of its own, and can be repeated.

-- The name that a person's own instance has in a roster, and the address of the person: two
-- hashes with a key (packages instance and keyedhash). A roster that is sent again finds the
-- instance by both, also where somebody has another name by then. Null for all others, and
-- for those that older gateways create.
alter table instance add column if not exists own_pattern bytea;
alter table instance add column if not exists own_person bytea;

-- For the erasure of a person.
drop index concurrently if exists instance_own_person;
create index concurrently instance_own_person on instance (own_person) where own_person is not null;

-- For rosters, which leave alone who declined an invitation to the instance. The last answer
-- counts, so that there are the accepted ones, too.
drop index concurrently if exists invitation_answered;
create index concurrently invitation_answered on invitation (email_key, instance_id) where status in ('ACCEPTED', 'DECLINED') and instance_id is not null;
