package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Rule says who may do something in a place and, where that is an instance,
// with which instances it can be done.
type Rule struct {
	Roles  tenant.Roles   // any of them is enough
	Kinds  []tenant.Kind  // nil: any
	States []tenant.State // nil: any
	// Restorable asks of a deleted instance that its time to be restored has
	// not passed.
	Restorable bool
	// Request is the mutation by which somebody asks those who may; "" is
	// requestRole, as far as it reaches.
	Request string
}

// The mutations by which somebody asks others for help.
const (
	RequestRole        = "requestRole"
	RequestInvitations = "requestInvitations"
	RequestRestore     = "requestRestore"
)

// The rules of what can be done. The schema declares the same ones with @role
// and @instance, as far as these reach.
var (
	Inviting = Rule{
		Roles:   tenant.RolesOf(tenant.SpaceAdministrator),
		Kinds:   []tenant.Kind{tenant.Master, tenant.Working},
		States:  []tenant.State{tenant.Active},
		Request: RequestInvitations,
	}
	Deleting  = Rule{Roles: tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor), Kinds: []tenant.Kind{tenant.Working}}
	Restoring = Rule{Roles: tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor), Restorable: true, Request: RequestRestore}
	// Administering is what a space's administrators alone may do: revoke and
	// send again invitations, change roles, make instances, invite further
	// administrators.
	Administering = Rule{Roles: tenant.RolesOf(tenant.SpaceAdministrator)}
	Resending     = Rule{Roles: tenant.RolesOf(tenant.SpaceAdministrator), States: []tenant.State{tenant.Active}}
	// Asking others for help is for everybody who sees the place.
	Asking         = Rule{Roles: tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor, tenant.InstanceViewer)}
	Leaving        = Rule{Roles: tenant.RolesOf(tenant.InstanceEditor, tenant.InstanceViewer)}
	CreatingSpaces = Rule{Roles: tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty)}
)

// Allows reports whether the person who read a place (nil: she found none) has
// a role that a rule asks for.
func (r Rule) Allows(p tenant.Place) bool {
	return p != nil && p.Visible() && p.EffectiveRoles()&r.Roles != 0
}

// CheckRole decides whether the person who read a place (nil: she found none) may
// do what a rule is about, and explains why not. It fails with NOT_FOUND or
// FORBIDDEN.
func CheckRole(ctx context.Context, q postgres.Querier, p tenant.Place, r Rule) error {
	if r.Allows(p) {
		return nil
	}
	_, organization := p.(*tenant.Organization)
	if p == nil || !p.Visible() || organization && len(r.Roles.HeldIn(globalid.Organization)) == 0 {
		return NotFound()
	}
	contacts, err := p.Contacts(ctx, q, r.Roles)
	if err != nil {
		return err
	}
	return forbidden(p, r, contacts)
}

// CheckRoles decides about many ids at once, by the places that they stand for.
// Each that is not known is a NOT_FOUND of its own and, where all are, each
// place that the actor may not do it in a FORBIDDEN. path leads to the ids in
// the arguments.
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

// CheckStates decides about the instances among the places that many ids stand for,
// as CheckState does about one. path leads to the ids in the arguments.
func CheckStates(ctx context.Context, q postgres.Querier, found map[globalid.ID]tenant.Place, ids []globalid.ID, r Rule, path ...any) error {
	return checkEach(found, ids, path, func(p tenant.Place) error {
		if i, ok := p.(*tenant.Instance); ok {
			return CheckState(ctx, q, i, r)
		}
		return nil
	})
}

// checkEach decides about each place once, and collects its refusals.
func checkEach(found map[globalid.ID]tenant.Place, ids []globalid.ID, path []any, decide func(tenant.Place) error) error {
	var refused fault.List
	decided := map[tenant.Place]bool{}
	for i, id := range ids {
		if decided[found[id]] {
			continue
		}
		decided[found[id]] = true
		err := decide(found[id])
		var f *fault.Fault
		if errors.As(err, &f) {
			refused = append(refused, at(i, f, path))
		} else if err != nil {
			return err
		}
	}
	return refused.Err()
}

