package invitation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/invitation"
)

func TestCheckAddressesReturnsEachValidAddressOnce(t *testing.T) {
	t.Parallel()
	valid, invalid, err := invitation.CheckAddresses(t.Context(), []string{"Zoe <zoe@new.example>", "x", "zoe@NEW.example", "bob@new.example"}, "Nothing was sent.")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "valid", []string{"zoe@new.example", "bob@new.example"}, valid)
	if len(invalid) != 1 || !strings.HasPrefix(invalid[0].Message, "Address 2, x, is not valid: ") || !strings.HasSuffix(invalid[0].Message, ". Nothing was sent.") {
		t.Errorf("%+v", invalid)
	}
}

// What people paste can be long, and can have characters that change the line or the
// direction of a sentence.
func TestInvalidAddressesAreQuotedSafely(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ email, quoted, echoed string }{
		"empty":         {"", "Address 1 is not valid: ", ""},
		"line ends":     {" a\nb\u202ec ", "Address 1, a·b·c, is not valid: ", " a\nb\u202ec "},
		"long":          {strings.Repeat("x", 321), "Address 1, " + strings.Repeat("x", 320) + "…, is not valid: ", strings.Repeat("x", 320) + "…"},
		"as long as":    {strings.Repeat("x", 320), "Address 1, " + strings.Repeat("x", 320) + ", is not valid: ", strings.Repeat("x", 320)},
		"cut character": {strings.Repeat("x", 319) + "é", "Address 1, " + strings.Repeat("x", 319) + "…, is not valid: ", strings.Repeat("x", 319) + "…"},
	} {
		_, invalid, err := invitation.CheckAddresses(t.Context(), []string{c.email}, "")
		if err != nil {
			t.Fatal(err)
		}
		f := invalid[0]
		if !strings.HasPrefix(f.Message, c.quoted) || f.Email != c.echoed || !utf8.ValidString(f.Message) {
			t.Errorf("%s: %q, %q", name, f.Message, f.Email)
		}
	}
}

func TestCheckEmailsAgreesWithInviting(t *testing.T) {
	t.Parallel()
	known := []*address.Domains{address.NewDomains(map[string]int{"uni.example": 100})}
	reason := address.DomainLabelEmpty
	checks, err := invitation.CheckEmails(t.Context(), []string{"Zoe <zoe@new.example>", "myemail@.uni.edu.com", "zoe@uni.exampel", "x"}, known)
	if err != nil {
		t.Fatal(err)
	}
	wrong := address.AtSignMissing
	wantEqual(t, "checks", []*invitation.EmailCheck{
		{Index: 0, Input: "Zoe <zoe@new.example>", Email: new("zoe@new.example"), Valid: true},
		{Index: 1, Input: "myemail@.uni.edu.com", Reason: &reason, Suggestion: new("myemail@uni.edu.com")},
		{Index: 2, Input: "zoe@uni.exampel", Email: new("zoe@uni.exampel"), Valid: true, Suggestion: new("zoe@uni.example"), Warning: new("Did you mean zoe@uni.example?")},
		{Index: 3, Input: "x", Reason: &wrong},
	}, checks)

	var emails []string
	for _, c := range checks {
		emails = append(emails, c.Input)
	}
	valid, invalid, err := invitation.CheckAddresses(t.Context(), emails, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Valid {
			if !cmp.Equal(*c.Email, valid[0]) {
				t.Errorf("%s is invited as %s", *c.Email, valid[0])
			}
			valid = valid[1:]
			continue
		}
		f := invalid[0]
		if f.Code != fault.InvalidEmail || f.Reason != string(*c.Reason) || *f.Index != c.Index {
			t.Errorf("%+v instead of %s", f, *c.Reason)
		}
		invalid = invalid[1:]
	}
}

func TestCheckEmailsWarnsAboutValidAddressesThatAreNotLikely(t *testing.T) {
	t.Parallel()
	checks, err := invitation.CheckEmails(t.Context(), []string{"'zoe@uni.example", "adж@uni.example", "zoe@outlook.at"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "checks", []*invitation.EmailCheck{
		{Index: 0, Input: "'zoe@uni.example", Email: new("'zoe@uni.example"), Valid: true, Suggestion: new("zoe@uni.example"), Warning: new("The address has a stray mark before the at sign. Did you mean zoe@uni.example?")},
		{Index: 1, Input: "adж@uni.example", Email: new("adж@uni.example"), Valid: true, Warning: new("The address mixes letters of several alphabets that look alike.")},
		{Index: 2, Input: "zoe@outlook.at", Email: new("zoe@outlook.at"), Valid: true},
	}, checks)
}

func TestCheckingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := invitation.CheckAddresses(ctx, []string{"zoe@new.example"}, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := invitation.CheckEmails(ctx, []string{"zoe@new.example"}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
