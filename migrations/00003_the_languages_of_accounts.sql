-- +goose Up

-- All the languages that a person reads, the best one first: tags of BCP 47, five
-- at most, with ", " between them.
alter table account
    drop constraint account_locale_length,
    add constraint account_locale_length check (octet_length(locale) between 2 and 200);
