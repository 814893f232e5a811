// Package address judges e-mail addresses as people type or paste them.
//
// It is strict about the address and lenient about its wrapping: the display
// name, the angle brackets, the white space and the separator that come along
// with a paste are taken off, and what is left must be a dot-atom local part
// (RFC 5322 §3.2.3, with the letters of RFC 6531) and a domain name of at
// least two labels (UTS #46 and RFC 5892). Quoted local parts, comments and
// address literals are refused: they are legal, and in an invitation always a
// mistake.
//
// Whatever is refused carries a [Reason] for programs, a clause for the person
// who typed it, and, where the slip is plain, the address that was meant.
package address

import (
	"strings"
	"unicode/utf8"
)

// Lengths in octets.
const (
	// maxAddress is the longest path of RFC 5321 §4.5.3.1.3, 256 octets,
	// without its angle brackets.
	maxAddress = 254
	// maxLocal is the longest local part of RFC 5321 §4.5.3.1.1.
	maxLocal = 64
	// maxLabel is the longest label of a domain name (RFC 1035 §2.3.4).
	maxLabel = 63
	// maxPasted leaves room for a display name and for decomposed letters, and
	// keeps the cost of judging anything longer constant.
	maxPasted = 1024
)

// An Address is a valid e-mail address. The zero value is no address. Two
// addresses are identical where == holds, and reach the same person where
// their keys are equal.
type Address struct {
	text, key, envelope string
}

// String is the readable form: the local part as typed, in Unicode's
// normalization form C, and the domain in lower case with its labels decoded.
func (a Address) String() string { return a.text }

// Key is the form that addresses are compared by: the local part case-folded
// (Unicode's full folding, in no particular language) and in normalization
// form C, the domain in lower case as A-labels. It is an address itself, and
// its own key.
func (a Address) Key() string { return a.key }

// Envelope is the form for SMTP's RCPT TO: the local part of [Address.String],
// the domain as A-labels. It needs SMTPUTF8 (RFC 6531) only where the local
// part goes beyond ASCII.
func (a Address) Envelope() string { return a.envelope }

// Domain is the domain in its readable form.
func (a Address) Domain() string {
	_, domain := cut(a.text)
	return domain
}

// Parse judges one address. The problem is nil exactly where the address is
// valid.
//
// Of several faults the first in this order is reported: nothing there
// ([Empty]); more than 1,024 octets ([TooLong]); characters that are refused
// wherever they stand ([ControlCharacter], [AmbiguousCharacter]); the at sign;
// the local part (empty, dots, characters, length); the domain (empty, literal,
// dots, then label by label its characters, hyphens and length, and last the
// top level); the length of the whole.
//
// Lengths hold for every form of the address: 64 octets for the local part,
// 63 for a label, 254 for the whole.
func Parse(input string) (Address, *Problem) {
	pasted := trim(input)
	if len(pasted) > maxPasted {
		return Address{}, refuse(TooLong, tooLong)
	}
	typed := unwrap(pasted)
	a, problem := judge(typed)
	if problem != nil {
		problem.Suggestion = suggest(typed)
	}
	return a, problem
}

// judge judges what is left of a paste, and suggests nothing.
func judge(typed string) (Address, *Problem) {
	if typed == "" {
		return Address{}, refuse(Empty, "there is no address")
	}
	typed, problem := canonical(typed)
	if problem != nil {
		return Address{}, problem
	}
	if problem := checkAtSign(typed); problem != nil {
		return Address{}, problem
	}
	before, after := cut(typed)
	local, problem := readLocal(before)
	if problem != nil {
		return Address{}, problem
	}
	domain, problem := readDomain(after)
	if problem != nil {
		return Address{}, problem
	}
	return assemble(typed, local, domain)
}

// canonical gives the text in normalization form C, and refuses the characters
// that are refused wherever they stand.
func canonical(typed string) (string, *Problem) {
	if strings.ContainsFunc(typed, isControl) {
		return "", refuse(ControlCharacter, "an address cannot contain control characters, such as tabs or line breaks")
	}
	if isASCII(typed) {
		return typed, nil
	}
	return unambiguous(typed)
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

// cut parts an address at its at sign. Text without one is all domain.
func cut(address string) (local, domain string) {
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

// join gives local@domain, which most often is a string that exists already:
// a plain address in lower case is judged without any allocation.
func join(existing, local, domain string) string {
	if l, d := cut(existing); l == local && d == domain {
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
