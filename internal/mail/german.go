package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var german = words{
	tag:       language.German,
	instance:  "Instanz",
	space:     "Space",
	role:      "Rolle",
	addresses: "Adressen",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:     "Lesezugriff",
		tenant.InstanceEditor:     "Bearbeitung",
		tenant.SpaceAdministrator: "Administration des Space",
	},
	more:     "und {count} weitere",
	quoting:  "{person} schreibt:",
	fallback: "Falls der Knopf nicht funktioniert, öffnen Sie diese Adresse:",
	invitation: sentences{
		subject: "DataHub {person} hat Ihnen eine Einladung geschickt",
		opening: "{person} ({address}) lädt Sie zu DataHub ein.",
		button:  "Einladung ansehen",
		closing: "Die Einladung gilt für {to} und kann bis zum {until} angenommen werden, mit einem DataHub-Konto dieser Adresse. " +
			"Wenn Sie {person} nicht kennen, ignorieren Sie diese E-Mail: Dann geschieht nichts.",
	},
	requested: "{person} ({address}) lädt Sie zu DataHub ein, auf Bitte von {requester} ({requester address}).",
	notices: [...]sentences{
		Asked: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Auf die Bitte antworten",
			closing: "{deadline} Wer sonst noch auf die Bitte antworten kann, wurde ebenfalls gefragt. Sie erhalten diese E-Mail, weil {because}.",
		},
		Approved: {
			subject: "DataHub {person} hat Ihre Bitte erfüllt",
			opening: "{person} ({address}) hat {request} erfüllt.",
			button:  "Die Bitte ansehen",
			closing: "{granted}",
		},
		Declined: {
			subject: "DataHub {person} hat Ihre Bitte abgelehnt",
			opening: "{person} ({address}) hat {request} abgelehnt.",
			button:  "Die Bitte ansehen",
			closing: "Wenn Sie mehr wissen möchten, antworten Sie auf diese E-Mail: Die Antwort geht an {person}.",
		},
		Ended: {
			subject: "DataHub Ihre Bitte blieb unbeantwortet",
			opening: "Auf {request} hat rechtzeitig niemand geantwortet.",
			button:  "Die Bitte ansehen",
			closing: "{missed}",
		},
	},
	requests: [...]request{
		AskRole: {
			asks:     "bittet Sie um eine Rolle",
			request:  "Ihre Bitte um eine Rolle",
			deadline: "Auf die Bitte kann bis zum {until} geantwortet werden.",
			because:  "Sie den Space administrieren",
			granted:  "Sie haben diese Rolle ab sofort.",
			missed:   "Sie können erneut fragen.",
		},
		AskInvitations: {
			asks:     "bittet Sie, Personen einzuladen",
			request:  "Ihre Bitte um Einladungen",
			deadline: "Auf die Bitte kann bis zum {until} geantwortet werden.",
			because:  "Sie den Space administrieren",
			granted:  "DataHub hat im Namen von {person} {people} eingeladen.",
			missed:   "Sie können erneut fragen.",
		},
		AskRestore: {
			asks:     "bittet Sie, {instance} wiederherzustellen",
			request:  "Ihre Bitte um die Wiederherstellung von {instance}",
			deadline: "Die Instanz kann bis zum {until} wiederhergestellt werden, danach nicht mehr.",
			because:  "Sie den Space administrieren oder die Instanz bearbeiten",
			granted:  "Die Instanz ist wieder da.",
			missed:   "Die 24 Stunden, in denen die Instanz wiederhergestellt werden konnte, sind vorbei.",
		},
	},
	people: func(n int) string {
		if n == 1 {
			return "eine Person"
		}
		return fmt.Sprintf("%d Personen", n)
	},
	moment: func(t time.Time) string {
		months := [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
		return fmt.Sprintf("%d. %s %d, %s UTC", t.Day(), months[t.Month()-1], t.Year(), t.Format("15:04"))
	},
}
