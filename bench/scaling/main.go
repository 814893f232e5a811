// Command scaling measures operations of a gateway on databases of several sizes, one
// request at a time, and writes a table and a plot: see ../scale.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	_ "github.com/lib/pq"
)

// measurement is what an operation took in a database: medians of its requests.
type measurement struct {
	Rows      int     `json:"rows"`
	Operation string  `json:"operation"`
	MS        float64 `json:"ms"`      // of the request
	DB        float64 `json:"db"`      // of its statements, in ms
	Buffers   float64 `json:"buffers"` // of 8 KiB that the statements read
	Error     string  `json:"error,omitempty"`
}

func main() {
	log.SetFlags(0)
	url := flag.String("url", "", "of the database server: postgres://postgres@127.0.0.1:7500/%s?sslmode=disable")
	binary := flag.String("gateway", "bin/datahub", "the gateway's program")
	key := flag.String("key", "key.pem", "the identity provider's private key")
	port := flag.Int("port", 7510, "the first of two ports for the gateway")
	out := flag.String("out", "scale.jsonl", "where the measurements are added")
	report := flag.String("report", "", "write the report of -out to this folder, and measure nothing")
	flag.Parse()
	if *report != "" {
		if err := writeReport(*out, *report); err != nil {
			log.Fatal(err)
		}
		return
	}
	signer, err := readKey(*key)
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	for _, size := range flag.Args() {
		var rows int
		if _, err := fmt.Sscan(size, &rows); err != nil {
			log.Fatal(err)
		}
		g := gateway{rows: rows, database: fmt.Sprint("scale_", rows), port: *port, key: signer}
		if err := g.measure(*url, *binary, json.NewEncoder(file)); err != nil {
			log.Fatal(rows, ": ", err)
		}
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
}

// gateway is a running gateway on the database of one size.
type gateway struct {
	rows     int
	database string
	port     int
	key      *rsa.PrivateKey
	stats    *sql.DB // another database of the same server
}

func (g *gateway) measure(url, binary string, to *json.Encoder) (err error) {
	if g.stats, err = sql.Open("postgres", fmt.Sprintf(url, "postgres")); err != nil {
		return err
	}
	defer g.stats.Close()
	if _, err := g.stats.Exec("select pg_stat_statements_reset()"); err != nil {
		return err
	}
	cmd := exec.Command(binary, "serve")
	logged, err := os.Create(fmt.Sprintf("results/%s.log", g.database))
	if err != nil {
		return err
	}
	defer logged.Close()
	cmd.Stdout, cmd.Stderr = logged, logged
	cmd.Env = append(os.Environ(), "DATABASE_URL="+fmt.Sprintf(url, g.database), fmt.Sprintf("DATAHUB_ADDR=127.0.0.1:%d", g.port),
		fmt.Sprintf("DATAHUB_METRICS_ADDR=127.0.0.1:%d", g.port+1))
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if stopped := cmd.Wait(); err == nil {
			err = stopped
		}
	}()
	if err := g.awaitReady(); err != nil {
		return err
	}
	// What is due when a gateway starts, such as the purge of instance 6, is done before
	// anything is measured.
	if err := g.awaitHousekeeping(); err != nil {
		return err
	}
	open, err := openRequests(fmt.Sprintf(url, g.database))
	if err != nil {
		return err
	}
	byName := map[string][]measurement{}
	for _, op := range operations(g.rows, open) {
		ms, err := g.run(op)
		if err != nil {
			return err
		}
		byName[op.name] = append(byName[op.name], ms...)
	}
	for range reads {
		m, err := g.request("metrics", func() (string, error) { return g.get(fmt.Sprintf("http://127.0.0.1:%d/metrics", g.port+1)) })
		if err != nil {
			return err
		}
		byName[m.Operation] = append(byName[m.Operation], m)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		m := median(byName[name])
		fmt.Printf("%9d  %-62s %9.2f ms %9.2f ms %8.0f buffers %s\n", g.rows, name, m.MS, m.DB, m.Buffers, m.Error)
		if err := to.Encode(m); err != nil {
			return err
		}
	}
	return g.housekeeping(to)
}

// openRequests returns the numbers of the oldest open requests of a database: see
// sql/scale.sql.
func openRequests(url string) (open []int, err error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query(`select ('x' || right(id::text, 12))::bit(48)::bigint from request where status = 'OPEN' order by id limit 15`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		open = append(open, n)
	}
	return open, rows.Err()
}

func (g *gateway) awaitReady() error {
	for range 300 {
		if answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", g.port)); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the gateway is not ready: see results/%s.log", g.database)
}

