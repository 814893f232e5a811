package mail

import (
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
)

// Outcomes of sending a message, as errors. After any other error the message was not
// accepted, and may be later.
var (
	// ErrRefused says that the mail server will never accept this message: it answered
	// with a code 5yz (RFC 5321 section 4.2.1), it lacks what the message needs, or the
	// message cannot be encoded.
	ErrRefused = errors.New("mail: refused for good")
	// ErrUnconfirmed says that the mail server has the message and gave no answer.
	// Perhaps it has accepted it.
	ErrUnconfirmed = errors.New("mail: not confirmed")
	// ErrBusy says that the message was not sent, because many others to its domain, or
	// many at all, have been waiting for an answer.
	ErrBusy = errors.New("mail: not sent, others wait for the mail server")
	// ErrUnreachable says that the message was not sent, because the mail server cannot be
	// reached. See [Sender.Await].
	ErrUnreachable = errors.New("mail: the mail server cannot be reached")
	// ErrSlow is no outcome: the message is being sent, and the server takes long.
	ErrSlow = errors.New("mail: the mail server takes long")
	// ErrNotSent says that the message was not sent, and can be at once.
	ErrNotSent = errors.New("mail: not sent")
)

// Problems are the causes of failures, beside what the mail server replied. They are
// stored; released ones never change.
const (
	ProblemUnreachable = "UNREACHABLE"   // there is no connection to the mail server
	ProblemNoAnswer    = "NO_ANSWER"     // the connection ended, or the server took too long
	ProblemInsecure    = "NOT_AGREED"    // on TLS or authentication
	ProblemNoUTF8      = "NO_SMTPUTF8"   // an address needs SMTPUTF8, and the server does not offer it
	ProblemUnconfirmed = "NOT_CONFIRMED" // see ErrUnconfirmed
	ProblemEarly       = "EARLY"         // the server replied before it was told the recipient
)

// failure is an error without a reply of the mail server.
type failure struct {
	problem string
	err     error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// Problem returns one of the Problems.
func (f *failure) Problem() string { return f.problem }

// Refusal is an error with the mail server's reply. It is an ErrRefused if the
// server will never accept the message.
type Refusal struct {
	permanent bool
	early     bool // see ProblemEarly
	reply     *textproto.Error
	err       error
}

// Error returns what was attempted and what failed. It can contain the recipient's
// address.
func (r *Refusal) Error() string { return r.err.Error() }

// Unwrap returns the error that the refusal was made from.
func (r *Refusal) Unwrap() error { return r.err }

// Problem returns ProblemEarly, or "" where the server knew the recipient.
func (r *Refusal) Problem() string {
	if r.early {
		return ProblemEarly
	}
	return ""
}

// Is reports whether the target is ErrRefused and the refusal is permanent.
func (r *Refusal) Is(target error) bool { return target == ErrRefused && r.permanent }

// enhancedCode finds an enhanced status code at the beginning of a reply's line (RFC
// 2034 section 4).
var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3} `)

// Reply returns the server's reply in one line: a code of three digits, the enhanced
// code if there is one, and a text.
func (r *Refusal) Reply() string {
	lines := strings.Split(r.reply.Msg, "\n")
	code := enhancedCode.FindString(lines[0])
	for i, line := range lines {
		if i > 0 {
			line = strings.TrimPrefix(line, code) // each line repeats it
		}
		lines[i] = strings.TrimSpace(line)
	}
	return strings.TrimSpace(fmt.Sprintf("%03d %s", r.reply.Code, strings.Join(lines, " ")))
}

// isPermanent reports whether the server will never accept the message. Replies that
// ask for authentication or encryption (RFC 4954 section 6, RFC 3207 section 4) are not
// permanent: they are about the gateway's settings, which an operator can correct.
func isPermanent(reply *textproto.Error) bool {
	switch reply.Code {
	case 530, 534, 535, 538:
		return false
	}
	return reply.Code >= 500
}
