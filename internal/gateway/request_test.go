package gateway_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const requestFields = `id kind status role emails approvedEmails message spaceName instanceName space { name } instance { name }
	requestedBy { name } answeredBy { name } answer createdAt expiresAt endedAt endReason`

// requested is what came of asking with one of the mutations.
func (p person) requested(mutation string, fields ...any) answer {
	p.world.t.Helper()
	input := map[string]string{"requestRole": "RequestRoleInput", "requestInvitations": "RequestInvitationsInput", "requestRestore": "RequestRestoreInput"}[mutation]
	return p.ask(`mutation($input: `+input+`!) { `+mutation+`(input: $input) { created request { `+requestFields+` } } }`, map[string]any{"input": object(fields...)})
}

func (p person) askRole(instance, role string, more ...any) answer {
	p.world.t.Helper()
	if role == "SPACE_ADMINISTRATOR" {
		return p.requested("requestRole", append(more, "spaceId", p.world.space("Econometrics 2026"), "role", role)...)
	}
	return p.requested("requestRole", append(more, "instanceId", p.world.instance(instance), "role", role)...)
}

func (p person) askInvitations(instance, role string, emails []string, more ...any) answer {
	p.world.t.Helper()
	return p.requested("requestInvitations", append(more, "instanceId", p.world.instance(instance), "role", role, "emails", emails)...)
}

func (p person) askRestore(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.requested("requestRestore", append(more, "instanceId", p.world.instance(instance))...)
}

func (p person) approve(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: ApproveRequestInput!) { approveRequest(input: $input) { request { `+requestFields+` } results { email outcome role invitation { status requestedBy { name } invitedBy { name } } } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

func (p person) refuse(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: DeclineRequestInput!) { declineRequest(input: $input) { request { `+requestFields+` } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

func (p person) withdraw(id string, fields ...any) answer {
	p.world.t.Helper()
	return p.ask(`mutation($input: WithdrawRequestInput!) { withdrawRequest(input: $input) { request { `+requestFields+` } } }`,
		map[string]any{"input": object(append(fields, "requestId", id)...)})
}

// made is the id of the request that an answer is about.
func (a answer) made() string {
	a.t.Helper()
	for _, payload := range a.ok().Data {
		return payload.(map[string]any)["request"].(map[string]any)["id"].(string)
	}
	return ""
}

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	a := w.as("vic").askRole("", "SPACE_ADMINISTRATOR", "message", "Let me help!")
	fmt.Println(a.body)
	id := a.made()
	fmt.Println(w.as("ada").approve(id, "message", "Welcome").body)
	fmt.Println(w.as("ed").askInvitations("Group 1", "VIEWER", []string{"zoe@new.example", "bob@new.example"}).body)
	fmt.Println(w.as("mia").askRestore("Group 2").body)
	for _, m := range w.mails(5) {
		fmt.Println(m.To, m.Subject, m.Link)
		fmt.Println(m.Text)
	}
	_ = cmp.Diff
}
