package access

import (
	"context"
	"errors"
	"slices"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Allows reports whether the person who read a place has a role that the rule
// asks for. Nobody has one in nil, a place that they did not find.
func (r Rule) Allows(p tenant.Place) bool {
	if o, organization := p.(*tenant.Organization); organization && r.Visitors {
		return o.Visible()
	}
	return p != nil && p.Visible() && p.EffectiveRoles()&r.RolesIn(p) != 0
}

// RolesIn returns the roles that allow it with a place.
func (r Rule) RolesIn(p tenant.Place) tenant.Roles {
	switch p.(type) {
	case *tenant.Instance:
		return r.Roles
	case *tenant.Organization:
		return r.Roles | r.OutsideInstances | r.InOrganizations
	}
	return r.Roles | r.OutsideInstances
}

// CheckRole decides whether the person who read a place (nil: they found none)
// may do what a rule is about, and explains why not. It fails with NOT_FOUND or
// FORBIDDEN.
func CheckRole(ctx context.Context, q postgres.Querier, p tenant.Place, r Rule) error {
	if r.Allows(p) {
		return nil
	}
	o, organization := p.(*tenant.Organization)
	held := r.RolesIn(p).HeldIn(globalid.Organization)
	if p == nil || !p.Visible() || organization && len(held) == 0 {
		return NotFound()
	}
	roles := r.RolesIn(p)
	if _, deleted := deletionOfSpace(p); deleted && r.InActiveSpace {
		// Nobody can do it before the space is restored.
		roles = RestoreSpace.Roles
	}
	contacts, err := p.Contacts(ctx, q, roles)
	if err != nil {
		return err
	}
	f := forbidden(p, r, contacts)
	if organization && r.Field != LeaveOrganization.Field { // of which there is nothing to leave
		if err := addRoleToAsk(ctx, q, o, f, held[len(held)-1]); err != nil {
			return err
		}
	}
	return f
}

// CheckState decides whether what a rule is about can be done with a place in this state,
// an instance also of this kind, and explains why not. It fails with
// SPACE_DELETED, INSTANCE_DISTRIBUTED, INSTANCE_PROTECTED, INSTANCE_DELETED or
// RESTORE_WINDOW_EXPIRED. Nothing fails with an organization.
func CheckState(ctx context.Context, q postgres.Querier, p tenant.Place, r Rule) error {
	refusals := r.refusals(p)
	if len(refusals) == 0 {
		return nil
	}
	if err := addRemedy(ctx, q, p, refusals[0]); err != nil {
		return err
	}
	return refusals[0]
}

// CheckRoles decides about the places that many ids stand for, as CheckRole does
// about one. It fails with a NOT_FOUND for each unknown id or, where all are
// known, with a FORBIDDEN for each place. path leads to the ids in the arguments.
func CheckRoles(ctx context.Context, q postgres.Querier, found map[globalid.ID]tenant.Place, ids []globalid.ID, r Rule, path ...any) error {
	var unknown fault.List
	for i, id := range ids {
		if found[id] == nil {
			unknown = append(unknown, at(i, NotFound(), path))
		}
	}
	if unknown != nil {
		return unknown
	}
	return checkEach(found, ids, path, func(p tenant.Place) error { return CheckRole(ctx, q, p, r) })
}

// CheckStates decides about the places that many ids stand for, as CheckState does about
// one. path leads to the ids in the arguments.
func CheckStates(ctx context.Context, q postgres.Querier, found map[globalid.ID]tenant.Place, ids []globalid.ID, r Rule, path ...any) error {
	return checkEach(found, ids, path, func(p tenant.Place) error { return CheckState(ctx, q, p, r) })
}

// checkEach checks each place once, and collects the refusals.
func checkEach(found map[globalid.ID]tenant.Place, ids []globalid.ID, path []any, check func(tenant.Place) error) error {
	var refused fault.List
	checked := map[tenant.Place]bool{}
	for i, id := range ids {
		if checked[found[id]] {
			continue
		}
		checked[found[id]] = true
		err := check(found[id])
		var f *fault.Fault
		if errors.As(err, &f) {
			refused = append(refused, at(i, f, path))
		} else if err != nil {
			return err
		}
	}
	return refused.Err()
}

// at says in a fault at which place of a list in the arguments it is.
func at(i int, f *fault.Fault, path []any) *fault.Fault {
	f.Index, f.InputPath = &i, append(slices.Clone(path), i)
	return f
}

// Obstacles returns all reasons why the person who read a place cannot do what a rule
// is about: the refusals of CheckRole and of CheckState, in the order in which the
// mutation would fail with them.
func Obstacles(ctx context.Context, q postgres.Querier, p tenant.Place, r Rule) (obstacles fault.List, err error) {
	err = CheckRole(ctx, q, p, r)
	if f := (*fault.Fault)(nil); errors.As(err, &f) {
		obstacles = append(obstacles, f)
	} else if err != nil {
		return nil, err
	}
	for _, f := range r.refusals(p) {
		if err := addRemedy(ctx, q, p, f); err != nil {
			return nil, err
		}
		obstacles = append(obstacles, f)
	}
	return obstacles, nil
}

// Check asks whether a rule lets a person do something in an instance.
type Check struct {
	Actor    globalid.ID
	Instance globalid.ID
	Rule     Rule
}

// CheckMany decides many checks of many people at once: by their roles alone,
// not by the instances' kinds and states. The results are in the order of the
// checks.
func CheckMany(ctx context.Context, q postgres.Querier, checks []Check) ([]bool, error) {
	pairs := make([]tenant.UserInInstance, len(checks))
	for i, c := range checks {
		pairs[i] = tenant.UserInInstance{User: c.Actor, Instance: c.Instance}
	}
	roles, err := tenant.EffectiveRolesOf(ctx, q, pairs)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(checks))
	for i, c := range checks {
		allowed[i] = roles[i]&c.Rule.Roles != 0
	}
	return allowed, nil
}
