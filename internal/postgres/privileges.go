package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"
)

// privileges are what a gateway needs on each table. To lock rows, it needs the
// right to update one of their columns.
var privileges = map[string]string{
	"goose_db_version":      "select",
	"schema_requirement":    "select",
	"account":               "select, insert, update",
	"address_holder":        "select, insert, update, delete",
	"address_proof":         "select, delete, update (proved_at)",
	"merged_subject":        "select",
	"organization":          "select, insert, update (name)",
	"organization_member":   "select, insert, delete, update (role, guest)",
	"space":                 "select, insert, update (name, deleted_at, deleted_by, restorable_until)",
	"space_administrator":   "select, insert, delete, update (since)",
	"instance":              "select, insert, update, delete",
	"instance_member":       "select, insert, update, delete",
	"ended_membership":      "select, insert, update, delete",
	"invitation":            "select, insert, update, delete",
	"invitation_past_token": "select",
	"invite_link":           "select, insert, update, delete",
	"invite_link_use":       "select, insert, update, delete",
	"invitation_resend":     "select, insert, update, delete",
	"invitation_refusal":    "select, insert, delete",
	"request":               "select, insert, update, delete",
	"request_notice":        "select, insert, delete, update (account_id)",
	"membership_reminder":   "select, insert, delete, update (account_id)",
	"outbox":                "select, insert, update, delete",
	"rate_limit":            "select, insert, update, delete",
	"rate_limit_credit":     "select, insert, update, delete",
	"hash_key":              "select",
	"rate_limit_use":        "select, insert, update, delete",
	"idempotency_key":       "select, insert, update, delete",
	"event":                 "select, insert, delete, update (place_id)",
	"audit_log":             "select, insert",
	"demo_world":            "select",
}

// functions are those that a gateway executes, of which not everybody may.
var functions = []string{"audit_log_delete_old(interval, int)", "space_delete_expired(uuid)"}

// grant grants a role what a gateway needs, and nothing else: it can change
// neither the schema nor the records of the trail.
func grant(ctx context.Context, db *sql.DB, role string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %q: %w", ErrRole, role, err)
		}
	}()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	var owner bool
	if err := tx.QueryRowContext(ctx, `select current_user = $1`, role).Scan(&owner); err != nil {
		return err
	}
	if owner {
		return errors.New("it owns the tables, and so may do anything: run migrate as another role")
	}
	name := pq.QuoteIdentifier(role)
	statements := []string{
		"revoke all on all tables in schema public from " + name,
		"grant usage on schema public to " + name,
	}
	for table, rights := range privileges {
		statements = append(statements, "grant "+rights+" on "+table+" to "+name)
	}
	for _, function := range functions {
		statements = append(statements, "grant execute on function "+function+" to "+name)
	}
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}
