package mail_test

import (
	"fmt"
	"mime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var (
	kinds     = []mail.RequestKind{mail.AskRole, mail.AskInvitations, mail.AskRestore}
	occasions = []mail.Occasion{mail.Asked, mail.Approved, mail.Declined, mail.Ended}
)

// notice is one of a request of Vic's, whose end is the same moment as an
// invitation's.
func notice(t testing.TB, kind mail.RequestKind, occasion mail.Occasion) mail.Notice {
	n := mail.Notice{
		ID:           "01a20794-0000-7000-8000-000000000002",
		To:           parse(t, "zoe@new.example"),
		Occasion:     occasion,
		Kind:         kind,
		Requester:    mail.Mailbox{Name: "Vic", Email: "vic@uni.example"},
		Organization: "University",
		Space:        "Econometrics 2026",
		Instance:     "Group 2",
		Role:         tenant.InstanceEditor,
		Link:         link,
		Until:        time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("NZDT", 13*60*60)),
	}
	if kind == mail.AskInvitations {
		n.Emails = []string{"kim@new.example", "lou@new.example"}
	}
	if occasion == mail.Approved || occasion == mail.Declined {
		n.Answerer = mail.Mailbox{Name: "Ada", Email: "ada@uni.example"}
	}
	if occasion != mail.Ended {
		n.Message = "Please & thanks"
	}
	return n
}

func notified(t testing.TB, n mail.Notice) readMail {
	t.Helper()
	m, err := n.Compose()
	if err != nil {
		t.Fatal(err)
	}
	return send(t, m)
}

// parts are the two parts of a mail as they are read, without what keeps mail
// programs from making links.
func parts(t testing.TB, m readMail) map[string]string {
	t.Helper()
	return map[string]string{
		"text": strings.ReplaceAll(m.text, "\u200b", ""),
		"HTML": strings.ReplaceAll(visible(t, m.html), "\u200b", ""),
	}
}

