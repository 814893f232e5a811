package address

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A localPart is what stands before the at sign.
type localPart struct {
	text   string // as typed
	folded string // as compared
}

// readLocal judges a local part in normalization form C.
func readLocal(typed string) (localPart, *Problem) {
	if typed == "" {
		return localPart{}, refuse(LocalPartEmpty, "there is nothing before the at sign")
	}
	if problem := checkLocalDots(typed); problem != nil {
		return localPart{}, problem
	}
	if problem := checkLocalCharacters(typed); problem != nil {
		return localPart{}, problem
	}
	local := localPart{text: typed, folded: fold(typed)}
	if max(len(local.text), len(local.folded)) > maxLocal {
		return localPart{}, refuse(LocalPartTooLong, "the part before the at sign has at most 64 characters")
	}
	return local, nil
}

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
	before := '.'
	for _, r := range typed {
		switch {
		case r == ' ':
			return refuse(LocalPartCharacter, "the part before the at sign cannot contain spaces")
		case !isLocal(r):
			return refuse(LocalPartCharacter, "the part before the at sign contains a character that is not allowed there")
		case before == '.' && r > unicode.MaxASCII && unicode.IsMark(r):
			return refuse(LocalPartCharacter, "an accent needs a letter to stand on")
		}
		before = r
	}
	return nil
}

func isLocal(r rune) bool {
	if r <= unicode.MaxASCII {
		return r == '.' || atext[r]
	}
	return isWord(r)
}

// atext is RFC 5322's alphabet of an atom. RFC 6531 adds everything beyond
// ASCII, of which letters, marks and digits are welcome here.
var atext = func() (set [unicode.MaxASCII + 1]bool) {
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~" {
		set[r] = true
	}
	return set
}()

// fold gives the form in which local parts are compared, the same in every
// locale: ß is ss, the sigmas are one, the dotless ı is itself and no i.
func fold(local string) string {
	if isASCII(local) {
		return strings.ToLower(local)
	}
	return norm.NFC.String(strings.Map(foldCherokee, cases.Fold().String(local)))
}

// foldCherokee makes up for a fault of x/text (golang.org/issue/46101), which
// swaps the case of Cherokee letters. They fold to capitals, alone of all.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}
