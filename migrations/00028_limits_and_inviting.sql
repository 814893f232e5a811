-- +goose Up

-- Uses that were taken from a counter of rate_limit in advance. They are in its ns, in the
-- minute until; n of them are not used yet. Whoever uses some locks a row of this table
-- until the commit, and not the counter, which is the same row for everybody. Rows are
-- made and deleted only by transactions that have locked the counter.
create table rate_limit_credit (
    name    text        not null,
    subject uuid        not null,
    id      uuid        not null default gen_random_uuid(),
    until   timestamptz not null,
    n       int         not null constraint rate_limit_credit_n check (n >= 0),
    max     int         not null, -- the limit that allowed it
    constraint rate_limit_credit_pkey primary key (name, subject, id)
) with (fillfactor = 50);

-- Decides whether a counter of rate_limit exceeds its limit: whether more than max of its
-- uses still count. It returns a row if so, with the seconds until no more than max
-- count; null where that never comes. ns has what is charged, too. A use that is not
-- charged yet, but asked about, is in ns with infinity in untils, and credit is with a
-- negative number.
--
-- It is declared stable so that PostgreSQL replaces a call by the query. A snapshot has
-- no part in it: clock_timestamp is the time of the call.
-- +goose StatementBegin
create function rate_limit_excess_1(untils timestamptz[], ns int[], max int) returns table (seconds float8)
language sql stable parallel safe as $$
    select (
        select extract(epoch from min(m.until) - clock_timestamp())::float8
        from (select m.until, sum(sum(m.n)) over (order by m.until desc) - sum(m.n) as rest
              from unnest(untils, ns) as m (until, n) group by m.until) m
        where m.until > clock_timestamp() and m.until < 'infinity' and m.rest <= max)
    where case when cardinality(ns) = 1 then ns[1] -- the charge itself, as for most mailboxes
          else (select sum(m.n) from unnest(untils, ns) as m (until, n) where m.until > clock_timestamp()) end > max
$$;
-- +goose StatementEnd

-- Returns what would exceed its limit if it were charged: see ratelimit.Check.
-- +goose StatementBegin
create function rate_limit_check_1(names text[], subjects uuid[], counts int[], limits text[], maxima int[])
returns table (name text, subject uuid, seconds float8) language sql stable as $$
    select c.name, c.subject, e.seconds
    from unnest(names, subjects, counts) as c (name, subject, n)
    join unnest(limits, maxima) as l (name, max) on l.name = c.name
    left join lateral (select r.untils, r.ns from rate_limit r where r.name = c.name and r.subject = c.subject limit 1) r on true
    cross join lateral (
        select array_agg(k.until) as untils, array_agg(-k.n) as ns
        from rate_limit_credit k where k.name = c.name and k.subject = c.subject) k,
    rate_limit_excess_1(r.untils || k.untils || timestamptz 'infinity', r.ns || k.ns || c.n, l.max) e
$$;
-- +goose StatementEnd

-- Adds numbers, also negative ones, to the minutes of a counter that the transaction has
-- locked.
-- +goose StatementBegin
create function rate_limit_add_1(of_name text, of_subject uuid, more_untils timestamptz[], more_ns int[], out untils timestamptz[], out ns int[])
language plpgsql as $$
#variable_conflict use_column
begin
    update rate_limit r
    set (untils, ns, until) = (
        select array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
        from (select m.until, sum(m.n)::int as n
              from (select * from unnest(r.untils, r.ns) union all select * from unnest(more_untils, more_ns)) m (until, n)
              where m.until > clock_timestamp() group by m.until having sum(m.n) > 0) m)
    where r.name = of_name and r.subject = of_subject
    returning r.untils, r.ns into rate_limit_add_1.untils, rate_limit_add_1.ns;
end $$;
-- +goose StatementEnd

