package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var french = words{
	tag:       language.French,
	instance:  "Instance",
	space:     "Espace",
	role:      "Rôle",
	addresses: "Adresses",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:     "lecture",
		tenant.InstanceEditor:     "édition",
		tenant.SpaceAdministrator: "administration de l’espace",
	},
	more:     "et {count} de plus",
	quoting:  "{person} écrit :",
	fallback: "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
	invitation: sentences{
		subject: "DataHub {person} vous a envoyé une invitation",
		opening: "{person} ({address}) vous invite sur DataHub.",
		button:  "Voir l’invitation",
		closing: "L’invitation est destinée à {to} et peut être acceptée jusqu’au {until}, avec un compte DataHub de cette adresse. " +
			"Si vous ne connaissez pas {person}, ignorez ce message : il ne se passera rien.",
	},
	requested: "{person} ({address}) vous invite sur DataHub, à la demande de {requester} ({requester address}).",
	notices: [...]sentences{
		Asked: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Répondre à la demande",
			closing: "{deadline} Toute autre personne pouvant répondre à la demande l’a également reçue. Vous recevez ce message parce que {because}.",
		},
		Approved: {
			subject: "DataHub {person} a accepté votre demande",
			opening: "{person} ({address}) a accepté {request}.",
			button:  "Voir la demande",
			closing: "{granted}",
		},
		Declined: {
			subject: "DataHub {person} a refusé votre demande",
			opening: "{person} ({address}) a refusé {request}.",
			button:  "Voir la demande",
			closing: "Pour en savoir plus, répondez à ce message : la réponse parviendra à {person}.",
		},
		Ended: {
			subject: "DataHub Votre demande est restée sans réponse",
			opening: "Personne n’a répondu à temps à {request}.",
			button:  "Voir la demande",
			closing: "{missed}",
		},
	},
	requests: [...]request{
		AskRole: {
			asks:     "vous demande un rôle",
			request:  "votre demande de rôle",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous administrez l’espace",
			granted:  "Vous avez ce rôle dès maintenant.",
			missed:   "Vous pouvez renouveler votre demande.",
		},
		AskInvitations: {
			asks:     "vous demande d’inviter des personnes",
			request:  "votre demande d’invitations",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous administrez l’espace",
			granted:  "DataHub a invité {people} au nom de {person}.",
			missed:   "Vous pouvez renouveler votre demande.",
		},
		AskRestore: {
			asks:     "vous demande de restaurer {instance}",
			request:  "votre demande de restauration de {instance}",
			deadline: "L’instance peut être restaurée jusqu’au {until}, et pas plus tard.",
			because:  "vous administrez l’espace ou éditez l’instance",
			granted:  "L’instance est de nouveau là.",
			missed:   "Les 24 heures pendant lesquelles l’instance pouvait être restaurée sont écoulées.",
		},
	},
	people: func(n int) string {
		if n == 1 {
			return "une personne"
		}
		return fmt.Sprintf("%d personnes", n)
	},
	moment: func(t time.Time) string {
		months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
		day := fmt.Sprint(t.Day())
		if t.Day() == 1 {
			day = "1er"
		}
		return fmt.Sprintf("%s %s %d à %s UTC", day, months[t.Month()-1], t.Year(), t.Format("15:04"))
	},
}
