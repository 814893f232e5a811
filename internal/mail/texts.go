package mail

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// texts are the texts of mails in one language. Compose replaces the placeholders in
// braces:
//
//	{person} {address}               who invites, makes a request or has answered it
//	{requester} {requester address}  at whose request a person is invited
//	{to}                             the recipient's address
//	{until}                          the end of an invitation or of a request
//	{kept} {logged}                  until when an invitation is kept, and the record of it
//	{instance} {space} {organization}  their names
//	{people}                         how many people were invited
//	{count}                          how many addresses are left out
//
// Names of requestTexts' fields in braces are replaced by these texts.
type texts struct {
	tag language.Tag

	// Labels of facts.
	instance, space, organization, role, addresses string
	// colon follows a label.
	colon string
	// roles are the names of the roles that people are invited to or ask for.
	roles map[tenant.Role]string
	// more ends a list of addresses that is cut off.
	more string
	// quoting introduces what a person wrote.
	quoting string
	// fallback introduces the link for readers whose button does not work.
	fallback string

	// manager is a person of whom nobody may know more. It begins a sentence.
	manager string

	invitation sentences
	// requested is the opening of an invitation at somebody's request.
	requested string
	notices   [4]sentences // by RequestEvent
	// entered says in the notice of an invitation who entered the address.
	entered, enteredByLink string
	requests               [6]requestTexts // by RequestKind

	reminder reminderTexts

	people   func(n int) string
	date     func(time.Time) string
	dateTime func(time.Time) string
}

// sentences are what distinguishes the mails of one language.
type sentences struct {
	subject, opening, button, closing string
	notice, refuse                    string // see letter; "" where there is none
}

// requestTexts are what notices say about one kind of request.
type requestTexts struct {
	asks     string // the predicate of "{person} asks …"
	request  string // "your request …"
	deadline string // how long it can be answered
	because  string // why the recipient can answer it
	approved string // what the approval changed
	expired  string // what the requester can do
}

// about puts the texts about a kind of request into sentences.
func (s sentences) about(r requestTexts) sentences {
	fill := strings.NewReplacer("{asks}", r.asks, "{request}", r.request, "{deadline}", r.deadline,
		"{because}", r.because, "{approved}", r.approved, "{expired}", r.expired).Replace
	return sentences{subject: fill(s.subject), opening: fill(s.opening), button: s.button, closing: fill(s.closing)}
}

// languages are the languages of mails. The first is for recipients who understand
// none of them.
var languages = []texts{english, german, french}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, t := range languages {
		tags[i] = t.tag
	}
	return language.NewMatcher(tags)
}()

// textsFor returns the texts in the language that fits a locale best. The locale is
// BCP 47 or several as in Accept-Language; it may be empty or malformed.
func textsFor(locale string) texts {
	_, i := language.MatchStrings(matcher, locale)
	return languages[i]
}

// placeFacts say where something is. The instance is empty for the space itself, and
// both are for the organization itself.
func (t texts) placeFacts(instance, space, organization string) (facts []fact) {
	if space == "" {
		return []fact{{Label: t.organization, Values: []string{organization}}}
	}
	if instance != "" {
		facts = append(facts, fact{Label: t.instance, Values: []string{instance}})
	}
	return append(facts, fact{Label: t.space, Values: []string{space, organization}})
}

// roleFact names a role. It fails for a role that nobody can be invited to.
func (t texts) roleFact(r tenant.Role) (fact, error) {
	name, known := t.roles[r]
	if !known {
		return fact{}, fmt.Errorf("the mails in language %v have no word for the role %v", t.tag, r)
	}
	return fact{Label: t.role, Values: []string{name}}, nil
}

// maxListed is how many addresses a mail lists.
const maxListed = 10

// addressesFact lists the first addresses, and says how many more there are.
func (t texts) addressesFact(emails []string) fact {
	f := fact{Label: t.addresses}
	for _, email := range emails[:min(len(emails), maxListed)] {
		f.Values = append(f.Values, oneLine(email))
	}
	if more := len(emails) - len(f.Values); more > 0 {
		f.More = strings.ReplaceAll(t.more, "{count}", strconv.Itoa(more))
	}
	return f
}
