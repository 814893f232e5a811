package mail_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var update = flag.Bool("update", false, "write the texts of all mails into testdata, for a person to read")

const link = "https://datahub.example/base/app/invitation#Zm9v-YmFy_YmF6-cXV4_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ"

const refuseLink = "https://datahub.example/base/app/invitation?refuse#Zm9v-YmFy_YmF6-cXV4_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMQ"

var (
	ada = mail.Mailbox{Name: "Ada", Email: "ada@uni.example"}
	vic = mail.Mailbox{Name: "Vic", Email: "vic@uni.example"}

	// until is in February or March, depending on the time zone.
	until = time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("NZDT", 13*60*60))

	kinds  = []mail.RequestKind{mail.RoleRequest, mail.InvitationsRequest, mail.RestoreRequest, mail.SpaceRestoreRequest, mail.FacultyRequest, mail.ManagerRequest}
	events = []mail.RequestEvent{mail.RequestMade, mail.RequestApproved, mail.RequestDeclined, mail.RequestExpired}
)

// invitation returns one of Ada's to Zoe.
func invitation(t testing.TB) mail.Invitation {
	t.Helper()
	return mail.Invitation{
		ID:           "01a20794-0000-7000-8000-000000000001",
		To:           parse(t, "zoe@new.example"),
		From:         ada,
		Organization: "University of Example",
		Space:        "Econometrics 2026",
		Instance:     "Group 1",
		Role:         tenant.InstanceViewer,
		Link:         link,
		ExpiresAt:    until,
		RefuseLink:   refuseLink,
		KeptUntil:    until.AddDate(0, 0, 180),
		LoggedUntil:  until.AddDate(2, 0, 0),
	}
}

// notice returns one about a request of Vic's. Ada answers.
func notice(t testing.TB, kind mail.RequestKind, event mail.RequestEvent) mail.RequestNotice {
	t.Helper()
	n := mail.RequestNotice{
		ID:           "01a20794-0000-7000-8000-000000000002",
		To:           parse(t, "zoe@new.example"),
		Event:        event,
		Kind:         kind,
		Requester:    vic,
		Organization: "University of Example",
		Space:        "Econometrics 2026",
		Instance:     "Group 2",
		Role:         tenant.InstanceEditor,
		Link:         link,
		Until:        until,
	}
	if kind == mail.InvitationsRequest {
		n.Emails = []string{"kim@new.example", "lou@new.example"}
	}
	switch kind {
	case mail.SpaceRestoreRequest:
		n.Instance = ""
	case mail.FacultyRequest:
		n.Space, n.Instance, n.Role = "", "", tenant.OrganizationFaculty
	case mail.ManagerRequest:
		n.Space, n.Instance, n.Role = "", "", tenant.OrganizationManager
	}
	if event == mail.RequestApproved || event == mail.RequestDeclined {
		n.Answerer = ada
	}
	if event != mail.RequestExpired {
		n.Message = "Please & thanks"
	}
	return n
}

func compose(t testing.TB, mail interface{ Compose() (mail.Message, error) }) mail.Message {
	t.Helper()
	m, err := mail.Compose()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, problem := address.Parse(text)
	if problem != nil {
		t.Fatal(problem)
	}
	return a
}

