package privacy_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Pat is the person that these tests export and erase.
const (
	patEmail   = "pat@new.example"
	patName    = "Patricia Sentinel"
	patSubject = "subject-of-patricia"
)

// traces are texts by which Pat can be recognised, or that Pat wrote.
var traces = []string{patEmail, patName, patSubject, "written by p.", "asked by p.", "answered by p.", "key of p."}

var hashKey = keyedhash.New([]byte("the key of this test"), "")

type world struct {
	*testworld.World
	*testworld.Services
	t     *testing.T
	owner *postgres.DB // of the tables
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := testworld.New(t)
	return &world{w, w.Services(), t, w.Open(w.DSN)}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// find returns a person as the commands do.
func (w *world) find(who string) (p privacy.Person) {
	w.t.Helper()
	id, email, err := privacy.ParsePerson(who)
	w.must(err)
	if id.Kind != "" {
		p, err = privacy.FindAccount(w.t.Context(), w.owner, id)
	} else {
		p, err = privacy.FindAddress(w.t.Context(), w.owner, email)
	}
	w.must(err)
	return p
}

func withKey(o privacy.Options) privacy.Options {
	o.HashKey = hashKey
	return o
}

func (w *world) erase(who string, o privacy.Options) privacy.Report {
	w.t.Helper()
	report, err := privacy.Erase(w.t.Context(), w.owner, w.find(who), withKey(o))
	w.must(err)
	return report
}

// export returns an export, and its text.
func (w *world) export(who string) (export map[string]any, text string) {
	w.t.Helper()
	var out bytes.Buffer
	w.must(privacy.Export(w.t.Context(), w.DB, hashKey, w.find(who), &out))
	if err := json.Unmarshal(out.Bytes(), &export); err != nil {
		w.t.Fatalf("%v in %s", err, out.String())
	}
	return export, out.String()
}

func (w *world) invite(by tenant.User, instance, message, key string, emails ...string) globalid.ID {
	w.t.Helper()
	in := invitation.InviteUsersInput{InstanceID: w.Instance(instance), Role: tenant.Viewer, Emails: emails, Message: &message}
	if key != "" {
		in.IdempotencyKey = &key
	}
	payload, err := w.Invitations.Invite(w.t.Context(), by, in)
	w.must(err)
	return payload.Results[0].InvitationID
}

// newPat makes Pat, who has left something in every table. Mallory is a person of a
// similar address, of whom nothing may change.
func (w *world) newPat() tenant.User {
	w.t.Helper()
	ctx := w.t.Context()
	group1, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	ada, vic, ed := w.User("ada"), w.User("vic"), w.User("ed")
	pat := w.User(patEmail)
	w.Exec(`update account set subject = $2, name = $3, locale = 'de' where id = $1`, pat.ID.UUID, patSubject, patName)
	pat.Name = patName
	w.Grant(pat, tenant.InstanceViewer, group1)

	ask := func(by tenant.User, message string, emails ...string) globalid.ID {
		w.t.Helper()
		made, err := w.Requests.RequestInvitations(ctx, by, request.RequestInvitationsInput{InstanceID: group1, Role: tenant.Viewer, Emails: emails, Message: &message})
		w.must(err)
		return made.Request.ID
	}
	answered := ask(pat, "asked by p.", "friend@else.example")
	_, err := w.Requests.Decline(ctx, ada, request.DeclineRequestInput{RequestID: answered, Message: new("Not now.")})
	w.must(err)
	ask(pat, "asked by p. again", "friend@else.example")
	ask(vic, "Two people.", "Pat@New.example", "other@else.example")
	ask(ed, "One person.", "PAT@new.example")

	byAda := w.invite(ada, "Master", "For you.", "", "Pat@new.EXAMPLE")
	w.Links.HashKey = hashKey
	course, err := w.Links.Create(ctx, ada, link.CreateInviteLinkInput{SpaceID: &space, Role: tenant.Viewer, ExpiresAt: time.Now().Add(time.Hour), MaxUses: 3})
	w.must(err)
	_, token, _ := strings.Cut(*course.Link.URL, "#")
	for _, email := range []string{patEmail, "pat.mallory@new.example"} {
		_, err = w.Links.Join(ctx, link.Caller{}, link.JoinByLinkInput{Token: token, Email: email, IdempotencyKey: new("key at a link")})
		w.must(err)
	}
	w.Grant(pat, tenant.SpaceAdministrator, space)
	w.Grant(pat, tenant.OrganizationFaculty, w.Organization("University of Example"))
	w.invite(ada, "Master", "For you, too.", "", "pat.mallory@new.example")
	w.invite(pat, "Master", "written by p.", "key of p.", "friend@else.example")
	role, err := w.Requests.RequestRole(ctx, vic, request.RequestRoleInput{InstanceID: &group1, Role: tenant.InstanceEditor})
	w.must(err)
	_, err = w.Requests.Decline(ctx, pat, request.DeclineRequestInput{RequestID: role.Request.ID, Message: new("answered by p.")})
	w.must(err)
	w.Mails()
	_, err = w.Invitations.Resend(ctx, ada, invitation.SelectionInput{InvitationIDs: []globalid.ID{byAda}})
	w.must(err)
	deleted := w.NewInstance(space, "Old group")
	w.DeleteInstance(deleted, pat)
	w.DeleteSpace(w.NewSpace(w.Organization("University of Example"), "Old space"), pat)
	_, err = w.Links.Create(ctx, pat, link.CreateInviteLinkInput{SpaceID: &space, Role: tenant.Viewer, ExpiresAt: time.Now().Add(time.Hour), MaxUses: 3})
	w.must(err)
	return pat
}

// found returns the tables with rows in which a text occurs, in any case.
func (w *world) found(text string) (tables []string) {
	w.t.Helper()
	for _, table := range w.tables() {
		if w.Number(`select count(*) from `+table+` t where strpos(lower(t::text), lower($1)) > 0`, text) > 0 {
			tables = append(tables, table)
		}
	}
	return tables
}

func (w *world) tables() []string {
	w.t.Helper()
	return w.Lines(`select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`)
}

// state returns a hash of every table.
func (w *world) state() map[string]string {
	w.t.Helper()
	state := map[string]string{}
	for _, table := range w.tables() {
		state[table] = w.Text(`select coalesce(md5(string_agg(t::text, e'\n' order by t::text)), '') from ` + table + ` t`)
	}
	return state
}

func TestExportHasEverythingAboutAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pat := w.newPat()
	export, text := w.export(patEmail)
	for _, trace := range append(traces, "Not now.", "For you.", "friend@else.example", pat.ID.String()) {
		if !strings.Contains(text, trace) {
			t.Errorf("the export does not have %q", trace)
		}
	}
	counts := map[string]int{}
	for name, value := range export {
		if list, ok := value.([]any); ok {
			counts[name] = len(list)
		}
	}
	want := map[string]int{
		"account": 1, "organizationRoles": 1, "spaceRoles": 1, "instanceRoles": 1, "spacesDeleted": 1, "instancesDeleted": 1,
		"invitationsReceived": 2, "linksMade": 1, "linksUsed": 1, "invitationsSent": 1, "invitationResends": 1, "requestsMade": 2, "requestsAnswered": 1, "requestsNaming": 2,
		"idempotencyKeys": 1,
	}
	for name, n := range want {
		if counts[name] != n {
			t.Errorf("%s has %d entries, want %d", name, counts[name], n)
		}
	}
	for _, name := range []string{"mails", "auditRecords", "limits", "events"} {
		if counts[name] == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	// Neither secrets nor other people's affairs.
	for _, other := range append(w.Lines(`select secret from outbox where secret is not null`),
		w.Lines(`select encode(token_hash, 'hex') from invitation`)...) {
		if strings.Contains(text, other) {
			t.Errorf("the export has a secret: %s", other)
		}
	}
	for _, other := range []string{"mallory", "other@else.example", "Two people.", "For you, too."} {
		if strings.Contains(text, other) {
			t.Errorf("the export has %q, which is about somebody else", other)
		}
	}
	if byID, _ := w.export(pat.ID.String()); len(byID["mails"].([]any)) != counts["mails"] {
		t.Errorf("by the id there are %d mails", len(byID["mails"].([]any)))
	}
}

// An export reads page by page, and has every row once.
func TestExportOfManyRowsIsComplete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`
		insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), $1, 'n' || n || '@new.example', 'n' || n || '@new.example', 'VIEWER', sha256(n::text::bytea), $2, clock_timestamp()
		from generate_series(1, 1500) n`, w.Instance("Group 1").UUID, w.User("ada").ID.UUID)
	export, _ := w.export("ada@uni.example")
	seen := map[string]bool{}
	for _, v := range export["invitationsSent"].([]any) {
		seen[v.(map[string]any)["email"].(string)] = true
	}
	if len(seen) != 1500 || len(export["invitationsSent"].([]any)) != 1500 {
		t.Errorf("%d invitations, %d different ones", len(export["invitationsSent"].([]any)), len(seen))
	}
}

func TestEraseLeavesNoTraceOfAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pat := w.newPat()
	ofLink := hex.EncodeToString(link.AddressHash(hashKey, patEmail))
	traces := append(slices.Clone(traces), ofLink)
	for _, trace := range traces {
		if w.found(trace) == nil {
			t.Fatalf("%q is nowhere: the test has nothing to erase", trace)
		}
	}
	other := w.Lines(`select t::text from invitation t where email = 'pat.mallory@new.example'`)
	before := w.state()
	records := len(w.Trail())

	dry := w.erase(patEmail, privacy.Options{DryRun: true})
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Fatalf("a dry run changed: %s", diff)
	}
	report := w.erase(patEmail, privacy.Options{})
	if diff := cmp.Diff(dry, report); diff != "" || report.Rows() == 0 {
		t.Errorf("a dry run and the erasure differ: %s", diff)
	}
	for _, trace := range traces {
		if tables := w.found(trace); tables != nil {
			t.Errorf("%q is still in %v", trace, tables)
		}
	}
	// The id stays as the pseudonym where others need to see that there was somebody.
	if got, want := w.found(pat.ID.UUID.String()), []string{"account", "audit_log", "instance", "invitation", "invite_link", "request", "space"}; !slices.Equal(got, want) {
		t.Errorf("the id is in %v, want %v", got, want)
	}

	// No record of the trail is lost, and each tells what happened.
	trail := w.Trail()
	if len(trail) < records {
		t.Errorf("%d records of the trail, there were %d", len(trail), records)
	}
	for _, line := range []string{
		report.Pseudonym + " REQUEST_MADE Group 1", report.Pseudonym + " REQUEST_DECLINED Group 1", report.Pseudonym + " INVITATION_SENT Master",
		"DataHub MEMBER_REMOVED Group 1", "DataHub INVITATION_REVOKED Master",
	} {
		if !slices.Contains(trail, line) {
			t.Errorf("the trail does not say %q: %q", line, trail)
		}
	}
	// Others keep what is theirs.
	if diff := cmp.Diff(other, w.Lines(`select t::text from invitation t where email = 'pat.mallory@new.example'`)); diff != "" {
		t.Error(diff)
	}
	if got := w.Text(`select status from invitation where email = 'friend@else.example'`); got != "REVOKED" {
		t.Errorf("an invitation that Pat sent is %s", got)
	}
	if got := w.Lines(`select status || ' ' || array_to_string(emails, ' ') from request where requested_by = any ($1::uuid[]) and kind = 'INVITATIONS' order by 1`,
		postgres.UUIDs{w.User("vic").ID.UUID, w.User("ed").ID.UUID}); len(got) != 2 || !strings.HasPrefix(got[0], "EXPIRED erased-") || got[1] != "OPEN other@else.example" {
		t.Errorf("requests that named Pat: %q", got)
	}

	// Repeating it changes nothing, by the address and by the id.
	after := w.state()
	for _, who := range []string{patEmail, pat.ID.String(), pat.ID.UUID.String()} {
		if n := w.erase(who, privacy.Options{}).Rows(); n != 0 {
			t.Errorf("repeated by %s, %d rows were changed", who, n)
		}
	}
	if diff := cmp.Diff(after, w.state()); diff != "" {
		t.Errorf("repeating it changed: %s", diff)
	}

	// Somebody with the address, even with the same subject, is new.
	email, _ := address.Parse(patEmail)
	actor, err := account.NewDirectory(w.DB).Actor(t.Context(), account.Identity{Subject: patSubject, Email: email, Name: patName})
	w.must(err)
	if actor.ID == pat.ID {
		t.Error("signing in again leads to the erased account")
	}
	if id := w.invite(w.User("ada"), "Master", "Welcome back.", "", patEmail); id.Kind == "" {
		t.Error("the address cannot be invited again")
	}
}

