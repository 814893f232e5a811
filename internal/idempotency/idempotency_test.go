package idempotency

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/lib/pq" // to look at the rows without the package under test

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func execute(t *testing.T, db *postgres.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func number(t *testing.T, db *postgres.DB, query string) (n int) {
	t.Helper()
	if err := db.Get(t.Context(), &n, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func newActor(t *testing.T, db *postgres.DB, email string) access.Actor {
	t.Helper()
	actor := access.Actor{ID: globalid.New(globalid.User), Email: email}
	execute(t, db, `insert into account (id, email, email_key, name) values ($1, $2, $2, $2)`, actor.ID.UUID, email)
	return actor
}

func TestValidateKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key *string
		ok  bool
	}{
		"none":                      {nil, true},
		"one character":             {new("k"), true},
		"a UUID":                    {new("0190f5fe-7d2a-7c3e-8a4b-0123456789ab"), true},
		"spaces":                    {new("the first try"), true},
		"other scripts":             {new("ключ 鍵 🔑"), true},
		"255 characters":            {new(strings.Repeat("k", 255)), true},
		"255 of several octets":     {new(strings.Repeat("鍵", 255)), true},
		"empty":                     {new(""), false},
		"256 characters":            {new(strings.Repeat("k", 256)), false},
		"256 of several octets":     {new(strings.Repeat("鍵", 256)), false},
		"a megabyte":                {new(strings.Repeat("k", 1<<20)), false},
		"NUL":                       {new("k\x00"), false},
		"a line end":                {new("k\n"), false},
		"a tab":                     {new("\tk"), false},
		"DEL":                       {new("k\x7f"), false},
		"a C1 control":              {new("k\u0085"), false},
		"an invisible character":    {new("k\u200b"), false},
		"a bidirectional control":   {new("k\u202e"), false},
		"not UTF-8":                 {new("k\xff"), false},
		"half a surrogate pair":     {new("k\xed\xa0\x80"), false},
		"the replacement character": {new("k\ufffd"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := ValidateKey(test.key)
			if (len(faults) == 0) != test.ok {
				t.Fatalf("%v", faults)
			}
			if !test.ok && (len(faults) != 1 || faults[0].Code != fault.BadUserInput || fmt.Sprint(faults[0].InputPath) != "[input idempotencyKey]") {
				t.Errorf("%+v", faults[0])
			}
		})
	}
}

func TestEveryValidKeyCanBeStored(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ada := newActor(t, db, "ada@uni.example")
	for _, key := range []string{"k", strings.Repeat("鍵", 255), strings.Repeat("🔑", 255)} {
		if faults := ValidateKey(&key); faults != nil {
			t.Fatal(faults)
		}
		if made, err := run(t.Context(), db, Request{ada, &key, "inviteUsers", "x"}, nil); err != nil || made != "made" {
			t.Errorf("%q: %q, %v", key, made, err)
		}
	}
}

func TestHashTellsRequestsApart(t *testing.T) {
	t.Parallel()
	type input struct {
		Instance globalid.ID
		Role     string
		Emails   []string
		Message  *string
	}
	id := globalid.New(globalid.Instance)
	base := func() input { return input{id, "EDITOR", []string{"a@uni.example", "b@uni.example"}, new("Hello")} }
	changed := func(change func(*input)) input { i := base(); change(&i); return i }
	key, other := "one", "another"
	same := Request{access.Actor{Name: "Ada"}, &key, "inviteUsers", base()}
	for name, r := range map[string]Request{
		"once more":      {access.Actor{Name: "Ada"}, &key, "inviteUsers", base()},
		"another key":    {access.Actor{Name: "Ada"}, &other, "inviteUsers", base()},
		"another person": {access.Actor{Name: "Ed"}, &key, "inviteUsers", base()},
	} {
		if !bytes.Equal(hash(r), hash(same)) {
			t.Errorf("%s: another hash", name)
		}
	}
	hashes := map[string]string{string(hash(same)): "the first"}
	for name, r := range map[string]Request{
		"another mutation":            {Operation: "deleteInstance", Input: base()},
		"another instance":            {Operation: "inviteUsers", Input: changed(func(i *input) { i.Instance = globalid.New(globalid.Instance) })},
		"another kind of id":          {Operation: "inviteUsers", Input: changed(func(i *input) { i.Instance.Kind = globalid.Space })},
		"another role":                {Operation: "inviteUsers", Input: changed(func(i *input) { i.Role = "VIEWER" })},
		"one address less":            {Operation: "inviteUsers", Input: changed(func(i *input) { i.Emails = i.Emails[:1] })},
		"another order":               {Operation: "inviteUsers", Input: changed(func(i *input) { i.Emails[0], i.Emails[1] = i.Emails[1], i.Emails[0] })},
		"addresses that run together": {Operation: "inviteUsers", Input: changed(func(i *input) { i.Emails = []string{`a@uni.example","b@uni.example`} })},
		"no address":                  {Operation: "inviteUsers", Input: changed(func(i *input) { i.Emails = nil })},
		"no message":                  {Operation: "inviteUsers", Input: changed(func(i *input) { i.Message = nil })},
		"an empty message":            {Operation: "inviteUsers", Input: changed(func(i *input) { i.Message = new("") })},
		"another case":                {Operation: "inviteUsers", Input: changed(func(i *input) { i.Message = new("hello") })},
	} {
		h := string(hash(r))
		if like, found := hashes[h]; found {
			t.Errorf("%s has the hash of %s", name, like)
		}
		hashes[h] = name
	}
}

// run runs a request whose work is to be done once.
func run(ctx context.Context, db *postgres.DB, r Request, work func(tx *postgres.Tx) error) (answer string, err error) {
	return Run(ctx, db, r, Steps[string]{Do: func(_ context.Context, tx *postgres.Tx) (string, error) {
		if work != nil {
			if err := work(tx); err != nil {
				return "", err
			}
		}
		return "made", nil
	}})
}

// Nobody learns about a key before Authorize has allowed the request.
func TestRunAuthorizesBeforeItReplays(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	r := Request{newActor(t, db, "ada@uni.example"), new("key"), "inviteUsers", "input"}
	var steps []string
	refusal := errors.New("not allowed")
	allowed := true
	once := func(r Request) (string, error) {
		steps = nil
		return Run(ctx, db, r, Steps[string]{
			Authorize: func(context.Context, *postgres.Tx) error {
				steps = append(steps, "authorize")
				if !allowed {
					return refusal
				}
				return nil
			},
			Replay: func(_ context.Context, _ *postgres.Tx, answer *string) error {
				steps = append(steps, "replay")
				*answer += " before"
				return nil
			},
			Do: func(context.Context, *postgres.Tx) (string, error) { steps = append(steps, "do"); return "made", nil },
		})
	}
	for _, c := range []struct {
		allowed bool
		input   string
		answer  string
		steps   string
		err     error
	}{
		{false, "input", "", "[authorize]", refusal},
		{true, "input", "made", "[authorize do]", nil},
		{true, "input", "made before", "[authorize replay]", nil},
		{false, "input", "", "[authorize]", refusal},
		{false, "other", "", "[authorize]", refusal},
		{true, "other", "", "[authorize]", keyReused()},
	} {
		allowed, r.Input = c.allowed, c.input
		answer, err := once(r)
		if fmt.Sprint(err) != fmt.Sprint(c.err) || err == nil && answer != c.answer || fmt.Sprint(steps) != c.steps {
			t.Errorf("%+v: %q, %v, %v", c, answer, steps, err)
		}
	}
}

func wantReused(t *testing.T, err error) {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) || f.Code != fault.IdempotencyKeyReused {
		t.Errorf("%v, want IDEMPOTENCY_KEY_REUSED", err)
	}
}

