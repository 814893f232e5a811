-- +goose Up

-- Decides whether a counter of rate_limit exceeds its limit: whether more than max of its
-- uses still count. It returns a row if so, with the seconds until no more than max
-- count; null where that never comes. ns has what is charged, too. A use that is not
-- charged yet, but asked about, is in ns with infinity in untils.
--
-- It is declared stable so that PostgreSQL replaces a call by the query. A snapshot has
-- no part in it: clock_timestamp is the time of the call.
-- +goose StatementBegin
create function rate_limit_excess_1(untils timestamptz[], ns int[], max int) returns table (seconds float8)
language sql stable parallel safe as $$
    select (
        select extract(epoch from min(m.until) - clock_timestamp())::float8
        from (select m.until, sum(m.n) over (order by m.until desc) - m.n as rest from unnest(untils, ns) as m (until, n)) m
        where m.until > clock_timestamp() and m.until < 'infinity' and m.rest <= max)
    where case when cardinality(ns) = 1 then ns[1] -- the charge itself, as for most mailboxes
          else (select sum(m.n) from unnest(untils, ns) as m (until, n) where m.until > clock_timestamp()) end > max
$$;
-- +goose StatementEnd

-- rate_limit_take_1 with the rule of rate_limit_excess_1.
-- +goose StatementBegin
create function rate_limit_take_2(names text[], subjects uuid[], counts int[], limits text[], maxima int[])
returns table (name text, subject uuid, seconds float8) language plpgsql as $$
#variable_conflict use_column
begin
    return query
    with used as (
        insert into rate_limit as r (name, subject, untils, ns, until)
        select c.name, c.subject, array[c.until], array[c.n], c.until
        from (select *, date_trunc('minute', clock_timestamp()) + interval '61 minutes' as until
              from unnest(names, subjects, counts) as c (name, subject, n)) c
        order by c.name, c.subject
        on conflict on constraint rate_limit_pkey do update
        set (untils, ns, until) = (
            select array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
            from (select m.until, sum(m.n)::int as n
                  from (select * from unnest(r.untils, r.ns) union all select date_trunc('minute', clock_timestamp()) + interval '61 minutes', excluded.ns[1]) m (until, n)
                  where m.until > clock_timestamp() group by m.until) m)
        returning name, subject, untils, ns
    )
    select u.name, u.subject, e.seconds
    from used u join unnest(limits, maxima) as l (name, max) on l.name = u.name, rate_limit_excess_1(u.untils, u.ns, l.max) e;
end $$;
-- +goose StatementEnd

-- invite_new_1 with the functions above, and with mails that need no claim: see there.
-- +goose StatementBegin
create function invite_new_2(
    actor_id uuid, actor_name text,
    key text, request_hash bytea, response json, -- null: without a key
    -- The place: an instance, or a space without one, and what it is expected to be.
    in_instance uuid, in_space uuid, instance_name text, instance_kind text, space_name text, organization_name text,
    role text, message text, ttl interval, -- of the invitations
    ids uuid[], emails text[], email_keys text[], refusal_hashes bytea[],
    mail_kind text, mail_ids uuid[], secrets text[], -- the secrets are base64url
    mail_lease interval, -- how long the mails are the calling gateway's, as if it had claimed them; null: they are due
    action text, details jsonb, -- of the trail
    limit_names text[], limit_subjects uuid[], limit_counts int[], limits text[], maxima int[],
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
        where s.id = in_space and s.name = space_name and o.name = organization_name
        and not exists (
            select from address_holder h
            left join instance_member m on m.instance_id = in_instance and m.account_id = h.account_id
            left join space_administrator a on a.space_id = in_space and a.account_id = h.account_id
            where h.email_key = any (email_keys) and (m.role is not null or a.account_id is not null))
        and not exists (select from invitation_refusal r where r.address_hash = any (refusal_hashes))
        and case when in_instance is null
            then not exists (select from invitation v where v.space_id = in_space and v.email_key = any (email_keys) and v.status = 'PENDING')
            else not exists (select from invitation v where v.instance_id = in_instance and v.email_key = any (email_keys) and v.status = 'PENDING') end
        -- The limits of the person and the space, which come first: who has used them up
        -- writes nothing.
        and not exists (
            select from unnest(limit_names[1:2], limit_subjects[1:2], limit_counts[1:2]) as c (name, subject, n)
            join unnest(limits, maxima) as l (name, max) on l.name = c.name
            join rate_limit r on r.name = c.name and r.subject = c.subject,
            rate_limit_excess_1(r.untils || timestamptz 'infinity', r.ns || c.n, l.max));
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
    perform from rate_limit_take_2(limit_names, limit_subjects, limit_counts, limits, maxima);
    if found then
        raise serialization_failure using message = 'a limit is exceeded';
    end if;
end $$;
-- +goose StatementEnd
