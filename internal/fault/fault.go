// Package fault holds the errors that are safe to show to a client: each has a
// code, a message and a remedy for people, and data for programs. Its cause, which
// explains it to an operator, is logged and never shown.
package fault

import (
	"strconv"
	"strings"
	"time"
)

// Code says what kind of error it is. Codes never change once released.
type Code string

// The codes, as the schema's ErrorCode documents them.
const (
	Unauthenticated      Code = "UNAUTHENTICATED"
	Forbidden            Code = "FORBIDDEN"
	NotFound             Code = "NOT_FOUND"
	BadUserInput         Code = "BAD_USER_INPUT"
	InvalidEmail         Code = "INVALID_EMAIL"
	InstanceDistributed  Code = "INSTANCE_DISTRIBUTED"
	InstanceDeleted      Code = "INSTANCE_DELETED"
	InstanceProtected    Code = "INSTANCE_PROTECTED"
	SpaceDeleted         Code = "SPACE_DELETED"
	RestoreWindowExpired Code = "RESTORE_WINDOW_EXPIRED"
	InvitationNotUsable  Code = "INVITATION_NOT_USABLE"
	Conflict             Code = "CONFLICT"
	IdempotencyKeyReused Code = "IDEMPOTENCY_KEY_REUSED"
	RateLimited          Code = "RATE_LIMITED"
	QueryTooComplex      Code = "QUERY_TOO_COMPLEX"
	Unavailable          Code = "UNAVAILABLE"
	InternalServerError  Code = "INTERNAL_SERVER_ERROR"

	GraphQLParseFailed      Code = "GRAPHQL_PARSE_FAILED"
	GraphQLValidationFailed Code = "GRAPHQL_VALIDATION_FAILED"
	BadRequest              Code = "BAD_REQUEST"
	PersistedQueryNotFound  Code = "PERSISTED_QUERY_NOT_FOUND"
)

// Reasons of a CONFLICT.
const (
	LastAdministrator = "LAST_ADMINISTRATOR"
	LastManager       = "LAST_MANAGER"
	LinkRevoked       = "LINK_REVOKED"
	RoleDerived       = "ROLE_DERIVED"
	MemberLeft        = "MEMBER_LEFT"
	NameTaken         = "NAME_TAKEN"
	NameReserved      = "NAME_RESERVED"
	NamedTwice        = "NAMED_TWICE"
	RemovesTooMany    = "REMOVES_TOO_MANY"
	NotNeeded         = "NOT_NEEDED"
	NoManager         = "NO_MANAGER"
	RequesterLeft     = "REQUESTER_LEFT"
	RequestApproved   = "REQUEST_APPROVED"
	RequestDeclined   = "REQUEST_DECLINED"
	RequestWithdrawn  = "REQUEST_WITHDRAWN"
	RequestExpired    = "REQUEST_EXPIRED"
)

// ConflictReasons are all of them.
var ConflictReasons = []string{LastAdministrator, LastManager, LinkRevoked, RoleDerived, MemberLeft, NameTaken, NameReserved, NamedTwice, RemovesTooMany, NotNeeded, NoManager, RequesterLeft, RequestApproved, RequestDeclined, RequestWithdrawn, RequestExpired}

// Reasons of an UNAUTHENTICATED whose token is authentic: signing in again does not
// help.
const (
	EmailNotVerified = "EMAIL_NOT_VERIFIED"
	EmailMissing     = "EMAIL_MISSING"
)

// UnauthenticatedReasons are all of them.
var UnauthenticatedReasons = []string{EmailNotVerified, EmailMissing}

// OutcomeUnknown is the reason of an UNAVAILABLE whose change may have been made.
const OutcomeUnknown = "OUTCOME_UNKNOWN"

// UnavailableReasons are all reasons of an UNAVAILABLE.
var UnavailableReasons = []string{OutcomeUnknown}