// A person who was only invited has an address and no account.
func TestEraseOfAnInvitedPersonWithoutAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite(w.User("ada"), "Master", "Hello.", "", "Zoë@new.example", "bob@new.example")
	w.Invitations.HashKey = hashKey
	if _, err := w.Invitations.Refuse(t.Context(), nil, invitation.RefuseInvitationsInput{Token: w.Token("Zoë@new.example")}); err != nil {
		t.Fatal(err)
	}
	export, text := w.export("zoë@new.example")
	if len(export["account"].([]any)) != 0 || len(export["invitationsReceived"].([]any)) != 1 || strings.Contains(text, "bob@") ||
		len(export["auditRecords"].([]any)) != 2 || export["invitationsRefusedAt"] == nil {
		t.Errorf("%s", text)
	}
	report := w.erase("ZOË@new.example", privacy.Options{})
	if tables := w.found("zoë@new.example"); tables != nil || report.Rows() == 0 {
		t.Errorf("%d rows; the address is still in %v", report.Rows(), tables)
	}
	if got := w.Lines(`select e from audit_log, jsonb_array_elements_text(details -> 'emails') with ordinality u (e, n) order by n, id`); len(got) != 3 ||
		!strings.HasPrefix(got[0], "erased-") || got[1] != got[0] || got[2] != "bob@new.example" {
		t.Errorf("the trail names %q", got)
	}
	if n := w.erase("zoë@new.example", privacy.Options{}).Rows(); n != 0 {
		t.Errorf("repeated, %d rows were changed", n)
	}
	// The refusal is respected afterwards.
	id := w.invite(w.User("ada"), "Master", "Hello again.", "", "zoë@new.example")
	if got := w.Text(`select mail_refused::text from invitation where id = $1`, id.UUID); got != "true" {
		t.Error("the refusal was erased, too")
	}
}

