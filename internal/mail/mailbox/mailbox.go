// Package mailbox is the mail server of development: it takes every mail,
// keeps it in a folder, and shows it to a browser.
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
	maxMessageBytes = 1 << 20
	maxMails        = 10_000 // the oldest are removed beyond
	trimEvery       = 100    // mails
)

// Mailbox is a folder of mails, each a file as it came over SMTP.
type Mailbox struct {
	dir      string
	server   *smtp.Server
	listener net.Listener

	mu     sync.Mutex
	stored int
	last   time.Time
}

// Open begins to take mails, on a free port of the loopback interface, into
// the folder dir, which is made where it is missing.
func Open(dir string) (*Mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Mailbox{dir: dir, listener: listener}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{mailbox: m}, nil }))
	m.server.Domain = "localhost"
	m.server.EnableSMTPUTF8 = true
	m.server.MaxMessageBytes = maxMessageBytes
	m.server.MaxRecipients = 1
	m.server.ReadTimeout = 30 * time.Second
	m.server.WriteTimeout = 30 * time.Second
	m.server.ErrorLog = discard{}
	go m.server.Serve(listener) //nolint:errcheck // ends at Close, with nothing to say
	return m, nil
}

// URL is where the mailbox takes mails.
func (m *Mailbox) URL() *url.URL { return &url.URL{Scheme: "smtp", Host: m.listener.Addr().String()} }

// Close takes no more mails, and waits for those that are under way.
func (m *Mailbox) Close(ctx context.Context) error {
	err := m.server.Shutdown(ctx)
	_ = m.listener.Close() // which the server does not know before it serves
	return err
}

// store keeps a mail: wholly or not at all, whenever the process ends.
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

// nextName sorts after every name before it.
func (m *Mailbox) nextName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now().UTC()
	if !now.After(m.last) {
		now = m.last.Add(1)
	}
	m.last = now
	if m.stored%trimEvery == 0 {
		m.trim()
	}
	m.stored++
	return fmt.Sprintf("%020d-%d.eml", now.UnixNano(), os.Getpid())
}

func (m *Mailbox) trim() {
	names, err := m.names()
	if err != nil {
		return
	}
	for _, name := range names[min(len(names), maxMails):] {
		_ = os.Remove(filepath.Join(m.dir, name))
	}
}

// names are the mails' files, newest first.
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

// Mails reads the mails, newest first.
func (m *Mailbox) Mails() ([]Mail, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	return m.read(names)
}

func (m *Mailbox) read(names []string) ([]Mail, error) {
	mails := make([]Mail, 0, len(names))
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(m.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // trimmed a moment ago
		}
		if err != nil {
			return nil, err
		}
		mail, err := parse(bytes.NewReader(content))
		if err != nil {
			// One mail that cannot be read must not hide the others.
			mail = Mail{Subject: "A mail that cannot be read: " + err.Error(), Text: string(content)}
		}
		mails = append(mails, mail)
	}
	return mails, nil
}

// session is one connection of a mail client.
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
		// A full disk passes; without a code of its own it would be taken for a
		// refusal that lasts.
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail cannot be stored: " + err.Error()}
	}
	return nil
}

// discard is a log for the sessions that end in the middle when the gateway
// does.
type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}
