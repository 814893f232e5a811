package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
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
	owner  instance.Owner     // the person, in an entry about their own instance
	first  *row               // the first entry that names the person in the instance
	holder *membership.Holder // of the address, now or before; nil: they have no role there
	seat   *invitation.Seat   // nil: they have a role there, or are left alone
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
	owner    instance.Owner
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

	names  map[globalid.ID]string // of the instances that there were
	mailed bool                   // execute has queued mails
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
	stored, err := findInstances(ctx, q, space)
	if err != nil {
		return nil, err
	}
	p.names = make(map[globalid.ID]string, len(stored))
	for _, s := range stored {
		p.names[s.id()] = s.Name
	}
	refused, err := c.findTargets(ctx, q, p, stored, named)
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
		if err := c.findOthers(ctx, q, p, stored); err != nil {
			return nil, err
		}
	}
	if c.invalid != nil {
		if err := ratelimit.Check(ctx, q, c.charges(p)...); err != nil {
			return nil, err
		}
		return nil, c.invalid
	}
	return p, nil
}

// storedInstance is an instance of the space: an active one, or a deleted one that can be
// restored.
type storedInstance struct {
	ID      uuid.UUID   `db:"id"`
	Name    string      `db:"name"`
	NameKey *string     `db:"name_key"` // nil: deleted, or of an older gateway
	Kind    tenant.Kind `db:"kind"`
	Pattern []byte      `db:"own_pattern"`
	Person  []byte      `db:"own_person"`
	Deleted bool        `db:"deleted"`
}

func (s storedInstance) id() globalid.ID {
	return globalid.ID{Kind: globalid.Instance, UUID: s.ID}
}

func (s storedInstance) nameKey() string {
	if s.NameKey != nil {
		return *s.NameKey
	}
	return text.NameKey(s.Name)
}

// findInstances reads the instances of the space, the oldest first.
func findInstances(ctx context.Context, q postgres.Querier, space *tenant.Space) (stored []storedInstance, err error) {
	err = q.Select(ctx, &stored, `
		select id, name, name_key, kind, own_pattern, own_person, deleted_at is not null as deleted from instance
		where space_id = $1 and (deleted_at is null or restorable_until > clock_timestamp()) order by id`, space.ID.UUID)
	return stored, err
}

// targets are the instances of the space, and those that are to be created.
type targets struct {
	byID    map[globalid.ID]*target
	byName  map[string]*target // by a text.NameKey
	byOwner map[string]*target // by ownerKey
	// Deleted ones, where no active one stands for them.
	deletedByName, deletedByOwner map[string]globalid.ID
}

// ownerKey is what an owner compares by.
func ownerKey(o instance.Owner) string { return string(o.Pattern) + string(o.Person) }

func newTargets(space *tenant.Space, stored []storedInstance) targets {
	t := targets{make(map[globalid.ID]*target, len(stored)), make(map[string]*target, len(stored)), map[string]*target{}, map[string]globalid.ID{}, map[string]globalid.ID{}}
	for _, s := range stored {
		owner := instance.Owner{Pattern: s.Pattern, Person: s.Person}
		if s.Deleted {
			t.deletedByName[s.nameKey()] = s.id()
			if !owner.IsZero() {
				t.deletedByOwner[ownerKey(owner)] = s.id()
			}
			continue
		}
		found := &target{instance: space.WorkingInstance(s.id(), s.Name), owner: owner}
		found.instance.Kind = s.Kind
		t.byID[s.id()], t.byName[s.nameKey()] = found, found
		if t.byOwner[ownerKey(owner)] == nil && !owner.IsZero() { // the oldest one
			t.byOwner[ownerKey(owner)] = found
		}
	}
	return t
}

// create adds an instance that is to be created.
func (t targets) create(p *plan, name string, owner instance.Owner) *target {
	created := &target{instance: p.space.WorkingInstance(globalid.New(globalid.Instance), name), isNew: true, owner: owner}
	t.byName[text.NameKey(name)] = created
	p.created = append(p.created, created)
	return created
}

// give makes an existing instance somebody's own.
func (t targets) give(p *plan, to *row, found *target) {
	found.owner = to.owner
	t.byOwner[ownerKey(to.owner)] = found
	p.adopted = append(p.adopted, found)
}

