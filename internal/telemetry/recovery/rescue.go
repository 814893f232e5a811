// Package recovery keeps a panic from ending more than what panicked.
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

// Message begins the log's line of a panic. There is exactly one for each.
const Message = "panic"

// Do does a part of something. It reports whether that panicked, and logs it.
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

// What panicked rests before it is begun again: twice as long every time.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Keep does what goes on until ctx ends, and begins it again where it panics.
func Keep(ctx context.Context, log *slog.Logger, of string, do func()) {
	for pause := firstPause; Do(ctx, log, of, do); pause = min(2*pause, lastPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// Log logs what was recovered from a part of something.
func Log(ctx context.Context, log *slog.Logger, of string, recovered any) {
	stack := debug.Stack()
	if e, ok := recovered.(*Error); ok {
		recovered, stack = e.recovered, e.stack
	}
	attrs := []slog.Attr{slog.String("of", of), slog.String("panic", told(recovered)), slog.String("stack", string(stack))}
	if id := requestid.Of(ctx); id != "" {
		attrs = append(attrs, slog.String("requestId", id))
	}
	log.LogAttrs(ctx, slog.LevelError, Message, attrs...)
}

// longest is how much of a panic's text is logged, in octets.
const longest = 500

// told says a panic in words. An error may quote what somebody sent; where it
// comes from, the stack says.
func told(recovered any) string {
	switch r := recovered.(type) {
	case runtime.Error:
		return r.Error()
	case string:
		return strings.ToValidUTF8(r[:min(len(r), longest)], "")
	}
	return fmt.Sprintf("%T", recovered)
}

// Error is a panic as an error, for those who have no log: whoever does gives it
// to Log.
type Error struct {
	recovered any
	stack     []byte
}

// Of makes an error of what was just recovered.
func Of(recovered any) *Error { return &Error{recovered, debug.Stack()} }

func (e *Error) Error() string { return "panic: " + told(e.recovered) }
