package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Each case first puts an address into a state, and then invites it to Group 1 as an
// editor.
func TestInviteOutcomes(t *testing.T) {
	t.Parallel()
	const zoe = "zoe@new.example"
	viewer, editor := tenant.Viewer, tenant.Editor
	invited := func(role tenant.InstanceRole) func(w *world) globalid.ID {
		return func(w *world) globalid.ID { return w.invite("Group 1", role, zoe)[0].InvitationID }
	}
	after := func(state func(*world) globalid.ID, then func(*world, globalid.ID)) func(w *world) globalid.ID {
		return func(w *world) globalid.ID { id := state(w); then(w, id); return id }
	}
	member := func(role tenant.Role, place func(*world) globalid.ID) func(w *world) globalid.ID {
		return func(w *world) globalid.ID { w.Grant(w.User(zoe), role, place(w)); return globalid.ID{} }
	}
	group1 := func(w *world) globalid.ID { return w.Instance("Group 1") }
	for name, c := range map[string]struct {
		state    func(*world) globalid.ID // of the address; returns its invitation
		outcome  invitation.InviteOutcome
		role     tenant.InstanceRole
		previous *tenant.InstanceRole
		same     bool // the invitation of state
		mails    int  // to the address
	}{
		"without an account":          {func(*world) globalid.ID { return globalid.ID{} }, invitation.Invited, editor, nil, false, 1},
		"without a role":              {func(w *world) globalid.ID { w.User(zoe); return globalid.ID{} }, invitation.Invited, editor, nil, false, 1},
		"member of another instance":  {member(tenant.InstanceViewer, func(w *world) globalid.ID { return w.Instance("Master") }), invitation.Invited, editor, nil, false, 1},
		"invited to another instance": {func(w *world) globalid.ID { return w.invite("Master", viewer, zoe)[0].InvitationID }, invitation.Invited, editor, nil, false, 2},
		"invited to the space":        {func(w *world) globalid.ID { return w.inviteAdministrators(zoe)[0].InvitationID }, invitation.Invited, editor, nil, false, 2},
		"revoked": {after(invited(editor), func(w *world, id globalid.ID) { w.revoke(id) }),
			invitation.Invited, editor, nil, false, 2},
		"declined": {after(invited(editor), func(w *world, id globalid.ID) {
			_, err := w.Invitations.Decline(w.t.Context(), w.User(zoe), invitation.AnswerInput{InvitationID: &id})
			w.must(err)
		}), invitation.Invited, editor, nil, false, 2},
		"accepted, and left": {after(invited(editor), func(w *world, id globalid.ID) {
			_, err := w.accept(zoe, id)
			w.must(err)
			w.Revoke(w.User(zoe), w.Instance("Group 1"))
		}), invitation.Invited, editor, nil, false, 2},
		"expired":                    {after(invited(editor), func(w *world, _ globalid.ID) { w.Advance(month) }), invitation.Invited, editor, nil, true, 2},
		"expired, as viewer":         {after(invited(viewer), func(w *world, _ globalid.ID) { w.Advance(month) }), invitation.Invited, editor, nil, true, 2},
		"pending":                    {invited(editor), invitation.AlreadyInvited, editor, nil, true, 1},
		"pending for almost a month": {after(invited(editor), func(w *world, _ globalid.ID) { w.Advance(month - time.Minute) }), invitation.AlreadyInvited, editor, nil, true, 1},
		"pending, as viewer":         {invited(viewer), invitation.RoleChanged, editor, &viewer, true, 1},
		"viewer":                     {member(tenant.InstanceViewer, group1), invitation.AlreadyMember, viewer, nil, false, 0},
		"editor":                     {member(tenant.InstanceEditor, group1), invitation.AlreadyMember, editor, nil, false, 0},
		"administrator":              {member(tenant.SpaceAdministrator, func(w *world) globalid.ID { return w.Space(testworld.Econometrics) }), invitation.AlreadyMember, editor, nil, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := c.state(w)
			r := w.invite("Group 1", editor, zoe)[0]
			if r.Outcome != c.outcome || r.Email != zoe || r.Index != 0 {
				t.Errorf("%d %s: %s", r.Index, r.Email, r.Outcome)
			}
			wantEqual(t, "role", &c.role, r.Role)
			wantEqual(t, "previous role", c.previous, r.PreviousRole)
			if same := r.InvitationID == before; r.Invitation != nil && same != c.same {
				t.Errorf("the same invitation: %t", same)
			}
			if n := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, zoe); n != c.mails {
				t.Errorf("%d mails", n)
			}
			if r.Outcome == invitation.AlreadyMember {
				if r.Invitation != nil || r.InvitationID.Kind != "" {
					t.Error("a member has an invitation")
				}
				return
			}
			v := r.Invitation
			wantEqual(t, "role of the invitation", &c.role, v.Role)
			if v.ID != r.InvitationID || v.Email != zoe || v.Status != invitation.Pending || v.InvitedBy.Name != "Ada" ||
				*v.InstanceName != "Group 1" || v.Space.Name != testworld.Econometrics || v.Space.OrganizationName != "University of Example" {
				t.Errorf("%+v", v)
			}
			// What was just written is exactly what a list reads.
			wantEqual(t, "the listed invitation", summary(w.invitationNow("Group 1", v.ID)), summary(v))
		})
	}
}

