-- +goose Up

-- What was done of which only so much can be done in an hour: one row for each
-- who does it, or place or address that it is done to. Whoever uses limits holds
-- these rows until the end of the transaction, however many they are: locks of
-- rows take no room in the server's table of locks.
create table rate_limit (
    name    text          not null, -- of the limit, as its refusals give it
    subject uuid          not null,
    untils  timestamptz[] not null, -- until when that of each minute counts
    ns      int[]         not null, -- how much it was
    until   timestamptz   not null, -- the last of untils
    constraint rate_limit_pkey primary key (name, subject),
    constraint rate_limit_minutes check (cardinality(untils) = cardinality(ns) and cardinality(ns) > 0)
);
create index rate_limit_until on rate_limit (until);

-- Gateways of before count there, and by themselves for as long as one of them
-- runs; after the last, rate_limit_use is not needed any more.
insert into rate_limit (name, subject, untils, ns, until)
select n.new, u.subject, array_agg(u.until order by u.until), array_agg(u.n order by u.until), max(u.until)
from rate_limit_use u
join (values ('invitations of a person', 'INVITATIONS_BY_PERSON'), ('invitations to a space', 'INVITATIONS_BY_SPACE'),
             ('requests of a person', 'REQUESTS_BY_PERSON'), ('requests in a space', 'REQUESTS_BY_SPACE')) n (old, new) on n.old = u.name
where u.until > clock_timestamp()
group by n.new, u.subject;
