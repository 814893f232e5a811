package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// fences are the code blocks of a document.
var fences = regexp.MustCompile("(?s)```(sh|json)\n(.*?)```")

// varying is what differs from run to run: ids, times, and what an example
// leaves out.
var varying = regexp.MustCompile(`[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]+…`)

// The commands of README.md and docs/guide.md work as they are written, in
// their order, and print what the documents say.
func TestCommandsOfTheDocuments(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := serve(t, dir)
	sh := newShell(t, r, dir)
	printed := ""
	for _, document := range []string{"README.md", "docs/guide.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fences.FindAllStringSubmatch(string(text), -1) {
			kind, code := block[1], block[2]
			switch {
			case kind == "json":
				compare(t, document, code, printed)
			case code == "go run .\n" || code == "go test ./...\n": // they run already
			case strings.Contains(code, "text/event-stream"):
				sh.run(strings.TrimSpace(code) + " >/dev/null 2>&1 &")
			default:
				if strings.Contains(code, "/mailbox.json") {
					r.mails(1)
				}
				printed = sh.run(code)
			}
		}
	}
	sh.end()
	r.end(syscall.SIGTERM, dir)
}

// shell is a bash that runs one command after the other, in which `go run .` is
// the built program.
type shell struct {
	t       *testing.T
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

func newShell(t *testing.T, r *running, dir string) *shell {
	t.Helper()
	cmd := exec.Command("bash")
	cmd.Env = append(os.Environ(), "PROGRAM="+program, "DATAHUB_DATA_DIR="+dir, "DATABASE_URL=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	s := &shell{t, strings.TrimPrefix(r.url, "http://"), cmd, in, bufio.NewScanner(out)}
	s.out.Buffer(nil, 1<<20)
	s.run(`go() { [ "$1 $2" = "run ." ] && shift 2 && "$PROGRAM" "$@"; }`)
	return s
}

// run runs commands and returns the last line that they print.
func (s *shell) run(commands string) (last string) {
	s.t.Helper()
	const done = "-- done --"
	commands = strings.ReplaceAll(commands, "127.0.0.1:8080", s.address)
	if _, err := io.WriteString(s.in, commands+"\necho '"+done+"'\n"); err != nil {
		s.t.Fatal(err)
	}
	for s.out.Scan() {
		switch line := s.out.Text(); line {
		case done:
			return last
		default:
			last = line
		}
	}
	s.t.Fatalf("bash ended in %s", commands)
	return ""
}

// end ends the shell and what runs in its background.
func (s *shell) end() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// compare checks that what was printed is what a document shows, but for what
// varies.
func compare(t *testing.T, document, shown, printed string) {
	t.Helper()
	read := func(text string) (value any) {
		if err := json.Unmarshal([]byte(varying.ReplaceAllString(text, "…")), &value); err != nil {
			t.Errorf("%s: %v: %s", document, err, text)
		}
		return value
	}
	want, got := read(shown), read(printed)
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s shows\n%s\nbut the gateway printed\n%s", document, shown, printed)
	}
}
