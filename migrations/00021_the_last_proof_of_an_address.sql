-- +goose Up

-- When an address that its holder has left was last proved: a token that was issued
-- before does not prove it again. The address is a hash with a key (the table
-- hash_key), because nothing may tell whose it was when that account is erased.
-- Gateways delete a row when no token of before can be valid any more.
create table address_proof (
    address_hash bytea       not null constraint address_proof_pkey primary key
                 constraint address_proof_hash_length check (octet_length(address_hash) = 32),
    proved_at    timestamptz not null
);
create index address_proof_proved_at on address_proof (proved_at);

create function address_proof_hash(email_key text) returns bytea language sql stable as $$
    select sha256(key || convert_to('address_proof ' || email_key, 'UTF8')) from hash_key
$$;

-- Whatever takes an address from an account leaves the time of its proof: another
-- address, a merger, an erasure. Addresses of pseudonyms are proved by nobody. The
-- rights are those of the owner, also for gateways of before.
-- +goose StatementBegin
create function address_holder_left() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into address_proof (address_hash, proved_at) values (address_proof_hash(old.email_key), old.proved_at)
    on conflict (address_hash) do update set proved_at = greatest(address_proof.proved_at, excluded.proved_at);
    return null;
end $$;
-- +goose StatementEnd
create trigger address_holder_left after delete on address_holder
    for each row when (old.proved_at > clock_timestamp() - interval '31 days' and old.email_key not like '%.invalid')
    execute function address_holder_left();

-- As before, but for the last proof of an address that nobody holds, or an account that
-- waits to be claimed.
-- +goose StatementBegin
create or replace function account_address_holder() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
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
    if proved < (select proved_at from address_proof where address_hash = address_proof_hash(new.email_key)) then
        return null;
    end if;
    insert into address_holder (email_key, account_id, proved_at) values (new.email_key, new.id, proved)
    on conflict (email_key) do update set account_id = excluded.account_id, proved_at = excluded.proved_at
    where address_holder.proved_at is null or address_holder.proved_at <= excluded.proved_at;
    return null;
end $$;
-- +goose StatementEnd
