-- +goose NO TRANSACTION
-- +goose Up

-- Who is reminded by mail that memberships with an end are about to end: a member, of their
-- own in a space (others: false), or an administrator of the space, of those of the others
-- (true). It is about those that end from first_until to until; what the mail says is read
-- when it is sent. It is kept until they have ended. Gateways of the last release remind
-- nobody, and leave these mails alone, which have a kind of their own in the outbox.
--
-- Each statement is a transaction of its own and can be repeated, as in migration 24.
create table if not exists membership_reminder (
    id          uuid        not null default uuid_v7(clock_timestamp()),
    account_id  uuid        not null,
    space_id    uuid        not null,
    others      boolean     not null,
    first_until timestamptz not null,
    until       timestamptz not null,
    constraint membership_reminder_pkey primary key (id),
    constraint membership_reminder_order check (first_until <= until)
);
alter table membership_reminder drop constraint if exists membership_reminder_account_fkey;
alter table membership_reminder add constraint membership_reminder_account_fkey foreign key (account_id) references account;
alter table membership_reminder drop constraint if exists membership_reminder_space_fkey;
alter table membership_reminder add constraint membership_reminder_space_fkey foreign key (space_id) references space on delete cascade;
create index if not exists membership_reminder_account on membership_reminder (account_id);
create index if not exists membership_reminder_space on membership_reminder (space_id);
create index if not exists membership_reminder_until on membership_reminder (until);

-- Whoever sets an end within the next seven days knows of it, and nobody is reminded: neither
-- of a membership that is given for less than seven days, nor of one that is prolonged in its
-- last week. This holds for everything that writes an end, such as a merger of accounts.
-- +goose StatementBegin
create or replace function instance_member_until_soon() returns trigger language plpgsql as $$
begin
    if new.until <= clock_timestamp() + interval '7 days' and (tg_op = 'INSERT' or old.until is distinct from new.until) then
        new.reminded_until = new.until;
    end if;
    return new;
end $$;
-- +goose StatementEnd
drop trigger if exists instance_member_until_soon on instance_member;
create trigger instance_member_until_soon before insert or update of until on instance_member
    for each row when (new.until is not null) execute function instance_member_until_soon();

-- The first finds where somebody has to be reminded: it has few rows, however many end. The
-- second finds the memberships of a space that end in a time.
drop index concurrently if exists instance_member_to_remind;
create index concurrently instance_member_to_remind on instance_member (until, space_id) where until is not null and reminded_until is distinct from until;
drop index concurrently if exists instance_member_space_until;
create index concurrently instance_member_space_until on instance_member (space_id, until) where until is not null;
