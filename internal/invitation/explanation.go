package invitation

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// explanation is what happened to a mail, and who has to do what about it.
type explanation struct{ happened, todo string }

// Whose job it is to act, and what they can do.
const (
	todoCheckAddress = "Ask the recipient for the right address, and invite that one."
	todoAskRecipient = "Only the recipient can change this: reach them in another way, or ask them for another address."
	todoOtherAddress = "If it lasts, ask the recipient for another address, or their mail administrators."
	todoAskOperator  = "This is not the address's fault. The operator of DataHub has to correct it: send DataHub's support what the mail server said."
	todoCheckLater   = "If it lasts, ask the recipient whether the address is right."
	todoWaitOrAsk    = "If it lasts, reach the recipient in another way, or ask them for another address."
	todoIfItLasts    = "If it lasts, the operator of DataHub has to look into it: send DataHub's support what the mail server said."
	todoTellSupport  = "If it lasts, the operator of DataHub has to look into it: tell DataHub's support."
	todoOtherMessage = "Invite the recipient again with another message, or without one. If that is refused, too, send DataHub's support what the mail server said: the operator of DataHub has to look into it."
)

// explanations explains the enhanced status codes (RFC 3463 section 3, and IANA's
// registry of them) by subject and detail, or by subject alone. 5.1.7 and 5.1.8 are
// about the sender, though their subject is addresses.
var explanations = map[string]explanation{
	"1":    {"The mail server does not accept this address.", todoCheckAddress},
	"1.0":  {"The mail server does not accept this address.", todoCheckAddress},
	"1.1":  {"The mail server does not know this address: nobody has this name there.", todoCheckAddress},
	"1.2":  {"The mail server cannot find the domain of this address.", todoCheckAddress},
	"1.3":  {"The mail server does not understand this address.", todoCheckAddress},
	"1.4":  {"This address stands for several mailboxes.", todoCheckAddress},
	"1.6":  {"The recipient has moved to another address.", todoCheckAddress},
	"1.7":  {"The mail server does not accept DataHub's own address as the sender.", todoAskOperator},
	"1.8":  {"The mail server does not accept the domain of DataHub's own address as the sender.", todoAskOperator},
	"1.9":  {"A server on the way cannot deliver mail of this kind.", todoOtherAddress},
	"1.10": {"The domain of this address accepts no mail at all.", todoCheckAddress},

	"2":   {"The recipient's mailbox does not accept the mail.", todoAskRecipient},
	"2.1": {"The recipient's mailbox is closed.", todoAskRecipient},
	"2.2": {"The recipient's mailbox is full.", todoAskRecipient},
	"2.3": {"The recipient's mailbox does not accept a mail of this size.", todoAskRecipient},
	"2.4": {"This address is a list, and the mail server cannot deliver to its members.", todoCheckAddress},

	"3":   {"The mail server does not work as it should.", todoIfItLasts},
	"3.1": {"The mail server's disk is full.", todoOtherAddress},
	"3.2": {"The mail server accepts no mail at the moment.", todoOtherAddress},
	"3.3": {"The mail server lacks something that this mail needs.", todoAskOperator},
	"3.4": {"The mail is too large for the mail server.", todoOtherMessage},
	"3.5": {"The mail server is set up wrongly.", todoIfItLasts},

	"4":   {"The mail did not get through the network.", todoOtherAddress},
	"4.1": {"The recipient's mail server does not answer.", todoOtherAddress},
	"4.2": {"The connection to the recipient's mail server was lost.", todoOtherAddress},
	"4.4": {"The mail server knows no way to the domain of this address.", todoCheckAddress},
	"4.6": {"The recipient's mail servers send the mail round in a circle.", todoOtherAddress},
	"4.7": {"The mail was on its way for too long.", todoOtherAddress},

	"5": {"DataHub and the mail server do not understand each other.", todoAskOperator},

	"6":   {"The mail server does not accept what the mail contains.", todoOtherMessage},
	"6.7": {"A server on the way cannot deliver to an address with letters beyond ASCII.", "Ask the recipient for an address of plain letters, and invite that one."},

	"7":    {"The mail server refuses mail from this sender.", todoAskOperator},
	"7.1":  {"The mail server does not let this sender send mail to this address.", todoAskOperator},
	"7.8":  {"The mail server does not accept DataHub's user or password.", todoAskOperator},
	"7.9":  {"The mail server does not accept the way in which DataHub signs in.", todoAskOperator},
	"7.10": {"The mail server demands an encrypted connection.", todoAskOperator},
	"7.11": {"The mail server demands an encrypted connection.", todoAskOperator},
	"7.17": {"The recipient's address belongs to somebody else now.", todoCheckAddress},
	"7.18": {"The domain of this address belongs to somebody else now.", todoCheckAddress},
	"7.20": {"The mail server misses a valid signature (DKIM) of the sender.", todoAskOperator},
	"7.21": {"The mail server does not accept the signature (DKIM) of the sender.", todoAskOperator},
	"7.22": {"The mail server misses a signature (DKIM) of the sender's domain.", todoAskOperator},
	"7.23": {"The sender's domain does not name DataHub's mail server (SPF).", todoAskOperator},
	"7.24": {"The mail server cannot check the sender's domain (SPF).", todoAskOperator},
	"7.25": {"DataHub's mail server has no name in reverse DNS.", todoAskOperator},
	"7.26": {"The mail server cannot tell that the mail is from DataHub (SPF, DKIM, DMARC).", todoAskOperator},
	"7.27": {"The sender's domain says that it sends no mail.", todoAskOperator},
	"7.28": {"The mail server takes the mails for a flood.", todoAskOperator},

	codeRelay: {"The mail server does not pass on mail to other domains for DataHub.", todoAskOperator},
	codeHello: {"The mail server does not accept the name by which DataHub introduces itself.", todoAskOperator},
}

