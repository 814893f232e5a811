package invitation_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// job returns the newest mail of an invitation, as the outbox claims it.
func (w *world) job(id globalid.ID) outbox.Job {
	w.t.Helper()
	return outbox.Job{ID: uuid.New(), Subject: id.UUID, Secret: w.secret(id)}
}

// compose composes the mails of jobs, in the way of a gateway.
func (w *world) compose(jobs ...outbox.Job) (messages []mail.Message, errs []error) {
	w.t.Helper()
	public, err := url.Parse("https://datahub.example/base")
	w.must(err)
	compose, err := (&invitation.Mailer{DB: w.DB, PublicURL: public}).Read(w.t.Context(), jobs)
	w.must(err)
	for _, job := range jobs {
		message, err := compose(job)
		messages, errs = append(messages, message), append(errs, err)
	}
	return messages, errs
}

func TestMailSaysWhoInvitesWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results, err := w.tryInviteWith("ada", invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Editor,
		Emails: []string{"zoe@new.example"}, Message: new("We start on Monday.")})
	w.must(err)
	instance, space := results[0].InvitationID, w.inviteAdministrators("bob@new.example")[0].InvitationID
	jobs := []outbox.Job{w.job(space), w.job(instance)}
	messages, errs := w.compose(jobs...)
	w.must(errors.Join(errs...))
	toSpace, toInstance := messages[0], messages[1]
	for _, text := range []string{"Ada", "ada@uni.example", "Group 1", testworld.Econometrics, "University of Example", "editor", "We start on Monday.",
		"https://datahub.example/base/app/invitation#" + jobs[1].Secret} {
		if !strings.Contains(toInstance.Text, text) {
			t.Errorf("%q is not in %s", text, toInstance.Text)
		}
	}
	if toInstance.To.String() != "zoe@new.example" || toInstance.ID != jobs[1].ID.String() || toInstance.ReplyTo.Email != "ada@uni.example" || toInstance.Language != "en" {
		t.Errorf("%+v", toInstance)
	}
	if toSpace.To.String() != "bob@new.example" || !strings.Contains(toSpace.Text, "administrator of the space") || strings.Contains(toSpace.Text, "Group 1") {
		t.Errorf("%+v", toSpace)
	}
}

func TestMailNamesTheRequester(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instance, err := tenant.FindInstance(t.Context(), w.DB, w.User("ada"), w.Instance("Group 1"))
	w.must(err)
	var results []*invitation.InviteResult
	w.must(w.DB.InTx(t.Context(), func(tx *postgres.Tx) (err error) {
		results, err = w.Invitations.InviteOnBehalf(t.Context(), tx, w.User("ada"), invitation.RequestedInvitations{
			Requester: w.User("vic"), Instance: instance, Role: tenant.Viewer, Emails: []string{"zoe@new.example"}})
		return err
	}))
	messages, errs := w.compose(w.job(results[0].InvitationID))
	w.must(errs[0])
	if !strings.Contains(messages[0].Text, "vic@uni.example") || !strings.Contains(messages[0].Text, "Ada") {
		t.Error(messages[0].Text)
	}
}

// An address can have several accounts. The one that holds it decides.
func TestMailIsInTheLanguageOfTheRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	for _, c := range []struct {
		subject string
		locale  *string
		want    string
	}{{"1", nil, "en"}, {"2", new("fr-CH"), "fr"}, {"3", new("de"), "de"}, {"4", nil, "en"}} {
		w.Exec(`insert into account (id, subject, email, email_key, name, locale)
			values ($1, $2, 'zoe@new.example', 'zoe@new.example', 'Zoe', $3)`, uuid.Must(uuid.NewV7()), c.subject, c.locale)
		messages, errs := w.compose(w.job(id))
		w.must(errs[0])
		if messages[0].Language != c.want {
			t.Errorf("account %s: %s", c.subject, messages[0].Language)
		}
	}
}

// A mail whose link is not valid any more is not sent. That of a deleted instance
// waits until the instance is restored.
func TestMailIsSentOnlyForAValidLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.NewInstance(w.Space(testworld.Econometrics), "Group 4")
	group4 := w.job(w.invite("Group 4", tenant.Viewer, "zoe@new.example")[0].InvitationID)
	results := w.invite("Group 1", tenant.Viewer, "valid@new.example", "revoked@new.example", "resent@new.example", "accepted@new.example", "broken@new.example")
	jobs := []outbox.Job{group4}
	for _, r := range results {
		jobs = append(jobs, w.job(r.InvitationID))
	}
	jobs = append(jobs, outbox.Job{ID: uuid.New(), Subject: uuid.New(), Secret: "of a deleted invitation"})
	w.DeleteInstance(w.Instance("Group 4"), w.User("ada"))
	w.revoke(results[1].InvitationID)
	w.resend(results[2].InvitationID)
	_, err := w.accept("accepted@new.example", results[3].InvitationID)
	w.must(err)
	w.Exec(`update invitation set email = 'broken@' where id = $1`, results[4].InvitationID.UUID)
	_, errs := w.compose(jobs...)
	for i, want := range []error{outbox.ErrPostponed, nil, outbox.ErrDropped, outbox.ErrDropped, outbox.ErrDropped, nil, outbox.ErrDropped} {
		if i == 5 {
			if errs[i] == nil || errors.Is(errs[i], outbox.ErrDropped) || !strings.Contains(errs[i].Error(), "the stored address is not valid") {
				t.Errorf("a stored address that is not valid: %v", errs[i])
			}
			continue
		}
		if !errors.Is(errs[i], want) {
			t.Errorf("job %d: %v, want %v", i, errs[i], want)
		}
	}
	w.Advance(month)
	if _, errs := w.compose(jobs[1]); !errors.Is(errs[0], outbox.ErrDropped) {
		t.Errorf("expired: %v", errs[0])
	}
}

func TestMailsAreDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	_, err := w.Invitations.Accept(t.Context(), w.User("zoe@new.example"), invitation.AnswerInput{Token: new(w.Token("zoe@new.example"))})
	w.must(err)
	if d := w.invitationNow("Group 1", id).Delivery(); d.Status != invitation.Sent || d.Attempts != 1 || d.LastAttemptAt == nil {
		t.Errorf("%+v", d)
	}
}
