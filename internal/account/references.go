package account

// Reference is a column that names accounts by their ids.
type Reference struct {
	Table  string
	Column string // or an SQL expression on the table's columns
	// Exclusive says that an account can be named once beside the table's other
	// key columns, so that two accounts cannot simply become one.
	Exclusive bool
}

// References are all columns that name accounts. Everything that is done to an
// account as a whole (merging it into another one, exporting it, erasing it) has
// to consider each of them. A test compares them with the foreign keys of the
// database; those without a foreign key are kept up by hand.
var References = []Reference{
	{"address_holder", "account_id", true},
	{"merged_subject", "account_id", false},
	{"account", "merged_into", false},
	{"organization_member", "account_id", true},
	{"space_administrator", "account_id", true},
	{"instance_member", "account_id", true},
	{"ended_membership", "account_id", true},
	{"ended_membership", "ended_by", false},
	{"space", "deleted_by", false},
	{"instance", "deleted_by", false},
	{"invitation", "invited_by", false},
	{"invitation", "requested_by", false},
	{"invite_link", "created_by", false},
	{"request", "requested_by", true}, // one open request of a kind for each place
	{"request", "answered_by", false},
	{"request_notice", "account_id", true},
	{"membership_reminder", "account_id", false},
	{"idempotency_key", "account_id", true},

	// Without a foreign key.
	{"audit_log", "actor_id", false},
	{"audit_log", "details->>'userId'", false},
	{"rate_limit", "subject", true},
	{"event", "place_id", false}, // of the topic REQUEST
}
