-- +goose Up

-- The key of the hashes that stand for addresses in tables that only compare
-- them: counters of limits, for example. All gateways share it without a setting.
-- It is random, 366 bits of gen_random_uuid. Who has the hashes and not this
-- table cannot find out whether an address is among them.
create table hash_key (
    key bytea not null constraint hash_key_length check (octet_length(key) = 32)
);
create unique index hash_key_one_row on hash_key ((true));
insert into hash_key
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
