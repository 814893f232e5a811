package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

type space struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Instances []*instance `json:"instances,omitempty"`
}

type instance struct {
	ID                 string       `json:"id"`
	Name               string       `json:"name"`
	Kind               string       `json:"kind"`
	Space              *space       `json:"space,omitempty"`
	ViewerRole         *string      `json:"viewerRole,omitempty"`
	Members            []member     `json:"members,omitempty"`
	PendingInvitations []invitation `json:"pendingInvitations,omitempty"`
}

type member struct {
	Role string `json:"role"`
	User user   `json:"user"`
}

type user struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type invitation struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	Role      string `json:"role"`
	Status    string `json:"status"`
	ExpiresAt string `json:"expiresAt"`
}

type inviteInput struct {
	Email string `json:"email"`
	Role  string `json:"role"`
}

type inviteError struct {
	Index   int    `json:"index"`
	Email   string `json:"email"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

type inviteResult struct {
	Invitations []invitation  `json:"invitations"`
	Errors      []inviteError `json:"errors"`
}

const (
	instanceQuery = `
		select i.id, i.name, i.kind, s.id, s.name, m.role
		from instances i
		join spaces s on s.id = i.space_id
		left join instance_members m on m.instance_id = i.id and m.user_id = $2
		where i.id = $1 and i.deleted_at is null`

	spaceQuery = `select id, name from spaces where id = $1`

	instancesQuery = `select id, name, kind from instances where space_id = $1 and deleted_at is null order by id limit $2`

	membersQuery = `
		select x.ord, m.role, u.id, u.name, u.email
		from unnest($1::bigint[]) with ordinality x (id, ord)
		cross join lateral (select user_id, role from instance_members where instance_id = x.id order by user_id limit $2) m
		join users u on u.id = m.user_id
		order by x.ord, m.user_id`

	pendingQuery = `
		select x.ord, v.id, v.email, v.role, v.status, v.expires_at
		from unnest($1::bigint[]) with ordinality x (id, ord)
		cross join lateral (
			select id, email, role, status, expires_at from invitations where instance_id = x.id and status = 'PENDING' order by id limit $2) v
		order by x.ord, v.id`

	// inviteQuery checks and writes in one statement.
	inviteQuery = `
		with chk as materialized (
			select i.id from instances i
			where i.id = $1 and i.deleted_at is null and i.kind <> 'DISTRIBUTED'
			  and exists (select 1 from space_admins a where a.space_id = i.space_id and a.user_id = $2)
		), ins as (
			insert into invitations (instance_id, email, role, status, invited_by, token_hash, expires_at)
			select chk.id, t.email, t.role, 'PENDING', $2, t.hash, now() + interval '7 days'
			from chk, unnest($3::text[], $4::text[], $5::bytea[]) with ordinality t (email, role, hash, ord) order by t.ord
			returning id, email, role, status, expires_at
		), ob as (
			insert into outbox (kind, payload)
			select 'INVITATION_MAIL', jsonb_build_object('invitationId', id, 'email', email) from ins
		)
		select id, email, role, status, expires_at from ins`

	// refusalQuery finds out why inviteQuery would write nothing.
	refusalQuery = `
		select i.kind = 'DISTRIBUTED', i.deleted_at is not null,
		       exists (select 1 from space_admins a where a.space_id = i.space_id and a.user_id = $2)
		from instances i where i.id = $1`
)

// store has a prepared statement for each query.
type store struct{ instanceOf, spaceOf, instancesOf, membersOf, pendingOf, inviteTo, refusalOf *sql.Stmt }

func openStore(url string, connections int) (*store, error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	s := &store{}
	for _, p := range []struct {
		statement **sql.Stmt
		query     string
	}{
		{&s.instanceOf, instanceQuery}, {&s.spaceOf, spaceQuery}, {&s.instancesOf, instancesQuery}, {&s.membersOf, membersQuery},
		{&s.pendingOf, pendingQuery}, {&s.inviteTo, inviteQuery}, {&s.refusalOf, refusalQuery},
	} {
		if *p.statement, err = db.Prepare(p.query); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) instance(ctx context.Context, id, viewer int64) (*instance, error) {
	i := &instance{Space: &space{}}
	err := s.instanceOf.QueryRowContext(ctx, id, viewer).Scan(&i.ID, &i.Name, &i.Kind, &i.Space.ID, &i.Space.Name, &i.ViewerRole)
	return i, err
}

// tree returns a space with its first 20 instances, and 10 members and 10 pending
// invitations of each.
func (s *store) tree(ctx context.Context, id int64) (*space, error) {
	p := &space{}
	if err := s.spaceOf.QueryRowContext(ctx, id).Scan(&p.ID, &p.Name); err != nil {
		return nil, err
	}
	var ids pq.Int64Array
	err := each(ctx, s.instancesOf, []any{id, 20}, func(rows *sql.Rows) error {
		i := &instance{}
		p.Instances = append(p.Instances, i)
		err := rows.Scan(&i.ID, &i.Name, &i.Kind)
		number, _ := strconv.ParseInt(i.ID, 10, 64)
		ids = append(ids, number)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, s.membersOf, []any{ids, 10}, func(rows *sql.Rows) error {
		var place int
		var m member
		err := rows.Scan(&place, &m.Role, &m.User.ID, &m.User.Name, &m.User.Email)
		p.Instances[place-1].Members = append(p.Instances[place-1].Members, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, s.pendingOf, []any{ids, 10}, func(rows *sql.Rows) error {
		var place int
		v, err := scanInvitation(rows, &place)
		p.Instances[place-1].PendingInvitations = append(p.Instances[place-1].PendingInvitations, v)
		return err
	})
	return p, err
}

// each calls scan for each row of a query.
func each(ctx context.Context, query *sql.Stmt, args []any, scan func(*sql.Rows) error) error {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanInvitation(rows *sql.Rows, before ...any) (v invitation, err error) {
	var expires time.Time
	err = rows.Scan(append(before, &v.ID, &v.Email, &v.Role, &v.Status, &expires)...)
	v.ExpiresAt = expires.UTC().Format(time.RFC3339)
	return v, err
}

// invite writes an invitation and an outbox row for each address: all or, where one
// is not valid, none.
func (s *store) invite(ctx context.Context, id, viewer int64, in []inviteInput) (*inviteResult, error) {
	result := &inviteResult{Invitations: []invitation{}, Errors: []inviteError{}}
	for i, v := range in {
		if !validEmail(v.Email) {
			result.Errors = append(result.Errors, inviteError{i, v.Email, "INVALID_EMAIL", "not a valid e-mail address"})
		}
	}
	if len(result.Errors) > 0 {
		return result, s.refusal(ctx, id, viewer)
	}
	emails, roles, hashes := make(pq.StringArray, len(in)), make(pq.StringArray, len(in)), make(pq.ByteaArray, len(in))
	for i, v := range in {
		emails[i], roles[i], hashes[i] = v.Email, v.Role, tokenHash()
	}
	err := each(ctx, s.inviteTo, []any{id, viewer, emails, roles, hashes}, func(rows *sql.Rows) error {
		v, err := scanInvitation(rows)
		result.Invitations = append(result.Invitations, v)
		return err
	})
	if err == nil && len(result.Invitations) == 0 {
		if err = s.refusal(ctx, id, viewer); err == nil {
			err = errors.New("NOT_FOUND")
		}
	}
	return result, err
}

// tokenHash returns the hash of a new secret of 256 bits.
func tokenHash() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	hash := sha256.Sum256(secret)
	return hash[:]
}

// refusal returns why a person may not invite to an instance; nil where they may.
func (s *store) refusal(ctx context.Context, id, viewer int64) error {
	var distributed, deleted, administrator bool
	err := s.refusalOf.QueryRowContext(ctx, id, viewer).Scan(&distributed, &deleted, &administrator)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && deleted:
		return errors.New("NOT_FOUND")
	case err != nil:
		return err
	case !administrator:
		return errors.New("FORBIDDEN")
	case distributed:
		return errors.New("DISTRIBUTED")
	}
	return nil
}

func alnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

// validEmail accepts exactly what the regular expression of node/common.mjs accepts.
func validEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	for k := range at {
		if !alnum(s[k]) && strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", s[k]) < 0 {
			return false
		}
	}
	d, labels := s[at+1:], 0
	for {
		l, rest, more := strings.Cut(d, ".")
		if len(l) < 1 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for k := range len(l) {
			if !alnum(l[k]) && (l[k] != '-' || !more) {
				return false
			}
			if !more && (l[k] >= '0' && l[k] <= '9') {
				return false
			}
		}
		labels++
		if !more {
			return labels > 1 && len(l) > 1
		}
		d = rest
	}
}