func TestNotices(t *testing.T) {
	type told struct{ subject, opening, closing string }
	languages := map[string]struct {
		facts, addresses, role, editor string
		answer, see                    string
		writes                         string
		told                           [3][4]told
	}{
		"en": {"Instance: Group 2\n  Space: Econometrics 2026, University", "Addresses", "Role", "editor", "Answer the request", "See the request", " writes:", [3][4]told{
			mail.AskRole: {
				{"DataHub Vic asks you for a role", "Vic (vic@uni.example) asks you for a role.", "until 1 March 2026, 10:30 UTC. Whoever else can answer the request was asked, too. You receive this mail because you administrate the space."},
				{"DataHub Ada has granted your request", "Ada (ada@uni.example) has granted your request for a role.", "You have this role from now on."},
				{"DataHub Ada has declined your request", "Ada (ada@uni.example) has declined your request for a role.", "reply to this mail: the reply goes to Ada."},
				{"DataHub Your request was not answered", "Nobody has answered your request for a role in time.", "You can ask again."},
			},
			mail.AskInvitations: {
				{"DataHub Vic asks you to invite people", "Vic (vic@uni.example) asks you to invite people.", "until 1 March 2026, 10:30 UTC. Whoever else can answer the request was asked, too. You receive this mail because you administrate the space."},
				{"DataHub Ada has granted your request", "Ada (ada@uni.example) has granted your request to invite people.", "DataHub has invited 2 people in the name of Ada."},
				{"DataHub Ada has declined your request", "Ada (ada@uni.example) has declined your request to invite people.", "reply to this mail: the reply goes to Ada."},
				{"DataHub Your request was not answered", "Nobody has answered your request to invite people in time.", "You can ask again."},
			},
			mail.AskRestore: {
				{"DataHub Vic asks you to restore Group 2", "Vic (vic@uni.example) asks you to restore Group 2.", "The instance can be restored until 1 March 2026, 10:30 UTC, and not later. Whoever else can answer the request was asked, too. You receive this mail because you administrate the space or edit the instance."},
				{"DataHub Ada has granted your request", "Ada (ada@uni.example) has granted your request to restore Group 2.", "The instance is there again."},
				{"DataHub Ada has declined your request", "Ada (ada@uni.example) has declined your request to restore Group 2.", "reply to this mail: the reply goes to Ada."},
				{"DataHub Your request was not answered", "Nobody has answered your request to restore Group 2 in time.", "The 24 hours in which the instance could be restored are over."},
			},
		}},
		"de-CH": {"Instanz: Group 2\n  Space: Econometrics 2026, University", "Adressen", "Rolle", "Bearbeitung", "Auf die Bitte antworten", "Die Bitte ansehen", " schreibt:", [3][4]told{
			mail.AskRole: {
				{"DataHub Vic bittet Sie um eine Rolle", "Vic (vic@uni.example) bittet Sie um eine Rolle.", "bis zum 1. März 2026, 10:30 UTC geantwortet werden. Wer sonst noch auf die Bitte antworten kann, wurde ebenfalls gefragt. Sie erhalten diese E-Mail, weil Sie den Space administrieren."},
				{"DataHub Ada hat Ihre Bitte erfüllt", "Ada (ada@uni.example) hat Ihre Bitte um eine Rolle erfüllt.", "Sie haben diese Rolle ab sofort."},
				{"DataHub Ada hat Ihre Bitte abgelehnt", "Ada (ada@uni.example) hat Ihre Bitte um eine Rolle abgelehnt.", "Die Antwort geht an Ada."},
				{"DataHub Ihre Bitte blieb unbeantwortet", "Auf Ihre Bitte um eine Rolle hat rechtzeitig niemand geantwortet.", "Sie können erneut fragen."},
			},
			mail.AskInvitations: {
				{"DataHub Vic bittet Sie, Personen einzuladen", "Vic (vic@uni.example) bittet Sie, Personen einzuladen.", "bis zum 1. März 2026, 10:30 UTC geantwortet werden. Wer sonst noch auf die Bitte antworten kann, wurde ebenfalls gefragt. Sie erhalten diese E-Mail, weil Sie den Space administrieren."},
				{"DataHub Ada hat Ihre Bitte erfüllt", "Ada (ada@uni.example) hat Ihre Bitte um Einladungen erfüllt.", "DataHub hat im Namen von Ada 2 Personen eingeladen."},
				{"DataHub Ada hat Ihre Bitte abgelehnt", "Ada (ada@uni.example) hat Ihre Bitte um Einladungen abgelehnt.", "Die Antwort geht an Ada."},
				{"DataHub Ihre Bitte blieb unbeantwortet", "Auf Ihre Bitte um Einladungen hat rechtzeitig niemand geantwortet.", "Sie können erneut fragen."},
			},
			mail.AskRestore: {
				{"DataHub Vic bittet Sie, Group 2 wiederherzustellen", "Vic (vic@uni.example) bittet Sie, Group 2 wiederherzustellen.", "Die Instanz kann bis zum 1. März 2026, 10:30 UTC wiederhergestellt werden, danach nicht mehr. Wer sonst noch auf die Bitte antworten kann, wurde ebenfalls gefragt. Sie erhalten diese E-Mail, weil Sie den Space administrieren oder die Instanz bearbeiten."},
				{"DataHub Ada hat Ihre Bitte erfüllt", "Ada (ada@uni.example) hat Ihre Bitte um die Wiederherstellung von Group 2 erfüllt.", "Die Instanz ist wieder da."},
				{"DataHub Ada hat Ihre Bitte abgelehnt", "Ada (ada@uni.example) hat Ihre Bitte um die Wiederherstellung von Group 2 abgelehnt.", "Die Antwort geht an Ada."},
				{"DataHub Ihre Bitte blieb unbeantwortet", "Auf Ihre Bitte um die Wiederherstellung von Group 2 hat rechtzeitig niemand geantwortet.", "Die 24 Stunden, in denen die Instanz wiederhergestellt werden konnte, sind vorbei."},
			},
		}},
		"ja, fr;q=0.8, en;q=0.5": {"Instance: Group 2\n  Espace: Econometrics 2026, University", "Adresses", "Rôle", "édition", "Répondre à la demande", "Voir la demande", " écrit :", [3][4]told{
			mail.AskRole: {
				{"DataHub Vic vous demande un rôle", "Vic (vic@uni.example) vous demande un rôle.", "jusqu’au 1er mars 2026 à 10:30 UTC. Toute autre personne pouvant répondre à la demande l’a également reçue. Vous recevez ce message parce que vous administrez l’espace."},
				{"DataHub Ada a accepté votre demande", "Ada (ada@uni.example) a accepté votre demande de rôle.", "Vous avez ce rôle dès maintenant."},
				{"DataHub Ada a refusé votre demande", "Ada (ada@uni.example) a refusé votre demande de rôle.", "la réponse parviendra à Ada."},
				{"DataHub Votre demande est restée sans réponse", "Personne n’a répondu à temps à votre demande de rôle.", "Vous pouvez renouveler votre demande."},
			},
			mail.AskInvitations: {
				{"DataHub Vic vous demande d’inviter des personnes", "Vic (vic@uni.example) vous demande d’inviter des personnes.", "jusqu’au 1er mars 2026 à 10:30 UTC. Toute autre personne pouvant répondre à la demande l’a également reçue. Vous recevez ce message parce que vous administrez l’espace."},
				{"DataHub Ada a accepté votre demande", "Ada (ada@uni.example) a accepté votre demande d’invitations.", "DataHub a invité 2 personnes au nom de Ada."},
				{"DataHub Ada a refusé votre demande", "Ada (ada@uni.example) a refusé votre demande d’invitations.", "la réponse parviendra à Ada."},
				{"DataHub Votre demande est restée sans réponse", "Personne n’a répondu à temps à votre demande d’invitations.", "Vous pouvez renouveler votre demande."},
			},
			mail.AskRestore: {
				{"DataHub Vic vous demande de restaurer Group 2", "Vic (vic@uni.example) vous demande de restaurer Group 2.", "L’instance peut être restaurée jusqu’au 1er mars 2026 à 10:30 UTC, et pas plus tard. Toute autre personne pouvant répondre à la demande l’a également reçue. Vous recevez ce message parce que vous administrez l’espace ou éditez l’instance."},
				{"DataHub Ada a accepté votre demande", "Ada (ada@uni.example) a accepté votre demande de restauration de Group 2.", "L’instance est de nouveau là."},
				{"DataHub Ada a refusé votre demande", "Ada (ada@uni.example) a refusé votre demande de restauration de Group 2.", "la réponse parviendra à Ada."},
				{"DataHub Votre demande est restée sans réponse", "Personne n’a répondu à temps à votre demande de restauration de Group 2.", "Les 24 heures pendant lesquelles l’instance pouvait être restaurée sont écoulées."},
			},
		}},
	}
	for locale, l := range languages {
		for _, kind := range kinds {
			for _, occasion := range occasions {
				t.Run(fmt.Sprintf("%s %d %d", locale[:2], kind, occasion), func(t *testing.T) {
					n := notice(t, kind, occasion)
					n.Locale = locale
					m := notified(t, n)
					want := l.told[kind][occasion]

					subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
					if err != nil || subject != want.subject {
						t.Errorf("subject %q, %v, want %q", subject, err, want.subject)
					}
					var writer mail.Mailbox
					switch occasion {
					case mail.Asked:
						writer = n.Requester
					case mail.Approved, mail.Declined:
						writer = n.Answerer
					}
					if got, err := m.header.AddressList("Reply-To"); occasion == mail.Ended && m.header["Reply-To"] != nil ||
						occasion != mail.Ended && (err != nil || len(got) != 1 || got[0].Name != writer.Name || got[0].Address != writer.Email) {
						t.Errorf("Reply-To %q", m.header["Reply-To"])
					}

					text := parts(t, m)["text"]
					said := []string{want.opening + "\n", "\n  " + l.facts + "\n", want.closing + "\n"}
					never := []string{"{", "}"}
					expect := func(so bool, what string) {
						if so {
							said = append(said, what)
						} else {
							never = append(never, what)
						}
					}
					expect(kind != mail.AskRestore, "\n  "+l.role+": "+l.editor+"\n")
					expect(kind == mail.AskInvitations, "\n  "+l.addresses+": kim@new.example, lou@new.example\n")
					expect(occasion != mail.Ended, "\n"+writer.Name+l.writes+"\n\n> Please & thanks\n")
					expect(occasion == mail.Asked, "\n"+l.answer+":\n"+link+"\n")
					expect(occasion != mail.Asked, "\n"+l.see+":\n"+link+"\n")
					for _, s := range said {
						if !strings.Contains(text, s) {
							t.Errorf("it does not say %q:\n%s", s, text)
						}
					}
					for _, s := range never {
						if strings.Contains(text, s) {
							t.Errorf("it says %q:\n%s", s, text)
						}
					}
					sameInBoth(t, m)
				})
			}
		}
	}
}

