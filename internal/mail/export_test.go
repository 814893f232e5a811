package mail

import (
	"crypto/x509"
	"io"
	"time"

	"github.com/wneessen/go-mail"
)

// Trust makes a sender trust the certificates of a test's mail server.
func (s *Sender) Trust(roots *x509.CertPool) { s.tls.RootCAs = roots }

// SetStallTime sets how long the mail server may stay silent before another
// connection is opened.
func (s *Sender) SetStallTime(d time.Duration) { s.stallTime = d }

// SetSubmittedAfter sets how long the mail server may take for its answer to a message
// before that is recorded as submitted.
func (s *Sender) SetSubmittedAfter(d time.Duration) { s.submittedAfter = d }

// SetProbeInterval sets how often a sender looks whether the mail server is back.
func (s *Sender) SetProbeInterval(d time.Duration) { s.probeInterval = d }

// AllowPlain makes a sender sign in without TLS.
func (s *Sender) AllowPlain() { s.options = append(s.options, mail.WithTLSPolicy(mail.NoTLS)) }

// Languages are those that mails are written in.
func Languages() (tags []string) {
	for _, t := range languages {
		tags = append(tags, t.tag.String())
	}
	return tags
}

// Encode writes a message as it is sent to a server with SMTPUTF8.
func (s *Sender) Encode(w io.Writer, m Message) error {
	e, err := s.encode(m, true)
	if err != nil {
		return err
	}
	_, err = w.Write(e.content)
	return err
}

// Layouts returns how many layouts a composer has made.
func (c *Composer) Layouts() int { return len(c.layouts) }
