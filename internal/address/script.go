package address

import (
	"slices"
	"sync"
	"unicode"
)

// scriptRange is a range of characters of one script.
type scriptRange struct {
	first, last rune
	script      string
}

// scriptRanges are the ranges of all scripts in the order of their characters, so that
// the script of a character is found by one binary search. Characters of several
// scripts (Common, Inherited) are left out.
var scriptRanges = sync.OnceValue(func() []scriptRange {
	var ranges []scriptRange
	for script, table := range unicode.Scripts {
		if script == "Common" || script == "Inherited" {
			continue
		}
		for _, r := range table.R16 {
			ranges = appendRange(ranges, rune(r.Lo), rune(r.Hi), rune(r.Stride), script)
		}
		for _, r := range table.R32 {
			ranges = appendRange(ranges, rune(r.Lo), rune(r.Hi), rune(r.Stride), script)
		}
	}
	slices.SortFunc(ranges, func(a, b scriptRange) int { return int(a.first - b.first) })
	return ranges
})

// appendRange appends a range. The ranges of two scripts interleave only where one has
// a stride, so those are divided into single characters.
func appendRange(ranges []scriptRange, first, last, stride rune, script string) []scriptRange {
	if stride == 1 {
		return append(ranges, scriptRange{first, last, script})
	}
	for r := first; r <= last; r += stride {
		ranges = append(ranges, scriptRange{r, r, script})
	}
	return ranges
}

// scriptOf returns the name of a character's script, or "" if several scripts have it.
func scriptOf(r rune) string {
	if isASCIILetter(r) {
		return "Latin"
	}
	ranges := scriptRanges()
	i, found := slices.BinarySearchFunc(ranges, r, func(s scriptRange, r rune) int {
		switch {
		case s.last < r:
			return -1
		case s.first > r:
			return 1
		default:
			return 0
		}
	})
	if !found {
		return ""
	}
	return ranges[i].script
}