// sameInBoth looks whether the text part and the HTML part say the same, and
// whether the gateway's link is the only one.
func sameInBoth(t testing.TB, m readMail) {
	t.Helper()
	both := parts(t, m)
	// HTML alone has a button, which may not work.
	fallback := []string{"If the button does not work", "Falls der Knopf", "Si le bouton"}
	for line := range strings.Lines(both["HTML"]) {
		line = strings.TrimSpace(line)
		if !strings.Contains(both["text"], line) && !slices.ContainsFunc(fallback, func(f string) bool { return strings.HasPrefix(line, f) }) {
			t.Errorf("the text part does not say %q:\n%s", line, both["text"])
		}
	}
	for line := range strings.Lines(both["text"]) {
		line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "> "), ":")
		label, value, ok := strings.Cut(line, ": ")
		if !strings.Contains(both["HTML"], line) && !(ok && strings.Contains(both["HTML"], label+"\n"+value+"\n")) {
			t.Errorf("the HTML part does not say %q:\n%s", line, both["HTML"])
		}
	}
	if got := hrefs(t, m.html); !slices.Equal(got, []string{link}) {
		t.Errorf("links %q", got)
	}
	for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
		if got := linked(text); len(got) > 0 {
			t.Errorf("a mail program makes links of the %s part: %q", part, got)
		}
	}
}

