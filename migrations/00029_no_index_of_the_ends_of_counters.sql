-- +goose NO TRANSACTION
-- +goose Up

-- Each charge wrote to this index, which served only the deletion of counters once a
-- minute. The gateway now looks at a part of the table each minute. Gateways of the last
-- release read the whole table, which has the counters of an hour or two.
drop index concurrently if exists rate_limit_until;