// summary returns the fields of an invitation that can be compared.
func summary(v *invitation.Invitation) map[string]any {
	return map[string]any{"id": v.ID, "email": v.Email, "role": v.Role, "status": v.Status, "message": v.Message, "inviter": v.InvitedBy,
		"requester": v.RequestedBy, "created": v.CreatedAt.UTC(), "expires": v.ExpiresAt.UTC(), "space": v.Space, "instance": v.InstanceName,
		"delivery": v.Delivery()}
}

func TestInviteRenewsAnExpiredInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	first, err := w.tryInviteWith("ada", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer,
		Emails: []string{"zoe@new.example"}, Message: new("from Ada")})
	w.must(err)
	token := w.secret(first[0].InvitationID)
	w.Advance(month)
	again, err := w.tryInviteWith("bea", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Editor,
		Emails: []string{"zoe@new.example"}, Message: new("from Bea")})
	w.must(err)
	v := again[0].Invitation
	if v.InvitedBy.Name != "Bea" || *v.Message != "from Bea" || *v.Role != tenant.Editor || time.Until(v.ExpiresAt) < month-time.Hour {
		t.Errorf("%+v", v)
	}
	if w.secret(v.ID) == token {
		t.Error("the link is the old one")
	}
	wantEqual(t, "the listed invitation", summary(w.invitationNow("Group 1", v.ID)), summary(v))
}

// Another administrator who changes the role takes the invitation over.
func TestInviteChangesTheRoleAndTheInviterOfAPendingInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	before := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].Invitation
	results, err := w.tryInviteWith("bea", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Editor,
		Emails: []string{"zoe@new.example"}, Message: new("from Bea")})
	w.must(err)
	want := summary(before)
	want["role"], want["inviter"] = new(tenant.Editor), new(w.User("bea").Contact())
	wantEqual(t, "the invitation", want, summary(results[0].Invitation))
	wantEqual(t, "the listed invitation", want, summary(w.invitationNow("Group 1", before.ID)))
	if _, err := w.Invitations.Accept(t.Context(), w.User("zoe@new.example"), invitation.AnswerInput{Token: new(w.secret(before.ID))}); err != nil {
		t.Errorf("the first link: %v", err)
	}
	if role := w.RoleOf(w.User("zoe@new.example"), w.Instance("Group 1")); role != "INSTANCE_EDITOR" {
		t.Errorf("the role is %q", role)
	}
}

func TestInviteAnswersEachAddressInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	counted := map[invitation.InviteOutcome]int{}
	w.Invitations.CountOutcome = func(o invitation.InviteOutcome) { counted[o]++ }
	results := w.invite("Group 1", tenant.Viewer, "Zoe@New.example", "vic@uni.example", " Zoe <zoe@new.example>, ", "VIC@uni.example", "bob@new.example")
	wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.Invited, invitation.AlreadyMember, invitation.Duplicate, invitation.Duplicate, invitation.Invited},
		outcomes(results))
	for i, r := range results {
		if r.Index != i {
			t.Errorf("result %d has index %d", i, r.Index)
		}
	}
	if results[2].InvitationID != results[0].InvitationID || results[2].Email != "zoe@new.example" || *results[3].Role != tenant.Viewer {
		t.Errorf("%+v, %+v", results[2], results[3])
	}
	wantEqual(t, "counted outcomes", map[invitation.InviteOutcome]int{invitation.Invited: 2, invitation.AlreadyMember: 1, invitation.Duplicate: 2}, counted)
	// A changed role is the previous one of the first place only.
	results = w.invite("Group 1", tenant.Editor, "zoe@new.example", "zoe@new.example")
	if results[0].PreviousRole == nil || results[1].PreviousRole != nil || results[1].Outcome != invitation.Duplicate {
		t.Errorf("%+v, %+v", results[0], results[1])
	}
}

func TestInviteRecordsWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "zoe@new.example", "bob@new.example", "vic@uni.example")
	w.invite("Group 1", tenant.Editor, "zoe@new.example", "kim@new.example")
	w.invite("Group 1", tenant.Editor, "zoe@new.example")
	w.inviteAdministrators("zoe@new.example")
	wantEqual(t, "trail", []string{
		`Ada INVITATION_SENT Group 1 {"role": "VIEWER", "emails": ["zoe@new.example", "bob@new.example"]}`,
		`Ada INVITATION_SENT Group 1 {"role": "EDITOR", "emails": ["kim@new.example"]}`,
		`Ada INVITATION_ROLE_CHANGED Group 1 {"role": "EDITOR", "emails": ["zoe@new.example"]}`,
		`Ada INVITATION_SENT {"emails": ["zoe@new.example"]}`,
	}, w.Lines(`select concat_ws(' ', actor_name, action, instance_name, details::text) from audit_log order by id`))
}

func TestInviteAdministratorsOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.inviteAdministrators("zoe@new.example", "ada@uni.example", "ed@uni.example", "zoe@new.example")
	wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.Invited, invitation.AlreadyMember, invitation.Invited, invitation.Duplicate}, outcomes(first))
	if v := first[0].Invitation; v.Role != nil || v.InstanceName != nil || first[1].Role != nil {
		t.Errorf("%+v, %+v", v, first[1])
	}
	w.Advance(month)
	again := w.inviteAdministrators("zoe@new.example")
	if again[0].Outcome != invitation.Invited || again[0].InvitationID != first[0].InvitationID {
		t.Errorf("%+v", again[0])
	}
	if got := outcomes(w.inviteAdministrators("zoe@new.example")); got[0] != invitation.AlreadyInvited {
		t.Errorf("%s", got)
	}
}

func TestInviteWithInvalidAddressesInvitesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results, err := w.tryInviteWith("ada", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer,
		Emails: []string{"zoe@new.example", "myemail@.uni.edu.com", "", "vic@uni.example", "a@b@c.example"}, IdempotencyKey: new("key")})
	faults := faultsOf(t, err)
	wantEqual(t, "errors", []string{"INVALID_EMAIL DOMAIN_LABEL_EMPTY", "INVALID_EMAIL EMPTY", "INVALID_EMAIL AT_SIGN_REPEATED"}, described(faults))
	wantEqual(t, "first error", &fault.Fault{
		Code:       fault.InvalidEmail,
		Message:    "Address 2, myemail@.uni.edu.com, is not valid: a domain cannot begin with a dot. Nobody was invited.",
		Reason:     "DOMAIN_LABEL_EMPTY",
		InputPath:  []any{"input", "emails", 1},
		Index:      new(1),
		Email:      "myemail@.uni.edu.com",
		Suggestion: "myemail@uni.edu.com",
	}, faults[0])
	if results != nil {
		t.Errorf("%d results", len(results))
	}
	if got := w.Text(`select concat((select count(*) from invitation), (select count(*) from outbox), (select count(*) from audit_log),
		(select count(*) from idempotency_key), (select count(*) from rate_limit))`); got != "00000" {
		t.Errorf("written: %s", got)
	}
	payload, err := w.Invitations.InviteAdministrators(t.Context(), w.User("ada"), invitation.InviteSpaceAdministratorsInput{
		SpaceID: w.Space(testworld.Econometrics), Emails: []string{"zoe@new.example", "@"}})
	wantRefused(t, err, fault.InvalidEmail, "LOCAL_PART_EMPTY")
	if payload.Results != nil {
		t.Error("somebody was invited to the space")
	}
}

