// Package mailbox is the mail server of development. It accepts every mail, stores
// it in a folder, and shows the folder in a browser and as JSON.
package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	maxMailBytes = 1 << 20
	maxMails     = 10_000 // kept; older ones are removed
	trimInterval = 100    // mails between two removals
	idleTimeout  = 30 * time.Second
)

// Mailbox is a folder with a file for each mail, and the SMTP server that writes
// them.
type Mailbox struct {
	dir      string
	server   *smtp.Server
	listener net.Listener

	mu     sync.Mutex
	stored int
	last   time.Time // in the name of the newest file
}

// Open starts to accept mails on a free port of the loopback interface. It stores
// them in the folder dir, which it creates if necessary.
func Open(dir string) (*Mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Mailbox{dir: dir, listener: listener}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{m}, nil }))
	m.server.Domain = "localhost"
	m.server.EnableSMTPUTF8 = true
	m.server.MaxMessageBytes = maxMailBytes
	m.server.MaxRecipients = 1
	m.server.ReadTimeout = idleTimeout
	m.server.WriteTimeout = idleTimeout
	m.server.ErrorLog = discard{}
	go m.server.Serve(listener) //nolint:errcheck // it fails when Close closes the listener
	return m, nil
}

// URL returns where the mailbox accepts mails.
func (m *Mailbox) URL() *url.URL { return &url.URL{Scheme: "smtp", Host: m.listener.Addr().String()} }

// Close stops accepting mails. It waits for the connections that are open, until ctx
// ends.
func (m *Mailbox) Close(ctx context.Context) error {
	err := m.server.Shutdown(ctx)
	_ = m.listener.Close() // Shutdown leaves it open if Serve has not started yet
	return err
}

// Mails returns all mails, newest first.
func (m *Mailbox) Mails() ([]Mail, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	return m.read(names)
}

// store writes a mail under its name when it is complete, so that a process that is
// killed leaves no part of it.
func (m *Mailbox) store(content []byte) error {
	file, err := os.CreateTemp(m.dir, "incoming-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(m.dir, m.nextName()))
}

// nextName returns a file name that sorts after all earlier ones.
func (m *Mailbox) nextName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now().UTC()
	if !now.After(m.last) {
		now = m.last.Add(1)
	}
	m.last = now
	if m.stored%trimInterval == 0 {
		m.trim()
	}
	m.stored++
	return fmt.Sprintf("%020d-%d.eml", now.UnixNano(), os.Getpid())
}

// trim removes the oldest mails.
func (m *Mailbox) trim() {
	names, err := m.names()
	if err != nil {
		return
	}
	for _, name := range names[min(len(names), maxMails):] {
		_ = os.Remove(filepath.Join(m.dir, name))
	}
}

// names returns the names of the mails' files, newest first.
func (m *Mailbox) names() ([]string, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") {
			names = append(names, e.Name())
		}
	}
	slices.Reverse(names) // os.ReadDir sorts
	return names, nil
}

// read reads mails. A mail that cannot be parsed does not hide the others.
func (m *Mailbox) read(names []string) ([]Mail, error) {
	mails := make([]Mail, 0, len(names))
	for _, name := range names {
		content, err := readFile(filepath.Join(m.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		mail, err := parse(bytes.NewReader(content))
		if err != nil {
			mail = Mail{Subject: "A mail that cannot be read: " + err.Error(), Text: string(content)}
		}
		mails = append(mails, mail)
	}
	return mails, nil
}

// readFile reads a file, of a longer one the first maxMailBytes octets.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxMailBytes))
}

// session is one SMTP connection. It accepts every sender and recipient.
type session struct{ mailbox *Mailbox }

func (*session) Reset()                               {}
func (*session) Logout() error                        { return nil }
func (*session) Mail(string, *smtp.MailOptions) error { return nil }
func (*session) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.mailbox.store(content); err != nil {
		// Go-smtp's own code is permanent, but a full disk can be emptied.
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail cannot be stored: " + err.Error()}
	}
	return nil
}

// discard is a log for connections that the end of the gateway breaks.
type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}
