-- +goose Up

-- The name of an active instance as names are compared; the gateway computes it
-- (text.NameKey), because the database's own folding depends on its locale. Null
-- where no gateway has done that yet: for instances of before, and of older
-- gateways. Those are given their keys, oldest first, by migrate and by the
-- gateways; an instance whose name an older one has then gets a number after it.
alter table instance add column name_key text;
create unique index instance_name_key on instance (space_id, name_key) where deleted_at is null;
create index instance_without_name_key on instance (id) where name_key is null and deleted_at is null;

-- A deleted instance lets go of its name. Older gateways, which do not know of
-- the key, can so restore it still.
-- +goose StatementBegin
create function instance_release_name() returns trigger language plpgsql as $$
begin
    new.name_key := null;
    return new;
end $$;
-- +goose StatementEnd
create trigger instance_release_name before update of deleted_at on instance
    for each row when (new.deleted_at is not null) execute function instance_release_name();
