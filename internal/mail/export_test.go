package mail

import (
	"crypto/x509"
	"time"

	"github.com/wneessen/go-mail"
)

// Trust makes a sender trust the certificates of a test's mail server.
func (s *Sender) Trust(roots *x509.CertPool) { s.tls.RootCAs = roots }

// SetStallTime sets how long the mail server may stay silent before another
// connection is opened.
func (s *Sender) SetStallTime(d time.Duration) { s.stallTime = d }

// SetStepTimeout bounds each step with the mail server.
func (s *Sender) SetStepTimeout(d time.Duration) { s.options = append(s.options, mail.WithTimeout(d)) }

// Languages are those that mails are written in.
func Languages() (tags []string) {
	for _, t := range languages {
		tags = append(tags, t.tag.String())
	}
	return tags
}
