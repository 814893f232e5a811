package apptest

import (
	"bytes"
	"encoding/json"
	"sync"
)

// Log keeps what a gateway logs.
type Log struct {
	// DatabaseWasAway says that the test took the database away, so that the
	// gateway may have failed to clean up.
	DatabaseWasAway bool

	// Written notifies about each line. Several logs may share it.
	Written *Notifier

	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	defer l.Written.Notify()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Text returns everything logged so far.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines returns the lines with a message ("request", "job"), as JSON objects.
func (l *Log) Lines(message string) (lines []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()) {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil && fields["msg"] == message {
			lines = append(lines, fields)
		}
	}
	return lines
}
