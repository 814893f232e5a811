package app_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// dearRequest is a request that takes much time for what it costs.
type dearRequest struct {
	name string // the field and what makes it dear
	who  string
	// build returns the document and the variables of a request of a size: the
	// benchmark takes the largest one that the limits allow. fresh differs in every
	// request.
	build func(n, fresh int) (document string, variables map[string]any)
	most  int // the largest size to try
}

// maxProcessorTime is what a request may take of a processor that has nothing else to do.
const maxProcessorTime = 250 * time.Millisecond

// BenchmarkDearest serves, for each field, the dearest requests known that the limits
// allow, and reports the time of the processor that the gateway and its client take.
// With -update it writes the table in docs/operations.md.
func BenchmarkDearest(b *testing.B) {
	w := newWorld(b, unlimitedInvitations, func(s *app.Settings) {
		s.MaxRequests, s.MaxSpaceRequests, s.MaxOrganizationRequests, s.MaxPersonOrganizationRequests = 1e9, 1e9, 1e9, 1e9
	})
	w.fill()
	table := "| request | answer | time of the processor |\n| --- | --- | --- |\n"
	for _, d := range dearestRequests(w) {
		row := ""
		b.Run(d.name, func(b *testing.B) {
			p, fresh := w.as(d.who), 0
			send := func(n int) (head string, octets int64, took time.Duration) {
				fresh++
				document, variables := d.build(n, fresh)
				began := processorTime(b)
				head, octets = p.read(b, document, variables)
				return head, octets, processorTime(b) - began
			}
			allowed := func(n int) bool {
				head, _, _ := send(n)
				return !strings.Contains(head, "QUERY_TOO_COMPLEX") && !strings.Contains(head, "GRAPHQL_PARSE_FAILED") && !strings.Contains(head, `"BAD_REQUEST"`)
			}
			n := d.most
			if !allowed(n) {
				n = sort.Search(d.most-1, func(i int) bool { return !allowed(i + 1) })
			}
			if n == 0 {
				head, _, _ := send(1)
				b.Fatal(head)
			}
			var size int64
			var times []time.Duration
			for b.Loop() {
				_, octets, took := send(n)
				size, times = octets, append(times, took)
			}
			slices.Sort(times)
			median := times[len(times)/2]
			if median > maxProcessorTime {
				b.Errorf("it takes %v, more than %v", median, maxProcessorTime)
			}
			b.ReportMetric(float64(median.Microseconds())/1000, "cpu-ms/op")
			b.ReportMetric(float64(n), "size")
			b.ReportMetric(float64(size)/1000, "answer-kB")
			b.ReportMetric(0, "ns/op")
			row = fmt.Sprintf("| %s | %d kB | %d ms |\n", d.name, (size+999)/1000, (median+time.Millisecond-1)/time.Millisecond)
		})
		table += row
	}
	if f := flag.Lookup("update"); f.Value.String() == "true" {
		updateTable(b, table)
	}
}

