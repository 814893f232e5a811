package bounce

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const sentID = "0198f3c2-7a10-7c11-9b1e-2f6b1c0a9d55@datahub.example"

// Shapes of real mail servers. The addresses and hosts are changed.
var corpus = map[string][]string{ // the recipients: action, original and final address, reply
	"postfix-unknown-user":   {"failed zoe@new.example zoe@new.example 550 5.1.1 <zoe@new.example>: Recipient address rejected: User unknown in virtual mailbox table"},
	"postfix-unknown-domain": {"failed zoe@new.example zoe@new.example 550 5.4.4 Host or domain name not found. Name service error for name=new.example type=A: Host not found"},
	"postfix-quota":          {"failed zoe@new.example zoe@new.example 552 5.2.2 <zoe@new.example>: Quota exceeded (mailbox for user is full)"},
	"postfix-policy":         {"failed zoe@new.example zoe@new.example 554 5.7.1 Service unavailable; Client host [198.51.100.4] blocked using zen.spamhaus.org"},
	"postfix-delayed":        {"delayed zoe@new.example zoe@new.example 450 4.4.1 connect to mx.new.example[192.0.2.25]:25: Connection timed out"},
	"postfix-expired":        {"failed zoe@new.example zoe@new.example 450 4.4.1 connect to mx.new.example[192.0.2.25]:25: Connection timed out"},
	"postfix-success":        {"relayed zoe@new.example zoe@new.example"},
	"several-recipients": {
		"failed  bob@new.example 550 5.1.1 no such user",
		"delivered  zoe@new.example",
		"failed zoe@new.example carl@elsewhere.example 556 5.1.10 Recipient address has null MX",
	},
	"cut-off":            {"failed  zoe@new.example 550 5.1.1 no such user"},
	"exim-text":          {"failed  zoe@new.example 550 5.1.1 <zoe@new.example>: Recipient address rejected: User unknown"},
	"exim-unrouteable":   {"failed  zoe@new.example 550 Unrouteable address"},
	"exim-unknown-user":  {"failed  zoe@new.example 550 5.0.0 Unrouteable address"},
	"exim-report":        {"failed  zoe@new.example 550 5.0.0 No such user here"},
	"exim-delay-warning": nil,
	"exchange":           {"failed  zoe@new.example 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient zoe@new.example not found by SMTP address lookup"},
	"exchange-rejected":  {"failed  zoe@new.example 550 5.4.1 Recipient address rejected: Access denied. For more information see https://aka.example/EXOSmtpErrors [AM9PR01MB5678.eurprd01.prod.exchangelabs.example]"},
	"gmail":              {"failed  zoe@new.example 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.google.example/mail/?p=NoSuchUser 4fb4d7f45d1cf-si3"},
	"gmail-quota":        {"failed  zoe@new.example 452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.example/mail/?p=OverQuotaTemp 4fb4d7f45d1cf"},
	"international":      {"failed zöe@new.example zöe@new.example 550 5.1.1 unknown"},
	"out-of-office":      nil,
}

func TestParse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) != len(corpus) {
		t.Fatalf("%d files, want %d (%v)", len(files), len(corpus), err)
	}
	for _, file := range files {
		want, known := corpus[strings.TrimSuffix(filepath.Base(file), ".eml")]
		if !known {
			t.Errorf("%s: nothing is expected of it", file)
		}
		report, err := parseFile(t, file)
		if want == nil {
			if !errors.Is(err, ErrNoReport) {
				t.Errorf("%s: %+v, %v", file, report, err)
			}
			continue
		}
		if err != nil || report.MessageID != sentID {
			t.Errorf("%s: about %q, %v", file, report.MessageID, err)
		}
		var got []string
		for _, r := range report.Recipients {
			line := strings.Join([]string{string(r.Action), r.Original, r.Final}, " ")
			if r.Action == Failed || r.Action == Delayed {
				line += " " + r.Reply()
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func parseFile(t *testing.T, name string) (Report, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Parse(f)
}

// Postfix (local) and Exim (pipe) begin what they hand to an alias' command with a line of
// the mbox format.
func TestParseAfterALineOfMbox(t *testing.T) {
	t.Parallel()
	for name, want := range corpus {
		text, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.ReplaceAll(string(text), "\r\n", "\n")
		for _, piped := range []string{
			"From MAILER-DAEMON  Mon Nov 30 09:12:43 2026\n" + lines,
			">From MAILER-DAEMON Mon Nov 30 09:12:43 2026\n" + lines,
			"From MAILER-DAEMON  Mon Nov 30 09:12:43 2026\r\n" + strings.ReplaceAll(lines, "\n", "\r\n"),
		} {
			report, err := Parse(strings.NewReader(piped))
			if errors.Is(err, ErrNoReport) != (want == nil) || len(report.Recipients) != len(want) || want != nil && report.MessageID != sentID {
				t.Errorf("%s after %.30q: %+v, %v", name, piped, report, err)
			}
		}
	}
	if _, err := Parse(strings.NewReader("From " + strings.Repeat("x", 2*maxHeader))); !errors.Is(err, ErrNoReport) {
		t.Error(err)
	}
}

// What cannot be read now can be read later: it is not taken for another mail.
func TestParseOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, read := range []string{"", "Subject: x\n", "Subject: x\n\ntext"} {
		_, err := Parse(io.MultiReader(strings.NewReader(read), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %q: %v", read, err)
		}
	}
}

// What is read of any mail is bounded, and is text of one line.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n")
	f.Fuzz(func(t *testing.T, text string) {
		report, err := Parse(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrNoReport) {
				t.Error(err)
			}
			return
		}
		if len(report.Recipients) > maxRecipients || len(report.MessageID) > 500 {
			t.Errorf("%d recipients, an id of %d octets", len(report.Recipients), len(report.MessageID))
		}
		for _, r := range report.Recipients {
			for _, s := range []string{report.MessageID, r.Original, r.Final, r.Status, r.Text, r.Reply()} {
				if len(s) > maxValue+40 || strings.ContainsAny(s, "\r\n\x00") && s != report.MessageID {
					t.Errorf("%q", s)
				}
			}
			if !replyCode.MatchString(r.Reply()) {
				t.Errorf("the reply is %q", r.Reply())
			}
		}
	})
}
