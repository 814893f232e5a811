package address

import "strings"

// MailboxKey returns the key of the mailbox that mail to an address probably ends
// in, by the address's own key (see [Address.Key]). What follows a plus sign in the
// local part is left out (RFC 5233 calls it the detail), and so are the marks that
// some providers ignore.
//
// It is for counting, and for refusals of mail. A server may use the plus sign in
// another way, and then the mailboxes are two.
func MailboxKey(key string) string {
	local, domain := split(key)
	// A local part that begins with a plus sign has no mailbox before it.
	if plus := strings.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if provider, known := ignoring[domain]; known {
		domain = provider.domain
		if plain := strings.Map(func(r rune) rune {
			if strings.ContainsRune(provider.marks, r) {
				return -1
			}
			return r
		}, local); plain != "" {
			local = plain
		}
	}
	return join(key, local, domain)
}

// ignoring are the providers that ignore some marks in the local part, each with the
// domain that stands for all its domains with the same mailboxes.
//
// Google: support.google.com/mail/answer/7436150. Proton:
// proton.me/support/addresses-and-aliases.
var ignoring = func() map[string]struct{ domain, marks string } {
	of := map[string]struct{ domain, marks string }{}
	for _, domain := range []string{"gmail.com", "googlemail.com"} {
		of[domain] = struct{ domain, marks string }{"gmail.com", "."}
	}
	for _, domain := range []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"} {
		of[domain] = struct{ domain, marks string }{"proton.me", ".-_"}
	}
	return of
}()
