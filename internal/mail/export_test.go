package mail

import (
	"crypto/x509"
	"time"
)

// Trust makes a sender trust the certificates of a test's mail server.
func (s *Sender) Trust(roots *x509.CertPool) { s.tls.RootCAs = roots }

// SetStallTime sets how long the mail server may stay silent before another
// connection is opened.
func (s *Sender) SetStallTime(d time.Duration) { s.stallTime = d }

// Languages are those that mails are written in.
func Languages() (tags []string) {
	for _, t := range languages {
		tags = append(tags, t.tag.String())
	}
	return tags
}
