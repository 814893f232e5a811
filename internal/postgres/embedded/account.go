package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as.
type account struct {
	name     string
	uid, gid uint32
	drop     bool // this process is root, as which PostgreSQL refuses to run
}

// accountFor returns this process's own account, or the one that root has to
// drop to: the owner of the data in dir, else a user made for such things.
func accountFor(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	if info, err := os.Stat(filepath.Join(dir, dataName)); err == nil && owner(info) != 0 {
		return lookup(user.LookupId, strconv.Itoa(int(owner(info))))
	}
	if a, err := lookup(user.Lookup, "postgres"); err == nil {
		return a, nil
	}
	a, err := lookup(user.Lookup, "nobody")
	if err != nil {
		return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
	}
	return a, nil
}

func lookup(find func(string) (*user.User, error), who string) (account, error) {
	u, err := find(who)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, err
	}
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid), drop: true}, nil
}

// credential is what a child needs to run as the account. Supplementary groups
// are dropped too.
func (a account) credential() *syscall.Credential {
	if !a.drop {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own makes the account the owner of a path that this process created.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// reaches fails where root is about to put dir where the account cannot follow.
// PostgreSQL would say so as well, in more lines and without naming who lacks
// what. Parents that do not exist yet are passed over.
func (a account) reaches(dir string) error {
	if !a.drop {
		return nil
	}
	for at, below := filepath.Dir(dir), dir; at != below; at, below = filepath.Dir(at), at {
		info, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !a.enters(info) {
			return fmt.Errorf("the user %s, as which PostgreSQL runs, cannot reach the data folder %s: %s is closed to it (%v)",
				a.name, dir, at, info.Mode())
		}
	}
	return nil
}

// enters goes by the mode alone, and knows no access control lists.
func (a account) enters(folder fs.FileInfo) bool {
	bit := fs.FileMode(0o001)
	switch stat := folder.Sys().(*syscall.Stat_t); {
	case stat.Uid == a.uid:
		bit = 0o100
	case stat.Gid == a.gid:
		bit = 0o010
	}
	return folder.Mode()&bit != 0
}

func owner(info fs.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Uid
}
