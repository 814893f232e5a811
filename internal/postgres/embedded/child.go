package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// child is a program that ends with this process.
type child struct {
	process *os.Process
	done    chan struct{}
	err     error // how it ended; to be read once done is closed
}

// launch starts cmd, which gets the signal parting when this process ends, even
// by SIGKILL.
func launch(cmd *exec.Cmd, parting syscall.Signal) (*child, error) {
	c := &child{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parting signal when the thread that started the child
		// ends, and Go ends idle threads as it likes (golang/go#27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()

		untie, err := startTied(cmd, parting)
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		untie()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	c.process = cmd.Process
	return c, nil
}

// stop sends SIGINT, SIGQUIT and SIGKILL in turn, and returns how the child ended.
// A child that was never launched has stopped.
func (c *child) stop() error {
	if c == nil {
		return nil
	}
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{
		{syscall.SIGINT, fastShutdown},
		{syscall.SIGQUIT, lastShutdown},
		{syscall.SIGKILL, lastShutdown},
	} {
		_ = c.process.Signal(step.signal) // fails where it has ended, and then done is closed
		select {
		case <-c.done:
			return c.err
		case <-time.After(step.patience):
		}
	}
	return fmt.Errorf("process %d survives SIGKILL", c.process.Pid)
}
