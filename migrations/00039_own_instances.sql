-- +goose NO TRANSACTION
-- +goose Up

-- Stands for the person whose own instance it is in a roster, and for the pattern of its
-- name: a hash with a key (package keyedhash). A roster that is sent again finds the
-- instance by it, also where somebody has another name by then. Null for all others, and
-- for those that older gateways create. Each statement is a transaction of its own, and can
-- be repeated.
alter table instance add column if not exists own_hash bytea;
