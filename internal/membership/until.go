package membership

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// End is when a membership ends, as an input has it: it may be left out, and the end stays as
// it is; null removes the end.
type End struct {
	Given bool
	At    *time.Time // nil: none
}

// IsZero reports whether the end was left out. Remembered inputs then have none, as those of
// gateways that did not know it.
func (e End) IsZero() bool { return !e.Given }

// MarshalJSON writes the time, or null.
func (e End) MarshalJSON() ([]byte, error) { return json.Marshal(e.At) }

// MarshalGQL writes the scalar DateTime.
func (e End) MarshalGQL(w io.Writer) {
	if e.At == nil {
		_, _ = io.WriteString(w, "null")
		return
	}
	graphqltypes.MarshalDateTime(*e.At).MarshalGQL(w)
}

// UnmarshalGQL reads the scalar DateTime, or null.
func (e *End) UnmarshalGQL(v any) error {
	*e = End{Given: true}
	if v == nil {
		return nil
	}
	at, err := graphqltypes.UnmarshalDateTime(v)
	e.At = &at
	return err
}

// maxYears is how many years a membership with an end can last.
const maxYears = 10

// ValidateUntil returns what is wrong with the form of an end: it is too far away.
func ValidateUntil(until *time.Time) fault.List {
	if until != nil && until.After(time.Now().AddDate(maxYears, 0, 0)) {
		return fault.List{fault.Input("until is more than ten years away. Leave it out for a membership without an end.", "input", "until")}
	}
	return nil
}

// CheckUntil fails with BAD_USER_INPUT where an end is not to come, by the database's clock.
// A repeated request is not checked again.
func CheckUntil(ctx context.Context, q postgres.Querier, until *time.Time) error {
	if until == nil {
		return nil
	}
	var ahead bool
	if err := q.Get(ctx, &ahead, `select $1::timestamptz > clock_timestamp()`, *until); err != nil || ahead {
		return err
	}
	return fault.Input("until is over already. Nothing was changed.", "input", "until")
}

// dueInstance is an instance with memberships whose time is over.
type dueInstance struct {
	ID        uuid.UUID `db:"id"`
	Name      string    `db:"name"`
	SpaceID   uuid.UUID `db:"space_id"`
	SpaceName string    `db:"space_name"`
}

// EndDue ends memberships whose time is over, 500 at most, of one instance, writes the trail,
// and revokes the pending invitations to the people there that are older than the end. It returns their number. Their
// roles had no effect any more: see tenant.Current. Several gateways can do it at the same
// time. It leaves out instances that are in use at the moment.
func (s *Service) EndDue(ctx context.Context) (n int64, err error) {
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		var due dueInstance
		err := tx.Get(ctx, &due, `
			select i.id, i.name, i.space_id, s.name as space_name
			from instance i cross join lateral (select name from space where id = i.space_id limit 1) s
			where i.id = any (array(
				select instance_id from instance_member where until <= statement_timestamp() order by until limit 1000))
			order by i.id limit 1 for no key update of i skip locked`)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err = s.endDueIn(ctx, tx, due)
		return err
	})
	return n, err
}

// endDueQuery is endQuery for memberships of instance $1 whose time is over. Each can be
// given back by itself.
var endDueQuery = `
		with ended as (
			delete from instance_member where instance_id = $1 and account_id = any (array(
				select account_id from instance_member
				where instance_id = $1 and until <= clock_timestamp() order by until limit 500)) returning *)` +
	recordEnded(`uuid_v7(clock_timestamp())`, `ended.account_id`, ofInstance, `null::uuid`, `'EXPIRED'`) + `
		returning account_id, role`

func (s *Service) endDueIn(ctx context.Context, tx *postgres.Tx, due dueInstance) (int64, error) {
	var ended []struct {
		AccountID uuid.UUID           `db:"account_id"`
		Role      tenant.InstanceRole `db:"role"`
	}
	if err := tx.Select(ctx, &ended, endDueQuery, due.ID); err != nil || len(ended) == 0 {
		return 0, err
	}
	users := make(postgres.UUIDs, len(ended))
	for i, e := range ended {
		users[i] = e.AccountID
	}
	var names []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	if err := tx.Select(ctx, &names, `select id, name from account where id = any ($1::uuid[])`, users); err != nil {
		return 0, err
	}
	of := make(map[uuid.UUID]string, len(names))
	for _, n := range names {
		of[n.ID] = n.Name
	}
	instance := &tenant.Instance{
		ID: globalid.ID{Kind: globalid.Instance, UUID: due.ID}, Name: due.Name,
		Space: &tenant.Space{ID: globalid.ID{Kind: globalid.Space, UUID: due.SpaceID}, Name: due.SpaceName, Organization: &tenant.Organization{}},
	}
	records := make([]audit.Record, len(ended))
	for i, e := range ended {
		user := &tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: e.AccountID}, Name: of[e.AccountID]}
		records[i] = audit.Record{Action: audit.MemberExpired, Target: audit.OnInstance(instance), Details: about(user, audit.Details{Role: &e.Role})}
	}
	if s.RevokeInvitations != nil {
		if _, err := s.RevokeInvitations(ctx, tx, access.Actor{}, users, instance, postgres.UUIDs{due.ID}); err != nil {
			return 0, err
		}
	}
	return int64(len(ended)), audit.Write(ctx, tx, records...)
}
