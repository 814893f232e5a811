// Package bounce reads what mail servers send back about mails that they could not
// deliver: delivery status notifications (RFC 3464, RFC 6533), and the older texts of Exim.
//
// Anybody can send such a mail. The package says what is in it; whether it is about a mail
// that was sent, to that recipient, decides who calls it.
package bounce

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-message"
)

// MaxSize is how much of a mail is read, in octets. What a mail server says comes before
// the mail that it returns, which may be cut off.
const MaxSize = 1 << 20

// The bounds of what is read, so that no mail takes much memory.
const (
	maxRecipients = 100
	maxParts      = 20
	maxDepth      = 4
	maxText       = 64 << 10
	maxHeader     = 64 << 10
	maxValue      = 2000
)

// ErrNoReport says that a mail reports no delivery.
var ErrNoReport = errors.New("bounce: the mail is no delivery status notification")

// Report is what a mail server says about the delivery of one mail.
type Report struct {
	// MessageID is that of the mail that it is about, without angle brackets; "" where the
	// report does not say it.
	MessageID  string
	Recipients []Recipient
}

// Recipient is the outcome for one recipient.
type Recipient struct {
	Original string // the address as the sender gave it; may be ""
	Final    string // the address as the mail server knows it; may be ""
	Action   Action
	Status   string // the enhanced code (RFC 3463), like 5.1.1; "" where there is none
	Text     string // what the server said, in one line; may be ""
}

// Action is what happened to the mail (RFC 3464, section 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed" // the server goes on trying
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
	Expanded  Action = "expanded"
)

// Reply returns what the server said as a reply of SMTP: a basic code, the enhanced code
// if there is one, and the text.
func (r Recipient) Reply() string {
	text := r.Text
	if code := replyCode.FindString(text); code != "" {
		// Each line of a longer reply repeats the codes.
		first := strings.TrimRight(code, "- ")
		text = strings.TrimSpace(text[len(code):])
		enhanced := statusCode.FindString(text)
		text = strings.TrimSpace(text[len(enhanced):])
		if enhanced == "" && r.Status != "" {
			enhanced = r.Status
		}
		for _, repeated := range []string{first + "-" + enhanced, first + " " + enhanced} {
			if enhanced != "" {
				text = strings.ReplaceAll(text, repeated+" ", "")
			}
		}
		return joinWords(first, enhanced, text)
	}
	basic := "550"
	if strings.HasPrefix(r.Status, "4") {
		basic = "450"
	}
	return joinWords(basic, r.Status, text)
}

var (
	replyCode  = regexp.MustCompile(`^[45]\d\d(?:[ -]|$)`)
	statusCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)
	// replyWithin finds a reply of SMTP in the text of a mail server.
	replyWithin = regexp.MustCompile(`(?:^|[\s:])([45]\d\d[ -].*)$`)
)

func joinWords(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// Parse reads a mail, MaxSize of it at most. Before it may stand one line of the mbox format,
// which local(8) of Postfix and the pipe transport of Exim write for the commands of aliases.
// It fails with ErrNoReport where the mail says nothing about the delivery of another one,
// and with the error of the reader where that has one.
func Parse(r io.Reader) (Report, error) {
	watched := &errorReader{from: r}
	report, err := parse(bufio.NewReader(io.LimitReader(watched, MaxSize)))
	if watched.err != nil {
		return Report{}, watched.err
	}
	return report, err
}

// errorReader keeps the error that ended reading, which readers of parts of a mail leave out.
type errorReader struct {
	from io.Reader
	err  error // other than io.EOF
}

func (r *errorReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func parse(r *bufio.Reader) (Report, error) {
	var p parser
	if begin, _ := r.Peek(6); bytes.HasPrefix(begin, []byte("From ")) || bytes.HasPrefix(begin, []byte(">From ")) {
		for { // the line may be longer than the buffer
			if _, err := r.ReadSlice('\n'); err != bufio.ErrBufferFull {
				break
			}
		}
	}
	top, err := message.ReadWithOptions(r, &message.ReadOptions{MaxHeaderBytes: maxHeader})
	if top == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return Report{}, ErrNoReport
	}
	p.walk(top, 0)
	if len(p.report.Recipients) == 0 {
		p.readFailedRecipients(top.Header.Get("X-Failed-Recipients"))
	}
	if len(p.report.Recipients) == 0 {
		return Report{}, ErrNoReport
	}
	p.readTexts()
	for _, header := range []string{top.Header.Get("In-Reply-To"), top.Header.Get("References")} {
		if p.report.MessageID == "" {
			p.report.MessageID = firstID(header)
		}
	}
	return p.report, nil
}

type parser struct {
	report Report
	parts  int
	text   string // of the first part that is plain text
}

// walk reads the parts of a mail. What cannot be read is left out: a mail that is cut off
// still says what it is about.
func (p *parser) walk(e *message.Entity, depth int) {
	if p.parts++; p.parts > maxParts || depth > maxDepth {
		return
	}
	mediaType, _, _ := e.Header.ContentType()
	switch mediaType {
	case "message/delivery-status", "message/global-delivery-status":
		p.readStatus(e.Body)
	case "message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822", "message/global-headers", "message/rfc822-headers":
		text, _ := io.ReadAll(io.LimitReader(e.Body, maxHeader)) // as much as there is
		if id := returnedID.FindSubmatch(headerOf(text)); id != nil && p.report.MessageID == "" {
			p.report.MessageID = string(id[1])
		}
	case "text/plain", "":
		if p.text == "" {
			text, _ := io.ReadAll(io.LimitReader(e.Body, maxText))
			p.text = string(text)
		}
	default:
		parts := e.MultipartReader()
		for parts != nil && p.parts <= maxParts {
			part, err := parts.NextPart()
			if part == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return
			}
			p.walk(part, depth+1)
		}
	}
}

