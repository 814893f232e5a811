-- +goose Up

-- Which account can answer which request: the administrators of its space and,
-- where a deleted instance is to be restored, the editors of that instance. An
-- account for which both holds is there twice.
--
-- It is a function and not a view because every role may execute it, whereas a
-- view would have to be granted to the gateway's. PostgreSQL puts its body in the
-- place of its call: what the caller asks for (a request, an account, a status) is
-- looked up in the indexes.
-- +goose StatementBegin
create function request_answerers() returns table (request_id uuid, status text, account_id uuid)
    language sql stable parallel safe as $$
    select r.id, r.status, sa.account_id
    from request r join space_administrator sa on sa.space_id = r.space_id
    union all
    select r.id, r.status, im.account_id
    from request r join instance_member im on im.instance_id = r.instance_id
    where r.kind = 'RESTORE' and im.role = 'EDITOR'
$$;
-- +goose StatementEnd

-- The events of requests are for who made them and for who can answer them.
-- Requests of one kind about one place have the same answerers, which are looked
-- up once: thousands of people may ask for one instance to be restored.
-- +goose StatementBegin
create or replace function request_created() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with alike as materialized (
        select (array_agg(id))[1] as id, array_agg(id) as ids
        from new_rows group by kind, space_id, instance_id)
    select 'REQUEST', e.account_id, 'CREATED', array_agg(e.id order by e.id)
    from (select id, requested_by as account_id from new_rows
          union
          select r.id, a.account_id
          from request_answerers() a join alike on alike.id = a.request_id cross join unnest(alike.ids) as r (id)
          where a.request_id = any (array(select id from alike))) e
    group by e.account_id;
    return null;
end $$;
-- +goose StatementEnd
-- EXCEPT finds the requests whose status has changed: it is quick for one row and
-- for thousands, whereas the plan of a join is made once, for as many rows as
-- there are the first time.
-- +goose StatementBegin
create or replace function request_changed() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with changed as materialized (
        select id, status, requested_by, kind, space_id, instance_id from new_rows
        except
        select id, status, requested_by, kind, space_id, instance_id from old_rows),
    alike as materialized (
        select (array_agg(id))[1] as id, status, array_agg(id) as ids
        from changed group by kind, space_id, instance_id, status)
    select 'REQUEST', e.account_id, e.status, array_agg(e.id order by e.id)
    from (select id, status, requested_by as account_id from changed
          union
          select r.id, alike.status, a.account_id
          from request_answerers() a join alike on alike.id = a.request_id cross join unnest(alike.ids) as r (id)
          where a.request_id = any (array(select id from alike))) e
    group by e.account_id, e.status;
    return null;
end $$;
-- +goose StatementEnd
