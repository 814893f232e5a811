package privacy

// Table says what one table of the database keeps about people. A test compares the
// catalog with the database: a table or a column that is not listed fails it, until
// somebody has decided what an export and an erasure do with it.
type Table struct {
	Name string
	// About is what the table keeps about people; "": nothing, and NotPersonal says
	// why.
	About       string
	NotPersonal string
	// Purpose is why, Kept how long, and Seen by whom.
	Purpose, Kept, Seen string
	// Columns are all but numbers, times and truth values, which say nothing about
	// anybody without the others.
	Columns []Column
}

// Column is a column of a table.
type Column struct {
	Name    string
	Content Content
	// Export is the section of an export that has the column; "": Reason says why
	// there is none.
	Export string
	// Erase is what an erasure does with the column; "": Reason says why it does
	// nothing.
	Erase Effect
	// Reason says why a column with personal data is not exported, or stays.
	Reason string
}

// Content is the kind of data in a column.
type Content string

// The contents.
const (
	AccountID  Content = "account"       // names an account
	Identity   Content = "identity"      // names the person at the identity provider
	Email      Content = "e-mail"        // an address, or several
	Hash       Content = "hash"          // stands for personal data
	PersonName Content = "name"          // of a person
	FreeText   Content = "free text"     // that people write, or a mail server
	Secret     Content = "secret"        // lets somebody act as the person
	PlaceName  Content = "place"         // of an organization, a space or an instance
	ID         Content = "id"            // names something else than a person
	Word       Content = "word"          // one of a fixed list
	Preference Content = "preference"    // of the person
	Mixed      Content = "several kinds" // JSON
)

// Personal reports whether a column of this content can tell who somebody is, or
// what they wrote.
func (c Content) Personal() bool { return c != PlaceName && c != ID && c != Word }

// Effect is what an erasure does with a column.
type Effect string

// The effects.
const (
	RowDeleted Effect = "row deleted"
	Removed    Effect = "removed"
	Replaced   Effect = "pseudonym"
)

// The columns that are not about people.
func id(name string) Column    { return Column{Name: name, Content: ID} }
func word(name string) Column  { return Column{Name: name, Content: Word} }
func place(name string) Column { return Column{Name: name, Content: PlaceName} }

const (
	administrators = "administrators of the space"
	nobody         = "nobody: only the gateway reads it"
	staysAsID      = "the id stays as the pseudonym: nothing leads from it to the person"
)

