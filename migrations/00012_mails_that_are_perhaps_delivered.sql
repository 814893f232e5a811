-- +goose Up

-- A mail server may take a mail without saying so: the answer after the mail is
-- lost, or the gateway is killed before it comes. Such an attempt is uncertain. It
-- is repeated rarely, and the third one is the last.
alter table outbox
    -- Whether the mail was given to the server in the attempt that has the lease. It
    -- is recorded only where the server does not answer at once, and in repetitions.
    add column submitted boolean  not null default false,
    add column uncertain smallint not null default 0, -- how many attempts were uncertain
    add column problem   text     constraint outbox_problem_length check (char_length(problem) <= 50), -- why the last attempt failed, where the server did not reply
    drop constraint outbox_state,
    -- Rows of before satisfy the stricter constraint that was dropped; reading them
    -- all would stop the mails meanwhile.
    add constraint outbox_state check (state in ('QUEUED', 'HELD', 'SENT', 'FAILED', 'DROPPED', 'UNCERTAIN')) not valid;

-- As before, with the outcome UNCERTAIN.
-- +goose StatementBegin
create or replace function invitation_delivered() returns trigger language plpgsql as $$
begin
    insert into event (topic, place_id, change, subjects)
    with o as materialized (
        select id, attempted_at from old_rows where kind = 'INVITATION' and lease is not null
    ), n as materialized (
        select * from new_rows where kind = 'INVITATION' and lease is null
    ), c as (
        select n.subject_id, n.id, n.created_at,
               case when n.state in ('SENT', 'FAILED', 'UNCERTAIN') then n.state
                    when n.state in ('QUEUED', 'HELD') and n.attempted_at is distinct from o.attempted_at
                    then case when n.uncertain > 0 then 'UNCERTAIN' else 'DELAYED' end end as change
        from o join n on n.id = o.id
    )
    select 'INVITATION', coalesce(v.instance_id, v.space_id), c.change, array_agg(v.id order by v.id)
    from c join invitation v on v.id = c.subject_id
    where c.change is not null
      and not exists (select from outbox l where l.subject_id = c.subject_id and (l.created_at, l.id) > (c.created_at, c.id))
    group by coalesce(v.instance_id, v.space_id), c.change;
    return null;
end $$;
-- +goose StatementEnd
