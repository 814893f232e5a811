package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// subject returns the person of a subject and an address, whose token was issued some
// time ago.
func (w *world) subject(subject, email string, ago time.Duration) person {
	w.t.Helper()
	issued := time.Now().Add(-ago)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": apptest.Issuer.Name, "aud": apptest.Issuer.Audience, "sub": subject, "email": email, "email_verified": true,
		"iat": issued.Unix(), "exp": issued.Add(24 * time.Hour).Unix(),
	}).SignedString(readKey(w.t, w))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.with(signed)
}

// members returns the people with a role in Group 1, as text.
func (p person) members() (list []string) {
	p.world.t.Helper()
	a := p.Ask(`query($id: ID!) { instance(id: $id) { members(first: 100) { nodes { role user { email formerHolder } } } } }`,
		map[string]any{"id": p.world.instance("Group 1")}).OK()
	for _, m := range a.At("instance", "members", "nodes").([]any) {
		user := m.(map[string]any)["user"].(map[string]any)
		list = append(list, fmt.Sprint(user["email"], " ", m.(map[string]any)["role"], " former holder: ", user["formerHolder"]))
	}
	return list
}

// An address that another person has now: its holder is invited, and the former
// holder keeps the role and no claim to the address.
func TestReusedAddressBringsThePresentHolderIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	outcome := func() any {
		t.Helper()
		return ada.invite("Group 1", "VIEWER", []string{"chair@uni.example"}).OK().At("inviteUsers", "results", 0, "outcome")
	}
	outcome()
	former := w.subject("chair-1", "chair@uni.example", time.Hour)
	former.accept("token", w.AwaitToken("chair@uni.example")).OK()
	if got := outcome(); got != "ALREADY_MEMBER" {
		t.Errorf("the member is %v", got)
	}
	holder := w.subject("chair-2", "chair@uni.example", time.Minute)
	if got := holder.Ask(`{ viewer { formerHolder spaces { nodes { id } } } }`, nil).OK(); got.At("viewer", "formerHolder") != false || len(got.At("viewer", "spaces", "nodes").([]any)) > 0 {
		t.Errorf("%s", got.Body)
	}
	if got := outcome(); got != "INVITED" {
		t.Errorf("the present holder is %v", got)
	}
	token := w.AwaitMails(2)[0].Link
	token = token[strings.Index(token, "#")+1:]
	// The gateway still remembers the former holder as the holder.
	if got := former.Ask(`{ viewer { invitations { totalCount } } }`, nil).OK(); got.At("viewer", "invitations", "totalCount") != 0.0 {
		t.Errorf("the former holder sees an invitation of the present one: %s", got.Body)
	}
	if e := former.accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "OTHER_ADDRESS" || !strings.Contains(e.Message, "belongs to another account") {
		t.Errorf("%+v", e)
	}
	holder.accept("token", token).OK()
	want := []string{"chair@uni.example VIEWER former holder: true", "chair@uni.example VIEWER former holder: false"}
	if got := ada.members(); !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) || len(got) != 4 {
		t.Errorf("%q", got)
	}
	// A sign-in proves the address again.
	again := w.subject("chair-1", "chair@uni.example", 0)
	if got := again.Ask(`{ viewer { formerHolder } }`, nil).OK(); got.At("viewer", "formerHolder") != false {
		t.Errorf("%s", got.Body)
	}
}

func TestFormerHolderIsToldHowToGetTheAddressBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"chair@uni.example"}).OK()
	token := w.AwaitToken("chair@uni.example")
	w.subject("chair-2", "chair@uni.example", time.Minute).Ask(`{ viewer { id } }`, nil).OK()
	former := w.subject("chair-1", "chair@uni.example", time.Hour)
	a := former.Ask(`query($token: String!) { invitation(token: $token) { accepting { allowed obstacles { reason remedy } } } }`, map[string]any{"token": token}).OK()
	if a.At("invitation", "accepting", "allowed") != false || !strings.Contains(a.Body, "sign in again") {
		t.Errorf("%s", a.Body)
	}
	former.accept("token", token).Refused("INVITATION_NOT_USABLE")
}

