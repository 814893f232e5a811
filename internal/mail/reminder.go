package mail

import (
	"strconv"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Reminder is what a mail about memberships that are about to end says.
type Reminder struct {
	ID            string // see Message
	To            address.Address
	Locale        string // of the recipient: see RequestNotice
	Others        bool   // whether it tells an administrator of the space about others; else a member about their own
	Organization  string
	Space         string
	Instances     []string    // the first ones
	MoreInstances int         // how many there are beside those
	Role          tenant.Role // of a member in one instance; else it says nothing
	People        []string    // Others: the names of the first ones
	PeopleCount   int         // Others: how many there are
	Until         time.Time   // the first end
	Helper        Mailbox     // to a member: an administrator to whom replies go; zero where there is none
	Link          string      // where the instance is seen, or all
}

// reminderTexts are the texts of reminders. {people} is how many people it is about.
type reminderTexts struct {
	own     sentences // to a member of one instance
	several string    // the opening, to a member of several
	nobody  string    // the closing, where nobody can be asked by a reply
	others  sentences // to an administrator
	people  string    // the label of names
}

// Compose writes the mail. It fails for a role that nobody can be invited to.
func (r Reminder) Compose() (Message, error) {
	for _, name := range []*string{&r.Organization, &r.Space, &r.Helper.Name} {
		*name = oneLine(*name)
	}
	t := textsFor(r.Locale)
	one := len(r.Instances) == 1 && r.MoreInstances == 0
	place := r.Space
	if one {
		place = oneLine(r.Instances[0])
	}
	s := t.reminder.own
	switch {
	case r.Others:
		s, r.Helper = t.reminder.others, Mailbox{}
	case !one:
		s.opening = t.reminder.several
	}
	if !r.Others && r.Helper.Email == "" {
		s.closing = t.reminder.nobody
	}
	l := t.newLetter(s, []string{"{place}", place, "{space}", r.Space, "{person}", r.Helper.Name}, nil,
		[]string{"{until}", t.dateTime(r.Until.UTC()), "{people}", t.people(r.PeopleCount)})
	l.Facts = append([]fact{t.names(t.instance, r.Instances, r.MoreInstances)}, t.placeFacts("", r.Space, r.Organization)...)
	if r.Others {
		l.Facts = append(l.Facts, t.names(t.reminder.people, r.People, r.PeopleCount-len(r.People)))
	} else if one {
		role, err := t.roleFact(r.Role)
		if err != nil {
			return Message{}, err
		}
		l.Facts = append(l.Facts, role)
	}
	l.Link = r.Link
	return l.message(r.ID, r.To, r.Helper)
}

// names lists names that people have chosen, and says how many more there are.
func (t texts) names(label string, names []string, more int) fact {
	f := fact{Label: label}
	for _, name := range names {
		f.Values = append(f.Values, oneLine(name))
	}
	if more > 0 {
		f.More = strings.ReplaceAll(t.more, "{count}", strconv.Itoa(more))
	}
	return f
}

var englishReminder = reminderTexts{
	own: sentences{
		subject: "DataHub Your membership of {place} ends soon",
		opening: "Your membership of {place} ends on {until}.",
		button:  "Open DataHub",
		closing: "From then on you no longer have this access. If you need it for longer, reply to this mail. The reply goes to {person}, who can prolong it.",
	},
	several: "Your memberships of instances in the space {space} end soon, the first on {until}.",
	nobody:  "From then on you no longer have this access. If you need it for longer, ask an administrator of the space.",
	others: sentences{
		subject: "DataHub Memberships in {place} end soon",
		opening: "In the space {space}, memberships of instances end soon, the first on {until}. This concerns {people}.",
		button:  "See the members",
		closing: "Set a later end, in the list of members, for people who are to stay longer. The others lose their access without your doing anything; you can bring them back afterwards. " +
			"You receive this mail because you are an administrator of the space. The members have been reminded, too.",
	},
	people: "People",
}

var germanReminder = reminderTexts{
	own: sentences{
		subject: "DataHub Ihre Mitgliedschaft in {place} endet bald",
		opening: "Ihre Mitgliedschaft in {place} endet am {until}.",
		button:  "DataHub öffnen",
		closing: "Danach haben Sie diesen Zugang nicht mehr. Wenn Sie ihn länger brauchen, antworten Sie auf diese E-Mail. Die Antwort geht an {person}, und von dort kann die Mitgliedschaft verlängert werden.",
	},
	several: "Ihre Mitgliedschaften in Instanzen des Space {space} enden bald, die erste am {until}.",
	nobody:  "Danach haben Sie diesen Zugang nicht mehr. Wenn Sie ihn länger brauchen, wenden Sie sich an die Administration des Space.",
	others: sentences{
		subject: "DataHub Mitgliedschaften in {place} enden bald",
		opening: "Im Space {space} enden bald Mitgliedschaften in Instanzen, die erste am {until}. Das betrifft {people}.",
		button:  "Mitglieder ansehen",
		closing: "Wer länger bleiben soll, braucht ein späteres Ende, das Sie in der Liste der Mitglieder festlegen. Die anderen verlieren ihren Zugang, ohne dass Sie etwas tun; Sie können sie danach zurückholen. " +
			"Sie erhalten diese E-Mail, weil Sie den Space administrieren. Die Mitglieder wurden ebenfalls erinnert.",
	},
	people: "Personen",
}

var frenchReminder = reminderTexts{
	own: sentences{
		subject: "DataHub Votre participation à {place} prend bientôt fin",
		opening: "Votre participation à {place} prend fin le {until}.",
		button:  "Ouvrir DataHub",
		closing: "Vous n’aurez alors plus cet accès. Si vous en avez besoin plus longtemps, répondez à ce message. {person} recevra votre réponse et pourra prolonger votre accès.",
	},
	several: "Votre participation à des instances de l’espace {space} prend bientôt fin, pour la première le {until}.",
	nobody:  "Vous n’aurez alors plus cet accès. Si vous en avez besoin plus longtemps, adressez-vous à l’administration de l’espace.",
	others: sentences{
		subject: "DataHub Des participations à {place} prennent bientôt fin",
		opening: "Dans l’espace {space}, des participations à des instances prennent bientôt fin, la première le {until}. Cela concerne {people}.",
		button:  "Voir les membres",
		closing: "Qui doit rester plus longtemps a besoin d’une fin plus tardive, que vous fixez dans la liste des membres. Les autres perdent leur accès sans que vous fassiez rien ; vous pourrez les faire revenir ensuite. " +
			"Vous recevez ce message parce que vous administrez l’espace. Les membres ont aussi reçu un rappel.",
	},
	people: "Personnes",
}
