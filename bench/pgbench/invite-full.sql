-- What the gateway writes for an invitation, in one statement and in the gateway's own schema: the rows of invitation,
-- outbox, audit_log and idempotency_key, the event (by its trigger), and the counters of rate_limit for the person, the
-- space, the domain and each mailbox. The instance is locked as by the gateway. -D n=ADDRESSES
\set b random(0,499)
\set k random(0,6)
\set i 40*:b+13+4*:k
\set s 2*:b+2
\set u (:s*7)%50000+1
\set r random(1,1000000000000)
with place as materialized (
  select i.id as instance_id, i.name as instance_name, s.id as space_id, s.name as space_name, s.organization_id,
         a.id as account_id, a.name as account_name, clock_timestamp() as at,
         uuid_v7(clock_timestamp())::text as base, date_trunc('minute', clock_timestamp()) + interval '61 minutes' as until
  from instance i
  join space s on s.id = i.space_id
  join space_administrator sa on sa.space_id = s.id
  join account a on a.id = sa.account_id
  where i.id = ('01900000-0000-7000-8004-'||lpad(to_hex(:i::int), 12, '0'))::uuid and i.deleted_at is null and i.kind <> 'DISTRIBUTED'
    and a.id = ('01900000-0000-7000-8002-'||lpad(to_hex(:u::int), 12, '0'))::uuid
  for share of i
), address as materialized (
  -- Ids that grow like the gateway's, and tokens of 43 characters.
  select p.*, (left(p.base, 32)||lpad(to_hex(g), 4, '0'))::uuid as id, (left(p.base, 32)||lpad(to_hex(g + 32768), 4, '0'))::uuid as mail_id,
         e.email, translate(rtrim(encode(sha256(int8send(:r::bigint + g)), 'base64'), '='), '+/', '-_') as token
  from place p, generate_series(1, :n::int) g, lateral (select 'n'||g||'.'||:r||'@bench.example.net') e (email)
), claimed as (
  insert into idempotency_key (account_id, key, request_hash, response)
  select account_id, 'k'||:r, sha256(int8send(:r::bigint)), (
    select json_agg(json_build_object('outcome', 'INVITED', 'role', 'VIEWER', 'invitationId', 'invitation_'||replace(id::text, '-', '')) order by id) from address)
  from place
), invited as (
  insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
  select id, instance_id, email, email, 'VIEWER', sha256(token::bytea), account_id, at + interval '7 days'
  from address order by email
  returning id, email, role, status, expires_at
), mailed as (
  insert into outbox (id, kind, subject_id, instance_id, secret)
  select mail_id, 'INVITATION', id, instance_id, token from address
), recorded as (
  insert into audit_log (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)
  select 'INVITATION_SENT', account_id, account_name, space_id, space_name, instance_id, instance_name,
         jsonb_build_object('role', 'VIEWER', 'emails', (select jsonb_agg(email order by id) from address))
  from place
), charged as (
  insert into rate_limit as l (name, subject, untils, ns, until)
  select c.name, c.subject, array[c.until], array[c.n], c.until
  from (select 'INVITATIONS_BY_PERSON' as name, account_id as subject, :n::int as n, until from place
        union all select 'INVITATIONS_BY_SPACE', space_id, :n::int, until from place
        union all select 'INVITATIONS_BY_DOMAIN', md5(organization_id||'example.net')::uuid, :n::int, until from place
        union all select 'INVITATIONS_BY_ADDRESS', md5(organization_id||email)::uuid, 1, until from address) c
  order by c.name, c.subject
  on conflict (name, subject) do update
  set (untils, ns, until) = (
    select array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
    from (select m.until, sum(m.n)::int as n
          from (select * from unnest(l.untils, l.ns) union all select excluded.until, excluded.ns[1]) m (until, n)
          where m.until > clock_timestamp() group by m.until) m)
)
select id, email, role, status, expires_at from invited;
