-- +goose NO TRANSACTION
-- +goose Up

-- Lists and counts of the requests of a person or a space, of each status, without a look
-- at those of others. A request that has expired is open until a gateway has written it
-- down; it is found by the time of its end.
--
-- Every statement can be repeated, as in migration 24.
drop index concurrently if exists request_space_status;
create index concurrently request_space_status on request (space_id, status, id);
drop index concurrently if exists request_requested_by_status;
create index concurrently request_requested_by_status on request (requested_by, status, id);
drop index concurrently if exists request_instance_status;
create index concurrently request_instance_status on request (instance_id, kind, status, id) where instance_id is not null;
drop index concurrently if exists request_open_expiry_in_space;
create index concurrently request_open_expiry_in_space on request (space_id, expires_at) where status = 'OPEN';
drop index concurrently if exists request_open_expiry_by_person;
create index concurrently request_open_expiry_by_person on request (requested_by, expires_at) where status = 'OPEN';

-- Which accounts can answer a request of a kind about a place. It replaces
-- request_answerers, which gateways of the last release still use: that joined the table
-- of requests, so that plans that were made while it was empty read all requests in the
-- space of one.
-- +goose StatementBegin
create or replace function request_answerers_1(kind text, space_id uuid, instance_id uuid) returns table (account_id uuid)
    language sql stable parallel safe as $$
    select sa.account_id from space_administrator sa where sa.space_id = $2
    union
    select im.account_id from instance_member im where $1 = 'RESTORE' and im.instance_id = $3 and im.role = 'EDITOR'
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function request_created() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with alike as materialized (
        select kind, space_id, instance_id, array_agg(id) as ids
        from new_rows group by kind, space_id, instance_id)
    select 'REQUEST', e.account_id, 'CREATED', array_agg(e.id order by e.id)
    from (select id, requested_by as account_id from new_rows
          union
          select r.id, a.account_id
          from alike cross join lateral request_answerers_1(alike.kind, alike.space_id, alike.instance_id) a
          cross join unnest(alike.ids) as r (id)) e
    group by e.account_id;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function request_changed() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with changed as materialized (
        select id, status, requested_by, kind, space_id, instance_id from new_rows
        except
        select id, status, requested_by, kind, space_id, instance_id from old_rows),
    alike as materialized (
        select kind, space_id, instance_id, status, array_agg(id) as ids
        from changed group by kind, space_id, instance_id, status)
    select 'REQUEST', e.account_id, e.status, array_agg(e.id order by e.id)
    from (select id, status, requested_by as account_id from changed
          union
          select r.id, alike.status, a.account_id
          from alike cross join lateral request_answerers_1(alike.kind, alike.space_id, alike.instance_id) a
          cross join unnest(alike.ids) as r (id)) e
    group by e.account_id, e.status;
    return null;
end $$;
-- +goose StatementEnd
