package embedded

import (
	"bytes"
	"io"
	"sync"
)

const tailLimit = 2000 // bytes

// logTail passes a program's output on, and keeps its end for error messages.
type logTail struct {
	to io.Writer // may be nil

	mu   sync.Mutex
	last []byte
}

// Write never fails: the program must not lose its output, and with it its way
// to say what goes wrong, because a reader of it did.
func (l *logTail) Write(p []byte) (int, error) {
	if l.to != nil {
		_, _ = l.to.Write(p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, p...)
	if excess := len(l.last) - tailLimit; excess > 0 {
		l.last = append([]byte(nil), l.last[excess:]...)
	}
	return len(p), nil
}

// String returns the last lines, or "".
func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	if len(last) == tailLimit { // most likely cut within a line
		_, last, _ = bytes.Cut(last, []byte("\n"))
	}
	return string(bytes.TrimSpace(last))
}
