package main

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
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
	"sync/atomic"
	"time"

	_ "github.com/lib/pq"
)

// operation is what is sent for one operation, and what must come back.
type operation struct {
	Query     string            `json:"query"`     // a GraphQL document; empty: plain HTTP
	Variables json.RawMessage   `json:"variables"` // with placeholders, see fill
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Body      json.RawMessage   `json:"body"`
	Count     map[string]string `json:"count"`     // text -> how often it is in the answer
	ErrorsOK  bool              `json:"errors_ok"` // the answer is errors
}

// target is a peer: a file of targets/. One that extends another has its fields,
// except for those that it sets. Their environments are joined: its own settings win.
type target struct {
	name     string
	Database string                `json:"database"`
	Start    []string              `json:"start"` // its program, in the work folder; none for pgbench
	Env      []string              `json:"env"`   // $DATABASE_URL, $PORT, $METRICS_PORT, $SMTP_PORT and $JWKS_PORT are replaced
	Path     string                `json:"path"`  // of the GraphQL endpoint
	RS256    bool                  `json:"rs256"` // tokens of the identity provider; else HS256 with JWT_SECRET
	Claims   map[string]any        `json:"claims"`
	Invite   string                `json:"invite"`    // one element of the list of addresses
	IDs      map[string]string     `json:"ids"`       // formats of the ids of instances and spaces
	OwnShape bool                  `json:"own_shape"` // its answers differ in form: only their counts are checked
	Reset    []string              `json:"reset"`     // removes what was written
	Rows     string                `json:"rows"`      // counts the invitations and the outbox rows that were written
	Ops      map[string]*operation `json:"ops"`       // by name, or by the letter before a number
	Scripts  map[string]string     `json:"scripts"`   // of pgbench, in the same way

	db     *sql.DB
	url    string // of the database
	port   int
	key    *rsa.PrivateKey
	tokens sync.Map // of people
	cmd    *exec.Cmd
}

