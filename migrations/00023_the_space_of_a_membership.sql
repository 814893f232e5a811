-- +goose Up

-- The space of the instance, which never changes. With it, one look into an index finds
-- a person's roles in a space, however many memberships the person has, and however many
-- instances the space has. A trigger writes it, because older gateways do not know it.
-- Migration 24 fills it in where it is null.
alter table instance_member add column space_id uuid;
-- +goose StatementBegin
create function instance_member_space() returns trigger language plpgsql as $$
begin
    new.space_id := (select space_id from instance where id = new.instance_id);
    return new;
end $$;
-- +goose StatementEnd
create trigger instance_member_space before insert or update of instance_id, space_id on instance_member
    for each row execute function instance_member_space();
