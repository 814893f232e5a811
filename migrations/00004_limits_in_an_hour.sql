-- +goose Up

-- What was done of which only so much can be done in an hour, by the minute; it
-- counts until the minute is older than an hour.
create table rate_limit_use (
    name    text        not null,
    subject uuid        not null, -- who does it, or where it is done
    until   timestamptz not null,
    n       int         not null constraint rate_limit_use_n check (n > 0),
    constraint rate_limit_use_pkey primary key (name, subject, until)
);
create index rate_limit_use_until on rate_limit_use (until);
