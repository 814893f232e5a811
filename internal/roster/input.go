package roster

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// SyncRosterInput asks to make the people of a space's instances those of a list.
type SyncRosterInput struct {
	SpaceID globalid.ID `json:"spaceId"`
	Entries []*Entry    `json:"entries"`
	Others  Others      `json:"others,omitzero"`
	// RemoveAtMost is how many people may lose roles or invitations; nil: see checkShare.
	RemoveAtMost   *int    `json:"removeAtMost,omitempty"`
	ValidateOnly   *bool   `json:"-"` // a request with it needs no key
	Message        *string `json:"message"`
	IdempotencyKey *string `json:"-"`
}

// Entry is a row of a roster: a person in an instance.
type Entry struct {
	Email    string              `json:"email"` // as people type or paste it
	Name     *string             `json:"name"`
	Role     tenant.InstanceRole `json:"role"`
	Instance Where               `json:"instance"`
}

// Where says which instance an entry is about. One field is set.
type Where struct {
	ID    *globalid.ID `json:"id"`
	Joint *string      `json:"joint"` // the name of one that all rows with this name share
	Own   *string      `json:"own"`   // the name of one for this person; "{name}" stands for theirs
}

// Others says what happens to the people whom a roster does not name. The zero value is
// Keep.
type Others string

// The choices.
const (
	Keep   Others = "KEEP"
	Remove Others = "REMOVE"
)

// MarshalGQL writes the schema's enum RosterOthers.
func (o Others) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, o) }

// UnmarshalGQL reads the schema's enum RosterOthers; null is the default.
func (o *Others) UnmarshalGQL(v any) (err error) {
	if v == nil {
		*o = Keep
		return nil
	}
	*o, err = graphqltypes.ReadEnum(v, Keep, Remove)
	return err
}

// IsZero reports whether the choice is the default.
func (o Others) IsZero() bool { return o == "" || o == Keep }

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of the
// input.
func (in SyncRosterInput) Validate(l invitation.Limits) (faults fault.List) {
	faults = append(faults, l.ValidateCount(len(in.Entries), "entries", "input", "entries")...)
	if len(faults) == 0 {
		for i, e := range in.Entries {
			faults = append(faults, e.validate(i)...)
		}
	}
	if n := in.RemoveAtMost; n != nil && (*n < 0 || *n > maxRemoveAtMost) {
		faults = append(faults, fault.Input(fmt.Sprintf("removeAtMost is %d; it can be 0 to %d.", *n, maxRemoveAtMost), "input", "removeAtMost"))
	}
	faults = append(faults, text.CheckMessage(in.Message, l.Message, "input", "message")...)
	return append(faults, idempotency.ValidateKey(in.IdempotencyKey)...)
}

// maxRemoveAtMost is how many people a roster can remove: some have a role that ends,
// others an invitation.
const maxRemoveAtMost = 2 * endLimit

func (e *Entry) validate(i int) (faults fault.List) {
	path := []any{"input", "entries", i}
	if e.Name != nil {
		faults = append(faults, text.CheckName(*e.Name, "input", "entries", i, "name")...)
	}
	given := 0
	for _, set := range []bool{e.Instance.ID != nil, e.Instance.Joint != nil, e.Instance.Own != nil} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		faults = append(faults, fault.Input("Give one of id, joint and own, and no others.", append(path, "instance")...))
	case e.Instance.Joint != nil:
		faults = append(faults, text.CheckName(*e.Instance.Joint, "input", "entries", i, "instance", "joint")...)
	case e.Instance.Own != nil && len(faults) == 0:
		a, problem := address.Parse(e.Email)
		if _, ok := e.ownName(a); !ok && problem == nil {
			faults = append(faults, fault.Input("The name of the instance, with the name of the person in it, must have 1 to 200 printable characters.",
				"input", "entries", i, "instance", "own"))
		}
	}
	for _, f := range faults {
		f.Index = &i
	}
	return faults
}

// placeholder stands for the name of the person in the name of an own instance.
const placeholder = "{name}"

// ownName returns the name of an own instance; ok is false where it is none. Where the
// person's name is not given, the part of the address before the @ stands for it.
func (e *Entry) ownName(a address.Address) (name string, ok bool) {
	pattern := *e.Instance.Own
	person, _, _ := strings.Cut(a.String(), "@")
	if e.Name != nil {
		person = *e.Name
	}
	if len(pattern)+strings.Count(pattern, placeholder)*(len(person)-len(placeholder)) > utf8.UTFMax*text.NameLength {
		return "", false // too long, and perhaps too much work
	}
	return text.ParseName(strings.ReplaceAll(pattern, placeholder, person))
}
