-- +goose Up

-- When an invitation was accepted, declined or revoked; null while it is pending,
-- and for those that ended before this column was there: they ended before they
-- would have expired. A trigger writes it, because older gateways do not know it.
alter table invitation add column ended_at timestamptz;
-- +goose StatementBegin
create function invitation_ended() returns trigger language plpgsql as $$
begin
    new.ended_at := case when new.status <> 'PENDING' then clock_timestamp() end;
    return new;
end $$;
-- +goose StatementEnd
create trigger invitation_ended before update of status on invitation
    for each row when (old.status <> new.status) execute function invitation_ended();

-- What is deleted when its time is over is found by these.
create index invitation_ended on invitation ((coalesce(ended_at, expires_at))) where status <> 'PENDING';
create index request_ended on request (ended_at) where ended_at is not null;

-- Records of the trail are deleted when they are old enough (DELETE), and the
-- names of people whose accounts are erased are replaced (UPDATE). A statement
-- does either only where this setting of its transaction says so, and only where
-- its role has the right: the gateways' role has not.
-- +goose StatementBegin
create or replace function audit_log_append_only() returns trigger language plpgsql as $$
begin
    if tg_op in ('DELETE', 'UPDATE') and current_setting('datahub.audit_log', true) = tg_op then
        return null;
    end if;
    raise exception 'the audit log is append-only'
        using errcode = 'restrict_violation', constraint = 'audit_log_append_only';
end $$;
-- +goose StatementEnd

-- Deletes the oldest records of the trail that are older than keep, at most most
-- of them, and returns their number. Gateways may execute it. It protects the last
-- thirty days, so that nobody who has taken over a gateway can remove the traces.
-- The ids are in the order of the time.
-- +goose StatementBegin
create function audit_log_delete_old(keep interval, most int) returns bigint
    language plpgsql security definer set search_path = public, pg_temp set datahub.audit_log = 'DELETE' as $$
declare
    deleted bigint;
begin
    if keep is null or keep < interval '30 days' then
        raise exception 'records of the audit log are kept for thirty days at least'
            using errcode = 'restrict_violation', constraint = 'audit_log_append_only';
    end if;
    delete from audit_log where id in (
        select id from audit_log
        where id in (select id from (select id, at from audit_log order by id limit most) oldest
                     where oldest.at <= statement_timestamp() - keep)
        order by id for update skip locked);
    get diagnostics deleted = row_count;
    return deleted;
end $$;
-- +goose StatementEnd
revoke execute on function audit_log_delete_old(interval, int) from public;
