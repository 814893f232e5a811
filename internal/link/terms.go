package link

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// The bounds of a link.
const (
	maxUses     = 10_000
	maxDomains  = 20
	maxLifetime = 366 * 24 * time.Hour // from when it is created or refreshed
	minLifetime = time.Minute          // so that it has not ended when it is stored
)

func validateUses(n int) fault.List {
	if n < 1 || n > maxUses {
		return fault.List{fault.Input(fmt.Sprintf("maxUses is %d; it can be 1 to %d.", n, maxUses), "input", "maxUses")}
	}
	return nil
}

func validateDomains(domains []string) (faults fault.List) {
	if len(domains) > maxDomains {
		return fault.List{fault.Input(fmt.Sprintf("There are %d domains; there can be %d at most.", len(domains), maxDomains), "input", "allowedDomains")}
	}
	for i, d := range domains {
		if _, problem := parseDomain(d); problem != nil {
			faults = append(faults, fault.Input(fmt.Sprintf("Domain %d is not valid: %s.", i+1, problem.Detail), "input", "allowedDomains", i))
		}
	}
	return faults
}

// parseDomain reads a domain, with or without an at sign before it, in the form in which
// domains compare.
func parseDomain(typed string) (string, *address.Problem) {
	a, problem := address.ParseExact("x@" + strings.TrimPrefix(strings.TrimSpace(typed), "@"))
	return domainOf(a), problem
}

// domainOf returns the domain of an address in the form in which domains compare.
func domainOf(a address.Address) string {
	_, domain, _ := strings.Cut(a.Key(), "@")
	return domain
}

// cleanDomains returns valid domains as they are stored, each once.
func cleanDomains(domains []string) pq.StringArray {
	clean := pq.StringArray{}
	for _, d := range domains {
		if domain, _ := parseDomain(d); !slices.Contains(clean, domain) {
			clean = append(clean, domain)
		}
	}
	return clean
}

// checkExpiry fails with BAD_USER_INPUT where a link cannot end at a time. The database's
// clock decides, and a repeated request is not asked again.
func checkExpiry(ctx context.Context, q postgres.Querier, at time.Time) error {
	var is struct {
		Past bool `db:"past"`
		Soon bool `db:"soon"`
		Far  bool `db:"far"`
	}
	if err := q.Get(ctx, &is, `
		select $1::timestamptz <= clock_timestamp() as past, $1::timestamptz < clock_timestamp() + $2 * interval '1 second' as soon,
		       $1::timestamptz > clock_timestamp() + $3 * interval '1 second' as far`,
		at, minLifetime.Seconds(), maxLifetime.Seconds()); err != nil {
		return err
	}
	switch {
	case is.Past:
		return fault.Input("expiresAt is in the past.", "input", "expiresAt")
	case is.Soon:
		return fault.Input("expiresAt is less than a minute away.", "input", "expiresAt")
	case is.Far:
		return fault.Input("expiresAt is more than 366 days away. The link can be refreshed later.", "input", "expiresAt")
	}
	return nil
}
