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
	remedy := "Ask " + namesOr(contacts, need) + " to do it for you"
	if roles&^managers == Administrators {
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
		i := p.(*tenant.Instance)
		f.DeletedAt, f.RestorableUntil = i.DeletedAt, i.RestorableUntil
	}
	return f
}

// request returns the mutation by which people can ask for what they may not do
// in a place; "" where there is none.
func request(p tenant.Place, r Rule) string {
	i, instance := p.(*tenant.Instance)
	_, organization := p.(*tenant.Organization)
	switch {
	case organization:
		return ""
	case r.Request == RequestRestore.Field && (!instance || !i.Restorable),
		r.Request == RequestInvitations.Field && (!instance || RequestInvitations.refusals(i) != nil),
		r.Request == "":
		return RequestRole.Field
	}
	return r.Request
}

// refusals returns the reasons, of kind and then of state, why what the rule is
// about cannot be done with an instance.
func (r Rule) refusals(i *tenant.Instance) (refusals fault.List) {
	switch {
	case r.Kinds == nil || slices.Contains(r.Kinds, i.Kind):
	case i.Kind == tenant.Distributed && slices.Contains(r.Kinds, tenant.Master):
		refusals = append(refusals, fault.New(fault.InstanceDistributed,
			fmt.Sprintf("Nobody can %s the Distributed instance of %s.", r.Verb, i.Space.Name)))
	default:
		refusals = append(refusals, &fault.Fault{
			Code:    fault.InstanceProtected,
			Message: fmt.Sprintf("Nobody can %s %s: the space %s needs it for as long as the space exists.", r.Verb, i.Title(), i.Space.Name),
			Remedy:  "Choose a working instance: any other instance of the space.",
		})
	}
	switch {
	case r.States != nil && !slices.Contains(r.States, i.State()):
		f := &fault.Fault{
			Code:            fault.InstanceDeleted,
			Message:         fmt.Sprintf("Nobody can %s %s: it was deleted on %s.", r.Verb, i.Title(), moment(*i.DeletedAt)),
			Remedy:          "Restore it with restoreInstance" + until(i) + ", and then try again.",
			DeletedAt:       i.DeletedAt,
			RestorableUntil: i.RestorableUntil,
		}
		if !i.Restorable {
			f.Remedy = "It can no longer be restored. Choose another instance of the space."
		}
		refusals = append(refusals, f)
	case r.Restorable && i.State() == tenant.Deleted && !i.Restorable:
		refusals = append(refusals, &fault.Fault{
			Code: fault.RestoreWindowExpired,
			Message: fmt.Sprintf("Nobody can %s %s any more: it was deleted on %s, and could be restored until %s.",
				r.Verb, i.Title(), moment(*i.DeletedAt), moment(*i.RestorableUntil)),
			Remedy:          "Create a new instance of the space in its place.",
			DeletedAt:       i.DeletedAt,
			RestorableUntil: i.RestorableUntil,
		})
	}
	return refusals
}

// addRemedy adds to a refusal of CheckState what the person who read the instance
// can do about it, whom they can ask, and by which mutation.
func addRemedy(ctx context.Context, q postgres.Querier, i *tenant.Instance, f *fault.Fault) (err error) {
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
		f.Remedy = "Ask " + namesOr(f.Contacts, "an administrator of the space") + " for a new instance."
		f.Request = RequestRole.Field
	case f.Code == fault.InstanceDeleted && i.Restorable && !restores:
		f.Contacts, err = i.Contacts(ctx, q, RestoreInstance.Roles)
		f.Remedy = "Ask " + namesOr(f.Contacts, "an editor of the instance or an administrator of the space") + " to restore it" + until(i) + "."
		f.Request = RequestRestore.Field
	case f.Code == fault.InstanceDeleted && !i.Restorable && !administers:
		f.Contacts, err = i.Contacts(ctx, q, Administrators)
		f.Request = RequestRole.Field
	}
	return err
}

func until(i *tenant.Instance) string {
	return ", which is possible until " + moment(*i.RestorableUntil)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// namesOr names the people to ask or, without any, says what they would be.
func namesOr(contacts []fault.Contact, otherwise string) string {
	if len(contacts) == 0 {
		return otherwise
	}
	names := make([]string, len(contacts))
	for i, c := range contacts {
		names[i] = c.String()
	}
	return strings.Join(names, " or ")
}

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
