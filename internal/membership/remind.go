package membership

import (
	"context"
	"database/sql"
	"errors"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// RemindDue queues mails about memberships that end within seven days: one to each member,
// and one to each administrator of the space, about all members. It does so for one space,
// and returns for how many of its memberships: 5,000 at most. Several gateways can do it at
// the same time. It leaves out spaces that are in use at the moment.
//
// Where one is due, those that end up to a day later are in the same mails, so that nobody
// gets more than a mail a day for a space. A membership is due again when its end changes;
// not where the new end is within seven days already, nor where it was given for less (see
// migration 47).
func (s *Service) RemindDue(ctx context.Context) (n int64, err error) {
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		var space uuid.UUID
		err := tx.Get(ctx, &space, `
			select s.id from space s
			where s.id = any (array(
				select space_id from instance_member
				where until is not null and reminded_until is distinct from until and until <= statement_timestamp() + interval '7 days'
				order by until limit 1000))
			order by s.id limit 1 for no key update of s skip locked`)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err = remindIn(ctx, tx, space)
		return err
	})
	return n, err
}

// remindQuery marks memberships of space $1 as reminded of, and writes down who is to be
// reminded. Those whose time is over are only marked, until they are ended. The rows are
// locked, so that their ctid stays; one that somebody changed at the moment is left for the
// next time.
const remindQuery = `
	with due as materialized (
		select ctid as id from instance_member
		where space_id = $1 and until <= statement_timestamp() + interval '8 days' and reminded_until is distinct from until
		order by until limit 5000 for update skip locked),
	marked as (
		update instance_member set reminded_until = until where ctid = any (array(select id from due)) returning account_id, until),
	ending as (select account_id, until from marked where until > statement_timestamp()),
	reminder as (
		insert into membership_reminder (account_id, space_id, others, first_until, until)
		select account_id, $1, false, min(until), max(until) from ending group by account_id
		union all
		select a.account_id, $1, true, e.first_until, e.until
		from (select min(until) as first_until, max(until) as until from ending having count(*) > 0) e
		join space_administrator a on a.space_id = $1
		returning id)
	select (select count(*) from marked) as marked, array(select id from reminder) as reminders`

func remindIn(ctx context.Context, tx *postgres.Tx, space uuid.UUID) (int64, error) {
	var due struct {
		Marked    int64          `db:"marked"`
		Reminders postgres.UUIDs `db:"reminders"`
	}
	if err := tx.Get(ctx, &due, remindQuery, space); err != nil || len(due.Reminders) == 0 {
		return due.Marked, err
	}
	tasks := make([]outbox.Task, len(due.Reminders))
	for i, id := range due.Reminders {
		tasks[i].Subject = id
	}
	return due.Marked, outbox.Enqueue(ctx, tx, MailKind, tasks)
}

// DeleteReminders deletes reminders of memberships that have ended, with their mails, 500 at
// most, and returns their number. Several gateways can do it at the same time.
func DeleteReminders(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		with ended as materialized (
			select id from membership_reminder where until <= statement_timestamp()
			order by until limit 500 for update skip locked),
		mails as (
			delete from outbox where id = any (array(
				select id from outbox where subject_id = any (array(select id from ended)) order by id for update)))
		delete from membership_reminder where id = any (array(select id from ended))`)
}
