-- +goose NO TRANSACTION
-- +goose Up

-- Whether the person has been invited to spaces or instances alone: a guest is not told
-- who belongs to the organization.
alter table organization_member add column if not exists guest boolean not null default false;

-- A person who accepts an invitation to a space or an instance becomes a member of its
-- organization. A trigger does it, because older gateways do not know it. The address is
-- locked: it stays with the account that accepts. A role that the person has stays.
-- +goose StatementBegin
create or replace function invitation_accepted() returns trigger language plpgsql as $$
begin
    insert into organization_member (organization_id, account_id, role, guest)
    select s.organization_id, h.account_id, 'MEMBER', true
    from space s, address_holder h
    where s.id = coalesce(new.space_id, (select i.space_id from instance i where i.id = new.instance_id)) and h.email_key = new.email_key
    on conflict (organization_id, account_id) do nothing;
    return null;
end $$;
-- +goose StatementEnd
drop trigger if exists invitation_accepted on invitation;
create trigger invitation_accepted after update of status on invitation
    for each row when (old.status <> new.status and new.status = 'ACCEPTED') execute function invitation_accepted();

-- An organization that has a manager cannot lose the last one, except where the operator
-- erases their account and says so.
-- +goose StatementBegin
create or replace function organization_manager_last() returns trigger language plpgsql as $$
begin
    -- A transaction that removes another one at the same time waits, and then sees
    -- this one gone.
    perform from organization where id = old.organization_id for no key update;
    if not exists (select from organization_member where organization_id = old.organization_id and role = 'MANAGER')
       and current_setting('datahub.erasure', true) is distinct from 'FORCED' then
        raise exception 'organization % would have no manager', old.organization_id
            using errcode = 'check_violation', constraint = 'organization_manager_last';
    end if;
    return null;
end $$;
-- +goose StatementEnd
drop trigger if exists organization_manager_deleted on organization_member;
create trigger organization_manager_deleted after delete on organization_member
    for each row when (old.role = 'MANAGER') execute function organization_manager_last();
drop trigger if exists organization_manager_lowered on organization_member;
create trigger organization_manager_lowered after update of role on organization_member
    for each row when (old.role = 'MANAGER' and new.role <> 'MANAGER') execute function organization_manager_last();

-- Next, invitations lead to organizations, too. Then invitation_resend.space_id is the
-- organization's id: when an address was last sent such an invitation again. The rows are
-- deleted after ten minutes. The key is dropped here, by itself, because that also locks
-- the spaces.
alter table invitation_resend drop constraint if exists invitation_resend_space_fkey;

-- People who have a role in a space since before. In batches, so that gateways wait for
-- one at most. Every statement can be repeated, as in migration 24.
-- +goose StatementBegin
do $$
declare
    done_space   uuid := '00000000-0000-0000-0000-000000000000';
    done_account uuid := '00000000-0000-0000-0000-000000000000';
begin
    loop
        with due as materialized (
            select space_id, account_id, since from space_administrator
            where (space_id, account_id) > (done_space, done_account)
            order by space_id, account_id limit 5000),
        joined as (
            insert into organization_member (organization_id, account_id, role, since, guest)
            select s.organization_id, d.account_id, 'MEMBER', min(d.since), true
            from due d join space s on s.id = d.space_id
            group by 1, 2 order by 1, 2
            on conflict (organization_id, account_id) do update set since = excluded.since
            where organization_member.guest and organization_member.since > excluded.since)
        select space_id, account_id into done_space, done_account from due
        order by space_id desc, account_id desc limit 1;
        exit when not found;
        commit;
    end loop;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    done_space   uuid := '00000000-0000-0000-0000-000000000000';
    done_account uuid := '00000000-0000-0000-0000-000000000000';
begin
    loop
        with due as materialized (
            select space_id, account_id, since from instance_member
            where (space_id, account_id) > (done_space, done_account)
            order by space_id, account_id limit 5000),
        joined as (
            insert into organization_member (organization_id, account_id, role, since, guest)
            select s.organization_id, d.account_id, 'MEMBER', min(d.since), true
            from due d join space s on s.id = d.space_id
            group by 1, 2 order by 1, 2
            on conflict (organization_id, account_id) do update set since = excluded.since
            where organization_member.guest and organization_member.since > excluded.since)
        select space_id, account_id into done_space, done_account from due
        order by space_id desc, account_id desc limit 1;
        exit when not found;
        commit;
    end loop;
end $$;
-- +goose StatementEnd

-- An account that was erased or merged while the batches ran has no roles.
delete from organization_member m using account a
where a.id = m.account_id and m.guest and (a.erased_at is not null or a.merged_into is not null);
