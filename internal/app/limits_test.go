package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// unlimitedInvitations lets a test do in a minute what takes people days.
func unlimitedInvitations(s *app.Settings) {
	s.MaxInvitations, s.MaxSpaceInvitations, s.MaxAddressInvitations, s.MaxDomainInvitations = 1e9, 1e9, 1e9, 1e9
}

// courses makes spaces of the University of Example with an instance each and
// with Ada, Mia and Ed as administrators, and returns the ids of the instances.
func (w *world) courses(n int) (instances []string) {
	w.t.Helper()
	if err := w.Admin.Select(&instances, `
		with s as (insert into space (id, organization_id, name)
		           select gen_random_uuid(), o.id, 'Course ' || n from organization o, generate_series(1, $1) n where o.name = 'University of Example' returning id),
		     i as (insert into instance (id, space_id, name, kind)
		           select gen_random_uuid(), s.id, k, case k when 'Master' then 'MASTER' when 'Distributed' then 'DISTRIBUTED' else 'WORKING' end
		           from s, unnest(array['Master', 'Distributed', 'Group 1']) k returning id, kind),
		     a as (insert into space_administrator (space_id, account_id) select s.id, a.id from s, account a where a.name in ('Ada', 'Mia', 'Ed'))
		select 'instance_' || replace(id::text, '-', '') from i where kind = 'WORKING'`, n); err != nil {
		w.t.Fatal(err)
	}
	return instances
}

// anHourLater lets an hour pass for the limits, which count by the minute.
func (w *world) anHourLater() {
	w.t.Helper()
	w.Exec(`update rate_limit set until = until - interval '62 minutes', untils = array(select u - interval '62 minutes' from unnest(untils) u)`)
	w.Exec(`delete from invitation_resend`)
}

