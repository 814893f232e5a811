-- A database of one size: :rows invitations, as many mails and records of the trail, a tenth as many accounts and
-- memberships, a fifth as many requests. In the space 1, whose administrator is the account 1:
--   instance 3  three tenths of the invitations: pending, but for the oldest three of each other status
--   instance 4  three tenths: expired, but for the oldest three of each other status; mails of which a tenth failed
--   instance 5  three tenths: accepted, declined and revoked, but for the oldest three that are pending and expired
--   instance 6  a thousand, deleted and to be purged
--   space 1     one tenth: administrators', pending and expired in turns
--   requests    for an editor's role in the instance 3: one of each account from 100, mostly open where the number of the
--               account is even, and ended in each way where it is odd; and as many of the account 5, mostly ended
-- The members of the instance 3 are all accounts. The account 2 is a member of :rows / 500 + 100 other instances, in
-- :rows / 5000 + 20 spaces, and the account 3 is the manager of their organization.
-- id(kind, n) is the UUID of row n of a kind. Indexes are made after the rows.
\set ON_ERROR_STOP on
set session_replication_role = replica; -- neither events nor foreign keys are of interest while loading
set maintenance_work_mem = '512MB';
set synchronize_seqscans = off;
create function pg_temp.id(kind int, n bigint) returns uuid language sql immutable as
 $$ select ('01900000-0000-7000-8'||lpad(to_hex(kind),3,'0')||'-'||lpad(to_hex(n),12,'0'))::uuid $$;

begin;
truncate account, organization, space, instance, instance_member, invitation, outbox, audit_log, request, event cascade;
create temp table made as select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
  from pg_index where indrelid in ('invitation'::regclass, 'outbox'::regclass, 'audit_log'::regclass, 'instance_member'::regclass, 'account'::regclass, 'request'::regclass)
  and not exists (select from pg_constraint where conindid = indexrelid);
select format('drop index %s', name) from made \gexec
alter table invitation drop constraint invitation_token_hash_key;

insert into organization (id, name) values (pg_temp.id(1, 1), 'Organization 1'), (pg_temp.id(1, 2), 'Organization 2');
insert into account (id, subject, email, email_key, name)
  select pg_temp.id(2, n), n::text, e, e, 'User Name '||n from generate_series(1, :rows / 10) n, lateral (select 'user'||n||'@corp.example.com') x (e);
insert into address_holder (email_key, account_id, proved_at) select email_key, id, created_at from account;
insert into organization_member (organization_id, account_id, role) values (pg_temp.id(1, 2), pg_temp.id(2, 3), 'MANAGER');
insert into space (id, organization_id, name) values (pg_temp.id(3, 1), pg_temp.id(1, 1), 'Space 1');
insert into space (id, organization_id, name) select pg_temp.id(3, n), pg_temp.id(1, 2), 'Space '||n from generate_series(2, :rows / 5000 + 21) n;
insert into space_administrator (space_id, account_id) select id, pg_temp.id(2, 1) from space where id = pg_temp.id(3, 1);
insert into space_administrator (space_id, account_id) select id, pg_temp.id(2, 4) from space;
insert into instance (id, space_id, name, name_key, kind, deleted_at, deleted_by, restorable_until)
  select pg_temp.id(4, n), pg_temp.id(3, 1), 'Instance '||n, 'instance '||n, case n when 1 then 'MASTER' when 2 then 'DISTRIBUTED' else 'WORKING' end,
    d.at, case when d.at is not null then pg_temp.id(2, 1) end, d.at + interval '24 hours'
  from generate_series(1, 6) n, lateral (select case when n = 6 then now() - interval '100 days' end) d (at);
insert into instance (id, space_id, name, name_key, kind)
  select pg_temp.id(4, 6 + n), s.id, 'Instance '||n, 'instance '||n,
    case when n <= s.many then 'MASTER' when n <= 2 * s.many then 'DISTRIBUTED' else 'WORKING' end
  from generate_series(1, :rows / 500 + 100) n, lateral (select :rows / 5000 + 20 as many, pg_temp.id(3, 2 + n % (:rows / 5000 + 20)) as id) s;
insert into instance_member (instance_id, space_id, account_id, role)
  select pg_temp.id(4, 3), pg_temp.id(3, 1), id, 'VIEWER' from account where id <> pg_temp.id(2, 2);