// delays explains the codes that mean something else when they are temporary.
var delays = map[string]explanation{
	"1":           {"The mail server does not accept this address at the moment.", todoCheckLater},
	"1.0":         {"The mail server does not accept this address at the moment.", todoCheckLater},
	"1.1":         {"The mail server does not know this address at the moment.", todoCheckLater},
	"1.2":         {"The mail server cannot find the domain of this address at the moment.", todoCheckLater},
	"2":           {"The recipient's mailbox does not accept the mail at the moment.", todoWaitOrAsk},
	"2.1":         {"The recipient's mailbox accepts no mail at the moment.", todoWaitOrAsk},
	"7":           {"The mail server makes this sender wait.", todoIfItLasts},
	"7.1":         {"The mail server makes this sender wait.", todoIfItLasts},
	codeRelay:     {"The mail server does not pass on mail to other domains for DataHub at the moment.", todoAskOperator},
	codeNoTLS:     {"The mail server cannot encrypt the connection at the moment.", todoIfItLasts},
	codeNewSender: {"The mail server accepts mail from a new sender only on a later attempt.", todoIfItLasts},
}

// Explanations that have no enhanced code of their own. Their subject is security.
const (
	codeRelay     = "7.relay"
	codeHello     = "7.hello"
	codeNoTLS     = "7.tls"
	codeNewSender = "7.new"
)

// codes explains replies without an enhanced code (RFC 5321 section 4.2.3, RFC 4954
// section 6, RFC 7504).
var codes = map[string]string{
	"421": "3.2", "432": "7.8", "451": "3", "452": "3.1", "454": "7.8", "455": "5",
	"500": "5", "501": "5", "502": "5", "503": "5", "504": "5", "521": "1.10", "530": "7.8", "534": "7.9", "535": "7.8", "538": "7.10",
	"551": "1.6", "552": "2.2", "555": "5", "556": "1.10",
}

