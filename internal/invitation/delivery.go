package invitation

import (
	"io"
	"regexp"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/enum"
)

// DeliveryStatus says where an invitation's mail is.
type DeliveryStatus string

// The statuses of a delivery.
const (
	Queued  DeliveryStatus = "QUEUED"
	Sent    DeliveryStatus = "SENT"
	Delayed DeliveryStatus = "DELAYED"
	Failed  DeliveryStatus = "FAILED"
)

// MarshalGQL writes the schema's enum DeliveryStatus.
func (s DeliveryStatus) MarshalGQL(w io.Writer) { enum.Write(w, s) }

// UnmarshalGQL reads the schema's enum DeliveryStatus.
func (s *DeliveryStatus) UnmarshalGQL(v any) (err error) {
	*s, err = enum.Read(v, Queued, Sent, Delayed, Failed)
	return err
}

// Delivery is what became of the mail that was sent last for an invitation.
type Delivery struct {
	Status        DeliveryStatus
	Attempts      int
	LastAttemptAt *time.Time
	NextAttemptAt *time.Time // nil: there will be none, or none before something else happens
	Explanation   *string    // in words that help; nil: all is well
	Reply         *string    // of the mail server, to the last attempt
}

// mailRow is an invitation's last row of the outbox, if it has one.
type mailRow struct {
	State         *string    `db:"mail_state"`
	Attempts      *int       `db:"mail_attempts"`
	Failed        *bool      `db:"mail_failed"` // the last attempt
	Reply         *string    `db:"mail_reply"`
	AttemptedAt   *time.Time `db:"mail_attempted_at"`
	NextAttemptAt *time.Time `db:"mail_next_attempt_at"`
}

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
		d.Explanation = optional(explain(r.Reply) + " It will not be tried again: when this is put right, send the invitation again.")
	case "QUEUED", "HELD":
		d.Status = Queued
		var explanation string
		if *r.Failed {
			d.Status = Delayed
			explanation = explain(r.Reply) + " It is tried again by itself, for two days."
		}
		if *r.State == "HELD" {
			explanation = "The instance is deleted. The mail is sent when it is restored."
		} else {
			d.NextAttemptAt = r.NextAttemptAt
		}
		d.Explanation = optional(explanation)
	default:
		return nil // dropped: the invitation ended before its mail was sent
	}
	return d
}

// code is how a reply of a mail server begins (RFC 5321, section 4.2; RFC 3463).
var code = regexp.MustCompile(`^([45])\d\d[ -](?:([45]\.\d{1,3}\.\d{1,3}) )?`)

// explanations are of the enhanced codes that say something about a mail that
// people can act upon (RFC 3463, section 3): those that begin with a point hold
// for both classes.
var explanations = map[string]string{
	".1.1":  "The mail server knows nobody of this address. Check what stands before the @.",
	".1.2":  "The mail server cannot find the domain of this address. Check what stands after the @.",
	".1.3":  "The mail server does not take this for an address. Check it.",
	".1.6":  "The person has moved to another address.",
	".1.10": "The domain of this address takes no mail at all.",
	".2.1":  "The person's mailbox is closed.",
	".2.2":  "The person's mailbox is full.",
	".2.3":  "The person's mailbox does not take a mail of this size.",
	".4.1":  "The person's mail server does not answer.",
	".4.4":  "The mail server cannot find the way to the domain of this address. Check what stands after the @.",
	"4.7.1": "The mail server takes mail of a new sender only when it comes again.",
	"5.7.1": "The mail server does not let this mail through.",
}

// explain says in words what a mail server replied; nil: it replied nothing.
func explain(reply *string) string {
	if reply == nil {
		return "The mail server could not be reached, or did not answer."
	}
	found := code.FindStringSubmatch(*reply)
	switch {
	case found == nil:
		return "The mail server did not take the mail."
	case found[2] != "" && explanations[found[2][1:]] != "":
		return explanations[found[2][1:]]
	case explanations[found[2]] != "":
		return explanations[found[2]]
	case found[1] == "4":
		return "The mail server does not take the mail at the moment."
	case strings.HasPrefix(*reply, "550"), strings.HasPrefix(*reply, "551"), strings.HasPrefix(*reply, "553"):
		return "The mail server does not take mail for this address. Check it for typing errors."
	}
	return "The mail server refuses the mail."
}
