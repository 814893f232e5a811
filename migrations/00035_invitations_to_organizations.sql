-- +goose Up

-- An invitation leads to an instance, in a role; to a space, as one of its
-- administrators; or to an organization, in a role. Gateways of the last release do not
-- see the invitations to organizations, and leave their mails alone, which have a kind of
-- their own in the outbox.
--
-- The constraints are valid for all rows of before, which satisfied stricter ones.
-- Validating them would read them all while others wait; migration 36 does so.
alter table invitation
    add column organization_id uuid,
    add constraint invitation_organization_fkey foreign key (organization_id) references organization not valid,
    drop constraint invitation_place,
    add constraint invitation_place check (num_nonnulls(instance_id, space_id, organization_id) = 1) not valid,
    drop constraint invitation_role_in_instance,
    drop constraint invitation_role,
    add constraint invitation_role check (case
        when instance_id is not null then coalesce(role in ('EDITOR', 'VIEWER'), false)
        when organization_id is not null then coalesce(role in ('MANAGER', 'FACULTY', 'MEMBER'), false)
        else role is null end) not valid;

-- As before, with invitations to organizations.
-- +goose StatementBegin
create or replace function invitation_created() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    select 'INVITATION', coalesce(instance_id, space_id, organization_id), 'CREATED', array_agg(id order by id)
    from new_rows group by coalesce(instance_id, space_id, organization_id);
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function invitation_changed() returns trigger language plpgsql set enable_nestloop = off as $$
begin
    insert into event (topic, place_id, change, subjects)
    select 'INVITATION', c.place_id, c.change, array_agg(c.id order by c.id)
    from (select n.id, coalesce(n.instance_id, n.space_id, n.organization_id) as place_id,
                 case when n.status <> o.status then n.status
                      when n.token_hash <> o.token_hash then 'RENEWED'
                      when n.role is distinct from o.role then 'ROLE_CHANGED' end as change
          from new_rows n join old_rows o on o.id = n.id) c
    where c.change is not null
    group by c.place_id, c.change;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function invitation_delivered() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with o as materialized (
        select id, attempted_at from old_rows where kind in ('INVITATION', 'ORGANIZATION_INVITATION') and lease is not null
    ), n as materialized (
        select * from new_rows where kind in ('INVITATION', 'ORGANIZATION_INVITATION') and lease is null
    ), c as (
        select n.subject_id, n.id, n.created_at,
               case when n.state in ('SENT', 'FAILED', 'UNCERTAIN') then n.state
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
