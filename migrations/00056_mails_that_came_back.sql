-- +goose NO TRANSACTION
-- +goose Up

-- Mails that came back. Every statement can be repeated, as in migration 24.

-- When a mail server reported that it could not deliver the mail, and what it said.
alter table outbox
    add column if not exists bounced_at   timestamptz,
    add column if not exists bounce_reply text;
alter table outbox drop constraint if exists outbox_bounce_reply_length;
alter table outbox add constraint outbox_bounce_reply_length check (char_length(bounce_reply) <= 500) not valid;
alter table outbox validate constraint outbox_bounce_reply_length;

-- Addresses that do not exist, as mails of an organization to them have shown, by a hash
-- with a key (the table hash_key): the table does not tell who they are.
create table if not exists bounced_address (
    organization_id uuid        not null constraint bounced_address_organization_fkey references organization on delete cascade,
    address_hash    bytea       not null constraint bounced_address_hash_length check (octet_length(address_hash) = 32),
    at              timestamptz not null default clock_timestamp(),
    constraint bounced_address_pkey primary key (address_hash, organization_id)
);
create index if not exists bounced_address_at on bounced_address (at);
create index if not exists bounced_address_organization on bounced_address (organization_id);

-- As before, with mails that came back, and those that are not sent because an earlier one
-- did.
-- +goose StatementBegin
create or replace function invitation_delivered() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with o as materialized (
        select id, attempted_at, lease, bounced_at from old_rows where kind in ('INVITATION', 'ORGANIZATION_INVITATION')
    ), n as materialized (
        select * from new_rows where kind in ('INVITATION', 'ORGANIZATION_INVITATION') and lease is null
    ), c as (
        select n.subject_id, n.id, n.created_at,
               case when n.bounced_at is not null and o.bounced_at is null then 'BOUNCED'
                    when o.lease is null then null
                    when n.state in ('SENT', 'FAILED', 'UNCERTAIN') then n.state
                    when n.state = 'DROPPED' and n.problem = 'BOUNCED_BEFORE' then 'BOUNCED'
                    when n.state in ('QUEUED', 'HELD') and n.attempted_at is distinct from o.attempted_at
                    then case when n.uncertain > 0 then 'UNCERTAIN' else 'DELAYED' end end as change
        from o join n on n.id = o.id
    )
    select 'INVITATION', coalesce(v.instance_id, v.space_id, v.organization_id), c.change, array_agg(v.id order by v.id)
    from c join invitation v on v.id = c.subject_id
    where c.change is not null
      and not exists (select from outbox l where l.subject_id = c.subject_id and (l.created_at, l.id) > (c.created_at, c.id))
    group by coalesce(v.instance_id, v.space_id, v.organization_id), c.change;
    return null;
end $$;
-- +goose StatementEnd