// findTargets finds the instance of each entry, or makes a new one. It returns a fault for
// each entry whose instance nobody can be invited to.
func (c call) findTargets(ctx context.Context, q postgres.Querier, p *plan, stored []storedInstance, named map[globalid.ID]tenant.Place) (refused fault.List, err error) {
	t := newTargets(p.space, stored)
	deleted := map[*row]globalid.ID{}
	var own []*row // those whose instance is not known yet
	for _, r := range c.rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch {
		case r.Instance.ID != nil:
			f, err := c.findNamedTarget(ctx, q, r, t.byID, named)
			if err != nil {
				return nil, err
			}
			if f != nil {
				refused = append(refused, r.at(f, "instance", "id"))
			}
		case r.Instance.Joint != nil:
			if f := t.findJoint(p, r, deleted); f != nil {
				refused = append(refused, r.at(f, "instance", "joint"))
			}
		case r.key != "":
			r.owner = instance.NewOwner(c.OwnKey, *r.Instance.Own, r.key)
			if id, known := t.deletedByOwner[ownerKey(r.owner)]; known && t.byOwner[ownerKey(r.owner)] == nil {
				deleted[r] = id
			} else {
				own = append(own, r)
			}
		}
	}
	// Own instances get their names last, so that none takes the name of a joint one.
	if err := c.findMoved(ctx, q, p, t, own); err != nil {
		return nil, err
	}
	if err := c.adopt(ctx, q, p, t, own); err != nil {
		return nil, err
	}
	free := instance.FreeNames{Taken: func(key string) bool { return t.byName[key] != nil }}
	for _, r := range own {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.target = t.byOwner[ownerKey(r.owner)]; r.target == nil {
			name, _ := r.ownName(r.address)
			r.target = t.create(p, free.Find(name), r.owner)
			t.byOwner[ownerKey(r.owner)] = r.target
		}
	}
	p.groupInstances()
	refusedAsDeleted, err := c.checkDeleted(ctx, q, p, deleted)
	return append(refused, refusedAsDeleted...), err
}

// findJoint finds the instance of an entry with a joint name, or makes a new one. It returns
// a fault where that cannot be. Where a deleted one has the name, it is added to deleted.
func (t targets) findJoint(p *plan, r *row, deleted map[*row]globalid.ID) *fault.Fault {
	name, _ := text.ParseName(*r.Instance.Joint)
	if special := instance.ReservedName(name); special != "" {
		return instance.NameReserved(special, nothingChanged)
	}
	found := t.byName[text.NameKey(name)]
	if found == nil {
		if id, known := t.deletedByName[text.NameKey(name)]; known {
			deleted[r] = id
			return nil
		}
		found = t.create(p, name, instance.Owner{})
	}
	if !found.owner.IsZero() {
		return ownTaken(p.space, found.instance)
	}
	r.target = found
	return nil
}

// checkDeleted returns the refusals of entries whose instances are deleted.
func (c call) checkDeleted(ctx context.Context, q postgres.Querier, p *plan, deleted map[*row]globalid.ID) (refused fault.List, err error) {
	if len(deleted) == 0 {
		return nil, nil
	}
	places, err := tenant.FindPlaces(ctx, q, c.actor, slices.Collect(maps.Values(deleted)))
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		place.(*tenant.Instance).Space = p.space
	}
	for r, id := range deleted {
		f, err := c.checkInstance(ctx, q, id, places)
		if err != nil {
			return nil, err
		}
		field := "joint"
		if r.Instance.Own != nil {
			field = "own"
		}
		refused = append(refused, r.at(f, "instance", field))
	}
	return refused, nil
}

// findMoved finds the own instances of people whose address was another one when the roster
// named them: the one instance of that name in which they have the role of the entry. It is
// not theirs where the roster names its owner, where the owner is there, too, or where it
// could be somebody else's of the roster as well.
func (c call) findMoved(ctx context.Context, q postgres.Querier, p *plan, t targets, own []*row) error {
	owners := map[string]bool{}
	var unknown []*row
	var patterns pq.ByteaArray
	var keys pq.StringArray
	for _, r := range own {
		if owners[ownerKey(r.owner)] {
			continue
		}
		owners[ownerKey(r.owner)] = true
		if t.byOwner[ownerKey(r.owner)] == nil {
			unknown, patterns, keys = append(unknown, r), append(patterns, r.owner.Pattern), append(keys, r.key)
		}
	}
	if unknown == nil {
		return nil
	}
	var found []membershipOfOwn
	if err := q.Select(ctx, &found, movedQuery, p.space.ID.UUID, patterns, keys); err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(m membershipOfOwn) bool {
		i := t.byID[m.id()]
		return i == nil || i.owner.IsZero() || m.Role != unknown[m.Index].Role || owners[ownerKey(i.owner)] || slices.ContainsFunc(m.Others, func(key string) bool {
			return bytes.Equal(instance.NewOwner(c.OwnKey, "", key).Person, i.owner.Person)
		})
	})
	ofPerson, inInstance := map[int]int{}, map[uuid.UUID]int{}
	for _, m := range found {
		ofPerson[m.Index]++
		inInstance[m.ID]++
	}
	for _, m := range found {
		if ofPerson[m.Index] == 1 && inInstance[m.ID] == 1 {
			t.give(p, unknown[m.Index], t.byID[m.id()])
		}
	}
	return nil
}

