package embedded

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindPrograms(t *testing.T) {
	root := t.TempDir()
	install := func(bin string, programs ...string) {
		t.Helper()
		folder := filepath.Join(root, bin)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			if err := os.WriteFile(filepath.Join(folder, program), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, version := range []string{"9", "10", "15"} {
		install("lib/"+version+"/bin", "postgres", "initdb")
	}
	install("lib/16/bin", "psql")
	install("pgsql-9.6/bin", "postgres", "initdb")
	install("path", "postgres", "initdb")
	install("half", "postgres")
	all := []string{filepath.Join(root, "lib/*/bin"), filepath.Join(root, "pgsql-*/bin")}

	for name, test := range map[string]struct {
		version, path string
		want          string
	}{
		"the newest by number":          {"", "nowhere", "lib/15/bin"},
		"the PATH first":                {"", "path", "path"},
		"what lacks initdb is no use":   {"", "half", "lib/15/bin"},
		"the one that made the data":    {"10", "path", "lib/10/bin"},
		"a version with a point":        {"9.6", "path", "pgsql-9.6/bin"},
		"one for data of another":       {"14", "path", "path"},
		"the client's programs are not": {"16", "nowhere", "lib/15/bin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", filepath.Join(root, test.path))
			got, err := findPrograms(test.version, all)
			if want := filepath.Join(root, test.want); err != nil || string(got) != want {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
		})
	}

	t.Setenv("PATH", root)
	_, err := findPrograms("", nil)
	wantOneLine(t, err, "missing", "install postgresql")
}
