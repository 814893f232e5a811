package address

import (
	"fmt"
	"testing"
)

// thousand returns as many addresses as one request may have.
func thousand(format string) []string {
	inputs := make([]string, 1000)
	for i := range inputs {
		inputs[i] = fmt.Sprintf(format, i)
	}
	return inputs
}

func BenchmarkParseThousand(b *testing.B) {
	for _, kind := range []struct{ name, format string }{
		{"plain", "ada.lovelace%d@cs.uni.example"},
		{"capitals", "Ada.Lovelace%d@CS.Uni.Example"},
		{"pasted", "Ada Lovelace <ada.lovelace%d@cs.uni.example>, "},
		{"international", "Élodie%d@bücher.example"},
		{"suggested", "ada.lovelace%d@.cs.uni.example"},
		{"without suggestion", "ada.lovelace%d@cs_uni.example"},
	} {
		inputs := thousand(kind.format)
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, input := range inputs {
					Parse(input)
				}
			}
		})
	}
}

// thousandDomains returns as many domains as are kept of an organization.
func thousandDomains() map[string]int {
	frequencies := map[string]int{}
	for i := range 1000 {
		frequencies[fmt.Sprintf("institute-%d.uni.example", i)] = i
	}
	return frequencies
}

func BenchmarkSuggestDomainThousand(b *testing.B) {
	known := []*Domains{NewDomains(thousandDomains())}
	for _, kind := range []struct{ name, format string }{
		{"known", "ada@institute-%d.uni.example"},
		{"mistyped", "ada@institute-%d.uni.exmaple"},
		{"other", "ada@faculty-%d.college.example"},
	} {
		addresses := make([]Address, 1000)
		for i, input := range thousand(kind.format) {
			addresses[i] = mustParse(b, input)
		}
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, a := range addresses {
					SuggestDomain(a, known)
				}
			}
		})
	}
}

func BenchmarkNewDomains(b *testing.B) {
	frequencies := thousandDomains()
	b.ReportAllocs()
	for b.Loop() {
		NewDomains(frequencies)
	}
}

func TestPlainAddressesNeedNoAllocation(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() {
		Parse("  Ada Lovelace <ada.lovelace@uni.example>, ")
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}
