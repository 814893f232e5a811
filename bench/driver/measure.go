package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cell is one measurement of a peer. CPU is in milliseconds of a request.
type cell struct {
	Time         string
	Op, Peer     string
	Round, Conns int
	Requests     int
	Errors       int // answers that are wrong; -1: the rows in the database are
	FirstError   string
	Throughput   float64 // requests a second
	P50, P99     float64 // ms
	ServerCPU    float64 // of pgbench, where it is the peer
	PostgresCPU  float64
	DriverCPU    float64
	Memory       float64 // MiB
	Statements   float64 // that the peer sent, for each request
	WALRecords   float64 // that they wrote, for each request
	Foreign      float64 // cores that other programs used meanwhile
}

func (c cell) String() string {
	return fmt.Sprintf("%-6s %d %-13s %8.0f req/s  p50 %8.2f  p99 %8.2f ms  CPU %8.3f + %8.3f + %7.3f ms  %4.0f MiB  %6.2f statements  %8.1f WAL records  %5.2f foreign cores  %d errors %s",
		c.Op, c.Round, c.Peer, c.Throughput, c.P50, c.P99, c.ServerCPU, c.PostgresCPU, c.DriverCPU, c.Memory, c.Statements, c.WALRecords, c.Foreign, c.Errors, c.FirstError)
}

type meter struct {
	stats    *sql.DB
	conns    int
	basePort int
}

func newMeter(conns int) *meter {
	stats, err := sql.Open("postgres", databaseURL("postgres"))
	if err != nil {
		log.Fatal(err)
	}
	port, err := strconv.Atoi(os.Getenv("BENCH_PORT"))
	if err != nil {
		log.Fatal("BENCH_PORT: ", err)
	}
	return &meter{stats, conns, port}
}

// load is what was sent in a cell.
type load struct {
	latencies  []float64 // ms
	errors     int
	firstError string

	// Of pgbench.
	warmUp int // transactions before the cell
	end    time.Time
	cpu    float64 // seconds that it worked in all
}

func (m *meter) measure(t *target, op string, round int, secs, warm float64) cell {
	c := cell{Time: time.Now().Format(time.RFC3339), Op: op, Peer: t.name, Round: round, Conns: m.conns}
	script, writes := of(t.Scripts, op), addresses(op) > 0
	if script == "" {
		t.drive(op, m.conns, warm)
	}
	if writes {
		t.reset()
	}
	var l load
	var before, after work
	if script != "" {
		before, l = m.pgbench(t, script, op, secs)
		time.Sleep(300 * time.Millisecond) // its server processes end, and the postmaster has their time
		after = m.worked(0)
		after.at, after.server = l.end, l.cpu
		after.driver = before.driver // the driver waits, and then reads pgbench's log
	} else {
		resetPeakMemory(t.pid())
		before = m.begin(t.pid())
		l = t.drive(op, m.conns, secs)
		after = m.worked(t.pid())
		c.Memory = peakMemory(t.pid())
	}
	server, postgres, driver := after.server-before.server, after.postgres-before.postgres, after.driver-before.driver
	seconds := after.at.Sub(before.at).Seconds()
	c.Foreign = (after.machine - before.machine - server - postgres - driver) / seconds
	c.Requests, c.Errors, c.FirstError = len(l.latencies), l.errors, l.firstError
	n := float64(max(1, c.Requests))
	c.ServerCPU, c.PostgresCPU, c.DriverCPU = 1000*server/n, 1000*postgres/n, 1000*driver/n
	c.Throughput = float64(c.Requests-max(0, c.Errors)) / seconds
	err := m.stats.QueryRow(`
		select coalesce(sum(calls), 0), coalesce(sum(wal_records), 0)
		from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = $1`, t.Database).
		Scan(&c.Statements, &c.WALRecords)
	if err != nil {
		log.Fatal(err)
	}
	c.Statements, c.WALRecords = c.Statements/n, c.WALRecords/n
	slices.Sort(l.latencies)
	c.P50, c.P99 = percentile(l.latencies, .5), percentile(l.latencies, .99)
	if writes {
		t.checkRows(&c, c.Requests+l.warmUp)
		t.reset() // nothing of it, like mails, is to run beside the next peer
	}
	return c
}

