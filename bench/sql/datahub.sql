-- The data of peers.sql in the gateway's own schema, which "migrate" has made: 50 organizations, 1,000 spaces,
-- 20,000 instances, 50,000 accounts, about 200,000 memberships, 500,000 invitations with a sent mail each, and
-- 200,000 records of the trail.
-- id(kind, n) is the UUID of row n of peers.sql; targets/datahub.json has the same as a format ("ids").
-- Each space has exactly one Master and one Distributed here: its first live instance with i%4=1, and with i%4=0.
set session_replication_role = replica; -- neither events nor foreign keys are of interest while loading
create function pg_temp.id(kind int, n bigint) returns uuid language sql immutable as
 $$ select ('01900000-0000-7000-8'||lpad(to_hex(kind),3,'0')||'-'||lpad(to_hex(n),12,'0'))::uuid $$;
create temp table place as
  select i, 2*((i-1)/40)+case when (i-1)%40<10 then 1 else 2 end as s, i%20=7 as deleted from generate_series(1,20000) i;
insert into organization(id,name) select pg_temp.id(1,g),'Organization '||g from generate_series(1,50) g;
insert into account(id,subject,email,email_key,name)
  select pg_temp.id(2,u),u::text,e,e,'User Name '||u from generate_series(1,50000) u, lateral (select 'user'||u||'@corp.example.com') x(e);
-- Without these rows, the first request of each person would write them.
insert into address_holder(email_key,account_id,proved_at) select email_key,id,created_at from account;
insert into space(id,organization_id,name) select pg_temp.id(3,g),pg_temp.id(1,(g-1)%50+1),'Space '||g from generate_series(1,1000) g;
insert into instance(id,space_id,name,kind,created_at,deleted_at,deleted_by,restorable_until)
  select pg_temp.id(4,i),pg_temp.id(3,s),'Instance '||i,
    case when i=min(i) filter(where i%4=0 and not deleted) over w then 'DISTRIBUTED'
         when i=min(i) filter(where i%4=1 and not deleted) over w then 'MASTER' else 'WORKING' end,
    '2025-01-01'::timestamptz+i*interval '1 minute',
    case when deleted then now() end, case when deleted then pg_temp.id(2,1) end, case when deleted then now()+interval '10 years' end
  from place window w as (partition by s);
insert into space_administrator(space_id,account_id) select pg_temp.id(3,s),pg_temp.id(2,(s*7+k*1000)%50000+1)
  from generate_series(1,1000) s, generate_series(0,2) k;
set session_replication_role = origin; -- a trigger writes the space of a membership
insert into instance_member(instance_id,account_id,role) select pg_temp.id(4,i),pg_temp.id(2,((i*10+k)*7919)%50000+1),
  case when (i+k)%3=0 then 'EDITOR' else 'VIEWER' end from generate_series(1,20000) i, generate_series(0,14) k where k<=4+i%11;
set session_replication_role = replica;
insert into invitation(id,instance_id,email,email_key,role,status,token_hash,invited_by,created_at,expires_at)
  select pg_temp.id(5,n+1),pg_temp.id(4,n%20000+1),e,e,case when n%3=0 then 'EDITOR' else 'VIEWER' end,
    case (n/20000)%5 when 3 then 'ACCEPTED' when 4 then 'REVOKED' else 'PENDING' end,sha256(n::text::bytea),pg_temp.id(2,n%50000+1),
    '2025-02-01'::timestamptz+n*interval '1 second','2030-02-01'::timestamptz+n*interval '1 second'
  from generate_series(0,499999) n, lateral (select 'guest'||n||'@mail'||n%89||'.example.org') x(e);
insert into outbox(id,kind,subject_id,instance_id,state,attempts,created_at,next_attempt_at,attempted_at)
  select pg_temp.id(6,n+1),'INVITATION',pg_temp.id(5,n+1),pg_temp.id(4,n%20000+1),'SENT',1,t,t,t
  from generate_series(0,499999) n, lateral (select '2025-02-01'::timestamptz+n*interval '1 second') x(t);
insert into audit_log(at,action,actor_id,actor_name,space_id,space_name,instance_id,instance_name,details,id)
  select '2025-02-01'::timestamptz+n*interval '1 second','INVITATION_SENT',pg_temp.id(2,n%50000+1),'User Name '||n%50000+1,
    pg_temp.id(3,k.s),'Space '||k.s,pg_temp.id(4,k.i),'Instance '||k.i,jsonb_build_object('emails',jsonb_build_array('guest'||n||'@mail'||n%89||'.example.org'),'role','VIEWER'),pg_temp.id(7,n+1)
  from generate_series(0,199999) n join place k on k.i=n%20000+1;
set session_replication_role = origin;
vacuum analyze;
