//go:build unix && !linux

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watch waits for a line and then ends. Where the input ends without one, the
// writer was killed, and the process named by the arguments gets its signal.
const watch = `read -r line || kill -"$1" "$2"`

// startTied starts cmd, and a watcher that sends it the signal parting when this
// process has ended: only Linux has a kernel that does so by itself. The
// function returned is to be called when cmd has ended.
func startTied(cmd *exec.Cmd, parting syscall.Signal) (untie func(), err error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	watcher := exec.Command("/bin/sh", "-c", watch, "sh", strconv.Itoa(int(parting)), strconv.Itoa(cmd.Process.Pid))
	watcher.Stdin = theirs
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's ^C is not its business
	if err := watcher.Start(); err != nil {
		ours.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("watching over it: %w", err)
	}
	return func() {
		_, _ = ours.WriteString("\n") // fails where the watcher is gone
		ours.Close()
		_ = watcher.Wait()
	}, nil
}
