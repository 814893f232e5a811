package invitation

import (
	"strings"
	"testing"
)

func TestExplanations(t *testing.T) {
	for reply, says := range map[string]string{
		"550 5.1.1 no such user":               "does not know this address",
		"550-5.1.1 no such user":               "does not know this address",
		"550 5.1.2 no such domain":             "cannot find the domain",
		"501 5.1.3 bad syntax":                 "does not accept this as an address",
		"556 5.1.10 null MX":                   "accepts no mail at all",
		"551 5.1.6 moved":                      "has moved",
		"550 5.2.1 disabled":                   "mailbox is closed",
		"452 4.2.2 full":                       "mailbox is full",
		"552 5.2.2 full":                       "mailbox is full",
		"552 5.2.3 too large":                  "of this size",
		"451 4.4.1 no answer":                  "does not answer",
		"550 5.4.4 no route":                   "cannot deliver",
		"554 5.7.1 spam":                       "blocks this mail",
		"450 4.7.1 greylisted":                 "on a later attempt",
		"550 no such user":                     "typing errors",
		"553 mailbox name not allowed":         "typing errors",
		"550 5.5.5 what":                       "typing errors",
		"554 transaction failed":               "refuses the mail",
		"421 closing":                          "not accept the mail at the moment",
		"450 4.9.9 odd":                        "not accept the mail at the moment",
		"":                                     "did not accept the mail",
		"hello":                                "did not accept the mail",
		"250 OK":                               "did not accept the mail",
		"550 5.1.1" + strings.Repeat("9", 400): "typing errors",
		"550 5.1.1 " + strings.Repeat("\u202ex", 200): "does not know this address",
	} {
		if got := explain(&reply); !strings.Contains(got, says) {
			t.Errorf("%.40q: %s", reply, got)
		}
	}
	if got := explain(nil); !strings.Contains(got, "could not be reached") {
		t.Errorf("nothing: %s", got)
	}
}
