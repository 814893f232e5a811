package embedded

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const (
	socketPort = "5432"
	socketName = ".s.PGSQL." + socketPort

	// A socket's path and a NUL must fit into sun_path: 107 bytes on Linux, 103
	// on macOS.
	socketLimit = len(syscall.RawSockaddrUnix{}.Path) - 1
)

// socketFolder is where the server's socket lies.
type socketFolder struct {
	path      string
	temporary bool
}

// openSocketFolder takes the data folder, or one in /tmp where the data folder's
// path is too long, or has a character that separates hosts in a DSN or folders
// in PostgreSQL's settings.
func openSocketFolder(f *folder) (*socketFolder, error) {
	if len(f.file(socketName)) <= socketLimit && !strings.ContainsAny(f.path, `,"`) {
		return &socketFolder{path: f.path}, nil
	}
	s := &socketFolder{path: shortPath(f.path), temporary: true}
	if err := os.Mkdir(s.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := s.isOurs(f.account); err != nil {
		return nil, err
	}
	return s, f.account.own(s.path)
}

func shortPath(dir string) string {
	return fmt.Sprintf("/tmp/datahub-%.8x", sha256.Sum256([]byte(dir)))
}

// isOurs guards against a folder that somebody else prepared in /tmp, so as to
// lead the gateway to a server of theirs.
func (s *socketFolder) isOurs(a account) error {
	info, err := os.Lstat(s.path)
	if err != nil {
		return err
	}
	own := owner(info) == a.uid || owner(info) == uint32(os.Geteuid())
	if !own || info.Mode() != fs.ModeDir|0o700 {
		return fmt.Errorf("the socket's folder %s belongs to somebody else, or is open to others (%v)", s.path, info.Mode())
	}
	return nil
}

func (s *socketFolder) close() {
	if s != nil && s.temporary {
		_ = os.RemoveAll(s.path) // what is left is taken over by the next start
	}
}