// words explains the texts of replies whose codes say too little. The first that fits
// counts: servers name an address also where they refuse the sender.
var words = []struct {
	pattern *regexp.Regexp
	code    string
}{
	{regexp.MustCompile(`(?i)\b(?:dmarc|dkim)\b|unauthenticated`), "7.26"},
	{regexp.MustCompile(`(?i)\bspf\b|sender policy framework`), "7.23"},
	{regexp.MustCompile(`(?i)reverse (?:dns|host)|\brdns\b|\bptr\b|fcrdns|cannot find your (?:reverse )?host`), "7.25"},
	{regexp.MustCompile(`(?i)\b(?:helo|ehlo)\b`), codeHello},
	{regexp.MustCompile(`(?i)\brelay|rcpthosts`), codeRelay},
	{regexp.MustCompile(`(?i)auth(?:entication|orization)? (?:is )?(?:required|failed|needed)|not authenticated|credentials|password`), "7.8"},
	{regexp.MustCompile(`(?i)\btls\b.*(?:not|un)[ -]?available`), codeNoTLS},
	{regexp.MustCompile(`(?i)starttls|\btls\b|encrypt`), "7.10"},
	{regexp.MustCompile(`(?i)smtputf8|non-?ascii|internationali[sz]ed`), "6.7"},
	{regexp.MustCompile(`(?i)mailbox name not allowed|unrout(?:e)?able|undeliverable address`), "1"},
	{regexp.MustCompile(`(?i)too many hops|hop count`), "4.6"},
	{greylist, codeNewSender},
	{regexp.MustCompile(`(?i)spam|black ?list|block ?list|deny ?list|blocked|\brbl\b|dnsbl|reputation|policy|banned|prohibited|denied|not (?:permitted|allowed|authori[sz]ed)|unauthori[sz]ed|client host|no smtp service|\bsender\b`), "7"},
	{regexp.MustCompile(`(?i)rate limit|too many|too fast|throttl|try again|later`), "7"},
	{regexp.MustCompile(`(?i)virus|malware|content|attachment`), "6"},
	{regexp.MustCompile(`(?i)too (?:large|big|long)|(?:message|mail|size) ?(?:size|limit) (?:exceed|limit)|size exceeds`), "3.4"},
	{regexp.MustCompile(`(?i)insufficient (?:system )?storage|disk (?:is )?full`), "3.1"},
	{regexp.MustCompile(`(?i)quota|mailbox (?:is )?full|storage (?:limit|allocation)`), "2.2"},
	{regexp.MustCompile(`(?i)disabled|inactive|suspended|closed`), "2.1"},
	{regexp.MustCompile(`(?i)(?:domain|host) (?:name )?(?:unknown|not found|does ?n[o']t exist)|unknown (?:domain|host)`), "1.2"},
	{regexp.MustCompile(`(?i)no such|unknown|does ?n[o']t exist|not exist|not ?found|invalid (?:recipient|mailbox|address)|no mailbox|user not|not local`), "1.1"},
}

// greylist finds the replies of servers that refuse the first mail from a new sender.
// They use many temporary codes, of all subjects.
var greylist = regexp.MustCompile(`(?i)gr[ae]y ?-?list`)

// misused finds replies whose enhanced codes mean something else than what servers use
// them for: Exchange says so of unknown recipients, and others refuse the sender by the
// code of the recipient.
var misused = []struct {
	codes   []string // the enhanced codes without their class
	pattern *regexp.Regexp
	code    string
}{
	{[]string{"4.1"}, regexp.MustCompile(`(?i)recipient address rejected`), "1.1"},
	{[]string{"1.10"}, regexp.MustCompile(`(?i)recipient ?not ?found`), "1.1"},
	{[]string{"1.0"}, regexp.MustCompile(`(?i)^[^<]*\bsender\b`), "1.8"},
}

var (
	basicCode = regexp.MustCompile(`^([245]\d\d)(?:[ -]|$)`)
	// enhancedCode matches the beginning of a reply: the code (RFC 5321 section 4.2) and
	// the enhanced code (RFC 3463 section 2).
	enhancedCode = regexp.MustCompile(`^[245]\d\d[ -]([245])\.(\d{1,3})\.(\d{1,3})(?: |$)`)
	// trailingCode matches the enhanced code at the end of a reply of qmail.
	trailingCode = regexp.MustCompile(`^[245]\d\d[ -].*\(#([245])\.(\d{1,3})\.(\d{1,3})\)\W*$`)
)

// notUnderstood is for what is no reply, or one of a class that has no meaning here.
var notUnderstood = explanation{"The mail server answered with something that is no refusal and no acceptance.", todoAskOperator}

// unexplained is for replies that say nothing, by their first digit.
var unexplained = map[byte]explanation{
	'4': {"The mail server does not accept the mail at the moment.", todoIfItLasts},
	'5': {"The mail server refuses the mail.", "Check the address with the recipient. If it is right, send DataHub's support what the mail server said: the operator of DataHub has to look into it."},
}

