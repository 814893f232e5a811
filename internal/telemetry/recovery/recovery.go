// Package recovery recovers from panics, so that a panic ends only the part of the
// program that panicked.
package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
)

// Message is the message of the log's line about a panic. There is one for each.
const Message = "panic"

// Do calls do, logs a panic, and reports whether there was one. of names the part
// of the program for the log.
func Do(ctx context.Context, log *slog.Logger, of string, do func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			Log(ctx, log, of, p)
		}
	}()
	do()
	return false
}

// The pause before a worker that panicked is restarted doubles every time.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Keep calls do, which runs until ctx ends, and calls it again where it panics.
func Keep(ctx context.Context, log *slog.Logger, of string, do func()) {
	for pause := firstPause; Do(ctx, log, of, do); pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// Log logs a recovered value.
func Log(ctx context.Context, log *slog.Logger, of string, recovered any) {
	stack := debug.Stack()
	if e, ok := recovered.(*Error); ok {
		recovered, stack = e.recovered, e.stack
	}
	attrs := []slog.Attr{slog.String("of", of), slog.String("panic", describe(recovered)), slog.String("stack", string(stack))}
	if id := requestid.Of(ctx); id != "" {
		attrs = append(attrs, slog.String("requestId", id))
	}
	log.LogAttrs(ctx, slog.LevelError, Message, attrs...)
}

// longest bounds the logged text of a panic, in octets.
const longest = 500

// describe returns the text of a panic. Of an error it returns only the type,
// because its text may quote a request; the stack tells where it comes from.
func describe(recovered any) string {
	switch r := recovered.(type) {
	case runtime.Error:
		return r.Error()
	case string:
		return strings.ToValidUTF8(r[:min(len(r), longest)], "")
	}
	return fmt.Sprintf("%T", recovered)
}

// Error is a panic as an error, for code without a log. Its caller passes it to
// Log.
type Error struct {
	recovered any
	stack     []byte
}

// Of returns an error of a value that was just recovered, with the stack.
func Of(recovered any) *Error { return &Error{recovered, debug.Stack()} }

func (e *Error) Error() string { return "panic: " + describe(e.recovered) }
