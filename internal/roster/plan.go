package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// row is an entry with what is decided about it.
type row struct {
	*Entry
	index   int
	address address.Address // zero: not valid
	key     string          // of the address

	target *target
	first  *row               // the first entry that names the person in the instance
	holder *membership.Holder // of the address; nil: they have no role there
	seat   *invitation.Seat   // nil: they have a role there
	// pending is their pending invitation to the instance; nil: none.
	pending *invitation.Invitation
	// previous is the role of a member that the roster changes; nil: it does not.
	previous *tenant.InstanceRole
}

// at says in a fault at which entry it is, and in which field.
func (r *row) at(f *fault.Fault, path ...any) *fault.Fault {
	copied := *f
	copied.Index, copied.InputPath = &r.index, append([]any{"input", "entries", r.index}, path...)
	return &copied
}

// target is an instance that entries lead to.
type target struct {
	instance *tenant.Instance
	isNew    bool
	owner    []byte // see instance.New
}

// seatOf names a person in an instance. The person is a key of an address, or an id.
type seatOf struct {
	instance globalid.ID
	person   string
}

// plan is what a roster does.
type plan struct {
	space    *tenant.Space
	rows     []*row
	created  []*target
	adopted  []*target // existing ones that are somebody's own from now on
	inviting *invitation.Plan
	roles    []*membership.Holder // members with their new roles
	removed  []*membership.Holder
	revoked  []*invitation.Invitation

	mailed bool // execute has queued mails
}

// endLimit is how many memberships, and how many invitations, one roster can end.
const endLimit = 1000

// plan decides what the roster does. It fails as Sync does, with everything but what is
// about the person's role.
func (c call) plan(ctx context.Context, q postgres.Querier, space *tenant.Space, named map[globalid.ID]tenant.Place) (*plan, error) {
	if err := access.CheckState(ctx, q, space, access.SyncRoster); err != nil {
		return nil, err
	}
	for _, r := range c.rows { // a transaction can begin again
		*r = row{Entry: r.Entry, index: r.index, address: r.address, key: r.key}
	}
	clear(c.checked)
	p := &plan{space: space, rows: c.rows}
	active, err := findActive(ctx, q, space)
	if err != nil {
		return nil, err
	}
	refused, err := c.findTargets(ctx, q, p, active, named)
	if err != nil {
		return nil, err
	}
	if refused = append(refused, p.findRepeated()...); len(refused) > 0 {
		slices.SortStableFunc(refused, func(a, b *fault.Fault) int { return *a.Index - *b.Index })
		return nil, refused
	}
	if err := c.findPeople(ctx, q, p); err != nil {
		return nil, err
	}
	if !c.in.Others.IsZero() && c.invalid == nil { // whom a mistyped address names is not known
		if err := c.findOthers(ctx, q, p, active); err != nil {
			return nil, err
		}
	}
	if c.invalid != nil {
		if err := ratelimit.Check(ctx, q, c.Invitations.Charges(p.inviting, space, "entries")...); err != nil {
			return nil, err
		}
		return nil, c.invalid
	}
	return p, nil
}

// activeInstance is an active instance of the space.
type activeInstance struct {
	ID    uuid.UUID   `db:"id"`
	Name  string      `db:"name"`
	Kind  tenant.Kind `db:"kind"`
	Owner []byte      `db:"own_hash"`
}

func findActive(ctx context.Context, q postgres.Querier, space *tenant.Space) (active []activeInstance, err error) {
	err = q.Select(ctx, &active, `
		select id, name, kind, own_hash from instance where space_id = $1 and deleted_at is null order by id`, space.ID.UUID)
	return active, err
}

