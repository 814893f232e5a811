package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// processesIn lists the processes that work in a folder or below. PostgreSQL's
// all do so, initdb's children included, whose arguments do not name it.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if at, _ := os.Readlink(link); strings.HasPrefix(at+"/", dir+"/") {
			found = append(found, filepath.Base(filepath.Dir(link)))
		}
	}
	return found
}
