package address

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// domainName is the part of an address after the at sign, in lower case.
type domainName struct {
	text  string // with U-labels, for people
	ascii string // with A-labels, for the DNS
}

// parseDomain checks a domain in normalization form C.
func parseDomain(typed string) (domainName, *Problem) {
	if problem := checkDomainDots(typed); problem != nil {
		return domainName{}, problem
	}
	if problem := checkLabels(typed); problem != nil {
		return domainName{}, problem
	}
	domain, problem := convert(typed)
	if problem != nil {
		return domainName{}, problem
	}
	return domain, checkTopLevel(domain.ascii)
}

func checkDomainDots(typed string) *Problem {
	switch {
	case typed == "":
		return refuse(DomainEmpty, "there is nothing after the at sign")
	case typed[0] == '[':
		return refuse(DomainLiteral, "a domain must be a name, not an address in square brackets")
	case typed[0] == '.':
		return refuse(DomainLabelEmpty, "a domain cannot begin with a dot")
	case typed[len(typed)-1] == '.':
		return refuse(DomainLabelEmpty, "a domain cannot end with a dot")
	case strings.Contains(typed, ".."):
		return refuse(DomainLabelEmpty, "a domain cannot contain two dots in a row")
	default:
		return nil
	}
}

// checkLabels checks the labels of a domain as typed, or as decoded from A-labels.
func checkLabels(domain string) *Problem {
	for more := true; more; {
		var label string
		label, domain, more = strings.Cut(domain, ".")
		if problem := checkLabel(label); problem != nil {
			return problem
		}
	}
	return nil
}

func checkLabel(label string) *Problem {
	for _, r := range label {
		if !isLabelCharacter(r) {
			return refuse(DomainCharacter, labelCharacterDetail(r))
		}
	}
	if problem := checkHyphens(label); problem != nil {
		return problem
	}
	if len(label) > maxLabel && isASCII(label) {
		return labelTooLong()
	}
	return nil
}

// checkHyphens checks the hyphens of a label. A-labels are checked when they are
// decoded.
func checkHyphens(label string) *Problem {
	switch {
	case isALabel(label):
		return nil
	case label[0] == '-':
		return refuse(DomainHyphen, "no part of a domain can begin with a hyphen")
	case label[len(label)-1] == '-':
		return refuse(DomainHyphen, "no part of a domain can end with a hyphen")
	case hasReservedHyphens(label):
		return refuse(DomainHyphen, "no part of a domain can have hyphens as its third and fourth character")
	default:
		return nil
	}
}

func isLabelCharacter(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-':
		return true
	default:
		return r > unicode.MaxASCII && (isWordCharacter(r) || strings.ContainsRune(labelPunctuation, r))
	}
}

// labelPunctuation is what RFC 5892 permits beside letters, marks and digits (section
// 2.6, appendix A.3 to A.7). UTS #46 permits symbols and dashes, too, but the domain
// of an address consists of U-labels (RFC 6531 section 3.3).
const labelPunctuation = "\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u3007\u30fb"

// labelCharacterDetail returns the detail of a problem with a character.
func labelCharacterDetail(r rune) string {
	switch r {
	case ' ':
		return "a domain cannot contain spaces"
	case ',':
		return "a domain cannot contain a comma"
	case '_':
		return "a domain cannot contain an underscore"
	default:
		return "a domain contains letters, digits, hyphens and dots only"
	}
}

// isALabel reports whether a label begins as the ASCII form of an internationalised
// label does (RFC 5890 section 2.3.2.1).
func isALabel(label string) bool {
	return len(label) >= 4 && strings.EqualFold(label[:4], "xn--")
}

// hasReservedHyphens reports whether the third and fourth characters are hyphens.
// They are reserved for encodings such as that of A-labels (RFC 5891 section 4.2.3.1).
func hasReservedHyphens(label string) bool {
	for range 2 {
		_, size := utf8.DecodeRuneInString(label)
		label = label[size:]
	}
	return strings.HasPrefix(label, "--")
}

func labelTooLong() *Problem {
	return refuse(DomainLabelTooLong, "a part of a domain between two dots has at most 63 characters")
}

// convert returns both forms of a domain whose labels have been checked. Only letters
// beyond ASCII and A-labels need the tables of UTS #46.
func convert(typed string) (domainName, *Problem) {
	if isASCII(typed) && !strings.Contains(typed, "--") {
		name := strings.ToLower(typed)
		return domainName{text: name, ascii: name}, nil
	}
	if problem := checkLengths(typed); problem != nil {
		return domainName{}, problem
	}
	return convertIDN(typed)
}

