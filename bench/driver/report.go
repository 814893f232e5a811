package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

func readCells(file string) (cells []cell, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
		var c cell
		if err := decoder.Decode(&c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

const legend = `Each figure is a median over the quieter half of a peer's cells, two at least.

- **server CPU**, **PG CPU**: milliseconds that the peer's process, and all of PostgreSQL, work for a request. *÷ rest* compares with plain REST in Go. Both hardly depend on what else the machine does. For pgbench, PG CPU is all the work there is.
- **SQL**, **WAL**: statements that the peer sends for a request, BEGIN and COMMIT included, and WAL records that they write.
- **p50**, **p99**, **req/s**: latency in ms, and throughput. They depend on the machine and on its other work.
- **capacity** = 1 ÷ (server + PG + driver CPU): the throughput of a machine whose cores are all busy. *÷ bare* compares with pgbench that does what the peers do; *÷ full* with pgbench that writes, in one statement, the rows that the gateway writes; *÷ mercurius* with Mercurius.
- **MiB**: the most memory that the peer's process had in use. **foreign**: cores that other programs used meanwhile. **errors**: cells with a wrong answer or a wrong number of rows.

The peers: ` + "`pgbench`" + ` is the limit of bare rows, ` + "`full`" + ` that of the gateway's rows, ` + "`rest`" + ` the floor in Go; ` + "`datahub`" + ` is the gateway whose mails go to a local server, ` + "`datahub-held`" + ` the gateway without a mail server, whose mails wait.
`

var meanings = map[string]string{
	"Q1":   "an instance, its space and the own role",
	"Q2":   "a space, its 20 instances, and 10 members and 10 invitations of each",
	"M":    "invite as many addresses",
	"L":    "as Q2, of as many instances as have about this number of members and invitations",
	"MBAD": "100 addresses, 30 of them not valid: refused, and nothing is written",
}

func writeReport(w io.Writer, cells []cell) {
	if len(cells) == 0 {
		return
	}
	rounds, foreign := 0, make([]float64, len(cells))
	for i, c := range cells {
		rounds, foreign[i] = max(rounds, c.Round+1), c.Foreign
	}
	fmt.Fprintf(w, "# Results\n\nMeasured by `bench/run` (see [README.md](README.md)): %s, commit %s, on %s. %d rounds, %d connections. Other programs used %.1f of the cores meanwhile (median).\n\n%s",
		cells[0].Time, os.Getenv("BENCH_COMMIT"), machine(), rounds, cells[0].Conns, median(foreign), legend)
	for op := range unique(cells, func(c cell) string { return c.Op }) {
		var of []cell
		for _, c := range cells {
			if c.Op == op {
				of = append(of, c)
			}
		}
		writeTable(w, op, of)
	}
}

func writeTable(w io.Writer, op string, cells []cell) {
	fmt.Fprintf(w, "\n## %s: %s\n\n| peer | server CPU ms | ÷ rest | PG CPU ms | ÷ rest | SQL | WAL | p50 | p99 | req/s | capacity ÷ bare | ÷ full | ÷ mercurius | MiB | foreign | errors |\n|---%s|\n",
		op, of(meanings, op), strings.Repeat("|--:", 15))
	by := map[string][]cell{}
	for peer := range unique(cells, func(c cell) string { return c.Peer }) {
		var of []cell
		for _, c := range cells {
			if c.Peer == peer {
				of = append(of, c)
			}
		}
		slices.SortFunc(of, func(a, b cell) int { return cmp.Compare(a.Foreign, b.Foreign) })
		by[peer] = of[:min(len(of), max(2, (len(of)+1)/2))]
	}
	value := func(peer string, of func(cell) float64) float64 {
		values := make([]float64, len(by[peer]))
		for i, c := range by[peer] {
			values[i] = of(c)
		}
		return median(values)
	}
	server := func(c cell) float64 { return c.ServerCPU }
	postgres := func(c cell) float64 { return c.PostgresCPU }
	capacity := func(c cell) float64 { return 1 / (c.ServerCPU + c.PostgresCPU + c.DriverCPU) }
	ratio := func(peer, to, format string, of func(cell) float64) string {
		if other := value(to, of); other > 0 {
			return fmt.Sprintf(format, value(peer, of)/other)
		}
		return "–"
	}
	for peer := range unique(cells, func(c cell) string { return c.Peer }) {
		serverCPU, serverRatio, memory := "–", "–", "–"
		if m := value(peer, func(c cell) float64 { return c.Memory }); m > 0 {
			memory = fmt.Sprintf("%.0f", m)
			serverCPU, serverRatio = fmt.Sprintf("%.3f", value(peer, server)), ratio(peer, "rest", "%.2f", server)
		}
		wrong := 0
		for _, c := range cells {
			if c.Peer == peer && c.Errors != 0 {
				wrong++
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.3f | %s | %.2f | %.1f | %.2f | %.2f | %.0f | %s | %s | %s | %s | %.1f | %d |\n",
			peer, serverCPU, serverRatio, value(peer, postgres), ratio(peer, "rest", "%.2f", postgres),
			value(peer, func(c cell) float64 { return c.Statements }), value(peer, func(c cell) float64 { return c.WALRecords }),
			value(peer, func(c cell) float64 { return c.P50 }), value(peer, func(c cell) float64 { return c.P99 }),
			value(peer, func(c cell) float64 { return c.Throughput }),
			ratio(peer, "pgbench", "%.3f", capacity), ratio(peer, "full", "%.3f", capacity), ratio(peer, "mercurius", "%.2f", capacity),
			memory, value(peer, func(c cell) float64 { return c.Foreign }), wrong)
	}
}

// unique yields the different values of cells in their order.
func unique(cells []cell, of func(cell) string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for _, c := range cells {
			if value := of(c); !seen[value] {
				seen[value] = true
				if !yield(value) {
					return
				}
			}
		}
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// machine describes the machine and the versions of what is measured on it.
func machine() string {
	field := func(file, name string) string {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	version := func(command ...string) string {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			return "none"
		}
		return strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%d cores of %s with %s of memory (%s, %s, Node.js %s)", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		field("/proc/meminfo", "MemTotal"), version("postgres", "--version"), runtime.Version(), version("node", "--version"))
}