// findTargets finds the instance of each entry, or makes a new one. It returns a fault for
// each entry whose instance nobody can be invited to.
func (c call) findTargets(ctx context.Context, q postgres.Querier, p *plan, active []activeInstance, named map[globalid.ID]tenant.Place) (refused fault.List, err error) {
	byName, byOwner := make(map[string]*target, len(active)), map[string]*target{}
	byID := make(map[globalid.ID]*target, len(active))
	for _, a := range active {
		id := globalid.ID{Kind: globalid.Instance, UUID: a.ID}
		t := &target{instance: p.space.WorkingInstance(id, a.Name), owner: a.Owner}
		t.instance.Kind = a.Kind
		byID[id], byName[text.NameKey(a.Name)] = t, t
		if _, known := byOwner[string(a.Owner)]; a.Owner != nil && !known { // the oldest one
			byOwner[string(a.Owner)] = t
		}
	}
	create := func(name string, owner []byte) *target {
		t := &target{instance: p.space.WorkingInstance(globalid.New(globalid.Instance), name), isNew: true, owner: owner}
		byName[text.NameKey(name)] = t
		p.created = append(p.created, t)
		return t
	}
	for _, r := range c.rows {
		switch {
		case r.Instance.ID != nil:
			f, err := c.findNamedTarget(ctx, q, r, byID, named)
			if err != nil {
				return nil, err
			}
			if f != nil {
				refused = append(refused, r.at(f, "instance", "id"))
			}
		case r.Instance.Joint != nil:
			name, _ := text.ParseName(*r.Instance.Joint)
			if special := instance.ReservedName(name); special != "" {
				refused = append(refused, r.at(instance.NameReserved(special), "instance", "joint"))
				continue
			}
			if r.target = byName[text.NameKey(name)]; r.target == nil {
				r.target = create(name, nil)
			} else if r.target.owner != nil {
				refused = append(refused, r.at(ownTaken(p.space, r.target.instance), "instance", "joint"))
			}
		}
	}
	// Own instances get their names last, so that none takes the name of a joint one.
	if err := c.adopt(ctx, q, p, byName, byOwner); err != nil {
		return nil, err
	}
	numbers := map[string]int{}
	for _, r := range c.rows {
		if r.Instance.Own == nil || r.key == "" {
			continue
		}
		owner := c.owner(r)
		if r.target = byOwner[string(owner)]; r.target == nil {
			name, _ := r.ownName(r.address)
			key := text.NameKey(name)
			name, numbers[key] = instance.FreeName(name, numbers[key]+1, func(key string) bool { return byName[key] != nil })
			r.target = create(name, owner)
			byOwner[string(owner)] = r.target
		}
	}
	p.groupInstances()
	return refused, nil
}

// adopt finds the instances that are people's own in all but the hash: they have the name,
// and the person is the only one in them. So are those that were created by hand, and all
// when the key of the hashes has changed.
func (c call) adopt(ctx context.Context, q postgres.Querier, p *plan, byName, byOwner map[string]*target) error {
	var instances postgres.UUIDs
	var keys pq.StringArray
	candidates := map[seatOf]*row{}
	for _, r := range c.rows {
		if r.Instance.Own == nil || r.key == "" || byOwner[string(c.owner(r))] != nil {
			continue
		}
		name, _ := r.ownName(r.address)
		t := byName[text.NameKey(name)]
		if t == nil || t.isNew || t.instance.Kind != tenant.Working || candidates[seatOf{t.instance.ID, r.key}] != nil {
			continue
		}
		candidates[seatOf{t.instance.ID, r.key}] = r
		instances, keys = append(instances, t.instance.ID.UUID), append(keys, r.key)
	}
	if instances == nil {
		return nil
	}
	var alone []struct {
		ID       uuid.UUID `db:"id"`
		EmailKey string    `db:"email_key"`
	}
	if err := q.Select(ctx, &alone, aloneQuery, p.space.ID.UUID, instances, keys); err != nil {
		return err
	}
	for _, a := range alone {
		r := candidates[seatOf{globalid.ID{Kind: globalid.Instance, UUID: a.ID}, a.EmailKey}]
		name, _ := r.ownName(r.address)
		t := byName[text.NameKey(name)]
		t.owner = c.owner(r)
		byOwner[string(t.owner)] = t
		p.adopted = append(p.adopted, t)
	}
	return nil
}

// aloneQuery selects those pairs of an instance and an address whose holder is a member of
// the instance or invited to it, and nobody else is but administrators of the space.
var aloneQuery = `
	select n.id, n.email_key from unnest($2::uuid[], $3::text[]) as n (id, email_key)
	cross join lateral (select (select account_id from address_holder where email_key = n.email_key limit 1) as account_id) h
	where (` + postgres.Found(`instance_member m where m.instance_id = n.id and m.account_id = h.account_id`) + `
		or ` + postgres.Found(`invitation v where (v.email_key, v.instance_id) >= (n.email_key, n.id) and (v.email_key, v.instance_id) <= (n.email_key, n.id) and v.status = 'PENDING'`) + `)
	and not ` + postgres.Found(`instance_member m where m.instance_id = n.id and m.account_id is distinct from h.account_id
		and not `+postgres.Found(`space_administrator sa where sa.space_id = $1 and sa.account_id = m.account_id`)) + `
	and not ` + postgres.Found(`invitation v where v.instance_id = n.id and v.email_key <> n.email_key
		and case when v.status <> 'PENDING' then 0 when v.expired then 2 else 1 end between 1 and 2`)

