package embedded

import (
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAsOrdinaryUser runs this package's tests again as the user nobody. An
// ordinary user has run them already.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := lookup(user.Lookup, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(dataFolder(t))
	cmd := exec.CommandContext(t.Context(), copyOfThisBinary(t, folder))
	cmd.Dir = folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody.credential()}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// copyOfThisBinary is one that others can run: go test's folder is closed to them.
func copyOfThisBinary(t *testing.T, folder string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	// A process that another test starts meanwhile would keep the file open for writing
	// until its own exec, and nobody can execute it then (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(filepath.Join(folder, "private.test"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Name()
}

// TestRootServesAnybodysData: what an ordinary user's gateway made stays theirs.
func TestRootServesAnybodysData(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := lookup(user.Lookup, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	dir := dataFolder(t)
	f := &folder{path: dir, account: nobody}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := nobody.own(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file(lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	programs, err := findPrograms("", usualPlaces)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.initialise(t.Context(), programs, false); err != nil {
		t.Fatal(err)
	}
	read(t, open(t, start(t, dir)), "SELECT 1")
	if info, err := os.Stat(f.data()); err != nil || owner(info) != nobody.uid {
		t.Errorf("the data changed hands: %v", err)
	}
}

func TestEnters(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	us := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	group := account{uid: us.uid + 1, gid: us.gid}
	others := account{uid: us.uid + 1, gid: us.gid + 1}
	for _, test := range []struct {
		mode              os.FileMode
		us, group, others bool
	}{
		{0o700, true, false, false},
		{0o710, true, true, false},
		{0o701, true, false, true},
		{0o711, true, true, true},
		{0o644, false, false, false},
		{0o011, false, true, true},
	} {
		if err := os.Chmod(folder, test.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		if us.enters(info) != test.us || group.enters(info) != test.group || others.enters(info) != test.others {
			t.Errorf("mode %o: us %t, group %t, others %t",
				test.mode, us.enters(info), group.enters(info), others.enters(info))
		}
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
}