// TestTextsOfAllMails compares every kind of mail in every language with testdata,
// one file for each language. Read the files after a change of texts:
//
//	go test ./internal/mail -run TestTextsOfAllMails -update
func TestTextsOfAllMails(t *testing.T) {
	t.Parallel()
	for _, language := range mail.Languages() {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			var texts strings.Builder
			write := func(title string, m mail.Message) {
				sayTheSame(t, m)
				if m.Language != language || !strings.Contains(m.HTML, `<html lang="`+language+`" `) {
					t.Errorf("%s is in %s", title, m.Language)
				}
				fmt.Fprintf(&texts, "=== %s\n\nSubject: %s\n\n%s\n", title, m.Subject, m.Text)
			}

			i := invitation(t)
			i.Locale = language
			write("Invitation: viewer", compose(t, i))
			i.Role, i.Message = tenant.InstanceEditor, "Welcome!\n\nSee you on Monday."
			write("Invitation: editor, with a message", compose(t, i))
			i.ByLink, i.Message = true, ""
			write("Invitation: editor, by a course link", compose(t, i))
			i.ByLink, i.Message = false, "Welcome!\n\nSee you on Monday."
			i.Requester, i.Role, i.Instance = vic, tenant.SpaceAdministrator, ""
			write("Invitation: administrator of the space, at the request of another person", compose(t, i))

			kindNames := map[mail.RequestKind]string{mail.RoleRequest: "a role", mail.InvitationsRequest: "invitations", mail.RestoreRequest: "the restoring of an instance", mail.SpaceRestoreRequest: "the restoring of a space",
				mail.FacultyRequest: "the role of a faculty member", mail.ManagerRequest: "the role of a manager"}
			eventNames := map[mail.RequestEvent]string{mail.RequestMade: "made", mail.RequestApproved: "approved", mail.RequestDeclined: "declined", mail.RequestExpired: "expired"}
			for _, kind := range kinds {
				for _, event := range events {
					n := notice(t, kind, event)
					n.Locale = language
					write("Request for "+kindNames[kind]+": "+eventNames[event], compose(t, n))
				}
			}
			n := notice(t, mail.RoleRequest, mail.RequestMade)
			n.Locale, n.Role, n.Instance, n.Message = language, tenant.SpaceAdministrator, "", ""
			write("Request for the role of an administrator: made, without a message", compose(t, n))
			n = notice(t, mail.InvitationsRequest, mail.RequestApproved)
			n.Locale, n.Message, n.Emails = language, "", []string{"kim@new.example"}
			write("Request for one invitation: approved", compose(t, n))

			for _, c := range []struct {
				title string
				r     mail.Reminder
			}{
				{"to a member", mail.Reminder{Instances: []string{"Group 1"}, Helper: ada}},
				{"to a member of several instances", mail.Reminder{Instances: []string{"Group 1", "Group 2"}, Helper: ada}},
				{"to a member, where nobody can be asked by mail", mail.Reminder{Instances: []string{"Group 1"}}},
				{"to an administrator, about one person", mail.Reminder{Others: true, Instances: []string{"Group 1"}, People: []string{"Vic"}, PeopleCount: 1}},
				{"to an administrator, about many", mail.Reminder{Others: true, Instances: []string{"Group 1", "Group 2"}, MoreInstances: 3, People: []string{"Vic", "Zoe"}, PeopleCount: 300}},
			} {
				c.r.ID, c.r.To, c.r.Locale = "01a20794-0000-7000-8000-000000000003", parse(t, "zoe@new.example"), language
				c.r.Organization, c.r.Space, c.r.Role, c.r.Link, c.r.Until = "University of Example", "Econometrics 2026", tenant.InstanceEditor, link, until
				write("Reminder of an end: "+c.title, compose(t, c.r))
			}

			file := filepath.Join("testdata", language+".txt")
			got := texts.String()
			if strings.ContainsAny(got, "{}") {
				t.Error("a placeholder is not filled in")
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (- file, + now):\n%s", file, diff)
			}
		})
	}
}

// sayTheSame checks that the text part and the HTML part of a mail say the same, and
// that the gateway's link is the only one.
func sayTheSame(t testing.TB, m mail.Message) {
	t.Helper()
	text, html := m.Text, visible(t, m.HTML)
	// Only HTML has a button that may not work.
	fallback := []string{"If the button does not work", "Falls die Schaltfläche", "Si le bouton"}
	for line := range strings.Lines(html) {
		line = strings.TrimSpace(line)
		if !strings.Contains(text, line) && !slices.ContainsFunc(fallback, func(f string) bool { return strings.HasPrefix(line, f) }) {
			t.Errorf("the text part does not say %q:\n%s", line, text)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "> "), ":"))
		label, value, isFact := strings.Cut(line, ": ")
		if line == refuseLink { // HTML has it behind the words
			continue
		}
		if line != ">" && !strings.Contains(html, line) && !(isFact && strings.Contains(html, strings.TrimSpace(label)+"\n"+value+"\n")) {
			t.Errorf("the HTML part does not say %q:\n%s", line, html)
		}
	}
	if strings.ContainsFunc(m.Text+m.HTML+m.Subject, func(r rune) bool { return unicode.In(r, unicode.Cf) }) {
		t.Errorf("the mail has invisible characters: %+q", m.Text)
	}
	hasNoOtherLink(t, m)
}

