-- +goose Up

-- The account to which an address belongs: the one that proved it last, or one that
-- an operator made for it and that nobody has claimed. An account holds one address
-- at most, the one in its row. Accounts without a row here are former holders.
create table address_holder (
    email_key  text        constraint address_holder_pkey primary key,
    account_id uuid        not null constraint address_holder_account_fkey references account on delete cascade
                           constraint address_holder_account_key unique,
    -- The time at which the identity provider issued the token that proved it
    -- (claim iat); null where nobody has proved it.
    proved_at  timestamptz
);

-- Keeps address_holder right whatever writes accounts, gateways of before included.
-- Rows of address_holder are locked in the order of their keys, after the one row of
-- account, so that two sign-ins never wait for each other in a circle.
-- +goose StatementBegin
create function account_address_holder() returns trigger language plpgsql as $$
declare
    proved constant timestamptz := case
        when new.subject is null then null
        -- Gateways of before do not say when an address was proved.
        when tg_op = 'UPDATE' and new.email <> old.email and new.proved_at is not distinct from old.proved_at then clock_timestamp()
        when tg_op = 'INSERT' then coalesce(new.proved_at, clock_timestamp())
        else coalesce(new.proved_at, new.created_at) end;
begin
    if tg_op = 'UPDATE' and (new.email_key, new.subject, new.proved_at) is not distinct from (old.email_key, old.subject, old.proved_at)
       and exists (select from address_holder where email_key = new.email_key) then
        return null;
    end if;
    perform from address_holder where account_id = new.id or email_key = new.email_key order by email_key for update;
    delete from address_holder where account_id = new.id and email_key <> new.email_key;
    -- Gateways of before write keys by full case folding, which has more letters than
    -- the address. They may be another mailbox's.
    if char_length(split_part(new.email_key, '@', 1)) > char_length(split_part(new.email, '@', 1)) then
        return null;
    end if;
    insert into address_holder (email_key, account_id, proved_at) values (new.email_key, new.id, proved)
    on conflict (email_key) do update set account_id = excluded.account_id, proved_at = excluded.proved_at
    where address_holder.proved_at is null or address_holder.proved_at <= excluded.proved_at;
    return null;
end $$;
-- +goose StatementEnd
-- It excludes other writers of accounts, but not readers, until the end.
create trigger account_address_holder after insert or update on account
    for each row execute function account_address_holder();

-- The newest account of an address is probably that of its present holder. If not,
-- it becomes right with the next token.
insert into address_holder (email_key, account_id, proved_at)
select distinct on (email_key) email_key, id, case when subject is not null then created_at end
from account order by email_key, subject is null, created_at desc, id desc;

-- When the person last proved the address: the time at which the token was issued.
alter table account add column proved_at timestamptz;

-- Subjects whose account an operator has merged into another one: they sign in there.
create table merged_subject (
    subject    text constraint merged_subject_pkey primary key,
    account_id uuid not null constraint merged_subject_account_fkey references account on delete cascade
);
create index merged_subject_account on merged_subject (account_id);
