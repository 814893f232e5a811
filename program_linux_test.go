package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// program is the path of the gateway's binary.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "datahub-program-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "datahub-gateway")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// running is a gateway on its private database.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	tokens map[string]string
	ended  chan error
	log    *apptest.Log
}

// dataDir makes a folder that PostgreSQL's user can reach, also where the tests
// run as root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "datahub-program-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

var tokenLine = regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+$`)

// serve starts the program, and reads its address and tokens from what it prints.
func serve(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DATAHUB_DATA_DIR="+dir, "DATAHUB_ADDR=127.0.0.1:0", "DATABASE_URL=")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: cmd, tokens: map[string]string{}, ended: make(chan error, 1), log: &apptest.Log{Written: new(apptest.Notifier)}}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	who := ""
	for len(r.tokens) < 6 && lines.Scan() {
		line := lines.Text()
		if _, at, found := strings.Cut(line, "listens on "); found {
			r.url = at
		}
		if tokenLine.MatchString(line) {
			r.tokens[who] = line
		}
		who, _, _ = strings.Cut(line, "@")
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		r.ended <- cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if len(r.tokens) < 6 {
		t.Fatalf("it did not start: %v %s", <-r.ended, r.log.Text())
	}
	return r
}

// ask sends an operation as a person.
func (r *running) ask(who, query string) map[string]any {
	r.t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	request, err := http.NewRequest(http.MethodPost, r.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+r.tokens[who])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Errors != nil {
		r.t.Fatalf("%v %v", err, answer.Errors)
	}
	return answer.Data
}

// end sends a signal, and waits until the program and everything that it started
// has ended.
func (r *running) end(signal syscall.Signal, dir string) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(apptest.Patience):
		r.t.Fatalf("it did not end after %v", signal)
	}
	// Nothing announces the end of processes that are not children.
	for end := time.Now().Add(apptest.Patience); ; time.Sleep(20 * time.Millisecond) {
		left := processes(r.t, dir)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("after %v there is still %v", signal, left)
		}
	}
}

// processes returns the processes with a folder in their command line.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(line, []byte(dir)) {
			found = append(found, fmt.Sprintf("%s %s", e.Name(), bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

const groups = `{ viewer { spaces { nodes { instances { nodes { id name } } } } } }`

func (r *running) instance(name string) string {
	r.t.Helper()
	var find func(v any) string
	find = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			if v["name"] == name {
				return fmt.Sprint(v["id"])
			}
			for _, inner := range v {
				if id := find(inner); id != "" {
					return id
				}
			}
		case []any:
			for _, inner := range v {
				if id := find(inner); id != "" {
					return id
				}
			}
		}
		return ""
	}
	return find(r.ask("ada", groups))
}

// However the program ends, nothing that it started outlives it, and the next
// start has the same data, mails and tokens.
func TestProgramLeavesNothingRunningAndKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := serve(t, dir)
	group1, tokens := r.instance("Group 1"), r.tokens
	r.ask("ada", fmt.Sprintf(`mutation { inviteUsers(input: {instanceId: %q, role: VIEWER, emails: ["zoe@new.example"]}) { results { outcome } } }`, group1))
	r.mails(1)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		r.end(signal, dir)
		r = serve(t, dir)
		r.tokens = tokens
		if got := r.instance("Group 1"); got != group1 {
			t.Errorf("after %v Group 1 is %s, it was %s", signal, got, group1)
		}
		r.mails(1)
	}
	// After --reset the data is new, and the tokens still work.
	r.end(syscall.SIGINT, dir)
	r = serve(t, dir, "serve", "--reset")
	r.tokens = tokens
	if got := r.instance("Group 1"); got == group1 || got == "" {
		t.Errorf("after --reset Group 1 is %q", got)
	}
	r.mails(0)
	r.end(syscall.SIGTERM, dir)
}

// mails waits until there are n mails in the mailbox. The program logs a line
// when it has sent one.
func (r *running) mails(n int) {
	r.t.Helper()
	r.log.Written.Await(r.t, fmt.Sprintf("%d mails", n), func() bool {
		response, err := http.Get(r.url + "/mailbox.json")
		if err != nil {
			r.t.Fatal(err)
		}
		defer response.Body.Close()
		var mails []any
		if err := json.NewDecoder(response.Body).Decode(&mails); err != nil {
			r.t.Fatal(err)
		}
		return len(mails) == n
	})
}

func TestFolderIsForOneGateway(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := serve(t, dir)
	group1 := r.instance("Group 1")
	r.ask("ada", fmt.Sprintf(`mutation { inviteUsers(input: {instanceId: %q, role: VIEWER, emails: ["zoe@new.example"]}) { results { outcome } } }`, group1))
	r.mails(1)
	for _, args := range [][]string{nil, {"serve", "--reset"}} {
		second := exec.Command(program, args...)
		second.Env = append(os.Environ(), "DATAHUB_DATA_DIR="+dir, "DATAHUB_ADDR=127.0.0.1:0", "DATABASE_URL=")
		out, err := second.CombinedOutput()
		if err == nil || strings.Count(strings.TrimSpace(string(out)), "\n") != 0 || !strings.Contains(string(out), dir) || !strings.Contains(string(out), "DATAHUB_DATA_DIR") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	if got := r.instance("Group 1"); got != group1 {
		t.Errorf("Group 1 is %s, it was %s", got, group1)
	}
	r.mails(1)
	r.end(syscall.SIGTERM, dir)
}

func TestTokenCommandWorksBesideTheGateway(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	r := serve(t, dir)
	command := exec.Command(program, "token", "Grace <grace@new.example>")
	command.Env = append(os.Environ(), "DATAHUB_DATA_DIR="+dir, "DATABASE_URL=")
	out, err := command.Output()
	if err != nil || !tokenLine.MatchString(strings.TrimSuffix(string(out), "\n")) {
		t.Fatalf("%v: %s", err, out)
	}
	r.tokens["grace"] = strings.TrimSpace(string(out))
	if got := fmt.Sprint(r.ask("grace", `{ viewer { name email } }`)["viewer"]); got != "map[email:grace@new.example name:Grace]" {
		t.Errorf("viewer %s", got)
	}
	if strings.Contains(r.log.Text(), `"level":"WARN"`) {
		t.Errorf("it warns of development on its private database: %s", r.log.Text())
	}
	r.end(syscall.SIGKILL, dir)
}
