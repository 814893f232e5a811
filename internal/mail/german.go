package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var german = texts{
	tag:          language.German,
	instance:     "Instanz",
	space:        "Space",
	organization: "Organisation",
	role:         "Rolle",
	addresses:    "Adressen",
	colon:        ":",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:      "Lesezugriff",
		tenant.InstanceEditor:      "Bearbeitung",
		tenant.SpaceAdministrator:  "Administration des Space",
		tenant.OrganizationManager: "Leitung der Organisation",
		tenant.OrganizationFaculty: "Lehre und Forschung",
		tenant.OrganizationMember:  "Mitglied der Organisation",
	},
	more:     "und {count} weitere",
	quoting:  "{person} schreibt:",
	manager:  "Die Leitung von {organization}",
	fallback: "Falls die Schaltfläche nicht funktioniert, öffnen Sie diese Adresse:",
	invitation: sentences{
		subject: "DataHub {person} hat Ihnen eine Einladung geschickt",
		opening: "{person} ({address}) lädt Sie zu DataHub ein.",
		button:  "Einladung ansehen",
		closing: "Die Einladung gilt für {to}. Sie können sie bis zum {until} annehmen, mit einem DataHub-Konto zu dieser Adresse. " +
			"Wenn Sie {person} nicht kennen, ignorieren Sie diese E-Mail; es geschieht dann nichts.",
		notice: "{entered} DataHub verwendet sie nur für diese Einladung. " +
			"Wenn Sie nicht annehmen, wird die Einladung am {kept} gelöscht, und der Eintrag, dass Sie eingeladen wurden, am {logged}.",
		refuse: "Mich nie wieder einladen",
	},
	entered:       "{person} hat Ihre Adresse eingegeben, um Sie einzuladen.",
	enteredByLink: "Ihre Adresse wurde bei einem Kurslink von {person} eingegeben, von Ihnen oder von jemand anderem.",
	requested:     "{person} ({address}) lädt Sie auf Bitte von {requester} ({requester address}) zu DataHub ein.",
	notices: [...]sentences{
		RequestMade: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Anfrage beantworten",
			closing: "{deadline} Sie erhalten diese E-Mail, weil {because}. Alle anderen, die die Anfrage beantworten können, erhalten sie ebenfalls.",
		},
		RequestApproved: {
			subject: "DataHub {person} hat Ihre Anfrage genehmigt",
			opening: "{person} ({address}) hat {request} genehmigt.",
			button:  "Anfrage ansehen",
			closing: "{approved}",
		},
		RequestDeclined: {
			subject: "DataHub {person} hat Ihre Anfrage abgelehnt",
			opening: "{person} ({address}) hat {request} abgelehnt.",
			button:  "Anfrage ansehen",
			closing: "Wenn Sie mehr wissen möchten, antworten Sie auf diese E-Mail. Die Antwort geht an {person}.",
		},
		RequestExpired: {
			subject: "DataHub Ihre Anfrage wurde nicht beantwortet",
			opening: "Niemand hat {request} rechtzeitig beantwortet.",
			button:  "Anfrage ansehen",
			closing: "{expired}",
		},
	},
	requests: [...]requestTexts{
		RoleRequest: {
			asks:     "bittet Sie um eine Rolle",
			request:  "Ihre Anfrage nach einer Rolle",
			deadline: "Die Anfrage kann bis zum {until} beantwortet werden.",
			because:  "Sie den Space administrieren",
			approved: "Sie haben diese Rolle ab sofort.",
			expired:  "Sie können erneut anfragen.",
		},
		InvitationsRequest: {
			asks:     "bittet Sie, Personen einzuladen",
			request:  "Ihre Anfrage nach Einladungen",
			deadline: "Die Anfrage kann bis zum {until} beantwortet werden.",
			because:  "Sie den Space administrieren",
			approved: "DataHub hat im Namen von {person} {people} eingeladen.",
			expired:  "Sie können erneut anfragen.",
		},
		RestoreRequest: {
			asks:     "bittet Sie, {instance} wiederherzustellen",
			request:  "Ihre Anfrage nach der Wiederherstellung von {instance}",
			deadline: "Die Instanz kann bis zum {until} wiederhergestellt werden.",
			because:  "Sie den Space administrieren oder die Instanz bearbeiten",
			approved: "Die Instanz ist wieder verfügbar.",
			expired:  "Die Instanz kann nicht mehr wiederhergestellt werden, weil die 24 Stunden dafür vorbei sind.",
		},
		SpaceRestoreRequest: {
			asks:     "bittet Sie, den Space {space} wiederherzustellen",
			request:  "Ihre Anfrage nach der Wiederherstellung des Space {space}",
			deadline: "Der Space kann bis zum {until} wiederhergestellt werden, mit allem, was darin ist.",
			because:  "Sie den Space administrieren oder die Organisation leiten",
			approved: "Der Space ist wieder verfügbar, mit allem, was darin ist.",
			expired:  "Der Space kann nicht mehr wiederhergestellt werden, weil die 24 Stunden dafür vorbei sind.",
		},
		FacultyRequest: {
			asks:     "bittet Sie um die Rolle „Lehre und Forschung“ in {organization}",
			request:  "Ihre Anfrage nach der Rolle „Lehre und Forschung“ in {organization}",
			deadline: "Die Anfrage kann bis zum {until} beantwortet werden.",
			because:  "Sie die Organisation leiten",
			approved: "Sie können in der Organisation ab sofort Spaces anlegen.",
			expired:  "Sie können erneut anfragen.",
		},
		ManagerRequest: {
			asks:     "bittet Sie um die Rolle „Leitung“ in {organization}",
			request:  "Ihre Anfrage nach der Rolle „Leitung“ in {organization}",
			deadline: "Die Anfrage kann bis zum {until} beantwortet werden.",
			because:  "Sie die Organisation leiten",
			approved: "Sie leiten die Organisation ab sofort.",
			expired:  "Sie können erneut anfragen.",
		},
	},
	reminder: germanReminder,
	people: func(n int) string {
		if n == 1 {
			return "eine Person"
		}
		return fmt.Sprintf("%d Personen", n)
	},
	date:     germanDate,
	dateTime: func(t time.Time) string { return germanDate(t) + t.Format(", 15:04 UTC") },
}

func germanDate(t time.Time) string {
	months := [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	return fmt.Sprintf("%d. %s %d", t.Day(), months[t.Month()-1], t.Year())
}