insert into instance_member (instance_id, space_id, account_id, role)
  select id, space_id, pg_temp.id(2, 2), 'VIEWER' from instance where space_id <> pg_temp.id(3, 1);

-- m is the number within the place, f the place: 0, 1, 2 the instances 3, 4, 5, and 3 the space.
insert into invitation (id, instance_id, space_id, email, email_key, role, status, expired, token_hash, invited_by, created_at, expires_at, ended_at)
  select pg_temp.id(5, n), case when f < 3 then pg_temp.id(4, 3 + f) end, case when f = 3 then pg_temp.id(3, 1) end, e, e,
    case when f < 3 then 'VIEWER' end, case when status = 'EXPIRED' then 'PENDING' else status end, status = 'EXPIRED',
    sha256(n::text::bytea), pg_temp.id(2, n % 100 + 10), at,
    case when status = 'EXPIRED' then '2025-08-01'::timestamptz + n * interval '1 microsecond' else '2099-01-01' end,
    case when status not in ('PENDING', 'EXPIRED') then at + interval '1 day' end
  from generate_series(1, :rows) n,
    lateral (select least((n % 10) / 3, 3) as f, (n - 1) / 10 as m) p,
    lateral (select 'guest'||n||'@mail'||n % 89||'.example.org', '2025-03-01'::timestamptz + n * interval '1 second',
      case when f < 3 and m < 5 then (array['PENDING', 'EXPIRED', 'ACCEPTED', 'DECLINED', 'REVOKED'])[m + 1]
           when f = 0 then 'PENDING' when f = 1 then 'EXPIRED' when f = 2 then (array['ACCEPTED', 'DECLINED', 'REVOKED'])[m % 3 + 1]
           when m % 2 = 0 then 'PENDING' else 'EXPIRED' end) x (e, at, status);
insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, created_at, expires_at)
  select pg_temp.id(5, :rows + n), pg_temp.id(4, 6), e, e, 'VIEWER', sha256(('d'||n)::bytea), pg_temp.id(2, 1), now() - interval '101 days', '2099-01-01'
  from generate_series(1, 1000) n, lateral (select 'deleted'||n||'@mail.example.org') x (e);
insert into outbox (id, kind, subject_id, instance_id, state, attempts, created_at, next_attempt_at, attempted_at)
  select pg_temp.id(6, n), 'INVITATION', id, instance_id, case when n % 100 = 1 then 'FAILED' else 'SENT' end, 1, created_at, created_at, created_at
  from invitation, lateral (select ('x'||right(id::text, 12))::bit(48)::bigint) x (n);
insert into audit_log (at, action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details, id)
  select '2025-03-01'::timestamptz + n * interval '1 second', 'INVITATION_SENT', pg_temp.id(2, 1), 'User Name 1', pg_temp.id(3, 1), 'Space 1',
    pg_temp.id(4, 3), 'Instance 3', jsonb_build_object('emails', jsonb_build_array('guest'||n||'@mail.example.org'), 'role', 'VIEWER'), pg_temp.id(7, n)
  from generate_series(1, :rows) n;
insert into request (id, kind, space_id, instance_id, space_name, instance_name, requested_by, role, created_at, lasts_until, expires_at, status, ended_at, answered_by)
  select pg_temp.id(8, n), 'ROLE', pg_temp.id(3, 1), pg_temp.id(4, 3), 'Space 1', 'Instance 3', pg_temp.id(2, case when n <= :rows / 10 then n else 5 end),
    'INSTANCE_EDITOR', at, '2099-01-01', '2099-01-01', status, case when status <> 'OPEN' then now() end,
    case when status in ('APPROVED', 'DECLINED') then pg_temp.id(2, 1) end
  from generate_series(100, :rows / 5) n,
    lateral (select '2025-03-01'::timestamptz + n * interval '1 second', case when n <= :rows / 10 and n % 2 = 0 then 'OPEN'
      else (array['APPROVED', 'DECLINED', 'WITHDRAWN', 'EXPIRED'])[n / 2 % 4 + 1] end) x (at, status);
select definition from made \gexec
alter table invitation add constraint invitation_token_hash_key unique (token_hash);
commit;
vacuum analyze;
