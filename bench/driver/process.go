package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func (t *target) address() string { return "127.0.0.1:" + strconv.Itoa(t.port) }

func (t *target) pid() int {
	if t.cmd == nil {
		return 0
	}
	return t.cmd.Process.Pid
}

// start starts a peer's program and waits until it listens.
func (t *target) start() {
	if len(t.Start) == 0 || t.cmd != nil {
		return
	}
	variable := map[string]string{
		"DATABASE_URL": t.url, "PORT": strconv.Itoa(t.port), "METRICS_PORT": strconv.Itoa(t.port + 1),
		"SMTP_PORT": os.Getenv("SMTP_PORT"), "JWKS_PORT": os.Getenv("JWKS_PORT"),
	}
	program := t.Start[0]
	if strings.Contains(program, "/") {
		program = filepath.Join(home, program)
	}
	t.cmd = exec.Command(program, t.Start[1:]...)
	t.cmd.Dir = home
	t.cmd.Env = append(os.Environ(), "NODE_ENV=production", "DATABASE_URL="+t.url, "PORT="+variable["PORT"])
	for _, e := range t.Env {
		t.cmd.Env = append(t.cmd.Env, os.Expand(e, func(name string) string { return variable[name] }))
	}
	output, err := os.Create(filepath.Join(home, "results", t.name+".log"))
	if err != nil {
		log.Fatal(err)
	}
	defer output.Close()
	t.cmd.Stdout, t.cmd.Stderr = output, output
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := t.cmd.Start(); err != nil {
		log.Fatal(t.name, ": ", err)
	}
	for range 200 {
		if conn, err := net.DialTimeout("tcp", t.address(), time.Second); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	log.Fatal(t.name, " does not listen; see ", output.Name())
}

func (t *target) stop() {
	if t.cmd == nil {
		return
	}
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(5*time.Second, func() { _ = t.cmd.Process.Kill() })
	_ = t.cmd.Wait()
	late.Stop()
	t.cmd = nil
}

// processCPU returns the seconds that a process and the ended ones of its children
// have worked, and its parent.
func processCPU(pid int) (self, children float64, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	seconds := func(i int) float64 {
		ticks, _ := strconv.ParseFloat(fields[i], 64)
		return ticks / 100
	}
	parent, _ = strconv.Atoi(fields[1])
	return seconds(11) + seconds(12), seconds(13) + seconds(14), parent
}

// postgresCPU returns the seconds that all processes of PostgreSQL have worked.
func postgresCPU() float64 {
	text, _ := os.ReadFile(filepath.Join(home, "pg", "data", "postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, _ := strconv.Atoi(first)
	self, children, _ := processCPU(postmaster)
	sum := self + children
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cpu, _, parent := processCPU(pid)
		if parent != postmaster {
			continue
		}
		// In nanoseconds, where the kernel has it.
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid)); err == nil {
			if first, _, found := strings.Cut(string(text), " "); found {
				if ns, err := strconv.ParseFloat(first, 64); err == nil && ns > 0 {
					cpu = ns / 1e9
				}
			}
		}
		sum += cpu
	}
	return sum
}

// machineCPU returns the seconds that all cores have worked.
func machineCPU() (sum float64) {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first) {
		const idle, iowait, steal = 4, 5, 8
		if i >= 1 && i <= steal && i != idle && i != iowait {
			ticks, _ := strconv.ParseFloat(field, 64)
			sum += ticks / 100
		}
	}
	return sum
}

func sinkCPU() float64 {
	pid, _ := strconv.Atoi(os.Getenv("SINK_PID"))
	self, _, _ := processCPU(pid)
	return self
}

func driverCPU() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// resetPeakMemory makes peakMemory count from now.
func resetPeakMemory(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peakMemory returns the most memory that a process had in use, in MiB.
func peakMemory(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return 0
}
