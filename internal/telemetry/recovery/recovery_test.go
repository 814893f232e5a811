package recovery_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
)

func TestAPanicIsLoggedOnceAndEndsNothing(t *testing.T) {
	for _, c := range []struct {
		what          string
		do            func()
		panicked      bool
		says, conceal string
	}{
		{"nothing", func() {}, false, "", ""},
		{"a mistake", func() { none := []int{}; _ = none[len(none)] }, true, "index out of range", ""},
		{"a text", func() { panic("it cannot be") }, true, "it cannot be", ""},
		{"an error that quotes", func() { panic(errors.New("no such person: zoe@new.example")) }, true, "*errors.errorString", "zoe"},
		{"an error from elsewhere", func() { panic(recovery.Of("far away")) }, true, `"panic":"far away"`, ""},
	} {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		ctx := requestid.With(context.Background(), "17")
		if got := recovery.Do(ctx, log, "test", c.do); got != c.panicked {
			t.Errorf("%s: panicked %v", c.what, got)
		}
		text := out.String()
		if lines := strings.Count(text, "\n"); (lines == 1) != c.panicked || lines > 1 {
			t.Errorf("%s: %d lines", c.what, lines)
		}
		if !strings.Contains(text, c.says) || c.conceal != "" && strings.Contains(text, c.conceal) {
			t.Errorf("%s: %s", c.what, text)
		}
		if c.panicked && (!strings.Contains(text, `"requestId":"17"`) || !strings.Contains(text, "recovery_test.go")) {
			t.Errorf("%s: %s", c.what, text)
		}
	}
}

func TestWhatPanicsIsBegunAgain(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	began := 0
	recovery.Keep(t.Context(), log, "test", func() {
		if began++; began == 1 {
			panic("it cannot be")
		}
	})
	if began != 2 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("begun %d times: %s", began, out.String())
	}
	ctx, stop := context.WithCancel(t.Context())
	recovery.Keep(ctx, log, "test", func() { began++; stop(); panic("it cannot be") })
	if began != 3 {
		t.Errorf("begun %d times", began)
	}
}
