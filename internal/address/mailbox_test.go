package address_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/address"
)

func TestMailboxKey(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"zoe@new.example":          "zoe@new.example",
		"Zoe+Course@New.example":   "zoe@new.example",
		"zoe+a+b@new.example":      "zoe@new.example",
		"zoe+@new.example":         "zoe@new.example",
		"+zoe@new.example":         "+zoe@new.example", // nothing stands before the plus sign
		"z.o.e@new.example":        "z.o.e@new.example",
		"z-o_e@new.example":        "z-o_e@new.example",
		"Z.o.e+x@gmail.com":        "zoe@gmail.com",
		"zoe@googlemail.com":       "zoe@gmail.com",
		"z.oe@sub.gmail.com":       "z.oe@sub.gmail.com",
		"z-o.e_x+y@protonmail.com": "zoex@proton.me",
		"---@proton.me":            "---@proton.me",
		"zoë+kurs@bücher.example":  "zoë@xn--bcher-kva.example",
		"straße@new.example":       "",
	} {
		a, problem := address.Parse(email)
		if problem != nil {
			t.Errorf("%s: %v", email, problem)
			continue
		}
		if want == "" {
			want = a.Key()
		}
		got := address.MailboxKey(a.Key())
		if got != want {
			t.Errorf("%s: %s, want %s", email, got, want)
		}
		if again := address.MailboxKey(got); again != got {
			t.Errorf("%s: the mailbox of %s is %s", email, got, again)
		}
	}
}
