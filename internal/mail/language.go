package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"
)

// words are the gateway's sentences in one language. What stands in braces is
// replaced: see Invitation.
type words struct {
	subject, opening              string
	instance, space, role         string
	viewer, editor, administrator string
	quoting, button, fallback     string
	closing                       string
	moment                        func(time.Time) string
}

// languages are those that mails are written in, the one for everybody else
// first.
var languages = []struct {
	tag   language.Tag
	words words
}{
	{language.English, words{
		subject:       "DataHub {inviter} has sent you an invitation",
		opening:       "{inviter} ({address}) invites you to DataHub.",
		instance:      "Instance",
		space:         "Space",
		role:          "Role",
		viewer:        "viewer",
		editor:        "editor",
		administrator: "administrator of the space",
		quoting:       "{inviter} writes:",
		button:        "Review invitation",
		fallback:      "If the button does not work, open this address:",
		closing: "The invitation is for {to} and can be accepted until {expiry}, with a DataHub account of this address. " +
			"If you do not know {inviter}, ignore this mail: nothing happens then.",
		moment: func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
	}},
	{language.German, words{
		subject:       "DataHub {inviter} hat Ihnen eine Einladung geschickt",
		opening:       "{inviter} ({address}) lädt Sie zu DataHub ein.",
		instance:      "Instanz",
		space:         "Space",
		role:          "Rolle",
		viewer:        "Lesezugriff",
		editor:        "Bearbeitung",
		administrator: "Administration des Space",
		quoting:       "{inviter} schreibt:",
		button:        "Einladung ansehen",
		fallback:      "Falls der Knopf nicht funktioniert, öffnen Sie diese Adresse:",
		closing: "Die Einladung gilt für {to} und kann bis zum {expiry} angenommen werden, mit einem DataHub-Konto dieser Adresse. " +
			"Wenn Sie {inviter} nicht kennen, ignorieren Sie diese E-Mail: Dann geschieht nichts.",
		moment: func(t time.Time) string {
			months := [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
			return fmt.Sprintf("%d. %s %d, %s UTC", t.Day(), months[t.Month()-1], t.Year(), t.Format("15:04"))
		},
	}},
	{language.French, words{
		subject:       "DataHub {inviter} vous a envoyé une invitation",
		opening:       "{inviter} ({address}) vous invite sur DataHub.",
		instance:      "Instance",
		space:         "Espace",
		role:          "Rôle",
		viewer:        "lecture",
		editor:        "édition",
		administrator: "administration de l’espace",
		quoting:       "{inviter} écrit :",
		button:        "Voir l’invitation",
		fallback:      "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
		closing: "L’invitation est destinée à {to} et peut être acceptée jusqu’au {expiry}, avec un compte DataHub de cette adresse. " +
			"Si vous ne connaissez pas {inviter}, ignorez ce message : il ne se passera rien.",
		moment: func(t time.Time) string {
			months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
			day := fmt.Sprint(t.Day())
			if t.Day() == 1 {
				day = "1er"
			}
			return fmt.Sprintf("%s %s %d à %s UTC", day, months[t.Month()-1], t.Year(), t.Format("15:04"))
		},
	}},
}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for k, l := range languages {
		tags[k] = l.tag
	}
	return language.NewMatcher(tags)
}()

// in gives the language nearest to a locale (BCP 47; "" is none).
func in(locale string) (tag language.Tag, w words) {
	_, k := language.MatchStrings(matcher, locale)
	return languages[k].tag, languages[k].words
}
