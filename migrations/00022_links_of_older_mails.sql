-- +goose Up

-- Links of invitations that were sent again, with another link: hashes, as of the link
-- in the row of the invitation. They only refuse further invitations, as an older mail
-- promises.
create table invitation_past_token (
    token_hash    bytea not null constraint invitation_past_token_pkey primary key
                  constraint invitation_past_token_hash_length check (octet_length(token_hash) = 32),
    invitation_id uuid  not null constraint invitation_past_token_invitation_fkey references invitation on delete cascade
);
create index invitation_past_token_invitation on invitation_past_token (invitation_id);

-- The rights are those of the owner, also for gateways of before.
-- +goose StatementBegin
create function invitation_link_replaced() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into invitation_past_token (token_hash, invitation_id) values (old.token_hash, old.id) on conflict do nothing;
    return null;
end $$;
-- +goose StatementEnd
create trigger invitation_link_replaced after update of token_hash on invitation
    for each row when (old.token_hash <> new.token_hash)
    execute function invitation_link_replaced();
