package invitation

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// InviteUsersInput asks to invite people to an instance.
type InviteUsersInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	Role           tenant.InstanceRole `json:"role"`
	Emails         []string            `json:"emails"` // as people type or paste them
	Message        *string             `json:"message"`
	IdempotencyKey *string             `json:"-"`
}

// InviteSpaceAdministratorsInput asks to invite people to administrate a space.
type InviteSpaceAdministratorsInput struct {
	SpaceID        globalid.ID `json:"spaceId"`
	Emails         []string    `json:"emails"` // as people type or paste them
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r InviteUsersInput) Validate(l Limits) fault.List {
	return validate(l, r.Emails, r.Message, r.IdempotencyKey)
}

// Validate gives what is wrong with the form of the request.
func (r InviteSpaceAdministratorsInput) Validate(l Limits) fault.List {
	return validate(l, r.Emails, r.Message, r.IdempotencyKey)
}

func validate(l Limits, emails []string, note, key *string) (faults fault.List) {
	faults = append(faults, l.ValidateEmails(emails, "input", "emails")...)
	faults = append(faults, text.CheckMessage(note, l.Message, "input", "message")...)
	return append(faults, idempotency.ValidateKey(key)...)
}

// ValidateEmails gives what is wrong with the number of addresses.
func (l Limits) ValidateEmails(emails []string, path ...any) fault.List {
	return l.validateCount(len(emails), "addresses", path...)
}

func (l Limits) validateCount(n int, of string, path ...any) fault.List {
	if n < 1 || n > l.Emails {
		return fault.List{fault.Input(fmt.Sprintf("There are %d %s; there can be 1 to %d.", n, of, l.Emails), path...)}
	}
	return nil
}

// invitee is an address of a request.
type invitee struct {
	address address.Address
	key     string
	first   int // index of the same address's first place in the request
}

// nobodyInvited is what became of a request with an address that is not valid.
const nobodyInvited = "Nobody was invited."

// checkAddresses judges every address, and finds those given twice. What became of the
// request where one is not valid, each of the faults says at its end. It gives up
// when the context ends.
func checkAddresses(ctx context.Context, emails []string, became string) (invitees []invitee, faults fault.List, err error) {
	invitees = make([]invitee, len(emails))
	firsts := make(map[string]int, len(emails))
	for i, email := range emails {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		a, problem := address.Parse(email)
		if problem != nil {
			faults = append(faults, invalid(i, email, problem, became))
			continue
		}
		key := a.Key()
		first, again := firsts[key]
		if !again {
			first = i
			firsts[key] = i
		}
		invitees[i] = invitee{a, key, first}
	}
	return invitees, faults, nil
}

func invalid(i int, email string, problem *address.Problem, became string) *fault.Fault {
	named := fmt.Sprintf("Address %d, %s,", i+1, excerpt(email))
	if problem.Reason == address.Empty {
		named = fmt.Sprintf("Address %d", i+1)
	}
	return &fault.Fault{
		Code:       fault.InvalidEmail,
		Message:    named + " is not valid: " + problem.Detail + ". " + became,
		Reason:     string(problem.Reason),
		InputPath:  []any{"input", "emails", i},
		Index:      &i,
		Email:      shorten(email),
		Suggestion: problem.Suggestion,
	}
}

// excerpt is an address as it can stand in a sentence.
func excerpt(email string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.TrimSpace(shorten(email)))
}

// shorten keeps an input of any length from being sent back whole.
func shorten(s string) string {
	const most = 320 // octets, more than an address can have
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// EmailCheck is the judgement of one address, as typed.
type EmailCheck struct {
	Index      int
	Input      string
	Email      *string
	Valid      bool
	Reason     *address.Reason
	Suggestion *string
	Warning    *string
}

// CheckEmails judges addresses exactly as Invite does, and warns of valid ones
// that look mistyped, by their domains alone, since nobody may learn from it who
// has an account. It gives up when the context ends.
func CheckEmails(ctx context.Context, emails []string, known []*address.Domains) ([]*EmailCheck, error) {
	checks := make([]*EmailCheck, len(emails))
	for i, input := range emails {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		check := &EmailCheck{Index: i, Input: input}
		checks[i] = check
		a, problem := address.Parse(input)
		if problem != nil {
			check.Reason = &problem.Reason
			if problem.Suggestion != "" {
				check.Suggestion = &problem.Suggestion
			}
			continue
		}
		check.Valid, check.Email = true, new(a.String())
		if meant := address.Mistyped(a, known); meant != "" {
			check.Suggestion = &meant
			check.Warning = new("Did you mean " + meant + "?")
		}
	}
	return checks, nil
}
