package app_test

import (
	"fmt"
	"testing"
)

// check returns the suggestions for addresses, and fails the test where the
// warnings differ from them.
func (p person) check(emails ...string) (a answer, suggestions []string) {
	p.world.t.Helper()
	a = p.Ask(`query($emails: [String!]!) { checkEmails(emails: $emails) { valid suggestion warning } }`, map[string]any{"emails": emails}).OK()
	for i := range emails {
		suggestion, _ := a.At("checkEmails", i, "suggestion").(string)
		warning, _ := a.At("checkEmails", i, "warning").(string)
		if valid := a.At("checkEmails", i, "valid") == true; valid && suggestion != "" && warning != "Did you mean "+suggestion+"?" || !valid && warning != "" {
			p.world.t.Errorf("%s is warned of by %q", emails[i], warning)
		}
		suggestions = append(suggestions, suggestion)
	}
	return a, suggestions
}

// newMember makes an account for an address, and runs a statement that grants it a
// role.
func (w *world) newMember(email, role string) {
	w.t.Helper()
	w.Exec(`insert into account (id, email, email_key, name) values (gen_random_uuid(), $1, $1, $1)`, email)
	w.Exec(role, email)
}

const (
	asMember        = `insert into organization_member (organization_id, account_id, role) select o.id, a.id, 'MEMBER' from organization o, account a where o.name = 'University of Example' and a.email = $1`
	asAdministrator = `insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.email = $1`
	asViewer        = `insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where i.name = 'Group 1' and a.email = $1`
	asStranger      = `insert into organization_member (organization_id, account_id, role) select o.id, a.id, 'MEMBER' from organization o, account a where o.name = 'Private Institute' and a.email = $1`
)

func TestCheckEmailsSuggestsDomainsOfColleagues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, one := range []string{"x", "y", "z", "u", "v"} {
		w.newMember(one+"@member.example", asMember)
		w.newMember(one+"@administrator.example", asAdministrator)
		w.newMember(one+"@viewer.example", asViewer)
		w.newMember(one+"@stranger.example", asStranger)
		if one != "v" {
			w.newMember(one+"@few.example", asMember)
		}
	}
	emails := []string{
		"zoe@uni.exmaple", "zoe@member.exmaple", "zoe@administrator.exmaple", "zoe@viewer.exmaple", "zoe@stranger.exmaple",
		// A known address; two edits away; of a mail provider; not valid.
		"ada@uni.example", "zoe@un.exmaple", "zoe@gmial.com", "zoe@.uni.exmaple", "zoe@few.exmaple",
	}
	const uni, member, administrator, viewer, stranger = "zoe@uni.example", "zoe@member.example", "zoe@administrator.example", "zoe@viewer.example", "zoe@stranger.example"
	for who, want := range map[string][]string{
		"ada":                {uni, member, administrator, viewer, ""},
		"ed":                 {uni, member, administrator, viewer, ""},
		"mia":                {uni, member, administrator, viewer, ""},
		"x@member.example":   {"", member, administrator, viewer, ""}, // four have the domain of the university
		"rita":               {uni, "", "", "", stranger},             // their own domain
		"x@stranger.example": {"", "", "", "", stranger},
		"sam":                {uni, "", "", "", ""},
	} {
		// Four members do not make a domain known.
		want = append(want, "", "", "zoe@gmail.com", "zoe@uni.exmaple", "")
		_, got := w.as(who).check(emails...)
		for i := range emails {
			if got[i] != want[i] {
				t.Errorf("%s gets %q for %s, want %q", who, got[i], emails[i], want[i])
			}
		}
	}
}

// The statements do not depend on whether an address has an account.
func TestCheckEmailsStatementsDoNotGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.Ask(`{ viewer { id } }`, nil).OK()
	thousand := make([]string, 1000)
	for i := range thousand {
		thousand[i] = fmt.Sprintf("p%d@uni%d.example", i, i)
	}
	for _, most := range []int{2, 1} {
		a, _ := ada.check("ed@uni.example")
		if n := w.statements(a); n > most {
			t.Errorf("%d statements, at most %d", n, most)
		}
	}
	for _, emails := range [][]string{{"ed@uni.example"}, {"nobody@uni.example"}, {"ed@uni.exmaple"}, {"nobody@uni.exmaple"}, {""}, thousand} {
		a, _ := ada.check(emails...)
		if n := w.statements(a); n != 1 {
			t.Errorf("%d statements for %d addresses such as %q", n, len(emails), emails[0])
		}
	}
}
