// Command driver measures peers beside each other: it starts each one, sends it
// requests over a fixed number of connections, checks the answers, and writes what a
// request costs. See ../README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// home is the work folder, which ../run fills.
var home = os.Getenv("BENCH_HOME")

func main() {
	log.SetFlags(0)
	runtime.LockOSThread() // a peer ends with the thread that started it
	ops := flag.String("ops", "Q1,Q2,M1,M10,M100,M1000,MBAD,L20,L100,L400", "operations")
	peers := flag.String("peers", "pgbench,full,rest,mercurius,apollo,datahub,datahub-held", "names of files in targets/")
	rounds := flag.Int("rounds", 4, "cells of each peer and operation")
	secs := flag.Float64("secs", 4, "length of a cell; pgbench takes whole seconds")
	warm := flag.Float64("warm", 2, "seconds before the first cell of a peer")
	conns := flag.Int("conns", 16, "connections")
	quiet := flag.Float64("quiet", 0.25, "a cell beside which other programs use more cores is measured again")
	tries := flag.Int("tries", 1, "how often a cell is measured at most; the quietest counts")
	out := flag.String("out", "results.jsonl", "file for the cells; the tables go to the same name with .md")
	again := flag.String("report", "", "write the tables of this file of cells, and stop")
	flag.Parse()
	if *again != "" {
		cells, err := readCells(*again)
		if err != nil {
			log.Fatal(err)
		}
		writeReport(os.Stdout, cells)
		return
	}

	m := newMeter(*conns)
	var targets []*target
	for i, name := range strings.Split(*peers, ",") {
		t, err := loadTarget(name, m.basePort+10+2*i)
		if err != nil {
			log.Fatal(err)
		}
		targets = append(targets, t)
	}
	file, err := os.Create(*out)
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range strings.Split(*ops, ",") {
		for round := range *rounds {
			for _, t := range targets {
				if !t.has(op) {
					continue
				}
				warmUp := 0.3
				if round == 0 {
					t.signTokens(op)
					t.start()
					warmUp = *warm
				}
				c := m.measure(t, op, round, *secs, warmUp)
				for try := 1; try < *tries && c.Foreign > *quiet; try++ {
					if again := m.measure(t, op, round, *secs, 0.3); again.Foreign < c.Foreign {
						c = again
					}
				}
				fmt.Println(c)
				line, _ := json.Marshal(c)
				if _, err := file.Write(append(line, '\n')); err != nil {
					log.Fatal(err)
				}
			}
		}
		for _, t := range targets {
			t.stop()
		}
	}
	cells, err := readCells(*out)
	if err != nil {
		log.Fatal(err)
	}
	report, err := os.Create(strings.TrimSuffix(*out, ".jsonl") + ".md")
	if err != nil {
		log.Fatal(err)
	}
	writeReport(report, cells)
	writePlots(report, strings.TrimSuffix(*out, ".jsonl"), curves(cells))
	if err := report.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("written:", report.Name())
}

// exitOnPanic ends the program, and thereby the peers that it started.
func exitOnPanic() {
	if r := recover(); r != nil {
		log.Fatalf("%v\n%s", r, debug.Stack())
	}
}
