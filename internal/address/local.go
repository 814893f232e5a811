package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// localPart is the part of an address before the at sign.
type localPart struct {
	text   string // as typed
	folded string // to compare by
}

// parseLocal checks a local part in normalization form C.
func parseLocal(typed string) (localPart, *Problem) {
	if typed == "" {
		return localPart{}, refuse(LocalPartEmpty, "there is nothing before the at sign")
	}
	if problem := checkLocalDots(typed); problem != nil {
		return localPart{}, problem
	}
	if problem := checkLocalCharacters(typed); problem != nil {
		return localPart{}, problem
	}
	if len(typed) > maxLocal {
		return localPart{}, localPartTooLong()
	}
	local := localPart{text: typed, folded: fold(typed)}
	if len(local.folded) > maxLocal {
		return localPart{}, localPartTooLong()
	}
	return local, nil
}

func localPartTooLong() *Problem {
	return refuse(LocalPartTooLong, "the part before the at sign has at most 64 characters")
}

// checkLocalDots refuses dots that are not between two atoms (RFC 5322 section 3.2.3).
func checkLocalDots(typed string) *Problem {
	switch {
	case typed[0] == '.':
		return refuse(LocalPartDot, "the part before the at sign cannot begin with a dot")
	case typed[len(typed)-1] == '.':
		return refuse(LocalPartDot, "the part before the at sign cannot end with a dot")
	case strings.Contains(typed, ".."):
		return refuse(LocalPartDot, "the part before the at sign cannot contain two dots in a row")
	default:
		return nil
	}
}

func checkLocalCharacters(typed string) *Problem {
	previous := '.'
	for _, r := range typed {
		switch {
		case r == ' ':
			return refuse(LocalPartCharacter, "the part before the at sign cannot contain spaces")
		case !isLocalCharacter(r):
			return refuse(LocalPartCharacter, "the part before the at sign contains a character that is not allowed there")
		case previous == '.' && r > unicode.MaxASCII && unicode.IsMark(r):
			return refuse(LocalPartCharacter, "an accent needs a letter to stand on")
		}
		previous = r
	}
	return nil
}

func isLocalCharacter(r rune) bool {
	if r <= unicode.MaxASCII {
		return r == '.' || atext[r]
	}
	return isWordCharacter(r)
}

// atext is the ASCII characters of an atom (RFC 5322 section 3.2.3). RFC 6531 section
// 3.3 adds all characters beyond ASCII; this package accepts those of words.
var atext = func() (set [unicode.MaxASCII + 1]bool) {
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~" {
		set[r] = true
	}
	return set
}()

// fold returns the form to compare local parts by, in normalization form C. It replaces
// each letter with one other at most: ß stays ß, which is not ss, İ and ı are no i, and
// all forms of sigma are one. It is the same in every language, and its own fold.
func fold(local string) string {
	if isASCII(local) {
		return strings.ToLower(local)
	}
	// Some letters with a mark are one character in lower case alone: Ẍ and ẍ are one
	// character each, H̱ is two and ẖ is one. So normalize after folding.
	return norm.NFC.String(strings.Map(foldRune, local))
}

// foldRune returns Unicode's simple case folding of a character: its mapping of status C
// or S in CaseFolding.txt. [unicode.SimpleFold] names the characters that fold alike, but
// not the one that they fold to: the lower case of the first of them, or in Cherokee,
// whose upper case is the older one, the upper case.
func foldRune(r rune) rune {
	if unicode.SimpleFold(r) == r {
		return r // İ and ı have a lower or upper case and no folding
	}
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(first)
	}
	return unicode.ToLower(unicode.ToUpper(first))
}