// An address is sent twenty mails of an organization in an hour: all its
// administrators and spaces, gateways, invitations and resends count together, and
// a restart does not reset the count. Other organizations are not refused.
func TestAddressIsSentTwentyMailsAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, _ := w.Start()
	zoe := []string{"zoe@new.example"}
	people := []person{w.as("ada"), w.as("mia"), w.as("ed")}
	people[1].URL = other.URL()
	courses := w.courses(22)
	for i := range 17 {
		people[i%3].invite(courses[i], "VIEWER", []string{[]string{"zoe@new.example", "Zoe <ZOE@New.Example>"}[i%2]}).OK()
	}
	ada, mia := people[0], people[1]
	id := w.invitationOf("zoe@new.example")
	w.grantAdministrator("Mia")
	mia.inviteAdministrators(zoe).OK()
	mia.resend([]string{id}, "idempotencyKey", "again").OK()
	mia.resend([]string{id}, "idempotencyKey", "again").OK() // a retry counts nothing
	ada.invite(courses[16], "EDITOR", zoe).OK()              // a new role counts nothing
	w.Exec(`update invitation set expires_at = clock_timestamp() where id = (select id from invitation where instance_id is not null order by id limit 1)`)
	a := ada.invite(courses[0], "VIEWER", append([]string{"bob@new.example", "zoe@NEW.example"}, zoe...), "idempotencyKey", "k").OK() // renews the expired invitation
	if got := a.Every("outcome", "inviteUsers", "results"); !slices.Equal(got, []string{"INVITED", "INVITED", "DUPLICATE"}) {
		t.Fatal(a.Body)
	}

	refusals := []answer{
		ada.invite(courses[20], "VIEWER", []string{"kim@new.example", "ZOE@new.example", "lea@new.example"}),
		mia.invite("Master", "VIEWER", zoe),
		people[2].invite(courses[21], "VIEWER", zoe),
		ada.invite(courses[20], "VIEWER", []string{"no address", "zoe@new.example"}), // the limit answers before invalid addresses
	}
	w.Exec(`delete from invitation_resend`)
	refusals = append(refusals, mia.resend([]string{id}))
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	restarted, _ := w.Start()
	mia.URL = restarted.URL()
	refusals = append(refusals, mia.invite(courses[20], "VIEWER", zoe))
	for i, a := range refusals {
		e := a.Limited("INVITATIONS_BY_ADDRESS")
		index, list := []float64{1, 0, 0, 1, 0, 0}[i], []string{"emails", "emails", "emails", "emails", "invitationIds", "emails"}[i]
		place := map[string]any{"index": e.Extensions["index"], "inputPath": e.Extensions["inputPath"], "email": strings.ToLower(fmt.Sprint(e.Extensions["email"]))}
		if diff := cmp.Diff(map[string]any{"index": index, "inputPath": []any{"input", list, index}, "email": "zoe@new.example"}, place); diff != "" {
			t.Errorf("refusal %d: %s", i, diff)
		}
		if !strings.HasSuffix(e.Message, "@new.example: one organization can send 20 invitations to one mailbox in an hour. Nothing was done.") {
			t.Errorf("%s", e.Message)
		}
	}
	// Requests that send Zoe no mail are not refused, and other people are not
	// affected.
	if got := ada.invite(courses[0], "VIEWER", append(zoe, "kim@new.example"), "idempotencyKey", "kim").OK().Every("outcome", "inviteUsers", "results"); !slices.Equal(got, []string{"ALREADY_INVITED", "INVITED"}) {
		t.Errorf("%v", got)
	}
	ada.invite(courses[0], "VIEWER", []string{"no address", "zoe@new.example"}).Refused("INVALID_EMAIL")
	ada.invite(courses[0], "VIEWER", append([]string{"bob@new.example", "zoe@NEW.example"}, zoe...), "idempotencyKey", "k").OK()
	if n := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email_key = 'zoe@new.example'`); n != 20 {
		t.Errorf("%d mails", n)
	}
	// The counters do not contain addresses.
	if n := w.Number(`select count(*) from rate_limit r where r::text like '%zoe%' or r::text like '%new.example%'`); n != 0 {
		t.Errorf("%d rows contain the address", n)
	}
	ada.invite(courses[20], "VIEWER", []string{"zoe+course@new.example"}).Limited("INVITATIONS_BY_ADDRESS")
	w.as("rita").invite(w.id("instance", `select i.id from instance i join space s on s.id = i.space_id where s.name = 'Private Research' and i.kind = 'MASTER'`), "VIEWER", zoe).OK()
	w.anHourLater()
	ada.invite(courses[20], "VIEWER", zoe).OK()
}

// Requested invitations count when they are approved, for the approver. A
// request that a limit refused can be approved later.
func TestApprovedInvitationsCountInTheLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxAddressInvitations = 1 })
	ada, ed := w.as("ada"), w.as("ed")
	request := ed.requestInvitations("Group 1", "VIEWER", []string{"bob@new.example", "zoe@new.example"}).RequestID()
	ada.invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	if e := ada.approveRequest(request).Limited("INVITATIONS_BY_ADDRESS"); e.Extensions["email"] != "zoe@new.example" {
		t.Errorf("%v", e)
	}
	if got := w.Text(`select status from request`); got != "OPEN" {
		t.Errorf("the request is %s", got)
	}
	w.anHourLater()
	ada.approveRequest(request).OK()
	ada.invite("Master", "VIEWER", []string{"bob@new.example"}).Limited("INVITATIONS_BY_ADDRESS")
	if n := w.Number(`select sum(n) from rate_limit r join account a on a.id = r.subject, unnest(ns, untils) m (n, until) where a.name = 'Ada' and m.until > now()`); n != 2 {
		t.Errorf("Ada has used %d", n)
	}
}

// Exactly twenty mails are sent, also where fifty requests invite an address at
// the same moment through several gateways.
func TestParallelInvitationsShareTheLimitOfAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, _ := w.Start()
	courses := w.courses(50)
	for round := range 4 {
		email := fmt.Sprintf("p%d@new.example", round)
		var invited, refused atomic.Int64
		var invites []func()
		for i, course := range courses {
			p := w.as([]string{"ada", "mia", "ed"}[i%3])
			if i%2 == 0 {
				p.URL = other.URL()
			}
			invites = append(invites, func() {
				if a := p.invite(course, "VIEWER", []string{email}); len(a.Errors) == 0 {
					invited.Add(1)
				} else {
					a.Limited("INVITATIONS_BY_ADDRESS")
					refused.Add(1)
				}
			})
		}
		racetest.Together(invites...)
		mails := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
		if invited.Load() != 20 || refused.Load() != 30 || mails != 20 {
			t.Fatalf("round %d: %d invited, %d refused, %d mails", round, invited.Load(), refused.Load(), mails)
		}
	}
}

// A thousand addresses count a thousand for the person, the space and the
// domain, and one for each address.
func TestEachAddressCountsInTheLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxInvitations, s.MaxDomainInvitations = 1500, 1200 })
	emails := func(from, n int, domain string) (emails []string) {
		for i := range n {
			emails = append(emails, fmt.Sprintf("p%d@%s", from+i, domain))
		}
		return emails
	}
	ada, courses := w.as("ada"), w.courses(2)
	ada.invite(courses[0], "VIEWER", emails(0, 1000, "new.example")).OK()
	if got := w.Text(`select string_agg(name || ' ' || n, ', ' order by name) from (
		select name, count(*) || 'x' || min(n) as n from (select name, (select sum(n) from unnest(ns) n) as n from rate_limit) r group by name) r`); got !=
		"INVITATIONS_BY_ADDRESS 1000x1, INVITATIONS_BY_DOMAIN 1x1000, INVITATIONS_BY_PERSON 1x1000, INVITATIONS_BY_SPACE 1x1000" {
		t.Error(got)
	}
	ada.invite(courses[1], "VIEWER", emails(2000, 501, "other.example")).Limited("INVITATIONS_BY_PERSON")
	e := ada.invite(courses[1], "VIEWER", emails(2000, 201, "institute.new.example")).Limited("INVITATIONS_BY_DOMAIN")
	if e.Message != "new.example: one organization can send 1200 invitations to a domain in an hour. Nothing was done." || e.Extensions["index"] != nil {
		t.Errorf("%v", e)
	}
	ada.invite(courses[1], "VIEWER", append(emails(2000, 200, "institute.new.example"), emails(0, 300, "other.example")...)).OK()
	if n := w.Number(`select count(*) from invitation`); n != 1500 {
		t.Errorf("%d invitations", n)
	}
}

// The limit of mails to a domain holds for an organization: its spaces and the
// subdomains count together.
func TestLimitOfMailsToADomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxDomainInvitations = 5 })
	ada, rita, courses := w.as("ada"), w.as("rita"), w.courses(3)
	private := func(emails ...string) answer {
		return rita.Ask(`mutation($input: InviteSpaceAdministratorsInput!) { inviteSpaceAdministrators(input: $input) { results { outcome } } }`,
			map[string]any{"input": map[string]any{"spaceId": w.space("Private Research"), "emails": emails}})
	}
	ada.invite(courses[0], "VIEWER", []string{"a@new.example", "b@institute.new.example", "x@other.example"}).OK()
	ada.invite(courses[0], "VIEWER", []string{"a@new.example", "b@institute.new.example", "c@new.example"}).OK()
	w.as("mia").invite(courses[1], "VIEWER", []string{"a@new.example"}).OK()
	ada.resend([]string{w.invitationOf("b@institute.new.example")}).OK()
	for _, emails := range [][]string{{"d@new.example"}, {"x@other.example", "d@a.b.NEW.example", "e@new.example"}, {"@", "d@new.example"}} {
		ada.invite(courses[2], "VIEWER", emails).Limited("INVITATIONS_BY_DOMAIN")
	}
	// Every domain of a list that is over its limit has an error.
	var many []string
	for i := range 6 {
		many = append(many, fmt.Sprintf("p%d@third.example", i), fmt.Sprintf("p%d@münster.example", i))
	}
	a := ada.invite(courses[2], "VIEWER", append(many, "y@other.example"))
	if got := a.Codes(); !slices.Equal(got, []string{"RATE_LIMITED", "RATE_LIMITED"}) || !strings.HasPrefix(a.Errors[0].Message, "third.example: ") ||
		!strings.HasPrefix(a.Errors[1].Message, "xn--mnster-3ya.example: ") || a.Errors[0].Extensions["retryAfter"] != nil {
		t.Errorf("%s", a.Body)
	}
	private("a@new.example", "b@new.example", "c@new.example", "d@new.example", "e@new.example").OK()
	private("f@new.example").Limited("INVITATIONS_BY_DOMAIN")
	// Two names below a public suffix are two domains.
	ada.invite(courses[2], "VIEWER", []string{"a@one.co.uk", "b@one.co.uk", "c@one.co.uk", "d@two.co.uk", "e@two.co.uk", "f@two.co.uk"}).OK()
	w.anHourLater()
	ada.invite(courses[2], "VIEWER", []string{"d@new.example"}).OK()
}

// A resend counts like an invitation, for the person and for each space.
func TestResendingCountsInTheLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxInvitations, s.MaxSpaceInvitations = 9, 6 })
	ada, mia, courses := w.as("ada"), w.as("mia"), w.courses(2)
	ada.invite(courses[0], "VIEWER", []string{"a@new.example", "b@new.example"}).OK()
	ada.invite(courses[1], "VIEWER", []string{"c@new.example"}).OK()
	var ids []string
	for _, email := range []string{"a@new.example", "b@new.example", "c@new.example"} {
		ids = append(ids, w.invitationOf(email))
	}
	for range 2 {
		ada.resend(ids).OK()
		w.Exec(`delete from invitation_resend`)
	}
	ada.resend(ids[2:]).Limited("INVITATIONS_BY_PERSON")
	// The first space has used six, the other one three.
	mia.resend(ids).Limited("INVITATIONS_BY_SPACE")
	mia.resend(ids[2:]).OK()
	// Every limit that is reached has an error.
	all := ada.resend(ids)
	if got := all.Codes(); len(got) != 3 || all.Errors[0].Reason() != "RESENDS_BY_ADDRESS" || all.Errors[1].Reason() != "INVITATIONS_BY_PERSON" || all.Errors[2].Reason() != "INVITATIONS_BY_SPACE" {
		t.Errorf("%s", all.Body)
	}
	w.anHourLater()
	ada.resend(ids).OK()
	w.AwaitOutbox()
	if n := w.Number(`select count(*) from outbox`); n != 13 {
		t.Errorf("%d sendings", n)
	}
}

// Requests that name the same addresses in different orders wait for each other
// without a deadlock.
func TestInvitingRacesWithResending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	courses := w.courses(3)
	people := []person{w.as("ada"), w.as("mia"), w.as("ed")}
	rounds := racetest.Trials / 3
	for n := range rounds {
		var emails []string
		for i := range 8 {
			emails = append(emails, fmt.Sprintf("p%d@institute-%d.example", n*2+i, i%4)) // most of them as in the round before
		}
		var ids []string
		if err := w.Admin.Select(&ids, `select 'invitation_' || replace(id::text, '-', '') from (select id from invitation order by id desc limit 8) v`); err != nil {
			t.Fatal(err)
		}
		backwards := slices.Clone(emails)
		slices.Reverse(backwards)
		w.Exec(`delete from invitation_resend`)
		things := []func(){
			func() { people[0].invite(courses[0], "VIEWER", emails).OK() },
			func() { people[1].invite(courses[1], "VIEWER", backwards).OK() },
			func() { people[2].invite(courses[2], "VIEWER", append(backwards[4:], backwards[:4]...)).OK() },
		}
		if len(ids) > 0 {
			things = append(things, func() { people[0].resend(ids).OK() })
		}
		racetest.Together(things...)
	}
	if sent, counted := w.Number(`select count(*) from outbox where kind = 'INVITATION'`),
		w.Number(`select sum(n) from rate_limit, unnest(ns) n where name = 'INVITATIONS_BY_ADDRESS'`); sent != counted {
		t.Errorf("%d sendings, %d counted", sent, counted)
	}
	w.Exec(`update outbox set state = 'DROPPED', secret = null where state = 'QUEUED' and lease is null`) // nobody waits for them
}

// A person who tries unknown tokens is stopped. Valid tokens do not count.
func TestGuessingTokensIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, _ := w.Start()
	w.as("ada").invite("Group 1", "VIEWER", []string{"sam@uni.example", "zoe@new.example"}).OK()
	w.as("ada").invite("Master", "VIEWER", []string{"sam@uni.example"}).OK()
	first, second := w.invitationOf("sam@uni.example"), w.Text(`select 'invitation_' || replace(id::text, '-', '') from invitation where email = 'sam@uni.example' order by id limit 1`)
	w.AwaitMails(3)
	token, sam, zoe := w.AwaitToken("sam@uni.example"), w.as("sam"), w.as("zoe@new.example")
	sam.Ask(`{ viewer { id } }`, nil).OK()
	for range 25 {
		sam.review(token).OK()
	}
	elsewhere := sam
	elsewhere.URL = other.URL()
	var nothing, refused atomic.Int64
	var guesses []func()
	for i := range 50 {
		p, guess := []person{sam, elsewhere}[i%2], fmt.Sprint("guess", i)
		guesses = append(guesses, func() {
			var a answer
			switch i % 3 {
			case 0:
				a = p.accept("token", guess)
			case 1:
				a = p.decline("token", guess, "idempotencyKey", guess)
			case 2:
				a = p.review(guess)
			}
			if codes := a.Codes(); len(codes) == 0 && a.At("invitation") == nil || slices.Equal(codes, []string{"INVITATION_NOT_USABLE"}) {
				nothing.Add(1)
			} else {
				a.Limited("TOKENS_BY_PERSON")
				refused.Add(1)
			}
		})
	}
	racetest.Together(guesses...)
	if nothing.Load() != 20 || refused.Load() != 30 {
		t.Errorf("%d led to nothing, %d were refused", nothing.Load(), refused.Load())
	}
	sam.accept("token", token).Limited("TOKENS_BY_PERSON")
	elsewhere.decline("token", token).Limited("TOKENS_BY_PERSON")
	sam.review(token).Limited("TOKENS_BY_PERSON")
	// Other people, and requests without a token, are not affected.
	if a := zoe.accept("token", "guess").Refused("INVITATION_NOT_USABLE"); a.Reason() != nil {
		t.Errorf("%v", a)
	}
	zoe.accept("token", w.AwaitToken("zoe@new.example")).OK()
	nobody := w.with("")
	if nobody.review(token).OK().At("invitation", "email") != "sam@uni.example" {
		t.Error("nobody is shown nothing")
	}
	sam.accept("invitationId", first, "idempotencyKey", "k").OK()
	w.anHourLater()
	sam.accept("invitationId", second).OK()
	w.Exec(`update invitation set token_hash = sha256(id::text::bytea)`)
	sam.accept("token", token).Refused("INVITATION_NOT_USABLE")
	// A retry gets its first answer in spite of the limit.
	w.Exec(`delete from rate_limit`)
	w.as("ada").invite("Master", "EDITOR", []string{"kim@new.example"}).OK()
	kim, token := w.as("kim@new.example"), w.AwaitToken("kim@new.example")
	kim.accept("token", token, "idempotencyKey", "k").OK()
	for i := range 21 {
		kim.accept("token", fmt.Sprint("guess", i))
	}
	kim.accept("token", token, "idempotencyKey", "k").OK()
	kim.accept("token", token).Limited("TOKENS_BY_PERSON")
}

// The token of another person's ended invitation counts like an unknown one, so
// that the limit does not reveal it.
func TestEndedInvitationIsUnknownToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.MaxUnknownTokens = 2 })
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	token := w.AwaitToken("zoe@new.example")
	w.as("ada").revoke([]string{w.invitationOf("zoe@new.example")}).OK()
	sam := w.as("sam")
	for range 2 {
		if got := sam.review(token).OK().At("invitation"); got != nil {
			t.Errorf("%v", got)
		}
	}
	sam.review(token).Limited("TOKENS_BY_PERSON")
	if got := w.as("zoe@new.example").review(token).OK().At("invitation", "status"); got != "REVOKED" {
		t.Errorf("%v", got)
	}
}