func TestEveryRoleHasANameInEveryLanguage(t *testing.T) {
	t.Parallel()
	names := map[string]map[tenant.Role]string{
		"en": {tenant.InstanceViewer: "Role: viewer", tenant.InstanceEditor: "Role: editor", tenant.SpaceAdministrator: "Role: administrator of the space",
			tenant.OrganizationManager: "Role: manager of the organization", tenant.OrganizationFaculty: "Role: faculty member", tenant.OrganizationMember: "Role: member of the organization"},
		"de": {tenant.InstanceViewer: "Rolle: Lesezugriff", tenant.InstanceEditor: "Rolle: Bearbeitung", tenant.SpaceAdministrator: "Rolle: Administration des Space",
			tenant.OrganizationManager: "Rolle: Leitung der Organisation", tenant.OrganizationFaculty: "Rolle: Lehre und Forschung", tenant.OrganizationMember: "Rolle: Mitglied der Organisation"},
		"fr": {tenant.InstanceViewer: "Rôle : lecture", tenant.InstanceEditor: "Rôle : édition", tenant.SpaceAdministrator: "Rôle : administration de l’espace",
			tenant.OrganizationManager: "Rôle : direction de l’organisation", tenant.OrganizationFaculty: "Rôle : corps enseignant", tenant.OrganizationMember: "Rôle : membre de l’organisation"},
	}
	unknown := tenant.Role(len(tenant.AllRoles()))
	for _, language := range mail.Languages() {
		for _, role := range append(tenant.AllRoles(), unknown) {
			invitable := role != unknown
			for _, instance := range []string{"Group 1", ""} {
				i := invitation(t)
				i.Locale, i.Role, i.Instance = language, role, instance
				asked, askedFor := notice(t, mail.RoleRequest, mail.RequestMade), notice(t, mail.InvitationsRequest, mail.RequestMade)
				asked.Locale, asked.Role, asked.Instance = language, role, instance
				askedFor.Locale, askedFor.Role, askedFor.Instance = language, role, instance
				for _, c := range []interface{ Compose() (mail.Message, error) }{i, asked, askedFor} {
					m, err := c.Compose()
					if (err == nil) != invitable {
						t.Errorf("%s, %v: %T: %v", language, role, c, err)
					}
					if want := "\n  " + names[language][role] + "\n"; invitable && !strings.Contains(m.Text, want) {
						t.Errorf("%s, %v: %T does not say %q:\n%s", language, role, c, want, m.Text)
					}
					if named := strings.Contains(m.Text, "Group 1"); invitable && named != (instance != "") {
						t.Errorf("%s, %v: %T about the instance %q:\n%s", language, role, c, instance, m.Text)
					}
				}
			}
		}
	}
	n := notice(t, mail.RestoreRequest, mail.RequestMade)
	n.Role = unknown // a request to restore is about no role
	compose(t, n)
}

func TestLanguageFitsTheLocale(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]string{
		"": "en", "en-GB": "en", "de": "de", "de-CH": "de", "fr_CA": "fr", "rm": "de", "ja": "en", "{{x}}\r": "en", "ja, fr;q=0.8, en;q=0.5": "fr",
	} {
		i := invitation(t)
		i.Locale = locale
		if m := compose(t, i); m.Language != want {
			t.Errorf("%q: %s, want %s", locale, m.Language, want)
		}
	}
}

func TestReplyGoesToThePersonWhoWrites(t *testing.T) {
	t.Parallel()
	i := invitation(t)
	i.Requester = vic
	if m := compose(t, i); m.ReplyTo != ada {
		t.Errorf("invitation: %v", m.ReplyTo)
	}
	for event, want := range map[mail.RequestEvent]mail.Mailbox{
		mail.RequestMade: vic, mail.RequestApproved: ada, mail.RequestDeclined: ada, mail.RequestExpired: {},
	} {
		n := notice(t, mail.RoleRequest, event)
		n.Answerer, n.Message = ada, "Because."
		m := compose(t, n)
		if m.ReplyTo != want {
			t.Errorf("event %d: %v", event, m.ReplyTo)
		}
		if quoted := strings.Contains(m.Text, "> Because."); quoted != (want != mail.Mailbox{}) {
			t.Errorf("event %d:\n%s", event, m.Text)
		}
	}
}