// work is how many seconds each part has worked until a time.
type work struct {
	at                                time.Time
	server, postgres, driver, machine float64
}

// begin returns the work until now, from which the statements are counted.
func (m *meter) begin(server int) work {
	if _, err := m.stats.Exec(`select pg_stat_statements_reset()`); err != nil {
		log.Fatal(err)
	}
	return m.worked(server)
}

func (m *meter) worked(server int) work {
	cpu, _, _ := processCPU(server)
	return work{time.Now(), cpu, postgresCPU(), driverCPU(), machineCPU() - sinkCPU()}
}

// checkRows compares what is in the database with the requests, which are those of a
// cell and of a warm-up after the last reset.
func (t *target) checkRows(c *cell, requests int) {
	want := requests * addresses(c.Op)
	if c.Op == "MBAD" {
		want = 0
	}
	var invitations, mails int
	if err := t.db.QueryRow(t.Rows).Scan(&invitations, &mails); err != nil {
		log.Fatal(t.name, ": ", err)
	}
	if (invitations != want || mails != want) && c.Errors == 0 {
		c.Errors, c.FirstError = -1, fmt.Sprintf("%d invitations and %d outbox rows, not %d", invitations, mails, want)
	}
}

// drive sends requests over connections, on each one after the other.
func (t *target) drive(op string, conns int, secs float64) (all load) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(time.Duration(secs * float64(time.Second)))
	for range conns {
		wg.Go(func() {
			defer exitOnPanic()
			l := t.driveOne(op, end)
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, l.latencies...)
			all.errors += l.errors
			if l.firstError != "" {
				all.firstError = l.firstError
			}
		})
	}
	wg.Wait()
	return all
}

func (t *target) driveOne(op string, end time.Time) (l load) {
	const tooMany, deepEvery = 20, 64
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	c := &client{target: t}
	defer c.close()
	o := of(t.Ops, op)
	for i := 0; time.Now().Before(end) && l.errors < tooMany; i++ {
		at := pick(op, random)
		begin := time.Now()
		status, body, err := c.do(op, o, at)
		l.latencies = append(l.latencies, time.Since(begin).Seconds()*1000)
		if err == nil {
			err = t.verify(op, o, at, status, body, i%deepEvery == 0)
		}
		if err != nil {
			l.errors++
			if l.firstError == "" {
				l.firstError = err.Error()
			}
		}
	}
	return l
}

// pgbench runs a script for two seconds longer than a cell: in these, it connects and
// PostgreSQL plans. It returns the work until then.
func (m *meter) pgbench(t *target, script, op string, secs float64) (before work, l load) {
	dir, err := os.MkdirTemp("", "pgbench")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("pgbench", "-n", "-M", "prepared", "-f", filepath.Join(home, "pgbench", script), "-D", "n="+strconv.Itoa(addresses(op)),
		"-c", strconv.Itoa(m.conns), "-j", strconv.Itoa(min(2, m.conns)), "-T", strconv.Itoa(2+max(1, int(secs))), "-l", "--log-prefix", filepath.Join(dir, "log"), t.Database)
	// Else statements with few addresses would be planned again each time.
	cmd.Env = append(os.Environ(), "PGOPTIONS=-c plan_cache_mode=force_generic_plan -c enable_seqscan=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	before = m.begin(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		l.errors, l.firstError = 1, fmt.Sprintf("%v: %.500s", err, out.Bytes())
	}
	l.end = time.Now()
	l.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	files, _ := filepath.Glob(filepath.Join(dir, "log*"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for line := range strings.Lines(string(text)) {
			// client, transaction, microseconds, script, and the end's seconds and microseconds
			fields := strings.Fields(line)
			if len(fields) < 6 {
				continue
			}
			number := func(i int) int64 {
				n, _ := strconv.ParseInt(fields[i], 10, 64)
				return n
			}
			if time.Unix(number(4), 1000*number(5)).Before(before.at) {
				l.warmUp++
			} else {
				l.latencies = append(l.latencies, float64(number(2))/1000)
			}
		}
	}
	return before, l
}

func percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}
