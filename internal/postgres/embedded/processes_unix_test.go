//go:build unix && !linux

package embedded

import (
	"os/exec"
	"strings"
	"testing"
)

// processesIn lists the processes whose arguments name a folder. The test binary
// itself is not among them, as it is told the folder by its environment.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	output, err := exec.Command("ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(output)) {
		if strings.Contains(line, dir) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