// Each case is wrong in everything that comes after its error, too. The order is the
// same whether all addresses are valid or not.
func TestInviteFailsWithTheFirstStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "before@new.example")
	_, err := w.tryInviteWith("ada", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer,
		Emails: []string{"before@new.example"}, IdempotencyKey: new("used")})
	w.must(err)
	w.Exec(`insert into idempotency_key (account_id, key, request_hash, response) values ($1, 'used', '\x00', '[]')`, w.User("ed").ID.UUID)
	w.Invitations.Limits.ByPerson = 1
	unknown := globalid.New(globalid.Instance)
	for name, c := range map[string]struct {
		who    string
		id     globalid.ID
		key    *string
		code   fault.Code
		reason string
	}{
		"unknown instance":           {"ada", unknown, new("used"), fault.NotFound, ""},
		"invisible instance":         {"sam", w.Instance("Group 2"), nil, fault.NotFound, ""},
		"the id of a space":          {"ada", w.Space(testworld.Econometrics), nil, fault.NotFound, ""},
		"no id":                      {"ada", globalid.ID{}, nil, fault.NotFound, ""},
		"editor, deleted, used key":  {"ed", w.Instance("Group 2"), new("used"), fault.Forbidden, ""},
		"deleted, used key":          {"ada", w.Instance("Group 2"), new("used"), fault.IdempotencyKeyReused, ""},
		"Distributed, over limits":   {"ada", w.Instance("Distributed"), nil, fault.InstanceDistributed, ""},
		"deleted, over limits":       {"ada", w.Instance("Group 2"), nil, fault.InstanceDeleted, ""},
		"gone for good, over limits": {"ada", w.Instance("Group 3"), nil, fault.InstanceDeleted, ""},
		"over limits":                {"ada", w.Instance("Group 1"), nil, fault.RateLimited, fault.InvitationsByPerson},
	} {
		for _, emails := range [][]string{{"zoe@new.example"}, {"zoe@new.example", "not an address"}} {
			t.Run(fmt.Sprintf("%s, %d addresses", name, len(emails)), func(t *testing.T) {
				in := invitation.InviteUsersInput{InstanceID: c.id, Role: tenant.Viewer, Emails: emails, IdempotencyKey: c.key}
				_, err := w.tryInviteWith(c.who, in)
				wantRefused(t, err, c.code, c.reason)
				// Once more, with what is read before: the place, and all else.
				id := c.id.As(globalid.Instance)
				ctx, found, err := w.Invitations.FindPlace(t.Context(), w.User(c.who), id, in)
				w.must(err)
				_, err = w.Invitations.Invite(access.WithPlaces(ctx, found), w.User(c.who), in)
				wantRefused(t, err, c.code, c.reason)
			})
		}
	}
	if n := w.Number(`select count(*) from invitation`); n != 1 {
		t.Errorf("%d invitations", n)
	}
}

// A request with addresses that are not valid takes one statement, which knows the
// organization that a mail counts for.
func TestLimitsOfRequestsThatAreNotValidAreThoseOfTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{"zoe@new.example", "x"}}
	w.Invitations.Limits.ByAddress = 1
	refuse := func() error {
		ctx, found, err := w.Invitations.FindPlace(t.Context(), w.User("ada"), in.InstanceID, in)
		w.must(err)
		_, err = w.Invitations.Invite(access.WithPlaces(ctx, found), w.User("ada"), in)
		return err
	}
	wantRefused(t, refuse(), fault.InvalidEmail, "AT_SIGN_MISSING")
	w.invite("Master", tenant.Viewer, "zoe@new.example")
	wantRefused(t, refuse(), fault.RateLimited, fault.InvitationsByAddress)
	second := w.NewOrganization("Second University")
	w.Exec(`update space set organization_id = $1 where name = $2`, second.UUID, testworld.Econometrics)
	wantRefused(t, refuse(), fault.InvalidEmail, "AT_SIGN_MISSING") // another organization counts by itself
	w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	w.Revoke(w.User("ada"), w.Space(testworld.Econometrics))
	wantRefused(t, refuse(), fault.NotFound, "")
}

func TestInviteAdministratorsIsForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for who, code := range map[string]fault.Code{"sam": fault.NotFound, "rita": fault.NotFound, "vic": fault.Forbidden, "ed": fault.Forbidden} {
		for _, email := range []string{"zoe@new.example", "not an address"} {
			_, err := w.Invitations.InviteAdministrators(t.Context(), w.User(who), invitation.InviteSpaceAdministratorsInput{
				SpaceID: w.Space(testworld.Econometrics), Emails: []string{email}})
			wantRefused(t, err, code, "")
		}
	}
}

func TestInviteAnswersTheSameKeyWithTheFirstOutcomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "pending@new.example", "changing@new.example")
	in := invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, IdempotencyKey: new("key"),
		Emails: []string{"zoe@new.example", "pending@new.example", "vic@uni.example", "zoe@new.example"}}
	first, err := w.tryInviteWith("ada", in)
	w.must(err)
	written := func() string {
		return w.Text(`select concat_ws(' ', (select count(*) from invitation), (select count(*) from outbox), (select count(*) from audit_log))`)
	}
	before := written()
	w.revoke(first[0].InvitationID)
	w.DeleteInstance(w.Instance("Group 1"), w.User("ada")) // the state comes after the key
	again, err := w.tryInviteWith("ada", in)
	w.must(err)
	wantEqual(t, "outcomes", outcomes(first), outcomes(again))
	for i, r := range again {
		if r.InvitationID != first[i].InvitationID || r.Index != i || r.Email != first[i].Email {
			t.Errorf("%+v instead of %+v", r, first[i])
		}
		wantEqual(t, "role", first[i].Role, r.Role)
	}
	if again[0].Invitation.Status != invitation.Revoked {
		t.Errorf("the status is not read again: %s", again[0].Invitation.Status)
	}
	if after := w.Text(`select concat_ws(' ', (select count(*) from invitation), (select count(*) from outbox), (select count(*) - 1 from audit_log))`); after != before {
		t.Errorf("%s, and after the copy %s", before, after)
	}
	other := in
	other.Emails = []string{"zoe@new.example"}
	_, err = w.tryInviteWith("ada", other)
	wantRefused(t, err, fault.IdempotencyKeyReused, "")
	other.Emails = []string{"zoe@"}
	_, err = w.tryInviteWith("ada", other)
	wantRefused(t, err, fault.IdempotencyKeyReused, "")
	// The role comes before the key.
	w.Grant(w.User("rita"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	w.Revoke(w.User("ada"), w.Space(testworld.Econometrics))
	_, err = w.tryInviteWith("ada", in)
	wantRefused(t, err, fault.NotFound, "")
}

func TestParallelCopiesInviteOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, in := w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer,
		Emails: []string{"zoe@new.example"}, IdempotencyKey: new("key")}
	var copies sync.WaitGroup
	for range 20 {
		copies.Go(func() {
			payload, err := w.Invitations.Invite(t.Context(), ada, in)
			if err != nil || payload.Results[0].Outcome != invitation.Invited {
				t.Errorf("%+v, %v", payload.Results, err)
			}
		})
	}
	copies.Wait()
	if got := w.Text(`select concat_ws(' ', (select count(*) from invitation), (select count(*) from outbox), (select count(*) from audit_log))`); got != "1 1 1" {
		t.Errorf("invitations, mails and records: %s", got)
	}
}