// at puts a fault at a place in a list of the arguments.
func at(i int, f *fault.Fault, path []any) *fault.Fault {
	f.Index, f.InputPath = &i, append(slices.Clone(path), i)
	return f
}

// CheckState decides whether what a rule is about can be done with an instance of
// this kind, in this state, and explains why not. It fails with
// INSTANCE_DISTRIBUTED, INSTANCE_PROTECTED, INSTANCE_DELETED or
// RESTORE_WINDOW_EXPIRED.
func CheckState(ctx context.Context, q postgres.Querier, i *tenant.Instance, r Rule) error {
	refusals := r.refusals(i)
	if len(refusals) == 0 {
		return nil
	}
	if err := addRemedy(ctx, q, i, refusals[0]); err != nil {
		return err
	}
	return refusals[0]
}

// Obstacles are all the reasons why the person who read an instance cannot do
// what a rule is about: the refusals of CheckRole and of CheckState, in the order in
// which she would be refused for them.
func Obstacles(ctx context.Context, q postgres.Querier, i *tenant.Instance, r Rule) (obstacles fault.List, err error) {
	err = CheckRole(ctx, q, i, r)
	if f := (*fault.Fault)(nil); errors.As(err, &f) {
		obstacles = append(obstacles, f)
	} else if err != nil {
		return nil, err
	}
	for _, f := range r.refusals(i) {
		if err := addRemedy(ctx, q, i, f); err != nil {
			return nil, err
		}
		obstacles = append(obstacles, f)
	}
	return obstacles, nil
}

// addRemedy adds to a refusal of CheckState what the person who read the instance
// can do, whom she can ask, and by which mutation.
func addRemedy(ctx context.Context, q postgres.Querier, i *tenant.Instance, f *fault.Fault) (err error) {
	administers, restores := i.Roles.Has(tenant.SpaceAdministrator), Restoring.Allows(i)
	switch {
	case f.Code == fault.InstanceDistributed && administers:
		f.Instances, err = i.Space.Invitable(ctx, q)
		f.Remedy = "Choose another instance of the space" + namesOf(f.Instances) + "."
	case f.Code == fault.InstanceDistributed: // she may not know of the others
		f.Contacts, err = i.Contacts(ctx, q, Inviting.Roles)
		f.Remedy = "Choose another instance of the space."
		f.Request = RequestInvitations
	case f.Code == fault.RestoreWindowExpired && !administers:
		f.Contacts, err = i.Contacts(ctx, q, Administering.Roles)
		f.Remedy = "Ask " + people(f.Contacts, "an administrator of the space") + " for a new instance."
		f.Request = RequestRole
	case f.Code == fault.InstanceDeleted && i.Restorable && !restores:
		f.Contacts, err = i.Contacts(ctx, q, Restoring.Roles)
		f.Remedy = "Ask " + people(f.Contacts, "an editor of the instance or an administrator of the space") + " to restore it" + until(i) + "."
		f.Request = RequestRestore
	case f.Code == fault.InstanceDeleted && !i.Restorable && !administers:
		f.Contacts, err = i.Contacts(ctx, q, Administering.Roles)
		f.Request = RequestRole
	}
	return err
}