// groupInstances makes siblings of the instances that the payload has, and of no others: what
// is selected of them is read for all siblings.
func (p *plan) groupInstances() {
	var instances []*tenant.Instance
	seen := map[*target]bool{nil: true}
	for _, r := range p.rows {
		if !seen[r.target] {
			seen[r.target] = true
			instances = append(instances, r.target.instance)
		}
	}
	tenant.GroupInstances(instances)
}

// findNamedTarget finds the instance that an entry names by its id. It returns a fault where
// nobody can be invited to it.
func (c call) findNamedTarget(ctx context.Context, q postgres.Querier, r *row, byID map[globalid.ID]*target, named map[globalid.ID]tenant.Place) (*fault.Fault, error) {
	id := r.Instance.ID.As(globalid.Instance)
	if r.target = byID[id]; r.target == nil {
		i := named[id].(*tenant.Instance)
		r.target = &target{instance: i}
		byID[id] = r.target
	}
	f, checked := c.checked[id]
	if !checked {
		err := access.CheckState(ctx, q, named[id], access.InviteUsers)
		if err != nil && !errors.As(err, &f) {
			return nil, err
		}
		c.checked[id] = f
	}
	return f, nil
}

// owner returns what stands for the person of an entry, and the name of their own instance
// before it is theirs.
func (c call) owner(r *row) []byte {
	return c.Invitations.HashKey.Sum("own_instance", text.NameKey(*r.Instance.Own), r.key)
}

// ownTaken is the refusal of a joint name that somebody's own instance has.
func ownTaken(space *tenant.Space, own *tenant.Instance) *fault.Fault {
	return &fault.Fault{
		Code:      fault.Conflict,
		Reason:    fault.NameTaken,
		Message:   fmt.Sprintf("The instance %s of the space %s is one person's own. %s", own.Name, space.Name, nothingChanged),
		Remedy:    "Choose another name. To invite others to that instance, name it by its id.",
		Instances: []fault.Instance{{ID: own.ID.String(), Name: own.Name}},
	}
}

// findRepeated finds the entries that name a person in an instance again. It returns a
// fault for each that gives them another role.
func (p *plan) findRepeated() (refused fault.List) {
	firsts := make(map[seatOf]*row, len(p.rows))
	for _, r := range p.rows {
		r.first = r
		if r.key == "" || r.target == nil {
			continue
		}
		seat := seatOf{r.target.instance.ID, r.key}
		if first := firsts[seat]; first == nil {
			firsts[seat] = r
		} else if r.first = first; first.Role != r.Role {
			refused = append(refused, r.at(&fault.Fault{
				Code:   fault.Conflict,
				Reason: fault.NamedTwice,
				Message: fmt.Sprintf("Entry %d makes %s %s of %s, and entry %d %s. %s", r.index+1, r.address, r.Role.Role().Noun(), r.target.instance.Name,
					first.index+1, first.Role.Role().Noun(), nothingChanged),
				Remedy: "Leave one of them out.",
				Email:  r.address.String(),
			}, "role"))
		}
	}
	return refused
}

// distinct returns the entries with valid addresses, without those that name a person in
// an instance again.
func (p *plan) distinct() (rows []*row) {
	for _, r := range p.rows {
		if r.key != "" && r.first == r {
			rows = append(rows, r)
		}
	}
	return rows
}