-- Decides about a counter of a limit that many share, which the transaction has locked
-- and charged n. Where it exceeds its limit, all credit is taken back first, also that
-- which others are using: it waits for them. Where it is charged often, this takes credit
-- for others, a small part of what the limit still allows.
-- +goose StatementBegin
create function rate_limit_settle_1(of_name text, of_subject uuid, charged int, of_max int, untils timestamptz[], ns int[])
returns table (seconds float8) language plpgsql as $$
#variable_conflict use_variable
declare
    back_untils timestamptz[];
    back_ns     int[];
    minute      timestamptz := untils[cardinality(untils)];
    credit      bigint;
begin
    if exists (select from rate_limit_excess_1(untils, ns, of_max)) then
        with back as (delete from rate_limit_credit k where k.name = of_name and k.subject = of_subject returning k.until, -k.n as n)
        select array_agg(b.until), array_agg(b.n) from back b into back_untils, back_ns;
        if back_ns is not null then
            select a.untils, a.ns from rate_limit_add_1(of_name, of_subject, back_untils, back_ns) a into untils, ns;
        end if;
        return query select e.seconds from rate_limit_excess_1(untils, ns, of_max) e;
        return;
    end if;
    if ns[cardinality(ns)] <= 16 * charged then
        return;
    end if;
    -- Credit counts in the minute in which it is used. What is left of others goes back.
    with back as (
        delete from rate_limit_credit k where k.name = of_name and k.subject = of_subject and k.id in (
            select o.id from rate_limit_credit o
            where o.name = of_name and o.subject = of_subject and (o.until <> minute or o.n < charged) for update skip locked)
        returning k.until, -k.n as n)
    select array_agg(b.until), array_agg(b.n) from back b into back_untils, back_ns;
    credit := least(32::bigint * greatest(charged, 1), (of_max - (select sum(u.n) from unnest(ns) u (n))) / 8) / greatest(charged, 1) * greatest(charged, 1);
    if credit > 0 then
        insert into rate_limit_credit (name, subject, until, n, max) values (of_name, of_subject, minute, credit, of_max);
        back_untils := back_untils || minute;
        back_ns := back_ns || credit::int;
    end if;
    if back_ns is not null then
        perform rate_limit_add_1(of_name, of_subject, back_untils, back_ns);
    end if;
end $$;
-- +goose StatementEnd

-- Charges counters, in the order of their names and subjects, and returns what exceeds
-- its limit. It adds first and compares then: a statement that waited for another
-- transaction sees what that one added only in the row that it updates.
-- +goose StatementBegin
create function rate_limit_charge_1(names text[], subjects uuid[], counts int[], limits text[], maxima int[], shared text[])
returns table (name text, subject uuid, seconds float8) language plpgsql as $$
#variable_conflict use_column
declare
    u record;
begin
    for u in
        with used as (
            insert into rate_limit as r (name, subject, untils, ns, until)
            -- The times are those when each row is written, which may be after a wait for the one
            -- before: PostgreSQL computes them after it has sorted.
            select c.name, c.subject, array[date_trunc('minute', clock_timestamp()) + interval '61 minutes'], array[c.n],
                   date_trunc('minute', clock_timestamp()) + interval '61 minutes'
            from unnest(names, subjects, counts) as c (name, subject, n)
            order by c.name, c.subject
            on conflict on constraint rate_limit_pkey do update
            set (untils, ns, until) = (
                select array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
                from (select m.until, sum(m.n)::int as n
                      from (select * from unnest(r.untils, r.ns) union all select date_trunc('minute', clock_timestamp()) + interval '61 minutes', excluded.ns[1]) m (until, n)
                      where m.until > clock_timestamp() group by m.until) m)
            returning name, subject, untils, ns
        )
        select u.name, u.subject, u.untils, u.ns, l.max, e.over, e.seconds, u.name = any (shared) as shared
        from used u join unnest(limits, maxima) as l (name, max) on l.name = u.name
        left join lateral (select true as over, x.seconds from rate_limit_excess_1(u.untils, u.ns, l.max) x) e on true
        where e.over or u.name = any (shared) and u.ns[cardinality(u.ns)] > 16
        order by u.name, u.subject
    loop
        if u.shared then
            return query select u.name, u.subject, s.seconds from rate_limit_settle_1(u.name, u.subject,
                (select c.n from unnest(names, subjects, counts) as c (name, subject, n) where c.name = u.name and c.subject = u.subject),
                u.max, u.untils, u.ns) s;
        else
            return query select u.name, u.subject, u.seconds;
        end if;
    end loop;