// Requests without a key that cross, with the same addresses in other orders, make
// one invitation each.
func TestCrossingRequestsInviteEachAddressOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, group1 := w.User("ada"), w.Instance("Group 1")
	const people, requests = 20, 12
	var mu sync.Mutex
	total := map[invitation.InviteOutcome]int{}
	var crossing sync.WaitGroup
	for n := range requests {
		crossing.Go(func() {
			emails := make([]string, people)
			for i := range emails {
				emails[i] = fmt.Sprintf("p%d@new.example", i)
			}
			if n%2 == 0 {
				slices.Reverse(emails)
			}
			payload, err := w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: emails})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range payload.Results {
				total[r.Outcome]++
			}
		})
	}
	crossing.Wait()
	wantEqual(t, "outcomes", map[invitation.InviteOutcome]int{invitation.Invited: people, invitation.AlreadyInvited: people * (requests - 1)}, total)
	if n := w.Number(`select count(*) from invitation`); n != people {
		t.Errorf("%d invitations", n)
	}
}

// Without one order for all, the first request would hold c and wait for a, and the
// second one hold a and wait for c. Another transaction, which holds b, makes them
// meet.
func TestRequestsWithTheSameAddressesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, group1 := w.User("ada"), w.Instance("Group 1")
	rollBack := errors.New("roll back")
	var inviting sync.WaitGroup
	invite := func(emails ...string) {
		inviting.Go(func() {
			payload, err := w.Invitations.Invite(t.Context(), ada, invitation.InviteUsersInput{InstanceID: group1, Role: tenant.Viewer, Emails: emails})
			if err != nil || len(payload.Results) != len(emails) {
				t.Errorf("%v: %v", emails, err)
			}
		})
	}
	err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `
			insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
			values ($1, $2, 'b@new.example', 'b@new.example', 'VIEWER', sha256('b'), $3, clock_timestamp() + interval '1 day')`,
			globalid.New(globalid.Invitation).UUID, group1.UUID, ada.ID.UUID); err != nil {
			return err
		}
		invite("c@new.example", "b@new.example", "a@new.example")
		w.awaitBlocked(1)
		invite("a@new.example", "c@new.example")
		w.awaitBlocked(2)
		return rollBack
	})
	inviting.Wait()
	if !errors.Is(err, rollBack) {
		t.Error(err)
	}
	wantEqual(t, "invited", []string{"a@new.example", "b@new.example", "c@new.example"}, w.Lines(`select email from invitation order by email`))
}

// awaitBlocked returns when n statements wait for a lock.
func (w *world) awaitBlocked(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), reportTime)
	defer cancel()
	for w.Number(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) < n {
		if err := ctx.Err(); err != nil {
			w.t.Fatalf("no %d statements wait for a lock: %v", n, err)
		}
	}
}

func TestInviteOnBehalfNamesTheRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.User("ada")
	instance, err := tenant.FindInstance(t.Context(), w.DB, ada, w.Instance("Group 1"))
	w.must(err)
	requested := invitation.RequestedInvitations{Requester: w.User("vic"), Instance: instance, Role: tenant.Viewer,
		Emails: []string{"zoe@new.example", "ed@uni.example"}, Message: new("Zoe joins us")}
	invite := func(r invitation.RequestedInvitations) (results []*invitation.InviteResult, err error) {
		err = w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
			results, err = w.Invitations.InviteOnBehalf(t.Context(), tx, ada, r)
			return err
		})
		return results, err
	}
	results, err := invite(requested)
	w.must(err)
	wantEqual(t, "outcomes", []invitation.InviteOutcome{invitation.Invited, invitation.AlreadyMember}, outcomes(results))
	v := results[0].Invitation
	wantEqual(t, "requester", &fault.Contact{Name: "Vic", Email: "vic@uni.example"}, v.RequestedBy)
	wantEqual(t, "inviter", &fault.Contact{Name: "Ada", Email: "ada@uni.example"}, v.InvitedBy)
	wantEqual(t, "the listed invitation", summary(w.invitationNow("Group 1", v.ID)), summary(v))

	replayed := []*invitation.InviteResult{{Outcome: results[0].Outcome, InvitationID: v.ID}, {Outcome: results[1].Outcome}}
	w.must(w.Invitations.ReplayOnBehalf(t.Context(), w.DB, requested, replayed))
	if replayed[0].Invitation.ID != v.ID || replayed[0].Email != "zoe@new.example" || replayed[1].Index != 1 || replayed[1].Invitation != nil {
		t.Errorf("%+v, %+v", replayed[0], replayed[1])
	}

	// Renewed by an administrator alone, nobody has requested it any more.
	w.Advance(month)
	renewed := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].Invitation
	if renewed.RequestedBy != nil {
		t.Errorf("requested by %v", renewed.RequestedBy)
	}
	wantEqual(t, "the listed renewed invitation", summary(w.invitationNow("Group 1", v.ID)), summary(renewed))

	requested.Emails = []string{"zoe@new.example", "zoe@"}
	_, err = invite(requested)
	f := wantRefused(t, err, fault.InvalidEmail, "DOMAIN_EMPTY")
	if !strings.HasSuffix(f.Message, " Nobody was invited.") {
		t.Error(f.Message)
	}
	deleted, err := tenant.FindInstance(t.Context(), w.DB, ada, w.Instance("Group 2"))
	w.must(err)
	requested.Instance = deleted
	_, err = invite(requested)
	wantRefused(t, err, fault.InstanceDeleted, "")
}

func TestInviteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, in := w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{"zoe@new.example"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Invitations.Invite(ctx, ada, in); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := w.Invitations.InviteOnBehalf(ctx, nil, ada, invitation.RequestedInvitations{
		Instance: &tenant.Instance{Kind: tenant.Working}, Emails: in.Emails}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.Invitations.ReplayOnBehalf(ctx, nil, invitation.RequestedInvitations{Emails: in.Emails}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestInputsAreValidated(t *testing.T) {
	t.Parallel()
	limits := invitation.Limits{Emails: 2, Message: 5}
	id := globalid.New(globalid.Invitation)
	ok, tooMany := []string{"a"}, []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		faults fault.List
		paths  []string
	}{
		"valid":                   {invitation.InviteUsersInput{Emails: ok, Message: new("hello"), IdempotencyKey: new("k")}.Validate(limits), nil},
		"no address":              {invitation.InviteUsersInput{}.Validate(limits), []string{"[input emails]"}},
		"everything":              {invitation.InviteUsersInput{Emails: tooMany, Message: new("hello!"), IdempotencyKey: new("")}.Validate(limits), []string{"[input emails]", "[input message]", "[input idempotencyKey]"}},
		"administrators":          {invitation.InviteSpaceAdministratorsInput{Emails: tooMany, Message: new("\x00")}.Validate(limits), []string{"[input emails]", "[input message]"}},
		"valid administrators":    {invitation.InviteSpaceAdministratorsInput{Emails: ok}.Validate(limits), nil},
		"valid selection":         {invitation.SelectionInput{InvitationIDs: []globalid.ID{id, id}}.Validate(limits), nil},
		"empty selection":         {invitation.SelectionInput{IdempotencyKey: new("")}.Validate(limits), []string{"[input invitationIds]", "[input idempotencyKey]"}},
		"too large a selection":   {invitation.SelectionInput{InvitationIDs: repeated(id, 3)}.Validate(limits), []string{"[input invitationIds]"}},
		"answer by token":         {invitation.AnswerInput{Token: new("t")}.Validate(), nil},
		"answer by id":            {invitation.AnswerInput{InvitationID: &id}.Validate(), nil},
		"answer by both":          {invitation.AnswerInput{Token: new("t"), InvitationID: &id}.Validate(), []string{"[input]"}},
		"answer by neither":       {invitation.AnswerInput{IdempotencyKey: new("")}.Validate(), []string{"[input]", "[input idempotencyKey]"}},
		"addresses of a request":  {limits.ValidateEmails(tooMany, "emails"), []string{"[emails]"}},
		"as many as there can be": {limits.ValidateEmails(tooMany[:2], "emails"), nil},
	} {
		var paths []string
		for _, f := range c.faults {
			if f.Code != fault.BadUserInput {
				t.Errorf("%s: %s", name, f.Code)
			}
			paths = append(paths, fmt.Sprint(f.InputPath))
		}
		wantEqual(t, name, c.paths, paths)
	}
}
