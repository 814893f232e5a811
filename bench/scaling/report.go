package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table has the measurements of each operation by the number of rows.
type table map[string]map[int]measurement

func readTable(file string) (table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := table{}
	for lines := json.NewDecoder(f); ; {
		var m measurement
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			return t, nil
		} else if err != nil {
			return nil, err
		}
		if t[m.Operation] == nil {
			t[m.Operation] = map[int]measurement{}
		}
		t[m.Operation][m.Rows] = m
	}
}

// sizes returns the numbers of rows, ascending.
func (t table) sizes() []int {
	found := map[int]bool{}
	for _, of := range t {
		for rows := range of {
			found[rows] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// writeReport writes SCALE.md and scale.svg to a folder.
func writeReport(from, to string) error {
	t, err := readTable(from)
	if err != nil {
		return err
	}
	sizes := t.sizes()
	if len(sizes) < 2 {
		return errors.New("the report needs two sizes at least")
	}
	commit, _ := exec.Command("git", "-C", to, "describe", "--always", "--dirty").Output()
	var b strings.Builder
	fmt.Fprintf(&b, "# Scale\n\nMeasured by `bench/scale` (see [README.md](README.md#scale)): %s, commit %s, on %d cores.\n\n", time.Now().UTC().Format(time.RFC3339), strings.TrimSpace(string(commit)), runtime.NumCPU())
	b.WriteString("Milliseconds of a request (median), one at a time, by the number of invitations in the database; the milliseconds of its statements, and the buffers of 8 KiB that they read, in the smallest and in the largest. Buffers do not depend on what else the machine does; times do. Jobs of the housekeeping are single statements, as PostgreSQL counts them.\n\nA list in the smallest database has some 3,000 rows, and is counted as a whole; in the others it has more than the 10,000 that are counted: counting grows by that.\n\n![times by the number of rows](scale.svg)\n\n| operation |")
	for _, rows := range sizes {
		fmt.Fprintf(&b, " %s |", power(rows))
	}
	first, last := sizes[0], sizes[len(sizes)-1]
	fmt.Fprintf(&b, " ÷ | statements, %s | %s | buffers, %s | %s | ÷ |\n|---|%s--:|--:|--:|--:|--:|--:|\n", power(first), power(last), power(first), power(last), strings.Repeat("--:|", len(sizes)))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		of := t[name]
		fmt.Fprintf(&b, "| %s |", name)
		for _, rows := range sizes {
			m, found := of[rows]
			switch {
			case !found:
				b.WriteString(" – |")
			case m.Error != "":
				fmt.Fprintf(&b, " %s |", m.Error)
			default:
				fmt.Fprintf(&b, " %.1f |", m.MS)
			}
		}
		fmt.Fprintf(&b, " %s | %.2f | %.2f | %.0f | %.0f | %s |\n", ratio(of[last].MS, of[first].MS), of[first].DB, of[last].DB, of[first].Buffers, of[last].Buffers, ratio(of[last].Buffers, of[first].Buffers))
	}
	if err := os.WriteFile(filepath.Join(to, "SCALE.md"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "scale.svg"), []byte(t.plot(sizes)), 0o644)
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", a/b)
}

func power(rows int) string { return fmt.Sprintf("10^%.0f", math.Log10(float64(rows))) }

// plot draws a line for each operation: the time by the number of rows, both logarithmic.
func (t table) plot(sizes []int) string {
	const width, height, margin = 800, 480, 60
	const least, most = 1.0, 20000.0 // ms
	x := func(rows int) float64 {
		from, to := math.Log(float64(sizes[0])), math.Log(float64(sizes[len(sizes)-1]))
		return margin + (width-2*margin)*(math.Log(float64(rows))-from)/(to-from)
	}
	y := func(ms float64) float64 {
		return height - margin - (height-2*margin)*math.Log(max(ms, least)/least)/math.Log(most/least)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="#fff"/>`+"\n", width, height)
	for ms := least; ms <= most; ms *= 10 {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f ms</text>`+"\n", margin, y(ms), width-margin, margin-6, y(ms)+4, ms)
	}
	for _, rows := range sizes {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s invitations</text>`+"\n", x(rows), height-margin+20, power(rows))
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		var points []string
		for _, rows := range sizes {
			if m, found := t[name][rows]; found {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(rows), y(m.MS)))
			}
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#37a" stroke-opacity=".5"><title>%s</title></polyline>`+"\n", strings.Join(points, " "), name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