// refusals are the reasons, of kind and then of state, why a rule does not
// admit an instance.
func (r Rule) refusals(i *tenant.Instance) (refusals fault.List) {
	if r.Kinds != nil && !slices.Contains(r.Kinds, i.Kind) {
		if i.Kind == tenant.Distributed && slices.Contains(r.Kinds, tenant.Master) {
			refusals = append(refusals, fault.New(fault.InstanceDistributed,
				fmt.Sprintf("Nobody can be invited to the Distributed instance of %s.", i.Space.Name)))
		} else {
			refusals = append(refusals, &fault.Fault{
				Code:    fault.InstanceProtected,
				Message: fmt.Sprintf("%s belongs to the space %s for as long as the space exists; it cannot be deleted.", i.Name, i.Space.Name),
				Remedy:  "Choose a working instance: every other instance of the space can be deleted.",
			})
		}
	}
	switch {
	case r.States != nil && !slices.Contains(r.States, i.State()):
		refusals = append(refusals, deleted(i))
	case r.Restorable && i.State() == tenant.Deleted && !i.Restorable:
		refusals = append(refusals, &fault.Fault{
			Code: fault.RestoreWindowExpired,
			Message: fmt.Sprintf("%s was deleted on %s and could be restored until %s. It cannot be brought back any more.",
				i.Name, moment(*i.DeletedAt), moment(*i.RestorableUntil)),
			Remedy:          "A new instance of the space can take its place.",
			DeletedAt:       i.DeletedAt,
			RestorableUntil: i.RestorableUntil,
		})
	}
	return refusals
}

// NotFound is one and the same whether a thing does not exist or must not be
// known of.
func NotFound() *fault.Fault {
	return &fault.Fault{
		Code:    fault.NotFound,
		Message: "There is nothing with this id that you can see.",
		Remedy:  "Check the id, and that you are signed in with the right account.",
	}
}

func forbidden(p tenant.Place, r Rule, contacts []fault.Contact) *fault.Fault {
	var holders []string
	for _, role := range slices.Backward(r.Roles.List()) {
		holders = append(holders, p.HolderName(role))
	}
	need := strings.Join(holders, " or ")
	remedy := "Ask " + people(contacts, need) + " to do it for you"
	if r.Roles == tenant.RolesOf(tenant.SpaceAdministrator) {
		remedy += ", or to make you an administrator of the space"
	}
	f := &fault.Fault{
		Code:     fault.Forbidden,
		Message:  "Only " + need + " can do this" + p.Scope() + ".",
		Remedy:   remedy + ".",
		Contacts: contacts,
		Request:  request(p, r),
	}
	if f.Request == RequestRestore {
		i := p.(*tenant.Instance)
		f.DeletedAt, f.RestorableUntil = i.DeletedAt, i.RestorableUntil
	}
	return f
}

// request is the mutation by which somebody can ask for what she may not do in a
// place; "" where there is none.
func request(p tenant.Place, r Rule) string {
	i, instance := p.(*tenant.Instance)
	_, organization := p.(*tenant.Organization)
	switch {
	case organization:
		return ""
	case r.Request == RequestRestore && (!instance || !i.Restorable),
		r.Request == RequestInvitations && (!instance || Inviting.refusals(i) != nil),
		r.Request == "":
		return RequestRole
	}
	return r.Request
}

func deleted(i *tenant.Instance) *fault.Fault {
	f := &fault.Fault{
		Code:            fault.InstanceDeleted,
		Message:         fmt.Sprintf("%s was deleted on %s.", i.Name, moment(*i.DeletedAt)),
		Remedy:          "Restore it with restoreInstance" + until(i) + ", and then try again.",
		DeletedAt:       i.DeletedAt,
		RestorableUntil: i.RestorableUntil,
	}
	if !i.Restorable {
		f.Remedy = "It can no longer be restored. Choose another instance of the space."
	}
	return f
}

func until(i *tenant.Instance) string {
	return ", which is possible until " + moment(*i.RestorableUntil)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// people names whom to ask, or failing them what they would be.
func people(contacts []fault.Contact, otherwise string) string {
	if len(contacts) == 0 {
		return otherwise
	}
	names := make([]string, len(contacts))
	for i, c := range contacts {
		names[i] = c.Name + " (" + c.Email + ")"
	}
	return strings.Join(names, " or ")
}

func namesOf(places []fault.Instance) string {
	if len(places) == 0 {
		return ""
	}
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.Name
	}
	return ": " + strings.Join(names, ", ")
}
