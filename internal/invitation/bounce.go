package invitation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/bounce"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// A mail bounces when a mail server first accepts it and then sends a notification that it
// cannot be delivered. RecordBounce stores that. The table bounced_address has the
// addresses that do not exist, as such notifications said, for each organization by
// itself: Mailer sends no more mails of the organization to them, until somebody resends an
// invitation on purpose or bounceMemory is over.

// bounceMemory is how long an address counts as one that does not exist.
const bounceMemory = 90 * 24 * time.Hour

// BounceOutcome is what a notification led to.
type BounceOutcome string

// The outcomes.
const (
	BounceUnknown  BounceOutcome = "ignored: it is about no mail of an invitation that DataHub has sent"
	BounceOther    BounceOutcome = "ignored: it is about another recipient than that of the mail"
	BounceNoError  BounceOutcome = "ignored: it reports no failure"
	BounceRepeated BounceOutcome = "ignored: it was reported before"
	// BounceSoft is for mailboxes that are full, and servers that refuse the sender.
	BounceSoft BounceOutcome = "bounced: the mail could not be delivered"
	// BounceHard is for addresses that do not exist.
	BounceHard BounceOutcome = "bounced: the address does not exist"
)

// RecordBounce stores what a notification says about the mail of an invitation. Anybody
// can send notifications. One counts only if it has the Message-ID of a mail that was sent,
// of which 62 bits at least are random, and if the mail's own recipient is among those that
// failed: so only who has the mail can report it, and only about the address that it was sent
// to.
func RecordBounce(ctx context.Context, db *postgres.DB, key keyedhash.Key, report bounce.Report) (outcome BounceOutcome, err error) {
	local, _, _ := strings.Cut(report.MessageID, "@")
	id, err := uuid.Parse(local)
	if err != nil || id.String() != local {
		return BounceUnknown, nil
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		var sent struct {
			EmailKey       string     `db:"email_key"`
			OrganizationID uuid.UUID  `db:"organization_id"`
			BouncedAt      *time.Time `db:"bounced_at"`
			Status         Status     `db:"status"`
			CreatedAt      time.Time  `db:"created_at"`
		}
		err := tx.Get(ctx, &sent, `
			select v.email_key, v.status, m.created_at, m.bounced_at,
			       coalesce(v.organization_id, (select s.organization_id from space s where s.id = coalesce(v.space_id, (select i.space_id from instance i where i.id = v.instance_id)))) as organization_id
			from outbox m cross join lateral (select * from invitation where id = m.subject_id limit 1) v
			where m.id = $1 and m.kind in ('`+MailKind+`', '`+OrganizationMailKind+`') and m.state in ('QUEUED', 'HELD', 'SENT', 'UNCERTAIN') and m.attempts > 0
			for no key update of m`, id)
		if errors.Is(err, sql.ErrNoRows) {
			outcome = BounceUnknown
			return nil
		}
		if err != nil {
			return err
		}
		var reply string
		reply, outcome = bounceOf(report, sent.EmailKey)
		if outcome != BounceSoft && outcome != BounceHard {
			return nil
		}
		if sent.BouncedAt != nil {
			outcome = BounceRepeated
			return nil
		}
		if _, err := tx.Exec(ctx, `update outbox set bounced_at = clock_timestamp(), bounce_reply = $2 where id = $1`, id, storableReply(reply)); err != nil {
			return err
		}
		if outcome == BounceSoft {
			return nil
		}
		if sent.Status == Accepted {
			return nil // somebody has the address
		}
		// A report that comes late says nothing about mails that people have sent since: if the
		// address does not exist, there will be one about the newest.
		_, err = tx.Exec(ctx, `
			insert into bounced_address (organization_id, address_hash)
			select $1, $2 where not exists (
				select from invitation v
				left join lateral (select space_id from instance where id = v.instance_id limit 1) i on true
				left join lateral (select organization_id from space where id = coalesce(v.space_id, i.space_id) limit 1) s on true
				cross join lateral (
					select from outbox where subject_id = v.id and created_at > $4 and state <> 'DROPPED' limit 1) newer
				where v.email_key = $3 and v.status = 'PENDING' and coalesce(v.organization_id, s.organization_id) = $1)
			on conflict (address_hash, organization_id) do update set at = clock_timestamp()`,
			sent.OrganizationID, bounceHash(key, sent.EmailKey), sent.EmailKey, sent.CreatedAt)
		return err
	})
	return outcome, err
}

// bounceOf returns what a report says about the recipient with an address.
func bounceOf(report bounce.Report, emailKey string) (reply string, outcome BounceOutcome) {
	outcome = BounceOther
	for _, r := range report.Recipients {
		if keyOf(r.Original) != emailKey && keyOf(r.Final) != emailKey {
			continue
		}
		if r.Action != bounce.Failed {
			outcome = BounceNoError
			continue
		}
		reply = r.Reply()
		if explainReply(reply).todo == todoCheckAddress && strings.HasPrefix(reply, "5") && !strings.HasPrefix(r.Status, "4") {
			return reply, BounceHard
		}
		return reply, BounceSoft
	}
	return "", outcome
}

