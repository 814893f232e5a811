package postgrestest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"
	"sync"
)

func TestMeasure(t *testing.T) {
	begin := time.Now()
	s := &server{migrate: func(ctx context.Context, dsn string) error {
		db, _ := sql.Open("postgres", dsn)
		defer db.Close()
		for i := range 20 {
			if _, err := db.Exec(fmt.Sprintf("create table t%d (id uuid primary key, a text unique, b text, c timestamptz default now()); create index on t%d (b); insert into t%d select gen_random_uuid(), n, n from generate_series(1,50) n", i, i, i)); err != nil { return err }
		}
		return nil
	}}
	if err := s.start(); err != nil { t.Fatal(err) }
	fmt.Println("start", time.Since(begin))
	defer s.stop()
	for _, strategy := range []string{"", "STRATEGY WAL_LOG", "STRATEGY FILE_COPY", "STRATEGY WAL_LOG", "STRATEGY FILE_COPY"} {
		var c, d time.Duration
		for i := range 20 {
			n := fmt.Sprintf("m%d", i)
			b := time.Now()
			if _, err := s.admin.Exec("CREATE DATABASE "+n+" TEMPLATE template "+strategy); err != nil { t.Fatal(err) }
			c += time.Since(b)
			db, _ := sql.Open("postgres", s.postgres.DSN(n))
			db.Exec("insert into t1 select gen_random_uuid(), -n, n from generate_series(1,500) n")
			db.Close()
			b = time.Now()
			if _, err := s.admin.Exec("DROP DATABASE "+n+" WITH (FORCE)"); err != nil { t.Fatal(err) }
			d += time.Since(b)
		}
		fmt.Println(strategy, "create", c/20, "drop", d/20)
		b := time.Now()
		var wg sync.WaitGroup
		for w := range 8 { wg.Go(func() { for i := range 5 { n := fmt.Sprintf("p%d_%d", w, i); if _, err := s.admin.Exec("CREATE DATABASE "+n+" TEMPLATE template "+strategy); err != nil { t.Error(err) } ; if _, err := s.admin.Exec("DROP DATABASE "+n+" WITH (FORCE)"); err != nil { t.Error(err) }}})}
		wg.Wait()
		fmt.Println("parallel: each create+drop", time.Since(b)/40)
	}
}
