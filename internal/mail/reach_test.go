package mail_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"alphacruncher.com/datahub-gateway/internal/mail"
)

// A connection that cannot be opened is no failure of a mail, and is not tried again
// for each mail.
func TestMailServerThatCannotBeReached(t *testing.T) {
	t.Parallel()
	certificate, _ := certify(t)
	_, others := certify(t)
	busy := newServer(t, script{greet: func() error {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}
	}})
	for what, server := range map[string]*url.URL{
		"it does not listen":      {Scheme: "smtp", Host: "127.0.0.1:1"},
		"it has no time":          busy.url,
		"its certificate is none": {Scheme: "smtps", Host: newSubmission(t, certificate, true, false).addr},
		"it refuses the password": {Scheme: "smtp", Host: newSubmission(t, certificate, false, false).addr, User: url.UserPassword("gateway", "swordfish")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			sender, err := mail.NewSender(server, mail.Mailbox{Name: "DataHub", Email: "no-reply@datahub.example"}, "datahub.example")
			if err != nil {
				t.Fatal(err)
			}
			if server.User != nil {
				sender.AllowPlain()
			}
			sender.Trust(others)
			var log bytes.Buffer
			sender.Log = slog.New(slog.NewJSONHandler(&log, nil))
			if !sender.Reachable() {
				t.Error("it was not tried")
			}
			for range 2 { // these servers take one connection, so that the second Send would fail in another way
				for i, err := range sendAll(sender, t.Context(), messages(t, "zoe", "bob")) {
					if !errors.Is(err, mail.ErrUnreachable) {
						t.Errorf("mail %d: %v", i, err)
					}
				}
			}
			if sender.Reachable() || strings.Count(log.String(), `"level":"WARN"`) != 1 || strings.Contains(log.String(), "swordfish") {
				t.Errorf("reachable: %t; %s", sender.Reachable(), log.String())
			}
		})
	}
}

func TestProbesFindTheMailServerAgain(t *testing.T) {
	t.Parallel()
	const waiting = 8
	var down atomic.Bool
	down.Store(true)
	probed := make(chan struct{}, 1000)
	s := newServer(t, script{greet: func() error {
		probed <- struct{}{}
		if down.Load() {
			return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}
		}
		return nil
	}})
	sender := s.sender(t)
	sender.SetProbeInterval(time.Millisecond)
	var log bytes.Buffer
	sender.Log = slog.New(slog.NewJSONHandler(&log, nil))
	if err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]; !errors.Is(err, mail.ErrUnreachable) {
		t.Fatal(err)
	}
	var back sync.WaitGroup
	for range waiting {
		back.Go(func() { sender.Await(t.Context()) })
	}
	for range 20 {
		<-probed
	}
	down.Store(false)
	back.Wait()
	if err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]; err != nil || !sender.Reachable() {
		t.Error(err)
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, `"code":421`) || !strings.Contains(text, `"msg":"mail server can be reached again"`) {
		t.Error(text)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	s := &server{url: &url.URL{Scheme: "smtp", Host: listener.Addr().String()}}
	sender := s.sender(t)
	sendAll(sender, t.Context(), messages(t, "zoe"))
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	for range 2 { // one of them probes
		ended.Go(func() { sender.Await(ctx) })
	}
	cancel()
	ended.Wait()
	if sender.Reachable() {
		t.Error("it is there")
	}
}

// A server that has no room for a further connection is not away.
func TestServerThatAcceptsNoFurtherConnection(t *testing.T) {
	t.Parallel()
	sessions := 0
	begun, release := make(chan struct{}), make(chan struct{})
	s := newServer(t, script{
		greet: func() error {
			if sessions++; sessions > 1 {
				return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many connections"}
			}
			return nil
		},
		to: func(string) error { close(begun); <-release; return nil },
	})
	sender := s.sender(t)
	var sending sync.WaitGroup
	sending.Go(func() {
		if err := sendAll(sender, t.Context(), messages(t, "zoe"))[0]; err != nil {
			t.Error(err)
		}
	})
	<-begun
	if err := sendAll(sender, t.Context(), messages(t, "bob"))[0]; !errors.Is(err, mail.ErrBusy) || !sender.Reachable() {
		t.Error(err)
	}
	close(release)
	sending.Wait()
}