// A deleted space needs an administrator for as long as it can be restored.
func TestEraseRefusesTheLastAdministratorOfADeletedSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Spaces.Delete(t.Context(), w.User("ada"), space.Input{SpaceID: w.Space(testworld.Econometrics)}); err != nil {
		t.Fatal(err)
	}
	_, err := privacy.Erase(t.Context(), w.owner, w.find("ada@uni.example"), privacy.Options{})
	if says := "the last administrator of the deleted space Econometrics 2026 of University of Example"; err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want %q", err, says)
	}
	w.Advance(24 * time.Hour)
	w.erase("ada@uni.example", privacy.Options{})
}

func TestEraseRefusesTheLastAdministratorUnlessForced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.state()
	for who, says := range map[string]string{
		"ada@uni.example":  "the last administrator of the space Econometrics 2026 of University of Example",
		"rita@uni.example": "the last administrator of the space Private Research of Private Institute",
		"mia@uni.example":  "the last manager of University of Example",
	} {
		for _, dry := range []bool{true, false} {
			_, err := privacy.Erase(t.Context(), w.owner, w.find(who), privacy.Options{DryRun: dry})
			if last := (*privacy.LastError)(nil); !errors.As(err, &last) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", who, err, says)
			}
		}
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("a refused erasure changed: %s", diff)
	}
	w.erase("ada@uni.example", privacy.Options{Force: true})
	if n := w.Number(`select count(*) from space_administrator sa join space s on s.id = sa.space_id where s.name = $1`, testworld.Econometrics); n != 0 {
		t.Errorf("%d administrators", n)
	}
	// Where there is another one, no force is needed.
	w.Grant(w.User("ed"), tenant.SpaceAdministrator, w.Space("Private Research"))
	w.Grant(w.User("ed"), tenant.OrganizationManager, w.Organization("Private Institute"))
	w.erase("rita@uni.example", privacy.Options{})
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		_, err := tx.Exec(t.Context(), `delete from space_administrator`)
		return err
	}); err == nil || !strings.Contains(err.Error(), "would have no administrator") {
		t.Errorf("without an erasure, the last administrator was removed: %v", err)
	}
}