// Mails about requests do not go to an address that somebody else has now.
func TestFormerHolderGetsNoMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as("ed").Ask(`{ viewer { id } }`, nil).OK()
	w.subject("ed-2", "ed@uni.example", 0).Ask(`{ viewer { id } }`, nil).OK()
	w.as("ada").delete("Group 1").OK()
	vic := w.as("vic")
	vic.Ask(`mutation($input: RequestRestoreInput!) { requestRestore(input: $input) { request { id } } }`, map[string]any{"input": vic.input("Group 1")}).OK()
	w.AwaitOutbox()
	for _, m := range w.Mailbox() {
		if m.To != "ada@uni.example" {
			t.Errorf("a mail to %s", m.To)
		}
	}
	if a := vic.restore("Group 1"); strings.Contains(string(a.Body), "ed@uni.example") || !strings.Contains(string(a.Body), "ada@uni.example") {
		t.Errorf("the people to ask: %s", a.Body)
	}
}

func TestAddressesFoldLetterByLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	a := ada.invite("Group 1", "VIEWER", []string{"strasse@uni.example", "straße@uni.example", "STRAẞE@uni.example", "Case.Person@Else.Example"}).OK()
	if got := a.Every("outcome", "inviteUsers", "results"); !slices.Equal(got, []string{"INVITED", "INVITED", "DUPLICATE", "INVITED"}) {
		t.Errorf("%v", got)
	}
	w.AwaitMails(3)
	token := w.AwaitToken("strasse@uni.example")
	if e := w.subject("s1", "straße@uni.example", 0).accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "OTHER_ADDRESS" {
		t.Errorf("%+v", e)
	}
	w.subject("s2", "STRASSE@uni.example", 0).accept("token", token).OK()
	w.subject("s3", "CASE.person@ELSE.example", 0).accept("token", w.AwaitToken("Case.Person@else.example")).OK()
}

// Two subjects sign in with one address while it is invited. Afterwards one of them is
// its holder, who alone can accept.
func TestTwoSubjectsOfAnAddressRaceWithAnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for n := range racetest.Trials {
		email := fmt.Sprintf("chair%d@uni.example", n)
		people := []person{w.subject(email+"/1", email, 0), w.subject(email+"/2", email, 0)}
		var invitation answer
		racetest.Together(
			func() { people[0].Ask(`{ viewer { id } }`, nil).OK() },
			func() { people[1].Ask(`{ viewer { id } }`, nil).OK() },
			func() { invitation = ada.invite("Group 1", "VIEWER", []string{email}) })
		if got := invitation.OK().At("inviteUsers", "results", 0, "outcome"); got != "INVITED" {
			t.Fatalf("trial %d: %v", n, got)
		}
		accepted := 0
		for _, p := range people {
			a := p.Ask(`mutation($id: ID!) { acceptInvitation(input: {invitationId: $id}) { invitation { status } } }`,
				map[string]any{"id": invitation.At("inviteUsers", "results", 0, "invitation", "id")})
			if len(a.Errors) == 0 {
				accepted++
			}
		}
		if holders := w.Number(`select count(*) from address_holder where email_key = $1`, email); accepted != 1 || holders != 1 {
			t.Fatalf("trial %d: %d accepted, %d holders", n, accepted, holders)
		}
	}
}

