// Package audit keeps the trail of who did what in a space, and when.
package audit

import (
	"context"
	"encoding/json"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Entry is one deed.
type Entry struct {
	Action   string // what was done, such as "instance.deleted"
	Actor    access.Actor
	Instance *access.Instance
	Details  map[string]any
}

// Record adds an entry to the trail; in the transaction that does the deed.
func Record(ctx context.Context, tx *postgres.Tx, e Entry) error {
	details, err := json.Marshal(e.Details)
	if err != nil {
		return err
	}
	if e.Details == nil {
		details = []byte("{}")
	}
	_, err = tx.Exec(ctx, `
		insert into audit_log (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.Action, e.Actor.ID.UUID, e.Actor.Name, e.Instance.Space.ID.UUID, e.Instance.Space.Name,
		e.Instance.ID.UUID, e.Instance.Name, string(details))
	return err
}
