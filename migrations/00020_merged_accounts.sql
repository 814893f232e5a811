-- +goose Up

-- The account into which an operator has merged this one. The row stays, so that its
-- id can still be explained. It keeps the subject, which gateways of before look for,
-- until the person is erased, and nothing else of them.
alter table account add column merged_into uuid constraint account_merged_into_fkey references account;
create index account_merged_into on account (merged_into) where merged_into is not null;

-- A sign-in that has read the account before it was merged must not write to it
-- afterwards. Merging the account that is left into another one changes merged_into,
-- and erasing it removes the subject.
-- +goose StatementBegin
create function account_merged() returns trigger language plpgsql as $$
begin
    return null;
end $$;
-- +goose StatementEnd
create trigger account_merged before update on account
    for each row when (old.merged_into is not null and new.merged_into is not distinct from old.merged_into and new.subject is not null)
    execute function account_merged();