// membershipOfOwn is a membership in somebody's own instance.
type membershipOfOwn struct {
	Index  int                 `db:"i"` // of the person
	ID     uuid.UUID           `db:"id"`
	Role   tenant.InstanceRole `db:"role"`
	Others pq.StringArray      `db:"others"` // addresses of all others there
}

func (m membershipOfOwn) id() globalid.ID {
	return globalid.ID{Kind: globalid.Instance, UUID: m.ID}
}

// movedQuery selects the memberships of the holders of addresses in active instances with the
// patterns at the same index.
var movedQuery = `
	select n.i - 1 as i, s.id, m.role, array(
		select (select email_key from account where id = o.account_id) from instance_member o where o.instance_id = s.id and o.account_id <> h.account_id
		union all
		select v.email_key from invitation v where v.instance_id = s.id and v.email_key <> n.email_key
		and ` + invitation.NotEnded + `) as others
	from unnest($2::bytea[], $3::text[]) with ordinality as n (pattern, email_key, i)
	cross join lateral (select account_id from address_holder where email_key = n.email_key limit 1) h
	cross join lateral (select instance_id, role from instance_member where account_id = h.account_id and space_id = $1 offset 0) m
	cross join lateral (select id, own_pattern, deleted_at from instance where id = m.instance_id limit 1) s
	where s.own_pattern = n.pattern and s.deleted_at is null`

