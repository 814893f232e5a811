package mail

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/wneessen/go-mail"
)

// ErrRefused says that the mail server will never accept this message: it answered
// with a code 5yz (RFC 5321 section 4.2.1), or the message cannot be encoded.
var ErrRefused = errors.New("mail: refused for good")

// Refusal is an error with the mail server's reply. It is an ErrRefused if the
// server will never accept the message.
type Refusal struct {
	permanent bool
	reply     string
	err       error
}

// Error returns what was attempted and what failed. It can contain the recipient's
// address.
func (r *Refusal) Error() string { return r.err.Error() }

// Unwrap returns the error that the refusal was made from.
func (r *Refusal) Unwrap() error { return r.err }

// Is reports whether the target is ErrRefused and the refusal is permanent.
func (r *Refusal) Is(target error) bool { return target == ErrRefused && r.permanent }

// Reply returns the server's reply: a code of three digits and a text.
func (r *Refusal) Reply() string { return r.reply }

// replyPattern finds a server's reply in the text of an error.
var replyPattern = regexp.MustCompile(`\b([45]\d\d) ("(?:[^"\\]|\\.)*")`)

// replyIn returns the server's reply in an error, or "". Go-mail has it in the text
// of its error only.
func replyIn(err error) string {
	found := replyPattern.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	text, _ := strconv.Unquote(found[2])
	return found[1] + " " + text
}

// isPermanent reports whether the server will never accept the message. Replies that
// ask for authentication (RFC 4954 section 6) are not permanent: they are about the
// gateway's settings, which an operator can correct.
func isPermanent(failed *mail.SendError) bool {
	if failed.ErrorCode() < 500 {
		return false
	}
	switch failed.Reason {
	case mail.ErrSMTPMailFrom, mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
		return failed.ErrorCode() != 530 && failed.ErrorCode() != 535
	}
	return false
}

// isReusableAfter reports whether the connection can be used for another message.
// After a refused MAIL or RCPT go-mail sends RSET, elsewhere it does not. The code
// 421 announces that the server closes the connection.
func isReusableAfter(failed *mail.SendError) bool {
	return (failed.Reason == mail.ErrSMTPMailFrom || failed.Reason == mail.ErrSMTPRcptTo) &&
		failed.ErrorCode() != 0 && failed.ErrorCode() != 421
}
