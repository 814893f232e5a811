package embedded

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// usualPlaces are where packages put PostgreSQL's programs, off the PATH.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
}

// programs is a folder with the programs of one PostgreSQL.
type programs string

func (p programs) postgres() string { return filepath.Join(string(p), "postgres") }
func (p programs) initdb() string   { return filepath.Join(string(p), "initdb") }

// findPrograms prefers the version that made the data, as no other can read it;
// then what stands on the PATH; then the newest. version is empty where there is
// no data yet.
func findPrograms(version string, places []string) (programs, error) {
	found := findInPlaces(places)
	made := slices.IndexFunc(found, func(p programs) bool { return p.version() == version })
	if version != "" && made >= 0 {
		return found[made], nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		found = slices.Insert(found, 0, programs(filepath.Dir(path)))
	}
	for _, p := range found {
		if p.complete() {
			return p, nil
		}
	}
	return "", errors.New("PostgreSQL's programs are missing; to install them: " + installation())
}

// findInPlaces returns what it finds, the newest version first.
func findInPlaces(places []string) []programs {
	var found []programs
	for _, place := range places {
		folders, _ := filepath.Glob(place) // fails for malformed patterns only
		for _, folder := range folders {
			if p := programs(folder); p.complete() {
				found = append(found, p)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b programs) int { return cmp.Compare(b.number(), a.number()) })
	return found
}

// complete is false where only the client's programs are installed.
func (p programs) complete() bool {
	for _, program := range []string{p.initdb(), p.postgres()} {
		if _, err := os.Stat(program); err != nil {
			return false
		}
	}
	return true
}

// version reads the version off the path: 15 of postgresql/15/bin, 9.6 of
// pgsql-9.6/bin.
func (p programs) version() string {
	name := filepath.Base(filepath.Dir(string(p)))
	return strings.TrimLeftFunc(name, func(r rune) bool { return !unicode.IsDigit(r) })
}

func (p programs) number() float64 {
	n, _ := strconv.ParseFloat(p.version(), 64) // what is no number counts as the oldest
	return n
}

func installation() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql"
	}
	return "apt-get install postgresql"
}