// size is the number at the end of an operation's name.
func size(op string) int {
	n, _ := strconv.Atoi(strings.TrimLeft(op, letters))
	return n
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// of returns the entry of an operation: its own, or that of the letter before its number.
func of[T any](entries map[string]T, op string) T {
	if entry, ok := entries[op]; ok {
		return entry
	}
	return entries[strings.TrimRight(op, "0123456789")]
}

// addresses is how many addresses a request of an operation has.
func addresses(op string) int {
	switch {
	case op == "MBAD":
		return 100
	case strings.HasPrefix(op, "M"):
		return size(op)
	}
	return 0
}

// rowsOfInstance is how many members and invitations of an instance are in the answers
// of Q2 and L, about.
const rowsOfInstance = 20

// instances is how many instances are in the answer of an operation.
func instances(op string) int {
	if strings.HasPrefix(op, "L") {
		return size(op) / rowsOfInstance
	}
	return 20
}

// sent numbers addresses and keys, and run tells those of two runs apart.
var (
	sent atomic.Int64
	run  = strconv.FormatInt(time.Now().Unix(), 36)
)

func loadTarget(name string, port int) (*target, error) {
	t := &target{name: name, port: port, Claims: map[string]any{"sub": "{{user}}"}}
	if err := t.read(name); err != nil {
		return nil, err
	}
	t.url = databaseURL(t.Database)
	var err error
	if t.db, err = sql.Open("postgres", t.url); err != nil {
		return nil, err
	}
	t.db.SetMaxOpenConns(1) // its settings hold for all statements of Reset
	if !t.RS256 {
		return t, nil
	}
	text, err := os.ReadFile(filepath.Join(home, "key.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	t.key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	return t, err
}

func (t *target) read(name string) error {
	text, err := os.ReadFile(filepath.Join(home, "targets", name+".json"))
	if err != nil {
		return err
	}
	var child struct{ Extends string }
	if err := json.Unmarshal(text, &child); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if child.Extends != "" {
		if err := t.read(child.Extends); err != nil {
			return err
		}
	}
	env := t.Env
	t.Env = nil
	if err := json.Unmarshal(text, t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t.Env = append(env, t.Env...) // of a setting that is there twice, the last one holds
	return nil
}

func databaseURL(name string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%s/%s?sslmode=disable", os.Getenv("PGUSER"), os.Getenv("PGPORT"), name)
}

func (t *target) has(op string) bool {
	return of(t.Scripts, op) != "" || len(t.Start) > 0 && of(t.Ops, op) != nil
}

// row is what a request is about, by the numbers of sql/peers.sql.
type row struct {
	instance, space, user int
	emails                int // in the answer of Q2 and L
}

func spaceOf(instance int) int {
	block := (instance - 1) / 40
	if (instance-1)%40 < 10 {
		return 2*block + 1
	}
	return 2*block + 2
}

func administratorOf(space int) int { return space*7%50000 + 1 }

// emailsIn is the number of members and invitations of the first instances of a space.
func emailsIn(space, instances int) (emails int) {
	for i, n := 40*((space-2)/2)+11, 0; n < instances; i++ {
		if i%20 != 7 {
			n++
			emails += min(10, 5+i%11) + 10
		}
	}
	return emails
}

func pick(op string, r *rand.Rand) row {
	switch {
	case op == "Q1":
		for {
			if i := r.IntN(20000) + 1; i%20 != 7 {
				return row{instance: i, space: spaceOf(i), user: i*10*7919%50000 + 1}
			}
		}
	case addresses(op) == 0:
		s := 2 * (r.IntN(500) + 1)
		return row{space: s, user: administratorOf(s), emails: emailsIn(s, instances(op))}
	}
	for {
		if i := 40*r.IntN(500) + 11 + r.IntN(30); i%4 != 0 && i%20 != 7 {
			return row{instance: i, space: spaceOf(i), user: administratorOf(spaceOf(i))}
		}
	}
}

// fill replaces the placeholders of a template.
func (t *target) fill(template, op string, at row) string {
	if strings.Contains(template, "{{key}}") {
		template = strings.ReplaceAll(template, "{{key}}", fmt.Sprint("k", sent.Add(1), ".", run))
	}
	text := strings.NewReplacer(
		"{{instance}}", t.id("instance", at.instance), "{{space}}", t.id("space", at.space),
		`"{{instances}}"`, strconv.Itoa(instances(op)), "{{n}}", strconv.Itoa(addresses(op)), "{{q2emails}}", strconv.Itoa(at.emails)).Replace(template)
	if before, after, found := strings.Cut(text, `"{{invites}}"`); found {
		return before + t.invites(op) + after
	}
	return text
}

func (t *target) id(kind string, number int) string {
	if format := t.IDs[kind]; format != "" {
		return fmt.Sprintf(format, number)
	}
	return strconv.Itoa(number)
}

func (t *target) invites(op string) string {
	list := make([]string, addresses(op))
	for i := range list {
		email := fmt.Sprintf("n%d.%s@bench.example.net", sent.Add(1), run)
		if op == "MBAD" && i%10 < 3 {
			email = []string{"no-at-sign." + run, "two@@at.example", "space in@x.example"}[i%10]
		}
		list[i] = strings.Replace(t.Invite, "{{email}}", email, 1)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// signTokens makes the tokens that an operation may need: an RSA signature takes a
// millisecond, which would be measured.
func (t *target) signTokens(op string) {
	if t.key == nil || len(t.Start) == 0 {
		return
	}
	var users []int
	if op == "Q1" {
		for u := 1; u <= 50000; u += 10 {
			users = append(users, u)
		}
	} else {
		for s := 2; s <= 1000; s += 2 {
			users = append(users, administratorOf(s))
		}
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(users, len(users)/2+1) {
		wg.Go(func() {
			defer exitOnPanic()
			for _, u := range part {
				t.token(u)
			}
		})
	}
	wg.Wait()
}

func (t *target) token(user int) string {
	if known, found := t.tokens.Load(user); found {
		return known.(string)
	}
	claims := map[string]any{"iat": time.Now().Unix(), "exp": time.Now().Add(12 * time.Hour).Unix()}
	for name, value := range t.Claims {
		if text, ok := value.(string); ok {
			value = strings.ReplaceAll(text, "{{user}}", strconv.Itoa(user))
		}
		claims[name] = value
	}
	header := map[string]any{"typ": "JWT", "alg": "HS256"}
	if t.key != nil {
		header = map[string]any{"typ": "JWT", "alg": "RS256", "kid": "bench"}
	}
	token := encodePart(header) + "." + encodePart(claims)
	var signature []byte
	if t.key != nil {
		digest := sha256.Sum256([]byte(token))
		var err error
		if signature, err = rsa.SignPKCS1v15(nil, t.key, crypto.SHA256, digest[:]); err != nil {
			log.Fatal(err)
		}
	} else {
		mac := hmac.New(sha256.New, []byte(os.Getenv("JWT_SECRET")))
		mac.Write([]byte(token))
		signature = mac.Sum(nil)
	}
	token += "." + base64.RawURLEncoding.EncodeToString(signature)
	t.tokens.Store(user, token)
	return token
}

func encodePart(v any) string {
	text, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text)
}

// reset removes what was written. A worker of the gateway may hold rows that it
// locks in another order, so that it is tried again.
func (t *target) reset() {
	for _, statement := range t.Reset {
		_, err := t.db.Exec(statement)
		for try := 1; err != nil && try < 5; try++ {
			time.Sleep(300 * time.Millisecond)
			_, err = t.db.Exec(statement)
		}
		if err != nil {
			log.Fatal(t.name, ": ", statement, ": ", err)
		}
	}
}