func TestNoticesOfHostileNamesAndMessages(t *testing.T) {
	for _, kind := range kinds {
		for _, occasion := range occasions {
			plain := notified(t, notice(t, kind, occasion))
			for what, c := range hostile {
				if c.name == "" {
					c.name = c.text
				}
				n := notice(t, kind, occasion)
				n.Requester.Name, n.Organization, n.Space, n.Instance = c.text, c.text, c.text, c.text
				if n.Answerer.Email != "" {
					n.Answerer.Name = c.text
				}
				if n.Message != "" {
					n.Message = c.text
				}
				if n.Emails != nil {
					n.Emails = []string{"kim@new.example", c.text}
				}
				m := notified(t, n)
				at := fmt.Sprintf("%d %d, %s", kind, occasion, what)

				subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
				want, err2 := new(mime.WordDecoder).DecodeHeader(plain.header.Get("Subject"))
				want = strings.NewReplacer("Vic", c.name, "Ada", c.name, "Group 2", c.name).Replace(want)
				if err != nil || err2 != nil || subject != want {
					t.Errorf("%s: subject %q, %v, want %q", at, subject, err, want)
				}
				if len(m.header) != len(plain.header) || !slices.Equal(m.recipients, []string{"zoe@new.example"}) {
					t.Errorf("%s: headers %v to %v", at, m.header, m.recipients)
				}
				if occasion != mail.Ended {
					got, err := m.header.AddressList("Reply-To")
					if err != nil || len(got) != 1 || got[0].Name != c.name || !strings.HasSuffix(got[0].Address, "@uni.example") {
						t.Errorf("%s: Reply-To %v, %v", at, got, err)
					}
				}
				if diff := cmp.Diff(skeleton(t, plain.html), skeleton(t, m.html)); diff != "" {
					t.Errorf("%s: the HTML is made of something else: %s", at, diff)
				}
				if got := hrefs(t, m.html); !slices.Equal(got, []string{link}) {
					t.Errorf("%s: links %q", at, got)
				}
				if got, want := ownLines(m.text), ownLines(plain.text); len(got) != len(want) {
					t.Errorf("%s: the text part:\n%s", at, m.text)
				}
				said := []string{c.name + ", " + c.name}
				if occasion != mail.Ended {
					said = append(said, c.name+" (", c.name+" writes:", c.text)
				}
				if n.Emails != nil {
					said = append(said, "kim@new.example, "+c.name)
				}
				if kind == mail.AskRestore && occasion == mail.Asked {
					said = append(said, "to restore "+c.name+".")
				}
				for part, text := range map[string]string{"text": m.text, "HTML": visible(t, m.html)} {
					if got := linked(text); len(got) > 0 {
						t.Errorf("%s: a mail program makes links of the %s part: %q", at, part, got)
					}
					text = squeeze(strings.ReplaceAll(strings.ReplaceAll(text, "\u200b", ""), "\n> ", "\n"))
					for _, s := range said {
						if !strings.Contains(text, squeeze(s)) {
							t.Errorf("%s: the %s part does not say %q:\n%s", at, part, s, text)
						}
					}
				}
			}
		}
	}
}

