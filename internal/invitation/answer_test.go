package invitation_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestAcceptGrantsTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("editor@new.example"), tenant.InstanceEditor, w.Instance("Master")) // not of Group 1
	for name, c := range map[string]struct {
		invite  func(email string) globalid.ID
		before  tenant.Role // in Group 1, where held
		held    bool
		byToken bool
		place   globalid.ID
		role    string
	}{
		"viewer":               {func(e string) globalid.ID { return w.invite("Group 1", tenant.Viewer, e)[0].InvitationID }, 0, false, true, w.Instance("Group 1"), "INSTANCE_VIEWER"},
		"editor":               {func(e string) globalid.ID { return w.invite("Group 1", tenant.Editor, e)[0].InvitationID }, 0, false, false, w.Instance("Group 1"), "INSTANCE_EDITOR"},
		"viewer-to-editor":     {func(e string) globalid.ID { return w.invite("Group 1", tenant.Editor, e)[0].InvitationID }, tenant.InstanceViewer, true, true, w.Instance("Group 1"), "INSTANCE_EDITOR"},
		"editor-stays-editor":  {func(e string) globalid.ID { return w.invite("Group 1", tenant.Viewer, e)[0].InvitationID }, tenant.InstanceEditor, true, true, w.Instance("Group 1"), "INSTANCE_EDITOR"},
		"administrator":        {func(e string) globalid.ID { return w.inviteAdministrators(e)[0].InvitationID }, 0, false, true, w.Space(testworld.Econometrics), "SPACE_ADMINISTRATOR"},
		"administrator-by-id":  {func(e string) globalid.ID { return w.inviteAdministrators(e)[0].InvitationID }, 0, false, false, w.Space(testworld.Econometrics), "SPACE_ADMINISTRATOR"},
		"member-administrates": {func(e string) globalid.ID { return w.inviteAdministrators(e)[0].InvitationID }, tenant.InstanceViewer, true, false, w.Space(testworld.Econometrics), "SPACE_ADMINISTRATOR"},
	} {
		email := name + "@new.example"
		id := c.invite(email)
		person := w.User(email)
		if c.held { // since they were invited
			w.Grant(person, c.before, w.Instance("Group 1"))
		}
		in := invitation.AnswerInput{InvitationID: &id}
		if c.byToken {
			in = invitation.AnswerInput{Token: new(w.secret(id))}
		}
		payload, err := w.Invitations.Accept(t.Context(), person, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if role := w.RoleOf(person, c.place); role != c.role {
			t.Errorf("%s has the role %q", name, role)
		}
		if v := payload.Invitation; v.ID != id || v.Status != invitation.Accepted {
			t.Errorf("%s: %+v", name, v)
		}
		if instance := c.place.Kind == globalid.Instance; (payload.Instance != nil) != instance || payload.Space == nil {
			t.Errorf("%s leads to %v, %v", name, payload.Instance, payload.Space)
		}
		place, err := payload.Invitation.Place(t.Context(), w.DB, person)
		if err != nil || place == nil || !place.Visible() {
			t.Errorf("%s does not see the place: %v, %v", name, place, err)
		}
	}
	wantEqual(t, "records", []string{"", "", "", "EDITOR Group 1", "EDITOR Group 1", "VIEWER Group 1", "VIEWER Group 1"},
		w.Lines(`select concat_ws(' ', details->>'role', instance_name) as text from audit_log where action = 'INVITATION_ACCEPTED' order by text`))
}

// Everybody who has accepted an invitation in an organization is a member of it, as a
// guest, and keeps a higher role.
func TestAcceptMakesAMemberOfTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.Organization("University of Example")
	w.Grant(w.User("max@new.example"), tenant.OrganizationFaculty, university)
	w.Grant(w.User("eva@new.example"), tenant.OrganizationMember, university)
	w.invite("Group 1", tenant.Viewer, "zoe@new.example", "max@new.example", "eva@new.example", "declines@new.example")
	w.inviteAdministrators("noah@new.example")
	for _, who := range []string{"zoe", "max", "eva", "noah"} {
		_, err := w.accept(who+"@new.example", w.Invitation(who+"@new.example"))
		w.must(err)
	}
	_, err := w.Invitations.Decline(t.Context(), w.User("declines@new.example"), invitation.AnswerInput{InvitationID: new(w.Invitation("declines@new.example"))})
	w.must(err)
	wantEqual(t, "members", []string{"eva MEMBER", "max FACULTY", "noah MEMBER guest", "zoe MEMBER guest"}, w.Lines(`
		select concat_ws(' ', split_part(a.email, '@', 1), m.role, case when m.guest then 'guest' end)
		from organization_member m join account a on a.id = m.account_id
		where m.organization_id = $1 and a.email like '%@new.example' order by 1`, university.UUID))
}

func TestDeclineEndsTheInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	zoe := w.User("zoe@new.example")
	payload, err := w.Invitations.Decline(t.Context(), zoe, invitation.AnswerInput{Token: new(w.secret(id))})
	w.must(err)
	if payload.Invitation.Status != invitation.Declined || w.RoleOf(zoe, w.Instance("Group 1")) != "" {
		t.Errorf("%+v", payload.Invitation)
	}
	if place, err := payload.Invitation.Place(t.Context(), w.DB, zoe); place != nil || err != nil {
		t.Errorf("Zoe sees %v, %v", place, err)
	}
	_, err = w.accept("zoe@new.example", id)
	wantRefused(t, err, fault.InvitationNotUsable, "DECLINED")
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Zoe INVITATION_DECLINED Group 1"}, w.Trail())
}

// Each case invites Zoe, and then does something after which they cannot answer.
func TestUnusableInvitationsAreExplained(t *testing.T) {
	t.Parallel()
	const zoe = "zoe@new.example"
	for name, c := range map[string]struct {
		then    func(*world, globalid.ID)
		who     string
		reason  string
		message string
		remedy  string
	}{
		"accepted": {func(w *world, id globalid.ID) { _, err := w.accept(zoe, id); w.must(err) }, zoe, "ACCEPTED",
			"The invitation is accepted already.", "Look among your spaces. If it is not there any more, Ada (ada@uni.example) can invite you again."},
		"declined": {func(w *world, id globalid.ID) {
			_, err := w.Invitations.Decline(w.t.Context(), w.User(zoe), invitation.AnswerInput{InvitationID: &id})
			w.must(err)
		}, zoe, "DECLINED", "The invitation was declined.", "Ask Ada (ada@uni.example) to invite you again."},
		"revoked": {func(w *world, id globalid.ID) { w.revoke(id) }, zoe, "REVOKED",
			"The invitation was revoked.", "Ask Ada (ada@uni.example) to invite you again."},
		"expired": {func(w *world, _ globalid.ID) { w.Advance(month) }, zoe, "EXPIRED",
			"The invitation has expired.", "Ask Ada (ada@uni.example) to resend it."},
		"instance deleted": {func(w *world, _ globalid.ID) { w.DeleteInstance(w.Instance("Group 1"), w.User("ada")) }, zoe, "INSTANCE_DELETED",
			"The instance of the invitation was deleted.", "Ask Ada (ada@uni.example) to restore it. The invitation is valid again then."},
		"instance deleted for good": {func(w *world, _ globalid.ID) {
			w.DeleteInstance(w.Instance("Group 1"), w.User("ada"))
			w.Advance(24 * time.Hour)
		}, zoe, "INSTANCE_DELETED",
			"The instance of the invitation was deleted and cannot be restored any more.", "Ask Ada (ada@uni.example) to invite you to another one."},
		"other account": {func(*world, globalid.ID) {}, "sam", "OTHER_ADDRESS",
			"The invitation was not sent to sam@uni.example, the address of your account.", "Sign in with the account of the address that received the mail, or sign up with this address."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.invite("Group 1", tenant.Viewer, zoe)[0].InvitationID
			token := w.secret(id)
			c.then(w, id)
			person := w.User(c.who)
			trail := len(w.Trail())
			for what, answer := range map[string]func(invitation.AnswerInput) error{
				"accepting": func(in invitation.AnswerInput) error {
					_, err := w.Invitations.Accept(t.Context(), person, in)
					return err
				},
				"declining": func(in invitation.AnswerInput) error {
					_, err := w.Invitations.Decline(t.Context(), person, in)
					return err
				},
			} {
				err := answer(invitation.AnswerInput{Token: &token})
				f := wantRefused(t, err, fault.InvitationNotUsable, c.reason)
				if f.Message != c.message || f.Remedy != c.remedy {
					t.Errorf("%s: %q %q", what, f.Message, f.Remedy)
				}
				var contacts []fault.Contact
				if c.who == zoe {
					contacts = []fault.Contact{{Name: "Ada", Email: "ada@uni.example"}}
					wantRefused(t, answer(invitation.AnswerInput{InvitationID: &id}), fault.InvitationNotUsable, c.reason)
				} else {
					// An id does not tell a stranger that there is an invitation.
					wantRefused(t, answer(invitation.AnswerInput{InvitationID: &id}), fault.NotFound, "")
				}
				wantEqual(t, "contacts", contacts, f.Contacts)
			}
			if n := len(w.Trail()); n != trail {
				t.Errorf("%d new records", n-trail)
			}

			// Only the invited account learns why the link does not work any more.
			usable := c.who != zoe // by the invited account
			for _, who := range []string{"", "sam", zoe} {
				var actor *access.Actor
				if who != "" {
					actor = new(w.User(who))
				}
				v, err := w.Invitations.ByToken(t.Context(), actor, token)
				w.must(err)
				if want := usable || who == zoe; (v != nil) != want {
					t.Errorf("%q sees the invitation: %t", who, v != nil)
				}
				if v == nil {
					continue
				}
				code, reason := fault.InvitationNotUsable, c.reason
				f, err := v.Obstacle(t.Context(), w.DB, actor)
				w.must(err)
				switch {
				case who == zoe && usable:
					if f != nil {
						t.Errorf("Zoe: %+v", f)
					}
					continue
				case who == "":
					code, reason = fault.Unauthenticated, ""
					fallthrough
				default:
					wantRefused(t, f, code, reason)
				}
			}
		})
	}
}

