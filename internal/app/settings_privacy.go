package app

import (
	"time"

	"alphacruncher.com/datahub-gateway/internal/invitation"
)

// PrivacySettings are how long personal data is kept when it has served its
// purpose. docs/privacy.md says what is kept where. The shortest times are those
// that the gateway needs itself: it attempts mails for two days, and answers
// repeated requests for one.
type PrivacySettings struct {
	InvitationRetention   Days `env:"DATAHUB_INVITATION_RETENTION" default:"180d" min:"2d" max:"3650d" help:"How long an invitation is kept after it was accepted, declined or revoked, or has expired."`
	RequestRetention      Days `env:"DATAHUB_REQUEST_RETENTION" default:"180d" min:"2d" max:"3650d" help:"How long a request is kept after it was answered or withdrawn, or has expired."`
	FormerMemberRetention Days `env:"DATAHUB_FORMER_MEMBER_RETENTION" default:"90d" min:"1d" max:"3650d" help:"How long a role that has ended is kept, so that it can be given back."`
	MailRetention         Days `env:"DATAHUB_MAIL_RETENTION" default:"90d" min:"2d" max:"3650d" help:"How long the record of a mail, with the mail server's reply, is kept after the last attempt to send it. Mails themselves are not stored."`
	AuditRetention        Days `env:"DATAHUB_AUDIT_RETENTION" default:"730d" min:"30d" max:"36500d" help:"How long a record of the audit log is kept."`
}

// retention returns what invited people are told.
func (s *Settings) retention() invitation.Retention {
	return invitation.Retention{TTL: time.Duration(s.InvitationTTL), Invitation: time.Duration(s.InvitationRetention), Trail: time.Duration(s.AuditRetention)}
}