// Reasons of a RATE_LIMITED: the limit's name.
const (
	InvitationsByPerson            = "INVITATIONS_BY_PERSON"
	InvitationsBySpace             = "INVITATIONS_BY_SPACE"
	InvitationsByAddress           = "INVITATIONS_BY_ADDRESS"
	InvitationsByDomain            = "INVITATIONS_BY_DOMAIN"
	ResendsByAddress               = "RESENDS_BY_ADDRESS"
	JoinsByLink                    = "JOINS_BY_LINK"
	JoinsByClient                  = "JOINS_BY_CLIENT"
	RequestsByPerson               = "REQUESTS_BY_PERSON"
	RequestsBySpace                = "REQUESTS_BY_SPACE"
	RequestsByPersonInOrganization = "REQUESTS_BY_PERSON_IN_ORGANIZATION"
	TokensByPerson                 = "TOKENS_BY_PERSON"
	SubscriptionsByPerson          = "SUBSCRIPTIONS_BY_PERSON"
	SubscriptionsByGateway         = "SUBSCRIPTIONS_BY_GATEWAY"
	OperationsByPerson             = "OPERATIONS_BY_PERSON"
	OperationsByConnection         = "OPERATIONS_BY_CONNECTION"
	OperationsByClient             = "OPERATIONS_BY_CLIENT"

	OperationsWithoutAccount = "OPERATIONS_WITHOUT_ACCOUNT"
)

// RateLimitReasons are all of them.
var RateLimitReasons = []string{InvitationsByPerson, InvitationsBySpace, InvitationsByAddress, InvitationsByDomain, ResendsByAddress, JoinsByLink, JoinsByClient, RequestsByPerson, RequestsBySpace, RequestsByPersonInOrganization,
	TokensByPerson, SubscriptionsByPerson, SubscriptionsByGateway, OperationsByPerson, OperationsByConnection, OperationsByClient, OperationsWithoutAccount}

// Support is the address to write to when nothing else helps.
const Support = "support@alphacruncher.com"

// Contact is a person to ask.
type Contact struct {
	Name string `json:"name" db:"name"`
	// Email is "" where the person cannot be written to: their address belongs to
	// somebody else by now.
	Email string `json:"email" db:"email"`
}

// String returns "NAME (EMAIL)", or the name alone.
func (c Contact) String() string {
	if c.Email == "" {
		return c.Name
	}
	return c.Name + " (" + c.Email + ")"
}

// NamesOr names people with "or" between them or, without any, says what they would be.
func NamesOr(contacts []Contact, otherwise string) string {
	if len(contacts) == 0 {
		return otherwise
	}
	names := make([]string, len(contacts))
	for i, c := range contacts {
		names[i] = c.String()
	}
	return strings.Join(names, " or ")
}

// Reachable returns those of some people who can be written to.
func Reachable(people ...Contact) (contacts []Contact) {
	for _, c := range people {
		if c.Email != "" {
			contacts = append(contacts, c)
		}
	}
	return contacts
}

// Instance is an instance that an error is about, or that is offered in place of one that was refused.
type Instance struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Fault is one error. Only Code and Message are always set.
type Fault struct {
	Code    Code
	Message string // for a person: what happened, and why

	Reason          string     // a documented enum that refines Code
	InputPath       []any      // where in the arguments: names and indexes
	Index           *int       // in the list that InputPath leads into
	Email           string     // the address as it was given
	Suggestion      string     // an address that was probably meant
	Remedy          string     // what to do, for a person
	Contacts        []Contact  // whom to ask, or to appoint
	Request         string     // the mutation that asks them
	Instances       []Instance // where it would work, or what is in the way
	DeletedAt       *time.Time
	RestorableUntil *time.Time
	RetryAfter      time.Duration // until the same request may succeed
	Retry           *bool         // whether it ever can; nil: as the code says

	Cause error // for the log
}

// New returns a fault with a code and a message.
func New(code Code, message string) *Fault { return &Fault{Code: code, Message: message} }

// Input returns a BAD_USER_INPUT at a path in the arguments.
func Input(message string, path ...any) *Fault {
	return &Fault{Code: BadUserInput, Message: message, InputPath: path}
}

func (f *Fault) Error() string {
	if f.Cause == nil {
		return string(f.Code) + ": " + f.Message
	}
	return string(f.Code) + ": " + f.Message + ": " + f.Cause.Error()
}

func (f *Fault) Unwrap() error { return f.Cause }

// Retryable reports whether the same request can succeed later.
func (f *Fault) Retryable() bool {
	if f.Retry != nil {
		return *f.Retry
	}
	return f.Code == Unavailable || f.Code == InternalServerError || f.Code == RateLimited
}

// List is several faults of one stage, all to be shown.
type List []*Fault

func (l List) Error() string {
	codes := make([]string, len(l))
	for i, f := range l {
		codes[i] = string(f.Code)
	}
	return strconv.Itoa(len(l)) + " faults: " + strings.Join(codes, ", ")
}

// Err returns the list as an error, or nil where it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
