package account

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

// employ makes an organization with members of some addresses, and gives the
// first one.
func employ(t testing.TB, db *postgres.DB, organization string, emails ...string) access.Actor {
	t.Helper()
	var id uuid.UUID
	if err := db.Get(t.Context(), &id, `insert into organization (id, name) values (gen_random_uuid(), $1) returning id`, organization); err != nil {
		t.Fatal(err)
	}
	for _, email := range emails {
		join(t, db, id, provision(t, db, email))
	}
	return access.Actor{ID: globalid.ID{Kind: globalid.User, UUID: provision(t, db, emails[0])}, EmailKey: parse(t, emails[0]).Key()}
}

// of returns addresses of n people of a domain.
func of(domain string, n int) (emails []string) {
	for i := range n {
		emails = append(emails, fmt.Sprintf("p%d@%s", i, domain))
	}
	return emails
}

func join(t testing.TB, db *postgres.DB, organization, account uuid.UUID) {
	t.Helper()
	if _, err := db.Exec(t.Context(), `insert into organization_member (organization_id, account_id, role) values ($1, $2, 'MEMBER')`, organization, account); err != nil {
		t.Fatal(err)
	}
}

// ask returns the suggestion for an address, and the number of statements that it
// took.
func (c *Colleagues) ask(t testing.TB, actor access.Actor, email string) (string, int64) {
	t.Helper()
	ctx, statements := postgres.WithStatementCount(t.Context())
	domains, err := c.Domains(ctx, actor)
	if err != nil {
		t.Fatal(err)
	}
	return address.SuggestDomain(parse(t, email), domains), statements.Load()
}

func TestColleagues(t *testing.T) {
	db := schematest.New(t)
	ada := employ(t, db, "University", slices.Concat([]string{"ada@uni.example"}, of("Bücher.example", 5), of("unx.example", 6), of("few.example", 4))...)
	eve := employ(t, db, "Institute", "eve@institute.example", "ed@few.example")
	nobody := access.Actor{ID: globalid.New(globalid.User)}
	c := NewColleagues(db)
	for _, test := range []struct {
		what        string
		actor       access.Actor
		email, want string
		statements  int64
	}{
		{"the first question", ada, "zoe@uni.exmaple", "zoe@uni.example", 2},
		{"another one", ada, "zoe@bücher.exmaple", "zoe@bücher.example", 1},
		{"the most frequent", ada, "zoe@un.example", "zoe@unx.example", 1},
		{"of four members", ada, "zoe@few.exmaple", "", 1},
		{"of another organization", ada, "zoe@institute.exmaple", "", 1},
		{"of one's own", eve, "zoe@institute.exmaple", "zoe@institute.example", 2},
		{"of nobody", nobody, "zoe@uni.exmaple", "", 1},
	} {
		if got, statements := c.ask(t, test.actor, test.email); got != test.want || statements != test.statements {
			t.Errorf("%s: %q by %d statements, want %q by %d", test.what, got, statements, test.want, test.statements)
		}
	}

	// A new member has the organization's domains at once. The domains of
	// organizations that are not cached are read in one statement.
	for _, name := range []string{"College", "Library"} {
		employ(t, db, name, append(of(name+".example", 5), "ada@uni.example")...)
	}
	if got, statements := c.ask(t, ada, "zoe@colege.example"); got != "zoe@college.example" || statements != 2 {
		t.Errorf("two organizations more: %q by %d statements", got, statements)
	}
}

func TestColleaguesAreReadAgain(t *testing.T) {
	db := schematest.New(t)
	ada := employ(t, db, "University", "ada@uni.example")
	c := NewColleagues(db)
	c.ask(t, ada, "zoe@uni.example")
	id := slices.Collect(c.known.Keys())[0]
	for _, email := range of("new.example", 5) {
		join(t, db, id, provision(t, db, email))
	}
	if got, _ := c.ask(t, ada, "zoe@new.exmaple"); got != "" {
		t.Errorf("%q, which has been read again too soon", got)
	}
	r, _ := c.known.GetIfPresent(id)
	r.at = r.at.Add(-10 * time.Minute)
	c.known.Set(id, r)
	if got, statements := c.ask(t, ada, "zoe@new.exmaple"); got != "zoe@new.example" || statements != 2 {
		t.Errorf("%q by %d statements after ten minutes", got, statements)
	}
}

func TestColleaguesOfTheMostFrequentDomains(t *testing.T) {
	db := schematest.New(t)
	ada := employ(t, db, "University", "ada@uni.example")
	if _, err := db.Exec(t.Context(), `
		with a as (
			insert into account (id, email, email_key, name)
			select gen_random_uuid(), e, e, 'N' from generate_series(1, 1001) n, generate_series(1, 5) k,
			       lateral (select k || '@' || repeat(n::text, 3) || '.example' as e) e
			returning id)
		insert into organization_member (organization_id, account_id, role) select o.id, a.id, 'MEMBER' from organization o, a`); err != nil {
		t.Fatal(err)
	}
	c := NewColleagues(db)
	for email, want := range map[string]string{
		"zoe@111.exmaple":          "zoe@111.example",
		"zoe@100010001000.exmaple": "zoe@100010001000.example",
		"zoe@999999999.exmaple":    "",                // the last one in the alphabet
		"zoe@uni.exmaple":          "zoe@uni.example", // one's own
	} {
		if got, _ := c.ask(t, ada, email); got != want {
			t.Errorf("%s: %q, want %q", email, got, want)
		}
	}
}

func TestParallelColleagues(t *testing.T) {
	db := schematest.New(t)
	var actors []access.Actor
	for i := range 5 {
		actors = append(actors, employ(t, db, fmt.Sprint("University ", i), of(fmt.Sprintf("uni%d%d.example", i, i), 5)...))
	}
	for i := range actors {
		actors[i].EmailKey = "x@elsewhere.example"
	}
	c := NewColleagues(db)
	got := make([]string, 50)
	var requests sync.WaitGroup
	for i := range got {
		requests.Go(func() {
			got[i], _ = c.ask(t, actors[i%5], fmt.Sprintf("zoe@uni%d%d.exmaple", i%5, i%5))
		})
	}
	requests.Wait()
	if slices.Contains(got, "") {
		t.Errorf("%q", got)
	}
}