// A gateway's role cannot rewrite the trail.
func TestEraseNeedsTheOwnerOfTheTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPat()
	before := w.state()
	if _, err := privacy.Erase(t.Context(), w.DB, w.find(patEmail), privacy.Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("half an erasure: %s", diff)
	}
}

// An address that has another holder now is not the former holder's any more.
func TestFormerHoldersKeepOnlyTheirAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	former := w.newPat()
	holder := uuid.New()
	w.Exec(`insert into account (id, subject, email, email_key, name, created_at) values ($1, 'new-subject', $2, $2, 'Pat the Second', clock_timestamp() + interval '1 second')`, holder, patEmail)
	if p := w.find(patEmail); p.Account != holder || len(p.FormerHolders) != 1 || p.FormerHolders[0] != former.ID {
		t.Errorf("%+v", p)
	}
	if p := w.find(former.ID.String()); p.Account != former.ID.UUID || p.Key != "" || p.Spellings != nil {
		t.Errorf("%+v", p)
	}
	export, _ := w.export(former.ID.String())
	if n := len(export["invitationsReceived"].([]any)); n != 0 {
		t.Errorf("the former holder is told of %d invitations", n)
	}
	w.erase(former.ID.String(), privacy.Options{})
	if n := w.Number(`select count(*) from invitation where email_key = $1`, patEmail); n != 2 {
		t.Errorf("the present holder has %d invitations", n)
	}
	if tables := w.found(patName); tables != nil {
		t.Errorf("the name is still in %v", tables)
	}
}

// A person is erased while they get a former role back: nobody has a role under a pseudonym.
func TestErasingRacesWithReinstating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, ada := w.Instance("Group 1"), w.User("ada")
	var r racetest.Race
	for n := range racetest.Trials {
		former := w.User(fmt.Sprintf("former%d@new.example", n))
		w.Grant(former, tenant.InstanceViewer, group1)
		if _, err := w.Memberships.Remove(t.Context(), ada, membership.RemoveMemberInput{UserID: former.ID, InstanceID: &group1}); err != nil {
			t.Fatal(err)
		}
		person := w.find(former.ID.String())
		var reinstating, erasing error
		r.Run(
			func() {
				_, reinstating = w.Memberships.Reinstate(t.Context(), ada, membership.ReinstateMemberInput{UserID: former.ID, InstanceID: &group1})
			},
			func() { _, erasing = privacy.Erase(t.Context(), w.owner, person, privacy.Options{}) })
		if f := (*fault.Fault)(nil); erasing != nil || reinstating != nil && !(errors.As(reinstating, &f) && f.Code == fault.NotFound) {
			t.Fatalf("trial %d: %v, %v", n, reinstating, erasing)
		}
		if roles := w.Number(`select count(*) from instance_member where account_id = $1`, former.ID.UUID) +
			w.Number(`select count(*) from organization_member where account_id = $1`, former.ID.UUID); roles != 0 {
			t.Fatalf("trial %d: %d roles are left, %v", n, roles, reinstating)
		}
		r.Record(reinstating == nil)
	}
	r.End(t)
}

func TestParsePerson(t *testing.T) {
	t.Parallel()
	id := globalid.New(globalid.User)
	for text, want := range map[string]string{
		id.String(): id.String(), id.UUID.String(): id.String(), " Ada <ADA@uni.example> ": "ADA@uni.example",
	} {
		gotID, email, err := privacy.ParsePerson(text)
		if got := gotID.String() + email.String(); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ada", "space_" + fmt.Sprintf("%032x", 1)} {
		if _, _, err := privacy.ParsePerson(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	w := newWorld(t)
	if _, err := privacy.FindAccount(t.Context(), w.DB, id); !errors.Is(err, privacy.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}
