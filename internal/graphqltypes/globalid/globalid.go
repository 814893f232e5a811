// Package globalid writes and reads the ids that clients see: opaque to them,
// unique over every type (GraphQL Global Object Identification).
package globalid

import (
	"encoding/hex"
	"io"
	"strings"

	"github.com/google/uuid"
)

// Kind is the type of thing that an id names.
type Kind string

// The kinds, as they stand before an id's underscore.
const (
	User         Kind = "user"
	Organization Kind = "organization"
	Space        Kind = "space"
	Instance     Kind = "instance"
	Invitation   Kind = "invitation"
	AuditEntry   Kind = "audit"
	Request      Kind = "request"
	Link         Kind = "link" // to a course
	FormerMember Kind = "former"
)

// ID names one thing. The zero ID names nothing.
type ID struct {
	Kind Kind
	UUID uuid.UUID
}

// New is the id of a thing that is about to be stored. It is made of a
// UUIDv7, so that later things sort after earlier ones.
func New(kind Kind) ID { return ID{kind, uuid.Must(uuid.NewV7())} }

// Parse reads an id. It returns the zero ID for a malformed id and for one of an
// unknown kind: both name nothing, exactly like an id that was never issued.
func Parse(s string) ID {
	kind, digits, found := strings.Cut(s, "_")
	if !found || len(digits) != 2*len(uuid.UUID{}) || digits != strings.ToLower(digits) {
		return ID{}
	}
	switch Kind(kind) {
	case User, Organization, Space, Instance, Invitation, AuditEntry, Request, Link, FormerMember:
	default:
		return ID{}
	}
	var id ID
	if _, err := hex.Decode(id.UUID[:], []byte(digits)); err != nil {
		return ID{}
	}
	id.Kind = Kind(kind)
	return id
}

// As is the id where it is of a kind, and otherwise an ID of this kind with the nil
// UUID. That names nothing, and is looked for as an unknown id is: the answer takes
// as long.
func (id ID) As(kind Kind) ID {
	if id.Kind != kind {
		return ID{Kind: kind}
	}
	return id
}

func (id ID) String() string { return string(id.append(make([]byte, 0, 64))) }

func (id ID) append(b []byte) []byte {
	if id.Kind == "" {
		return b
	}
	return hex.AppendEncode(append(append(b, id.Kind...), '_'), id.UUID[:])
}

// MarshalText makes an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) { return id.append(nil), nil }

// UnmarshalText is Parse: it accepts everything.
func (id *ID) UnmarshalText(b []byte) error { *id = Parse(string(b)); return nil }

// MarshalGQL writes the ID scalar.
func (id ID) MarshalGQL(w io.Writer) {
	b := make([]byte, 0, 64)
	_, _ = w.Write(append(id.append(append(b, '"')), '"'))
}

// UnmarshalGQL reads the ID scalar. Integers, which the scalar also takes
// (GraphQL specification, section 3.5.5), are never ids of this gateway.
func (id *ID) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	*id = Parse(s)
	return nil
}
