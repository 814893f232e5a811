-- What the peers write for an invitation: its row, and an outbox row. -D n=ADDRESSES
\set b random(0,499)
\set k random(0,6)
\set i 40*:b+13+4*:k
\set s 2*:b+2
\set u (:s*7)%50000+1
\set r random(1,1000000000000)
with chk as materialized (
  select i.id from instances i
  where i.id = :i and i.deleted_at is null and i.kind <> 'DISTRIBUTED'
    and exists (select 1 from space_admins a where a.space_id = i.space_id and a.user_id = :u)
), ins as (
  insert into invitations (instance_id, email, role, status, invited_by, token_hash, expires_at)
  select chk.id, 'n'||g||'.'||:r||'@bench.example.net', 'VIEWER', 'PENDING', :u, sha256(int8send(:r::bigint+g)), now() + interval '7 days'
  from chk, generate_series(1, :n::int) g
  returning id, email, role, status, expires_at
), ob as (
  insert into outbox (kind, payload)
  select 'INVITATION_MAIL', jsonb_build_object('invitationId', id, 'email', email) from ins
)
select id, email, role, status, expires_at from ins;
