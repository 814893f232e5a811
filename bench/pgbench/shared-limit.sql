-- Sixteen people charge the limit of one domain (-D counters=1) or each of a domain of their own (-D counters=16), in the
-- gateway's schema and with durable commits. Alternate the two, and compare: pgbench -n -c 16 -M prepared -T 8.
\set d :client_id % :counters
select from rate_limit_take_2(
  array['INVITATIONS_BY_DOMAIN', 'INVITATIONS_BY_PERSON'],
  array[md5('domain ' || :d)::uuid, md5('person ' || :client_id)::uuid],
  array[1, 1], array['INVITATIONS_BY_DOMAIN', 'INVITATIONS_BY_PERSON'], array[1000000, 1000000], array['INVITATIONS_BY_DOMAIN']);
