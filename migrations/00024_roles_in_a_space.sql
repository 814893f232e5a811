-- +goose NO TRANSACTION
-- +goose Up

-- Fills in the spaces in batches, and makes indexes beside writers: gateways wait for a
-- batch at most. Every statement can be repeated, because the migration begins again
-- where it was ended before its end. A statement that is ended leaves an index that
-- is not valid, hence the drops.

-- +goose StatementBegin
do $$
declare
    done_instance uuid := '00000000-0000-0000-0000-000000000000';
    done_account  uuid := '00000000-0000-0000-0000-000000000000';
begin
    loop
        -- The rows are locked in the order in which gateways lock them.
        with due as materialized (
            select instance_id, account_id from instance_member
            where (instance_id, account_id) > (done_instance, done_account) and space_id is null
            order by instance_id, account_id limit 5000 for no key update),
        filled as (
            update instance_member m set space_id = i.space_id from due d join instance i on i.id = d.instance_id
            where m.instance_id = d.instance_id and m.account_id = d.account_id)
        select instance_id, account_id into done_instance, done_account from due
        order by instance_id desc, account_id desc limit 1;
        exit when not found;
        commit;
    end loop;
end $$;
-- +goose StatementEnd

alter table instance_member drop constraint if exists instance_member_space;
alter table instance_member add constraint instance_member_space check (space_id is not null) not valid;
alter table instance_member validate constraint instance_member_space;

-- For the roles of a person in a space, and for the members of a space in their order.
drop index concurrently if exists instance_member_space;
create index concurrently instance_member_space on instance_member (space_id, account_id, role);

-- For the spaces of a person, without a look at each membership. It replaces
-- instance_member_account.
drop index concurrently if exists instance_member_account_space;
create index concurrently instance_member_account_space on instance_member (account_id, space_id);
drop index concurrently if exists instance_member_account;

-- For the question whether a person administrates one space, however many they do.
drop index concurrently if exists space_administrator_account_space;
create index concurrently space_administrator_account_space on space_administrator (account_id, space_id);
drop index concurrently if exists space_administrator_account;
