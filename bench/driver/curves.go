package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"alphacruncher.com/datahub-gateway/bench/plot"
)

// axes are what the operations with a number are plotted against.
var axes = map[string]struct{ title, x, y string }{
	"addresses": {"Inviting: CPU of a request, of the peer and of PostgreSQL", "addresses in a request", "ms"},
	"rows":      {"Lists: CPU of a request, of the peer and of PostgreSQL", "members and invitations in the answer", "ms"},
}

// curves returns how the cost of a request grows with its size, by the names of axes: the
// median of each peer's cells. An axis with fewer than three sizes has none.
func curves(cells []cell) map[string][]plot.Line {
	costs := map[string]map[string]map[int][]float64{"addresses": {}, "rows": {}} // of a peer, of a size
	for _, c := range cells {
		axis := "rows"
		if n := addresses(c.Op); n > 0 {
			axis = "addresses"
		}
		n := size(c.Op)
		if c.Errors != 0 || !strings.HasPrefix(c.Op, "M") && !strings.HasPrefix(c.Op, "L") || n == 0 {
			continue
		}
		if costs[axis][c.Peer] == nil {
			costs[axis][c.Peer] = map[int][]float64{}
		}
		costs[axis][c.Peer][n] = append(costs[axis][c.Peer][n], c.ServerCPU+c.PostgresCPU)
	}
	lines := map[string][]plot.Line{}
	for axis, peers := range costs {
		for peer := range unique(cells, func(c cell) string { return c.Peer }) {
			if len(peers[peer]) < 3 {
				continue
			}
			line := plot.Line{Name: peer}
			for n, values := range peers[peer] {
				line.Points = append(line.Points, [2]float64{float64(n), median(values)})
			}
			slices.SortFunc(line.Points, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
			lines[axis] = append(lines[axis], line)
		}
	}
	return lines
}

// writePlots writes the curves of each axis into files of their own, and a section with
// them into the report.
func writePlots(report io.Writer, path string, curves map[string][]plot.Line) {
	for i, axis := range slices.Sorted(maps.Keys(curves)) {
		if i == 0 {
			fmt.Fprint(report, "\n## Growth\n")
		}
		file, err := os.Create(path + "-" + axis + ".svg")
		if err == nil {
			err = plot.LogLog(file, axes[axis].title, axes[axis].x, axes[axis].y, curves[axis])
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(report, "\n![%s](%s)\n", axes[axis].title, filepath.Base(file.Name()))
	}
}
