-- +goose NO TRANSACTION
-- +goose Up

-- Spaces are deleted and restored, as instances are. Each statement is a transaction of its
-- own, so that nobody waits for more than one of them, and can be repeated, as in
-- migration 24.
alter table space
    add column if not exists deleted_at       timestamptz,
    add column if not exists deleted_by       uuid,
    add column if not exists restorable_until timestamptz;
alter table space drop constraint if exists space_deleted_by_fkey;
alter table space add constraint space_deleted_by_fkey foreign key (deleted_by) references account not valid;
alter table space drop constraint if exists space_deletion;
alter table space add constraint space_deletion check (
    (deleted_at is null) = (restorable_until is null) and (deleted_at is null) = (deleted_by is null)) not valid;
alter table space validate constraint space_deleted_by_fkey;
alter table space validate constraint space_deletion;

-- Deleted spaces are few: those of an account, those to be purged, and those of an
-- organization in the order of its list.
drop index concurrently if exists space_deleted_by;
create index concurrently space_deleted_by on space (deleted_by) where deleted_by is not null;
drop index concurrently if exists space_purge;
create index concurrently space_purge on space (restorable_until) where restorable_until is not null;
drop index concurrently if exists space_deleted;
create index concurrently space_deleted on space (organization_id, id) where deleted_at is not null;

-- Gateways of the last release do not know that a space is deleted. They show it as before,
-- and their people can still leave it, and be removed. The triggers below stop them from
-- what would reach other people or undo the deletion in part: invitations are not made,
-- renewed or accepted, and instances are not created, deleted or restored. Such a gateway
-- answers UNAVAILABLE, because of the error code: the request can be repeated, and a
-- newer gateway says why it is refused. Newer gateways decide before.
-- +goose StatementBegin
create or replace function space_is_deleted(of_space uuid, of_instance uuid) returns boolean language sql stable as $$
    select exists (
        select from space s
        where s.id = coalesce(of_space, (select i.space_id from instance i where i.id = of_instance)) and s.deleted_at is not null)
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function instance_in_deleted_space() returns trigger language plpgsql as $$
begin
    if space_is_deleted(new.space_id, null) then
        raise exception 'the space % is deleted', new.space_id using errcode = 'lock_not_available', constraint = 'space_deleted';
    end if;
    return new;
end $$;
-- +goose StatementEnd
drop trigger if exists instance_in_deleted_space on instance;
create trigger instance_in_deleted_space before insert or update of deleted_at on instance
    for each row execute function instance_in_deleted_space();

-- +goose StatementBegin
create or replace function invitation_in_deleted_space() returns trigger language plpgsql as $$
begin
    if space_is_deleted(new.space_id, new.instance_id) then
        raise exception 'the space of the invitation % is deleted', new.id using errcode = 'lock_not_available', constraint = 'space_deleted';
    end if;
    return new;
end $$;
-- +goose StatementEnd
drop trigger if exists invitation_in_deleted_space on invitation;
create trigger invitation_in_deleted_space before update of status, token_hash, role on invitation
    for each row when (old.status <> new.status and new.status = 'ACCEPTED' or old.token_hash <> new.token_hash or old.role is distinct from new.role)
    execute function invitation_in_deleted_space();

-- As before, and refuses new invitations to deleted spaces: once for each place, not for
-- each of a thousand invitations.
-- +goose StatementBegin
create or replace function invitation_created() returns trigger language plpgsql as $$
begin
    if exists (
        select from (select instance_id, space_id from new_rows where organization_id is null group by instance_id, space_id) n
        where space_is_deleted(n.space_id, n.instance_id))
    then
        raise exception 'the space of the invitations is deleted' using errcode = 'lock_not_available', constraint = 'space_deleted';
    end if;
    insert into event (topic, place_id, change, subjects)
    select 'INVITATION', coalesce(instance_id, space_id, organization_id), 'CREATED', array_agg(id order by id)
    from new_rows group by coalesce(instance_id, space_id, organization_id);
    return null;
end $$;
-- +goose StatementEnd