// An address stands for its present holder: nobody is asked to write to a former holder
// at it, in mails, refusals, readiness, lists, or what an operator does.
func TestNobodyIsAskedToWriteToAFormerHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const address = "ada@uni.example"
	ada, vic, zoe := w.as("ada"), w.as("vic"), w.as("zoe@new.example")
	ada.Ask(`{ viewer { id } }`, nil).OK()
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example", "revoked@new.example"}).OK()
	w.AwaitMails(2)
	revoked := w.AwaitToken("revoked@new.example")
	ada.revoke([]string{w.invitationOf("revoked@new.example")}).OK()
	declined := vic.requestRole("Group 1", "INSTANCE_EDITOR").RequestID()
	w.AwaitOutbox()

	w.subject("ada-2", address, 0).Ask(`{ viewer { id } }`, nil).OK()
	before := len(w.Mailbox())

	// Mails: of the inviter, the person who answers, and the person who requests.
	ada.resend([]string{w.invitationOf("zoe@new.example")}).OK()
	ada.declineRequest(declined, "message", "Not now.").OK()
	w.AwaitOutbox()
	invitation := w.AwaitMail("zoe@new.example", "DataHub Ada has sent you an invitation", "Ada invites you to DataHub.")
	notice := w.AwaitMail("vic@uni.example", "DataHub Ada has declined your request", "Ada has declined your request for a role.")
	for _, m := range []mailbox.Mail{invitation, notice} {
		if strings.Contains(m.Text+m.HTML, address) || strings.Contains(m.Text, "reply to this mail") {
			t.Errorf("%+v", m)
		}
	}
	for _, m := range w.Mailbox()[:len(w.Mailbox())-before] {
		if m.To == address {
			t.Errorf("a mail to the present holder: %+v", m)
		}
	}

	// Answers.
	token := w.AwaitToken("zoe@new.example")
	listed := vic.Ask(`query($id: ID!) { instance(id: $id) { deletedBy { email } space { administrators { name email } }
		inviting { obstacles { message remedy contacts { name email } } } restoring { obstacles { message remedy contacts { name email } } } } }`,
		map[string]any{"id": w.instance("Group 1")}).OK()
	reviewed := zoe.Ask(`query($token: String!) { invitation(token: $token) { invitedBy { name email } requestedBy { email } accepting { obstacles { message remedy contacts { email } } } } }`,
		map[string]any{"token": token}).OK()
	if reviewed.At("invitation", "invitedBy", "name") != "Ada" || reviewed.At("invitation", "invitedBy", "email") != "" {
		t.Errorf("%s", reviewed.Body)
	}
	answers := map[string]string{"readiness": string(listed.Body), "review": string(reviewed.Body)}
	for what, a := range map[string]answer{
		"revoked":       w.as("revoked@new.example").accept("token", revoked),
		"not permitted": vic.delete("Group 1"),
		"its invitation": ada.Ask(`query($id: ID!) { instance(id: $id) { invitations(first: 10) { nodes { invitedBy { name email } } } } }`,
			map[string]any{"id": w.instance("Group 1")}),
		"the answer": vic.Ask(`{ viewer { requests(first: 5) { nodes { requestedBy { email } answeredBy { name email } } } } }`, nil),
		"answered":   ada.declineRequest(declined, "message", "Not now, again."),
		"deleted":    ada.delete("Group 1"),
		"restore":    vic.restore("Group 1"),
	} {
		answers[what] = string(a.Body)
	}
	for what, body := range answers {
		if strings.Contains(body, address) {
			t.Errorf("%s: %s", what, body)
		}
	}
	for what, word := range map[string]string{"revoked": "Ada or an administrator of the space", "its invitation": `"name":"Ada"`, "the answer": `"name":"Ada"`} {
		if !strings.Contains(answers[what], word) {
			t.Errorf("%s: %s", what, answers[what])
		}
	}
}

// A running gateway knows the person of a merged account as the kept one, and an open
// page goes on.
func TestRunningGatewayNoticesAMerger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.invite("Group 1", "VIEWER", []string{"chair@uni.example"}).OK()
	old := w.subject("chair-1", "chair@uni.example", time.Hour)
	old.accept("token", w.AwaitToken("chair@uni.example")).OK()
	id := func(p person) string { return p.Ask(`{ viewer { id } }`, nil).OK().At("viewer", "id").(string) }
	kept := w.subject("chair-2", "chair@uni.example", time.Minute)
	from, into := id(old), id(kept)
	if from == into {
		t.Fatal("they are one account already")
	}
	if _, err := account.Merge(t.Context(), w.Open(w.DSN), globalid.Parse(from).As(globalid.User), globalid.Parse(into).As(globalid.User), false); err != nil {
		t.Fatal(err)
	}
	w.Await("the merged account's token to be the kept account's", func() bool { return id(old) == into })
	for _, p := range []person{old, kept} {
		if got := p.Ask(`query($id: ID!) { instance(id: $id) { viewerRoles } viewer { formerHolder } }`, map[string]any{"id": w.instance("Group 1")}).OK(); !strings.Contains(string(got.Body), "INSTANCE_VIEWER") || got.At("viewer", "formerHolder") != false {
			t.Errorf("%s", got.Body)
		}
	}
	if got := ada.members(); len(got) != 3 {
		t.Errorf("%q", got)
	}
}