// explainReply explains a reply of the mail server. The subject of the enhanced code
// decides where there is one, and the text only where its detail says nothing; without
// one the text and the basic code do.
func explainReply(reply string) explanation {
	basic := basicCode.FindStringSubmatch(reply)
	if basic == nil {
		return notUnderstood
	}
	temporary, text := reply[0] == '4', reply[3:]
	code := enhancedCode.FindStringSubmatch(reply)
	if code == nil {
		code = trailingCode.FindStringSubmatch(reply)
	}
	if temporary && greylist.MatchString(text) {
		return delays[codeNewSender]
	}
	said := lookWords(text)
	var found []string
	if code != nil && code[2] != "0" { // 0 says nothing (RFC 3463 section 3.1)
		temporary = code[1] == "4"
		subject, detail := code[2], code[2]+"."+code[3]
		for _, m := range misused {
			if slices.Contains(m.codes, detail) && m.pattern.MatchString(text) {
				found = append(found, m.code)
			}
		}
		if _, known := explanations[detail]; (!known || detail == "7.1") && subject == "7" && strings.HasPrefix(said, "7.") {
			found = append(found, said)
		}
		found = append(found, detail, subject)
	} else {
		found = []string{said, codes[basic[1]]}
	}
	if e, ok := look(temporary, found...); ok {
		return e
	}
	if e, ok := unexplained[reply[0]]; ok {
		return e
	}
	return notUnderstood
}

// withoutRecipient returns the explanation of a reply to DataHub itself: the mail server
// did not know the recipient then, whatever it says.
func (e explanation) withoutRecipient(temporary bool) explanation {
	switch {
	case slices.Contains([]string{todoAskOperator, todoIfItLasts, todoOtherMessage}, e.todo):
		return e
	case temporary:
		return explanation{"The mail server accepts no mail from DataHub at the moment.", todoIfItLasts}
	}
	return explanation{"The mail server accepts no mail from DataHub.", todoAskOperator}
}

// lookWords returns the code of the first words that stand in a text.
func lookWords(text string) string {
	for _, w := range words {
		if w.pattern.MatchString(text) {
			return w.code
		}
	}
	return ""
}

// look returns the explanation of the first code that has one.
func look(temporary bool, codes ...string) (explanation, bool) {
	for _, code := range codes {
		if e, ok := delays[code]; ok && temporary {
			return e, true
		}
		if e, ok := explanations[code]; ok {
			return e, true
		}
	}
	return explanation{}, false
}

// problems explains failures to which the mail server did not reply.
var problems = map[string]explanation{
	mail.ProblemUnreachable: {"DataHub could not reach its mail server.", todoTellSupport},
	mail.ProblemNoAnswer:    {"The mail server did not answer.", todoTellSupport},
	mail.ProblemInsecure:    {"DataHub and its mail server did not agree on encryption or on signing in.", "The operator of DataHub has to correct it: tell DataHub's support."},
	mail.ProblemNoUTF8:      {"DataHub's mail server cannot deliver to an address with letters beyond ASCII before the @ (SMTPUTF8).", "Ask the recipient for an address of plain letters, and invite that one."},
}

// explain says what happened at the last attempt, who has to do what, how it goes on,
// and what the mail server said.
func (r mailRow) explain(goesOn string) *string {
	e := explanation{"The mail server could not be reached, or did not answer.", todoTellSupport}
	said := ""
	switch {
	case r.Reply != nil:
		e = explainReply(*r.Reply)
		if r.Problem != nil && *r.Problem == mail.ProblemEarly {
			e = e.withoutRecipient(strings.HasPrefix(*r.Reply, "4"))
		}
		if quoted := quote(*r.Reply); quoted != "" {
			said = " The mail server said: “" + quoted + "”"
		}
	case r.Problem != nil:
		if known, ok := problems[*r.Problem]; ok {
			e = known
		}
	}
	return new(e.happened + " " + e.todo + " " + goesOn + said)
}

// maxQuote bounds the quoted words of a mail server, in bytes.
const maxQuote = 300

// quote returns a reply to be quoted in a sentence.
func quote(reply string) string {
	reply = strings.NewReplacer("“", `"`, "”", `"`).Replace(strings.Join(strings.Fields(reply), " "))
	if len(reply) > maxQuote {
		end := maxQuote
		for !utf8.RuneStart(reply[end]) {
			end--
		}
		reply = reply[:end] + " …"
	}
	return reply
}