// Catalog lists all tables.
var Catalog = []Table{
	{
		Name: "account", About: "who signs in, or will: address, name, language, the identity provider's id",
		Purpose: "to know who asks, and to name people to each other",
		Kept:    "until it is erased", Seen: "the person; name and address: people whom they invite or ask, members who see them in a list, people who are told whom to ask",
		Columns: []Column{
			{"id", AccountID, "account", "", staysAsID},
			{"subject", Identity, "account", Removed, ""},
			{"email", Email, "account", Replaced, ""},
			{"email_key", Email, "account", Replaced, ""},
			{"name", PersonName, "account", Replaced, ""},
			{"locale", Preference, "account", Removed, ""},
			{"merged_into", AccountID, "account", "", staysAsID},
		},
	},
	{
		Name: "address_holder", About: "which account an address belongs to, and since when",
		Purpose: "to give an address to one account only",
		Kept:    "until the account has another address, or another account proves the address", Seen: nobody + "; members see who is a former holder",
		Columns: []Column{
			{"email_key", Email, "addressHeld", RowDeleted, ""},
			{"account_id", AccountID, "addressHeld", RowDeleted, ""},
		},
	},
	{
		Name: "address_proof", About: "when an address that an account has left was last proved, by a hash with a key",
		Purpose: "to give the address to nobody by a token of before",
		Kept:    "31 days after the proof, longer than any token is valid", Seen: nobody,
		Columns: []Column{
			{"address_hash", Hash, "", "", "the hash tells nothing without the address; it stays after the erasure, so that a former holder does not get the address by an old token"},
		},
	},
	{
		Name: "merged_subject", About: "the identity provider's ids of accounts that were merged into another one",
		Purpose: "to sign people in to the account that remained",
		Kept:    "until the account is erased", Seen: nobody,
		Columns: []Column{
			{"subject", Identity, "mergedSubjects", RowDeleted, ""},
			{"account_id", AccountID, "mergedSubjects", RowDeleted, ""},
		},
	},
	{
		Name: "organization_member", About: "roles in organizations",
		Purpose: "to decide what the person may do",
		Kept:    "until the role ends", Seen: "managers of the organization",
		Columns: []Column{
			id("organization_id"), word("role"),
			{"account_id", AccountID, "organizationRoles", RowDeleted, ""},
		},
	},
	{
		Name: "space_administrator", About: "who administrates a space",
		Purpose: "to decide what the person may do, and whom others can ask",
		Kept:    "until the role ends", Seen: "people with a role in the space",
		Columns: []Column{
			id("space_id"),
			{"account_id", AccountID, "spaceRoles", RowDeleted, ""},
		},
	},
	{
		Name: "instance_member", About: "roles in instances",
		Purpose: "to decide what the person may do, and whom others can ask",
		Kept:    "until the role ends, or the instance is purged", Seen: "administrators of the space and editors of the instance",
		Columns: []Column{
			id("instance_id"), id("space_id"), word("role"),
			{"account_id", AccountID, "instanceRoles", RowDeleted, ""},
		},
	},
	{
		Name: "ended_membership", About: "roles that have ended: which, when, by whom and why",
		Purpose: "to give them back to people who were removed by mistake, or whose time was over, and to show who left and must be invited",
		Kept:    "`DATAHUB_FORMER_MEMBER_RETENTION` after their end; until the person gets a role in the instance again, or the place is purged", Seen: administrators + "; managers of the organization, of removals from it",
		Columns: []Column{
			id("id"), id("removal"), id("organization_id"), id("space_id"), id("instance_id"), id("place_id"), word("role"), word("reason"),
			{"account_id", AccountID, "endedRoles", RowDeleted, ""},
			{"ended_by", AccountID, "rolesEnded", "", staysAsID},
			{"email_hash", Hash, "", RowDeleted, "it is compared with the address of the account, which is exported"},
		},
	},
	{
		Name: "space", About: "who deleted a space",
		Purpose: "to say who deleted it, and who can restore it",
		Kept:    "until the space is restored or purged", Seen: "people with a role in the space",
		Columns: []Column{
			id("id"), id("organization_id"), place("name"),
			{"deleted_by", AccountID, "spacesDeleted", "", staysAsID},
		},
	},
	{
		Name: "instance", About: "who deleted an instance; whose own instance it is in a roster, as hashes with a key; its name, where a roster made it of the name or the address of a person",
		Purpose: "to say who deleted it, and who can restore it; to find a person's own instance when the roster is sent again",
		Kept:    "until the instance is restored or purged; the hashes and the name until it is purged", Seen: "people with a role in the instance; of the hashes " + nobody,
		Columns: []Column{
			id("id"), id("space_id"), place("name"), place("name_key"), word("kind"),
			{"deleted_by", AccountID, "instancesDeleted", "", staysAsID},
			{"own_pattern", Hash, "", "", "a hash of the name that the instance has in the roster, which is about no person"},
			{"own_person", Hash, "", Replaced, "the hash tells nothing without the address and the key; another value stands there after the erasure, so that nobody gets the instance as their own, also not the next holder of the address"},
		},
	},
	{
		Name: "invitation", About: "who was invited, by whom, to what, with which message and result",
		Purpose: "to invite a person, and to show the result",
		Kept:    "`DATAHUB_INVITATION_RETENTION` after its end", Seen: administrators + "; managers of the organization, of invitations to it or to administer a space; the invited person",
		Columns: []Column{
			id("id"), id("instance_id"), id("space_id"), id("organization_id"), id("link_id"), word("role"), word("status"),
			{"email", Email, "invitationsReceived", RowDeleted, ""},
			{"email_key", Email, "invitationsReceived", RowDeleted, ""},
			{"token_hash", Secret, "", RowDeleted, "a hash of the secret in the mail's link"},
			{"message", FreeText, "invitationsSent", Removed, ""},
			{"invited_by", AccountID, "invitationsSent", "", staysAsID},
			{"requested_by", AccountID, "invitationsSent", "", staysAsID},
		},
	},
	{
		Name: "invite_link", About: "who made a course link, by which people ask for their invitations",
		Purpose: "to invite these people in the name of the person who made it",
		Kept:    "`DATAHUB_INVITATION_RETENTION` after its end", Seen: administrators + "; the name of the person: anyone who has the link",
		Columns: []Column{
			id("id"), id("space_id"), id("instance_id"), place("own_name"), word("role"), place("allowed_domains"),
			{"token_hash", Secret, "", "", "a hash of the secret in the link's address, which is of the place and not of a person"},
			{"created_by", AccountID, "linksMade", "", staysAsID},
		},
	},
	{
		Name: "invite_link_use", About: "at which course links an address was given, as a hash with a key, and its own instance",
		Purpose: "to count an address once, to make one own instance for it, and to repeat an answer that was lost",
		Kept:    "as long as the link", Seen: nobody,
		Columns: []Column{
			id("link_id"), id("instance_id"),
			{"address_hash", Hash, "linksUsed", Replaced, ""},
			{"request_hashes", Hash, "", Removed, "hashes of keys of requests"},
		},
	},
	{
		Name: "invitation_past_token", About: "links of invitations that were sent again with another link, as hashes",
		Purpose: "to let people refuse further invitations with an older mail",
		Kept:    "as long as the invitation", Seen: nobody,
		Columns: []Column{
			id("invitation_id"),
			{"token_hash", Secret, "", RowDeleted, "a hash of the secret in an older mail's link"},
		},
	},
	{
		Name: "invitation_resend", About: "when an address was last sent an invitation again",
		Purpose: "to send nobody many mails",
		Kept:    "10 minutes", Seen: nobody,
		Columns: []Column{
			id("space_id"),
			{"email_key", Email, "invitationResends", RowDeleted, ""},
		},
	},
	{
		Name: "invitation_refusal", About: "mailboxes that want no invitations by mail, as hashes with a key",
		Purpose: "to send no mails to people who refuse them",
		Kept:    "until the person allows invitations again", Seen: nobody + "; people who invite the address learn that no mail is sent",
		Columns: []Column{
			{"address_hash", Hash, "", "", "the export says whether and when the person refused; the hash stays, so that the refusal is respected after the erasure"},
		},
	},
	{
		Name: "outbox", About: "records of mails to people: when they were sent, and what the mail server replied",
		Purpose: "to send each mail once, and to explain what happened to it",
		Kept:    "`DATAHUB_MAIL_RETENTION` after the last attempt", Seen: administrators + " (the state and the reply)",
		Columns: []Column{
			id("id"), word("kind"), id("lease"), word("state"), word("problem"), id("instance_id"),
			{"subject_id", ID, "mails", RowDeleted, ""},
			{"secret", Secret, "", RowDeleted, "the secret in the mail's link; it is removed when the mail is sent"},
			{"last_error", FreeText, "mails", RowDeleted, ""},
			{"reply", FreeText, "mails", RowDeleted, ""},
		},
	},
	{
		Name: "request", About: "who asked whom for what, and the answers",
		Purpose: "to bring what is asked for to people who can decide it",
		Kept:    "`DATAHUB_REQUEST_RETENTION` after its end", Seen: "the person who asked; people who can answer",
		Columns: []Column{
			id("id"), word("kind"), id("space_id"), id("instance_id"), id("organization_id"), place("space_name"), place("instance_name"), place("organization_name"), word("role"), word("status"),
			{"requested_by", AccountID, "requestsMade", RowDeleted, ""},
			{"emails", Email, "requestsNaming", Replaced, ""},
			{"approved", Email, "requestsNaming", Replaced, ""},
			{"message", FreeText, "requestsMade", RowDeleted, ""},
			{"answered_by", AccountID, "requestsAnswered", "", staysAsID},
			{"answer", FreeText, "requestsAnswered", Removed, ""},
		},
	},
	{
		Name: "request_notice", About: "who gets a mail about a request",
		Purpose: "to send these mails once",
		Kept:    "as long as the request", Seen: nobody,
		Columns: []Column{
			id("id"), id("request_id"),
			{"account_id", AccountID, "mails", RowDeleted, ""},
		},
	},
	{
		Name: "membership_reminder", About: "who gets a mail about memberships that are about to end",
		Purpose: "to send these mails once",
		Kept:    "until the memberships have ended", Seen: nobody,
		Columns: []Column{
			id("id"), id("space_id"),
			{"account_id", AccountID, "mails", RowDeleted, ""},
		},
	},
	{
		Name: "audit_log", About: "who did what in a space or an organization, and to whom; names of instances, where a roster made them of the name or the address of a person",
		Purpose: "to prove and explain changes of access",
		Kept:    "`DATAHUB_AUDIT_RETENTION`", Seen: administrators + "; managers of the organization, about the organization itself",
		Columns: []Column{
			id("id"), word("action"), id("space_id"), place("space_name"), id("instance_id"), place("instance_name"), id("organization_id"), place("organization_name"),
			{"actor_id", AccountID, "auditRecords", "", staysAsID},
			{"actor_name", PersonName, "auditRecords", Replaced, ""},
			{"details", Mixed, "auditRecords", Replaced, ""},
		},
	},
	{
		Name: "idempotency_key", About: "that a person sent a request with a key, and its result in ids",
		Purpose: "to carry out a repeated request once",
		Kept:    "24 hours", Seen: nobody,
		Columns: []Column{
			{"account_id", AccountID, "idempotencyKeys", RowDeleted, ""},
			{"key", FreeText, "idempotencyKeys", RowDeleted, ""},
			{"request_hash", Hash, "", RowDeleted, "a hash of the request"},
			{"response", Mixed, "idempotencyKeys", RowDeleted, ""},
		},
	},
	{
		Name: "rate_limit", About: "how much a person did in the last hour; mails to a mailbox or a domain, as hashes with a key",
		Purpose: "to stop abuse",
		Kept:    "an hour", Seen: nobody,
		Columns: []Column{
			word("name"),
			{"subject", AccountID, "limits", RowDeleted, ""},
		},
	},
	{
		Name: "rate_limit_credit", About: "uses of such counters of a space or a domain that are set aside",
		Purpose: "to stop abuse",
		Kept:    "an hour", Seen: nobody,
		Columns: []Column{
			word("name"), id("subject"), id("id"),
		},
	},
	{
		Name: "rate_limit_use", About: "the same, by gateways before September 2026",
		Purpose: "to stop abuse",
		Kept:    "an hour", Seen: nobody,
		Columns: []Column{
			word("name"),
			{"subject", AccountID, "", RowDeleted, "no gateway of today writes it"},
		},
	},
	{
		Name: "event", About: "that something changed that a person's pages show",
		Purpose: "to show changes on open pages",
		Kept:    "an hour", Seen: nobody,
		Columns: []Column{
			word("topic"), word("change"), id("subjects"), id("xid"),
			{"place_id", AccountID, "events", RowDeleted, ""},
		},
	},

	{Name: "organization", NotPersonal: "places, not people; the operator and managers choose their names", Columns: []Column{id("id"), place("name")}},
	{Name: "hash_key", NotPersonal: "a random key, of nobody", Columns: []Column{{"key", Secret, "", "", "of the gateway"}}},
	{Name: "schema_requirement", NotPersonal: "versions of the schema"},
	{Name: "demo_world", NotPersonal: "marks a database of developers"},
	{Name: "goose_db_version", NotPersonal: "versions of the schema"},
}
