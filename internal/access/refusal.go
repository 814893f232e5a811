package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// NotFound is the refusal where a thing does not exist, or the person must not
// know of it: nobody can tell which.
func NotFound() *fault.Fault {
	return &fault.Fault{
		Code:    fault.NotFound,
		Message: "There is nothing with this id that you can see.",
		Remedy:  "Check the id, and that you are signed in with the right account.",
	}
}

// forbidden is the refusal of a person who sees a place but has no role that the
// rule asks for.
func forbidden(p tenant.Place, r Rule, contacts []fault.Contact) *fault.Fault {
	var holders []string
	roles := r.RolesIn(p)
	// Nobody holds other roles in an organization itself. CheckRole asks for no refusal
	// where it leaves none.
	_, organization := p.(*tenant.Organization)
	if held := roles.HeldIn(globalid.Organization); organization && len(held) > 0 {
		roles = tenant.RolesOf(held...)
	}
	for _, role := range slices.Backward(roles.List()) {
		holders = append(holders, p.HolderName(role))
	}
	need := strings.Join(holders, " or ")
	remedy := "Ask " + fault.NamesOr(contacts, need) + " to do it for you"
	d, inDeletedSpace := deletionOfSpace(p)
	switch restore := r.Field == RestoreSpace.Field; {
	case inDeletedSpace && !d.restorable && (r.InActiveSpace || restore):
		remedy = "The space can no longer be restored. Choose another space"
	case inDeletedSpace && r.InActiveSpace:
		remedy = "Ask " + fault.NamesOr(contacts, need) + " to restore the space" + until(d) + ", and then to do it for you"
	case !inDeletedSpace && roles&^Managers == Administrators && r.Request != RequestRestore.Field:
		remedy += ", or to make you an administrator of the space"
	}
	f := &fault.Fault{
		Code:     fault.Forbidden,
		Message:  fmt.Sprintf("Only %s can %s %s.", need, r.Verb, p.Title()),
		Remedy:   remedy + ".",
		Contacts: contacts,
		Request:  request(p, r),
	}
	if f.Request == RequestRestore.Field {
		if !inDeletedSpace {
			d, _ = deletionOf(p)
		}
		f.DeletedAt, f.RestorableUntil = d.at, d.until
	}
	return f
}

// addRoleToAsk adds to a refusal, whose remedy is to ask the staff of an organization, the
// role that people can ask for with requestRole. Where nobody is there to give it, it adds
// the support.
func addRoleToAsk(ctx context.Context, q postgres.Querier, o *tenant.Organization, f *fault.Fault, role tenant.Role) error {
	managed, err := o.HasManager(ctx, q)
	switch {
	case err != nil:
		return err
	case managed:
		f.Request = RequestRole.Field
		f.Remedy = strings.TrimSuffix(f.Remedy, ".") + ", or ask for the role " + role.String() + " with requestRole."
	case len(f.Contacts) > 0:
		f.Remedy += " " + noManager(o) + " If nobody helps, write to " + fault.Support + "."
	default:
		f.Remedy = noManager(o) + " Write to " + fault.Support + "."
	}
	return nil
}

func noManager(o *tenant.Organization) string {
	return o.Name + " has no manager now, who could give you a role."
}

// CheckManaged fails with CONFLICT (NO_MANAGER) where nobody is there who could give a role
// in an organization itself.
func CheckManaged(ctx context.Context, q postgres.Querier, o *tenant.Organization) error {
	if managed, err := o.HasManager(ctx, q); managed || err != nil {
		return err
	}
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.NoManager,
		Message: noManager(o) + " Nobody was asked.",
		Remedy:  "Write to " + fault.Support + ".",
	}
}

// deletion says when a place was deleted, and until when it can be restored.
type deletion struct {
	at, until  *time.Time
	restorable bool
}

// deletionOf returns the deletion of a space or of an instance itself; false where it is
// not deleted.
func deletionOf(p tenant.Place) (d deletion, deleted bool) {
	switch p := p.(type) {
	case *tenant.Instance:
		d = deletion{p.DeletedAt, p.RestorableUntil, p.Restorable}
	case *tenant.Space:
		d = deletion{p.DeletedAt, p.RestorableUntil, p.Restorable}
	}
	return d, d.at != nil
}

