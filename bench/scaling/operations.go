package main

import (
	"encoding/base64"
	"fmt"
	"time"
)

// operation is a request whose time must not depend on the number of rows.
type operation struct {
	name      string
	person    int // the account that sends it
	query     string
	variables map[string]any
	// next changes the variables before each request; nil: they stay.
	next    func(variables map[string]any, i int)
	repeats int
}

// The ids are those of sql/scale.sql.
func uuid(kind, n int) string { return fmt.Sprintf("01900000000070008%03x%012x", kind, n) }

func instanceID(n int) string { return "instance_" + uuid(4, n) }
func spaceID(n int) string    { return "space_" + uuid(3, n) }

func cursor(prefix string, kind, n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(prefix + "_" + uuid(kind, n)))
}

const (
	administrator = 1
	member        = 2 // of rows / 500 + 100 instances
	manager       = 3
	requester     = 5 // of a tenth as many requests as there are invitations

	reads  = 15
	writes = 9
)

// operations returns what is measured in a database of so many invitations, with some open
// requests to answer, of which no run answers one again.
func operations(rows int, open []int) (all []operation) {
	const nodes = "nodes { id email role status expiresAt }"
	read := func(name string, person int, query string, variables map[string]any) {
		all = append(all, operation{name: name, person: person, query: query, variables: variables, repeats: reads})
	}
	invitations := func(place, arguments, fields string) string {
		return "query($id: ID!, $after: String) { " + place + "(id: $id) { invitations(first: 100, after: $after" + arguments + ") { " + fields + " } } }"
	}
	places := []struct {
		name, kind, id string
	}{
		{"pending", "instance", instanceID(3)}, {"expired", "instance", instanceID(4)}, {"ended", "instance", instanceID(5)}, {"space", "space", spaceID(1)},
	}
	for _, place := range places {
		on := map[string]any{"id": place.id}
		deep := func(row int) map[string]any {
			return map[string]any{"id": place.id, "after": cursor("invitation", 5, row)}
		}
		read(place.name+": first page", administrator, invitations(place.kind, "", nodes), on)
		read(place.name+": page in the middle", administrator, invitations(place.kind, "", nodes), deep(rows/2))
		read(place.name+": last page", administrator, invitations(place.kind, "", nodes), deep(300))
		read(place.name+": totalCount", administrator, invitations(place.kind, "", "totalCount"), on)
		for _, status := range []string{"PENDING", "EXPIRED", "ACCEPTED", "DECLINED", "REVOKED"} {
			read(place.name+": "+status, administrator, invitations(place.kind, ", status: "+status, nodes), on)
			read(place.name+": "+status+", in the middle", administrator, invitations(place.kind, ", status: "+status, nodes), deep(rows/2))
			read(place.name+": totalCount of "+status, administrator, invitations(place.kind, ", status: "+status, "totalCount"), on)
		}
	}
	read("invitations with details", administrator, invitations("instance", "", "nodes { id invitedBy { name } accepting { allowed } delivery { status } }"), map[string]any{"id": instanceID(4)})

	trail := func(fields string) string {
		return "query($id: ID!, $after: String) { space(id: $id) { auditLog(first: 100, after: $after) { " + fields + " } } }"
	}
	read("trail: first page", administrator, trail("nodes { id at summary }"), map[string]any{"id": spaceID(1)})
	read("trail: page in the middle", administrator, trail("nodes { id at summary }"), map[string]any{"id": spaceID(1), "after": cursor("audit", 7, rows/2)})
	read("trail: totalCount", administrator, trail("totalCount"), map[string]any{"id": spaceID(1)})

	members := func(place, fields string) string {
		return "query($id: ID!, $after: String) { " + place + "(id: $id) { members(first: 100, after: $after) { " + fields + " } } }"
	}
	for place, id := range map[string]string{"instance": instanceID(3), "space": spaceID(1)} {
		read("members of an "+place+": first page", administrator, members(place, "nodes { user { name } }"), map[string]any{"id": id})
		read("members of an "+place+": page in the middle", administrator, members(place, "nodes { user { name } }"), map[string]any{"id": id, "after": cursor("user", 2, rows/20)})
		read("members of an "+place+": totalCount", administrator, members(place, "totalCount"), map[string]any{"id": id})
	}

	instance := "query($id: ID!) { instance(id: $id) { id name viewerRoles space { id name } } }"
	for name, person := range map[string]int{"many memberships": member, "manager": manager} {
		read(name+": an instance and the own roles", person, instance, map[string]any{"id": instanceID(6 + 71)})
		read(name+": spaces", person, "{ viewer { spaces(first: 20) { nodes { id name } } } }", nil)
		read(name+": totalCount of spaces", person, "{ viewer { spaces { totalCount } } }", nil)
		read(name+": instances of a space", person, "query($id: ID!) { space(id: $id) { instances(first: 20) { totalCount nodes { id name viewerRoles } } } }", map[string]any{"id": spaceID(2)})
	}
	read("20 instances with 10 members and 10 pending invitations each", administrator,
		"query($id: ID!) { space(id: $id) { instances(first: 20) { nodes { id members(first: 10) { nodes { role } } invitations(first: 10, status: PENDING) { "+nodes+" } } } } }", map[string]any{"id": spaceID(1)})

	requests := []struct {
		name     string
		person   int
		query    string // up to the list
		middle   int    // row
		statuses []string
	}{
		{"requests in a space", administrator, `space(id: "` + spaceID(1) + `") { requests`, rows / 20, []string{"", "OPEN", "APPROVED", "DECLINED", "WITHDRAWN", "EXPIRED"}},
		{"own requests", requester, "viewer { requests", rows / 20 * 3, []string{"", "OPEN", "APPROVED", "DECLINED", "WITHDRAWN", "EXPIRED"}},
		{"requests to answer", administrator, "viewer { requestsToAnswer", rows / 20, []string{""}},
	}
	for _, list := range requests {
		for _, status := range list.statuses {
			name, filter := list.name+":", ""
			if status != "" {
				name, filter = name+" "+status+",", ", status: "+status
			}
			query := func(fields string) string {
				return "query($after: String) { " + list.query + "(first: 100, after: $after" + filter + ") { " + fields + " } } }"
			}
			const nodes = "nodes { id status requestedBy { name } }"
			read(name+" first page", list.person, query(nodes), nil)
			read(name+" page in the middle", list.person, query(nodes), map[string]any{"after": cursor("request", 8, list.middle)})
			read(name+" totalCount", list.person, query("totalCount"), nil)
		}
	}
	read("own invitations", administrator, "{ viewer { invitations { totalCount nodes { id } } } }", nil)

	const invite = "mutation($in: InviteUsersInput!) { inviteUsers(input: $in) { results { outcome } } }"
	run := time.Now().UnixMilli()
	inviting := func(name string, n int, address func(i, j int) string) {
		all = append(all, operation{name: name, person: administrator, query: invite, repeats: writes, variables: map[string]any{},
			next: func(variables map[string]any, i int) {
				emails := make([]string, n)
				for j := range emails {
					emails[j] = address(i, j)
				}
				variables["in"] = map[string]any{"instanceId": instanceID(3), "role": "VIEWER", "emails": emails, "idempotencyKey": fmt.Sprint(run, name, i)}
			}})
	}
	added := func(i, j int) string { return fmt.Sprintf("x%d.%d.%d@new.example", run, i, j) }
	inviting("inviting 1", 1, added)
	inviting("inviting 100", 100, func(i, j int) string { return "y" + added(i, j) })
	inviting("inviting 100 who are invited", 100, func(_, j int) string {
		n := 10*(j+10) + 1
		return fmt.Sprintf("guest%d@mail%d.example.org", n, n%89)
	})
	for i := range 5 {
		for _, m := range []struct{ name, field, done string }{{"deleting the instance", "deleteInstance", "deleted"}, {"restoring it", "restoreInstance", "restored"}} {
			all = append(all, operation{name: m.name, person: administrator, repeats: 1, variables: map[string]any{"id": instanceID(4 + i%2)},
				query: "mutation($id: ID!) { " + m.field + "(input: {instanceId: $id}) { " + m.done + " } }"})
		}
	}

	change := func(name string, person int, mutation string) {
		all = append(all, operation{name: name, person: person, repeats: 1, query: "mutation { " + mutation + " }"})
	}
	answer := func(field string, request int) string {
		return fmt.Sprintf(`%s(input: {requestId: "request_%s"}) { request { status } }`, field, uuid(8, request))
	}
	for ; len(open) >= 3; open = open[3:] {
		change("asking for a role", open[0]+1, fmt.Sprintf(`requestRole(input: {instanceId: "%s", role: INSTANCE_EDITOR}) { created }`, instanceID(3)))
		change("withdrawing a request", open[0], answer("withdrawRequest", open[0])) // request n is of person n
		change("declining a request", administrator, answer("declineRequest", open[1]))
		change("approving a request", administrator, answer("approveRequest", open[2]))
	}
	return all
}
