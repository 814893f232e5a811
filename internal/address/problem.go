package address

// Reason tells a program why an address is refused. The values are part of the API
// and never change.
type Reason string

// The reasons, in the order in which Parse checks them.
const (
	Empty              Reason = "EMPTY"                 // only white space and separators
	TooLong            Reason = "TOO_LONG"              // over 254 octets in one of its forms
	ControlCharacter   Reason = "CONTROL_CHARACTER"     // C0, C1 or DEL anywhere
	AmbiguousCharacter Reason = "AMBIGUOUS_CHARACTER"   // a character that normalization would change, or that is invisible
	AtSignMissing      Reason = "AT_SIGN_MISSING"       // no at sign
	AtSignRepeated     Reason = "AT_SIGN_REPEATED"      // several at signs, or several addresses
	LocalPartEmpty     Reason = "LOCAL_PART_EMPTY"      // nothing before the at sign
	LocalPartDot       Reason = "LOCAL_PART_DOT"        // a leading, trailing or doubled dot
	LocalPartCharacter Reason = "LOCAL_PART_CHARACTER"  // a character that no dot-atom has
	LocalPartTooLong   Reason = "LOCAL_PART_TOO_LONG"   // over 64 octets in one of its forms
	DomainEmpty        Reason = "DOMAIN_EMPTY"          // nothing after the at sign
	DomainLiteral      Reason = "DOMAIN_LITERAL"        // an address in square brackets
	DomainLabelEmpty   Reason = "DOMAIN_LABEL_EMPTY"    // a leading, trailing or doubled dot
	DomainCharacter    Reason = "DOMAIN_CHARACTER"      // a character that no domain name has, or an invalid A-label
	DomainHyphen       Reason = "DOMAIN_HYPHEN"         // a label with a hyphen first, last, or third and fourth
	DomainLabelTooLong Reason = "DOMAIN_LABEL_TOO_LONG" // a label over 63 octets in one of its forms
	DomainTopLevel     Reason = "DOMAIN_TOP_LEVEL"      // missing, numeric, or with fewer than two letters
)

// Reasons are all reasons.
var Reasons = []Reason{
	Empty, TooLong, ControlCharacter, AmbiguousCharacter,
	AtSignMissing, AtSignRepeated,
	LocalPartEmpty, LocalPartDot, LocalPartCharacter, LocalPartTooLong,
	DomainEmpty, DomainLiteral, DomainLabelEmpty, DomainCharacter, DomainHyphen, DomainLabelTooLong, DomainTopLevel,
}

// Problem says why an address is refused.
type Problem struct {
	Reason Reason
	// Detail is a clause for people, such as "a domain cannot begin with a dot". It
	// has no full stop and never quotes the input.
	Detail string
	// Suggestion is the valid address that was evidently meant, or empty.
	Suggestion string
}

// Error returns the detail. It can be logged, because it does not quote the input.
func (p *Problem) Error() string { return "invalid e-mail address: " + p.Detail }

func refuse(reason Reason, detail string) *Problem {
	return &Problem{Reason: reason, Detail: detail}
}

const tooLong = "an address has at most 254 characters"