// adopt finds the instances that are people's own in all but the hashes: they have the name,
// and the person is the only one in them. So are those that were created by hand.
func (c call) adopt(ctx context.Context, q postgres.Querier, p *plan, t targets, own []*row) error {
	var instances postgres.UUIDs
	var keys pq.StringArray
	candidates := map[seatOf]*row{}
	for _, r := range own {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.byOwner[ownerKey(r.owner)] != nil {
			continue
		}
		name, _ := r.ownName(r.address)
		found := t.byName[text.NameKey(name)]
		if found == nil || found.isNew || found.instance.Kind != tenant.Working || candidates[seatOf{found.instance.ID, r.key}] != nil {
			continue
		}
		candidates[seatOf{found.instance.ID, r.key}] = r
		instances, keys = append(instances, found.instance.ID.UUID), append(keys, r.key)
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
		id := globalid.ID{Kind: globalid.Instance, UUID: a.ID}
		t.give(p, candidates[seatOf{id, a.EmailKey}], t.byID[id])
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
		and `+invitation.NotEnded)

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
	f, err := c.checkInstance(ctx, q, id, named)
	if f != nil {
		r.target = nil
	}
	return f, err
}

// checkInstance returns the refusal of an instance that nobody can be invited to; nil for
// others. It checks each once.
func (c call) checkInstance(ctx context.Context, q postgres.Querier, id globalid.ID, places map[globalid.ID]tenant.Place) (f *fault.Fault, err error) {
	f, checked := c.checked[id]
	if !checked {
		err := access.CheckState(ctx, q, places[id], access.InviteUsers)
		if err != nil && !errors.As(err, &f) {
			return nil, err
		}
		c.checked[id] = f
	}
	return f, nil
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
	leaveAlone, err := findUnwilling(ctx, q, existing, existingKeys)
	if err != nil {
		return err
	}
	former, err := membership.FindFormerHolders(ctx, q, existing, existingKeys)
	if err != nil {
		return err
	}
	for _, h := range former {
		if seat := (seatOf{h.InstanceID, h.EmailKey}); holders[seat] == nil {
			holders[seat] = h
		}
	}
	var seats []*invitation.Seat
	for _, r := range rows {
		var in globalid.ID
		if !r.target.isNew {
			in = r.target.instance.ID
		}
		r.holder, r.pending = holders[seatOf{in, r.key}], invited[seatOf{in, r.key}]
		switch {
		case r.holder == nil && r.pending == nil && leaveAlone[seatOf{in, r.key}]:
		case r.holder == nil:
			r.seat = &invitation.Seat{Address: r.address, Index: r.index, Instance: r.target.instance, Role: r.Role}
			seats = append(seats, r.seat)
		case r.holder.Administrator: // they are more than a member, whatever the roster says
		case r.holder.User.FormerHolder: // the older account keeps what it has until it is merged
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
	p.inviting, err = c.Invitations.NewPlan(ctx, q, c.actor, text.CleanMessage(c.in.Message), seats, pending)
	return err
}

// findUnwilling finds the people who do not want to be in an instance, of the addresses and
// the instances at the same index: they declined the last invitation that they answered.
func findUnwilling(ctx context.Context, q postgres.Querier, instances []globalid.ID, emailKeys []string) (map[seatOf]bool, error) {
	declined, err := invitation.FindDeclined(ctx, q, instances, emailKeys)
	unwilling := make(map[seatOf]bool, len(declined))
	for _, i := range declined {
		unwilling[seatOf{instances[i], emailKeys[i]}] = true
	}
	return unwilling, err
}

// charges returns what the plan uses of the limits. An instance counts as an invitation: also
// a roster that names administrators only uses what it creates.
func (c call) charges(p *plan) []ratelimit.Charge {
	return c.Invitations.Charges(p.inviting, p.space, "entries", len(p.created))
}

// findOthers finds the members and the invitations of the active working instances that
// the roster does not name. It fails with a CONFLICT where there are too many.
func (c call) findOthers(ctx context.Context, q postgres.Querier, p *plan, stored []storedInstance) (err error) {
	var working []globalid.ID
	for _, s := range stored {
		if s.Kind == tenant.Working && !s.Deleted {
			working = append(working, s.id())
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
	if p.removed, err = membership.FindOthers(ctx, q, p.space.ID, postgres.IDs(working), members, instances, keys, endLimit+1); err != nil {
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
				where v.instance_id = i.id and `+invitation.NotEnded+` offset 0) v) people`,
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
		case first.holder == nil:
			result.Outcome = invitation.LeftAlone
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

// records returns the records of the trail; none where the roster changes nothing. Former
// holders of an address have records of their own, which name the account: the one
// who has the address now is somebody else.
func (p *plan) records(actor access.Actor) (records []audit.Record) {
	var emails []string
	var changes []audit.RosterChange
	add := func(email string, c audit.RosterChange) { emails, changes = append(emails, email), append(changes, c) }
	for _, m := range p.removed {
		user := uuid.NullUUID{UUID: m.User.ID.UUID, Valid: true}
		in := p.names[m.InstanceID]
		if m.User.FormerHolder {
			records = append(records, audit.Record{Action: audit.MemberRemoved, Actor: actor,
				Target:  audit.Target{Space: audit.OnSpace(p.space).Space, Instance: audit.Name{ID: m.InstanceID.UUID, Name: in}},
				Details: audit.Details{UserID: user, UserName: m.User.Name, Role: m.Role}})
			continue
		}
		add(m.User.Email, audit.RosterChange{Kind: audit.RosterRemoved, InstanceID: m.InstanceID.UUID, InstanceName: in, Role: *m.Role, UserID: user})
	}
	for _, v := range p.revoked {
		id := v.InstanceID()
		add(v.Email, audit.RosterChange{Kind: audit.RosterRevoked, InstanceID: id.UUID, InstanceName: p.names[id], Role: *v.Role})
	}
	for _, r := range p.rows {
		in := audit.RosterChange{InstanceID: r.target.instance.ID.UUID, InstanceName: r.target.instance.Name, Role: r.Role}
		switch {
		case r.first != r:
			continue
		case r.previous != nil:
			in.Kind, in.PreviousRole, in.UserID = audit.RosterRoleChanged, r.previous, uuid.NullUUID{UUID: r.holder.User.ID.UUID, Valid: true}
			add(r.holder.User.Email, in)
			continue
		case r.seat == nil:
			continue
		case r.seat.Outcome == invitation.Invited:
			in.Kind = audit.RosterInvited
		case r.seat.Outcome == invitation.RoleChanged:
			in.Kind, in.PreviousRole = audit.RosterRoleChanged, r.seat.PreviousRole
		case r.seat.TakenOver:
			in.Kind = audit.RosterTakenOver
		default:
			continue
		}
		add(r.address.String(), in)
	}
	created := make([]string, len(p.created))
	for i, t := range p.created {
		created[i] = t.instance.Name
	}
	return append(audit.NewRosterRecords(actor, p.space, emails, changes, created), records...)
}