// checkLengths refuses a domain whose form with A-labels is too long, without
// converting it: the time of Punycode grows with the square of a label's length.
func checkLengths(typed string) *Problem {
	length := 0
	for label := range strings.SplitSeq(typed, ".") {
		n := minALabel(label)
		if n > maxLabel {
			return labelTooLong()
		}
		length += n + len(".")
	}
	if length > maxAddress {
		return refuse(TooLong, tooLong)
	}
	return nil
}

// minALabel returns a lower bound of the length of a label with A-labels. Each
// character beyond ASCII takes at least one octet there, after xn-- (RFC 3492, section
// 6.3), and so does each ASCII character. Marks do not count, because a small letter
// can be composed with a mark where the capital letter cannot: W̊ becomes ẘ. There are
// at most as many marks that vanish so as there are other characters.
func minALabel(label string) int {
	if isASCII(label) {
		return len(label)
	}
	all, others := 0, 0
	for _, r := range label {
		all++
		if !unicode.Is(unicode.M, r) {
			others++
		}
	}
	return len("xn--") + max(others, all-others)
}

// profile maps and validates as UTS #46 says, non-transitional and with STD3 rules.
// This package checks hyphens and lengths itself, to return the right reason.
var profile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.Transitional(false),
	idna.CheckHyphens(false),
)

func convertIDN(typed string) (domainName, *Problem) {
	text, err := profile.ToUnicode(typed)
	if err != nil {
		return domainName{}, invalidIDN()
	}
	ascii, err := profile.ToASCII(text)
	if err != nil {
		return domainName{}, invalidIDN()
	}
	domain := domainName{text: text, ascii: ascii}
	return domain, checkConverted(typed, domain)
}

func invalidIDN() *Problem {
	return refuse(DomainCharacter, "a part of the domain is not a valid internationalised name")
}

// checkConverted compares a converted domain with what was typed, and checks the
// labels that were decoded from A-labels.
func checkConverted(typed string, domain domainName) *Problem {
	if problem := checkMapping(typed, domain); problem != nil {
		return problem
	}
	if _, problem := normalizeUnicode(domain.text); problem != nil {
		return problem
	}
	if problem := checkLabels(domain.text); problem != nil {
		return problem
	}
	for label := range strings.SplitSeq(domain.ascii, ".") {
		if len(label) > maxLabel {
			return labelTooLong()
		}
	}
	return nil
}

// checkMapping refuses a domain if UTS #46 maps it to another one than was typed. The
// mapping may change the case of letters only.
func checkMapping(typed string, domain domainName) *Problem {
	before, after, ascii := strings.Split(typed, "."), strings.Split(domain.text, "."), strings.Split(domain.ascii, ".")
	if len(before) != len(after) {
		return refuse(AmbiguousCharacter, ambiguous)
	}
	for i, label := range before {
		switch {
		case isALabel(label):
			if strings.ToLower(label) != ascii[i] {
				return invalidIDN()
			}
		case !differInCaseOnly(label, after[i]):
			return refuse(AmbiguousCharacter, ambiguous)
		}
	}
	return nil
}

// differInCaseOnly compares decomposed letters, because a capital can have a composed
// form that the small letter lacks, and the reverse.
func differInCaseOnly(before, after string) bool {
	b, a := []rune(norm.NFD.String(before)), []rune(norm.NFD.String(after))
	if len(b) != len(a) {
		return false
	}
	for i := range b {
		if a[i] != b[i] && a[i] != unicode.ToLower(b[i]) && a[i] != unicode.ToUpper(b[i]) {
			return false
		}
	}
	return true
}

// checkTopLevel demands two letters in the top level. Every top-level domain has them
// (an A-label begins with two), and an IP address has none.
func checkTopLevel(ascii string) *Problem {
	dot := strings.LastIndexByte(ascii, '.')
	top := ascii[dot+1:]
	switch letters := countLetters(top); {
	case dot < 0:
		return refuse(DomainTopLevel, "a domain needs an ending such as .com or .org")
	case letters >= 2:
		return nil
	case letters == 0:
		return refuse(DomainTopLevel, "a domain cannot end in a number")
	default:
		return refuse(DomainTopLevel, "the ending of a domain has at least two letters")
	}
}

func countLetters(label string) (letters int) {
	for _, r := range label {
		if 'a' <= r && r <= 'z' {
			letters++
		}
	}
	return letters
}
