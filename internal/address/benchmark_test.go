package address

import (
	"fmt"
	"testing"
)

// thousand gives as many addresses as an invitation may hold.
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
		{"worldly", "Élodie%d@bücher.example"},
		{"suggested", "ada.lovelace%d@.cs.uni.example"},
		{"hopeless", "ada.lovelace%d@cs_uni.example"},
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

func BenchmarkMistypedThousand(b *testing.B) {
	domains := make([]string, 50)
	for i := range domains {
		domains[i] = fmt.Sprintf("institute-%d.uni.example", i)
	}
	addresses := make([]Address, 1000)
	for i, input := range thousand("ada%d@cs.uni.example") {
		addresses[i] = mustParse(b, input)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, a := range addresses {
			Mistyped(a, domains)
		}
	}
}

// Plain addresses are judged without allocating: a list of a thousand leaves
// nothing behind.
func TestPlainAddressesAreNotCopied(t *testing.T) {
	allocations := testing.AllocsPerRun(100, func() {
		Parse("  Ada Lovelace <ada.lovelace@uni.example>, ")
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}
