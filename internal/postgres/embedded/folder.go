package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	dataName         = "data"
	lockName         = "lock"
	initialisingName = "initialising-"
)

// ErrInUse says that a data folder has a server already.
var ErrInUse = errors.New("another gateway uses this data folder")

// folder is a data folder that this process alone holds.
type folder struct {
	path    string
	account account
	lock    *os.File
}

// claim creates the folder where it is missing, and locks it. It fails with
// ErrInUse when another process, or this one, holds it for half a second more:
// a gateway that was just killed lets go sooner.
func claim(ctx context.Context, dir string) (*folder, error) {
	path, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	account, err := accountFor(path)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, account: account}

	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, f.inUse())
	defer cancel()
	err = poll(ctx, func() (bool, error) {
		if err := f.create(); err != nil {
			return false, err
		}
		return f.tryLock(os.O_CREATE)
	})
	if err != nil {
		return nil, err
	}
	if err := account.own(f.lock.Name()); err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

// resolve makes dir absolute and free of symbolic links, so that its parents are
// the folders to be walked through. It need not exist.
func resolve(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("no data folder is named")
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return resolveAbsolute(path)
}

func resolveAbsolute(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		parent, err := resolveAbsolute(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return real, err
}

func (f *folder) create() error {
	if err := f.account.reaches(f.path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	// Again, because a strict umask may have closed the parents just made.
	if err := f.account.reaches(f.path); err != nil {
		return err
	}
	if err := os.Mkdir(f.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.isOurs(); err != nil {
		return err
	}
	return f.account.own(f.path)
}

// isOurs fails for a folder with other files: a mistyped setting must not make
// PostgreSQL's user the owner of a home folder.
func (f *folder) isOurs() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == lockName }) {
		return fmt.Errorf("the data folder %s is neither empty nor an earlier server's", f.path)
	}
	return nil
}

// tryLock is false where somebody else holds the lock, or removed the folder
// meanwhile.
func (f *folder) tryLock(flag int) (bool, error) {
	lock, err := os.OpenFile(f.file(lockName), os.O_RDWR|syscall.O_NOFOLLOW|flag, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if !inPlace(lock) {
		lock.Close()
		return false, nil
	}
	f.lock = lock
	return true, nil
}

// inPlace is false for a file that was removed, or replaced, after it was opened.
func inPlace(file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	present, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(opened, present)
}

func (f *folder) release() {
	f.lock.Close()
}

// awaitPredecessor waits for the postgres of a gateway that was killed a moment
// ago. A process id left behind by one that crashed is left to PostgreSQL.
func (f *folder) awaitPredecessor(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, predecessorEnd, f.inUse())
	defer cancel()
	return poll(ctx, func() (bool, error) { return !f.hasPredecessor(), nil })
}

func (f *folder) hasPredecessor() bool {
	pid, _ := f.postmaster()
	return pid != 0 && isPostgres(pid)
}

// postmaster returns what postgres writes down about itself: its process id, and
// "ready" among other states. They are 0 and "" where it has written nothing.
func (f *folder) postmaster() (pid int, state string) {
	content, _ := os.ReadFile(filepath.Join(f.data(), "postmaster.pid"))
	lines := strings.Split(string(content), "\n")
	pid, _ = strconv.Atoi(lines[0])
	if len(lines) > 7 {
		state = strings.TrimSpace(lines[7])
	}
	return pid, state
}

// isPostgres looks at the name too, where /proc has it: after a restart of the
// machine or container, the id is likely to be another program's.
func isPostgres(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err != nil || strings.HasPrefix(string(name), "postgres")
}

// initialise runs initdb beside the data folder and moves the result there, so
// that the data folder is complete or missing at any moment.
func (f *folder) initialise(ctx context.Context, programs programs, durable bool) error {
	if _, err := os.Stat(f.data()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.sweep()
	fresh, err := os.MkdirTemp(f.path, initialisingName)
	if err != nil {
		return err
	}
	if err := f.account.own(fresh); err != nil {
		return err
	}
	if err := f.initdb(ctx, programs, fresh, durable); err != nil {
		_ = os.RemoveAll(fresh) // the next start sweeps it
		return err
	}
	if err := os.Rename(fresh, f.data()); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return errors.Join(syncFolder(f.path), syncFolder(filepath.Dir(f.path)))
}

func (f *folder) initdb(ctx context.Context, programs programs, fresh string, durable bool) error {
	args := []string{"-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"}
	if !durable {
		args = append(args, "--no-sync")
	}
	var log logTail
	cmd := f.command(ctx, programs.initdb(), args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	initdb, err := launch(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-initdb.done // ctx bounds it
	if ctx.Err() != nil {
		return fmt.Errorf("initdb: %w", context.Cause(ctx))
	}
	if initdb.err != nil {
		return fmt.Errorf("initdb: %w; its last lines:\n%s", initdb.err, &log)
	}
	return nil
}

// sweep removes what earlier starts left unfinished. What resists, because an
// orphan of initdb still writes to it, is left for the next start.
func (f *folder) sweep() {
	entries, _ := os.ReadDir(f.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), initialisingName) {
			_ = os.RemoveAll(f.file(e.Name()))
		}
	}
}

// syncFolder makes a folder's entries survive a crash of the machine.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// command is one of PostgreSQL's programs, run as the folder's account, in a
// process group of its own: a terminal's ^C is for the gateway, which has
// requests to finish first. The end of ctx kills it with all its children.
func (f *folder) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = f.path
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + f.path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: f.account.credential()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputLimit
	return cmd
}

// version returns the version of PostgreSQL that made the data, or "".
func (f *folder) version() string {
	content, _ := os.ReadFile(filepath.Join(f.data(), "PG_VERSION"))
	return strings.TrimSpace(string(content))
}

func (f *folder) data() string { return f.file(dataName) }

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

func (f *folder) inUse() error { return fmt.Errorf("%w: %s", ErrInUse, f.path) }