// enclosingSpace returns a space itself, or the space of an instance; nil for an organization.
func enclosingSpace(p tenant.Place) *tenant.Space {
	if i, instance := p.(*tenant.Instance); instance {
		return i.Space
	}
	space, _ := p.(*tenant.Space)
	return space
}

// deletionOfSpace returns the deletion of a space, or of the space of an instance; false
// where it is not deleted.
func deletionOfSpace(p tenant.Place) (d deletion, deleted bool) {
	if space := enclosingSpace(p); space != nil {
		return deletionOf(space)
	}
	return d, false
}

// request returns the mutation by which people can ask for what they may not do in a
// place; "" where there is none. Nothing but its restoration can be asked for in a deleted
// space. In an organization it depends on its managers: see addRoleToAsk.
func request(p tenant.Place, r Rule) string {
	i, instance := p.(*tenant.Instance)
	_, organization := p.(*tenant.Organization)
	d, _ := deletionOf(p)
	space, inDeletedSpace := deletionOfSpace(p)
	switch {
	case organization:
		return ""
	case inDeletedSpace && space.restorable && (r.InActiveSpace || r.Field == RestoreSpace.Field):
		return RequestRestore.Field
	case inDeletedSpace:
		return ""
	case r.Request == RequestRestore.Field && !d.restorable,
		r.Request == RequestInvitations.Field && (!instance || RequestInvitations.refusals(i) != nil),
		r.Request == "":
		return RequestRole.Field
	}
	return r.Request
}

// refusals returns the reasons why what the rule is about cannot be done with a place: the
// state of its space, the kind of an instance, and its own state. In a deleted space no
// other instance could be chosen, so that its state comes first.
func (r Rule) refusals(p tenant.Place) (refusals fault.List) {
	i, instance := p.(*tenant.Instance)
	if d, deleted := deletionOfSpace(p); deleted && r.InActiveSpace && (instance || !r.Restorable) {
		refusals = append(refusals, spaceDeleted(p, d, r))
	}
	if instance {
		refusals = append(refusals, r.refusalsOfKind(i)...)
	}
	d, deleted := deletionOf(p)
	switch {
	case !deleted:
	case instance && r.States != nil && !slices.Contains(r.States, tenant.Deleted):
		f := &fault.Fault{
			Code:            fault.InstanceDeleted,
			Message:         fmt.Sprintf("Nobody can %s %s: it was deleted on %s.", r.Verb, i.Title(), moment(*d.at)),
			Remedy:          "Restore it with restoreInstance" + until(d) + ", and then try again.",
			DeletedAt:       d.at,
			RestorableUntil: d.until,
		}
		if !d.restorable {
			f.Remedy = "It can no longer be restored. Choose another instance of the space."
		}
		refusals = append(refusals, f)
	case r.Restorable && !d.restorable:
		f := &fault.Fault{
			Code: fault.RestoreWindowExpired,
			Message: fmt.Sprintf("Nobody can %s %s any more: it was deleted on %s, and could be restored until %s.",
				r.Verb, p.Title(), moment(*d.at), moment(*d.until)),
			Remedy:          "Create a new space in its place.",
			DeletedAt:       d.at,
			RestorableUntil: d.until,
		}
		if instance {
			f.Remedy = "Create a new instance of the space in its place."
		}
		refusals = append(refusals, f)
	}
	return refusals
}

func (r Rule) refusalsOfKind(i *tenant.Instance) fault.List {
	switch {
	case r.Kinds == nil || slices.Contains(r.Kinds, i.Kind):
		return nil
	case i.Kind == tenant.Distributed && slices.Contains(r.Kinds, tenant.Master):
		return fault.List{fault.New(fault.InstanceDistributed,
			fmt.Sprintf("Nobody can %s the Distributed instance of %s.", r.Verb, i.Space.Name))}
	}
	return fault.List{{
		Code:    fault.InstanceProtected,
		Message: fmt.Sprintf("Nobody can %s %s: the space %s needs it for as long as the space exists.", r.Verb, i.Title(), i.Space.Name),
		Remedy:  "Choose a working instance: any other instance of the space.",
	}}
}

