package embedded

import (
	"os/exec"
	"syscall"
)

// startTied starts cmd; the kernel sends it the signal parting when the calling
// thread ends. The function returned is to be called when cmd has ended.
func startTied(cmd *exec.Cmd, parting syscall.Signal) (untie func(), err error) {
	cmd.SysProcAttr.Pdeathsig = parting
	return func() {}, cmd.Start()
}