// awaitHousekeeping waits until the deleted instance is purged.
func (g *gateway) awaitHousekeeping() error {
	for range 600 {
		var n int
		if err := g.stats.QueryRow(`select count(*) from pg_stat_statements s join pg_database d on d.oid = s.dbid
			where datname = $1 and query like 'select audit_log_delete_old%'`, g.database).Scan(&n); err != nil || n > 0 {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("the housekeeping has not ended")
}

// jobs are statements of the housekeeping, and how pg_stat_statements names them.
var jobs = map[string]string{
	"purge: mails of an instance, 1,000 at once":       "delete from outbox where id in (select id from outbox where instance_id%",
	"purge: invitations of an instance, 1,000 at once": "delete from invitation where id in (select id from invitation where instance_id%",
	"purge: the instance":                              "delete from instance where id%",
	"ended invitations to delete (none)":               "%delete from invitation where id in (select id from ended)",
	"backlog of mails":                                 "%select kind,%case when state = %",
	"finished mails to delete (none)":                  "%delete from outbox where id in (%as at from outbox order by id limit%",
	"records of the trail to delete (none)":            "select audit_log_delete_old%",
	"requests that have expired (none)":                "%update request set status = %expires_at <= statement_timestamp()%limit%",
	"ended requests to delete (none)":                  "%select id from request%ended_at <= statement_timestamp()%",
	"mails to send (none)":                             "%update outbox o%attempts = attempts +%",
}

// housekeeping writes what the gateway's own statements took.
func (g *gateway) housekeeping(to *json.Encoder) error {
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		m := measurement{Rows: g.rows, Operation: name}
		var calls sql.NullFloat64
		var ms, buffers sql.NullFloat64
		err := g.stats.QueryRow(`select sum(calls), sum(total_exec_time) / sum(calls), sum(shared_blks_hit + shared_blks_read) / sum(calls)
			from pg_stat_statements s join pg_database d on d.oid = s.dbid where datname = $1 and query like $2`, g.database, jobs[name]).Scan(&calls, &ms, &buffers)
		if err != nil {
			return err
		}
		if !calls.Valid {
			continue
		}
		m.MS, m.DB, m.Buffers = ms.Float64, ms.Float64, buffers.Float64
		fmt.Printf("%9d  %-62s %9.2f ms %9s    %8.0f buffers\n", g.rows, name, m.MS, "", m.Buffers)
		if err := to.Encode(m); err != nil {
			return err
		}
	}
	return nil
}

// patience is how much an operation may take in all. An operation that is slow in a large
// database is repeated less often.
const patience = 20 * time.Second

func (g *gateway) run(op operation) (ms []measurement, err error) {
	began := time.Now()
	for i := 0; i < op.repeats && (i < 3 || time.Since(began) < patience); i++ {
		if op.next != nil {
			op.next(op.variables, i)
		}
		m, err := g.request(op.name, func() (string, error) { return g.ask(op) })
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	if len(ms) > 2 {
		ms = ms[1:] // the first one plans its statements
	}
	return ms, nil
}

// request measures one request.
func (g *gateway) request(name string, send func() (refused string, err error)) (m measurement, err error) {
	before, err := g.statements()
	if err != nil {
		return m, err
	}
	began := time.Now()
	refused, err := send()
	took := time.Since(began)
	if err != nil {
		return m, err
	}
	after, err := g.statements()
	return measurement{g.rows, name, took.Seconds() * 1000, after.ms - before.ms, after.buffers - before.buffers, refused}, err
}

type statistics struct{ ms, buffers float64 }

func (g *gateway) statements() (s statistics, err error) {
	err = g.stats.QueryRow(`select coalesce(sum(total_exec_time), 0), coalesce(sum(shared_blks_hit + shared_blks_read), 0)
		from pg_stat_statements s join pg_database d on d.oid = s.dbid where datname = $1`, g.database).Scan(&s.ms, &s.buffers)
	return s, err
}

func (g *gateway) ask(op operation) (refused string, err error) {
	body, err := json.Marshal(map[string]any{"query": op.query, "variables": op.variables})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/graphql", g.port), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+g.token(op.person))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		Errors []struct {
			Message    string         `json:"message"`
			Extensions map[string]any `json:"extensions"`
		} `json:"errors"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Errors) == 0 {
		return "", nil
	}
	// A statement that takes too long is a result. Anything else is a mistake here.
	if answer.Errors[0].Extensions["code"] == "UNAVAILABLE" {
		return "UNAVAILABLE", nil
	}
	return "", fmt.Errorf("%s: %s", op.name, answer.Errors[0].Message)
}

func (g *gateway) get(url string) (refused string, err error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return "", err
}

func (g *gateway) token(person int) string {
	encode := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	signed := encode(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "bench"}) + "." + encode(map[string]any{
		"sub": fmt.Sprint(person), "iss": "https://idp.example", "aud": "datahub-gateway", "email": fmt.Sprintf("user%d@corp.example.com", person),
		"email_verified": true, "name": fmt.Sprint("User Name ", person), "iat": now, "exp": now + 3600})
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, digest[:])
	if err != nil {
		log.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s has no key", file)
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func median(of []measurement) measurement {
	middle := func(value func(measurement) float64) float64 {
		values := make([]float64, len(of))
		for i, m := range of {
			values[i] = value(m)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	m := of[0]
	for _, other := range of {
		m.Error = max(m.Error, other.Error)
	}
	m.MS = middle(func(m measurement) float64 { return m.MS })
	m.DB = middle(func(m measurement) float64 { return m.DB })
	m.Buffers = middle(func(m measurement) float64 { return m.Buffers })
	return m
}
