package invitation

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
)

// nobodyInvited ends the message of every INVALID_EMAIL of a request to invite.
const nobodyInvited = "Nobody was invited."

// invitee is a valid address of a request.
type invitee struct {
	address address.Address
	key     string
	first   int // index in the request at which the address stands first
}

// checkAddresses checks every address of a request, and finds those given twice.
// It returns an INVALID_EMAIL for each that is not valid, and leaves its invitee
// empty. consequence is the last sentence of their messages. It fails where the
// context ends, because a request may have thousands of long addresses.
func checkAddresses(ctx context.Context, emails []string, consequence string) (invitees []invitee, invalid fault.List, err error) {
	invitees = make([]invitee, len(emails))
	firsts := make(map[string]int, len(emails))
	for i, email := range emails {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		a, problem := address.Parse(email)
		if problem != nil {
			invalid = append(invalid, invalidEmail(i, email, problem, consequence))
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
	return invitees, invalid, nil
}

// distinct returns the valid addresses without those that stand in the request
// before.
func distinct(invitees []invitee) (firsts []invitee) {
	for i, in := range invitees {
		if in.key != "" && in.first == i {
			firsts = append(firsts, in)
		}
	}
	return firsts
}

// CheckAddresses checks the addresses of a request exactly as Invite does. It
// returns each valid address once, and an INVALID_EMAIL for each that is not
// valid. consequence is the last sentence of their messages. It fails where the
// context ends.
func CheckAddresses(ctx context.Context, emails []string, consequence string) (valid []string, invalid fault.List, err error) {
	invitees, invalid, err := checkAddresses(ctx, emails, consequence)
	for _, in := range distinct(invitees) {
		valid = append(valid, in.address.String())
	}
	return valid, invalid, err
}

func invalidEmail(i int, email string, problem *address.Problem, consequence string) *fault.Fault {
	subject := fmt.Sprintf("Address %d, %s,", i+1, Printable(email))
	if problem.Reason == address.Empty {
		subject = fmt.Sprintf("Address %d", i+1)
	}
	return &fault.Fault{
		Code:       fault.InvalidEmail,
		Message:    subject + " is not valid: " + problem.Detail + ". " + consequence,
		Reason:     string(problem.Reason),
		InputPath:  []any{"input", "emails", i},
		Index:      &i,
		Email:      Truncate(email),
		Suggestion: problem.Suggestion,
	}
}

// Printable returns an input as it can stand in a sentence.
func Printable(email string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.TrimSpace(Truncate(email)))
}

// maxEcho is how many octets of an invalid address an answer contains. It is more
// than an address can have.
const maxEcho = 320

// Truncate returns as much of an invalid address as an answer contains.
func Truncate(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "…"
}

// EmailCheck is the result of checking one address.
type EmailCheck struct {
	Index      int
	Input      string
	Email      *string // nil: not valid
	Valid      bool
	Reason     *address.Reason // nil: valid
	Suggestion *string
	Warning    *string // the address is valid, but looks mistyped
}

// CheckEmails checks addresses exactly as Invite does, and warns about valid ones
// that look mistyped. It compares their domains with known ones, never with
// people's addresses, because nobody may learn who has an account. It fails where
// the context ends.
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
		if doubt := address.Doubts(a, known); doubt != nil {
			check.Warning = &doubt.Detail
			if doubt.Suggestion != "" {
				check.Suggestion = &doubt.Suggestion
			}
		}
	}
	return checks, nil
}