// findPeople finds the members and the invitations of the entries' addresses, and decides
// who is invited and whose role changes.
func (c call) findPeople(ctx context.Context, q postgres.Querier, p *plan) error {
	rows := p.distinct()
	instances, keys := make(postgres.UUIDs, len(rows)), make([]string, len(rows))
	var existing []globalid.ID
	var existingKeys []string
	for i, r := range rows {
		keys[i] = r.key
		if !r.target.isNew {
			instances[i] = r.target.instance.ID.UUID
			existing, existingKeys = append(existing, r.target.instance.ID), append(existingKeys, r.key)
		}
	}
	found, err := membership.FindHolders(ctx, q, p.space.ID, instances, keys)
	if err != nil {
		return err
	}
	holders := make(map[seatOf]*membership.Holder, len(found))
	for _, h := range found {
		holders[seatOf{h.InstanceID, h.EmailKey}] = h
	}
	pending, err := invitation.FindPending(ctx, q, existing, existingKeys)
	if err != nil {
		return err
	}
	invited := make(map[seatOf]*invitation.Invitation, len(pending))
	for _, v := range pending {
		invited[seatOf{v.InstanceID(), v.EmailKey()}] = v
	}
	var seats []*invitation.Seat
	for _, r := range rows {
		var in globalid.ID
		if !r.target.isNew {
			in = r.target.instance.ID
		}
		r.holder, r.pending = holders[seatOf{in, r.key}], invited[seatOf{in, r.key}]
		switch {
		case r.holder == nil:
			r.seat = &invitation.Seat{Address: r.address, Index: r.index, Instance: r.target.instance, Role: r.Role}
			seats = append(seats, r.seat)
		case r.holder.Administrator: // they are more than a member, whatever the roster says
		default:
			if previous := *r.holder.Role; previous != r.Role {
				r.previous, r.holder.Role = &previous, &r.Role
				p.roles = append(p.roles, r.holder)
			}
			// It would return a role that the roster does not give them.
			if v := r.pending; v != nil && v.Role.Role().Lower().Has(r.Role.Role()) {
				p.revoked = append(p.revoked, v)
			}
		}
	}
	p.inviting = c.Invitations.NewPlan(c.actor, text.CleanMessage(c.in.Message), seats, pending)
	return nil
}

// findOthers finds the members and the invitations of the active working instances that
// the roster does not name. It fails with a CONFLICT where there are too many.
func (c call) findOthers(ctx context.Context, q postgres.Querier, p *plan, active []activeInstance) (err error) {
	var working []globalid.ID
	for _, a := range active {
		if a.Kind == tenant.Working {
			working = append(working, globalid.ID{Kind: globalid.Instance, UUID: a.ID})
		}
	}
	var members []*membership.Holder
	var instances []globalid.ID
	var keys []string
	for _, r := range p.distinct() {
		if r.holder != nil && r.holder.Role != nil {
			members = append(members, r.holder)
		}
		instances, keys = append(instances, r.target.instance.ID), append(keys, r.key)
	}
	if p.removed, err = membership.FindOthers(ctx, q, p.space.ID, postgres.IDs(working), members, endLimit+1); err != nil {
		return err
	}
	others, err := invitation.FindOthers(ctx, q, p.space.ID, working, instances, keys, endLimit+1)
	if err != nil {
		return err
	}
	p.revoked = append(p.revoked, others...)
	return c.checkShare(ctx, q, p, working, others)
}

// checkShare fails with a CONFLICT where the roster ends roles or invitations of more
// people than removeAtMost says. Without that, it may do so for four people, and for half
// of all people of the working instances: more are most probably a mistake, like a list
// that was cut off.
func (c call) checkShare(ctx context.Context, q postgres.Querier, p *plan, working []globalid.ID, others []*invitation.Invitation) error {
	const alwaysFine = 4
	people := map[string]bool{}
	for _, m := range p.removed {
		person := m.EmailKey
		if person == "" {
			person = m.User.ID.String()
		}
		people[person] = true
	}
	for _, v := range others {
		people[v.EmailKey()] = true
	}
	n, most := len(people), alwaysFine
	if len(p.removed) > endLimit || len(others) > endLimit {
		return &fault.Fault{
			Code:   fault.Conflict,
			Reason: fault.RemovesTooMany,
			Message: fmt.Sprintf("The roster does not name the people of more than %d roles, or invitations, in the working instances of %s. One roster can end no more. %s",
				endLimit, p.space.Name, nothingChanged),
			Remedy:    "Check that the roster is complete. To remove so many people, delete the instances, or call removeMember and revokeInvitations.",
			InputPath: []any{"input", "others"},
		}
	}
	total := ""
	if c.in.RemoveAtMost != nil {
		most = *c.in.RemoveAtMost
	} else if n > alwaysFine {
		all, err := countPeople(ctx, q, working)
		if err != nil {
			return err
		}
		most, total = max(most, all/2), fmt.Sprintf(" of %d", all)
	}
	if n <= most {
		return nil
	}
	return &fault.Fault{
		Code:   fault.Conflict,
		Reason: fault.RemovesTooMany,
		Message: fmt.Sprintf("The roster would end roles or invitations of %d%s people in the working instances of %s, because it does not name them there. It may do so for %d. %s",
			n, total, p.space.Name, most, nothingChanged),
		Remedy:    fmt.Sprintf("Check that the roster is complete. If it is, send it with removeAtMost: %d; with validateOnly: true, too, to see who they are.", n),
		InputPath: []any{"input", "others"},
	}
}

