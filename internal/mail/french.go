package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// No sentence has "de" or "à" before a name, because they would have to agree with
// it ("d’Ada", "au Groupe 1").
var french = texts{
	tag:          language.French,
	instance:     "Instance",
	space:        "Espace",
	organization: "Organisation",
	role:         "Rôle",
	addresses:    "Adresses",
	colon:        " :",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:      "lecture",
		tenant.InstanceEditor:      "édition",
		tenant.SpaceAdministrator:  "administration de l’espace",
		tenant.OrganizationManager: "direction de l’organisation",
		tenant.OrganizationFaculty: "corps enseignant",
		tenant.OrganizationMember:  "membre de l’organisation",
	},
	more:     "et {count} de plus",
	quoting:  "{person} écrit :",
	manager:  "La direction de {organization}",
	fallback: "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
	invitation: sentences{
		subject: "DataHub {person} vous a envoyé une invitation",
		opening: "{person} ({address}) vous invite à rejoindre DataHub.",
		button:  "Voir l’invitation",
		closing: "L’invitation est destinée à {to}. Vous pouvez l’accepter jusqu’au {until}, avec un compte DataHub associé à cette adresse. " +
			"Si vous ne connaissez pas {person}, ignorez ce message ; il ne se passera rien.",
		notice: "{entered} DataHub ne l’utilise que pour cette invitation. " +
			"Si vous n’acceptez pas, l’invitation sera supprimée le {kept}, et la trace de votre invitation le {logged}.",
		refuse: "Ne plus jamais m’inviter",
	},
	entered:       "{person} a saisi votre adresse pour vous inviter.",
	enteredByLink: "Votre adresse a été saisie avec un lien de cours de {person}, par vous ou par quelqu’un d’autre.",
	requested:     "{person} ({address}) vous invite à rejoindre DataHub. {requester} ({requester address}) en a fait la demande.",
	notices: [...]sentences{
		RequestMade: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Répondre à la demande",
			closing: "{deadline} Vous recevez ce message parce que {because}. Toutes les autres personnes qui peuvent répondre à la demande le reçoivent aussi.",
		},
		RequestApproved: {
			subject: "DataHub {person} a approuvé votre demande",
			opening: "{person} ({address}) a approuvé {request}.",
			button:  "Voir la demande",
			closing: "{approved}",
		},
		RequestDeclined: {
			subject: "DataHub {person} a refusé votre demande",
			opening: "{person} ({address}) a refusé {request}.",
			button:  "Voir la demande",
			closing: "Pour en savoir plus, répondez à ce message. {person} recevra votre réponse.",
		},
		RequestExpired: {
			subject: "DataHub Votre demande est restée sans réponse",
			opening: "Personne n’a répondu à temps à {request}.",
			button:  "Voir la demande",
			closing: "{expired}",
		},
	},
	requests: [...]requestTexts{
		RoleRequest: {
			asks:     "vous demande un rôle",
			request:  "votre demande de rôle",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous administrez l’espace",
			approved: "Vous avez désormais ce rôle.",
			expired:  "Vous pouvez renouveler votre demande.",
		},
		InvitationsRequest: {
			asks:     "vous demande d’inviter des personnes",
			request:  "votre demande d’invitations",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous administrez l’espace",
			approved: "DataHub a invité {people} en son nom.",
			expired:  "Vous pouvez renouveler votre demande.",
		},
		RestoreRequest: {
			asks:     "vous demande de restaurer l’instance {instance}",
			request:  "votre demande de restauration de l’instance {instance}",
			deadline: "L’instance peut être restaurée jusqu’au {until}.",
			because:  "vous administrez l’espace ou travaillez dans l’instance",
			approved: "L’instance est de nouveau disponible.",
			expired:  "L’instance ne peut plus être restaurée, car le délai de 24 heures est écoulé.",
		},
		SpaceRestoreRequest: {
			asks:     "vous demande de restaurer l’espace {space}",
			request:  "votre demande de restauration de l’espace {space}",
			deadline: "L’espace peut être restauré jusqu’au {until}, avec tout son contenu.",
			because:  "vous administrez l’espace ou dirigez l’organisation",
			approved: "L’espace est de nouveau disponible, avec tout son contenu.",
			expired:  "L’espace ne peut plus être restauré, car le délai de 24 heures est écoulé.",
		},
		FacultyRequest: {
			asks:     "vous demande le rôle « corps enseignant » dans {organization}",
			request:  "votre demande du rôle « corps enseignant » dans {organization}",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous dirigez l’organisation",
			approved: "Vous pouvez désormais créer des espaces dans l’organisation.",
			expired:  "Vous pouvez renouveler votre demande.",
		},
		ManagerRequest: {
			asks:     "vous demande le rôle « direction » dans {organization}",
			request:  "votre demande du rôle « direction » dans {organization}",
			deadline: "Il est possible de répondre à la demande jusqu’au {until}.",
			because:  "vous dirigez l’organisation",
			approved: "Vous dirigez désormais l’organisation.",
			expired:  "Vous pouvez renouveler votre demande.",
		},
	},
	reminder: frenchReminder,
	people: func(n int) string {
		if n == 1 {
			return "une personne"
		}
		return fmt.Sprintf("%d personnes", n)
	},
	date:     frenchDate,
	dateTime: func(t time.Time) string { return frenchDate(t) + t.Format(" à 15:04 UTC") },
}

func frenchDate(t time.Time) string {
	months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	day := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		day = "1er"
	}
	return fmt.Sprintf("%s %s %d", day, months[t.Month()-1], t.Year())
}
