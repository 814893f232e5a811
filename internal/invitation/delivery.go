package invitation

import "time"

// DeliveryStatus is the state of an invitation's mail.
type DeliveryStatus string

// The delivery statuses.
const (
	Queued    DeliveryStatus = "QUEUED"
	Sent      DeliveryStatus = "SENT"
	Delayed   DeliveryStatus = "DELAYED"
	Failed    DeliveryStatus = "FAILED"
	Uncertain DeliveryStatus = "UNCERTAIN" // perhaps delivered
	// Suppressed is a mail that is not sent, because the person refused invitations.
	Suppressed DeliveryStatus = "SUPPRESSED"
)

// Delivery is the state of an invitation's newest mail.
type Delivery struct {
	Status        DeliveryStatus
	Attempts      int
	LastAttemptAt *time.Time
	NextAttemptAt *time.Time // of a delayed or uncertain mail; nil: none is planned
	Explanation   *string    // of a problem, and what to do; nil: there is none
	Reply         *string    // of the mail server to the last attempt; nil: none
}

// mailRow is the outbox row of an invitation's newest mail. Without one, all fields
// are nil.
type mailRow struct {
	State         *string    `db:"mail_state"`
	Attempts      *int       `db:"mail_attempts"`
	Failed        *bool      `db:"mail_failed"`    // the last attempt
	Uncertain     *int       `db:"mail_uncertain"` // attempts after which the mail was perhaps delivered
	Reply         *string    `db:"mail_reply"`
	Problem       *string    `db:"mail_problem"` // of the last attempt, without a reply
	AttemptedAt   *time.Time `db:"mail_attempted_at"`
	NextAttemptAt *time.Time `db:"mail_next_attempt_at"`
}

// queuedMail is a mail that was enqueued in this transaction.
var queuedMail = mailRow{State: new("QUEUED"), Attempts: new(0), Failed: new(false), Uncertain: new(0)}

const perhapsDelivered = "The mail is perhaps delivered: the mail server has it, but did not confirm that it accepts it."

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
		d.Explanation = r.explain("DataHub does not try again. When the cause is removed, resend the invitation.")
	case "UNCERTAIN":
		d.Status = Uncertain
		d.Explanation = new(perhapsDelivered + " DataHub does not send it again. Ask the recipient whether it has arrived, and resend the invitation if not.")
	case "QUEUED", "HELD":
		d.Status = Queued
		switch {
		case *r.Uncertain > 0:
			d.Status, d.NextAttemptAt = Uncertain, r.NextAttemptAt
			d.Explanation = new(perhapsDelivered + " DataHub sends it again some hours later, in case it was not; it does so twice at most. " +
				"If you cannot wait, ask the recipient whether it has arrived, and resend the invitation if not.")
		case *r.Failed:
			d.Status, d.NextAttemptAt = Delayed, r.NextAttemptAt
			d.Explanation = r.explain("DataHub keeps trying for two days.")
		}
		if r.held() {
			d.Explanation, d.NextAttemptAt = new("The instance is deleted. The mail is sent when it is restored."), nil
		}
	default:
		return nil // DROPPED: the invitation ended before its mail was sent
	}
	return d
}

// held reports whether the mail waits until the place is restored.
func (r mailRow) held() bool { return r.State != nil && *r.State == "HELD" }

// suppressed returns the delivery of an invitation to a person who refused
// invitations.
func suppressed() *Delivery {
	return &Delivery{Status: Suppressed, Explanation: new("No mail is sent, because the person asked DataHub not to send invitations to this address. " +
		"The invitation is valid: they find it when they sign in with this address. If they expect it, tell them.")}
}
