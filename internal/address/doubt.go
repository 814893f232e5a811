package address

import (
	"html"
	"net/url"
	"strings"
	"unicode"
)

// Doubt is why a valid address is probably not the one that was meant.
type Doubt struct {
	// Detail is a sentence for people, which says what looks wrong.
	Detail string
	// Suggestion is the address that was probably meant, or empty.
	Suggestion string
}

// Doubts returns what looks mistyped in a valid address, or nil. That is, in this
// order: a stray mark at an end of the local part or a bar within it, percent-encoding
// that came from a link, letters of several scripts in one word, and a domain that is
// one edit away from a known one (see [SuggestDomain]).
func Doubts(a Address, known []*Domains) *Doubt {
	if a == (Address{}) {
		return nil
	}
	if doubt := doubtOfForm(a.text); doubt != nil {
		return doubt
	}
	if meant := SuggestDomain(a, known); meant != "" {
		return &Doubt{"Did you mean " + meant + "?", meant}
	}
	return nil
}

// doubtOfForm returns what is odd in the form of a valid address, or nil.
func doubtOfForm(text string) *Doubt {
	local, _ := split(text)
	switch {
	case hasEncoding(text):
		return doubtIn("The address has percent-encoding from a link.", suggestLikely(withoutStrayMarks(withoutEncoding(text))))
	case hasStrayMark(local):
		return doubtIn("The address has a stray mark before the at sign.", suggestLikely(withoutStrayMarks(text)))
	case mixesScripts(text):
		return doubtIn("The address mixes letters of several alphabets that look alike.", suggestLikely(inOneScript(text)))
	default:
		return nil
	}
}

func doubtIn(detail, meant string) *Doubt {
	if meant != "" {
		detail += " Did you mean " + meant + "?"
	}
	return &Doubt{detail, meant}
}

// suggestLikely returns a text as an address if it is valid and nothing about its form
// is odd, or "".
func suggestLikely(s string) string {
	if a, problem := check(trim(s)); problem == nil && !isOdd(a.text) {
		return a.text
	}
	return ""
}

// isOdd reports whether [doubtOfForm] returns a doubt.
func isOdd(text string) bool {
	local, _ := split(text)
	return hasEncoding(text) || hasStrayMark(local) || mixesScripts(text)
}

// hasEncoding reports whether a valid address has percent-encoding from a link.
func hasEncoding(text string) bool {
	return strings.Contains(text, "%") && withoutEncoding(text) != text
}

// strayAtStart and strayAtEnd are the ASCII marks that are legal at the ends of a local
// part, but come from lists, spreadsheets, quotes and tables. People do have addresses
// with an underscore at either end, and with a hyphen at the end.
const (
	strayAtStart = "!#$%&'*+-/=?^`{|}~"
	strayAtEnd   = "!#$%&'*+/=?^`{|}~"
)

// hasStrayMark reports whether a local part begins or ends with a stray mark, or has a
// bar: two cells of a table.
func hasStrayMark(local string) bool {
	return strings.IndexByte(strayAtStart, local[0]) >= 0 ||
		strings.IndexByte(strayAtEnd, local[len(local)-1]) >= 0 ||
		strings.Contains(local, "|")
}

// withoutStrayMarks removes the stray marks of a local part. Of a local part with bars
// it keeps the last cell that is not empty.
func withoutStrayMarks(s string) string {
	local, domain := split(s)
	local = trimStrayMarks(local)
	local = trimStrayMarks(local[strings.LastIndexByte(local, '|')+1:])
	return local + "@" + domain
}

// trimStrayMarks also removes dots and spaces next to the marks.
func trimStrayMarks(local string) string {
	trimmed := strings.TrimRight(strings.TrimLeft(local, strayAtStart+". "), strayAtEnd+". ")
	// In _ada_* the underscores surround the address, too.
	if len(trimmed) > 2 && len(trimmed) < len(local) && trimmed[0] == '_' && trimmed[len(trimmed)-1] == '_' {
		return trimmed[1 : len(trimmed)-1]
	}
	return trimmed
}

