package mail_test

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

const token = "Zm9v-YmFy_YmF6-cXV4_MDEyMzQ1Njc4OTAxMjM0NTY3"

// A batch says in each mail what the mail would say by itself.
func TestComposerWritesEachMailAsItIs(t *testing.T) {
	t.Parallel()
	var invitations []mail.Invitation
	for _, change := range []func(*mail.Invitation){
		func(*mail.Invitation) {},
		func(i *mail.Invitation) { i.Locale = "de" },
		func(i *mail.Invitation) { i.Requester = vic },
		func(i *mail.Invitation) { i.Message = `{to} & <b>"zoe@new.example"</b> '` + token },
		func(i *mail.Invitation) { i.From.Name, i.Space = `<A> & "B" {to}`, "{address}.example" },
		func(i *mail.Invitation) { i.Instance, i.Role = "", tenant.SpaceAdministrator },
		func(i *mail.Invitation) { i.Instance, i.Space, i.Role = "", "", tenant.OrganizationManager },
		func(i *mail.Invitation) { i.From = mail.Mailbox{Name: "Gone"} },
		func(i *mail.Invitation) { i.ExpiresAt = i.ExpiresAt.Add(29 * time.Second) },
		func(i *mail.Invitation) { i.ExpiresAt = i.ExpiresAt.Add(30 * time.Minute) },
		func(i *mail.Invitation) { i.KeptUntil = i.KeptUntil.AddDate(0, 0, 1) },
		func(i *mail.Invitation) { i.Message = "A line\n.\n..b \n\n that ends with a blank \n" },
		func(i *mail.Invitation) { i.Link = "https://datahub.example/a'b&c/ü?x=\"#" },
	} {
		for _, to := range []string{"zoe@new.example", "o'neill&co@new.example", "zoë@bücher.example"} {
			for _, secret := range []string{token, "", "another", `not "base64url"&`} {
				i := invitation(t)
				i.ID, i.To, i.Token = fmt.Sprint(len(invitations)), parse(t, to), secret
				i.Link, i.RefuseLink = strings.TrimSuffix(link, token), strings.TrimSuffix(refuseLink, token)
				change(&i)
				invitations = append(invitations, i)
			}
		}
	}
	var c mail.Composer
	var composed []mail.Message
	for _, i := range invitations {
		got, err := c.Compose(i)
		if err != nil {
			t.Fatal(err)
		}
		composed = append(composed, got)
		if d := gocmp.Diff(compose(t, i), got, gocmp.AllowUnexported(address.Address{}), cmpopts.IgnoreUnexported(mail.Message{})); d != "" {
			t.Errorf("%+v: %s", i, d)
		}
	}
	const changes, ofTheSameMinute = 13, 1
	if n := c.Layouts(); n != changes-ofTheSameMinute {
		t.Errorf("%d layouts", n)
	}
	// And so it is sent, with lines of 76 characters at most (RFC 2045 section 6.7).
	for i, m := range send(t, composed...) {
		if m.text != composed[i].Text || m.html != composed[i].HTML {
			t.Errorf("%+v was sent as %s", composed[i], m.raw)
		}
		_, body, _ := strings.Cut(m.raw, "\r\n\r\n")
		for line := range strings.SplitSeq(body, "\r\n") {
			if len(line) > 76 {
				t.Errorf("the line %q is too long", line)
			}
		}
	}
	unknown := invitation(t)
	unknown.Role = tenant.Role(len(tenant.AllRoles()))
	if _, err := c.Compose(unknown); err == nil {
		t.Error("composed for a role that there is not")
	}
}

// BenchmarkCompose composes and encodes the mails of a batch, of which all have the same inviter
// and place, or each another one.
func BenchmarkCompose(b *testing.B) {
	const batch = 20
	sender, err := mail.NewSender(&url.URL{Scheme: "smtp", Host: "localhost"}, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
	if err != nil {
		b.Fatal(err)
	}
	for _, places := range []int{1, batch} {
		b.Run(fmt.Sprintf("%d places", places), func(b *testing.B) {
			var invitations []mail.Invitation
			for n := range batch {
				i := invitation(b)
				i.Message, i.Instance, i.Token = "We start on Monday.", fmt.Sprintf("Group %d", n%places), token
				invitations = append(invitations, i)
			}
			b.ReportAllocs()
			for b.Loop() {
				var c mail.Composer
				for _, i := range invitations {
					m, err := c.Compose(i)
					if err != nil {
						b.Fatal(err)
					}
					if err := sender.Encode(io.Discard, m); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/mail")
		})
	}
}
