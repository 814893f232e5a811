package invitation

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Limits bound a request, and what is done in an hour.
type Limits struct {
	Emails    int           // addresses, or invitations, in a request
	Message   int           // characters of a message
	TTL       time.Duration // of an invitation
	ByPerson  int           // addresses that a person invites in an hour
	BySpace   int           // addresses that are invited in a space in an hour
	ByAddress int           // mails to an address in an hour
	ByDomain  int           // mails of an organization to a domain in an hour
	Tokens    int           // tokens that lead to nothing, given by a person in an hour
}

// charges are what it takes of the limits to invite n addresses somewhere in a
// space, whatever comes of it.
func (l Limits) charges(actor access.Actor, space *tenant.Space, n int) []ratelimit.Charge {
	return []ratelimit.Charge{l.ofPerson(actor, n), l.ofSpace(space, n)}
}

func (l Limits) ofPerson(actor access.Actor, n int) ratelimit.Charge {
	return ratelimit.Charge{Limit: ratelimit.Limit{Name: fault.InvitationsByPerson, Max: l.ByPerson, Text: "One person can invite %d addresses in an hour."}, Subject: actor.ID.UUID, Count: n}
}

func (l Limits) ofSpace(space *tenant.Space, n int) ratelimit.Charge {
	return ratelimit.Charge{Limit: ratelimit.Limit{Name: fault.InvitationsBySpace, Max: l.BySpace, Text: "To one space %d addresses can be invited in an hour."}, Subject: space.ID.UUID, Count: n}
}

// letter is a mail that brings an invitation.
type letter struct {
	space *tenant.Space
	email string
	key   string // of the address
	index int    // in the request
}

// mailing is what letters take of the limits that protect those who get them;
// list names the input that they are asked for in.
//
// An address is protected from everybody together, since it is one person who
// gets the mails. A domain is protected from one organization at a time: were its
// mails counted over all of them, whoever invites thousands at a university or at
// a large provider would keep every other organization from inviting there.
// Organizations are made by the operator alone, so that nobody gets more of a
// domain by making another.
func (l Limits) mailing(list string, letters []letter) []ratelimit.Charge {
	byAddress := ratelimit.Limit{Name: fault.InvitationsByAddress, Max: l.ByAddress, Text: "one address can be sent %d invitations in an hour."}
	byDomain := ratelimit.Limit{Name: fault.InvitationsByDomain, Max: l.ByDomain, Text: "one organization can send %d invitations to a domain in an hour."}
	type place struct{ organization, domain string }
	addresses, domains := make(map[string]int, len(letters)), map[place]int{}
	var ofAddresses, ofDomains []ratelimit.Charge
	for _, m := range letters {
		i, again := addresses[m.key]
		if !again {
			i, addresses[m.key] = len(ofAddresses), len(ofAddresses)
			ofAddresses = append(ofAddresses, ratelimit.Charge{Limit: byAddress, Subject: ratelimit.HashSubject(m.key),
				Label: m.email, Email: m.email, Index: &m.index, InputPath: []any{"input", list, m.index}})
		}
		ofAddresses[i].Count++
		p := place{m.space.Organization.ID.String(), domain(m.key)}
		if i, again = domains[p]; !again {
			i, domains[p] = len(ofDomains), len(ofDomains)
			ofDomains = append(ofDomains, ratelimit.Charge{Limit: byDomain, Subject: ratelimit.HashSubject(p.organization, p.domain), Label: p.domain})
		}
		ofDomains[i].Count++
	}
	return append(ofDomains, ofAddresses...)
}

// domain is the domain that somebody has registered (publicsuffix.org) of an
// address's key: its subdomains are as many as its owner likes.
func domain(key string) string {
	_, host, _ := strings.Cut(key, "@")
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host // it is a public suffix itself
	}
	return registered
}

// letters are the mails of results.
func letters(to destination, invitees []invitee, results []*InviteResult) (all []letter) {
	for i, r := range results {
		if r.Outcome == Invited {
			all = append(all, letter{to.Space, r.Email, invitees[i].key, i})
		}
	}
	return all
}

// again are what it takes of the limits to send invitations again.
func (l Limits) again(actor access.Actor, pending []resending) []ratelimit.Charge {
	charges := []ratelimit.Charge{l.ofPerson(actor, len(pending))}
	spaces, letters := map[globalid.ID]int{}, make([]letter, len(pending))
	for i, v := range pending {
		letters[i] = letter{v.space, v.email, v.Key, v.index}
		at, known := spaces[v.space.ID]
		if !known {
			at, spaces[v.space.ID] = len(charges), len(charges)
			charges = append(charges, l.ofSpace(v.space, 0))
		}
		charges[at].Count++
	}
	slices.SortFunc(letters, func(a, b letter) int { return a.index - b.index })
	return append(charges, l.mailing("invitationIds", letters)...)
}

// refuseOver fails with RATE_LIMITED where valid addresses of a request of n
// could not be invited, and uses nothing.
func (s *Service) refuseOver(ctx context.Context, w insertion, n int, invitees []invitee) error {
	var everybody []letter
	for k, i := range invitees {
		if i.key != "" && i.first == k {
			everybody = append(everybody, letter{w.to.Space, i.address.String(), i.key, k})
		}
	}
	refuse := func(q postgres.Querier, letters []letter) error {
		return ratelimit.Check(ctx, q, append(s.Limits.charges(w.actor, w.to.Space, n), s.Limits.mailing("emails", letters)...)...)
	}
	err := refuse(s.DB, everybody)
	if err == nil || len(everybody) == 0 {
		return err
	}
	// Not everybody is sent a mail.
	return s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		w.tx = tx
		spared, err := w.withoutMail(ctx, invitees)
		if err != nil {
			return err
		}
		return refuse(tx, slices.DeleteFunc(everybody, func(m letter) bool { return spared[m.key] }))
	})
}

// token is what a token that leads to nothing takes of the limits of who gives
// it. Tokens are 256 random bits, and nobody guesses one; but an account that
// tries is stopped, and no token of hers is looked at any more, so that she does
// not learn which is right. Whoever is not signed in has no limit of her own, and
// can do nothing but look.
func (l Limits) token(actor access.Actor) ratelimit.Charge {
	return ratelimit.Charge{Limit: ratelimit.Limit{Name: fault.TokensByPerson, Max: l.Tokens,
		Text: "One person can try %d links in an hour that lead to no invitation. Those among your invitations can be answered without a link."}, Subject: actor.ID.UUID, Count: 1}
}

// missed counts a token that has led to nothing. It fails with RATE_LIMITED where
// the actor must not even learn that.
func (s *Service) missed(ctx context.Context, actor access.Actor) error {
	return s.DB.InTx(ctx, func(tx *postgres.Tx) error { return ratelimit.Take(ctx, tx, s.Limits.token(actor)) })
}