// maxReply bounds a stored reply, in octets.
const maxReply = 500

// storableReply returns a reply as it is stored: cut off, and without words that could be
// a token of the mail's link.
func storableReply(reply string) string {
	reply = tokenWords.ReplaceAllStringFunc(reply, func(word string) string {
		if tokenPattern.MatchString(word) {
			return "…"
		}
		return word
	})
	return strings.ToValidUTF8(reply[:min(len(reply), maxReply)], "")
}

// keyOf returns the key of an address that a mail server wrote; "" where it is none.
func keyOf(email string) string {
	a, problem := address.ParseExact(email)
	if problem != nil {
		return ""
	}
	return a.Key()
}

// bounceHash returns what stands for an address in the table bounced_address.
func bounceHash(key keyedhash.Key, emailKey string) []byte {
	return key.Sum("bounced_address", emailKey)
}

// bouncedIn returns the SQL condition that the address of a hash does not exist, as a mail
// of an organization has shown. Parameter is that of bounceMemory in seconds.
func bouncedIn(organization, hash, parameter string) string {
	return postgres.Found(`bounced_address where address_hash = ` + hash + ` and organization_id = ` + organization +
		` and at > clock_timestamp() - ` + parameter + `::float8 * interval '1 second'`)
}

// forgetBounces has invitations mailed again to addresses that do not exist: who resends
// them knows better. The statement is one of those that wait for the next one.
func (s *Service) forgetBounces(ctx context.Context, tx *postgres.Tx, pending []pendingInvitation) error {
	organizations, hashes := make(postgres.UUIDs, len(pending)), make(pq.ByteaArray, len(pending))
	for i, v := range pending {
		organizations[i], hashes[i] = v.organization.UUID, bounceHash(s.HashKey, v.key)
	}
	return tx.Later(ctx, `
		delete from bounced_address where ctid = any (array(
			select b.ctid from unnest($1::uuid[], $2::bytea[]) as n (organization_id, address_hash)
			cross join lateral (
				select ctid, address_hash, organization_id from bounced_address
				where address_hash = n.address_hash and organization_id = n.organization_id limit 1) b
			order by b.address_hash, b.organization_id for update))`, organizations, hashes)
}

// BouncedAddresses returns when mails to addresses came back last because they do not
// exist, by the addresses' keys: mails of organizations in which the actor may invite
// people, so that nobody else learns whom an organization invites.
func (s *Service) BouncedAddresses(ctx context.Context, actor access.Actor, keys []string) (map[string]time.Time, error) {
	hashes, byHash := make(pq.ByteaArray, len(keys)), make(map[string]string, len(keys))
	for i, key := range keys {
		hashes[i] = bounceHash(s.HashKey, key)
		byHash[string(hashes[i])] = key
	}
	var rows []struct {
		Hash []byte    `db:"address_hash"`
		At   time.Time `db:"at"`
	}
	if err := s.DB.Select(ctx, &rows, bouncedForQuery, hashes, actor.ID.UUID, bounceMemory.Seconds()); err != nil {
		return nil, err
	}
	bounced := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		bounced[byHash[string(r.Hash)]] = r.At
	}
	return bounced, nil
}

// bouncedForQuery selects the addresses by which something came back in an organization
// that account $2 manages, or of which they administrate a space. The organizations are
// read for the first address that came back, and not at all where none did.
var bouncedForQuery = `
	select b.address_hash, max(b.at) as at
	from unnest($1::bytea[]) as n (hash)
	cross join lateral (
		select address_hash, organization_id, at from bounced_address
		where address_hash = n.hash and at > clock_timestamp() - $3 * interval '1 second' order by at desc limit 20) b
	where b.organization_id = any (array(
		select organization_id from organization_member where account_id = $2 and role = 'MANAGER'
		union
		select s.organization_id
		from space_administrator a cross join lateral (select organization_id from space where id = a.space_id limit 1) s
		where a.account_id = $2))
	group by b.address_hash`

// bouncedWarning is what checkEmails says about such an address.
func bouncedWarning(at time.Time) string {
	return fmt.Sprintf("The last mail to this address came back on %s: the mail server does not know it. Nothing is mailed to it unless an invitation is resent.", at.UTC().Format("2 January 2006"))
}

// DeleteOldBounces deletes addresses that do not count any more, 1,000 at most, and returns
// their number.
func DeleteOldBounces(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from bounced_address where ctid = any (array(
			select ctid from bounced_address
			where at <= statement_timestamp() - $1 * interval '1 second' limit 1000 for update skip locked))`, bounceMemory.Seconds())
}

// errBouncedBefore ends the job of a mail to an address that does not exist.
type errBouncedBefore struct{}

func (errBouncedBefore) Error() string { return "an earlier mail to the address came back" }

// Unwrap makes it an outbox.ErrDropped.
func (errBouncedBefore) Unwrap() error { return outbox.ErrDropped }

// Problem returns what is stored with the job.
func (errBouncedBefore) Problem() string { return mail.ProblemBounced }
