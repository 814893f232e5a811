package invitation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/publicsuffix"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Limits bound one request, and what can be done in an hour.
type Limits struct {
	Emails    int           // addresses or invitations of a request
	Message   int           // characters of a message
	TTL       time.Duration // of an invitation
	ByPerson  int           // addresses that a person invites in an hour
	BySpace   int           // addresses invited to a space in an hour
	ByAddress int           // mails of an organization to an address in an hour
	ByDomain  int           // mails of an organization to a domain in an hour
	Tokens    int           // unknown tokens that a person tries in an hour
}

// ValidateEmails returns a BAD_USER_INPUT where a request has too many addresses,
// or none. path is their path in the arguments.
func (l Limits) ValidateEmails(emails []string, path ...any) fault.List {
	return l.ValidateCount(len(emails), "addresses", path...)
}

// ValidateCount returns a BAD_USER_INPUT where a list of things, addresses or others, is too
// long, or empty. path is its path in the arguments.
func (l Limits) ValidateCount(n int, things string, path ...any) fault.List {
	if n < 1 || n > l.Emails {
		return fault.List{fault.Input(fmt.Sprintf("There are %d %s; there can be 1 to %d.", n, things, l.Emails), path...)}
	}
	return nil
}

// inviteCharges returns what inviting n addresses to a place in a space uses of
// the limits, whatever their outcomes, and what the mails use. The space is nil for
// invitations to an organization. list is the field of the input that the recipients'
// indexes are about.
func (s *Service) inviteCharges(actor access.Actor, space *tenant.Space, n int, list string, mails []recipient) []ratelimit.Charge {
	charges := []ratelimit.Charge{s.Limits.personCharge(actor, n)}
	if space != nil {
		charges = append(charges, s.Limits.spaceCharge(space, n))
	}
	return append(charges, s.mailCharges(list, mails)...)
}

// linkCharges returns what an invitation by a course link uses of the limits: nothing of
// the inviter's own one, because strangers would use it up; and of a mailbox and a domain
// as much where no mail is sent, because strangers would see who refuses mails.
func (s *Service) linkCharges(o offer, candidates []*candidate) []ratelimit.Charge {
	var mails []recipient
	for _, c := range candidates {
		if c.outcome == Invited {
			mails = append(mails, recipient{o.to.Organization.ID, c.address.String(), c.key, c.first})
		}
	}
	return append([]ratelimit.Charge{s.Limits.spaceCharge(o.to.Space, len(candidates))}, s.mailCharges("emails", mails)...)
}

// resendCharges returns what resending invitations uses of the limits.
func (s *Service) resendCharges(actor access.Actor, pending []pendingInvitation) []ratelimit.Charge {
	charges := []ratelimit.Charge{s.Limits.personCharge(actor, len(pending))}
	spaces, mails := map[globalid.ID]int{}, make([]recipient, len(pending))
	for i, v := range pending {
		mails[i] = v.recipient
		if v.to.Space == nil {
			continue
		}
		at, known := spaces[v.to.Space.ID]
		if !known {
			at, spaces[v.to.Space.ID] = len(charges), len(charges)
			charges = append(charges, s.Limits.spaceCharge(v.to.Space, 0))
		}
		charges[at].Count++
	}
	slices.SortFunc(mails, func(a, b recipient) int { return a.index - b.index })
	return append(charges, s.mailCharges("invitationIds", mails)...)
}

func (l Limits) personCharge(actor access.Actor, n int) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.InvitationsByPerson, Max: l.ByPerson, Text: "One person can invite %d addresses in an hour."}
	return ratelimit.Charge{Limit: limit, Subject: actor.ID.UUID, Count: n}
}

func (l Limits) spaceCharge(space *tenant.Space, n int) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.InvitationsBySpace, Max: l.BySpace, Shared: true,
		Text: "%d addresses can be invited to one space in an hour."}
	return ratelimit.Charge{Limit: limit, Subject: space.ID.UUID, Count: n}
}

// recipient is an address that a mail of an invitation is sent to.
type recipient struct {
	organization globalid.ID // in which they are invited
	email        string
	key          string // of the address
	index        int    // in the request
}

