package invitation

import (
	"regexp"
	"strings"
	"time"
)

// DeliveryStatus is the state of an invitation's mail.
type DeliveryStatus string

// The delivery statuses.
const (
	Queued  DeliveryStatus = "QUEUED"
	Sent    DeliveryStatus = "SENT"
	Delayed DeliveryStatus = "DELAYED"
	Failed  DeliveryStatus = "FAILED"
)

// Delivery is the state of an invitation's newest mail.
type Delivery struct {
	Status        DeliveryStatus
	Attempts      int
	LastAttemptAt *time.Time
	NextAttemptAt *time.Time // of a delayed mail; nil: none is planned
	Explanation   *string    // of a problem, and what to do; nil: there is none
	Reply         *string    // of the mail server to the last attempt; nil: none
}

// mailRow is the outbox row of an invitation's newest mail. Without one, all fields
// are nil.
type mailRow struct {
	State         *string    `db:"mail_state"`
	Attempts      *int       `db:"mail_attempts"`
	Failed        *bool      `db:"mail_failed"` // the last attempt
	Reply         *string    `db:"mail_reply"`
	AttemptedAt   *time.Time `db:"mail_attempted_at"`
	NextAttemptAt *time.Time `db:"mail_next_attempt_at"`
}

// queuedMail is a mail that was enqueued in this transaction.
var queuedMail = mailRow{State: new("QUEUED"), Attempts: new(0), Failed: new(false)}

func (r mailRow) delivery() *Delivery {
	if r.State == nil {
		return nil
	}
	d := &Delivery{Attempts: *r.Attempts, LastAttemptAt: r.AttemptedAt, Reply: r.Reply}
	switch *r.State {
	case "SENT":
		d.Status = Sent
	case "FAILED":
		d.Status = Failed
		d.Explanation = new(explain(r.Reply) + " DataHub does not try again. Correct the problem, and then resend the invitation.")
	case "QUEUED", "HELD":
		d.Status = Queued
		if *r.Failed {
			d.Status = Delayed
			d.Explanation = new(explain(r.Reply) + " DataHub keeps trying for two days.")
			d.NextAttemptAt = r.NextAttemptAt
		}
		if *r.State == "HELD" {
			d.Explanation, d.NextAttemptAt = new("The instance is deleted. The mail is sent when it is restored."), nil
		}
	default:
		return nil // DROPPED: the invitation ended before its mail was sent
	}
	return d
}

// replyCode matches the start of a mail server's reply: the code (RFC 5321, section
// 4.2) and the enhanced code (RFC 3463), if there is one.
var replyCode = regexp.MustCompile(`^([45])\d\d[ -](?:([45]\.\d{1,3}\.\d{1,3}) )?`)

// explanations explains the enhanced codes that people can act on (RFC 3463,
// section 3). A key that begins with a dot is for the classes 4 and 5.
var explanations = map[string]string{
	".1.1":  "The mail server does not know this address. Check what stands before the @.",
	".1.2":  "The mail server cannot find the domain of this address. Check what stands after the @.",
	".1.3":  "The mail server does not accept this as an address. Check it.",
	".1.6":  "The person has moved to another address.",
	".1.10": "The domain of this address accepts no mail at all.",
	".2.1":  "The person's mailbox is closed.",
	".2.2":  "The person's mailbox is full.",
	".2.3":  "The person's mailbox does not accept a mail of this size.",
	".4.1":  "The person's mail server does not answer.",
	".4.4":  "The mail server cannot deliver to the domain of this address. Check what stands after the @.",
	"4.7.1": "The mail server accepts mail from a new sender only on a later attempt.",
	"5.7.1": "The mail server blocks this mail.",
}

// explain says in words why an attempt failed. The reply is nil where the mail
// server did not reply.
func explain(reply *string) string {
	if reply == nil {
		return "The mail server could not be reached, or did not answer."
	}
	found := replyCode.FindStringSubmatch(*reply)
	switch {
	case found == nil:
		return "The mail server did not accept the mail."
	case found[2] != "" && explanations[found[2][1:]] != "":
		return explanations[found[2][1:]]
	case explanations[found[2]] != "":
		return explanations[found[2]]
	case found[1] == "4":
		return "The mail server does not accept the mail at the moment."
	case strings.HasPrefix(*reply, "550"), strings.HasPrefix(*reply, "551"), strings.HasPrefix(*reply, "553"):
		return "The mail server does not accept mail for this address. Check it for typing errors."
	}
	return "The mail server refuses the mail."
}
