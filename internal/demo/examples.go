package demo

import (
	"context"
	"time"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// statistics is a space that Mia deleted some time before the load, and can restore.
const statistics = "Statistics 2025"

var spaceDeletion = deletion{statistics, mia, 3 * time.Hour}

// requests are open requests, one of each kind, which Ada can answer.
var requests = []struct {
	by, kind, space string
	instance        string // of the space; "": the space itself
	role            string // "": none
	emails          []string
	message         string
}{
	{by: mia, kind: "ROLE", space: econometrics, role: tenant.SpaceAdministrator.String(), message: "I look after this course while you are away."},
	{by: mia, kind: "INVITATIONS", space: econometrics, instance: "Master", role: tenant.InstanceViewer.String(),
		emails: []string{"noah@uni.example", "lea@uni.example"}, message: "They help with the exercises."},
	{by: mia, kind: "RESTORE", space: econometrics, instance: "Group 2", message: "The group still needs it."},
}

// examples returns the steps that load the examples.
func (l loader) examples() []func(context.Context) error {
	return []func(context.Context) error{l.loadRequests, l.loadDeletedSpace}
}

func (l loader) loadDeletedSpace(ctx context.Context) error {
	if err := l.loadSpace(ctx, university, statistics); err != nil {
		return err
	}
	if _, err := membership.Grant(ctx, l.tx, l.people[mia], l.places[statistics], tenant.SpaceAdministrator); err != nil {
		return err
	}
	return l.loadDeletion(ctx, "space", spaceDeletion)
}

func (l loader) loadRequests(ctx context.Context) error {
	for _, r := range requests {
		if _, err := l.tx.Exec(ctx, `
			insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, role, emails, message, lasts_until, expires_at)
			select $1, $2, s.id, s.name, i.id, i.name, $3, nullif($4, ''), $5, $6, clock_timestamp() + interval '14 days',
			       least(clock_timestamp() + interval '14 days', i.restorable_until)
			from space s left join instance i on i.space_id = s.id and i.name = $8 where s.id = $7`,
			globalid.New(globalid.Request).UUID, r.kind, l.people[r.by], r.role, pq.StringArray(r.emails), r.message, l.places[r.space].UUID, r.instance); err != nil {
			return err
		}
	}
	return nil
}
