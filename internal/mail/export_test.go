package mail

import "crypto/x509"

// Trust makes a sender trust mail servers with certificates of its own test.
func (s *Sender) Trust(roots *x509.CertPool) { s.tls.RootCAs = roots }
