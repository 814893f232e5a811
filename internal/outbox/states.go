package outbox

import "alphacruncher.com/datahub-gateway/internal/state"

// The states of a job's row.
const (
	stateQueued    = "QUEUED"
	stateHeld      = "HELD"
	stateSent      = "SENT"
	stateFailed    = "FAILED"
	stateDropped   = "DROPPED"
	stateUncertain = "UNCERTAIN"
)

// States is what happens to a mail. An attempt goes on while its job is held, and its
// outcome counts.
var States = state.Machine{
	Name: "mail",
	Enum: "DeliveryStatus",
	States: []state.State{
		{Name: stateQueued, Shown: shownWaiting, Means: "It is about to be sent, or to be sent again: DELAYED after a failed attempt, UNCERTAIN after one that perhaps delivered it."},
		{Name: stateHeld, Shown: shownWaiting, Means: "It waits until the deleted place is restored."},
		{Name: stateSent}, {Name: stateFailed},
		{Name: stateUncertain, Means: "It is perhaps delivered, and is not sent again."},
		{Name: stateDropped, Shown: []string{}, Means: "The invitation, or what the mail was about, ended before it was sent."},
	},
	Apart: []string{"SUPPRESSED"}, // there is no mail
	Events: []state.Event{
		{Name: "enqueue", By: "the transaction that invites, resends, asks, answers or reminds", Changes: state.To(stateQueued, state.None)},
		{Name: "success", By: "the mail server, which accepts the mail", Changes: state.To(stateSent, stateQueued, stateHeld)},
		{Name: "permanent failure", By: "the mail server, which refuses the mail for good", Changes: state.To(stateFailed, stateQueued, stateHeld)},
		{Name: "failure", By: "the mail server, which does not accept the mail now"},
		{Name: "failure after 2 days", By: "the mail server", Changes: state.To(stateFailed, stateQueued, stateHeld)},
		{Name: "doubt", By: "the mail server, which has the mail and does not confirm it"},
		{Name: "doubt for the third time", By: "the mail server", Changes: state.To(stateUncertain, stateQueued, stateHeld)},
		{Name: "doubt, then failure after 2 days", By: "the mail server", Changes: state.To(stateUncertain, stateQueued, stateHeld)},
		{Name: "no attempt", By: "the gateway that stops, or finds the mail server away or busy"},
		{Name: "nothing to do", By: "the gateway that finds that the link is not valid any more", Changes: state.To(stateDropped, stateQueued, stateHeld)},
		{Name: "deletion of the place", By: "deleteInstance, deleteSpace", Changes: state.To(stateHeld, stateQueued)},
		{Name: "restoration of the place", By: "restoreInstance, restoreSpace", Changes: state.To(stateQueued, stateHeld)},
		{Name: "deletion of the subject", By: "the gateway or the operator, who delete what the mail is about (purge, retention, erasure)",
			Changes: state.To(state.None, stateQueued, stateHeld, stateSent, stateFailed, stateDropped, stateUncertain)},
		{Name: "retention", By: "the gateway, 90 days (a setting) after the last attempt", Changes: state.To(state.None, stateSent, stateFailed, stateDropped, stateUncertain)},
	},
}

var shownWaiting = []string{"QUEUED", "DELAYED", "UNCERTAIN"} // what the API shows of a mail that will be sent