// spaceDeleted is the refusal of what cannot be done with a deleted space, or with a place
// in it.
func spaceDeleted(p tenant.Place, d deletion, r Rule) *fault.Fault {
	what := "it"
	if i, instance := p.(*tenant.Instance); instance {
		what = "the space " + i.Space.Name
	}
	f := &fault.Fault{
		Code:            fault.SpaceDeleted,
		Message:         fmt.Sprintf("Nobody can %s %s: %s was deleted on %s.", r.Verb, p.Title(), what, moment(*d.at)),
		Remedy:          "Restore the space with restoreSpace" + until(d) + ", and then try again.",
		DeletedAt:       d.at,
		RestorableUntil: d.until,
	}
	if !d.restorable {
		f.Remedy = "The space can no longer be restored. Choose another space."
	}
	return f
}

// addRemedy adds to a refusal of CheckState what the person who read the place can do
// about it, whom they can ask, and by which mutation.
func addRemedy(ctx context.Context, q postgres.Querier, p tenant.Place, f *fault.Fault) (err error) {
	i, instance := p.(*tenant.Instance)
	if f.Code == fault.SpaceDeleted || !instance {
		return addRemedyInSpace(ctx, q, enclosingSpace(p), f)
	}
	administers, restores := i.Roles.Has(tenant.SpaceAdministrator), RestoreInstance.Allows(i)
	switch {
	case f.Code == fault.InstanceDistributed && administers:
		f.Instances, err = i.Space.ActiveInstances(ctx, q, InviteUsers.Kinds)
		f.Remedy = "Choose another instance of the space" + list(f.Instances) + "."
	case f.Code == fault.InstanceDistributed: // the person may not know of the others
		f.Contacts, err = i.Contacts(ctx, q, Administrators)
		f.Remedy = "Choose another instance of the space."
		f.Request = RequestInvitations.Field
	case f.Code == fault.RestoreWindowExpired && !administers:
		f.Contacts, err = i.Contacts(ctx, q, Administrators)
		f.Remedy = "Ask " + fault.NamesOr(f.Contacts, "an administrator of the space") + " for a new instance."
		f.Request = RequestRole.Field
	case f.Code == fault.InstanceDeleted && i.Restorable && !restores:
		f.Contacts, err = i.Contacts(ctx, q, RestoreInstance.Roles)
		d, _ := deletionOf(i)
		f.Remedy = "Ask " + fault.NamesOr(f.Contacts, "an editor of the instance or an administrator of the space") + " to restore it" + until(d) + "."
		f.Request = RequestRestore.Field
	case f.Code == fault.InstanceDeleted && !i.Restorable && !administers:
		f.Contacts, err = i.Contacts(ctx, q, Administrators)
		f.Request = RequestRole.Field
	}
	return err
}

// addRemedyInSpace is addRemedy for what cannot be done because a space is deleted. Where it
// cannot be restored any more, nobody grants roles there: the request is for a role in the
// organization, in which the person then creates a space.
func addRemedyInSpace(ctx context.Context, q postgres.Querier, space *tenant.Space, f *fault.Fault) (err error) {
	switch {
	case f.Code == fault.RestoreWindowExpired:
		if !CreateSpace.Allows(space.Organization) {
			f.Contacts, err = space.Organization.Contacts(ctx, q, CreateSpace.Roles)
			if err != nil {
				return err
			}
			f.Remedy = "Ask " + fault.NamesOr(f.Contacts, "a faculty member or a manager of the organization") + " for a new space."
			return addRoleToAsk(ctx, q, space.Organization, f, tenant.OrganizationFaculty)
		}
	case RestoreSpace.Allows(space):
	case space.Restorable:
		f.Contacts, err = space.Contacts(ctx, q, RestoreSpace.Roles)
		d, _ := deletionOf(space)
		f.Remedy = "Ask " + fault.NamesOr(f.Contacts, "an administrator of the space or a manager of the organization") + " to restore the space" + until(d) + "."
		f.Request = RequestRestore.Field
	}
	return err
}

func until(d deletion) string {
	return ", which is possible until " + moment(*d.until)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// list names instances after a colon; "" where there are none.
func list(instances []fault.Instance) string {
	if len(instances) == 0 {
		return ""
	}
	names := make([]string, len(instances))
	for i, p := range instances {
		names[i] = p.Name
	}
	return ": " + strings.Join(names, ", ")
}