func TestUnusableReasonsAreAllThereAre(t *testing.T) {
	t.Parallel()
	wantEqual(t, "reasons", []string{"EXPIRED", "REVOKED", "DECLINED", "ACCEPTED", "INSTANCE_DELETED", "SPACE_DELETED", "OTHER_ADDRESS", "INVITER_LEFT"}, invitation.UnusableReasons)
}

func TestAnswerByIDFindsOwnInvitationsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for _, id := range []globalid.ID{id, globalid.New(globalid.Invitation), w.Instance("Group 1"), {}} {
		_, err := w.accept("sam", id)
		wantRefused(t, err, fault.NotFound, "")
	}
}

func TestAcceptAnswersTheSameKeyWithTheSameInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	zoe, token := w.User("zoe@new.example"), w.secret(id)
	in := invitation.AnswerInput{Token: &token, IdempotencyKey: new("key")}
	for range 2 {
		payload, err := w.Invitations.Accept(t.Context(), zoe, in)
		w.must(err)
		if payload.Invitation.ID != id || payload.Instance == nil {
			t.Errorf("%+v", payload)
		}
	}
	// The place is read again: Zoe may not see it any more.
	w.Revoke(zoe, w.Instance("Group 1"))
	payload, err := w.Invitations.Accept(t.Context(), zoe, in)
	w.must(err)
	if payload.Invitation.Status != invitation.Accepted || payload.Instance != nil || payload.Space != nil {
		t.Errorf("%+v", payload)
	}
	_, err = w.Invitations.Decline(t.Context(), zoe, in)
	wantRefused(t, err, fault.IdempotencyKeyReused, "")
	wantEqual(t, "trail", []string{"Ada INVITATION_SENT Group 1", "Zoe INVITATION_ACCEPTED Group 1"}, w.Trail())
	// Nor is there an answer when the invitation was deleted with its instance.
	w.Exec(`delete from instance where name = 'Group 1'`)
	_, err = w.Invitations.Accept(t.Context(), zoe, in)
	wantRefused(t, err, fault.NotFound, "")
}

// An answer is replayed to the account, whatever its address is by then.
func TestAnswersAreReplayedWhenTheAddressHasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers := map[string]func(access.Actor, invitation.AnswerInput) (*invitation.Invitation, error){
		"accepted": func(by access.Actor, in invitation.AnswerInput) (*invitation.Invitation, error) {
			payload, err := w.Invitations.Accept(t.Context(), by, in)
			return payload.Invitation, err
		},
		"declined": func(by access.Actor, in invitation.AnswerInput) (*invitation.Invitation, error) {
			payload, err := w.Invitations.Decline(t.Context(), by, in)
			return payload.Invitation, err
		},
	}
	for name, answer := range answers {
		for _, by := range []string{"id", "token"} {
			email := name + "-by-" + by + "@new.example"
			id := w.invite("Group 1", tenant.Viewer, email)[0].InvitationID
			in := invitation.AnswerInput{InvitationID: &id, IdempotencyKey: new("key")}
			if by == "token" {
				in = invitation.AnswerInput{Token: new(w.secret(id)), IdempotencyKey: in.IdempotencyKey}
			}
			person := w.User(email)
			first, err := answer(person, in)
			w.must(err)
			moved, former := person, person
			moved.Email, moved.EmailKey = "else@new.example", "else@new.example"
			former.EmailKey, former.FormerHolder = "", true
			for what, actor := range map[string]access.Actor{"another address": moved, "a former holder": former} {
				again, err := answer(actor, in)
				if err != nil || again.ID != first.ID || again.Status != first.Status {
					t.Errorf("%s by %s, %s: %+v, %v", name, by, what, again, err)
				}
				if by == "id" {
					_, err := answer(actor, invitation.AnswerInput{InvitationID: &id, IdempotencyKey: new("another key")})
					wantRefused(t, err, fault.NotFound, "")
				}
			}
			_, err = answer(w.User("sam"), in)
			if err == nil {
				t.Errorf("%s by %s: another person's key gets the answer", name, by)
			}
		}
	}
}

func TestParallelAnswersAreOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	zoe := w.User("zoe@new.example")
	var mu sync.Mutex
	var reasons []string
	var answering sync.WaitGroup
	for i := range 10 {
		answering.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{InvitationID: &id})
			} else {
				_, err = w.Invitations.Decline(t.Context(), zoe, invitation.AnswerInput{InvitationID: &id})
			}
			mu.Lock()
			defer mu.Unlock()
			for _, f := range faultsOf(t, err) {
				reasons = append(reasons, f.Reason)
			}
		})
	}
	answering.Wait()
	status := w.Text(`select status from invitation`)
	wantEqual(t, "reasons", repeated(status, 9), reasons)
	if member := w.RoleOf(zoe, w.Instance("Group 1")) != ""; member != (status == "ACCEPTED") || len(w.Trail()) != 2 {
		t.Errorf("%s, member %t, trail %v", status, member, w.Trail())
	}
}

// Marks that mail programs and people add around a link do not lose the invitation.
func TestTokenIsFoundAmongMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	zoe, token := w.User("zoe@new.example"), w.secret(id)
	for _, given := range []string{token + ".", token + ">", token + ")", token + ",", token + "\n", token + "%20", token + "%3E", token + "%", "<" + token + ">",
		`"` + token + `".`, "%22" + token + "%22", " " + token, "#" + token, "\u201c" + token + "\u201d", "https://datahub.example/app/invitation#" + token} {
		if v, err := w.Invitations.ByToken(t.Context(), nil, given); err != nil || v == nil || v.ID != id {
			t.Errorf("%q: %v, %v", given, v, err)
		}
	}
	for _, given := range []string{token[:42], token[1:], token[:42] + ".", token + "A", "A" + token, token + "1", ""} {
		if v, err := w.Invitations.ByToken(t.Context(), nil, given); err != nil || v != nil {
			t.Errorf("%q: %v, %v", given, v, err)
		}
	}
	_, err := w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: new(token + ".")})
	w.must(err)
}

// A person who tries too many tokens learns nothing more, even about valid ones.
func TestUnknownTokensAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.Tokens = 3
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	zoe, token := w.User("zoe@new.example"), w.secret(id)

	_, err := w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: new("unknown")})
	f := wantRefused(t, err, fault.InvitationNotUsable, "")
	if f.Message != "This link leads to no invitation." || f.Contacts != nil {
		t.Errorf("%+v", f)
	}
	_, err = w.Invitations.Decline(t.Context(), zoe, invitation.AnswerInput{Token: new("unknown")})
	wantRefused(t, err, fault.InvitationNotUsable, "")
	if v, err := w.Invitations.ByToken(t.Context(), &zoe, "unknown"); v != nil || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	for what, err := range map[string]error{
		"an unknown one": second(w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: new("unknown")})),
		"accepting":      second(w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: &token})),
		"looking":        second(w.Invitations.ByToken(t.Context(), &zoe, token)),
	} {
		if f := wantRefused(t, err, fault.RateLimited, fault.TokensByPerson); !strings.Contains(f.Message, "without a link") {
			t.Errorf("%s: %s", what, f.Message)
		}
	}
	// People without an account have no limit, and can only look.
	for range 5 {
		if v, err := w.Invitations.ByToken(t.Context(), nil, "unknown"); v != nil || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
	if v, err := w.Invitations.ByToken(t.Context(), nil, token); err != nil || v.ID != id {
		t.Errorf("%v, %v", v, err)
	}
	_, err = w.accept("zoe@new.example", id) // without a link
	w.must(err)
}

func second[T any](_ T, err error) error { return err }

// Parallel requests use up the limit exactly. The refused one may not even learn that
// its token is unknown.
func TestUnknownTokensAreCountedExactly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.Tokens = 5
	sam := w.User("sam")
	var mu sync.Mutex
	count := map[fault.Code]int{}
	var trying sync.WaitGroup
	for range 12 {
		trying.Go(func() {
			_, err := w.Invitations.Accept(t.Context(), sam, invitation.AnswerInput{Token: new("unknown")})
			mu.Lock()
			defer mu.Unlock()
			count[faultsOf(t, err)[0].Code]++
		})
	}
	trying.Wait()
	wantEqual(t, "errors", map[fault.Code]int{fault.InvitationNotUsable: 5, fault.RateLimited: 7}, count)
}