end $$;
-- +goose StatementEnd

-- Charges limits: see ratelimit.Take. It returns what exceeds its limit, and the seconds
-- until the charge fits; null where it never does. shared are the limits that many people
-- use at the same time.
--
-- A counter and its credit are locked in the order of the names and subjects, and a
-- transaction that waits holds no later ones. So it charges all up to the next shared
-- counter at once, and looks for credit of that one only then.
-- +goose StatementBegin
create function rate_limit_take_2(names text[], subjects uuid[], counts int[], limits text[], maxima int[], shared text[])
returns table (name text, subject uuid, seconds float8) language plpgsql as $$
#variable_conflict use_column
declare
    g      record; -- charges in their order; only the last one may be shared
    credit uuid[];
begin
    for g in
        select array_agg(c.name order by c.name, c.subject) as names, array_agg(c.subject order by c.name, c.subject) as subjects,
               array_agg(c.n order by c.name, c.subject) as counts, count(*)::int as last, bool_or(c.shared) as shared
        from (select c.*, count(*) filter (where c.shared) over (order by c.name, c.subject rows between unbounded preceding and 1 preceding) as number
              from (select c.*, c.name = any (shared) as shared from unnest(names, subjects, counts) as c (name, subject, n)) c) c
        group by c.number order by c.number
    loop
        credit := array(
            select k.id from rate_limit_credit k
            where g.shared and k.name = g.names[g.last] and k.subject = g.subjects[g.last] and k.n >= g.counts[g.last]
            and k.until = date_trunc('minute', clock_timestamp()) + interval '61 minutes'
            and k.max <= (select l.max from unnest(limits, maxima) as l (name, max) where l.name = k.name));
        if cardinality(credit) = 0 then
            return query select * from rate_limit_charge_1(g.names, g.subjects, g.counts, limits, maxima, shared);
            continue;
        end if;
        if g.last > 1 then
            return query select * from rate_limit_charge_1(g.names[:g.last - 1], g.subjects[:g.last - 1], g.counts[:g.last - 1], limits, maxima, shared);
        end if;
        begin
            update rate_limit_credit k set n = k.n - g.counts[g.last]
            where k.name = g.names[g.last] and k.subject = g.subjects[g.last] and k.id = (
                select o.id from rate_limit_credit o
                where o.name = g.names[g.last] and o.subject = g.subjects[g.last] and o.id = any (credit) and o.n >= g.counts[g.last]
                and o.until = date_trunc('minute', clock_timestamp()) + interval '61 minutes' -- it may be over after a wait
                limit 1 for no key update skip locked);
            if not found then
                raise no_data_found;
            end if;
        exception when no_data_found then
            -- The end of the block has unlocked rows that turned out to have too little:
            -- nobody waits for a counter who has locked its credit.
            return query select * from rate_limit_charge_1(g.names[g.last:], g.subjects[g.last:], g.counts[g.last:], limits, maxima, shared);
        end;
    end loop;
end $$;
-- +goose StatementEnd

-- Older gateways charge the same way. What they only read is the counters with all
-- credit, so that near a limit they may refuse what they would still allow.
-- +goose StatementBegin
create or replace function rate_limit_take_1(names text[], subjects uuid[], counts int[], limits text[], maxima int[])
returns table (name text, subject uuid, seconds float8) language sql as $$
    select * from rate_limit_take_2(names, subjects, counts, limits, maxima, array['INVITATIONS_BY_DOMAIN', 'INVITATIONS_BY_SPACE'])
$$;
-- +goose StatementEnd

-- invite_new_1 with the functions above, and with mails that need no claim: see there.
--
-- What it looks up for each address is a subquery with a limit, so that no plan reads a
-- table as a whole, also none that was made when the table was almost empty.
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
        where s.id = in_space and s.name = space_name and o.name = organization_name
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
