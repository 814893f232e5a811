-- +goose NO TRANSACTION
-- +goose Up

-- Anybody can have pending invitations mailed again. Each time is counted until a person
-- sends the invitation, and the links of before stay valid: otherwise strangers could make
-- invalid what the recipient has in hand. Gateways of the last release read neither column;
-- they take such an older link for one that was replaced. Every statement can be repeated,
-- as in migration 24.
alter table invitation add column if not exists mailed_on_request int not null default 0;
alter table invitation_past_token
    add column if not exists usable boolean not null default false; -- it accepts and declines, too

-- What was asked for by anybody is deleted after an hour: see DeleteOldPending.
drop index concurrently if exists outbox_pending_invitations;
create index concurrently outbox_pending_invitations on outbox (created_at) where kind = 'PENDING_INVITATIONS';

-- The link that an invitation had at another address refuses nothing any more.
-- +goose StatementBegin
create or replace function invitation_link_replaced() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if old.email_key <> new.email_key then
        delete from invitation_past_token where invitation_id = old.id;
        return null;
    end if;
    if new.mailed_on_request <= old.mailed_on_request then
        update invitation_past_token set usable = false where invitation_id = old.id and usable;
    end if;
    insert into invitation_past_token (token_hash, invitation_id, usable)
    values (old.token_hash, old.id, new.mailed_on_request > old.mailed_on_request) on conflict do nothing;
    return null;
end $$;
-- +goose StatementEnd
