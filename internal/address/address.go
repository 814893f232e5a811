// Package address checks e-mail addresses as people type or paste them.
//
// It tolerates what comes along with a paste: a display name, angle brackets, white
// space and a trailing separator. What is left must be an address:
//
//   - The local part is a dot-atom (RFC 5322 section 3.2.3) of at most 64 octets.
//     Beyond ASCII it may have letters, marks and digits (RFC 6531 section 3.3).
//   - The domain is a name of at least two labels (RFC 1035 section 2.3.1), checked as
//     UTS #46 (non-transitional, with STD3 rules) and RFC 5892 say.
//
// Quoted local parts, comments and address literals are legal, but refused: in an
// invitation they are always a mistake.
//
// [ParseExact] tolerates nothing around the address. It is for what programs write.
//
// [Parse] returns a [Problem] for a refused address: a [Reason] for programs, a
// clause for people and, where it is evident, the address that was meant.
// [Doubts] finds what is probably a mistake in a valid address, and [SuggestDomain] the
// typing errors in its domain.
package address

import (
	"strings"
	"unicode/utf8"
)

// Lengths in octets.
const (
	// maxAddress is the longest path, 256 octets, without its angle brackets
	// (RFC 5321 section 4.5.3.1.3).
	maxAddress = 254
	// maxLocal is the longest local part (RFC 5321 section 4.5.3.1.1).
	maxLocal = 64
	// maxLabel is the longest label of a domain name (RFC 1035 section 2.3.4).
	maxLabel = 63
	// maxPasted bounds the work for one input. It leaves room for a display name and
	// for decomposed letters.
	maxPasted = 1024
)

// Address is a valid e-mail address. The zero value is no address. Two addresses are
// written the same if they are ==, and belong to the same mailbox if their keys are
// equal.
type Address struct {
	text, key, envelope string
}

// String returns the address as people read it: the local part as typed, in
// normalization form C, and the domain in lower case with its A-labels decoded.
func (a Address) String() string { return a.text }

// Key returns the form to compare addresses by: the local part case-folded (Unicode's
// simple case folding, independent of the language) in normalization form C, and the
// domain in lower case with A-labels. A key is a valid address, and its own key. Full
// folding would make one of two mailboxes: straße@ and strasse@ differ.
func (a Address) Key() string { return a.key }

// Envelope returns the form for SMTP's RCPT TO: the local part of [Address.String]
// and the domain with A-labels. It needs SMTPUTF8 (RFC 6531) only if the local part
// is not ASCII.
func (a Address) Envelope() string { return a.envelope }

// Domain returns the domain as people read it.
func (a Address) Domain() string {
	_, domain := split(a.text)
	return domain
}

// Parse checks one address. The problem is nil if and only if the address is valid.
//
// If there are several problems, the first in this order is returned: no text
// ([Empty]); more than 1,024 octets ([TooLong]); a character that is refused
// everywhere ([ControlCharacter], [AmbiguousCharacter]); the at sign; the local part
// (empty, dots, characters, length); the domain (empty, literal, dots; then label by
// label its characters, hyphens and length; then the top level); the length of the
// whole.
//
// The limits are 64 octets for the local part, 63 for a label and 254 for the whole.
// They hold for each form of the address.
func Parse(input string) (Address, *Problem) {
	pasted := trim(input)
	if len(pasted) > maxPasted {
		return Address{}, refuse(TooLong, tooLong)
	}
	typed := unwrap(pasted)
	a, problem := check(typed)
	if problem != nil {
		problem.Suggestion = suggest(typed)
	}
	return a, problem
}

// ParseExact checks an address that a program wrote, such as a claim of a token. It
// tolerates nothing around the address, and makes no suggestion. It has the limits and
// the order of problems of [Parse].
func ParseExact(text string) (Address, *Problem) {
	if len(text) > maxPasted {
		return Address{}, refuse(TooLong, tooLong)
	}
	return check(text)
}

// check checks an address that has nothing around it. It makes no suggestion.
func check(typed string) (Address, *Problem) {
	if typed == "" {
		return Address{}, refuse(Empty, "there is no address")
	}
	typed, problem := normalize(typed)
	if problem != nil {
		return Address{}, problem
	}
	if problem := checkAtSign(typed); problem != nil {
		return Address{}, problem
	}
	beforeAt, afterAt := split(typed)
	local, problem := parseLocal(beforeAt)
	if problem != nil {
		return Address{}, problem
	}
	domain, problem := parseDomain(afterAt)
	if problem != nil {
		return Address{}, problem
	}
	return assemble(typed, local, domain)
}

// normalize returns the text in normalization form C. It refuses characters that are
// refused everywhere in an address.
func normalize(typed string) (string, *Problem) {
	if strings.ContainsFunc(typed, isControl) {
		return "", refuse(ControlCharacter, "an address cannot contain control characters, such as tabs or line breaks")
	}
	if isASCII(typed) {
		return typed, nil
	}
	return normalizeUnicode(typed)
}

func checkAtSign(typed string) *Problem {
	switch strings.Count(typed, "@") {
	case 0:
		return refuse(AtSignMissing, "an address needs an at sign between the name and the domain")
	case 1:
		return nil
	default:
		return refuse(AtSignRepeated, "an address has one at sign only")
	}
}

// split splits an address at its last at sign. Text without one is a domain.
func split(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	return address[:max(at, 0)], address[at+1:]
}

func assemble(typed string, local localPart, domain domainName) (Address, *Problem) {
	text := join(typed, local.text, domain.text)
	a := Address{
		text:     text,
		key:      join(text, local.folded, domain.ascii),
		envelope: join(text, local.text, domain.ascii),
	}
	if max(len(a.text), len(a.key), len(a.envelope)) > maxAddress {
		return Address{}, refuse(TooLong, tooLong)
	}
	return a, nil
}

// join returns local@domain. If the existing string is that already, it is returned,
// so that a plain address in lower case needs no allocation.
func join(existing, local, domain string) string {
	if l, d := split(existing); l == local && d == domain {
		return existing
	}
	return local + "@" + domain
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
