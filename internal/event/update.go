package event

import (
	"context"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

// portion is the number of updates that Next returns at most.
const portion = 100

// Update is a change of one subject. All watches of the place share it, and with it
// what they read and encode: a thousand watches cost little more than one.
type Update struct {
	Change  string
	Subject uuid.UUID
	At      time.Time

	together *together
	encoded  turn[map[any][]byte] // by the keys of Encoded
}

// together is what the updates of one portion share.
type together struct {
	subjects []uuid.UUID
	read     turn[any] // map[globalid.ID]S
}

// turn is a value that its users change one after the other. The zero value is not
// ready; see newTurn.
type turn[T any] chan T

func newTurn[T any](value T) turn[T] {
	t := make(turn[T], 1)
	t <- value
	return t
}

// take waits for the value. The caller must put it, or another one, back.
func (t turn[T]) take(ctx context.Context) (value T, err error) {
	select {
	case value = <-t:
		return value, nil
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

func (t turn[T]) put(value T) { t <- value }

// portionsOf returns the updates of events of one topic in one place, in portions.
func portionsOf(events []Event) (portions [][]*Update) {
	var updates []*Update
	for _, e := range events {
		for _, subject := range e.Subjects {
			updates = append(updates, &Update{Change: e.Change, Subject: subject, At: e.At})
		}
	}
	for len(updates) > 0 {
		some := updates[:min(portion, len(updates))]
		updates = updates[len(some):]
		shared := &together{read: newTurn[any](nil)}
		for _, u := range some {
			shared.subjects = append(shared.subjects, u.Subject)
			u.together, u.encoded = shared, newTurn[map[any][]byte](nil)
		}
		portions = append(portions, some)
	}
	return portions
}

// Read returns the subject of an update as read finds it, and whether it does. The
// first call reads the subjects of all updates that Next returned together, for all
// watches of the place: read must not depend on the person. The subjects' ids are of kind.
func Read[S any](ctx context.Context, u *Update, kind globalid.Kind, read func(context.Context, []globalid.ID) (map[globalid.ID]S, error)) (subject S, found bool, err error) {
	value, err := u.together.read.take(ctx)
	if err != nil {
		return subject, false, err
	}
	defer func() { u.together.read.put(value) }()
	subjects, done := value.(map[globalid.ID]S)
	if !done {
		ids := make([]globalid.ID, len(u.together.subjects))
		for i, id := range u.together.subjects {
			ids[i] = globalid.ID{Kind: kind, UUID: id}
		}
		if subjects, err = read(ctx, ids); err != nil {
			return subject, false, err
		}
		value = subjects
	}
	subject, found = subjects[globalid.ID{Kind: kind, UUID: u.Subject}]
	return subject, found, nil
}

// Encoded returns what encode returned to the first call with a key, for all watches.
// The key must identify everything that encode depends on apart from the update. encode
// reports whether others may have its result.
func (u *Update) Encoded(ctx context.Context, key any, encode func() (response []byte, shared bool)) ([]byte, error) {
	responses, err := u.encoded.take(ctx)
	if err != nil {
		return nil, err
	}
	if response, done := responses[key]; done {
		u.encoded.put(responses)
		return response, nil
	}
	defer func() { u.encoded.put(responses) }()
	response, shared := encode()
	if shared {
		if responses == nil {
			responses = map[any][]byte{}
		}
		responses[key] = response
	}
	return response, nil
}