func TestParallelCopiesAreExecutedOnce(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	r := Request{newActor(t, db, "ada@uni.example"), new("key"), "inviteUsers", "input"}
	var worked atomic.Int64
	var copies sync.WaitGroup
	for range 20 {
		copies.Go(func() {
			answer, err := run(t.Context(), db, r, func(tx *postgres.Tx) error {
				worked.Add(1)
				return nil
			})
			if answer != "made" || err != nil {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
	copies.Wait()
	if worked.Load() != 1 {
		t.Errorf("executed %d times", worked.Load())
	}
}

func TestKeyIsOfOnePersonAndOneRequest(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	ada, ed := newActor(t, db, "ada@uni.example"), newActor(t, db, "ed@uni.example")
	worked := 0
	work := func(*postgres.Tx) error { worked++; return nil }
	do := func(r Request) error { _, err := run(ctx, db, r, work); return err }
	wantWorked := func(want int) {
		t.Helper()
		if worked != want {
			t.Errorf("executed %d times, want %d", worked, want)
		}
	}
	key := new("key")
	first := Request{ada, key, "inviteUsers", "input"}

	failure := errors.New("on purpose")
	if _, err := run(ctx, db, first, func(*postgres.Tx) error { return failure }); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if known, err := Known(ctx, db, ada, *key); known || err != nil {
		t.Errorf("a failed request is remembered: %t, %v", known, err)
	}
	for range 2 {
		if err := do(first); err != nil {
			t.Error(err)
		}
	}
	wantWorked(1)
	if known, err := Known(ctx, db, ada, *key); !known || err != nil {
		t.Errorf("not known: %t, %v", known, err)
	}
	wantReused(t, do(Request{ada, key, "inviteUsers", "another input"}))
	wantReused(t, do(Request{ada, key, "deleteInstance", "input"}))
	checkReuse := func(r Request) error {
		t.Helper()
		var known bool
		if err := db.Get(ctx, &known, `select `+IsKnown("$1", "$2"), r.Actor.ID.UUID, r.Key); err != nil {
			t.Fatal(err)
		}
		return CheckReuse(known)
	}
	wantReused(t, checkReuse(first))
	wantWorked(1)

	if known, err := Known(ctx, db, ed, *key); known || err != nil {
		t.Errorf("another person's key is known: %t, %v", known, err)
	}
	if err := checkReuse(Request{Actor: ed, Key: key}); err != nil {
		t.Error(err)
	}
	if err := do(Request{ed, key, "inviteUsers", "another input"}); err != nil {
		t.Error(err)
	}
	wantWorked(2)

	for range 2 {
		if err := do(Request{ada, nil, "inviteUsers", "input"}); err != nil {
			t.Error(err)
		}
	}
	wantWorked(4)
	if err := checkReuse(Request{Actor: ada}); err != nil {
		t.Errorf("a request without a key: %v", err)
	}
}

func TestKeyIsKeptForADay(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	ada := newActor(t, db, "ada@uni.example")
	worked := 0
	do := func(input string) error {
		_, err := run(ctx, db, Request{ada, new("key"), "inviteUsers", input}, func(*postgres.Tx) error { worked++; return nil })
		return err
	}
	age := func(interval string) {
		t.Helper()
		execute(t, db, `update idempotency_key set created_at = clock_timestamp() - $1::interval`, interval)
	}
	if err := do("input"); err != nil {
		t.Fatal(err)
	}
	age("23 hours 59 minutes")
	if err := do("input"); err != nil || worked != 1 {
		t.Errorf("within the day: %v, executed %d times", err, worked)
	}
	wantReused(t, do("another"))

	age("24 hours")
	if known, err := Known(ctx, db, ada, "key"); known || err != nil {
		t.Errorf("known after the day: %t, %v", known, err)
	}
	for range 2 {
		if err := do("another"); err != nil || worked != 2 {
			t.Errorf("after the day: %v, executed %d times", err, worked)
		}
	}
	if n := number(t, db, `select count(*) from idempotency_key`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestDeleteExpiredDeletesOldKeysInBatches(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	ada := newActor(t, db, "ada@uni.example")
	const old, young = 2300, 50
	execute(t, db, `
		insert into idempotency_key (account_id, key, request_hash, response, created_at)
		select $1::uuid, 'old ' || n, '\x00'::bytea, '{}'::json, clock_timestamp() - interval '24 hours' from generate_series(1, $2::int) n
		union all
		select $1::uuid, 'young ' || n, '\x00'::bytea, '{}'::json, clock_timestamp() - interval '23 hours 59 minutes' from generate_series(1, $3::int) n`,
		ada.ID.UUID, old, young)
	for _, want := range []int64{1000, 1000, 300, 0} {
		if n, err := DeleteExpired(ctx, db); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	if n := number(t, db, `select count(*) from idempotency_key where key like 'young %'`); n != young {
		t.Errorf("%d of %d young keys are left", n, young)
	}
	if n := number(t, db, `select count(*) from idempotency_key`); n != young {
		t.Errorf("%d are left", n)
	}
}

// A key that is being used again is locked, and no longer old.
func TestDeleteExpiredLeavesKeysInUse(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	r := Request{newActor(t, db, "ada@uni.example"), new("key"), "inviteUsers", "input"}
	if _, err := run(ctx, db, r, nil); err != nil {
		t.Fatal(err)
	}
	execute(t, db, `update idempotency_key set created_at = clock_timestamp() - interval '25 hours'`)
	if _, err := run(ctx, db, r, func(*postgres.Tx) error {
		n, err := DeleteExpired(ctx, db)
		if n != 0 {
			t.Errorf("%d deleted", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	var answer sql.NullString
	if err := db.Get(ctx, &answer, `select response::text from idempotency_key`); err != nil || answer.String != `"made"` {
		t.Errorf("%v, %v", answer, err)
	}
}