// updateTable writes the table of the dearest requests.
func updateTable(t testing.TB, table string) {
	t.Helper()
	const operations = "../../docs/operations.md"
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)(<!-- generated: dearest -->\n).*?(<!-- end -->)`)
	if err := os.WriteFile(operations, block.ReplaceAll(text, []byte("${1}"+table+"${2}")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// read sends an operation, and returns the beginning of the answer and its size.
func (p person) read(t testing.TB, document string, variables map[string]any) (head string, octets int64) {
	t.Helper()
	r := p.Request(document, variables)
	r.Header.Set("Authorization", "Bearer "+p.Token)
	response, err := p.world.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	beginning, err := io.ReadAll(io.LimitReader(response.Body, 2000))
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(beginning), int64(len(beginning)) + rest
}

// processorTime is the time of the processor that this process has taken.
func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill gives the world the longest lists and texts that pages can have. No mails are sent:
// their work is not the request's.
func (w *world) fill() {
	w.Exec(`insert into account (id, email, email_key, name) select gen_random_uuid(), n || '@institute-' || n || '.example', n || '@institute-' || n || '.example', 'N' || n from generate_series(1, 1000) n`)
	w.Exec(`insert into organization_member (organization_id, account_id, role) select o.id, a.id, 'MEMBER' from organization o, account a where o.name = 'University of Example' and a.name like 'N%'`)
	w.Exec(`insert into instance (id, space_id, name, kind) select gen_random_uuid(), id, 'Group ' || n, 'WORKING' from space, generate_series(4, 100) n where name = 'Econometrics 2026'`)
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where a.name like 'N%' and substr(a.name, 2)::int <= 100`)
	w.Exec(`insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at, message)
		select gen_random_uuid(), i.id, n || '@y.example', n || '@y.example', 'VIEWER', sha256((i.id::text || n)::bytea), a.id, clock_timestamp() + interval '1 day', repeat('Hello "you" ', 160)
		from instance i, account a, generate_series(1, 100) n where a.name = 'Ada'`)
	w.Exec(`insert into request (id, kind, space_id, instance_id, space_name, instance_name, requested_by, role, emails, lasts_until, expires_at, message)
		select gen_random_uuid(), 'INVITATIONS', i.space_id, i.id, 'Econometrics 2026', i.name, a.id, 'INSTANCE_VIEWER',
		       array(select n || '@somewhere.example' from generate_series(1, 1000) n), clock_timestamp() + interval '1 day', clock_timestamp() + interval '1 day', repeat('Please "do" ', 160)
		from instance i, account a where a.name = 'Ed' and i.kind = 'WORKING' and i.deleted_at is null`)
	w.Exec(`insert into audit_log (action, actor_name, space_id, space_name, details)
		select 'INVITATION_SENT', 'Ada', s.id, s.name, jsonb_build_object('role', 'VIEWER', 'emails', (select jsonb_agg(n || '@somewhere.example') from generate_series(1, 1000) n))
		from space s, generate_series(1, 100) where s.name = 'Econometrics 2026'`)
	w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.name like 'N%' and substr(a.name, 2)::int <= 99`)
	w.Exec(`create function no_mail() returns trigger language plpgsql as $$ begin return null; end $$`)
	w.Exec(`create trigger no_mail before insert on outbox for each row execute function no_mail()`)
	w.Exec(`analyze`)
}

func dearestRequests(w *world) []dearRequest {
	times := func(n int, s string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d:%s", i, s)
		}
		return b.String()
	}
	list := func(n int, s func(int) string) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = s(i)
		}
		return out
	}
	const all = "{index input email valid reason suggestion warning}"
	check := func(name string, aliases int, s func(int) string) dearRequest {
		return dearRequest{"`checkEmails`: " + name, "ada", func(n, _ int) (string, map[string]any) {
			return "query($e:[String!]!){" + times(aliases, "checkEmails(emails:$e){valid}") + "}", map[string]any{"e": list(n, s)}
		}, 1000}
	}
	rep := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	distinctHan := func(n int) string {
		s := ""
		for i := 0; i < n; i++ {
			s += string(rune(0x4e00 + i*60))
		}
		return s
	}
	group1, space := w.instance("Group 1"), w.space("Econometrics 2026")
	invite := func(name string, aliases int, s func(fresh, i int) string, what string) dearRequest {
		return dearRequest{name, "ada", func(n, fresh int) (string, map[string]any) {
			return "mutation($i:InviteUsersInput!){" + times(aliases, "inviteUsers(input:$i)"+what) + "}",
				map[string]any{"i": map[string]any{"instanceId": group1, "role": "VIEWER", "message": rep("Hello ", 2000), "emails": list(n, func(i int) string { return s(fresh, i) })}}
		}, 1000}
	}
	document := func(name, who string, most int, build func(n int) string) dearRequest {
		return dearRequest{name, who, func(n, fresh int) (string, map[string]any) { return fmt.Sprintf("%s#%d", build(n), fresh), nil }, most}
	}
	variables := func(name string, most int, v func(n int) map[string]any) dearRequest {
		return dearRequest{name, "ada", func(n, _ int) (string, map[string]any) { return "query{viewer{name}}", v(n) }, most}
	}
	const invitation = "{id email role status instance{id name} space{name organizationName} instanceName message invitedBy{name email} requestedBy{name} createdAt expiresAt accepting{allowed obstacles{message}} delivery{status attempts explanation}}"
	return []dearRequest{
		check("1,000 plain addresses", 1, func(i int) string { return fmt.Sprintf("p%d@uni.example", i) }),
		check("plain addresses, 49 fields", 49, func(i int) string { return fmt.Sprintf("p%d@uni.example", i) }),
		check("1,000 mistyped domains", 1, func(i int) string { return fmt.Sprintf("zoe@institute-%d.exmaple", i) }),
		check("mistyped domains, 49 fields", 49, func(i int) string { return fmt.Sprintf("zoe@institute-%d.exmaple", i) }),
		check("long domains, 49 fields", 49, func(i int) string { return "a@" + rep("abcdefghi.", 240) + "example" }),
		check("umlauts, 49 fields", 49, func(i int) string { return "a@" + rep("ü.", 240) + "example" }),
		check("long Chinese domains, 49 fields", 49, func(i int) string { return "a@" + distinctHan(320) + ".example" }),
		check("1,000 long Chinese domains", 1, func(i int) string { return "a@" + distinctHan(320) + ".example" }),
		check("Chinese domains, 49 fields", 49, func(i int) string { return "a@" + distinctHan(20) + ".example" }),
		check("A-labels, 49 fields", 49, func(i int) string { return "a@" + rep("xn--mnster-3ya.", 240) + "example" }),
		check("ligatures, 49 fields", 49, func(i int) string { return rep("\ufdfa", 300) + "@x.example" }),
		check("several addresses in one, 49 fields", 49, func(i int) string { return rep("ü@bü.de,", 318) }),
		check("open brackets, 49 fields", 49, func(i int) string { return rep("[ ", 318) }),
		check("quoted names, 49 fields", 49, func(i int) string { return `"` + rep(`\"`, 900) + `" <ada@uni.example>` }),
		check("empty addresses, 49 fields", 49, func(i int) string { return "" }),
		{"`checkEmails`: literals, every field", "ada", func(n, _ int) (string, map[string]any) {
			return `{checkEmails(emails:[` + rep(`"a@b" `, 6*n) + `])` + all + "}", nil
		}, 1000},
		{"`checkEmails`: a megabyte, every field", "ada", func(n, _ int) (string, map[string]any) {
			return "query($e:[String!]!){checkEmails(emails:$e)" + all + "}", map[string]any{"e": list(n, func(int) string { return rep("\"", 510) })}
		}, 1000},
		invite("`inviteUsers`: 1,000 people", 1, func(fresh, i int) string { return fmt.Sprintf("p%05d.%03d@new.example", fresh, i) }, "{results{index email outcome role invitation{id email}}}"),
		invite("`inviteUsers`: people, 10 fields", 10, func(fresh, i int) string { return fmt.Sprintf("q%05d.%03d@new.example", fresh, i) }, "{results{index}}"),
		invite("`inviteUsers`: long addresses, 10 fields", 10, func(fresh, i int) string {
			return fmt.Sprintf("r%05d.%03d@", fresh, i) + rep("abcdefghi.", 220) + "example"
		}, "{results{index}}"),
		invite("`inviteUsers`: 1,000 invalid addresses", 1, func(fresh, i int) string { return fmt.Sprintf("p%05d.%03d@", fresh, i) }, "{results{index}}"),
		invite("`inviteUsers`: invalid addresses, 10 fields", 10, func(fresh, i int) string { return fmt.Sprintf("p%05d.%03d@", fresh, i) }, "{results{index}}"),
		invite("`inviteUsers`: long invalid addresses, 10 fields", 10, func(fresh, i int) string { return rep("<a@b", 316) }, "{results{index}}"),
		invite("`inviteUsers`: invalid addresses of 1,000 octets", 10, func(fresh, i int) string { return rep("<", 1000) }, "{results{index}}"),
		invite("`inviteUsers`: the same address, every field", 10, func(fresh, i int) string { return "zoe@new.example" }, "{results{index invitation"+invitation+"}}"),
		{"`syncRoster`: 1,000 people in instances of their own", "ada", func(n, fresh int) (string, map[string]any) {
			entries := make([]any, n)
			for i := range entries {
				entries[i] = map[string]any{"email": fmt.Sprintf("t%05d.%03d@new.example", fresh, i), "role": "EDITOR", "instance": map[string]any{"own": "Homework of {name}"}}
			}
			return "mutation($i:SyncRosterInput!){syncRoster(input:$i){results{index email outcome invitation{id} instance{id name}}}}",
				map[string]any{"i": map[string]any{"spaceId": space, "entries": entries, "message": rep("Hello ", 2000)}}
		}, 1000},
		{"`requestInvitations`: 10 fields", "ed", func(n, fresh int) (string, map[string]any) {
			return "mutation($i:RequestInvitationsInput!){" + times(10, "requestInvitations(input:$i){request{id}}") + "}",
				map[string]any{"i": map[string]any{"instanceId": group1, "role": "VIEWER", "emails": list(n, func(i int) string { return fmt.Sprintf("s%05d.%03d@new.example", fresh, i) })}}
		}, 1000},
		{"`resendInvitations`: unknown ids, 10 fields", "ada", func(n, fresh int) (string, map[string]any) {
			return "mutation($i:ResendInvitationsInput!){" + times(10, "resendInvitations(input:$i){results{outcome}}") + "}",
				map[string]any{"i": map[string]any{"invitationIds": list(n, func(i int) string { return fmt.Sprintf("invitation_%032x", i) })}}
		}, 1000},
		{"`revokeInvitations`: long ids, 10 fields", "ada", func(n, fresh int) (string, map[string]any) {
			return "mutation($i:RevokeInvitationsInput!){" + times(10, "revokeInvitations(input:$i){results{outcome}}") + "}",
				map[string]any{"i": map[string]any{"invitationIds": list(n, func(i int) string { return rep("x", 900) })}}
		}, 1000},
		{"`revokeInvitations`: known ids, every field", "ada", func(n, fresh int) (string, map[string]any) {
			var ids []any
			if err := w.Admin.Select(&ids, `select 'invitation_' || replace(id::text, '-', '') from invitation where instance_id is not null and email like '%@y.example' limit $1`, n); err != nil {
				panic(err)
			}
			for i := range ids {
				ids[i] = fmt.Sprintf("%s", ids[i])
			}
			return "mutation($i:RevokeInvitationsInput!){" + times(10, "revokeInvitations(input:$i){results{outcome invitation"+invitation+"}}") + "}",
				map[string]any{"i": map[string]any{"invitationIds": ids}}
		}, 1000},
		document("`members`: 100 instances, 100 people each", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{members(first:%d){nodes{role user{name}}}}}}}`, space, n)
		}),
		document("`removing`: 100 instances, several people", "ada", 40, func(n int) string {
			fields := ""
			for i := range n {
				fields += fmt.Sprintf(" a%d:removing(userId:%q){allowed obstacles{message remedy contacts{name email}}}", i, fmt.Sprintf("user_%032x", i))
			}
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{%s}}}}`, space, fields)
		}),
		document("`members`: with edges and nodes", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{members(first:%d){edges{cursor node{role since user{id name email}}} nodes{role}}}}}}`, space, n)
		}),
		document("`invitations`: every field", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{invitations(first:%d){nodes%s}}}}}`, space, n, invitation)
		}),
		document("`invitations`: messages", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{invitations(first:%d){nodes{message}}}}}}`, space, n)
		}),
		document("`invitations`: messages, twice", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{invitations(first:%d){nodes{message} edges{node{message}}}}}}}`, space, n)
		}),
		document("`inviting`: 100 instances, many times", "vic", 50, func(n int) string {
			return "{" + times(n, fmt.Sprintf(`space(id:%q){instances(first:100){nodes{inviting{allowed obstacles{message remedy contacts{name email}}}}}}`, space)) + "}"
		}),
		document("`space`: 49 times 100 instances", "ada", 49, func(n int) string {
			return "{" + times(n, fmt.Sprintf(`space(id:%q){instances(first:100){nodes{name members(first:1){totalCount}}}}`, space)) + "}"
		}),
		document("`instances`: in the spaces of instances", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:100){nodes{space{instances(first:%d){nodes{name}}}}}}}`, space, n)
		}),
		document("`space`: 40 in each of 100 instances", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:%d){nodes{`, space, n) + times(40, "space{organization{name viewerRoles} viewerRoles}") + "}}}}"
		}),
		document("`requests`: 990 addresses each", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){requests(first:%d){nodes{emails(first:990)}}}}`, space, n)
		}),
		document("`requests`: addresses, 48 fields", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){requests(first:%d){nodes{%s}}}}`, space, n, times(48, "emails(first:1)"))
		}),
		document("`auditLog`: 100 records of 1,000 addresses", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){auditLog(first:%d){nodes{summary emails at}}}}`, space, n)
		}),
		document("`auditLog`: the same, many times", "ada", 49, func(n int) string {
			return "{" + times(n, fmt.Sprintf(`space(id:%q){auditLog(first:100){nodes{emails}}}`, space)) + "}"
		}),
		document("`administrators`: 100 in each of 100 spaces", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:%d){nodes{space{administrators{name email}}}}}}`, space, n)
		}),
		document("`administrators`: the same, many times", "ada", 49, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:10){nodes{space{%s}}}}}`, space, times(n, "administrators{name email}"))
		}),
		document("`inviting`: with contacts, 8 fields", "vic", 100, func(n int) string {
			return fmt.Sprintf(`{space(id:%q){instances(first:%d){nodes{%s}}}}`, space, n, times(8, "inviting{obstacles{contacts{name email}}}"))
		}),
		document("`requestsToAnswer`: 100", "ada", 100, func(n int) string {
			return fmt.Sprintf(`{viewer{requestsToAnswer(first:%d){nodes{id message space{name viewerRoles} instance{name viewerRoles} emails(first:100) requestedBy{name}}}}}`, n)
		}),
		document("`invitation`: 50 unknown tokens", "ada", 50, func(n int) string { return "{" + times(n, `invitation(token:"nothing"){id}`) + "}" }),
		document("`instance`: 50 times", "ada", 50, func(n int) string {
			return "{" + times(n, fmt.Sprintf(`instance(id:%q){id name viewerRoles space{name viewerRoles administrators{name}} inviting{allowed} restoring{allowed}}`, group1)) + "}"
		}),
		document("introspection (development)", "ada", 49, func(n int) string {
			return "{" + times(n, `__schema{types{name description fields(includeDeprecated:true){name description args{name description type{name ofType{name ofType{name}}}} type{name ofType{name ofType{name}}}}}}`) + "}"
		}),
		document("validation: same fields", "ada", 2000, func(n int) string { return "{" + strings.Repeat("viewer{name}", n) + "}" }),
		document("validation: leaves", "ada", 2000, func(n int) string { return "{" + strings.Repeat("__typename ", n) + "}" }),
		document("validation: unknown fields", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "%s%d ", strings.Repeat("x", 30), i)
			}
			return "{" + b.String() + "}"
		}),
		document("validation: unknown types", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "...on Instance%d{a} ", i)
			}
			return "{" + b.String() + "}"
		}),
		document("validation: unknown arguments", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "arg%d:1 ", i)
			}
			return "{viewer{spaces(" + b.String() + "){totalCount}}}"
		}),
		document("validation: unknown input fields", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "emailss%d:1 ", i)
			}
			return "mutation{inviteUsers(input:{" + b.String() + "}){results{index}}}"
		}),
		document("validation: same arguments", "ada", 2000, func(n int) string { return "{viewer{spaces(" + strings.Repeat("first:1 ", n) + "){totalCount}}}" }),
		document("validation: variables", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "$v%d:Int ", i)
			}
			return "query(" + b.String() + "){viewer{name}}"
		}),
		document("validation: same variables", "ada", 2000, func(n int) string { return "query(" + strings.Repeat("$v:Int ", n) + "){viewer{name}}" }),
		document("validation: unknown variable types", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "$v%d:Instanc%d ", i, i)
			}
			return "query(" + b.String() + "){viewer{name}}"
		}),
		document("validation: undefined variables", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "spaces(first:$v%d){totalCount}", i)
			}
			return "{viewer{" + b.String() + "}}"
		}),
		document("validation: operations", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "query Q%d{viewer{name}}", i)
			}
			return b.String()
		}),
		document("validation: fragments", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "fragment F%d on User{name}", i)
			}
			return "{viewer{name}}" + b.String()
		}),
		document("validation: spreads in operations", "ada", 2000, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "query Q%d{viewer{...F}}", i)
			}
			return b.String() + "fragment F on User{id name email spaces{totalCount}}"
		}),
		document("validation: chain", "ada", 2000, func(n int) string {
			var b strings.Builder
			b.WriteString("{viewer{...F0}}")
			for i := range n {
				fmt.Fprintf(&b, "fragment F%d on User{name ...F%d}", i, i+1)
			}
			fmt.Fprintf(&b, "fragment F%d on User{name}", n)
			return b.String()
		}),
		document("validation: nested spreads", "ada", 2000, func(n int) string {
			return "{viewer{" + strings.Repeat("...F ", n) + "}} fragment F on User{name}"
		}),
		document("validation: inline fragments", "ada", 2000, func(n int) string {
			return "{viewer{" + strings.Repeat("...{name}", n) + "}}"
		}),
		document("validation: directives", "ada", 2000, func(n int) string { return "{viewer{name" + strings.Repeat(" @skip(if:false)", n) + "}}" }),
		document("validation: unknown directives", "ada", 2000, func(n int) string { return "{viewer{name" + strings.Repeat(" @skipp", n) + "}}" }),
		document("validation: list literal", "ada", 2000, func(n int) string {
			return "{checkEmails(emails:[" + strings.Repeat("1 ", n) + "]){valid}}"
		}),
		document("validation: nested list literal", "ada", 900, func(n int) string {
			return "{checkEmails(emails:" + strings.Repeat("[", n) + strings.Repeat("]", n) + "){valid}}"
		}),
		document("validation: 128 KiB string", "ada", 131, func(n int) string {
			return `{checkEmails(emails:["` + strings.Repeat("x", n*1000) + `"]){valid input}}`
		}),
		document("validation: 128 KiB escapes", "ada", 20, func(n int) string {
			return `{checkEmails(emails:["` + strings.Repeat(`\u00e9`, n*1000) + `"]){valid input}}`
		}),
		document("validation: block string", "ada", 120, func(n int) string {
			return `{checkEmails(emails:["""` + strings.Repeat("\n \n", n*300) + `"""]){valid input}}`
		}),
		document("validation: comments", "ada", 120, func(n int) string {
			return "{viewer{name}}" + strings.Repeat("#\n", n*500)
		}),
		document("validation: long number", "ada", 120, func(n int) string {
			return "{viewer{spaces(first:" + strings.Repeat("9", n*1000) + "){totalCount}}}"
		}),
		document("validation: long name", "ada", 120, func(n int) string {
			return "query Q" + strings.Repeat("x", n*1000) + "{viewer{name}}"
		}),
		variables("variables: 1 MiB unused", 1040, func(n int) map[string]any { return map[string]any{"x": strings.Repeat("x", n*1000)} }),
		variables("variables: escapes unused", 170, func(n int) map[string]any { return map[string]any{"x": strings.Repeat("\x01", n*1000)} }),
		variables("variables: values", 1000, func(n int) map[string]any {
			v := map[string]any{}
			for i := range n * 20 {
				v[fmt.Sprint(i)] = 1.5
			}
			return v
		}),
		variables("variables: numbers", 1000, func(n int) map[string]any {
			return map[string]any{"x": list(n, func(i int) string { return "" }), "y": json.Number(strings.Repeat("9", n*1000))}
		}),
		variables("variables: exponents", 1000, func(n int) map[string]any {
			v := make([]any, n*20)
			for i := range v {
				v[i] = json.Number("1.0000000000000000000000000000001e" + fmt.Sprint(i%300))
			}
			return map[string]any{"x": v}
		}),
		variables("variables: deep", 99, func(n int) map[string]any {
			return map[string]any{"x": json.RawMessage(strings.Repeat("[", n*100) + strings.Repeat("]", n*100))}
		}),
		{"variables: deep in emails", "ada", func(n, _ int) (string, map[string]any) {
			return "query($e:[String!]!){checkEmails(emails:$e){valid}}", map[string]any{"e": json.RawMessage(strings.Repeat("[", n*100) + strings.Repeat("]", n*100))}
		}, 99},
		{"variables: unknown input fields", "ada", func(n, _ int) (string, map[string]any) {
			v := map[string]any{}
			for i := range n * 10 {
				v[fmt.Sprintf("field%d", i)] = 1
			}
			return "mutation($i:InviteUsersInput!){inviteUsers(input:$i){results{index}}}", map[string]any{"i": v}
		}, 1000},
		{"variables: many of one list", "ada", func(n, _ int) (string, map[string]any) {
			var defs, uses strings.Builder
			v := map[string]any{}
			for i := range n {
				fmt.Fprintf(&defs, "$v%d:[String!]!", i)
				fmt.Fprintf(&uses, "a%d:checkEmails(emails:$v%d){valid}", i, i)
				v[fmt.Sprintf("v%d", i)] = list(1000, func(i int) string { return "" })
			}
			return "query(" + defs.String() + "){" + uses.String() + "}", v
		}, 20},
		{"`createSpace`: a long name and key", "mia", func(n, _ int) (string, map[string]any) {
			return "mutation($i:CreateSpaceInput!){" + times(10, "createSpace(input:$i){space{name}}") + "}",
				map[string]any{"i": map[string]any{"organizationId": w.id("organization", `select id from organization where name = 'University of Example'`), "name": strings.Repeat("a\u0301\u0323", n*200), "idempotencyKey": strings.Repeat("\u0301", 255)}}
		}, 1040},
		{"`requestRole`: a long message and key", "ed", func(n, _ int) (string, map[string]any) {
			return "mutation($i:RequestRoleInput!){" + times(10, "requestRole(input:$i){request{id}}") + "}",
				map[string]any{"i": map[string]any{"instanceId": group1, "role": "SPACE_ADMINISTRATOR", "message": strings.Repeat("\u0301\u0323", n*250), "idempotencyKey": strings.Repeat("é", n*100)}}
		}, 800},
		{"`acceptInvitation`: a long token", "ada", func(n, _ int) (string, map[string]any) {
			return "mutation($i:AcceptInvitationInput!){" + times(10, "acceptInvitation(input:$i){instance{id}}") + "}",
				map[string]any{"i": map[string]any{"token": strings.Repeat("x", n*1000)}}
		}, 1040},
		{"`invitation`: a long token, 49 fields", "ada", func(n, _ int) (string, map[string]any) {
			return "query($t:String!){" + times(49, "invitation(token:$t){id}") + "}", map[string]any{"t": strings.Repeat("x", n*1000)}
		}, 1040},
		{"`instance`: a long id, 49 fields", "ada", func(n, _ int) (string, map[string]any) {
			return "query($t:ID!){" + times(49, "instance(id:$t){id}") + "}", map[string]any{"t": strings.Repeat("x", n*1000)}
		}, 1040},
		{"a connection: a long cursor, 49 fields", "ada", func(n, _ int) (string, map[string]any) {
			return "query($t:String!){viewer{" + times(49, "spaces(after:$t){totalCount}") + "}}", map[string]any{"t": strings.Repeat("x", n*1000)}
		}, 1040},
	}
}
