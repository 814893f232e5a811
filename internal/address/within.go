package address

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// bracketedAt and bracketedDot are how people hide an address from programs that
// collect addresses: ada[at]uni(dot)example.
var (
	bracketedAt  = regexp.MustCompile(`(?i)\s*[\[({<]\s*(?:at|ät|@)\s*[\])}>]\s*`)
	bracketedDot = regexp.MustCompile(`(?i)\s*[\[({<]\s*(?:dot|punkt|point|\.)\s*[\])}>]\s*`)
)

// withAtSign replaces "at" and "dot" in brackets, or as words of their own, by the
// characters. It leaves text alone in which more than an address is written so.
func withAtSign(s string) string {
	if strings.ContainsAny(s, "[({<") {
		s = bracketedDot.ReplaceAllLiteralString(bracketedAt.ReplaceAllLiteralString(s, "@"), ".")
	}
	if strings.Contains(s, "@") {
		return withDotWords(s)
	}
	words := strings.Fields(s)
	if len(words) < 3 || len(words) > 2*maxPieces {
		return s
	}
	at := 0
	for i, word := range words {
		switch {
		case i%2 == 0:
		case strings.EqualFold(word, "at") && at == 0:
			words[i], at = "@", i
		case strings.EqualFold(word, "dot"):
			words[i] = "."
		default:
			return s
		}
	}
	if at == 0 || len(words)%2 == 0 {
		return s
	}
	return strings.Join(words, "")
}

// withDotWords replaces " dot " after the at sign.
func withDotWords(s string) string {
	local, domain, _ := cutLast(s, "@")
	for _, word := range []string{" dot ", " DOT ", " Dot "} {
		domain = strings.ReplaceAll(domain, word, ".")
	}
	return local + "@" + domain
}

// withoutOtherText returns the only address in a text: what can be an address around
// its at signs, without marks at the ends. It leaves text alone that has several
// addresses, or in which it is not evident where the address begins or ends.
func withoutOtherText(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return isControl(r) && !isSpace(r) }) {
		return s
	}
	if strings.Count(s, "@") > maxPieces {
		return s
	}
	only, key := "", ""
	for i := range len(s) {
		if s[i] != '@' {
			continue
		}
		a, ok := around(s, i)
		if !ok || key != "" && a.key != key {
			return s
		}
		only, key = a.text, a.key
	}
	if key == "" {
		return s
	}
	return only
}

// around returns the address around the at sign at an index of a text.
func around(s string, at int) (Address, bool) {
	start := strings.LastIndexFunc(s[:at], func(r rune) bool { return !isLocalCharacter(r) || r == '|' })
	if start < 0 {
		start = 0
	} else {
		_, size := utf8.DecodeRuneInString(s[start:])
		start += size
	}
	end := strings.IndexFunc(s[at+1:], func(r rune) bool { return r != '.' && !isLabelCharacter(r) })
	if end < 0 {
		end = len(s)
	} else {
		end += at + 1
	}
	before, local := s[:start], s[start:at]
	domain, after := s[at+1:end], s[end:]
	if local == "" || !endsBefore(before, local) || !beginsAfter(after) {
		return Address{}, false
	}
	a, problem := check(trimStrayMarks(local) + "@" + strings.TrimRight(domain, ".-"))
	if problem != nil || isOdd(a.text) || hasForeignMarks(a.text) {
		return Address{}, false
	}
	return a, true
}

// hasForeignMarks reports whether a local part has marks that belong to links.
func hasForeignMarks(text string) bool {
	local, _ := split(text)
	return strings.ContainsAny(local, "/?|")
}

// separators stand between an address and other text.
const separators = surroundingMarks + "*=&?!#~"

// endsBefore reports whether the text before an address is evidently no part of it. One
// word in lower case may be: "ada lovelace@uni.example".
func endsBefore(before, local string) bool {
	if before == "" {
		return true
	}
	last, size := utf8.DecodeLastRuneInString(before)
	if !isSpace(last) && !strings.ContainsRune(separators, last) {
		return isMarkOfItsOwn(last) && trim(before[:len(before)-size]) == ""
	}
	if !isSpace(last) && last != ',' {
		return last != '\\'
	}
	word := strings.TrimRightFunc(before, func(r rune) bool { return r == ',' || isSpace(r) })
	word = strings.TrimLeftFunc(word, isSpace)
	return !isPieceOfName(word) || isLabelOfAddress(word) || len(word) > 1 && strings.Contains(strings.ToLower(local), word)
}

// isPieceOfName reports whether a text is one word in lower case, perhaps with a dot.
func isPieceOfName(word string) bool {
	word, dotted := strings.CutSuffix(word, ".")
	if dotted && len(word) < 2 {
		return false
	}
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLower(r) && r != '.' && r != '-' }) &&
		strings.ContainsFunc(word, unicode.IsLower)
}

// isLabelOfAddress reports whether people write a word before an address.
func isLabelOfAddress(word string) bool {
	switch word {
	case "email", "e-mail", "mail", "to", "cc", "bcc", "from", "an", "von", "contact":
		return true
	default:
		return false
	}
}

// beginsAfter reports whether the text after an address is evidently no part of it.
func beginsAfter(after string) bool {
	if after == "" {
		return true
	}
	first, size := utf8.DecodeRuneInString(after)
	rest := after[size:]
	switch {
	case isSpace(first):
		rest = strings.TrimLeftFunc(rest, isSpace)
		return rest == "" || rest[0] != '.' && rest[0] != '@'
	case first == ',':
		return !continuesDomain(rest)
	case strings.ContainsRune(separators, first):
		return !strings.HasPrefix(rest, "@")
	default:
		return isMarkOfItsOwn(first) && trim(rest) == ""
	}
}

// continuesDomain reports whether the text after a comma is the end of a domain, whose
// dot was mistyped.
func continuesDomain(rest string) bool {
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && r != ',' && !isLabelCharacter(r) })
	if end >= 0 {
		rest = rest[:end]
	}
	rest = strings.TrimRight(rest, ".,")
	return isTopLevel(rest[strings.LastIndexAny(rest, ".,")+1:])
}

// isMarkOfItsOwn reports whether a character can be a bullet.
func isMarkOfItsOwn(r rune) bool {
	return r != utf8.RuneError && (unicode.IsPunct(r) || unicode.IsSymbol(r))
}