// mailCharges returns what mails use of the limits that protect their recipients:
// one for each mailbox, and one for each domain. list is the field of the input that
// the recipients' indexes are about.
//
// Both are counted for each organization by itself. Otherwise anyone who may invite
// could stop all other organizations from inviting a person, or people of a large
// provider, by using up the limit. A second organization would get around that, but
// only the operator makes organizations.
func (s *Service) mailCharges(list string, mails []recipient) []ratelimit.Charge {
	byAddress := ratelimit.Limit{Name: fault.InvitationsByAddress, Max: s.Limits.ByAddress, Text: "one organization can send %d invitations to one mailbox in an hour."}
	byMailbox := byAddress
	byMailbox.Text = "one organization can send %d invitations to one mailbox in an hour. Tags after a plus sign, and dots that the provider ignores, make no other mailbox."
	byDomain := ratelimit.Limit{Name: fault.InvitationsByDomain, Max: s.Limits.ByDomain, Shared: true,
		Text: "one organization can send %d invitations to a domain in an hour."}
	type within struct {
		organization uuid.UUID
		recipient    string
	}
	mailboxIndex, domainIndex := make(map[within]int, len(mails)), map[within]int{}
	var mailboxes, domains []ratelimit.Charge
	for _, m := range mails {
		organization, mailbox := m.organization.UUID, address.MailboxKey(m.key)
		i, known := mailboxIndex[within{organization, mailbox}]
		if !known {
			i, mailboxIndex[within{organization, mailbox}] = len(mailboxes), len(mailboxes)
			mailboxes = append(mailboxes, ratelimit.Charge{Limit: byAddress, Subject: ratelimit.HashSubject(s.HashKey, mailbox), Within: organization,
				Label: m.email, Email: m.email, Index: &m.index, InputPath: []any{"input", list, m.index}})
		}
		mailboxes[i].Count++
		if m.key != mailbox {
			mailboxes[i].Limit = byMailbox
		}
		domain := registeredDomain(m.key)
		if i, known = domainIndex[within{organization, domain}]; !known {
			i, domainIndex[within{organization, domain}] = len(domains), len(domains)
			domains = append(domains, ratelimit.Charge{Limit: byDomain, Subject: ratelimit.HashSubject(s.HashKey, domain), Within: organization, Label: domain})
		}
		domains[i].Count++
	}
	return append(domains, mailboxes...)
}

// registeredDomain returns the part of an address's domain that its owner has
// registered (publicsuffix.org): the owner can make any number of subdomains.
func registeredDomain(key string) string {
	_, host, _ := strings.Cut(key, "@")
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host // it is a public suffix itself
	}
	return registered
}

// possibleMails returns the mails that a request to invite in an organization sends where
// nobody is a member or invited yet. Empty invitees are addresses that are not valid.
func possibleMails(organization globalid.ID, invitees []invitee) (mails []recipient) {
	for i, in := range invitees {
		if in.key != "" && in.first == i {
			mails = append(mails, recipient{organization, in.address.String(), in.key, i})
		}
	}
	return mails
}

// possibleCharges are inviteCharges with possibleMails.
func (s *Service) possibleCharges(actor access.Actor, space *tenant.Space, invitees []invitee) []ratelimit.Charge {
	return s.inviteCharges(actor, space, len(invitees), "emails", possibleMails(space.Organization.ID, invitees))
}

// checkPossibleMails fails with RATE_LIMITED where the limits do not allow a request to
// invite. excess are those of possibleCharges that exceed a limit. Members and invited
// people get no mail: which of them there are is read only where it matters.
func (s *Service) checkPossibleMails(ctx context.Context, actor access.Actor, to destination, invitees []invitee, excess ratelimit.Excess) error {
	if len(excess) == 0 {
		return nil
	}
	mails := possibleMails(to.Organization.ID, invitees)
	err := excess.Check(s.inviteCharges(actor, to.Space, len(invitees), "emails", mails)...)
	if err == nil || len(mails) == 0 {
		return err
	}
	return s.checkNecessaryMails(ctx, actor, to, invitees, mails)
}

// checkNecessaryMails fails with RATE_LIMITED where the limits do not allow a request to
// invite with those of its possible mails that are sent: members and invited people get
// none. It is for requests that exceed a limit with all of them.
func (s *Service) checkNecessaryMails(ctx context.Context, actor access.Actor, to destination, invitees []invitee, mails []recipient) error {
	members, err := findMembers(ctx, s.DB, to, invitees)
	if err != nil {
		return err
	}
	keys := keysOf(invitees)
	pending, err := findPending(ctx, s.DB, to.id().Kind, slices.Repeat(postgres.UUIDs{to.id().UUID}, len(keys)), keys)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(members)+len(pending))
	for key := range members {
		known[key] = true
	}
	for _, r := range pending {
		known[r.EmailKey] = known[r.EmailKey] || r.Status == Pending // an expired one is renewed
	}
	mails = slices.DeleteFunc(mails, func(m recipient) bool { return known[m.key] })
	return ratelimit.Check(ctx, s.DB, s.inviteCharges(actor, to.Space, len(invitees), "emails", mails)...)
}

// tokenCharge is what an unknown token uses of the limits. A token is 256 random
// bits, so nobody guesses one. Still, an account that tries is stopped: after
// that, all its tokens are refused alike, valid ones included. People without an
// account have no such limit, because they can only look at an invitation.
func (l Limits) tokenCharge(actor access.Actor) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.TokensByPerson, Max: l.Tokens,
		Text: "One person can try %d links in an hour that lead to no invitation. You can answer your own invitations without a link."}
	return ratelimit.Charge{Limit: limit, Subject: actor.ID.UUID, Count: 1}
}