// withoutEncoding decodes what is encoded for a link (%20, %40) or a web page (&lt;).
// It returns other text unchanged.
func withoutEncoding(s string) string {
	if strings.Contains(s, "&") {
		s = html.UnescapeString(s)
	}
	if !strings.Contains(s, "%") {
		return s
	}
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return trim(strings.TrimFunc(decoded, func(r rune) bool { return isSpace(r) || strings.ContainsRune(surroundingMarks, r) }))
}

// mixesScripts reports whether a word has letters of several scripts, beyond what the
// level "highly restrictive" of UTS #39 (section 5.2) permits: one script, or Latin
// with the scripts of Chinese, Japanese or Korean.
func mixesScripts(text string) bool {
	if isASCII(text) {
		return false
	}
	var found scripts
	for _, r := range text {
		if r <= unicode.MaxASCII && !isASCIILetter(r) {
			found = scripts{}
			continue
		}
		if name := scriptOf(r); name != "" && !unicode.IsDigit(r) && !found.add(name) {
			return true
		}
	}
	return false
}

func isASCIILetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }

// scripts are the scripts of the letters of one word.
type scripts struct {
	latin           bool
	other           string // the only script beside Latin, Han and what is written with it
	han             bool
	japanese        bool
	korean, chinese bool
}

// add adds the script of a letter, and reports whether the word may have it.
func (s *scripts) add(script string) bool {
	switch script {
	case "Latin":
		s.latin = true
	case "Han":
		s.han = true
	case "Hiragana", "Katakana":
		s.japanese = true
	case "Hangul":
		s.korean = true
	case "Bopomofo":
		s.chinese = true
	default:
		if s.other != "" && s.other != script {
			return false
		}
		s.other = script
	}
	eastAsian := 0
	for _, is := range []bool{s.japanese, s.korean, s.chinese} {
		if is {
			eastAsian++
		}
	}
	return eastAsian <= 1 && (s.other == "" || !s.latin && !s.han && eastAsian == 0)
}

// lookalikes are letters of Cyrillic and Greek that look like a Latin letter (UTS #39,
// confusables.txt).
var lookalikes = func() map[rune]rune {
	pairs := map[rune]rune{}
	add := func(foreign, latin string) {
		l := []rune(latin)
		for i, r := range []rune(foreign) {
			pairs[r] = l[i]
		}
	}
	add("аеорсухіјѕһԁԛԝӏ", "aeopcyxijshdqwl")
	add("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS")
	add("αορνικυ", "aopvikv")
	add("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")
	return pairs
}()

// cyrillicOf are the Cyrillic letters of today's languages that look like Latin ones.
var cyrillicOf = func() map[rune]rune {
	pairs := map[rune]rune{}
	for foreign, latin := range lookalikes {
		if unicode.Is(unicode.Cyrillic, foreign) && !strings.ContainsRune("һԁԛԝӏ", foreign) {
			pairs[latin] = foreign
		}
	}
	return pairs
}()

// inOneScript replaces letters by those that look like them, so that each word has one
// script: Latin if possible, otherwise Cyrillic. It returns the text unchanged if that
// is not possible.
func inOneScript(text string) string {
	for _, replacements := range []map[rune]rune{lookalikes, cyrillicOf} {
		replaced := replaceInMixedWords(text, replacements)
		if !mixesScripts(replaced) {
			return replaced
		}
	}
	return text
}

func replaceInMixedWords(text string, replacements map[rune]rune) string {
	var b strings.Builder
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return r <= unicode.MaxASCII && !isASCIILetter(r) })
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if mixesScripts(word) {
			word = strings.Map(func(r rune) rune {
				if other, ok := replacements[r]; ok {
					return other
				}
				return r
			}, word)
		}
		b.WriteString(word)
		if end < len(text) {
			b.WriteByte(text[end])
			end++
		}
		text = text[end:]
	}
	return b.String()
}
