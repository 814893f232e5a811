package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Remove removes a data folder with everything in it. It fails at once with
// ErrInUse while a gateway uses the folder, waits up to 15 seconds, or until ctx
// ends, for the server of one that was just killed, and refuses a folder that is
// not a server's. A folder that does not exist is no error.
func Remove(ctx context.Context, dir string) error {
	if err := remove(ctx, dir); err != nil {
		return fmt.Errorf("removing a private PostgreSQL: %w", err)
	}
	return nil
}

// remove takes the lock's file last. A server that starts meanwhile either
// finds the lock held, or the folder empty and makes it its own; it is never
// left with a folder that goes away beneath it.
func remove(ctx context.Context, dir string) error {
	switch err := syscall.Rmdir(dir); {
	case err == nil, errors.Is(err, syscall.ENOENT):
		return nil
	case !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST):
		return &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	f, err := hold(dir)
	if errors.Is(err, fs.ErrNotExist) { // somebody else removes it
		return nil
	}
	if err != nil {
		return err
	}
	defer f.release()
	if err := f.awaitPredecessor(ctx); err != nil {
		return err
	}
	if err := f.empty(); err != nil {
		return err
	}
	if err := os.Remove(f.lock.Name()); err != nil {
		return err
	}
	if err := syscall.Rmdir(f.path); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return &os.PathError{Op: "rmdir", Path: f.path, Err: err}
	}
	return nil
}

// hold locks a folder that exists.
func hold(dir string) (*folder, error) {
	path, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	if err := f.isOurs(); err != nil {
		return nil, err
	}
	locked, err := f.tryLock(0)
	if err == nil && !locked {
		err = f.inUse()
	}
	return f, err
}

// empty removes everything but the lock's file.
func (f *folder) empty() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(f.file(e.Name())); err != nil {
			return err
		}
	}
	return nil
}
