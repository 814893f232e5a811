-- +goose Up

-- When the person's data was erased: the row stays as a pseudonym, for what others
-- have and what happened.
alter table account add column erased_at timestamptz;

-- A space cannot lose its last administrator, except where the operator erases
-- their account and says so.
-- +goose StatementBegin
create or replace function space_administrator_last() returns trigger language plpgsql as $$
begin
    -- A transaction that removes another one at the same time waits, and then sees
    -- this one gone.
    perform from space where id = old.space_id for no key update;
    if not exists (select from space_administrator where space_id = old.space_id)
       and current_setting('datahub.erasure', true) is distinct from 'FORCED' then
        raise exception 'space % would have no administrator', old.space_id
            using errcode = 'check_violation', constraint = 'space_administrator_last';
    end if;
    return null;
end $$;
-- +goose StatementEnd

-- Addresses whose owners want no invitations by mail, by a hash with a key (the
-- table hash_key): the table does not tell who they are.
create table invitation_refusal (
    address_hash bytea       not null constraint invitation_refusal_pkey primary key
                 constraint invitation_refusal_hash_length check (octet_length(address_hash) = 32),
    at           timestamptz not null default clock_timestamp()
);

-- Whether no mail of the invitation is sent, because the address is one of these.
alter table invitation add column mail_refused boolean not null default false;