func TestANoticeNamesTenAddresses(t *testing.T) {
	emails := make([]string, 1000)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
	}
	ten := strings.Join(emails[:10], ", ")
	for _, c := range []struct {
		locale     string
		count      int
		list, done string
	}{
		{"", 1, "p0@new.example", "DataHub has invited one person in the name of Ada."},
		{"", 10, ten, "DataHub has invited 10 people in the name of Ada."},
		{"", 11, ten + " and 1 more", "DataHub has invited 11 people in the name of Ada."},
		{"", 1000, ten + " and 990 more", "DataHub has invited 1000 people in the name of Ada."},
		{"de", 1, "p0@new.example", "DataHub hat im Namen von Ada eine Person eingeladen."},
		{"de", 1000, ten + " und 990 weitere", "DataHub hat im Namen von Ada 1000 Personen eingeladen."},
		{"fr", 1, "p0@new.example", "DataHub a invité une personne au nom de Ada."},
		{"fr", 1000, ten + " et 990 de plus", "DataHub a invité 1000 personnes au nom de Ada."},
	} {
		n := notice(t, mail.AskInvitations, mail.Approved)
		n.Locale, n.Emails = c.locale, emails[:c.count]
		m := notified(t, n)
		if text := parts(t, m)["text"]; !strings.Contains(text, ": "+c.list+"\n") || !strings.Contains(text, "\n"+c.done+"\n") {
			t.Errorf("%s, %d addresses:\n%s", c.locale, c.count, text)
		}
		sameInBoth(t, m)
	}
	if emails[0] != "p0@new.example" || emails[999] != "p999@new.example" {
		t.Error("the addresses were changed")
	}
}

func TestNobodyWritesWhereNobodyAnswered(t *testing.T) {
	n := notice(t, mail.AskRole, mail.Ended)
	n.Answerer, n.Message = mail.Mailbox{Name: "Ada", Email: "ada@uni.example"}, "No"
	m := notified(t, n)
	if m.header["Reply-To"] != nil || strings.Contains(m.text, "writes") || strings.Contains(m.text, "Ada") {
		t.Errorf("Reply-To %q\n%s", m.header["Reply-To"], m.text)
	}
}

func TestANoticeAboutTheSpaceItself(t *testing.T) {
	n := notice(t, mail.AskRole, mail.Asked)
	n.Instance, n.Role, n.Message = "", tenant.SpaceAdministrator, ""
	m := notified(t, n)
	for part, text := range parts(t, m) {
		if !strings.Contains(text, "administrator of the space") || strings.Contains(text, "Instance") || strings.Contains(text, "writes") {
			t.Errorf("the %s part:\n%s", part, text)
		}
	}
	sameInBoth(t, m)
}