-- As in migration 28, and does nothing in a deleted space. It keeps its name, so that
-- gateways of the last release invite nobody there either.
-- +goose StatementBegin
create or replace function invite_new_2(
    actor_id uuid, actor_name text,
    key text, request_hash bytea, response json, -- null: without a key
    -- The place: an instance, or a space without one, and what it is expected to be.
    in_instance uuid, in_space uuid, instance_name text, instance_kind text, space_name text, organization_name text,
    role text, message text, ttl interval, -- of the invitations
    ids uuid[], emails text[], email_keys text[], refusal_hashes bytea[],
    mail_kind text, mail_ids uuid[], secrets text[], -- the secrets are base64url
    mail_lease interval, -- how long the mails are the calling gateway's, as if it had claimed them; null: they are due
    action text, details jsonb, -- of the trail
    limit_names text[], limit_subjects uuid[], limit_counts int[], limits text[], maxima int[], shared_limits text[],
    out created_at timestamptz, out expires_at timestamptz
) language plpgsql as $$
#variable_conflict use_variable
begin
    if key is not null then
        insert into idempotency_key as k (account_id, key, request_hash, response) values (actor_id, key, request_hash, response)
        on conflict on constraint idempotency_key_pkey do update
        set request_hash = excluded.request_hash, response = excluded.response, created_at = clock_timestamp()
        where k.created_at <= clock_timestamp() - interval '24 hours';
        if not found then
            return;
        end if;
    end if;

    if in_instance is null then
        perform from space s where s.id = in_space for share;
    else
        perform from instance i where i.id = in_instance and i.space_id = in_space
            and i.name = instance_name and i.kind = instance_kind and i.deleted_at is null for share;
    end if;
    if found then
        perform from space_administrator a where a.space_id = in_space and a.account_id = actor_id for share;
    end if;
    if found then
        perform from space s join organization o on o.id = s.organization_id
        where s.id = in_space and s.deleted_at is null and s.name = space_name and o.name = organization_name
        and not exists (
            select from unnest(email_keys) as e (email_key)
            cross join lateral (select h.account_id from address_holder h where h.email_key = e.email_key limit 1) h
            where (select m.account_id from instance_member m where m.instance_id = in_instance and m.account_id = h.account_id) is not null
               or (select a.account_id from space_administrator a where a.space_id = in_space and a.account_id = h.account_id) is not null)
        and not exists (select from invitation_refusal r where r.address_hash = any (refusal_hashes))
        and case when in_instance is null
            then not exists (
                select from unnest(email_keys) as e (email_key)
                cross join lateral (select from invitation v where v.space_id = in_space and v.email_key = e.email_key and v.status = 'PENDING' limit 1) v)
            else not exists (
                select from unnest(email_keys) as e (email_key)
                cross join lateral (select from invitation v where v.instance_id = in_instance and v.email_key = e.email_key and v.status = 'PENDING' limit 1) v) end
        -- The limits of the person and the space, which come first: who has used them up
        -- writes nothing.
        and not exists (select from rate_limit_check_1(limit_names[1:2], limit_subjects[1:2], limit_counts[1:2], limits, maxima));
    end if;
    if not found then
        delete from idempotency_key k where k.account_id = actor_id and k.key = key;
        return;
    end if;

    created_at := clock_timestamp();
    expires_at := created_at + ttl;
    insert into invitation (id, instance_id, space_id, email, email_key, role, token_hash, message, invited_by, created_at, expires_at)
    select c.id, in_instance, case when in_instance is null then in_space end, c.email, c.email_key, role, sha256(c.secret::bytea), message, actor_id, created_at, expires_at
    from unnest(ids, emails, email_keys, secrets) as c (id, email, email_key, secret)
    order by c.email_key;
    insert into outbox (id, kind, subject_id, instance_id, secret, attempts, lease, next_attempt_at)
    select m.id, mail_kind, m.subject_id, in_instance, m.secret,
           (mail_lease is not null)::int, case when mail_lease is not null then m.id end, clock_timestamp() + coalesce(mail_lease, interval '0')
    from unnest(mail_ids, ids, secrets) as m (id, subject_id, secret);
    insert into audit_log (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)
    values (action, actor_id, actor_name, in_space, space_name, in_instance, instance_name, details);
    -- Counters that are not charged often have no credit that is worth a look, and are
    -- charged at once. Where that exceeds a limit, rate_limit_take_2 decides in another transaction.
    if exists (
        select from unnest(limit_names, limit_subjects, limit_counts) as c (name, subject, n)
        cross join lateral (select r.ns from rate_limit r where r.name = c.name and r.subject = c.subject limit 1) r
        where c.name = any (shared_limits) and r.ns[cardinality(r.ns)] > 16 * c.n)
    then
        perform from rate_limit_take_2(limit_names, limit_subjects, limit_counts, limits, maxima, shared_limits);
    else
        perform from rate_limit_charge_1(limit_names, limit_subjects, limit_counts, limits, maxima, '{}');
    end if;
    if found then
        raise serialization_failure using message = 'a limit is exceeded';
    end if;
end $$;
-- +goose StatementEnd

-- As in migration 14, and a space can lose its last administrator when nobody can restore it
-- any more: it is about to be purged.
-- +goose StatementBegin
create or replace function space_administrator_last() returns trigger language plpgsql as $$
begin
    -- A transaction that removes another one at the same time waits, and then sees this
    -- one gone.
    perform from space where id = old.space_id for no key update;
    if not exists (select from space_administrator where space_id = old.space_id)
       and current_setting('datahub.erasure', true) is distinct from 'FORCED'
       and not exists (select from space where id = old.space_id and restorable_until <= statement_timestamp()) then
        raise exception 'space % would have no administrator', old.space_id
            using errcode = 'check_violation', constraint = 'space_administrator_last';
    end if;
    return null;
end $$;
-- +goose StatementEnd

-- Deletes a space that nobody can restore any more, when everything in it is deleted, and
-- returns whether it did. Gateways may execute it; they have no right to delete others.
-- +goose StatementBegin
create or replace function space_delete_expired(of_space uuid) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from space where id = of_space and restorable_until <= statement_timestamp() for update;
    if not found then
        return false;
    end if;
    delete from space_administrator where space_id = of_space;
    delete from space where id = of_space;
    return true;
end $$;
-- +goose StatementEnd
revoke execute on function space_delete_expired(uuid) from public;
