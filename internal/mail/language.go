package mail

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// words are the gateway's sentences in one language. What stands in braces is
// replaced, see Invitation and Notice: {person} is who invites, asks or has
// answered, whose {address} takes the replies.
type words struct {
	tag                              language.Tag
	instance, space, role, addresses string
	roles                            map[tenant.Role]string // that people are invited to or ask for
	more                             string                 // ends a list that is too long
	quoting, fallback                string

	invitation sentences
	requested  string       // the opening of an invitation at somebody's request
	notices    [4]sentences // by Occasion
	requests   [3]request   // by RequestKind

	people func(n int) string
	moment func(time.Time) string
}

// sentences are those that one mail differs from another by.
type sentences struct{ subject, opening, button, closing string }

// request is what sentences say of a kind of request, each in its braces.
type request struct {
	asks     string // what who asks does
	request  string // what she made
	deadline string // until when it can be answered
	because  string // why the recipient can answer it
	granted  string // what is so when it was approved
	missed   string // what is so when it was not answered
}

// about makes sentences speak of a kind of request.
func (s sentences) about(r request) sentences {
	put := strings.NewReplacer("{asks}", r.asks, "{request}", r.request, "{deadline}", r.deadline,
		"{because}", r.because, "{granted}", r.granted, "{missed}", r.missed).Replace
	return sentences{put(s.subject), put(s.opening), s.button, put(s.closing)}
}

// languages are those that mails are written in, the one for everybody else
// first.
var languages = []words{english, german, french}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, w := range languages {
		tags[i] = w.tag
	}
	return language.NewMatcher(tags)
}()

// in gives the language nearest to a locale (BCP 47, or several as in
// Accept-Language; "" is none).
func in(locale string) words {
	_, i := language.MatchStrings(matcher, locale)
	return languages[i]
}

// place are the facts that say where something is. There is no instance where
// it is the space itself.
func (w words) place(instance, space, organization string) (facts []fact) {
	if instance != "" {
		facts = append(facts, fact{w.instance, unlinked(instance)})
	}
	return append(facts, fact{w.space, unlinked(space) + ", " + unlinked(organization)})
}

// roleFact is the fact that says which role it is.
func (w words) roleFact(r tenant.Role) (fact, error) {
	called, known := w.roles[r]
	if !known {
		return fact{}, fmt.Errorf("the mails in language %v have no word for the role %v", w.tag, r)
	}
	return fact{w.role, called}, nil
}

// list names the first ten of many addresses, and says how many more there are.
func (w words) list(emails []string) string {
	named := emails[:min(len(emails), 10)]
	list := unlinked(oneLine(strings.Join(named, ", ")))
	if more := len(emails) - len(named); more > 0 {
		list += " " + strings.ReplaceAll(w.more, "{count}", strconv.Itoa(more))
	}
	return list
}