// A manager whom the requester may not know is named by the role.
func TestNoticesOfAHiddenManager(t *testing.T) {
	t.Parallel()
	for locale, manager := range map[string]string{"en": "A manager of University of Example", "de": "Die Leitung von University of Example", "fr": "La direction de University of Example"} {
		for _, event := range []mail.RequestEvent{mail.RequestApproved, mail.RequestDeclined} {
			n := notice(t, mail.FacultyRequest, event)
			n.Locale, n.Answerer = locale, mail.Mailbox{}
			m := compose(t, n)
			if !strings.HasPrefix(m.Subject, "DataHub "+manager+" ") || !strings.Contains(m.Text, manager+" ") || strings.Contains(m.Text, "()") ||
				strings.Contains(m.Text+m.HTML, "{") || m.ReplyTo != (mail.Mailbox{}) {
				t.Errorf("%s: %s, %v\n%s", locale, m.Subject, m.ReplyTo, m.Text)
			}
		}
	}
}

func TestNoticeListsTenAddresses(t *testing.T) {
	t.Parallel()
	emails := make([]string, 1000)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
	}
	ten := strings.Join(emails[:10], ", ")
	for _, c := range []struct {
		locale         string
		count          int
		list, approved string
	}{
		{"", 1, "p0@new.example", "DataHub has invited one person on behalf of Ada."},
		{"", 10, ten, "DataHub has invited 10 people on behalf of Ada."},
		{"", 11, ten + " and 1 more", "DataHub has invited 11 people on behalf of Ada."},
		{"", 1000, ten + " and 990 more", "DataHub has invited 1000 people on behalf of Ada."},
		{"de", 1000, ten + " und 990 weitere", "DataHub hat im Namen von Ada 1000 Personen eingeladen."},
		{"fr", 1000, ten + " et 990 de plus", "DataHub a invité 1000 personnes en son nom."},
	} {
		n := notice(t, mail.InvitationsRequest, mail.RequestApproved)
		n.Locale, n.Emails = c.locale, emails[:c.count]
		m := compose(t, n)
		if text := m.Text; !strings.Contains(text, ": "+c.list+"\n") || !strings.Contains(text, "\n"+c.approved) {
			t.Errorf("%s, %d addresses:\n%s", cmp.Or(c.locale, "en"), c.count, text)
		}
		sayTheSame(t, m)
	}
	if emails[0] != "p0@new.example" || emails[999] != "p999@new.example" {
		t.Error("the addresses were changed")
	}
}

// People who cannot be written to, because their address belongs to somebody else by
// now, are named without an address, and replies do not go there.
func TestMailsFromPeopleWithoutAnAddress(t *testing.T) {
	t.Parallel()
	check := func(m mail.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if m.ReplyTo != (mail.Mailbox{}) {
			t.Errorf("replies go to %+v", m.ReplyTo)
		}
		for _, text := range []string{m.Text, m.HTML} {
			if strings.Contains(text, "()") || strings.Contains(text, " ,") || strings.Contains(text, "address}") || !strings.Contains(m.Text, "Ada") {
				t.Errorf("%s", text)
			}
		}
		for _, reply := range []string{"reply to this mail", "antworten Sie", "répondez"} {
			if strings.Contains(m.Text, reply) {
				t.Errorf("it asks for a reply: %s", m.Text)
			}
		}
	}
	for _, language := range []string{"en", "de", "fr"} {
		i := invitation(t)
		i.Locale, i.From.Email = language, ""
		check(i.Compose())
		i.Requester = mail.Mailbox{Name: "Vic"}
		check(i.Compose())
		for _, kind := range kinds {
			for _, event := range []mail.RequestEvent{mail.RequestMade, mail.RequestApproved, mail.RequestDeclined} {
				n := notice(t, kind, event)
				n.Locale, n.Requester, n.Answerer = language, mail.Mailbox{Name: "Ada"}, mail.Mailbox{Name: "Ada"}
				check(n.Compose())
			}
		}
	}
}