// readStatus reads the fields about each recipient (RFC 3464, section 2.3): groups with an
// empty line between them, of which the first is about the mail.
func (p *parser) readStatus(body io.Reader) {
	lines := bufio.NewScanner(io.LimitReader(body, MaxSize))
	lines.Buffer(make([]byte, 4096), maxHeader)
	fields, last := map[string]string{}, ""
	end := func() {
		if r := recipientOf(fields); r.Action != "" && len(p.report.Recipients) < maxRecipients {
			p.report.Recipients = append(p.report.Recipients, r)
		}
		fields, last = map[string]string{}, ""
	}
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		name, value, isField := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" && len(fields[last]) < maxValue {
				fields[last] += " " + strings.TrimSpace(line)
			}
		case isField:
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	end()
}

func recipientOf(fields map[string]string) Recipient {
	action, _, _ := strings.Cut(strings.ToLower(fields["action"]), " ") // comments follow
	r := Recipient{
		Original: addressOf(fields["original-recipient"]),
		Final:    addressOf(fields["final-recipient"]),
		Action:   Action(action),
		Status:   statusCode.FindString(fields["status"]),
	}
	if r.Original == "" && r.Final == "" || !slices.Contains([]Action{Failed, Delayed, Delivered, Relayed, Expanded}, r.Action) {
		return Recipient{}
	}
	text := fields["diagnostic-code"]
	if kind, rest, typed := strings.Cut(text, ";"); typed && !strings.ContainsAny(kind, " \t") {
		text = rest
	}
	r.Text = oneLine(text)
	return r
}

// addressOf returns the address of a field like "rfc822; ada@uni.example".
func addressOf(field string) string {
	kind, text, typed := strings.Cut(field, ";")
	if !typed {
		kind, text = "rfc822", field
	}
	text = strings.Trim(strings.TrimSpace(text), "<>")
	if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
		text = unicodeEscape.ReplaceAllStringFunc(text, func(escape string) string {
			n, err := strconv.ParseUint(escape[3:len(escape)-1], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return escape
			}
			return string(rune(n))
		})
	}
	return oneLine(text)
}

// unicodeEscape is how an address beyond ASCII is written in ASCII (RFC 6533, section 3).
var unicodeEscape = regexp.MustCompile(`\\x\{[0-9A-Fa-f]{2,6}\}`)

// readFailedRecipients reads the text of Exim, which names the recipients in a header of
// its own, and what was said about each below it in the text, indented further.
func (p *parser) readFailedRecipients(header string) {
	failed := strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	text, returned, _ := strings.Cut(p.text, "\n------ This is a copy of ")
	lines := strings.Split(text, "\n")
	for _, email := range failed[:min(len(failed), maxRecipients)] {
		r := Recipient{Final: oneLine(email), Action: Failed, Text: said(lines, email)}
		if within := replyWithin.FindStringSubmatch(r.Text); within != nil {
			r.Text = within[1]
		}
		p.report.Recipients = append(p.report.Recipients, r)
	}
	if id := returnedID.FindStringSubmatch(returned); id != nil && p.report.MessageID == "" {
		p.report.MessageID = id[1]
	}
}

// readTexts reads what was said about recipients whose fields do not have it: Exim writes it
// to the text alone where it has spoken to no other server, as for an unknown local user.
func (p *parser) readTexts() {
	var lines []string
	for i := range p.report.Recipients {
		if r := &p.report.Recipients[i]; r.Action == Failed && r.Text == "" {
			if lines == nil {
				lines = strings.Split(p.text, "\n")
			}
			r.Text = said(lines, cmp.Or(r.Final, r.Original))
		}
	}
}

// returnedID finds the Message-ID in the headers of a mail within a text.
var returnedID = regexp.MustCompile(`(?im)^Message-ID:\s*<([^<>\s]{1,500})>`)

// said returns what the lines say about an address: those after it that are indented
// further.
func said(lines []string, email string) string {
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, email) })
	if begin < 0 {
		return ""
	}
	depth := indentation(lines[begin])
	var words []string
	for _, line := range lines[begin+1:] {
		if strings.TrimSpace(line) == "" || indentation(line) <= depth {
			break
		}
		words = append(words, strings.TrimSpace(line))
	}
	return oneLine(strings.Join(words, " "))
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// headerOf returns a mail up to the empty line after its header.
func headerOf(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	header, _, _ := bytes.Cut(text, []byte("\n\n"))
	return header
}

// firstID returns the first message id of a header without its angle brackets; "" where
// there is none.
func firstID(header string) string {
	_, rest, _ := strings.Cut(header, "<")
	id, _, found := strings.Cut(rest, ">")
	if !found || len(id) > 500 || strings.ContainsFunc(id, unicode.IsSpace) || strings.Contains(id, "<") {
		return ""
	}
	return id
}

// oneLine returns a text as one line of printable characters, maxValue octets at most.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxValue {
		text = strings.ToValidUTF8(text[:maxValue], "")
	}
	return text
}