// countPeople counts the people who are members of instances or invited to them.
func countPeople(ctx context.Context, q postgres.Querier, instances []globalid.ID) (n int, err error) {
	err = q.Get(ctx, &n, `
		select count(*) from (
			select coalesce((select email_key from address_holder where account_id = m.account_id limit 1), m.account_id::text)
			from unnest($1::uuid[]) as i (id) cross join lateral (select account_id from instance_member where instance_id = i.id offset 0) m
			union
			select v.email_key
			from unnest($1::uuid[]) as i (id) cross join lateral (
				select v.email_key from invitation v
				where v.instance_id = i.id and case when v.status <> 'PENDING' then 0 when v.expired then 2 else 1 end between 1 and 2 offset 0) v) people`,
		postgres.IDs(instances))
	return n, err
}

// payload returns what the plan does or, where it is carried out, has done.
func (p *plan) payload() SyncRosterPayload {
	payload := SyncRosterPayload{Space: p.space, Results: make([]*Result, len(p.rows)), Removed: membership.SpaceMembers(p.removed)}
	for _, v := range p.revoked {
		v.Status = invitation.Revoked
		payload.Revoked = append(payload.Revoked, v)
	}
	for _, t := range p.created {
		payload.CreatedInstances = append(payload.CreatedInstances, t.instance)
	}
	for i, r := range p.rows {
		result := &Result{Index: i, Email: r.address.String(), Instance: r.target.instance, Role: r.Role}
		payload.Results[i] = result
		switch first := r.first; {
		case first.seat != nil:
			result.Outcome, result.PreviousRole, result.Invitation = first.seat.Outcome, first.seat.PreviousRole, first.seat.Invitation
		case first.previous != nil:
			result.Outcome, result.PreviousRole, result.Member = invitation.RoleChanged, first.previous, first.holder.Member()
		default:
			result.Outcome, result.Role, result.Member = invitation.AlreadyMember, *first.holder.InstanceRole(), first.holder.Member()
		}
		if r.first != r {
			result.Outcome, result.PreviousRole = invitation.Duplicate, nil
		}
	}
	return payload
}

// record returns the record of the trail; changed is false where the roster changes
// nothing.
func (p *plan) record(actor access.Actor) (record audit.Record, changed bool) {
	roster := &audit.Roster{Created: len(p.created), Removed: len(p.removed), Revoked: len(p.revoked), RolesChanged: len(p.roles)}
	var removed, revoked, rolesChanged, takenOver, invited []string
	for _, m := range p.removed {
		removed = append(removed, m.User.Email)
	}
	for _, v := range p.revoked {
		revoked = append(revoked, v.Email)
	}
	for _, m := range p.roles {
		rolesChanged = append(rolesChanged, m.User.Email)
	}
	for _, s := range p.inviting.Seats {
		switch email := s.Address.String(); {
		case s.Outcome == invitation.Invited:
			roster.Invited++
			invited = append(invited, email)
		case s.Outcome == invitation.RoleChanged:
			roster.RolesChanged++
			rolesChanged = append(rolesChanged, email)
		case s.TakenOver:
			roster.TakenOver++
			takenOver = append(takenOver, email)
		}
	}
	const maxEmails, maxNames = 1000, 100
	for _, t := range p.created[:min(len(p.created), maxNames)] {
		roster.CreatedInstances = append(roster.CreatedInstances, t.instance.Name)
	}
	emails := slices.Concat(removed, revoked, rolesChanged, takenOver, invited)
	named := emails[:min(len(emails), maxEmails)]
	return audit.Record{Action: audit.RosterSynced, Actor: actor, Target: audit.OnSpace(p.space),
		Details: audit.Details{Emails: named, MoreEmails: len(emails) - len(named), Roster: roster}}, len(emails)+len(p.created) > 0
}
